"""How much a contract is about in every snapshot, and who of a side has which part of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from powermkt.inputs.case import Case
from powermkt.inputs.contractbook import Contract
from powermkt.rules.contracts import UNBOUNDED_MW
from powermkt.rules.counterparties import Basis, Side
from powermkt.rules.trade import PEAK_HOURS


@dataclass(frozen=True)
class Volume:
    """The volume of a contract.

    Attributes
    ----------
    quantity : DataFrame [snapshot x member], MW
        Of the members that it is settled by (`anchor`).
    other : DataFrame [snapshot x member]
        Part that each member of the other side has of it; rows sum to 1.
    covered : float
        Hours of the delivery period over hours that its snapshots stand for, at most 1 [1].
    """

    quantity: pd.DataFrame
    other: pd.DataFrame
    covered: float


def anchored_by_seller(seller: Side, buyer: Side) -> bool:
    """Whether price and volume go by the members of the seller.

    Plant comes first, then users; among likes the seller.
    """
    rank = {"plant": 0, "users": 1, "account": 2}
    return rank[seller.what] <= rank[buyer.what]


def volume(contract: Contract, basis: Basis, anchor: Side, other: Side) -> Volume:
    """Return the volume of a contract by snapshot and member.

    A volume in MW or MWh is the energy of the delivery period, spread over its hours by the shape;
    what falls on the snapshots of the horizon is settled. Where snapshots stand for more hours than
    the period has, as in representative weeks, the volume in each is less by `covered`, so
    that no more than the energy of the period is delivered. A group has it pro rata:
    plant by capacity, or by output where that is the shape; users by load.

    Parameters
    ----------
    contract : Contract
    basis : Basis
    anchor, other : Side
        By `anchored_by_seller`; both with members.
    """
    case = basis.cleared.case
    inside = held(contract, case.snapshots)
    level, covered = _level(contract, basis, anchor, other, inside)
    if contract.share is not None and contract.of == "output":
        quantity = contract.share * basis.output[anchor.members]
        if contract.up_to_load and other.what == "users":
            sold, used = quantity.sum(axis=1), basis.load[other.members].sum(axis=1)
            part = (used.clip(lower=0.0) / sold.where(sold > 0)).clip(upper=1.0).fillna(0.0)
            quantity = quantity.mul(part, axis="index")
    elif contract.share is not None and contract.of == "load" and anchor.what == "users":
        quantity = contract.share * basis.load[anchor.members]
    else:
        quantity = _parts(contract, basis, anchor).mul(level, axis="index")
    quantity = quantity.mul(covered * inside, axis="index")
    return Volume(quantity, _parts(contract, basis, other), covered)


def held(contract: Contract, index: pd.Index) -> np.ndarray:
    """Whether a contract delivers in each snapshot."""
    period = contract.period
    if period is None:
        return np.ones(len(index), dtype=bool)
    assert isinstance(index, pd.DatetimeIndex)  # else it is a fault of the case
    return period.holds(index)


def _level(
    contract: Contract, basis: Basis, anchor: Side, other: Side,
    inside: np.ndarray,
) -> tuple[pd.Series, float]:  # fmt: skip
    """Volume of a whole side before `covered` [snapshot] in MW, and `covered` itself."""
    case = basis.cleared.case
    weights = case.weights * inside
    if contract.share is not None and contract.of != "capacity":
        level = pd.Series(1.0, case.snapshots)
        if contract.of == "load":
            users = anchor if anchor.what == "users" else other
            level = contract.share * basis.load[users.members].sum(axis=1)
        hours = float(weights.sum())
        return level, _covered(_hours(contract, hours), hours)
    here = _shape(contract, basis, anchor, other, inside)
    spread = float((here * weights).sum())
    whole = _hours(contract, spread)
    if contract.mwh is not None:
        size = contract.mwh / whole if whole > 0 else 0.0
    elif contract.mw is not None:
        size = contract.mw
    else:
        assert contract.share is not None
        size = contract.share * float(basis.plant.loc[anchor.members, "p_nom"].sum())
    return size * here, _covered(whole, spread)


def _covered(whole: float, spread: float) -> float:
    return min(1.0, whole / spread) if spread > 0 else 1.0


def _shape(
    contract: Contract, basis: Basis, anchor: Side, other: Side, inside: np.ndarray
) -> pd.Series:
    """Load shape [snapshot]: 1 in hours of delivery, or around a mean of 1."""
    index, shape = basis.cleared.case.snapshots, contract.shape
    if shape in ("load", "output"):
        what = "users" if shape == "load" else "plant"
        members = next(side.members for side in (anchor, other) if side.what == what)
        series = (basis.load if shape == "load" else basis.output)[members].sum(axis=1)
        weights = basis.cleared.case.weights * inside
        energy = float((series * weights).sum())
        return series * (float(weights.sum()) / energy if energy > 0 else 0.0)
    if shape == "flat":
        return pd.Series(1.0, index)
    assert isinstance(index, pd.DatetimeIndex)  # else it is a fault of the case
    return _mean_of_day(_of_day(contract), index, _length(basis.cleared.case))


def _mean_of_day(shape: np.ndarray, index: pd.DatetimeIndex, length: np.ndarray) -> pd.Series:
    """Mean of a shape of the day over `length` hours from each snapshot on."""
    until = np.concatenate([[0.0], np.cumsum(shape)])
    begin = (index - index.normalize()) / pd.Timedelta(hours=1)

    def integral(hour: np.ndarray) -> np.ndarray:
        return hour // 24 * until[-1] + np.interp(hour % 24, np.arange(25), until)

    mean = (integral(begin.to_numpy() + length) - integral(begin.to_numpy())) / length
    return pd.Series(mean, index)


def _length(case: Case) -> np.ndarray:
    """Hours from each snapshot to its end [h], which is the next one but where a gap follows."""
    length = case._n.snapshot_weightings["stores"].to_numpy(float)
    steps = np.asarray(np.diff(case.snapshots) / pd.Timedelta(hours=1), dtype=float)
    return np.minimum(length, np.append(steps, steps[-1] if len(steps) else np.inf))


def _of_day(contract: Contract) -> np.ndarray:
    """Load shape by hour of the day, [24]."""
    if not isinstance(contract.shape, str):
        profile = np.array(contract.shape)
        return profile / profile.mean()
    peak = np.isin(np.arange(24), PEAK_HOURS)
    return {"peak": peak, "off_peak": ~peak}.get(contract.shape, peak | ~peak).astype(float)


def _hours(contract: Contract, here: float) -> float:
    """Sum of the shape over the hours of the delivery period [h]; `here` for the horizon."""
    period = contract.period
    return here if period is None else float(_of_day(contract)[period.hours.hour].sum())


def _parts(contract: Contract, basis: Basis, side: Side) -> pd.DataFrame:
    """Part of each member of a side, [snapshot x member]; rows sum to 1."""
    snapshots = basis.cleared.case.snapshots
    if side.what == "users":
        size = basis.load[side.members]
    elif side.what == "plant" and contract.shape == "output":
        size = basis.output[side.members]
    else:
        fixed = pd.Series(1.0, side.members)
        if side.what == "plant":
            fixed = basis.plant.loc[side.members, "p_nom"].clip(upper=UNBOUNDED_MW)
        size = pd.DataFrame(dict(fixed.items()), index=snapshots)
    mean = size.sum() if (size.to_numpy() > 0).any() else size.sum() + 1.0
    total = size.sum(axis=1)
    parts = size.div(total.where(total > 0), axis="index")
    return parts.fillna(mean / mean.sum())
