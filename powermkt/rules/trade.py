"""How provinces exchange: by schedule, province first, coupled.

A corridor is a Link between two provinces. Lines follow physics in every regime.
"""

from __future__ import annotations

from typing import ClassVar, Literal

import linopy
import numpy as np
import pandas as pd
import pydantic
import xarray as xr

from powermkt.dispatch.programme import Adders, Limits
from powermkt.errors import Fault, name_list
from powermkt.inputs.case import Case
from powermkt.rules.base import Role, Rule

PEAK_HOURS = range(8, 22)
Shape = Literal["own", "flat", "day_night"]
_ROUNDING_MW = 1e-6


class TradeRule(Rule):
    """A rule of exchange; every flow pays its wheeling fee."""

    role: ClassVar[Role] = "trade"
    settles: ClassVar[bool] = (
        False  # whether it settles corridors, in the place of the pricing rule
    )

    def offer(self, case: Case) -> Adders:
        """Add the wheeling fee of each corridor to the cost of using it."""
        fee = case.corridors["wheeling_fee"]
        return {"Link-p": fee} if (fee != 0).any() else {}


class Coupled(TradeRule):
    """One clearing over all provinces: capacity, losses and wheeling fees only."""


class Scheduled(TradeRule):
    """Corridors follow the framework schedule within a band.

    Parameters
    ----------
    band : float, optional
        Free deviation as a share of the scheduled flow [1]; default: `trade.schedule_band`.
    shape : {"own", "flat", "day_night"}
        Profile in which the energy of the schedule is delivered, as `framework`.
    """

    band: float | None = pydantic.Field(default=None, ge=0)
    shape: Shape = "own"

    def faults(self, case: Case) -> list[Fault]:
        """Name corridors without a schedule, and what its shape does not fit."""
        return [*schedule_faults(case), *shape_faults(case, self.shape)]

    def limit(self, case: Case) -> Limits:
        """Keep flows within the band around the schedule."""
        low, high = _band(case, self.band, self.shape)
        return {} if low.empty else {"Link-p": (low, high)}


class ProvinceFirst(TradeRule):
    """The framework schedule first, then exchange beyond its band behind a hurdle rate.

    Parameters
    ----------
    hurdle_rate : float, optional
        What an exchange beyond the band must gain [money/MWh]; infinity closes the border.
        Default: `trade.hurdle_rate` of the market file.
    band : float, optional
        Free deviation as a share of the scheduled flow [1]; default: `trade.schedule_band`.
    shape : {"own", "flat", "day_night"}
        Profile in which the energy of the schedule is delivered, as `framework`.
    """

    structural: ClassVar[bool] = True
    hurdle_rate: float | None = pydantic.Field(default=None, ge=0)
    band: float | None = pydantic.Field(default=None, ge=0)
    shape: Shape = "own"

    def faults(self, case: Case) -> list[Fault]:
        """Name corridors without a schedule, and what its shape does not fit."""
        return [*schedule_faults(case), *shape_faults(case, self.shape)]

    def _hurdle(self, case: Case) -> float:
        return case.market.trade.hurdle_rate if self.hurdle_rate is None else self.hurdle_rate

    def limit(self, case: Case) -> Limits:
        """Close the border where the hurdle is infinite."""
        if np.isfinite(self._hurdle(case)):
            return {}
        low, high = _band(case, self.band, self.shape)
        return {} if low.empty else {"Link-p": (low, high)}

    def constrain(self, model: linopy.Model, case: Case) -> None:
        """Add exchange above and below the band."""
        low, high = _band(case, self.band, self.shape)
        if not np.isfinite(self._hurdle(case)) or low.empty:
            return
        coords = {
            "snapshot": pd.Index(low.index, name="snapshot"),
            "name": pd.Index(low.columns, name="name"),
        }
        flow = model.variables["Link-p"].sel(name=coords["name"])
        above = model.add_variables(lower=0, coords=coords, name="Exchange-above")
        below = model.add_variables(lower=0, coords=coords, name="Exchange-below")
        dims = ("snapshot", "name")
        model.add_constraints(
            flow - above <= xr.DataArray(high.to_numpy(), coords, dims), name="Exchange-above"
        )
        model.add_constraints(
            flow + below >= xr.DataArray(low.to_numpy(), coords, dims), name="Exchange-below"
        )

    def offer(self, case: Case) -> Adders:
        """Add wheeling fees, and the hurdle rate on exchange beyond the band."""
        hurdle = self._hurdle(case)
        fees = super().offer(case)
        if not np.isfinite(hurdle) or case.corridors.empty:
            return fees
        return {**fees, "Exchange-above": hurdle, "Exchange-below": hurdle}


