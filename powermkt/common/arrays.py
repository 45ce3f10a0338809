"""Tables as labelled arrays, for rows of a linopy model."""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr


def names(index: pd.Index) -> pd.Index:
    """Return components as the dimension that PyPSA gives them."""
    return pd.Index(index, name="name")


def by_name(series: pd.Series) -> xr.DataArray:
    """Return one value a component."""
    return xr.DataArray(series.to_numpy(float), coords={"name": names(series.index)}, dims="name")


def by_snapshot(series: pd.Series) -> xr.DataArray:
    """Return one value a snapshot."""
    index = pd.Index(series.index, name="snapshot")
    return xr.DataArray(series.to_numpy(float), coords={"snapshot": index}, dims="snapshot")


def grid(frame: pd.DataFrame) -> xr.DataArray:
    """Return one value a snapshot and component."""
    return xr.DataArray(
        np.asarray(frame, dtype=float),
        coords={
            "snapshot": pd.Index(frame.index, name="snapshot"),
            "name": names(frame.columns),
        },
        dims=("snapshot", "name"),
    )
