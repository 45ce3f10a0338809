"""Which levels a storage unit can reach by itself in a span of time.

In a snapshot of h hours a unit keeps the share k = (1 - standing loss)^h of its level, takes in at
most g = (efficiency_store x charging capacity + inflow) h, gives at most d = discharging capacity x
h / efficiency_dispatch, and may spill all inflow. From level x it reaches every level between
max(0, k x - d) and min(capacity, k x + g). Both forms are closed under composition, so that a span
of any length is four numbers a unit.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce

import numpy as np
import pandas as pd
import pypsa

# Levels stay this share of gains and draws inside what can just be reached, so that a programme
# that meets them is not infeasible by rounding.
_INSIDE = 1 - 1e-6
_ENDLESS = 1e12  # MW, instead of infinity


@dataclass(frozen=True)
class Reach:
    """Levels that storage units reach in a span: from max(0, keep x - draw) to
    min(ceiling, keep x + gain).

    Attributes
    ----------
    keep : ndarray [unit], 1
    gain, draw, ceiling : ndarray [unit], MWh
    """

    keep: np.ndarray
    gain: np.ndarray
    draw: np.ndarray
    ceiling: np.ndarray

    def then(self, later: Reach) -> Reach:
        """Return the reach of this span followed by another."""
        return Reach(
            keep=later.keep * self.keep,
            gain=later.keep * self.gain + later.gain,
            draw=later.keep * self.draw + later.draw,
            ceiling=np.minimum(later.ceiling, later.keep * self.ceiling + later.gain),
        )

    def clip(self, level: np.ndarray, start: np.ndarray) -> np.ndarray:
        """Return the levels nearest to `level` [MWh] that can be reached from `start` [MWh]."""
        lowest = np.maximum(0.0, self.keep * start - self.draw)
        highest = np.minimum(self.ceiling, self.keep * start + self.gain)
        return np.clip(level, lowest, np.maximum(lowest, highest))

    def starts(self, lowest: np.ndarray, highest: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the range of levels from which some level of a range can be reached [MWh]."""
        keep = np.where(self.keep > 0, self.keep, np.nan)  # where all is lost, every start will do
        low = np.nan_to_num((lowest - self.gain) / keep, nan=0.0)
        high = np.nan_to_num((highest + self.draw) / keep, nan=np.inf, posinf=np.inf)
        return np.maximum(low, 0.0), high

    def returnable(self) -> np.ndarray:
        """Return the highest level that can be reached again from itself [MWh]."""
        lost = 1 - self.keep
        steady = np.divide(self.gain, lost, out=np.full_like(lost, np.inf), where=lost > 0)
        return np.minimum(self.ceiling, steady)


def reaches(n: pypsa.Network, names: pd.Index, spans: list[pd.Index]) -> list[Reach]:
    """Return the reach of storage units in each of some spans of snapshots.

    Parameters
    ----------
    n : pypsa.Network
    names : Index of storage units
    spans : list of Index
        Consecutive snapshots of each span.
    """
    hours = n.snapshot_weightings["stores"].to_numpy()[:, None]

    def dense(attribute: str) -> np.ndarray:
        frame = n.get_switchable_as_dense("StorageUnit", attribute)
        return frame[names].fillna(0.0).to_numpy(dtype=float)

    capacity = n.storage_units.loc[names, "p_nom"].clip(upper=_ENDLESS).to_numpy(dtype=float)
    charge = np.maximum(-dense("p_min_pu"), 0.0) * capacity
    discharge = np.maximum(dense("p_max_pu"), 0.0) * capacity
    keep = (1 - dense("standing_loss")) ** hours
    gain = (dense("efficiency_store") * charge + dense("inflow")) * hours * _INSIDE
    draw = discharge / dense("efficiency_dispatch") * hours * _INSIDE
    full = capacity * n.storage_units.loc[names, "max_hours"].to_numpy(dtype=float)
    steps = [Reach(*step, full) for step in zip(keep, gain, draw, strict=True)]
    return [reduce(Reach.then, (steps[t] for t in n.snapshots.get_indexer(span))) for span in spans]


def reachable_plan(
    levels: np.ndarray, spans: list[Reach], cyclic: np.ndarray, initial: np.ndarray
) -> np.ndarray:
    """Move planned levels to the nearest ones that storage units can follow by themselves.

    Parameters
    ----------
    levels : ndarray [1 + span x unit], MWh
        Planned level before the first span and at the end of each.
    spans : list of Reach
    cyclic : ndarray of bool [unit]
        Whether the last level is the first one.
    initial : ndarray [unit], MWh
        First level of the units that are not cyclic; their last level is as planned, if reached.

    Returns
    -------
    ndarray [1 + span x unit], MWh
        Each level can be reached from the one before, and the last one from each.
    """
    whole = reduce(Reach.then, spans)
    first = np.where(cyclic, np.clip(levels[0], 0.0, whole.returnable()), initial)
    # From the end backwards: from which levels can the year still be closed?
    ranges = [(np.where(cyclic, first, 0.0), np.where(cyclic, first, np.inf))]
    for span in reversed(spans):
        ranges.append(span.starts(*ranges[-1]))
    moved = [first]
    for level, span, (low, high) in zip(levels[1:], spans, ranges[-2::-1], strict=True):
        moved.append(span.clip(np.clip(level, low, high), moved[-1]))
    return np.array(moved)
