"""Reserves bought after energy: at offers plus what providers lose in energy, prices given.

A provisional clearing of energy left outputs g0, prices P and a commitment. A provider has the
room that g0 leaves, and makes more by moving away from g0. A MWh that it does not sell costs it
P - c where its offer c is lower, a MWh that it must sell costs it c - P where its offer is higher:

    min  sum max(0, P - c) down + max(0, c - P) up + offers x awards + shortage prices x shortage
    g = g0 - down + up,   least output <= g <= what is on,   the rows of `powermkt.system.reserves`,

with what is on, and power and level of storage, as they were. P is taken as given whatever the
volume, and there is no network: that replacement energy may be dear, or lacking, is not seen here.
The dual of a requirement is its price: the highest accepted offer with its lost opportunity cost.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import linopy
import numpy as np
import pandas as pd
import xarray as xr

from powermkt.common.arrays import names
from powermkt.dispatch.clearing import commit
from powermkt.dispatch.outcome import Outcome
from powermkt.dispatch.posing import Numbers, offered_costs
from powermkt.dispatch.programme import Limits, Programme
from powermkt.dispatch.results import awards_of, reserve_prices_of
from powermkt.dispatch.ties import generic_costs
from powermkt.inputs.case import Case
from powermkt.system.fleet import fleets
from powermkt.system.ladders import STEP
from powermkt.system.products import GENERATOR, STORAGE, Lot, book_of
from powermkt.system.reserves import add_reserves, least_share
from powermkt.system.units import STATUS, units

OUTPUT, BEFORE, DOWN, UP = "Generator-p", "Generator-p-before", "Moved-down", "Moved-up"
ONLINE = "Fleet-online"
LEVEL, DISPATCH, STORE = (
    f"StorageUnit-{name}" for name in ("state_of_charge", "p_dispatch", "p_store")
)
_GIVEN = (BEFORE, ONLINE, STATUS, LEVEL, DISPATCH, STORE)  # what the auction does not decide


@dataclass(frozen=True)
class Sold:
    """What an auction decided.

    Attributes
    ----------
    awards : DataFrame [snapshot x (product, quality, provider)], MW
    prices : DataFrame [snapshot x (product, zone)], money/(MW h)
        Marginal value of each requirement.
    seconds : float
        Time spent in HiGHS [s].
    notes : list of str
    """

    awards: pd.DataFrame
    prices: pd.DataFrame
    seconds: float
    notes: list[str]


class Auction:
    """The programme of a window in which reserves alone are bought.

    Parameters
    ----------
    case : Case
        The window; something is required in it.
    energy : Programme
        That of energy alone, whose offers and limits count.
    """

    def __init__(self, case: Case, energy: Programme) -> None:
        book = book_of(case)
        assert book is not None
        self._case, self._energy = case, energy
        lots = book.live().lots
        self._awards = {lot.variable for lot in lots}
        self._members = _providers(lots, GENERATOR, case.generators.index)
        self._stores = _providers(lots, STORAGE, case.storage_units.index)
        self._owner, self._step = _pieces(energy, self._members)
        model = linopy.Model()
        self._add_output(model)
        self._add_given(model)
        add_reserves(model, case)
        given = [name for name in _GIVEN if name in model.variables]
        columns = {name: pd.Index(model.variables[name].indexes["name"]) for name in given}
        self._programme = Programme(model, narrow=columns)

    def _add_output(self, model: linopy.Model) -> None:
        """Output of providers, and by how much it moves, piece by piece of their offers."""
        if self._members.empty:
            return
        members = [pd.Index(self._case.snapshots, name="snapshot"), names(self._members)]
        pieces = [members[0], names(self._owner.index)]
        output, before = (
            model.add_variables(coords=members, name=name) for name in (OUTPUT, BEFORE)
        )
        down, up = (model.add_variables(lower=0, coords=pieces, name=name) for name in (DOWN, UP))
        owner = xr.DataArray(self._owner.to_numpy(), {"name": pieces[1]}, "name").rename("owner")
        moved = (up - down).groupby(owner).sum().rename({"owner": "name"})
        # linopy puts expressions of one size together by position: groups come sorted.
        moved = moved.sel(name=members[1])
        model.add_constraints(output - before - moved == 0, name="Moved")

    def _add_given(self, model: linopy.Model) -> None:
        """What `add_reserves` reads and the provisional clearing decided; bounds say what."""
        snapshots = pd.Index(self._case.snapshots, name="snapshot")
        fleet = self._members[self._members.isin(fleets(self._case).index)]
        unit = self._members[self._members.isin(units(self._case).index)]
        given = {STATUS: unit, LEVEL: self._stores, DISPATCH: self._stores, STORE: self._stores}
        if ONLINE in self._energy.variables:  # not where all that is available is on
            given[ONLINE] = fleet
        for name, index in given.items():
            if len(index):
                model.add_variables(coords=[snapshots, names(index)], name=name)

    def clear(
        self, provisional: Outcome, alone: Numbers, numbers: Numbers, prices: pd.DataFrame
    ) -> Sold:
        """Buy reserves after a provisional clearing.

        Parameters
        ----------
        provisional : Outcome
        alone : Numbers
            With which energy was cleared.
        numbers : Numbers
            With awards as well.
        prices : DataFrame [snapshot x bus], money/MWh
            What energy is paid at the provisional clearing.

        Raises
        ------
        ClearingError
            If enablement trapeziums are not decided in time.
        """
        case, programme = self._case, self._programme
        cost = programme.cost.copy()
        for part in numbers.offers:
            own = {name: offer for name, offer in part.items() if name in self._awards}
            cost += programme.spread(own, case.weights)
        bounds: dict[str, tuple[pd.DataFrame, pd.DataFrame]] = {}
        if len(self._members):
            moves, bounds = self._moves(provisional, alone, prices)
            cost += programme.spread(moves, case.weights)
        lower, upper = programme.replaced(
            programme.lower, programme.upper, {**bounds, **self._as_it_was(provisional)}
        )
        tie = generic_costs(case, len(cost))
        if programme.integral.any() and not numbers.units.relaxed:
            label = next(iter(case.windows))
            lower, upper, _ = commit(programme, cost + tie, lower, upper, numbers.units, label)
        point = programme.solve(cost, lower, upper, {"offer": cost}, tie, canonical=True)
        return Sold(
            awards_of(case, programme, point),
            reserve_prices_of(case, programme, point),
            point.seconds,
            point.notes,
        )

    def _moves(
        self, provisional: Outcome, alone: Numbers, prices: pd.DataFrame
    ) -> tuple[dict[str, pd.DataFrame], dict[str, tuple[pd.DataFrame, pd.DataFrame]]]:
        """What moving away from output costs [money/MWh], and how far it goes [MW]."""
        case, index, members = self._case, self._case.snapshots, self._members
        hours = case.weights.to_numpy()[:, None]
        offered = offered_costs(case, self._energy, alone)
        lower, upper = self._energy.bounds(alone.limits)
        at = self._energy.variables[OUTPUT][members].to_numpy()
        on = self._on(provisional)
        low = np.maximum((on * least_share(case)[members]).to_numpy(), lower[at])
        high = np.maximum(np.minimum(on.to_numpy(), upper[at]), low)
        output = np.clip(provisional.dispatch[members].to_numpy(), low, high)
        own = members.get_indexer(pd.Index(self._owner))
        offer, used, room = (
            values[:, own] for values in (offered[at] / hours, output - low, high - output)
        )
        stepped = self._step.to_numpy() != ""
        if stepped.any():
            steps = self._energy.variables[STEP][self._step[stepped]].to_numpy()
            offer[:, stepped] += offered[steps] / hours
            width = pd.DataFrame(upper[steps], index, self._owner.index[stepped])
            below = width.T.groupby(self._owner).cumsum().T - width
            filled = (output[:, own[stepped]] - below).clip(lower=0.0, upper=width)
            used[:, stepped], room[:, stepped] = filled, width - filled
        bus = case.generators.loc[self._owner, "bus"]
        gain = prices[bus].to_numpy() - offer

        def frame(values: np.ndarray, columns: pd.Index) -> pd.DataFrame:
            return pd.DataFrame(values, index, columns)

        pieces = self._owner.index
        costs = {DOWN: frame(gain.clip(min=0), pieces), UP: frame((-gain).clip(min=0), pieces)}
        zero = frame(0.0 * gain, pieces)
        bounds = {
            OUTPUT: (frame(low, members), frame(high, members)),
            BEFORE: (frame(output, members), frame(output, members)),
            DOWN: (zero, frame(used, pieces)),
            UP: (zero, frame(room, pieces)),
        }
        return costs, bounds

    def _on(self, provisional: Outcome) -> pd.DataFrame:
        """What providers can give as they are on, [snapshot x generator] in MW."""
        on = self._case.availability[self._members].copy()
        fleet = self._members[self._members.isin(provisional.online.columns)]
        unit = self._members[self._members.isin(provisional.status.columns)]
        on[fleet] = provisional.online[fleet]
        on[unit] *= provisional.status[unit]
        return on

    def _as_it_was(self, provisional: Outcome) -> Limits:
        """Bounds that hold commitment and storage at the provisional clearing."""
        net = provisional.storage[self._stores]
        values = {
            ONLINE: provisional.online,
            STATUS: provisional.status,
            LEVEL: provisional.state_of_charge,
            DISPATCH: net.clip(lower=0.0),
            STORE: (-net).clip(lower=0.0),
        }
        known = self._programme.variables
        return {
            name: (frame[known[name].columns], frame[known[name].columns])
            for name, frame in values.items()
            if name in known
        }


def _providers(lots: list[Lot], component: str, index: pd.Index) -> pd.Index:
    """Who of a component may hold anything, in the order of its table."""
    able = [name for lot in lots if lot.component == component for name in lot.providers]
    return index[index.isin(able)]


def _pieces(energy: Programme, members: pd.Index) -> tuple[pd.Series, pd.Series]:
    """Owner of each piece of the offers of providers, and its step; "" where offers are flat."""
    steps = list(energy.variables[STEP].columns) if STEP in energy.variables else []
    owners = [re.sub(r" step \d+$", "", step) for step in steps]
    pairs = [pair for pair in zip(owners, steps, strict=True) if pair[0] in members]
    pairs += [(name, "") for name in members if name not in owners]
    index = pd.Index([str(i) for i in range(len(pairs))])
    owner, step = (pd.Series([pair[i] for pair in pairs], index, dtype=object) for i in (0, 1))
    return owner, step
