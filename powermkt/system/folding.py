"""Bids across provinces: the cheapest path between two, and what a bid is worth at its other end.

A MWh sent into a segment leaves it as D = 1 - loss. The published rule of inter-provincial spot
trade in China charges the fee of a segment on what leaves it; `links.wheeling_fee` is charged on
what enters it, so that ``fee_delivered = wheeling_fee / D`` (`delivered_fee`).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pandas as pd
from scipy import sparse
from scipy.sparse.csgraph import dijkstra

from powermkt.inputs.case import Case

COLUMNS = ["seller", "buyer", "path", "links", "fee", "loss", "kept", "charge"]
_DETOUR = 1e-6  # money/MWh: among paths of one fee the one of few segments, then of few losses


def fold(bid: float, fees: Sequence[float], losses: Sequence[float]) -> float:
    """What a buyer's bid is worth to a seller at the other end of a path [money/MWh].

    ``p_fold = p_b prod_s D_s - sum_s f_s prod_{k <= s} D_k`` with D = 1 - loss.

    Parameters
    ----------
    bid : float
        Of the buyer, for a MWh that reaches it [money/MWh].
    fees : sequence of float
        Of each segment, from seller to buyer, on what leaves it [money/MWh].
    losses : sequence of float
        Of each segment, share of what enters it [1].

    Raises
    ------
    ValueError
        If there are not as many losses as fees, or a loss is not within 0 and 1.
    """
    kept = 1.0 - np.asarray(losses, dtype=float)
    if len(fees) != len(kept):
        raise ValueError(f"{len(fees)} fees and {len(kept)} losses: give one each for a segment")
    if ((kept < 0) | (kept > 1)).any():
        raise ValueError(f"losses {list(losses)} are no shares within 0 and 1")
    arriving = kept.cumprod()
    whole = float(arriving[-1]) if len(arriving) else 1.0
    return bid * whole - float(np.asarray(fees, dtype=float) @ arriving)


def delivered_fee(fee: float, loss: float) -> float:
    """Fee on what leaves a segment that costs the same as `fee` on what enters it [money/MWh]."""
    return fee / (1.0 - loss)


def segments(case: Case, fee: float | None = None) -> pd.DataFrame:
    """Corridors as segments that go one way; one that runs both ways is two.

    Parameters
    ----------
    case : Case
    fee : float, optional
        In the place of every corridor's wheeling fee [money/MWh sent].

    Returns
    -------
    DataFrame
        Columns link, sign (1 along the link, -1 against it), seller, buyer, kept (what arrives of
        a MWh sent) [1], fee [money/MWh sent].
    """
    table, n = case.corridors, case._n
    parts = []
    for sign, bound in ((1, "p_max_pu"), (-1, "p_min_pu")):
        limit = sign * case.dense("Link", bound)[table.index] * n.links.loc[table.index, "p_nom"]
        names = table.index[(limit > 0).any().to_numpy()]
        ends = ["province0", "province1"][::sign]
        parts.append(
            pd.DataFrame(
                {
                    "link": names,
                    "sign": sign,
                    "seller": table.loc[names, ends[0]].to_numpy(),
                    "buyer": table.loc[names, ends[1]].to_numpy(),
                    # Against its direction a lossy link of PyPSA would gain: it counts as lossless.
                    "kept": table.loc[names, "efficiency"].clip(upper=1.0).to_numpy()
                    if sign > 0
                    else 1.0,
                    "fee": (table.loc[names, "wheeling_fee"] if fee is None else fee)
                    if sign > 0
                    else 0.0,
                }
            ).reset_index(drop=True)
        )
    return pd.concat(parts, ignore_index=True)


def cheapest_paths(case: Case, fee: float | None = None) -> pd.DataFrame:
    """The path of the lowest sum of fees between every two provinces; no province twice.

    Parameters
    ----------
    case : Case
    fee : float, optional
        In the place of every corridor's wheeling fee [money/MWh sent].

    Returns
    -------
    DataFrame
        Columns seller, buyer, path ("A > B > C"), links (their names in this order), fee (sum of
        the fees of its segments, on what enters each) [money/MWh], loss (of all it takes in) [1],
        and the folded bid as ``bid x kept - charge``: kept [1], charge [money/MWh at the seller].
        Pairs that no path joins are left out.
    """
    table = segments(case, fee)
    provinces = pd.Index(case.provinces.unique())
    table = table[table["kept"] > 0]
    weight = table["fee"] + _DETOUR * (1.0 - np.log(table["kept"]))
    table = table.assign(weight=weight).sort_values("weight", kind="stable")
    table = table.drop_duplicates(["seller", "buyer"])  # of links side by side the cheapest
    if table.empty:
        return pd.DataFrame(columns=COLUMNS)
    at = [provinces.get_indexer(table[end]) for end in ("seller", "buyer")]
    size = (len(provinces), len(provinces))
    graph = sparse.csr_array((table["weight"].to_numpy(dtype=float), tuple(at)), shape=size)
    distance, before = dijkstra(graph, return_predecessors=True)
    by_ends = {(a, b): i for i, (a, b) in enumerate(zip(*at, strict=True))}
    rows = []
    for a, b in np.argwhere(np.isfinite(distance) & ~np.eye(len(provinces), dtype=bool)):
        nodes = [int(b)]
        while nodes[-1] != a:
            nodes.append(int(before[a, nodes[-1]]))
        nodes.reverse()
        steps = table.iloc[[by_ends[pair] for pair in pairwise(nodes)]]
        arriving = steps["kept"].cumprod()
        entering = arriving / steps["kept"]
        names = provinces[nodes]
        rows.append(
            (names[0], names[-1], " > ".join(names), tuple(steps["link"]), steps["fee"].sum(),
             1.0 - arriving.iloc[-1], arriving.iloc[-1], float((steps["fee"] * entering).sum()))
        )  # fmt: skip
    return pd.DataFrame(rows, columns=COLUMNS)


def gains(paths: pd.DataFrame, prices: pd.DataFrame) -> pd.DataFrame:
    """Folded bid of the buyer less the price of the seller, [snapshot x row of `paths`].

    Parameters
    ----------
    paths : DataFrame
        As `cheapest_paths` gives them.
    prices : DataFrame [snapshot x province], money/MWh
        What a province bids and asks.
    """
    bids, asks = (prices[paths[end]].to_numpy() for end in ("buyer", "seller"))
    folded = bids * paths["kept"].to_numpy(float) - paths["charge"].to_numpy(float)
    return pd.DataFrame(folded - asks, prices.index, paths.index)
