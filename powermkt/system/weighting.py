"""Means of bus prices, weighted by load."""

from __future__ import annotations

import pandas as pd

from powermkt.inputs.case import Case


def load_weighted(
    prices: pd.DataFrame, case: Case, group: pd.Series, load: pd.DataFrame | None = None
) -> pd.DataFrame:
    """Return means by group of buses; plain means where there is no load.

    Parameters
    ----------
    prices : DataFrame [snapshot x bus], money/MWh
    case : Case
    group : Series [bus]
    load : DataFrame [snapshot x load], optional, MW
        Default: that of the network.

    Returns
    -------
    DataFrame [snapshot x group], money/MWh
    """
    load = case.dense("Load", "p_set") if load is None else load
    load = load.T.groupby(case.loads["bus"]).sum().T
    load = load.reindex(columns=prices.columns, fill_value=0.0).clip(lower=0.0)
    total = load.T.groupby(group).sum().T
    weighted = (load * prices).T.groupby(group).sum().T / total.where(total > 0)
    plain: pd.DataFrame = prices.T.groupby(group).mean().T
    return weighted.fillna(plain)
