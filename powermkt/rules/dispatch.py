"""Who runs: equal shares, order of priority; the merit order is in `rules.merit`."""

from __future__ import annotations

from typing import ClassVar, Literal

import linopy
import numpy as np
import pandas as pd
import pydantic
import xarray as xr

from powermkt.common.arrays import by_name
from powermkt.dispatch.programme import Adders
from powermkt.errors import Fault, nearest
from powermkt.inputs.case import Case
from powermkt.inputs.curves import mean_costs
from powermkt.methods.mip import UnitCommitment
from powermkt.rules.base import Role, Rule
from powermkt.system.fleet import Commitment, add_fleets
from powermkt.system.heat import heat_bound
from powermkt.system.ladders import add_steps

MITIGATED = ["generator", "snapshot", "step", "quantity_mw", "offer", "mitigated_offer"]


class DispatchRule(Rule):
    """A rule of dispatch; thermal fleets are committed as `commitment` says, units as `units`."""

    role: ClassVar[Role] = "dispatch"
    structural: ClassVar[bool] = True
    commitment: Commitment = "hourly"
    units: UnitCommitment = UnitCommitment()

    @property
    def submitted(self) -> bool:
        """Whether offers that were submitted count."""
        return False

    def mitigated(self, case: Case) -> pd.DataFrame:
        """Return the offers that the rule replaced, as `MeritOrder.mitigated`."""
        return pd.DataFrame(columns=MITIGATED)

    def constrain(self, model: linopy.Model, case: Case) -> None:
        """Add fleet commitment and the steps of rising costs."""
        add_fleets(model, case, self.commitment)
        add_steps(model, case, self.submitted)


class PriorityOrder(DispatchRule):
    """Units run in classes: renewables first, then the classes named, then the rest by rank.

    Classes are kept apart by weights, which are offers and neither costs nor prices: curtailing
    the first class costs `weight`, the k-th of K classes `weight (K - k + 1) / K`.

    Parameters
    ----------
    classes : list of list of str, optional
        Carriers by class; default: the renewable carriers in one class.
    weight : float, default 1000
        Weight of the first class [money/MWh]; above fuel and start cost spreads.
    rank : {"cost", "heat_rate"}
        Order of quota units (coal) within a province: by marginal cost, or by emission rate at
        the province's mean cost per tonne (energy-saving dispatch: the unit that burns less runs
        first, whatever its fuel costs).
    """

    classes: list[list[str]] | None = None
    weight: float = pydantic.Field(default=1000.0, gt=0, le=4000)
    rank: Literal["cost", "heat_rate"] = "heat_rate"

    def faults(self, case: Case) -> list[Fault]:
        """Name carriers that the case does not have."""
        known = {*case.generators["carrier"], *case.storage_units["carrier"]}
        return weight_faults(case, self.weight, type(self).__name__) + [
            Fault("PriorityOrder.classes", f"unknown carrier {name!r}", nearest(name, known))
            for members in self.classes or []
            for name in members
            if name not in known
        ]

    def rank_by(self, case: Case) -> Adders:
        """Return class weights and, for quota units, the difference of rank and cost."""
        classes = self.classes or [case.carriers.renewable]
        weight = {
            carrier: self.weight * (len(classes) - k) / len(classes)
            for k, members in enumerate(classes)
            for carrier in members
        }
        table = case.generators
        adder = -table["carrier"].map(weight).fillna(0.0)
        adders: dict[str, pd.DataFrame | pd.Series] = {}
        if self.rank == "heat_rate":
            adder = adder + _rank_adder(case)
        adders["Generator-p"] = adder
        spill = case.storage_units["carrier"].map(weight).fillna(0.0)
        inflow = case.dense("StorageUnit", "inflow")
        spill = spill[inflow.columns[(inflow > 0).any()]]
        if (spill > 0).any():
            adders["StorageUnit-spill"] = spill
        return adders


def weight_faults(case: Case, weight: float, rule: str) -> list[Fault]:
    """Name a price of excess that the weight of a rule does not stay below."""
    excess = case.market.price_of_excess
    if excess is None or excess > weight:
        return []
    return [
        Fault(
            "market.yaml: price_of_excess",
            f"{excess:g} is not above the weight {weight:g} of {rule}: energy "
            "would be generated to be thrown away",
            "raise it, or leave it out",
        )
    ]


def _rank_adder(case: Case) -> pd.Series:
    """What ranks quota units by emission rate at the mean cost per tonne of their province.

    With c the time-mean marginal cost, e the emission rate and bars for capacity-weighted means
    over the quota units of a province, the ranking offer is ``e c_bar / e_bar``.
    """
    table = case.generators
    cost = mean_costs(case._n).mean()[table.index]
    quota = table["carrier"].isin(case.carriers.quota or []) & (table["emission_rate"] > 0)
    members = table[quota]
    if members.empty:
        return pd.Series(0.0, index=table.index)
    capacity = members["p_nom"]
    mean_cost = (cost[quota] * capacity).groupby(members["province"]).sum()
    mean_rate = (members["emission_rate"] * capacity).groupby(members["province"]).sum()
    per_tonne = (mean_cost / mean_rate).replace([np.inf, -np.inf], np.nan)
    ranked = members["emission_rate"] * members["province"].map(per_tonne)
    return (ranked - cost[quota]).reindex(table.index).fillna(0.0)


