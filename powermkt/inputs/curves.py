"""Cost curves of generators: PyPSA's piecewise `marginal_cost` and `marginal_cost_quadratic`.

Piecewise: between two breakpoints of output per `p_nom`, one more MWh costs what stands at the
upper one; output up to the first breakpoint costs nothing beyond no-load cost, output ends at the
last. Quadratic: output p costs ``c p + q p**2`` an hour with c the `marginal_cost`.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
import pypsa

from powermkt.errors import Fault, name_list

_NARROW_MW = 1e-9


def curve_faults(n: pypsa.Network, where: str) -> Iterator[Fault]:
    """Yield what is wrong with the cost curves of generators."""
    falling, short, unruly = [], [], []
    for name, x, price in _curves(n):
        if len(x) < 2 or (np.diff(x) <= 0).any() or x[0] < 0:
            unruly.append(name)
            continue
        if (np.diff(price[1:]) < 0).any() or (x[0] > 1e-9 and price[1] < 0):
            falling.append(name)
        low = n.get_switchable_as_dense("Generator", "p_min_pu")[name].max()
        if low > x[-1] + 1e-9 or low < -1e-9:
            short.append(name)
    place = f"{where}: generators.marginal_cost (piecewise)"
    if unruly:
        remedy = "give two or more rising values of p_pu, each >= 0, and no gaps"
        yield Fault(place, f"breakpoints out of order for {name_list(unruly)}", remedy)
    if falling:
        remedy = "give prices that rise with output (the convex hull of the cost)"
        yield Fault(place, f"prices fall with output for {name_list(falling)}", remedy)
    if short:
        remedy = "let the curve reach from at most p_min_pu >= 0 to p_max_pu"
        yield Fault(place, f"p_min_pu lies outside the curve of {name_list(short)}", remedy)
    for table in ("links", "storage_units", "stores"):
        curves = getattr(n.c, table).piecewise.get("marginal_cost")
        if curves is not None and not curves.empty:
            what = f"piecewise costs of {name_list(curves.columns.unique(0))}"
            yield Fault(f"{where}: {table}.marginal_cost", what, "only generators may have them")


def take_ladders(n: pypsa.Network) -> pd.DataFrame:
    """Take the cost curves out of a network; mean cost at full output stays as marginal cost.

    Returns
    -------
    DataFrame
        Columns generator, step, width_mw, price [money/MWh].
    """
    rows = []
    for name, x, price in _curves(n):
        top = x * n.generators.loc[name, "p_nom"]
        width = np.diff(top, prepend=0.0)
        price = np.concatenate([[0.0], price[1:]])
        rows += [(name, width[k], price[k]) for k in np.flatnonzero(width > _NARROW_MW)]
    curves = n.c.generators.piecewise["marginal_cost"]
    n.c.generators.piecewise["marginal_cost"] = curves.iloc[:0, :0]
    table = pd.DataFrame(rows, columns=["generator", "width_mw", "price"])
    table.insert(1, "step", table.groupby("generator").cumcount())
    if len(table):
        money = (table["width_mw"] * table["price"]).groupby(table["generator"]).sum()
        mean = money / table.groupby("generator")["width_mw"].sum()
        n.generators.loc[mean.index, "marginal_cost"] = mean
        series = n.generators_t["marginal_cost"]
        n.generators_t["marginal_cost"] = series.drop(columns=mean.index, errors="ignore")
    return table


def curve_tops(n: pypsa.Network) -> pd.Series:
    """Output at which the cost curve of each generator that has one ends [MW]."""
    p_nom = pd.to_numeric(n.generators["p_nom"], errors="coerce")
    return pd.Series({name: x[-1] * p_nom[name] for name, x, _ in _curves(n)}, dtype=float)


def quadratic_faults(n: pypsa.Network, where: str) -> Iterator[Fault]:
    """Yield what is wrong with quadratic costs, beyond values that are no cost at all."""
    g = n.generators
    curved = g.index.isin(quadratic_costs(n).columns)
    both = g.index.isin([name for name, _, _ in _curves(n)])
    for wrong, what, remedy in (
        (g["committable"].astype(bool), "of committable units", "use piecewise marginal_cost"),
        (both, "beside a piecewise marginal_cost", "give one of them"),
        (np.isinf(g["p_nom"]), "without a limit of output", "give a finite p_nom"),
    ):
        names = g.index[curved & wrong]
        if len(names):
            place = f"{where}: generators.marginal_cost_quadratic"
            yield Fault(place, f"quadratic costs {what}: {name_list(names)}", remedy)


def quadratic_costs(n: pypsa.Network) -> pd.DataFrame:
    """Return q of the generators that have it, [snapshot x generator] in money/(MW2 h)."""
    column = "marginal_cost_quadratic"
    names = n.generators.index[n.generators[column] > 0].union(n.generators_t[column].columns)
    if names.empty:
        return pd.DataFrame(index=n.snapshots, dtype=float)
    found: pd.DataFrame = n.get_switchable_as_dense("Generator", column)
    return found.loc[:, (found > 0).any()]


def mean_costs(n: pypsa.Network) -> pd.DataFrame:
    """Return the mean cost of full output, [snapshot x generator] in money/MWh: c + q p_nom."""
    cost: pd.DataFrame = n.get_switchable_as_dense("Generator", "marginal_cost")
    rise = quadratic_costs(n)
    if rise.empty:
        return cost
    rise = rise * n.generators.loc[rise.columns, "p_nom"]
    return cost.add(rise.reindex(columns=cost.columns, fill_value=0.0))


def drop_quadratic(n: pypsa.Network, linear: pd.DataFrame) -> None:
    """Take quadratic costs out of a network; the generators that have them get a linear one.

    Parameters
    ----------
    n : pypsa.Network
        Changed in place.
    linear : DataFrame [snapshot x generator], money/MWh
    """
    names = quadratic_costs(n).columns
    if names.empty:
        return
    n.generators.loc[names, "marginal_cost_quadratic"] = 0.0
    series = n.generators_t
    for attribute in ("marginal_cost", "marginal_cost_quadratic"):
        series[attribute] = series[attribute].drop(columns=names, errors="ignore")
    series["marginal_cost"] = series["marginal_cost"].join(linear[names])


def _curves(n: pypsa.Network) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Name, breakpoints [p_nom] and price at each [money/MWh] of generators that have a curve."""
    curves = n.c.generators.piecewise.get("marginal_cost")
    if curves is None or curves.empty:
        return
    for name in curves.columns.unique(0):
        curve = curves[name].dropna()
        if name in n.generators.index and len(curve):
            yield (
                name,
                curve["p_pu"].to_numpy(float),
                curve["marginal_cost"].to_numpy(float),
            )
