"""Units and meanings of columns that only the functions which make their tables describe."""

from __future__ import annotations

# column -> (unit, meaning), as everywhere a table declares its columns
Columns = dict[str, tuple[str, str]]

RUN: Columns = {
    "regime": ("", "name of the regime"),
    "carbon_price": ("money/t", "carbon price tau"),
}
_PLACE: Columns = {"province": ("", "province"), "carrier": ("", "carrier")}
_HOUR: Columns = {"snapshot": ("", "beginning of the hour")}

LEDGER: Columns = {
    "payer": ("", "who pays; a negative amount goes the other way"),
    "payee": ("", "who is paid"),
    "product": ("", "what is paid for"),
    "period": ("", "label of the window"),
    "quantity": ("MWh", "of energy; t of allowances, MW h of reserves, nothing of lump sums"),
    "price": ("money/unit", "amount over quantity"),
    "amount": ("money", "over the hours that the snapshots of the period stand for"),
}
PRICES: Columns = {
    **RUN,
    **_HOUR,
    "bus": ("", "bus"),
    "price": ("money/MWh", "hourly price signal: locational price, tariff, or value under rules"),
    "unique": ("", "False where several prices support the optimum"),
}
CURTAILMENT: Columns = {
    **RUN,
    **_PLACE,
    "available_mwh": ("MWh", "what could have been given; of storage its inflow"),
    "curtailment_mwh": ("MWh", "available less used; of storage spill"),
    "curtailment_rate": ("1", "curtailed / available"),
    "min": ("MWh", "the least that any optimum has; where ranges were asked for"),
    "max": ("MWh", "the most that any optimum has; where ranges were asked for"),
}
GENERATION: Columns = {
    **RUN,
    **_PLACE,
    "capacity_mw": ("MW", "capacity"),
    "generation_mwh": ("MWh", "output; storage counts what it discharges"),
    "emissions_t": ("t", "direct CO2 emissions"),
    "utilisation_h": ("h", "generation over capacity"),
}
REVENUE: Columns = {
    **RUN,
    **_PLACE,
    "service": ("", "product of the ledger, both settlements of a day together"),
    "capacity_mw": ("MW", "of all plant of the carrier there"),
    "amount": ("money", "net receipts; charges are negative"),
    "per_mw_year": ("money/(MW a)", "the same per MW and year of 8,760 h"),
}
TRADE: Columns = {
    **RUN,
    "corridor": ("", "link between two provinces"),
    "seller": ("", "sending province"),
    "buyer": ("", "receiving province"),
    "tier": ("", "framework, spot; all under rules of trade without tiers"),
    "sent_mwh": ("MWh", "what enters the corridor"),
    "delivered_mwh": ("MWh", "what leaves it"),
    "seller_price": ("money/MWh", "mean, for a MWh sent"),
    "buyer_price": ("money/MWh", "mean, for a MWh delivered, fee and rent included"),
    "fee": ("money/MWh", "for a MWh sent"),
}
DEMAND: Columns = {
    **RUN,
    **_HOUR,
    "load": ("", "load"),
    "reference_mw": ("MW", "what it is in the network"),
    "served_mw": ("MW", "what is served: what is shed is taken off"),
    "elastic_mw": ("MW", "change by elastic demand; below 0: given up"),
    "shifted_mw": ("MW", "change by shifting"),
}
RESERVES: Columns = {
    **RUN,
    **_HOUR,
    "product": ("", "reserve product of the market file"),
    "zone": ("", "smallest zone with a requirement that the provider is in"),
    "provider": ("", "generator or storage unit"),
    "reserve_mw": ("MW", "award"),
}
RESERVE_PRICES: Columns = {
    **RUN,
    **_HOUR,
    "product": ("", "reserve product of the market file"),
    "zone": ("", "zone with a requirement"),
    "price": ("money/(MW h)", "what an award in the zone is paid, zones around it included"),
    "required_mw": ("MW", "requirement"),
    "short_mw": ("MW", "what was not met"),
}
FLEXIBILITY_VALUE: Columns = {
    **RUN,
    "province": ("", "province"),
    "direction": ("", "up or down"),
    "value": ("money/(MW a)", "what one more MW earns that can provide every product"),
}
DEEP_PEAK: Columns = {
    **RUN,
    **_HOUR,
    "area": ("", "where the tier is cleared"),
    "provider": ("", "generator"),
    "tier": ("1", "number of the tier, from 1"),
    "depth_mw": ("MW", "output below the base load rate in the tier"),
    "offer": ("money/MWh", "offer of the tier"),
    "price": ("money/MWh", "price of the tier; 0 in the joint clearing"),
    "amount": ("money", "over the hours the snapshot stands for"),
}
MILEAGE: Columns = {
    **RUN,
    **_HOUR,
    "zone": ("", "zone of the need"),
    "provider": ("", "generator or storage unit"),
    "k": ("1", "performance K"),
    "quality": ("", "of the figures behind K: given, recalled, estimated"),
    "bid": ("money/MW", "bid for a MW of mileage"),
    "rank_price": ("money/MW", "bid over relative performance"),
    "mileage_mw": ("MW/h", "mileage in an hour"),
    "price": ("money/MW", "price of mileage"),
    "amount": ("money", "over the hours the snapshot stands for"),
}
MILEAGE_PRICES: Columns = {
    **RUN,
    **_HOUR,
    "zone": ("", "zone of the need"),
    "need_mw": ("MW/h", "mileage needed in an hour"),
    "short_mw": ("MW/h", "what nobody could serve"),
    "price": ("money/MW", "price of mileage"),
}
CALIBRATION: Columns = {
    "quantity": ("", "what is compared"),
    "carrier": ("", "fuel of the observed figure"),
    "unit": ("", "of model and observed"),
    "model": ("unit", "in the run of `calibration.regime`"),
    "observed": ("unit", "in `calibration.observed`"),
    "difference_pct": ("%", "model over observed, less 1"),
    "quality": ("", "label of the observed figure"),
}
UTILISATION: Columns = {
    "province": ("", "province"),
    "capacity_mw": ("MW", "of quota units"),
    "generation_mwh": ("MWh", "of quota units"),
    "utilisation_h": ("h", "generation over capacity"),
    "outlier": ("", "outside `calibration.utilisation_range`"),
}
MITIGATED: Columns = {
    **RUN,
    "generator": ("", "whose offer was replaced"),
    **_HOUR,
    "step": ("1", "block of the offer, from 0"),
    "quantity_mw": ("MW", "of the block"),
    "offer": ("money/MWh", "as it was, without the carbon price"),
    "mitigated_offer": ("money/MWh", "what took its place"),
}
SEAMS: Columns = {
    "window": ("", "label of the window"),
    "storage_unit": ("", "storage unit"),
    "start_mwh": ("MWh", "level before the first snapshot"),
    "end_mwh": ("MWh", "level at the last snapshot"),
    "value": ("money/MWh", "of stored energy at the end, in the plan of the year"),
}
ABATEMENT_CURVE: Columns = {
    "regime": ("", "name of the regime"),
    "from_t": ("t", "abated before the step"),
    "to_t": ("t", "abated after it"),
    "tau": ("money/t", "carbon price of the step"),
    "abatement_cost": ("money/t", "resource cost that rises over emissions that fall"),
}
COMBINATIONS: Columns = {
    "regime": ("", "name of the regime"),
    "relaxed": ("", "causes that are relaxed, joined by +"),
    "cost": ("money", "resource cost"),
    "minimised": ("money", "cost, fees, what offers add, ranks"),
    "emissions_t": ("t", "direct CO2 emissions"),
    "load_shed_mwh": ("MWh", "unserved load"),
    "excess_mwh": ("MWh", "generation that nobody could use"),
    "wind_mwh": ("MWh", "curtailed wind"),
    "solar_mwh": ("MWh", "curtailed sun"),
    "hydro_mwh": ("MWh", "spilled hydro"),
    "curtailment_mwh": ("MWh", "curtailed in all"),
}
FAILED: Columns = {
    "regime": ("", "name of the regime"),
    "(what)": ("", "combination of relaxed causes, or remedy, that could not be cleared"),
    "message": ("", "why"),
}
YEARLY: Columns = {
    "weather_year": ("", "label of the weather year"),
    **RUN,
    "quantity": ("", "as in the table of quantities below"),
    "detail": ("", "carrier or user class; all"),
    "value": ("unit", "of the year"),
}
WEATHER: Columns = {
    "weather_year": ("", "label of the weather year"),
    "series": ("", "renewable carrier, or load"),
    "energy_mwh": ("MWh", "available, inflow, or demand"),
    "relative": ("1", "to the network's own weather"),
}
CAPTURE_ASSUMPTIONS: Columns = {
    "parameter": ("", "what is assumed of capture of CO2"),
    "value": ("unit", "its value"),
    "unit": ("", "of the value"),
    "source": ("", "recalled, given, or market file"),
}
FLEXIBILITY: Columns = {
    **RUN,
    "quantity": (
        "",
        "storage_per_mw, arbitrage_per_mw [money/(MW a)], capture_break_even [money/t], or a "
        "column of demand_effects",
    ),
    "detail": ("", "carrier or kind, of arbitrage after the side"),
    "value": ("unit", "of the quantity"),
}
CLAIMS_ISSUED: Columns = {
    "plant": ("", "who gave the energy"),
    "vintage": ("", "month"),
    **_PLACE,
    "issued_mwh": ("MWh", "certificates"),
    "avoided_t": ("t", "emissions that the energy avoids"),
    "credited_t": ("t", "what it would be credited if all were converted"),
}
CLAIMS_BALANCE: Columns = {
    **_PLACE,
    "issued_mwh": ("MWh", "issued"),
    "retired_mwh": ("MWh", "retired"),
    "banked_mwh": ("MWh", "kept"),
    "converted_mwh": ("MWh", "counted by another instrument"),
}
CLAIMS_TWICE: Columns = {
    "plant": ("", "who gave the energy"),
    "vintage": ("", "month"),
    **_PLACE,
    "issued_mwh": ("MWh", "certificates"),
    "registered_mwh": ("MWh", "what instruments would register without seeing each other"),
    "double_mwh": ("MWh", "of it beyond what is issued: in two claims at least"),
    "double_t": ("t", "the same at the avoided rate"),
}
PROOF: Columns = {
    "check": ("", "what is checked"),
    "left": ("unit", "one side"),
    "relation": ("", "= or <="),
    "right": ("unit", "the other side"),
    "unit": ("", "of both"),
    "holds": ("", "to 1e-9 relative"),
}
TRANSFERS: Columns = {
    **RUN,
    "origin": ("", "province that emits"),
    "consumer": ("", "province that uses"),
    "emissions_t": ("t", "emitted there for what is used here"),
    "change_t": ("t", "against the first regime at the same carbon price"),
}
MIX: Columns = {
    **RUN,
    **_PLACE,
    "mwh": ("MWh", "of the carrier in what the province uses"),
    "share": ("1", "of what it uses"),
}
INSTRUMENTS: Columns = {
    "instrument": ("", "key in the registry"),
    "key": ("", "under which the study names it; empty where it does not"),
    "name": ("", "name"),
    "launch_year": ("a", "when it began"),
    "unit": ("", "what it counts"),
    "obligated": ("", "who is obliged"),
    "target": ("", "what is asked for"),
    "quality": ("", "of name and year: sourced, recalled"),
    "details": ("", "of the rest: sourced, recalled"),
    "source": ("", "where it was read"),
}