class FlatBlocks(TradeRule):
    """Every corridor carries one flow in peak and one in off-peak hours of a window.

    The rule by which a framework schedule is planned: contracts are concluded for blocks.
    Peak is hour 8 to 21 of every day.
    """

    structural: ClassVar[bool] = True

    def constrain(self, model: linopy.Model, case: Case) -> None:
        """Tie the flows of each block together."""
        corridors = case.corridors.index
        if corridors.empty:
            return
        names = pd.Index(corridors, name="name")
        for block, snapshots in block_snapshots(case.snapshots).items():
            if len(snapshots) == 0:
                continue
            level = model.add_variables(coords=[names], name=f"Plan-{block}")
            flow = model.variables["Link-p"].sel(snapshot=snapshots, name=names)
            model.add_constraints(flow - level == 0, name=f"Plan-{block}")


def block_snapshots(index: pd.Index) -> dict[str, pd.Index]:
    """Snapshots of the peak and off-peak block; without times all are off-peak."""
    if not isinstance(index, pd.DatetimeIndex):
        return {"peak": index[:0], "offpeak": index}
    peak = index.hour.isin(PEAK_HOURS)
    return {"peak": index[peak], "offpeak": index[~peak]}


def framework(case: Case, shape: Shape = "own") -> pd.DataFrame:
    """Framework schedule of the corridors in a shape, [snapshot x corridor] in MW.

    Parameters
    ----------
    case : Case
    shape : {"own", "flat", "day_night"}
        As it stands in `links_t.p_set`; its energy in each window spread evenly over all hours; or
        the energy of its peak hours (8 to 21 of every day) evenly over these, that of the others
        over the others. The energy of each corridor and window (and block) stays the same.
    """
    plan = case.schedule
    if case.corridors.empty or plan is None:
        return pd.DataFrame(index=case.snapshots)
    plan = plan[case.corridors.index]
    if shape == "own":
        return plan
    shaped = plan.copy()
    for window in case.windows.values():
        blocks = block_snapshots(window) if shape == "day_night" else {"all": window}
        for hours in blocks.values():
            if len(hours):
                weights = case.weights[hours]
                energy = plan.loc[hours].mul(weights, axis="index").sum()
                shaped.loc[hours] = (energy / weights.sum()).to_numpy()[None, :]
    return shaped


def shape_faults(case: Case, shape: Shape) -> list[Fault]:
    """Say where a schedule in another shape than its own goes beyond ratings, or cannot be made."""
    if shape == "own" or case.schedule is None:
        return []
    if case.look_ahead is not None:
        what = f"shape {shape!r} with a look-ahead: energy would be spread beyond the window"
        return [Fault("trade.shape", what, "give links_t.p_set in that shape, and take `own`")]
    if schedule_faults(case):
        return []  # said already
    return rating_faults(case, framework(case, shape), f"in shape {shape!r} ")


def rating_faults(case: Case, plan: pd.DataFrame, what: str = "") -> list[Fault]:
    """Name corridors whose schedule, [snapshot x corridor] in MW, is beyond their ratings."""
    if plan.empty:
        return []
    low, high = ratings(case)
    beyond = np.maximum(plan - high, low - plan)
    most = beyond.max()
    return [
        Fault(
            f"{case.name}: links_t.p_set[{name!r}]",
            f"{what}beyond the rating in {int((beyond[name] > _ROUNDING_MW).sum())} snapshots, by "
            f"up to {most[name]:,.1f} MW",
            "lower it there, or take another shape",
        )
        for name in most.index[most > _ROUNDING_MW]
    ]


def ratings(case: Case) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Lowest and highest flow that the ratings of corridors allow, [snapshot x corridor] in MW."""
    names = case.corridors.index
    low, high = (case.dense("Link", bound)[names] for bound in ("p_min_pu", "p_max_pu"))
    rated = case._n.links.loc[names, "p_nom"]
    return low * rated, high * rated


def schedule_faults(case: Case) -> list[Fault]:
    """Name the corridors that have no framework schedule."""
    scheduled = case.schedule.columns if case.schedule is not None else pd.Index([])
    missing = case.corridors.index.difference(scheduled)
    if missing.empty:
        return []
    return [
        Fault(
            f"{case.name}: links_t.p_set",
            f"no framework schedule for {len(missing)} links between provinces: "
            + name_list(missing),
            "give links_t.p_set in MW for every snapshot, or derive a plan: "
            "pm.plan_schedule(case), on the command line `powermkt plan NETWORK`",
        )
    ]


def _band(
    case: Case, band: float | None, shape: Shape = "own"
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Lowest and highest flow that the schedule allows without further ado [MW]."""
    width = case.market.trade.schedule_band if band is None else band
    if case.corridors.empty or case.schedule is None:
        empty = pd.DataFrame(index=case.snapshots)
        return empty, empty
    plan = framework(case, shape)
    slack = width * plan.abs()
    _, ceiling = ratings(case)
    return plan - slack, (plan + slack).clip(upper=np.maximum(ceiling, plan))
