"""Numbers of one run: curtailment, the row of the comparison table, energy and utilisation."""

from __future__ import annotations

import numpy as np
import pandas as pd

from powermkt.accounts.parties import CONSUMERS, NETWORKS, PRODUCERS, STORAGE
from powermkt.dispatch.compliance import CARBON_FUND
from powermkt.dispatch.outcome import Outcome
from powermkt.inputs.case import Case
from powermkt.rules import Prices
from powermkt.rules.ancillary import ANCILLARY

# The comparison table: column -> (unit, meaning). Documentation prints this table.
COLUMNS: dict[str, tuple[str, str]] = {
    "regime": ("", "name of the regime"),
    "carbon_price": ("money/t", "carbon price tau"),
    "cost": (
        "money",
        "resource cost: fuel, operation, starts, unserved load, excess and short reserves at "
        "declared values, what users give up less what they add at what it is worth to them; no "
        "carbon payments, no fees",
    ),
    "emissions_t": ("t", "direct CO2 emissions of generation"),
    "curtailment_mwh": ("MWh", "unused wind, solar and hydro (spill): available less used"),
    "curtailment_rate": (
        "1",
        "curtailed / (used + curtailed), wind, solar and hydro; 0 for none",
    ),
    "wind_curtailment_rate": ("1", "the same for wind; empty where there is none"),
    "solar_curtailment_rate": ("1", "the same for solar, likewise"),
    "hydro_curtailment_rate": ("1", "the same for hydro (spill), likewise"),
    "wholesale_price": ("money/MWh", "price paid to generation, load-weighted over provinces"),
    "retail_price": ("money/MWh", "price paid by users with all charges, load-weighted"),
    "consumer_payment": ("money", "what users pay in all"),
    "producer_surplus": (
        "money",
        "receipts of generators and storage less resource cost less net carbon payments",
    ),
    "congestion_rent": (
        "money",
        "merchandising surplus of branches less wheeling fees, own cost and import adjustment",
    ),
    "carbon_revenue": (
        "money",
        "net receipts of the carbon fund: allowances sold less bought back, import adjustment",
    ),
    "reserve_cost": ("money", "payments for ancillary services"),
    "reserve_short_mwh": ("MW h", "reserve requirements that were not met, all products"),
    "uplift": ("money", "make-whole payments to units whose prices do not cover their offers"),
    "load_shed_mwh": ("MWh", "unserved load"),
    "excess_mwh": (
        "MWh",
        "generation nobody could use, where its price is declared; no curtailment",
    ),
}


def curtailment(case: Case, outcome: Outcome) -> pd.DataFrame:
    """Available and unused energy of wind, solar and hydro by province and carrier.

    Returns
    -------
    DataFrame
        Columns province, carrier, available_mwh, curtailment_mwh, curtailment_rate, and min and max
        [MWh] over all optima of each window where ranges were asked for. For storage
        with inflow, available energy is inflow and curtailment is spill. The split among
        provinces and carriers with equal offers follows the declared tie-break
        (`Carriers.renewable`: earlier carriers are cut first).
    """
    weights = case.weights
    renewable = case.carriers.renewable
    parts = []
    table = case.generators[case.generators["carrier"].isin(renewable)]
    available = case.availability[table.index].mul(weights, axis="index").sum()
    used = outcome.dispatch[table.index].mul(weights, axis="index").sum()
    parts.append(_by_carrier(table, available, available - used))
    storage = case.storage_units[case.storage_units["carrier"].isin(renewable)]
    inflow = case.dense("StorageUnit", "inflow")[storage.index].mul(weights, axis="index").sum()
    spill = outcome.spill.reindex(columns=storage.index, fill_value=0.0)
    parts.append(_by_carrier(storage, inflow, spill.mul(weights, axis="index").sum()))
    result = pd.concat([part for part in parts if not part.empty] or parts[:1])
    result = result.groupby(["province", "carrier"], as_index=False, sort=False).sum()
    result["curtailment_rate"] = rate(result["curtailment_mwh"], result["available_mwh"])
    if outcome.curtailment_range is not None:
        result = result.join(outcome.curtailment_range, on=["province", "carrier"])
    return result