class EqualShares(DispatchRule):
    """Quota units of a province get equal load factors; the carbon price is absent.

    For unit i with energy E_i, heat must-run energy Q_i and available energy A_i in a period,
    ``(1 - eps) H_p (A_i - Q_i) <= E_i - Q_i <= (1 + eps) H_p (A_i - Q_i)``: heat is outside the
    quota. H_p is the plan of the market file, or found by least cost.

    Parameters
    ----------
    band : float, optional
        Tolerance eps [1]; default: `quota.band` of the market file.
    load_factor : dict, optional
        Planned load factor H_p by province [1]; default: `quota.load_factor` of the market file.
    period : {"window", "week", "month", "hour"}
        Over which energies are equal; "window" is the week of a weekly study.
    commitment : {"fixed", "hourly", "all"}
        Online capacity fixed over the window by default.
    """

    band: float | None = pydantic.Field(default=None, ge=0, le=1)
    load_factor: dict[str, float] | None = None
    period: Literal["window", "week", "month", "hour"] = "window"
    commitment: Commitment = "fixed"

    def faults(self, case: Case) -> list[Fault]:
        """Name provinces that do not exist."""
        known = set(case.provinces)
        return [
            Fault("EqualShares.load_factor", f"unknown province {name!r}", nearest(name, known))
            for name in self.load_factor or {}
            if name not in known
        ]

    def constrain(self, model: linopy.Model, case: Case) -> None:
        """Add fleet commitment and the quota rows."""
        super().constrain(model, case)
        band = case.market.quota.band if self.band is None else self.band
        plan = case.market.quota.load_factor if self.load_factor is None else self.load_factor
        members = _quota(case)
        several = members.groupby("province")["p_nom"].transform("size") > 1
        members = members[several | members["province"].isin(list(plan))]
        for period, snapshots in _periods(case, self.period):
            _add_quota(model, case, members, snapshots, band, plan, f"Quota-{period}")


def same_energy(plan: dict[str, float], case: Case, more: Case) -> dict[str, float]:
    """Load factors at which more plant has the energy that a plan gives to that of a case.

    Parameters
    ----------
    plan : dict of str to float
        H_p by province [1], as of `EqualShares`.
    case, more : Case
        The case that was planned for, and one with other quota plant.

    Returns
    -------
    dict of str to float
        ``H_p sum_i (A_i - Q_i)`` of the case over ``sum_i (A_i - Q_i)`` of the other.
    """
    rooms = []
    for item in (case, more):
        members = _quota(item)
        room = _heat_and_room(item, members, item.snapshots)[1]
        rooms.append(room.groupby(members["province"]).sum())
    left = (rooms[0] / rooms[1].where(rooms[1] > 0)).fillna(1.0)
    return {province: factor * float(left.get(province, 1.0)) for province, factor in plan.items()}


def _quota(case: Case) -> pd.DataFrame:
    """Rows of `Case.generators` of quota plant."""
    table = case.generators
    return table[table["carrier"].isin(case.carriers.quota or []) & (table["p_nom"] > 0)]


def _heat_and_room(
    case: Case, members: pd.DataFrame, snapshots: pd.Index
) -> tuple[pd.Series, pd.Series]:
    """Heat must-run energy Q of plant, and energy available beyond it, A - Q [MWh]."""
    hours = case.weights.loc[snapshots]
    heat = heat_bound(case).loc[snapshots, members.index].mul(hours, axis="index").sum()
    heat = heat.where(members["carrier"].isin(case.carriers.heat or []), 0.0)
    available = case.availability.loc[snapshots, members.index].mul(hours, axis="index").sum()
    return heat, available - heat


def _add_quota(
    model: linopy.Model,
    case: Case,
    members: pd.DataFrame,
    snapshots: pd.Index,
    band: float,
    plan: dict[str, float],
    name: str,
) -> None:
    """Add the quota rows of one period, each per unit of room, so that all fleets weigh alike."""
    hours = case.weights.loc[snapshots]
    heat, room = _heat_and_room(case, members, snapshots)
    province = members["province"][room > 1e-6]
    if province.empty:
        return
    index = pd.Index(province.index, name="name")
    output = model.variables["Generator-p"].sel(snapshot=snapshots, name=index)
    by_hour = xr.DataArray(
        hours.to_numpy(float), {"snapshot": pd.Index(snapshots, name="snapshot")}, "snapshot"
    )
    share = (output * (by_hour / by_name(room[index]))).sum("snapshot")
    bound = heat[index] / room[index]
    planned = province.map(plan)
    given = planned.notna().to_numpy()
    free = province[~given]
    if len(free):
        level = model.add_variables(
            lower=0,
            upper=1,
            coords=[pd.Index(free.unique(), name="province")],
            name=f"{name}-level",
        )
        of_unit = xr.DataArray(free.to_numpy(), {"name": index[~given]}, "name")
        mine = (1 * level.sel(province=of_unit)).drop_vars("province")
        floor = by_name(bound[~given])
        part = share.sel(name=index[~given])
        model.add_constraints(part - (1 + band) * mine <= floor, name=f"{name}-upper")
        model.add_constraints(part - (1 - band) * mine >= floor, name=f"{name}-lower")
    if given.any():
        part, floor = share.sel(name=index[given]), by_name(bound[given])
        target = by_name(planned[given])
        model.add_constraints(part <= floor + (1 + band) * target, name=f"{name}-planned-upper")
        model.add_constraints(part >= floor + (1 - band) * target, name=f"{name}-planned-lower")


def _periods(case: Case, period: str) -> list[tuple[str, pd.Index]]:
    """Label and snapshots of each period of a window."""
    index = case.snapshots
    if period == "window" or (period != "hour" and not isinstance(index, pd.DatetimeIndex)):
        return [("window", index)]
    if period == "hour":
        return [(str(t), index[i : i + 1]) for i, t in enumerate(index)]
    assert isinstance(index, pd.DatetimeIndex)
    if period == "month":
        keys = np.asarray(index.year * 12 + index.month)
    else:
        keys = np.asarray((index - index[0]) // pd.Timedelta(days=7))
    return [(str(key), index[keys == key]) for key in np.unique(keys)]
