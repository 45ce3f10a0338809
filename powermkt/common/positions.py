"""Labels of a linopy model as positions in its arrays, and values put at them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import xarray as xr
from scipy import sparse

from powermkt.errors import name_list


def positions(labels: np.ndarray) -> np.ndarray:
    """Position of each label; -1 where there is none."""
    position = np.full(int(labels.max()) + 1 if len(labels) else 1, -1)
    position[labels] = np.arange(len(labels))
    return position


def place(position: np.ndarray, labels: pd.DataFrame) -> pd.DataFrame:
    """Replace labels by positions, -1 where a label is absent."""
    values = labels.to_numpy()
    found = np.where(values >= 0, position[np.maximum(values, 0)], -1)
    return pd.DataFrame(found, index=labels.index, columns=labels.columns)


def label_frame(labels: xr.DataArray) -> pd.DataFrame:
    """Labels of a linopy variable or constraint as [snapshot x name]; one row without time."""
    values, dims = labels.to_numpy(), labels.dims
    coords = [labels.indexes.get(d) for d in dims]
    if len(dims) == 2:
        if dims[0] != "snapshot":
            values, coords = values.T, coords[::-1]
        return pd.DataFrame(values, index=coords[0], columns=coords[1])
    if len(dims) == 1 and dims[0] == "snapshot":
        return pd.DataFrame(values[:, None], index=coords[0], columns=[""])
    return pd.DataFrame(np.atleast_2d(values), index=[""], columns=coords[0] if coords else [""])


def drawn(
    matrix: sparse.csr_array,
    balance: pd.DataFrame,
    variables: Mapping[str, pd.DataFrame],
    taken: Mapping[str, pd.Series],
) -> sparse.csr_array:
    """Let variables [snapshot x load] take from the balances [snapshot x bus] of their buses.

    `taken` is by beginning of the name of a variable, bus of a load.
    """
    for prefix, bus in taken.items():
        for at in (at for name, at in variables.items() if name.startswith(prefix)):
            row, column = balance[bus[at.columns]].to_numpy().ravel(), at.to_numpy().ravel()
            part = sparse.coo_array((-np.ones(len(row)), (row, column)), shape=matrix.shape)
            matrix = matrix + part.tocsr()
    return matrix


def aligned(
    value: pd.DataFrame | pd.Series | float, at: pd.DataFrame, absent: float = 0.0
) -> np.ndarray:
    """Align a value to [snapshot x name] positions by label; absent names add nothing."""
    if isinstance(value, pd.DataFrame):
        unknown = value.columns.difference(at.columns)
        if len(unknown):
            raise KeyError(f"no such components: {name_list(unknown)}")
        full = value.reindex(index=at.index, columns=at.columns)
        return full.fillna(absent).to_numpy(dtype=float)
    if isinstance(value, pd.Series):
        unknown = value.index.difference(at.columns)
        if len(unknown):
            raise KeyError(f"no such components: {name_list(unknown)}")
        row = value.reindex(at.columns).fillna(absent).to_numpy(dtype=float)
        return np.broadcast_to(row, at.shape)
    return np.full(at.shape, float(value))