def _by_carrier(table: pd.DataFrame, available: pd.Series, unused: pd.Series) -> pd.DataFrame:
    frame = table[["province", "carrier"]].assign(
        available_mwh=available, curtailment_mwh=unused.clip(lower=0.0)
    )
    return frame[frame["available_mwh"] > 0].reset_index(drop=True)


def rate(part: pd.Series, whole: pd.Series) -> pd.Series:
    """Ratio that is 0 where there is nothing to divide by."""
    return (part / whole.where(whole > 0)).fillna(0.0)


def summary(
    case: Case,
    outcome: Outcome,
    prices: Prices,
    entries: pd.DataFrame,
    accounts: pd.DataFrame,
    regime: str,
    carbon_price: float,
) -> pd.Series:
    """One row of the comparison table; columns and units as in `COLUMNS`.

    `entries` is the ledger, `accounts` what it and the resource cost come to for every party
    (`parties.accounts`).
    """
    lost = curtailment(case, outcome)
    carrier = lost["carrier"]

    def lost_rate(carriers: list[str] | None) -> float:
        rows = lost if carriers is None else lost[carrier.isin(carriers)]
        available = rows["available_mwh"].sum()
        return float(rows["curtailment_mwh"].sum() / available) if available > 0 else np.nan

    served = outcome.served(case).mul(case.weights, axis="index")
    by_province = served.T.groupby(case.loads["province"]).sum().T
    wholesale = (prices.wholesale[by_province.columns] * by_province).to_numpy().sum()
    energy = served.to_numpy().sum()
    by_group = accounts.groupby("group")[["receipts", "resource_cost", "welfare"]].sum()
    by_group = by_group.reindex([CONSUMERS, PRODUCERS, STORAGE, NETWORKS], fill_value=0.0)
    payment = -by_group["receipts"][CONSUMERS]
    short = outcome.reserve_short.mul(case.weights, axis="index")
    return pd.Series(
        {
            "regime": regime,
            "carbon_price": float(carbon_price),
            "cost": outcome.cost,
            "emissions_t": outcome.emissions(case).mul(case.weights, axis="index").to_numpy().sum(),
            "curtailment_mwh": lost["curtailment_mwh"].sum(),
            "curtailment_rate": float(np.nan_to_num(lost_rate(None))),
            "wind_curtailment_rate": lost_rate(case.carriers.wind),
            "solar_curtailment_rate": lost_rate(case.carriers.solar),
            "hydro_curtailment_rate": lost_rate(case.carriers.hydro),
            "wholesale_price": wholesale / energy,
            "retail_price": payment / energy,
            "consumer_payment": payment,
            "producer_surplus": by_group["welfare"][[PRODUCERS, STORAGE]].sum(),
            "congestion_rent": _congestion_rent(entries, by_group["resource_cost"][NETWORKS]),
            "carbon_revenue": float(accounts["receipts"].get(CARBON_FUND, 0.0)),
            "reserve_cost": float(entries.loc[entries["payer"] == ANCILLARY, "amount"].sum()),
            "reserve_short_mwh": short.to_numpy().sum(),
            "uplift": _amount(entries, "uplift"),
            "load_shed_mwh": outcome.shed.mul(case.weights, axis="index").to_numpy().sum(),
            "excess_mwh": outcome.excess.mul(case.weights, axis="index").to_numpy().sum(),
        }
    )


def _amount(entries: pd.DataFrame, product: str) -> float:
    return float(entries.loc[entries["product"] == product, "amount"].sum())


def _congestion_rent(entries: pd.DataFrame, own: float) -> float:
    """What is left of the surplus of branches where they earn it, their own cost taken off."""
    if "congestion rent" not in set(entries["product"]):
        return 0.0
    rent = _amount(entries, "congestion rent") - own
    return rent - _amount(entries, "import adjustment") - _amount(entries, "origin of imports")


