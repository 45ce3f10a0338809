"""Which branches carry electricity, and do not turn it into something else."""

from __future__ import annotations

import pandas as pd

from powermkt.inputs.case import Case

_ELECTRIC = ("AC", "DC")


def electric_links(case: Case) -> pd.Index:
    """Links that carry and do not convert: both ends electric, or of one carrier."""
    n = case._n
    carrier = n.buses["carrier"].replace("", "AC")
    ends = [n.links[end].map(carrier) for end in ("bus0", "bus1")]
    electric = ends[0].isin(_ELECTRIC) & ends[1].isin(_ELECTRIC) | (ends[0] == ends[1])
    return n.links.index[electric & (n.links["p_nom"] > 0)]


def losses(case: Case) -> pd.DataFrame:
    """Share of what links take that is lost, [snapshot x link]; 0 for several ends or both ways."""
    share = (1.0 - case.dense("Link", "efficiency")).clip(lower=0.0)
    links = case._n.links.loc[share.columns]
    further = links.columns[links.columns.str.fullmatch(r"bus[2-9]\d*")]
    two_ends = (links[further].fillna("") == "").all(axis=1)
    one_way = (case.dense("Link", "p_min_pu") >= 0).all()
    return share * (two_ends & one_way)
