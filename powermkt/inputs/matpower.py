"""MATPOWER case files (.m) as networks of PyPSA, for a DC optimal power flow.

Two models of a branch with resistance r, reactance x, tap ratio and phase shift are in use:

* MATPOWER: susceptance ``1 / (x tap)``, phase shifts kept;
* PowerModels, with which PGLib's baseline was made: ``x / (r**2 + x**2)``, taps and shifts ignored.

In both, shunt conductance (Gs, at 1 p.u. of voltage) is load, and RATE_A = 0 is no limit. In a DC
power flow the limit of an angle difference is one of the flow: it narrows RATE_A where it is the
tighter. DC lines play no part, as in MATPOWER's `rundcopf` unless they are turned on. Columns and
their numbers: MATPOWER User's Manual, appendix B (case format version 2).
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import pypsa

from powermkt.common.tables import numbers
from powermkt.errors import Fault, InputError, name_list

Model = Literal["matpower", "powermodels"]

_NO_LIMIT_MW = 1e6
_PIECEWISE, _POLYNOMIAL = 1, 2  # gencost.MODEL
_ISOLATED = 4  # bus.BUS_TYPE
_NEEDED = {
    "bus": ("BUS_I", "BUS_TYPE", "PD", "GS", "BUS_AREA", "BASE_KV"),
    "gen": ("GEN_BUS", "GEN_STATUS", "PMAX", "PMIN"),
    "branch": ("F_BUS", "T_BUS", "BR_R", "BR_X", "RATE_A", "TAP", "SHIFT", "BR_STATUS"),
    "gencost": (),
}
_MOST_BYTES = 50_000_000
# A case may compute on its tables after it has stated them, e.g. ohms to p.u.; only MATLAB can.
_COMPUTED = re.compile(
    r"^[ \t]*(mpc\.\w+[ \t]*\([^=\n]*\)[ \t]*=|\[[^\n=]*\][ \t]*=)", re.MULTILINE
)


@dataclass(frozen=True)
class PowerFlow:
    """A case as a network.

    Attributes
    ----------
    network : pypsa.Network
        One snapshot of one hour; buses by their numbers, with the column `area`; generators "g0",
        "g1", ... and branches "b0", "b1", ... by their rows.
    buses : list of str
        In the order of the file.
    constant : float
        Cost that does not depend on output [money/h].
    """

    network: pypsa.Network
    buses: list[str]
    constant: float


def read_matpower(path: Path, model: Model = "matpower") -> PowerFlow:
    """Read a case file.

    Parameters
    ----------
    path : Path
        A .m file of case format 2, tables written out in numbers.
    model : {"matpower", "powermodels"}
        Of branches.

    Raises
    ------
    InputError
        Naming what is missing or cannot be cleared: tables, columns, numbers, unknown buses,
        costs that are no convex function, computed tables. Also where the package
        `matpowercaseframes` is not installed.
    """
    frames = _frames(path)
    faults = list(_faults(frames, str(path)))
    if faults:
        raise InputError(faults)
    n = pypsa.Network()
    n.set_snapshots(pd.Index(["now"]))
    bus = frames.bus
    names = [str(int(i)) for i in bus["BUS_I"]]
    n.add("Bus", names, v_nom=1.0, area=bus["BUS_AREA"].astype(int).astype(str).to_numpy())
    off = {str(int(i)) for i in bus.loc[bus["BUS_TYPE"] == _ISOLATED, "BUS_I"]}
    load = (bus["PD"] + bus["GS"]).to_numpy(float)
    there = (load != 0) & ~np.isin(names, list(off))
    at = np.asarray(names)[there]
    n.add("Load", at, suffix=" load", bus=at, p_set=load[there])
    add_branches(n, frames.branch, float(frames.baseMVA), model, off)
    constant = add_generators(n, frames.gen, frames.gencost, off)
    # Costs that no output changes move no price: they stand beside the network.
    n.meta = {"cost_without_output": constant}
    return PowerFlow(n, names, constant)


def _frames(path: Path) -> Any:
    """Tables of a case file."""
    try:
        from matpowercaseframes import CaseFrames
    except ImportError:
        what = "MATPOWER cases are read with a package that is not installed"
        raise InputError([Fault(str(path), what, "pip install 'powermkt[matpower]'")]) from None
    try:
        if path.stat().st_size > _MOST_BYTES:
            what = f"more than {_MOST_BYTES / 1e6:g} MB"
            raise InputError([Fault(str(path), what, "give a case file")])
        text = path.read_text(encoding="utf-8", errors="replace")
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore"
            )  # points beside polynomials: rows are read as they stand
            frames = CaseFrames(str(path.resolve()), load_case_engine=None)
    except InputError:
        raise
    except Exception as error:  # the package raises whatever its parsing raises
        detail = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        what = f"is no MATPOWER case ({detail})"
        raise InputError([Fault(str(path), what, "give a .m file of case format 2")]) from None
    if computed := _COMPUTED.search(text):
        what = f"computes its tables: {computed[0].strip()} ..."
        remedy = "save the case that MATPOWER loads: savecase('case.m', loadcase('...'))"
        raise InputError([Fault(str(path), what, remedy)])
    for name in _NEEDED:
        if isinstance(table := getattr(frames, name, None), pd.DataFrame):
            setattr(frames, name, table.apply(numbers))
    return frames


def _faults(frames: Any, where: str) -> Iterator[Fault]:
    """Yield what is wrong with the tables of a case file."""
    lacking = [name for name in ("baseMVA", *_NEEDED) if not hasattr(frames, name)]
    for name in lacking:
        yield Fault(f"{where}: mpc.{name}", "missing", "state it, as case format 2 has it")
    if lacking:
        return
    for name, columns in _NEEDED.items():
        table = getattr(frames, name)
        missing = [column for column in columns if column not in table]
        if missing:
            yield Fault(f"{where}: mpc.{name}", f"lacks {name_list(missing)}", "write whole rows")
            lacking.append(name)
            continue
        used = table[list(columns)] if columns else table.fillna(0.0)
        rows = np.flatnonzero(used.isna().any(axis=1)) + 1
        if len(rows):
            yield Fault(f"{where}: mpc.{name}", f"no numbers in rows {name_list(rows)}", "mend it")
            lacking.append(name)
    try:
        base = float(frames.baseMVA)
    except (TypeError, ValueError):
        base = float("nan")
    if not 0 < base < np.inf:
        yield Fault(f"{where}: mpc.baseMVA", "no number above zero", "give MVA, e.g. 100")
        lacking.append("baseMVA")
    if not lacking:
        yield from _bus_faults(frames, where)
        yield from _branch_faults(frames.branch, where)
        yield from _cost_faults(frames, where)


def _bus_faults(frames: Any, where: str) -> Iterator[Fault]:
    number = frames.bus["BUS_I"].astype(float)
    wrong = number[(number % 1 != 0) | number.duplicated() | np.isinf(number)]
    if len(wrong):
        yield Fault(f"{where}: mpc.bus", f"numbers repeat or are not whole: {name_list(wrong)}",
                    "number each bus once")  # fmt: skip
    for name, column in (("gen", "GEN_BUS"), ("branch", "F_BUS"), ("branch", "T_BUS")):
        at = getattr(frames, name)[column].astype(float)
        unknown = at[~at.isin(number)].unique()
        if len(unknown):
            yield Fault(f"{where}: mpc.{name}.{column}", f"unknown bus {name_list(unknown)}",
                        "name a BUS_I")  # fmt: skip
    area = frames.bus["BUS_AREA"].astype(float)
    if np.isinf(area).any() or (area % 1 != 0).any():
        yield Fault(f"{where}: mpc.bus.BUS_AREA", "not whole", "give whole numbers")


def _branch_faults(branch: pd.DataFrame, where: str) -> Iterator[Fault]:
    table = branch[branch["BR_STATUS"] > 0]
    columns = ["BR_R", "BR_X", "RATE_A", "TAP", "SHIFT"]
    rows = np.flatnonzero(np.isinf(table[columns].astype(float)).any(axis=1)) + 1
    if len(rows):
        yield Fault(f"{where}: mpc.branch", f"infinite numbers in rows {name_list(rows)}",
                    "write 0 for no limit")  # fmt: skip
    for wrong, column, what in (
        (table["BR_X"] == 0, "BR_X", "no reactance"),
        (table["RATE_A"] < 0, "RATE_A", "a negative limit"),
        (table["TAP"] < 0, "TAP", "a negative ratio"),
        (table["F_BUS"] == table["T_BUS"], "T_BUS", "both ends at one bus"),
        ):  # fmt: skip
        if wrong.any():
            rows = np.flatnonzero(wrong.reindex(branch.index, fill_value=False)) + 1
            yield Fault(f"{where}: mpc.branch.{column}", f"{what} in rows {name_list(rows)}",
                        "correct it, or put the branch out of service")  # fmt: skip


def _cost_faults(frames: Any, where: str) -> Iterator[Fault]:
    gen, place = frames.gen, f"{where}: mpc.gencost"
    costs = frames.gencost.fillna(0.0).to_numpy(float)
    if len(costs) not in (len(gen), 2 * len(gen)):
        yield Fault(place, f"{len(costs)} rows for {len(gen)} generators", "write one for each")
        return
    crossed = np.flatnonzero((gen["GEN_STATUS"] > 0) & ~(gen["PMIN"] <= gen["PMAX"])) + 1
    if len(crossed):
        what = f"above PMAX in rows {name_list(crossed)}"
        yield Fault(f"{where}: mpc.gen.PMIN", what, "lower it")
    endless = np.isinf(gen[["PMIN", "PMAX"]].astype(float)).any(axis=1)
    if endless.any():
        rows = np.flatnonzero(endless) + 1
        yield Fault(f"{where}: mpc.gen.PMAX", f"infinite in rows {name_list(rows)}", "give MW")
    for row, (model, count) in enumerate(costs[: len(gen), [0, 3]], start=1):
        values = costs[row - 1, 4:]
        needed = {_PIECEWISE: 2 * count, _POLYNOMIAL: count}.get(int(model), np.nan)
        if not 1 <= count <= needed <= len(values) or count % 1:
            what = f"row {row}: MODEL {model:g} with NCOST {count:g} and {len(values)} numbers"
            yield Fault(place, what, "write 1 (points) or 2 (polynomial), and as many numbers")
            continue
        values = values[: int(needed)]
        if not np.isfinite(values).all():
            yield Fault(place, f"row {row}: infinite", "give finite numbers")
        elif model == _POLYNOMIAL:
            if np.any(values[::-1][3:]):
                what = f"row {row}: a cost of degree {int(count) - 1}"
                yield Fault(place, what, "give points, or a polynomial of degree 2 or less")
            elif count >= 3 and values[-3] < 0:
                yield Fault(place, f"row {row}: a cost that falls off", "give a square term >= 0")
        elif not _convex(values.reshape(-1, 2)):
            remedy = "give two or more points of rising MW, with slopes that rise"
            yield Fault(place, f"row {row}: points that are no convex curve", remedy)


def _convex(points: np.ndarray) -> bool:
    """Whether points [MW, money/h] rise and, but for printed digits, lie on a convex curve."""
    step = np.diff(points, axis=0)
    step = step[(step != 0).any(axis=1)]
    if (step[:, 0] <= 0).any():
        return False
    slope = step[:, 1] / step[:, 0]
    return bool((np.diff(slope) >= -1e-3 * np.abs(slope).max(initial=1.0)).all())


def add_branches(
    n: pypsa.Network, branch: pd.DataFrame, base: float, model: Model, off: set[str] | None = None
) -> None:
    """Add what is in service; at 1 kV a reactance per unit of `base` MVA is x / base ohm."""
    table = branch.reset_index(drop=True)
    ends = {f"bus{i}": table[f"{end}_BUS"].astype(int).astype(str) for i, end in enumerate("FT")}
    here = ~(ends["bus0"].isin(off or ()) | ends["bus1"].isin(off or ()))
    table = table[(table["BR_STATUS"] > 0) & here].rename(index=lambda i: f"b{i}")
    if table.empty:
        return
    if model == "matpower":
        x, shift = table["BR_X"] * table["TAP"].replace(0, 1), table["SHIFT"]
    else:
        x, shift = (table["BR_R"] ** 2 + table["BR_X"] ** 2) / table["BR_X"], 0 * table["SHIFT"]
    limit = table["RATE_A"].astype(float).replace(0.0, _NO_LIMIT_MW)
    limit = limit.clip(upper=_by_angle(table, base / x, shift.astype(float)))
    ends = {f"bus{i}": table[f"{end}_BUS"].astype(int).astype(str) for i, end in enumerate("FT")}
    data = pd.DataFrame({**ends, "s_nom": limit, "x": x / base})
    shifted = shift != 0
    n.add("Line", data.index[~shifted], **data[~shifted])
    if shifted.any():  # the reactance of a transformer is per unit of its own s_nom
        data["x"] *= data["s_nom"]
        n.add("Transformer", data.index[shifted], **data[shifted], phase_shift=shift[shifted])


def _by_angle(table: pd.DataFrame, susceptance: pd.Series, shift: pd.Series) -> pd.Series:
    """Flow at the limits of the angle difference [MW], no limit where none is stated.

    Parameters
    ----------
    table : DataFrame [branch]
        ANGMIN and ANGMAX in degrees; 0, and a whole turn, are no limit.
    susceptance : Series [branch], MW/rad
    shift : Series [branch], degrees

    Raises
    ------
    InputError
        If the limits of a flow, less than RATE_A, differ by direction.
    """
    rate = table["RATE_A"].astype(float).replace(0.0, _NO_LIMIT_MW)
    sides = []
    for column, turn in (("ANGMIN", -360.0), ("ANGMAX", 360.0)):
        angle = table[column].astype(float) if column in table else pd.Series(turn, table.index)
        free = (angle == 0) | angle.isna() | (np.sign(turn) * angle >= 360)
        flow = np.deg2rad(angle - shift) * susceptance
        sides.append(flow.mask(free, np.sign(turn * susceptance) * np.inf))
    low, high = np.minimum(*sides), np.maximum(*sides)
    uneven = np.minimum(-low, rate) - np.minimum(high, rate)
    wrong = uneven[(uneven.abs() > 1e-6 * rate) | (low > high)]
    if len(wrong):
        remedy = "give limits of the same size both ways, or none (0, 0)"
        what = f"limits that differ by direction: {name_list(wrong.index)}"
        raise InputError([Fault("mpc.branch.ANGMIN, ANGMAX", what, remedy)])
    return np.minimum(-low, high)


def add_generators(
    n: pypsa.Network, gen: pd.DataFrame, gencost: pd.DataFrame, off: set[str] | None = None
) -> float:
    """Add what is in service; return the cost that does not depend on output [money/h]."""
    constant = 0.0
    costs = gencost.fillna(0.0).to_numpy(float)
    rows, curves = {}, {}
    columns = ["GEN_BUS", "PMIN", "PMAX", "GEN_STATUS"]
    for i, (bus, low, high, status) in enumerate(gen[columns].to_numpy(float)):
        if status <= 0 or str(int(bus)) in (off or ()):
            continue
        name = f"g{i}"
        size = max(abs(low), abs(high))
        kind, count = int(costs[i, 0]), int(costs[i, 3])
        linear = square = 0.0
        if kind == _POLYNOMIAL:
            values = costs[i, 4 : 4 + count][::-1]
            fixed, linear, square = np.pad(values[:3], (0, max(3 - len(values), 0)))
        else:
            points = costs[i, 4 : 4 + 2 * count].reshape(-1, 2)
            fixed, curve = piecewise(points, low, high, size)
            if curve:
                curves[name] = curve
        constant += fixed
        share = (low / size, high / size) if size else (0.0, 1.0)
        rows[name] = (str(int(bus)), size, *share, linear, square)
    attributes = (
        "bus", "p_nom", "p_min_pu", "p_max_pu", "marginal_cost", "marginal_cost_quadratic",
    )  # fmt: skip
    table = pd.DataFrame.from_dict(rows, orient="index", columns=attributes)
    curved = table.index.isin(curves)
    n.add("Generator", table.index[~curved], **table[~curved])
    if curves:
        rest = table[curved].drop(columns="marginal_cost")
        n.add("Generator", rest.index, **rest, marginal_cost=breakpoints(curves))
    return constant


def breakpoints(curves: dict[str, dict[float, float]]) -> pd.DataFrame:
    """Return cost curves as `n.add` takes those of several generators.

    Parameters
    ----------
    curves : dict
        By generator, the price that ends at each share of p_nom [money/MWh].
    """
    return pd.concat(
        {
            name: pd.DataFrame({"p_pu": [*curve], "marginal_cost": [*curve.values()]})
            for name, curve in curves.items()
        },
        axis="columns",
    )


def piecewise(
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
