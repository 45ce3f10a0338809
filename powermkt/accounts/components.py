"""Components of locational prices: energy, loss, congestion.

Energy is the load-weighted mean price of all buses that hang together (a distributed reference).
Along a branch from i to j that delivers the share eta of what it takes, the spread of prices is

    P_j - P_i = (1 - eta) P_j + rest,

of which the first part pays for what is lost. The loss component of the buses is the potential
whose differences come nearest to these parts, weighted by flow, with a load-weighted mean of zero:
exact along trees; around meshes, where losses along two ways differ, the least squares compromise.
Links with more than two ends are left out of it: what they convert stands under congestion.
Congestion (with fees on the way) is the rest, so that the three add up to the price.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from powermkt.inputs.case import Case

_UNUSED = 1e-6  # weight of a branch without flow, against that of the largest flow


def price_components(case: Case, price: pd.DataFrame, flows: pd.DataFrame) -> pd.DataFrame:
    """Split locational prices.

    Parameters
    ----------
    case : Case
    price : DataFrame [snapshot x bus], money/MWh
        Marginal values of the clearing, before caps and averages.
    flows : DataFrame [snapshot x branch], MW

    Returns
    -------
    DataFrame
        Columns snapshot, bus, price, energy, congestion, loss [money/MWh].
    """
    n, buses = case._n, price.columns
    load = case.dense("Load", "p_set").clip(lower=0.0).T.groupby(case.loads["bus"]).sum().T
    load = load.reindex(columns=buses, fill_value=0.0)
    branches = pd.concat([table[["bus0", "bus1"]] for table in (n.links, n.lines, n.transformers)])
    efficiency = pd.DataFrame(1.0, index=price.index, columns=branches.index)
    efficiency[n.links.index] = case.dense("Link", "efficiency")[n.links.index]
    other = n.links.columns[n.links.columns.str.fullmatch(r"bus[2-9]\d*")]
    ends = [n.links[column].replace("", np.nan).dropna() for column in other]
    ports = pd.concat([n.links["bus0"].iloc[:0], *ends])
    several = ports.index
    flows = flows.copy()
    efficiency[several], flows[several] = 1.0, 0.0
    joined = pd.DataFrame({"bus0": n.links["bus0"][several].to_numpy(), "bus1": ports.to_numpy()})
    energy, loss = price.copy(), 0.0 * price
    for part in _islands(buses, pd.concat([branches, joined])):
        inside = branches.index[branches["bus0"].isin(part)]
        weight = load[part].to_numpy()
        weight = np.where(weight.sum(axis=1, keepdims=True) > 0, weight, 1.0)
        weight = weight / weight.sum(axis=1, keepdims=True)
        mean = (weight * price[part].to_numpy()).sum(axis=1)
        energy[part] = np.repeat(mean[:, None], len(part), axis=1)
        if (efficiency[inside] != 1.0).to_numpy().any():
            loss[part] = _potentials(
                branches.loc[inside], price[part], efficiency[inside], flows[inside], weight
            )
    long = {
        name: frame.rename_axis(index="snapshot", columns="bus").unstack()
        for name, frame in (("price", price), ("energy", energy),
                            ("congestion", price - energy - loss), ("loss", loss))
    }  # fmt: skip
    rows = pd.DataFrame(long).reset_index()
    return rows[["snapshot", "bus", *long]]


def _islands(buses: pd.Index, branches: pd.DataFrame) -> list[list[str]]:
    """Buses that hang together."""
    ends = [buses.get_indexer(pd.Index(branches[name])) for name in ("bus0", "bus1")]
    shape = (len(buses), len(buses))
    graph = sparse.coo_array((np.ones(len(branches)), (ends[0], ends[1])), shape)
    count, island = connected_components(graph, directed=False)
    return [buses[island == k].tolist() for k in range(count)]


def _potentials(
    branches: pd.DataFrame,
    price: pd.DataFrame,
    efficiency: pd.DataFrame,
    flows: pd.DataFrame,
    weight: np.ndarray,
) -> np.ndarray:
    """Loss component of the buses of one island, [snapshot x bus]: weighted least squares."""
    place = pd.Series(range(price.shape[1]), index=price.columns)
    start, end = (place[branches[name]].to_numpy() for name in ("bus0", "bus1"))
    incidence = np.zeros((len(branches), len(place)))
    incidence[np.arange(len(branches)), end] += 1.0
    incidence[np.arange(len(branches)), start] -= 1.0
    lost = (1.0 - efficiency.to_numpy()) * price.to_numpy()[:, end]
    size = flows.abs().to_numpy()
    size = np.maximum(size, _UNUSED * np.maximum(size.max(axis=1, keepdims=True), 1.0))
    found = np.empty(price.shape)
    for t in range(len(price)):
        root = np.sqrt(size[t])[:, None]
        potential = np.linalg.lstsq(root * incidence, root[:, 0] * lost[t], rcond=None)[0]
        found[t] = potential - weight[t] @ potential
    return found
