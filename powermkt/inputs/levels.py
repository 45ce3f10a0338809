"""Levels of storage at the edges of a window: how weeks of a year hang together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pypsa


@dataclass(frozen=True)
class Seams:
    """Planned levels of the storage units that carry energy from window to window.

    Attributes
    ----------
    start : DataFrame [window x storage unit], MWh
        Level before the first snapshot of each window.
    end : DataFrame [window x storage unit], MWh
        Level at the last snapshot of each window; NaN where it is free.
    value : DataFrame [window x storage unit], money/MWh
        What one more MWh in store at the end of each window saves afterwards; NaN after the last
        window if nothing comes after it.
    """

    start: pd.DataFrame
    end: pd.DataFrame
    value: pd.DataFrame

    def edges(self, label: str) -> tuple[pd.Series, pd.Series]:
        """Return the levels before the first and at the last snapshot of a window [MWh]."""
        return self.start.T[label], self.end.T[label]

    def table(self) -> pd.DataFrame:
        """Return all of it as rows: window, storage_unit, start_mwh, end_mwh, value."""
        frames = {"start_mwh": self.start, "end_mwh": self.end, "value": self.value}
        long = {
            name: frame.rename_axis(index="window", columns="storage_unit").unstack()
            for name, frame in frames.items()
        }
        rows = pd.DataFrame(long).reset_index()
        return rows[["window", "storage_unit", *frames]]


def bind_levels(n: pypsa.Network, start: pd.Series, end: pd.Series) -> None:
    """Let storage units and stores begin and end all snapshots of a network at given levels.

    Parameters
    ----------
    n : pypsa.Network
        Changed in place: the initial level replaces the cyclic condition, and the final level
        is a set point at the last snapshot, for which PyPSA writes a row.
    start : Series [storage unit or store], MWh
        Before the first snapshot. PyPSA lets what was there lose nothing in the first snapshot, so
        the loss of that snapshot is taken off first.
    end : Series [storage unit or store], MWh
        NaN leaves the final level free.
    """
    hours = float(n.snapshot_weightings["stores"].iloc[0])
    for component, table, series, cyclic, initial, fixed in (
        ("StorageUnit", n.storage_units, n.storage_units_t, "cyclic_state_of_charge",
         "state_of_charge_initial", "state_of_charge_set"),
        ("Store", n.stores, n.stores_t, "e_cyclic", "e_initial", "e_set"),
    ):  # fmt: skip
        names = table.index.intersection(start.index)
        table.loc[names, cyclic] = False
        loss = n.get_switchable_as_dense(component, "standing_loss")[names].iloc[0]
        table.loc[names, initial] = (start[names] * (1 - loss) ** hours).to_numpy()
        bound = names[end.reindex(names).notna()]
        points = series[fixed].drop(columns=bound, errors="ignore")
        last = pd.DataFrame(np.nan, index=n.snapshots, columns=bound)
        last.iloc[-1] = end[bound].to_numpy()
        series[fixed] = pd.concat([points, last], axis=1).rename_axis(columns=points.columns.name)
