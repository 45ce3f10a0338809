"""What a clearing decided: quantities and marginal values, before anybody is paid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np
import pandas as pd

from powermkt.inputs.case import Case
from powermkt.methods.certificate import Certificate
from powermkt.system import fleet
from powermkt.system.units import Commitment, unit_cost


@dataclass
class Outcome:
    """Physical result of one regime on one case; rows are snapshots.

    Attributes
    ----------
    dispatch : DataFrame [snapshot x generator], MW
    online : DataFrame [snapshot x fleet], MW
    started : DataFrame [snapshot x fleet], MW
    status, start_up, shut_down : DataFrame [snapshot x unit]
        What units do, as in `Commitment`.
    commitment_cost : Series [generator]
        Start, shut-down and no-load cost over the horizon [money].
    flows : DataFrame [snapshot x branch], MW
        At bus0, + from bus0 to bus1.
    overload : DataFrame [snapshot x branch], MW
        Beyond its limit, where the market file prices that.
    storage : DataFrame [snapshot x storage unit or store], MW, + discharging
    state_of_charge : DataFrame [snapshot x storage unit or store], MWh
    spill : DataFrame [snapshot x storage unit], MW
    shed : DataFrame [snapshot x bus], MW
    excess : DataFrame [snapshot x bus], MW
        Generation nobody can use, where its price is declared.
    reserve : DataFrame [snapshot x (product, quality, provider)], MW
        Awards; quality is the product whose rules they obey.
    reserve_price : DataFrame [snapshot x (product, zone)]
        Marginal value of each requirement at offers [money/(MW h)].
    reserve_required, reserve_short : DataFrame [snapshot x (product, zone)], MW
        What is required, and what lacks of it.
    provisional_price : DataFrame [snapshot x bus]
        LMP of the clearing of energy before reserves were bought, where they are bought after
        energy [money/MWh]; no columns elsewhere.
    local_price, tier_price : DataFrame [snapshot x bus]
        Where provinces trade before they clear by themselves (`tiers`): marginal values at offers
        of each province alone, and of the first tier [money/MWh]; no columns elsewhere.
    import_price : DataFrame [snapshot x ""]
        What one more MWh from a specified source saves on imports, where a carbon price is put on
        them [money/MWh]; no columns elsewhere.
    offer_price : DataFrame [snapshot x bus]
        Marginal value at offers, the LMP of a market [money/MWh].
    cost_price : DataFrame [snapshot x bus]
        Resource cost of one more MWh of load under the rules of the regime [money/MWh].
    marginal_emission : DataFrame [snapshot x bus]
        Emissions of one more MWh of load [t/MWh].
    marginal_exposure : DataFrame [snapshot x bus]
        Carbon exposure (emissions less output-based allocation) of one more MWh of load [t/MWh].
    marginal_priced : DataFrame [snapshot x bus]
        Emissions of one more MWh of load, each times the multiple of the carbon price where it is
        emitted; imports by what they pay for [t/MWh].
    price_unique : DataFrame of bool [snapshot x bus]
        Whether the marginal values are the same in every optimal basis. Where they are not (supply
        and demand meet in a step), a canonical clearing gives mostly that of the last MWh served.
    cost : float
        Resource cost of the horizon, unserved load at its declared value included [money].
    minimised : float
        What dispatch minimises: cost, what offers and fees add to it, and ranks [money]; of
        obligations not their prices, but what is paid in the place of units that lack.
    solver_seconds : float
        Time spent inside the solver [s].
    notes : list of str
        What the solver had to do beyond the usual, by window.
    offered_cost : DataFrame [snapshot x unit]
        What units offered to do what they did: energy, no load, start [money of the horizon].
    search : DataFrame [window]
        How units were committed: objective and bound [money, at offers], gap [1], seconds,
        complete (0 where a time limit ended the search).
    day_ahead : Outcome, optional
        What was cleared on forecasts before, where a day is settled twice.
    curtailment_range : DataFrame [(province, carrier)], optional
        Columns min and max: curtailment over all optima [MWh], where it was asked for.
    elastic, shifted : DataFrame [snapshot x load], MW
        What users take beyond the reference of their load, below 0 less, as prices make them
        (`rules.demand`); no columns for loads that do not react.
    demand_cost : DataFrame [snapshot x load], money/h
        What is given up is worth to users less what is added, and what shifting costs.
    marginal_mix : DataFrame [snapshot x (bus, carrier)]
        What gives one more MWh of load (`marginal`) [MWh/MWh]; no columns unless asked for.
    certificates : list of Certificate
        By window, the optimum that was found last; of a mixture there is none.
    """

    dispatch: pd.DataFrame
    online: pd.DataFrame
    started: pd.DataFrame
    status: pd.DataFrame
    start_up: pd.DataFrame
    shut_down: pd.DataFrame
    commitment_cost: pd.Series
    flows: pd.DataFrame
    overload: pd.DataFrame
    storage: pd.DataFrame
    state_of_charge: pd.DataFrame
    spill: pd.DataFrame
    shed: pd.DataFrame
    excess: pd.DataFrame
    reserve: pd.DataFrame
    reserve_price: pd.DataFrame
    reserve_required: pd.DataFrame
    reserve_short: pd.DataFrame
    offer_price: pd.DataFrame
    cost_price: pd.DataFrame
    marginal_emission: pd.DataFrame
    marginal_exposure: pd.DataFrame
    price_unique: pd.DataFrame
    cost: float
    minimised: float = 0.0
    solver_seconds: float = 0.0
    notes: list[str] = field(default_factory=list)
    offered_cost: pd.DataFrame = field(default_factory=pd.DataFrame)
    search: pd.DataFrame = field(default_factory=pd.DataFrame)
    curtailment_range: pd.DataFrame | None = None
    day_ahead: Outcome | None = None
    provisional_price: pd.DataFrame = field(default_factory=pd.DataFrame)
    marginal_mix: pd.DataFrame = field(default_factory=pd.DataFrame)
    import_price: pd.DataFrame = field(default_factory=pd.DataFrame)
    marginal_priced: pd.DataFrame = field(default_factory=pd.DataFrame)
    local_price: pd.DataFrame = field(default_factory=pd.DataFrame)
    tier_price: pd.DataFrame = field(default_factory=pd.DataFrame)
    elastic: pd.DataFrame = field(default_factory=pd.DataFrame)
    shifted: pd.DataFrame = field(default_factory=pd.DataFrame)
    demand_cost: pd.DataFrame = field(default_factory=pd.DataFrame)
    certificates: list[Certificate] = field(default_factory=list, repr=False, compare=False)

    @property
    def commitment(self) -> Commitment:
        """What units do."""
        return Commitment(self.status, self.start_up, self.shut_down)

    def emissions(self, case: Case) -> pd.DataFrame:
        """Emission rate of each generator in time, [snapshot x generator] in t/h."""
        return self.dispatch.mul(case.generators["emission_rate"], axis="columns")

    def capacity_on(self, case: Case) -> pd.DataFrame:
        """Capacity that is on, [snapshot x generator] in MW.

        Of fleets and units what is committed and available; of others, and where all of a fleet
        is committed by rule, what is available while they give output.
        """
        available, fleets, units = case.availability, self.online.columns, self.status.columns
        rest = available.columns.difference([*fleets, *units], sort=False)
        parts = [
            available[rest].where(self.dispatch[rest] > 1e-6, 0.0),
            np.minimum(self.online, available[fleets]),
            self.status * available[units],
        ]
        return pd.concat(parts, axis=1)[available.columns]

    def demanded(self, case: Case) -> pd.DataFrame:
        """Load that users ask for at the prices they see, [snapshot x load] in MW."""
        load = case.dense("Load", "p_set")
        for change in (self.elastic, self.shifted):
            if len(change.columns):
                load = load + change.reindex(columns=load.columns, fill_value=0.0)
        return load

    def served(self, case: Case) -> pd.DataFrame:
        """Load served, [snapshot x load] in MW; what is shed at a bus is shared pro rata."""
        load, bus = self.demanded(case), case.loads["bus"]
        positive = load.clip(lower=0.0)  # a negative load is generation: it is not shed
        at_bus = positive.T.groupby(bus).sum().T
        shed = self.shed.reindex(columns=at_bus.columns, fill_value=0.0)
        share = (shed / at_bus.where(at_bus > 0)).fillna(0.0)
        return load - positive * share[bus].set_axis(load.columns, axis="columns")


def commitment_cost(
    case: Case, online: pd.DataFrame, started: pd.DataFrame, done: Commitment
) -> pd.Series:
    """Start, shut-down and no-load cost of each generator over all snapshots [money].

    Parameters
    ----------
    case : Case
    online, started : DataFrame [snapshot x fleet], MW
    done : Commitment
    """
    cost = fleet.commitment_cost(case, online, started)
    return cost.add(unit_cost(case, done).sum(), fill_value=0.0)[case.generators.index]


def _stacked(frames: list[pd.DataFrame]) -> pd.DataFrame:
    """Put frames one below the other; what a window does not have, it has none of."""
    return pd.concat(with_columns_of_all(frames))


def with_columns_of_all(frames: Sequence[pd.DataFrame]) -> list[pd.DataFrame]:
    """Give frames the columns that any of them has, 0 where one had none."""
    shown = [frame.columns for frame in frames if len(frame.columns)]
    if not shown or all(frame.columns.equals(shown[0]) for frame in frames):
        return list(frames)
    columns = shown[0]
    for other in shown[1:]:
        if not other.equals(columns):
            columns = columns.union(other, sort=False)
    return [frame.reindex(columns=columns, fill_value=0.0) for frame in frames]


def join(parts: list[Outcome]) -> Outcome:
    """Join the outcomes of consecutive windows."""
    joined: dict[str, object] = {}
    for item in fields(Outcome):
        values = [getattr(part, item.name) for part in parts]
        if item.name == "curtailment_range" and values[0] is not None:
            joined[item.name] = sum(values[1:], start=values[0])
        elif isinstance(values[0], Outcome):
            joined[item.name] = join(values)
        elif isinstance(values[0], pd.DataFrame):
            joined[item.name] = _stacked(values)
        elif values[0] is None:
            joined[item.name] = None
        elif isinstance(values[0], pd.Series):
            joined[item.name] = sum(values[1:], start=values[0])
        elif isinstance(values[0], list):
            joined[item.name] = [note for value in values for note in value]
        else:
            joined[item.name] = sum(values)
    return Outcome(**joined)  # type: ignore[arg-type]


def cut(outcome: Outcome, snapshots: pd.Index) -> Outcome:
    """Return the tables of an outcome at some of its snapshots; what is a sum stays whole."""
    index = outcome.dispatch.index
    kept: dict[str, Any] = {
        item.name: value.loc[snapshots]
        for item in fields(outcome)
        if isinstance(value := getattr(outcome, item.name), pd.DataFrame)
        and value.index.equals(index)
    }
    return replace(outcome, **kept)


def mixed(a: Outcome, b: Outcome, share: float) -> Outcome:
    """Mix the numbers of two outcomes of one window; what is no number is that of the first.

    Parameters
    ----------
    a, b : Outcome
    share : float
        Of the first [1].
    """
    parts = {
        item.name: _between(getattr(a, item.name), getattr(b, item.name), share)
        for item in fields(Outcome)
    }
    return Outcome(**{**parts, "certificates": []})


def _between(a: Any, b: Any, share: float) -> Any:
    """Mix numbers and tables of numbers; what is neither is that of the first."""
    if isinstance(a, pd.DataFrame):
        a, b = with_columns_of_all([a, b])
    if isinstance(a, (float, pd.DataFrame, pd.Series)):
        return share * a + (1 - share) * b
    return a
