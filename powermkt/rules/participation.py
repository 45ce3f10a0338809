"""How far renewables are in the market: from guaranteed purchase to full participation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, Any, ClassVar, Literal

import linopy
import numpy as np
import pandas as pd
import pydantic

from powermkt.common.arrays import by_name, by_snapshot, grid, names
from powermkt.common.ledger import Ledger
from powermkt.common.values import HOURS_A_YEAR, NOISE_MW, NonNegative, Share
from powermkt.dispatch.outcome import Outcome
from powermkt.dispatch.programme import Adders, Limits
from powermkt.errors import Fault, name_list, nearest
from powermkt.inputs.case import Case
from powermkt.inputs.curves import mean_costs
from powermkt.rules.base import Cleared, PricingRule, Role, Rule, Sale, grid_company
from powermkt.rules.dispatch import DispatchRule, PriorityOrder, weight_faults
from powermkt.rules.merit import MeritOrder
from powermkt.rules.plant import own_output_of, plant_of
from powermkt.rules.pricing import same
from powermkt.rules.retail import FUNDS, passed_on
from powermkt.rules.stages import TwoSettlement
from powermkt.system.horizon import window_of

RENEWABLE = "renewable"  # key of every carrier in `carriers.renewable`
HOURLY, MEAN, SPILL = "Guaranteed-p", "Guaranteed-mean", "Guaranteed-spill"  # variables


def _keyed(value: Any) -> Any:
    """Take one number for that of all renewables."""
    return {RENEWABLE: value} if isinstance(value, int | float | str) else value


_Shares = Annotated[
    dict[str, Share],
    pydantic.BeforeValidator(_keyed, json_schema_input_type=dict[str, Share] | Share),
]
_Amounts = Annotated[
    dict[str, NonNegative],
    pydantic.BeforeValidator(_keyed, json_schema_input_type=dict[str, NonNegative] | NonNegative),
]


class Participation(Rule):
    """A part of renewable output is bought with priority at its tariff, the rest is in the market.

    Every field is keyed by plant, the most special key first: name of a generator or storage unit,
    ``carrier@province``, province, carrier, "renewable"; one number is that of all renewables. A
    province and "renewable" mean renewable carriers only. What no key covers is in the market.

    Dispatch: with available output A_t and participation s, ``(1 - s) A_t`` is guaranteed. Not to
    take it costs `weight`, which decides dispatch and enters neither cost nor price. Where hours
    are guaranteed, the first ``hours x p_nom x H / 8760`` MWh of a window of H hours are. Storage
    with inflow spills ``s`` of its inflow, or what is beyond its hours, without that weight. The
    rest runs in the order of offers: marginal cost less subsidy and certificate. What is guaranteed
    takes any price: it is offered at the lowest offer among these plants.

    Settlement: plant sells all its output at the price of the market. The grid company of the
    province pays (or receives) ``(tariff - price) g`` for guaranteed output g, the smaller of
    output and ``(1 - s) A_t``; of storage ``1 - s`` of output from its own water; under hours,
    output in the ratio of guaranteed energy to output of the window. A day that is settled twice
    has g of the day ahead and the deviation from it.

    Parameters
    ----------
    share : dict or float
        Share of available output that is in the market [1].
    guaranteed_hours : dict or float
        Full-load hours a year that are guaranteed in the place of a share [h].
    subsidy : dict or float
        Paid from public funds for what is sold in the market, and taken off the offer; a tariff
        contains it [money/MWh].
    certificate : dict or float
        Value of what a MWh in the market earns elsewhere, taken off the offer; paid by a contract,
        not here [money/MWh].
    floor : float, optional
        Subsidy and certificate lower no offer below it [money/MWh].
    passed_on : {"users", "grid_company"}
        Who gains and loses by guaranteed purchase: users of the province but
        residential_agricultural ones, per MWh of the horizon, or its grid company.
    weight : float, default 1000
        [money/MWh]; above fuel and start cost spreads.
    """

    role: ClassVar[Role] = "renewables"
    structural: ClassVar[bool] = True
    share: _Shares = pydantic.Field(default_factory=dict)
    guaranteed_hours: _Amounts = pydantic.Field(default_factory=dict)
    subsidy: _Amounts = pydantic.Field(default_factory=dict)
    certificate: _Amounts = pydantic.Field(default_factory=dict)
    floor: float | None = pydantic.Field(default=None, allow_inf_nan=False)
    passed_on: Literal["users", "grid_company"] = "users"
    weight: float = pydantic.Field(default=1000.0, gt=0, le=4000)
    _beside: tuple[Rule, ...] = pydantic.PrivateAttr(default=())
    _floor: float | None = pydantic.PrivateAttr(default=None)  # the highest that is stated

    @pydantic.model_validator(mode="after")
    def _one_of(self) -> Participation:
        both = [key for key in self.share if key in self.guaranteed_hours]
        if both:
            raise ValueError(f"share and guaranteed_hours for {name_list(both)}: state one of them")
        return self

    def among(self, rules: Sequence[Rule]) -> Participation:
        """Return the rule that knows at which price plant sells, and the floor of all offers."""
        told, floors = self.model_copy(), [self.floor]
        kinds = PricingRule | DispatchRule | TwoSettlement
        told._beside = tuple(r for r in rules if isinstance(r, kinds) or r.role == "contract")
        floors += [rule.offer_floor for rule in rules if isinstance(rule, MeritOrder)]
        told._floor = max((floor for floor in floors if floor is not None), default=None)
        return told

    def faults(self, case: Case) -> list[Fault]:
        """Name keys that mean nothing here, and plant that cannot be guaranteed or offered."""
        plant = plant_of(case)
        local = {f"{c}@{p}" for c, p in zip(plant["carrier"], plant["province"], strict=True)}
        known = {*plant.index, *local, *plant["province"], *plant["carrier"], RENEWABLE} - {""}
        storage = case.storage_units.index
        found = [*weight_faults(case, self.weight, "Participation"), *self._clashes()]
        for field in ("share", "guaranteed_hours", "subsidy", "certificate"):
            for key in getattr(self, field):
                where = f"Participation.{field}"
                if key in storage and key not in plant.index:
                    what = f"{key!r} has no inflow: what it gives was bought before"
                    found.append(Fault(where, what, "leave it out"))
                elif key not in known:
                    found.append(Fault(where, f"unknown key {key!r}", nearest(key, known)))
        terms = self._terms(case)
        units = case.generators.index[case.generators["committable"]]
        held = units[((terms["share"] < 1) | (terms["hours"] > 0)).reindex(units)]
        if len(held):
            what = f"{name_list(held)}: a unit that is committed would be made whole as well"
            found.append(Fault("Participation", what, "leave it in the market (share 1)"))
        if case.look_ahead and any(self.guaranteed_hours.values()):
            what = "with a look-ahead, in which hours of a window would be given as well"
            remedy = "state `share`, or clear without look-ahead"
            found.append(Fault("Participation.guaranteed_hours", what, remedy))
        submitted = set() if case.offers is None else set(case.offers.generator)
        bought = [name for group in self._members(case) for name in group.index]
        for those, why in (
            (self._values(case).index, "they contain what is earned beside"),
            (bought, "what is guaranteed takes any price"),
        ):
            if both := [name for name in those if name in submitted]:
                what = f"{name_list(both)} submitted offers: {why}"
                found.append(Fault("Participation", what, "leave one of them out"))
        return found

    def _clashes(self) -> Iterator[Fault]:
        """Yield what does not go together with the other rules."""
        for rule in self._beside:
            name = type(rule).__name__
            if isinstance(rule, PricingRule) and not rule.locational:
                what = f"{name} pays renewables their tariff for all they give"
                yield Fault("Participation", what, "price by LocationalPrice")
            elif isinstance(rule, PriorityOrder):
                what = f"{name} puts all renewables first, whatever their share"
                yield Fault("Participation", what, "dispatch by MeritOrder")
            elif isinstance(rule, TwoSettlement) and any(self.guaranteed_hours.values()):
                what = "would apply to each interval of real time anew"
                where = "Participation.guaranteed_hours"
                yield Fault(where, what, "state `share`, or clear once")

    # ---- dispatch ----------------------------------------------------------------------------

    def offer(self, case: Case) -> Adders:
        """Take subsidy and certificate off; what is guaranteed takes any price."""
        own, taken = self._offers(case)
        hourly, mean, _ = self._members(case)
        adders: dict[str, pd.DataFrame | pd.Series] = {"Generator-p": own}
        adders[HOURLY] = taken[hourly.index]
        adders[MEAN] = _mean(case, taken[mean.index]) * case.weights.sum()
        return {name: adder for name, adder in adders.items() if (adder != 0).to_numpy().any()}

    def rank_by(self, case: Case) -> Adders:
        """Put what is guaranteed first, by cost among itself."""
        own, taken = self._offers(case)
        hourly, mean, spill = self._members(case)
        lowered = own.reindex(columns=taken.columns, fill_value=0.0)
        rank, hours = -self.weight - lowered - taken, case.weights.sum()
        adders: dict[str, pd.DataFrame | pd.Series] = {
            HOURLY: rank[hourly.index],
            MEAN: _mean(case, rank[mean.index]) * hours,
            SPILL: pd.Series(self.weight * hours, spill.index),
        }
        return {name: adder for name, adder in adders.items() if adder.size}

    def limit(self, case: Case) -> Limits:
        """Guarantee no more than the share of what is available, or than the hours."""
        hourly, mean, _ = self._members(case)
        limits: dict[str, tuple[pd.DataFrame | pd.Series, pd.DataFrame | pd.Series]] = {}
        if len(hourly):
            most = self._hourly(case)[hourly.index]
            limits[HOURLY] = (0.0 * most, most)
        if len(mean):
            power = mean["hours"] * mean["p_nom"] / HOURS_A_YEAR
            limits[MEAN] = (0.0 * power, power)
        return limits

    def constrain(self, model: linopy.Model, case: Case) -> None:
        """Add guaranteed output, hourly or as the mean of the window, and spill beyond it."""
        hourly, mean, spill = self._members(case)
        part = by_snapshot(case.weights / case.weights.sum())
        if len(hourly):
            zero = grid(pd.DataFrame(0.0, case.snapshots, hourly.index))
            taken = model.add_variables(lower=zero, name=HOURLY)
            output = model.variables["Generator-p"].sel(name=names(hourly.index))
            model.add_constraints(taken - output <= 0, name=f"{HOURLY} output")
        if len(mean):
            taken = model.add_variables(lower=by_name(0.0 * mean["p_nom"]), name=MEAN)
            output = model.variables["Generator-p"].sel(name=names(mean.index))
            row = taken - (output * part).sum("snapshot") <= 0
            model.add_constraints(row, name=f"{MEAN} output")
        if len(spill):
            beyond = model.add_variables(lower=by_name(0.0 * spill["p_nom"]), name=SPILL)
            # There is no spill in snapshots without inflow.
            spilt = model.variables["StorageUnit-spill"].sel(name=names(spill.index)).fillna(0)
            row = (spilt * part).sum("snapshot") - beyond <= by_name(_free_spill(case, spill))
            model.add_constraints(row, name=f"{SPILL} beyond")

    # ---- settlement --------------------------------------------------------------------------

    def guaranteed(self, case: Case, outcome: Outcome) -> pd.DataFrame:
        """Return guaranteed output of what was cleared, [snapshot x plant] in MW."""
        _, mean, stored = self._members(case)
        by_hours = pd.concat([mean, stored[stored["hours"].notna()]])
        by_share = stored[stored["hours"].isna()]
        output = own_output_of(case, outcome)
        most = self._hourly(case)
        parts = [
            output[most.columns].where(output[most.columns] < most, most),
            _within_hours(case, by_hours, output[by_hours.index]),
            output[by_share.index] * (1 - by_share["share"]),
        ]
        return pd.concat(parts, axis=1)

    def settle(self, ledger: Ledger, cleared: Cleared) -> None:
        """Settle guaranteed purchase, pass it on to users, and pay subsidies."""
        case, plant = cleared.case, plant_of(cleared.case)
        company = plant["province"].map(grid_company)
        for bought, difference in self.purchases(cleared):
            to = pd.Series(bought.columns, bought.columns)
            ledger.pay("guaranteed purchase", company[to.index], to, bought, difference)
        charge = self.user_charge(cleared)
        if isinstance(charge, pd.DataFrame):
            users = case.loads["province"].map(grid_company)
            served = cleared.outcome.served(case)
            ledger.pay("guaranteed purchase charge", same(case.loads), users, served, charge)
        rate = self._by_key(case, self.subsidy)
        rate = rate[rate > 0]
        if len(rate):
            sold = own_output_of(case, cleared.outcome)[rate.index]
            taken = self.guaranteed(case, cleared.outcome)
            sold = sold - taken.reindex(columns=rate.index, fill_value=0.0)
            ledger.pay("subsidy", FUNDS, pd.Series(rate.index, rate.index), sold, rate)

    def user_charge(self, cleared: Cleared) -> pd.DataFrame | float:
        """Return what guaranteed purchase costs beyond the market, [snapshot x load] in money/MWh.

        One figure a province over the horizon; where nobody could pay it, its grid company does.
        """
        if self.passed_on == "grid_company":
            return 0.0
        case = cleared.case
        province, cost = plant_of(case)["province"], pd.Series(0.0, case.provinces.unique())
        for bought, difference in self.purchases(cleared):
            money = (bought * difference).mul(case.weights, axis="index").sum()
            cost = cost.add(money.groupby(province[money.index]).sum(), fill_value=0.0)
        return passed_on(cleared, cost)

    def at_tariff(self, cleared: Cleared, sales: Sequence[Sale]) -> list[Sale]:
        """Return sales at what plant is paid: the tariff for what is guaranteed of them."""
        found = []
        for sale, (bought, difference) in zip(sales, self.purchases(cleared), strict=True):
            sold = sale.quantity[bought.columns]
            more = (bought * difference / sold.where(sold.abs() > NOISE_MW)).fillna(0.0)
            more = more.reindex(columns=sale.price.columns, fill_value=0.0)
            found.append(Sale(sale.quantity, sale.price + more))
        return found

    def purchases(self, cleared: Cleared) -> list[tuple[pd.DataFrame, pd.DataFrame]]:
        """Return guaranteed output [MW] and tariff less price [money/MWh] of each settlement."""
        pricing = next(rule for rule in self._beside if isinstance(rule, PricingRule))
        case, outcome, ahead = cleared.case, cleared.outcome, cleared.outcome.day_ahead
        bought = [self.guaranteed(case, outcome)]
        if ahead is not None:
            planned = self.guaranteed(case.forecasted(), ahead)
            bought = [planned, bought[0] - planned]
        tariff = plant_of(case)["tariff"]
        prices = [sale.price for sale in pricing.sales(cleared)]
        return [
            (part, tariff[part.columns] - price[part.columns])
            for part, price in zip(bought, prices, strict=True)
        ]

    def notes(self, cleared: Cleared) -> list[str]:
        """Say where certificates lower offers and no contract is there to pay for them."""
        if not any(self.certificate.values()) or any(r.role == "contract" for r in self._beside):
            return []
        return ["certificates are taken off offers, and no contract of the regime pays for them"]

    # ---- terms -------------------------------------------------------------------------------

    def certificates(self, case: Case) -> pd.Series:
        """What the certificate of a MWh is worth, [plant] in money/MWh; 0 where nothing is said."""
        return self._by_key(case, self.certificate).fillna(0.0)

    def _by_key(self, case: Case, given: dict[str, float]) -> pd.Series:
        """What a field says of each plant; nan where it says nothing."""
        found = {name: next((given[k] for k in keys if k in given), np.nan)
                 for name, keys in _keys(case).items()}  # fmt: skip
        return pd.Series(found, dtype=float)

    def _terms(self, case: Case) -> pd.DataFrame:
        """Share in the market (0 where hours are guaranteed), hours (or nan), and p_nom."""
        table = plant_of(case)[["p_nom"]].copy()
        both = {**dict.fromkeys(self.share, True), **dict.fromkeys(self.guaranteed_hours, False)}
        share, hours = {}, {}
        for name, keys in _keys(case).items():
            key = next((key for key in keys if key in both), None)
            share[name] = 1.0 if key is None else self.share.get(key, 0.0)
            hours[name] = self.guaranteed_hours.get(key, np.nan) if key is not None else np.nan
        return table.assign(share=pd.Series(share), hours=pd.Series(hours, dtype=float))

    def _members(self, case: Case) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
        """Terms of generators by share and by hours, and of storage; only what is guaranteed."""
        terms = self._terms(case)
        terms = terms[(terms["p_nom"] > 0) & (terms["share"] < 1) & ~(terms["hours"] == 0)]
        stored, by_hours = terms.index.isin(case.storage_units.index), terms["hours"].notna()
        return terms[~stored & ~by_hours], terms[~stored & by_hours], terms[stored]

    def _hourly(self, case: Case) -> pd.DataFrame:
        """What is guaranteed of generators with a share, [snapshot x generator] in MW."""
        hourly, _, _ = self._members(case)
        return case.availability[hourly.index].clip(lower=0.0) * (1 - hourly["share"])

    def _values(self, case: Case) -> pd.Series:
        """Subsidy and certificate of generators that have any [money/MWh]."""
        value = self._by_key(case, self.subsidy).fillna(0.0)
        value = value + self._by_key(case, self.certificate).fillna(0.0)
        value = value[value.index.isin(case.generators.index)]
        return value[value > 0]

    def _offers(self, case: Case) -> tuple[pd.DataFrame, pd.DataFrame]:
        """What is added to the cost of output, and to that of its guaranteed part [money/MWh]."""
        value = self._values(case)
        hourly, mean, _ = self._members(case)
        held = hourly.index.append(mean.index)
        everyone = held.union(value.index, sort=False)
        cost = mean_costs(case._n)[everyone]
        lowered = 0.0 * cost - value.reindex(everyone, fill_value=0.0)
        if self._floor is not None:
            lowered = lowered.clip(lower=(self._floor - cost).clip(upper=0.0))
        offers = cost + lowered
        lowest = offers.min(axis=1).fillna(0.0).clip(upper=0.0)
        taken = offers[held].rsub(lowest, axis="index")
        return lowered[value.index], taken


def _keys(case: Case) -> dict[str, list[str]]:
    """Keys that mean each plant, the most special first."""
    green, plant = set(case.carriers.renewable), plant_of(case)
    found = {}
    for name, carrier, province in zip(
        plant.index, plant["carrier"], plant["province"], strict=True
    ):
        keys = [str(name), f"{carrier}@{province}", province, carrier, RENEWABLE]
        found[str(name)] = keys if carrier in green else [keys[0], keys[1], keys[3]]
    return found


def _within_hours(case: Case, terms: pd.DataFrame, output: pd.DataFrame) -> pd.DataFrame:
    """Output in the ratio of guaranteed energy to all output of its window."""
    window = window_of(case)
    hours = case.weights.groupby(window).sum()
    energy = output.mul(case.weights, axis="index").groupby(window).sum()
    mean = terms["hours"] * terms["p_nom"] / HOURS_A_YEAR
    most = pd.DataFrame(np.outer(hours, mean), hours.index, mean.index)
    ratio = (most / energy.where(energy > 0)).clip(upper=1.0).fillna(0.0)
    return output * ratio.loc[window].set_axis(output.index, axis="index")


def _free_spill(case: Case, terms: pd.DataFrame) -> pd.Series:
    """Spill that costs no weight, in the mean of the window [MW of inflow]."""
    part = case.weights / case.weights.sum()
    inflow = case.dense("StorageUnit", "inflow")[terms.index].mul(part, axis="index").sum()
    efficiency = case.dense("StorageUnit", "efficiency_dispatch")[terms.index].mean()
    beyond = inflow - terms["hours"] * terms["p_nom"] / HOURS_A_YEAR / efficiency
    return (terms["share"] * inflow).where(terms["hours"].isna(), beyond.clip(lower=0.0))


def _mean(case: Case, frame: pd.DataFrame) -> pd.Series:
    return frame.mul(case.weights / case.weights.sum(), axis="index").sum()