def generation(case: Case, outcome: Outcome) -> pd.DataFrame:
    """Energy, emissions and utilisation by province and carrier.

    Returns
    -------
    DataFrame
        Columns province, carrier, capacity_mw, generation_mwh, emissions_t, utilisation_h
        (generation over capacity; storage counts what it discharges).
    """
    weights = case.weights
    table = case.generators[["province", "carrier"]].assign(
        capacity_mw=case.generators["p_nom"],
        generation_mwh=outcome.dispatch.mul(weights, axis="index").sum(),
        emissions_t=outcome.emissions(case).mul(weights, axis="index").sum(),
    )
    units = case.storage_units
    discharged = outcome.storage[units.index].clip(lower=0).mul(weights, axis="index").sum()
    stored = units[["province", "carrier"]].assign(
        capacity_mw=units["p_nom"], generation_mwh=discharged, emissions_t=0.0
    )
    both = pd.concat([table, stored]) if len(units) else table
    result = both.groupby(["province", "carrier"], as_index=False).sum()
    result["utilisation_h"] = rate(result["generation_mwh"], result["capacity_mw"])
    return result


def demand(case: Case, outcome: Outcome) -> pd.DataFrame:
    """Load by hour: what it is in the network, what is served, and how users reacted.

    Returns
    -------
    DataFrame
        Columns snapshot, load, reference_mw, served_mw (what is shed taken off), elastic_mw (given
        up: below 0) and shifted_mw.
    """
    load = case.dense("Load", "p_set")
    frames = {
        "reference_mw": load,
        "served_mw": outcome.served(case),
        **{f"{name}_mw": getattr(outcome, name) for name in ("elastic", "shifted")},
    }
    table = pd.DataFrame(
        {
            name: frame.reindex(load.index, columns=load.columns, fill_value=0.0).to_numpy().ravel()
            for name, frame in frames.items()
        }
    )
    index = pd.MultiIndex.from_product([load.index, load.columns], names=["snapshot", "load"])
    return pd.concat([index.to_frame(index=False), table], axis=1)


def circulation(case: Case, outcome: Outcome) -> float:
    """Energy that goes both ways between two buses in the same hour, lossy links only [MWh].

    With negative weights on curtailment it pays to burn energy in losses; it must be seen.
    """
    links = case._n.links
    lossy = links.index[case.dense("Link", "efficiency").mean().to_numpy() < 1]
    forward = outcome.flows[lossy].clip(lower=0.0).T
    by_pair = forward.groupby([links.loc[lossy, "bus0"], links.loc[lossy, "bus1"]]).sum()
    total = 0.0
    for a, b in by_pair.index:
        if a < b and (b, a) in by_pair.index:
            both = np.minimum(by_pair.loc[(a, b)], by_pair.loc[(b, a)])
            total += float((both * case.weights).sum())
    return total


def simultaneous_storage(case: Case, outcome: Outcome) -> float:
    """Energy that storage discharges below its inflow-free capability by burning it [MWh].

    Losses beyond those of the net exchange show storage that charges and discharges at once: with
    negative offers this pays, and it must be seen.
    """
    units = case._n.storage_units
    if units.empty:
        return 0.0
    net = outcome.storage[units.index].mul(case.weights, axis="index")
    stored = -net.clip(upper=0) * units["efficiency_store"]
    drawn = net.clip(lower=0) / units["efficiency_dispatch"].replace(0, 1)
    inflow = case.dense("StorageUnit", "inflow").mul(case.weights, axis="index")
    spill = outcome.spill.reindex(columns=units.index, fill_value=0.0)
    spill = spill.mul(case.weights, axis="index")
    standing = (units["standing_loss"] > 0) | ~units["cyclic_state_of_charge"]
    burnt = (stored + inflow - spill - drawn).sum()
    return float(burnt[~standing].clip(lower=0).sum())