# Columns of a network that are powermkt's own: unit, meaning, what holds where they are absent.
INPUTS: dict[str, tuple[str, str, str]] = {
    "buses.province": ("", "province of the bus", "the bus itself"),
    "buses.zone": ("", "pricing zone", "the province"),
    "buses.name_zh": ("", "Chinese name of the province, for the page", "the province"),
    "buses.population": ("", "persons at the bus", "`population` of the market file"),
    "generators.emission_rate": (
        "t/MWh", "of electric output", "`carriers.co2_emissions` / `efficiency`"),
    "generators.benchmark": ("t/MWh", "allowances earned by output", "0"),
    "generators.benchmark_class": (
        "", "class of a set of benchmarks, or shares `a:0.6+b:0.4`", "none"),
    "generators.own_use": ("1", "share of its output that a plant uses itself", "0"),
    "generators.allowance_bank": ("t", "allowances held before the first year", "0"),
    "generators.min_stable_pu": (
        "1", "technical minimum of what is on; above 0 a fleet is committed", "0"),
    "generators.units": ("1", "like units in a fleet; start and stand-by cost are per unit", "1"),
    "generators.tariff": (
        "money/MWh", "on-grid tariff",
        "capacity-weighted mean marginal cost of plant that is not renewable"),
    "generators.owner": ("", "who offers it", "the unit itself"),
    "generators.fast_start": (
        "", "True: may be called in real time, and set extended prices", "by minimum up time"),
    "storage_units.tariff": (
        "money/MWh", "on-grid tariff", "as of generators; 0 of storage without inflow"),
    "storage_units.owner": ("", "who offers it", "the unit itself"),
    "loads.tariff": ("money/MWh", "catalogue retail tariff", "that mean plus network_charge"),
    "loads.network_charge": ("money/MWh", "on top of the wholesale price", "0"),
    "loads.contract_base": (
        "money/MWh", "middle of the band of retail contracts",
        "mean tariff of the quota units of the province"),
    "loads.user_class": (
        "", "industrial_commercial, energy_intensive or residential_agricultural",
        "industrial_commercial"),
    "links.wheeling_fee": ("money/MWh", "for what is sent; in offers, not in cost", "0"),
    "links_t.p_set": ("MW", "framework schedule", "none: rules that need it refuse the network"),
}  # fmt: skip
