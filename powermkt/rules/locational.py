"""What is paid in a market: locational marginal prices, extended ones, uplift, surplus."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import ClassVar, Literal

import numpy as np
import pandas as pd
import pydantic
import pypsa

from powermkt.common.ledger import Ledger
from powermkt.dispatch.outcome import Outcome
from powermkt.dispatch.posing import PriceRun
from powermkt.inputs.case import Case
from powermkt.rules.base import (
    EXCESS,
    MARKET,
    TRANSMISSION,
    Cleared,
    Prices,
    PricingRule,
    Rule,
    Sale,
    grid_company,
)
from powermkt.rules.pricing import same
from powermkt.rules.trade import TradeRule
from powermkt.system.horizon import window_of
from powermkt.system.units import SHUT, START, STATUS, Commitment, fast_units, units
from powermkt.system.weighting import load_weighted


@dataclass(frozen=True)
class Quantities:
    """What is settled; all [snapshot x component] in MW, signs as in `Outcome`."""

    dispatch: pd.DataFrame
    served: pd.DataFrame
    storage: pd.DataFrame
    flows: pd.DataFrame
    excess: pd.DataFrame

    @classmethod
    def of(cls, case: Case, outcome: Outcome) -> Quantities:
        """Return the quantities of an outcome."""
        return cls(
            outcome.dispatch, outcome.served(case), outcome.storage, outcome.flows, outcome.excess
        )

    def less(self, planned: Quantities) -> Quantities:
        """Return deviations from what was planned."""
        return Quantities(
            *(getattr(self, item.name) - getattr(planned, item.name) for item in fields(self))
        )


@dataclass(frozen=True)
class Stage:
    """One settlement: its name in the ledger, quantities, and prices by bus and by load."""

    name: str
    quantities: Quantities
    nodal: pd.DataFrame
    users: pd.DataFrame


class LocationalPrice(PricingRule):
    """Locational marginal prices; users pay them plus a network charge and uplift.

    Parameters
    ----------
    scope : {"nodal", "zonal", "provincial", "uniform"}
        Settle at the price of the bus, at the load-weighted mean of the zone's (`buses.zone`) or
        the province's buses, or at one load-weighted mean price.
    cap, floor : float, optional
        Bounds on settlement prices [money/MWh].
    users_pay : {"nodal", "generation_weighted"}
        Users pay the settlement price of their bus, or one price an hour, the mean of what
        generation is paid: sum(Q P) / sum(Q).
    surplus : str, optional
        Account that takes the merchandising surplus; default: rent goes to each branch by name,
        what users pay beyond it or short of it under one price to "settlement surplus".
    uplift : bool, default True
        Pay each unit, for each day, what it offered to do its commitment beyond what it was paid.
    """

    locational: ClassVar[bool] = True
    marginal: ClassVar[bool] = True
    scope: Literal["nodal", "zonal", "provincial", "uniform"] = "nodal"
    cap: float | None = None
    floor: float | None = None
    users_pay: Literal["nodal", "generation_weighted"] = "nodal"
    surplus: str | None = pydantic.Field(default=None, min_length=1)
    uplift: bool = True
    _trade_settles: bool = pydantic.PrivateAttr(default=False)

    def among(self, rules: Sequence[Rule]) -> LocationalPrice:
        """Return the rule that knows whether corridors are settled by the rule of trade."""
        told = self.model_copy()
        told._trade_settles = any(isinstance(rule, TradeRule) and rule.settles for rule in rules)
        return told

    @pydantic.model_validator(mode="after")
    def _ordered(self) -> LocationalPrice:
        if self.cap is not None and self.floor is not None and self.cap < self.floor:
            raise ValueError(f"cap {self.cap:g} is below floor {self.floor:g}")
        return self

    def settlement_prices(self, cleared: Cleared) -> pd.DataFrame:
        """Price at which each bus settles, [snapshot x bus]."""
        demanded = cleared.outcome.demanded(cleared.case)
        return self.settled_at(cleared.case, cleared.outcome.offer_price, demanded)

    def settled_at(
        self, case: Case, lmp: pd.DataFrame, load: pd.DataFrame | None = None
    ) -> pd.DataFrame:
        """Settlement prices that marginal values come to, [snapshot x bus] in money/MWh."""
        if self.scope != "nodal":
            every = case.provinces.map(lambda _: "all")
            groups = {"zonal": case.zones, "provincial": case.provinces, "uniform": every}
            group = groups[self.scope]
            lmp = load_weighted(lmp, case, group, load)[group].set_axis(lmp.columns, axis="columns")
        return lmp.clip(lower=self.floor, upper=self.cap)

    def user_prices(self, cleared: Cleared, nodal: pd.DataFrame) -> pd.DataFrame:
        """What each load pays for energy, [snapshot x load]."""
        loads = cleared.case.loads
        at_load = _at(nodal, loads["bus"])
        if self.users_pay == "nodal":
            return at_load
        sold, value = _sold(cleared, nodal)
        mean = (value / sold.where(sold > 1e-9)).fillna(nodal.mean(axis=1))
        return pd.DataFrame(
            np.repeat(mean.to_numpy()[:, None], len(loads), axis=1), nodal.index, loads.index
        )

    def stages(self, cleared: Cleared) -> list[Stage]:
        """What is settled at which prices: all at once, or the day ahead and deviations from it."""
        case, outcome, ahead = cleared.case, cleared.outcome, cleared.outcome.day_ahead
        nodal = self.settlement_prices(cleared)
        quantities = Quantities.of(case, outcome)
        if ahead is None:
            return [Stage("", quantities, nodal, self.user_prices(cleared, nodal))]
        before = Cleared(case.forecasted(), ahead, cleared.carbon_adder)
        early, planned = self.settlement_prices(before), Quantities.of(before.case, ahead)
        return [
            Stage("day-ahead ", planned, early, self.user_prices(before, early)),
            Stage("real-time ", quantities.less(planned), nodal, self.user_prices(cleared, nodal)),
        ]

    def sales(self, cleared: Cleared) -> list[Sale]:
        """Output at the price of its bus; a day settled twice has planned output and deviations."""
        case = cleared.case
        bus = pd.concat([case.generators["bus"], _storages(case)["bus"]])
        return [
            Sale(
                pd.concat([stage.quantities.dispatch, stage.quantities.storage], axis=1)[bus.index],
                _at(stage.nodal, bus),
            )
            for stage in self.stages(cleared)
        ]

    def market_prices(self, cleared: Cleared) -> list[tuple[pd.DataFrame, pd.DataFrame]]:
        """Settlement prices by bus and of users, day-ahead ones first in a day settled twice."""
        return [(stage.nodal, stage.users) for stage in self.stages(cleared)]

    def make_whole(self, cleared: Cleared) -> pd.DataFrame:
        """What each unit offered, was paid and is made whole by, for each day.

        Uplift is the larger of 0 and as-offered cost (energy, no load, start, shut-down) less
        revenue of energy at settlement prices and of reserves beyond their offers, of a unit and
        day.

        Returns
        -------
        DataFrame
            Columns unit, day, offered_cost, revenue, uplift [money].
        """
        case, offered = cleared.case, cleared.outcome.offered_cost
        names = units(case).index
        bus = case.generators.loc[names, "bus"]
        paid = pd.DataFrame(0.0, case.snapshots, names)
        for stage in self.stages(cleared):
            paid = paid + _at(stage.nodal, bus) * stage.quantities.dispatch[names]
        paid = paid + cleared.margin.reindex(index=paid.index, columns=names, fill_value=0.0)
        revenue = paid.mul(case.weights, axis="index")
        day = days(case)
        table = pd.DataFrame(
            {
                name: frame.groupby(day).sum().rename_axis(index="day", columns="unit").unstack()
                for name, frame in (
                    ("offered_cost", offered.reindex(columns=names, fill_value=0.0)),
                    ("revenue", revenue),
                )
            }
        )
        short = (table["offered_cost"] - table["revenue"]).clip(lower=0.0)
        # What the last digit of a price leaves over is no shortfall.
        rounding = 1e-9 * table["offered_cost"].abs().clip(lower=1.0)
        table["uplift"] = short.where(short > rounding, 0.0) if self.uplift else 0.0
        return table.reset_index()

    def uplift_charge(self, cleared: Cleared) -> pd.Series:
        """Uplift of the day over energy served on it, [snapshot] in money/MWh."""
        case = cleared.case
        day = days(case)
        served = cleared.outcome.served(case).clip(lower=0.0).mul(case.weights, axis="index")
        energy = served.sum(axis=1).groupby(day).sum()
        money = self.make_whole(cleared).groupby("day")["uplift"].sum().reindex(energy.index)
        per_mwh = (money / energy.where(energy > 0)).fillna(0.0)
        # On a day without load nobody could pay: all days do.
        if energy.sum() > 0:
            per_mwh += money.where(energy <= 0, 0.0).fillna(0.0).sum() / energy.sum()
        return pd.Series(per_mwh[day].to_numpy(), index=case.snapshots)

    def prices(self, cleared: Cleared) -> Prices:
        """Wholesale is the load-weighted price of the province's buses.

        Where a day is settled twice, the signal is the real-time price, and users pay the mean of
        both settlements by quantity.
        """
        case, stages = cleared.case, self.stages(cleared)
        last, loads = stages[-1], cleared.case.loads
        demanded, energy = cleared.outcome.demanded(case), last.users
        wholesale = load_weighted(last.nodal, case, case.provinces, demanded)
        if len(stages) > 1:
            served = cleared.outcome.served(case)
            at_bus, by_load = 0.0 * served, 0.0 * served
            for stage in stages:
                at_bus = at_bus + _at(stage.nodal, loads["bus"]) * stage.quantities.served
                by_load = by_load + stage.users * stage.quantities.served
            energy = (by_load / served.where(served.abs() > 1e-9)).fillna(last.users)
            province = loads["province"]
            total = served.T.groupby(province).sum().T
            mean = at_bus.T.groupby(province).sum().T / total.where(total.abs() > 1e-9)
            wholesale = mean.reindex(columns=wholesale.columns).fillna(wholesale)
        drawn = (cleared.outcome.served(case) >= 0).astype(float)  # negative load pays no uplift
        charges = drawn.mul(self.uplift_charge(cleared), axis="index") + loads["network_charge"]
        return Prices(last.nodal, wholesale, retail=energy + charges, energy=energy)

    def settle(self, ledger: Ledger, cleared: Cleared) -> None:
        """Everybody settles with the market operator, who passes the surplus to the network."""
        for stage in self.stages(cleared):
            self._settle_stage(ledger, cleared.case, stage)
        self._settle_uplift(ledger, cleared)

    def _settle_stage(self, ledger: Ledger, case: Case, stage: Stage) -> None:
        what, nodal = stage.quantities, stage.nodal
        for table, quantity, price, pays in (
            (case.loads, what.served, stage.users, True),
            (case.generators, what.dispatch, _at(nodal, case.generators["bus"]), False),
            (_storages(case), what.storage, _at(nodal, _storages(case)["bus"]), False),
        ):
            names = same(table)
            payer, payee = (names, MARKET) if pays else (MARKET, names)
            ledger.pay(f"{stage.name}energy", payer, payee, quantity[table.index], price)
        ledger.pay("excess energy", EXCESS, MARKET, what.excess, nodal[what.excess.columns])
        company = case.loads["province"].map(grid_company)
        charge = case.loads["network_charge"]
        ledger.pay("network charge", same(case.loads), company, what.served, charge)
        flows = what.flows
        if self._trade_settles:
            flows = flows.drop(columns=case.corridors.index)
        _settle_network(ledger, case, flows, nodal, self.surplus)
        if self.users_pay != "nodal":
            beyond = stage.users - _at(nodal, case.loads["bus"])
            account = self.surplus or SURPLUS
            ledger.pay("settlement surplus", MARKET, account, what.served, beyond)

    def _settle_uplift(self, ledger: Ledger, cleared: Cleared) -> None:
        """Units are made whole for each day; users pay by energy served on it."""
        case = cleared.case
        table = self.make_whole(cleared).pivot(index="day", columns="unit", values="uplift")
        if table.empty or not (table.to_numpy() > 0).any():
            return
        last = pd.Series(case.snapshots, case.snapshots).groupby(days(case)).last()
        table = table.reindex(last.index).set_axis(last.to_numpy(), axis="index")
        paid = table.reindex(case.snapshots, fill_value=0.0)
        ledger.enter("uplift", MARKET, same(table.T), paid)
        served = cleared.outcome.served(case).clip(lower=0.0)
        per_mwh = pd.DataFrame(
            np.repeat(self.uplift_charge(cleared).to_numpy()[:, None], served.shape[1], axis=1),
            served.index, served.columns,
        )  # fmt: skip
        ledger.pay("uplift charge", same(case.loads), MARKET, served, per_mwh)


class ExtendedLocationalPrice(LocationalPrice):
    """Extended LMP: fast-start units set prices with their start and no-load cost.

    Dispatch is that of the commitment. In the run for prices, a fast-start unit may be on in part
    wherever it is committed, which takes its minimum away, and its start cost is spread over its
    minimum up time from the start (one snapshot at least). At full output one more MWh of it then
    costs ``c + (no load + start / up time) / p_max`` (single-interval approximation of convex hull
    prices, Wang, Shanbhag, Zheng, Litvinov, Meyn 2013, doi:10.1109/HICSS.2013.397).

    Parameters
    ----------
    fast_start_hours : float, default 1
        Units whose minimum up time is no longer are fast; a column `generators.fast_start` of True
        and False decides instead where there is one [h].
    """

    fast_start_hours: float = pydantic.Field(default=1.0, ge=0)

    def price_run(self, case: Case, done: Commitment) -> PriceRun | None:
        """Relax what fast-start units are committed to."""
        fast = fast_units(case, self.fast_start_hours)
        if fast.empty:
            return None
        status = done.status[fast]
        started = done.start_up[fast]
        up = units(case).loc[fast, "min_up_time"]
        hours = case._n.snapshot_weightings["stores"]
        recent = pd.DataFrame(
            {name: started[name].rolling(max(int(up[name]), 1), min_periods=1).sum()
             for name in fast}
        )  # fmt: skip
        for name, left in case.still_on.items():
            # Starts in windows before that are not yet paid for; before the first nothing is known.
            if name in recent and case.initial_output is not None:
                recent.loc[recent.index[:left], name] += 1.0
        # Adders are money per hour; PyPSA prices starts by the event.
        cost, shut = (
            case.dense("Generator", name)[fast].div(hours, axis="index")
            for name in ("start_up_cost", "shut_down_cost")
        )
        spread = recent * cost / up.clip(lower=1) * status
        none, one = 0.0 * status, 0.0 * status + 1.0
        return PriceRun(
            adders={STATUS: spread, START: -cost, SHUT: -shut},
            bounds={STATUS: (none, status), START: (none, one), SHUT: (none, one)},
        )


SURPLUS = "settlement surplus"


def days(case: Case) -> pd.Series:
    """Day that each snapshot belongs to; where snapshots are no times, the window."""
    index = case.snapshots
    if isinstance(index, pd.DatetimeIndex):
        return pd.Series(index.strftime("%Y-%m-%d"), index=index)
    return window_of(case)


def _sold(cleared: Cleared, nodal: pd.DataFrame) -> tuple[pd.Series, pd.Series]:
    """Energy that generators and storage sell [MW], and what it is worth [money/h]."""
    case, outcome = cleared.case, cleared.outcome
    bus = pd.concat([case.generators["bus"], case.storage_units["bus"], case._n.stores["bus"]])
    output = pd.concat([outcome.dispatch, outcome.storage], axis=1)[bus.index].clip(lower=0.0)
    return output.sum(axis=1), (output * _at(nodal, bus)).sum(axis=1)


def _settle_network(
    ledger: Ledger, case: Case, flows: pd.DataFrame, nodal: pd.DataFrame, account: str | None
) -> None:
    """Pay the merchandising surplus: wheeling fees first, the rest is congestion rent."""
    n = case._n
    links = n.links[n.links.index.isin(flows.columns)]
    sent = flows[links.index]
    value = _at(nodal, links["bus0"]) * -1.0
    for port in ports(n):
        attribute = "efficiency" if port == "1" else f"efficiency{port}"
        bus = links[f"bus{port}"].replace("", pd.NA).dropna()
        part = case.dense("Link", attribute)[bus.index] * _at(nodal, bus)
        value = value.add(part.reindex(columns=value.columns, fill_value=0.0))
    fee = case.corridors["wheeling_fee"].reindex(links.index, fill_value=0.0)
    ledger.pay("wheeling", MARKET, TRANSMISSION, sent, fee)
    ledger.pay("congestion rent", MARKET, account or same(links), sent, value - fee)
    for table in (n.lines, n.transformers):
        if not table.empty:
            spread = _at(nodal, table["bus1"]) - _at(nodal, table["bus0"])
            ledger.pay(
                "congestion rent", MARKET, account or same(table), flows[table.index], spread
            )


def ports(n: pypsa.Network) -> list[str]:
    """Numbers of the ports of links beyond bus0: "1", "2", ..."""
    return [c.removeprefix("bus") for c in n.links if re.fullmatch(r"bus[1-9]\d*", c)]


def _storages(case: Case) -> pd.DataFrame:
    return pd.concat([case._n.storage_units[["bus"]], case._n.stores[["bus"]]])


def _at(nodal: pd.DataFrame, bus: pd.Series) -> pd.DataFrame:
    return nodal[bus].set_axis(bus.index, axis="columns")
