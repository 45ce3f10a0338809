"""Whether the stored point of a window is an optimum: by its certificate, without a solver.

With columns x in [l, u], rows A x in [b, B] and costs c, duals y certify x if, with d = c - A' y,

    l <= x <= u,  b <= A x <= B,
    d >= 0 where x < u, d <= 0 where x > l,  y >= 0 where A x < B, y <= 0 where A x > b,

since then no point within the limits costs less than ``c x`` (linear programming duality; Dantzig
1963, ch. 6). What is minimised holds the tiny costs that choose among equal offers, so that these
conditions hold to the tolerances of the solver. Prices are duals of other objectives on the same
basis: ``d = 0`` where x is between its limits and ``y = 0`` where a row is, whatever the signs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields

import numpy as np
import pandas as pd

from powermkt.common.findings import AuditReport, Finding, apart, number
from powermkt.dispatch.clearing import offered_cost_of
from powermkt.dispatch.outcome import Outcome
from powermkt.dispatch.posing import Numbers, Posed, PriceRun, posed, repriced
from powermkt.dispatch.programme import Point, Programme
from powermkt.dispatch.quadratic import Curves
from powermkt.dispatch.results import (
    import_price_of,
    prices_of,
    read_outcome,
    reserve_prices_of,
    slack_of,
)
from powermkt.inputs.case import Case
from powermkt.methods.certificate import DISPATCH, MINIMISED, PRICES, Certificate
from powermkt.system import fleet
from powermkt.system.slack import SHED

# HiGHS keeps limits and signs to 1e-7 of the programme it is given (`solver`), ten times that is
# what folding rows into bounds and held levels may make of it.
_FEASIBLE = 1e-6  # MW, and money of the horizon per MW
_ROUNDING = 1e-12  # of the terms that are added up
_GAP = 1e-9  # of the objective
_SAME = 1e-9  # of the largest number of a table that is read from the point
_TABLE = "evidence"
_CYCLES = "Kirchhoff-Voltage-Law"

# Tables of an outcome that a run for prices gives.
_OF_PRICES = {
    "offer_price": "offer", "marginal_emission": "emission", "marginal_exposure": "exposure",
    "marginal_priced": "priced",
}  # fmt: skip
# What a certificate says nothing of.
_NOT_READ = (
    "price_unique", "marginal_mix", "notes", "solver_seconds", "search", "curtailment_range",
    "certificates", "day_ahead", "provisional_price", "local_price", "tier_price", "cost",
    "minimised",
)  # fmt: skip


@dataclass(frozen=True)
class Kept:
    """A window of an outcome as it was stored: what to compare with, and its certificates."""

    outcome: Outcome
    certificates: Mapping[str, Certificate]


def audit_certificate(
    report: AuditReport, case: Case, programme: Programme, numbers: Numbers, kept: Kept, where: str
) -> dict[str, object]:
    """Check the certificates of a window against its programme, and an outcome against them.

    Parameters
    ----------
    report : AuditReport
        Takes what is found.
    case : Case
        The window.
    programme : Programme
        As built for it.
    numbers : Numbers
        Of the regime.
    kept : Kept
    where : str
        Key of the outcome: regime, carbon price, window.

    Returns
    -------
    dict
        What windows add up to: cost, minimised, commitment_cost.
    """
    certificate = kept.certificates.get(DISPATCH)
    if certificate is None:
        report.add([Finding(_TABLE, where, "lacks the certificate of a window")])
        return {}
    wrong = _shape(programme, certificate, where)
    if wrong:
        report.add(wrong)
        return {}
    curves = Curves(case, programme)
    asked = posed(case, programme, numbers, bool(curves))
    x = certificate.columns
    lower, upper = asked.lower.copy(), np.maximum(asked.lower, asked.upper)
    if programme.integral.any() and not numbers.units.relaxed:
        report.leave("that units are committed at least cost: the bound is the solver's (`search`)")
        whole = programme.integral
        off = np.abs(x[whole] - np.rint(x[whole]))
        if not (off <= _FEASIBLE).all():
            report.add([Finding(_TABLE, where, "units on in part", f"by {number(off.max())}")])
        report.add(_outside(programme, x, lower, upper, where))
        lower[whole] = upper[whole] = np.rint(x[whole])
    if curves:
        why = "that quadratic costs are least: their steps are not stored (limits are checked)"
        report.leave(why)
    minimised = None if curves else asked
    _check(report, programme, certificate, minimised, (lower, upper), where)
    point = _point(certificate, asked, (lower, upper))
    output = programme.values("Generator-p", point)
    found = read_outcome(case, programme, point, output, slack_of(output, SHED))
    if not curves:
        found.offered_cost = offered_cost_of(case, programme, point, asked.offered)
    again = repriced(case, programme, asked, _pricing(numbers, found))
    if again is not None:
        _reprice(report, case, programme, numbers, kept, asked, again, (lower, upper), found, where)
    report.add(
        _frames(found, kept.outcome, bool(curves), where), "numbers read from points", x.size
    )
    return {
        "cost": None if curves else float(programme.cost @ x),
        "minimised": None if curves else float(asked.ranked @ x),
        "commitment_cost": found.commitment_cost,
    }


def _pricing(numbers: Numbers, found: Outcome) -> PriceRun | None:
    return None if numbers.price_run is None else numbers.price_run(found)


def _reprice(
    report: AuditReport, case: Case, programme: Programme, numbers: Numbers, kept: Kept,
    asked: Posed, again: Posed, bounds: tuple[np.ndarray, np.ndarray], found: Outcome, where: str,
) -> None:  # fmt: skip
    """Check the certificate of a run for prices and take its prices into an outcome."""
    certificate = kept.certificates.get(PRICES)
    where = f"{where}, run for prices"
    if certificate is None or _shape(programme, certificate, where):
        report.add([Finding(_TABLE, where, "lacks the certificate of a window")])
        return
    pricing = _pricing(numbers, found)
    lower, upper = programme.replaced(*bounds, {} if pricing is None else pricing.bounds)
    limits = (lower, np.maximum(lower, upper))
    minimised = None if Curves(case, programme) else again
    _check(report, programme, certificate, minimised, limits, where)
    point = _point(certificate, again, limits)
    for name, objective in _OF_PRICES.items():
        setattr(found, name, prices_of(case, programme, point, objective))
    found.reserve_price = reserve_prices_of(case, programme, point)
    found.import_price = import_price_of(case, programme, point)


def _point(certificate: Certificate, asked: Posed, bounds: tuple[np.ndarray, np.ndarray]) -> Point:
    duals = certificate.duals
    rows = len(next(iter(duals.values())))
    unique = np.ones(rows, dtype=bool)
    return Point(
        certificate.columns, duals, unique, 0.0, [], asked.objectives, bounds,
        None, dict(duals),  # type: ignore[arg-type]
    )  # fmt: skip


def _shape(programme: Programme, certificate: Certificate, where: str) -> list[Finding]:
    """Say where a certificate is none of this programme."""
    columns, rows = len(programme.cost), len(programme.row_lower)
    found = []
    if len(certificate.columns) != columns:
        count = len(certificate.columns)
        found.append(Finding(_TABLE, where, "columns", str(count), str(columns)))
    for name, values in certificate.duals.items():
        if len(values) != rows:
            what = f"rows with duals of {name}"
            found.append(Finding(_TABLE, where, what, str(len(values)), str(rows)))
    return found


def _check(
    report: AuditReport, programme: Programme, certificate: Certificate,
    asked: Posed | None, bounds: tuple[np.ndarray, np.ndarray], where: str,
) -> None:  # fmt: skip
    """Check that a point is within all limits and that its duals certify it, if they can."""
    x, (lower, upper) = certificate.columns, bounds
    matrix, low, high = programme.matrix, programme.row_lower, programme.row_upper
    activity = matrix @ x
    size = abs(matrix) @ np.abs(x) + np.abs(activity)
    slack = _FEASIBLE + _ROUNDING * size
    report.add(_outside(programme, x, lower, upper, where), "limits of columns", len(x))
    broken = np.flatnonzero(~((activity >= low - slack) & (activity <= high + slack)))
    over = np.maximum(low - activity, activity - high)
    report.add(
        (
            Finding(_TABLE, f"{where}, {place}", "primal feasibility of a row", number(over[i]))
            for i, place in _rows(programme, broken)
        ),
        "limits of rows", len(low),
    )  # fmt: skip
    inside_columns = (x > lower + _FEASIBLE) & (x < upper - _FEASIBLE)
    inside_rows = (activity > low + slack) & (activity < high - slack)
    objectives: Mapping[str, np.ndarray] = {} if asked is None else asked.objectives
    # What holds levels is an optimum of what is minimised: of offers where nothing else ranks.
    of_levels = {MINIMISED}
    if asked is not None and np.array_equal(asked.ranked, asked.offered):
        of_levels.add("offer")
    for name, cost in objectives.items():
        if name not in certificate.names:
            continue
        y = _round_cycles(programme, certificate.duals[name], cost, inside_columns)
        reduced = cost - matrix.T @ y
        error = _FEASIBLE + _ROUNDING * (np.abs(cost) + abs(matrix.T) @ np.abs(y))
        kind = f"complementary slackness at {name}"
        loose = inside_columns & ~(np.abs(reduced) <= error)
        idle = inside_rows & ~(np.abs(y) <= _FEASIBLE)
        if name not in of_levels:
            loose &= ~_of_levels(programme)
            idle &= ~_of_starts(programme)
        if name == MINIMISED:
            kind = f"dual feasibility and {kind}"
            loose |= ~((reduced >= -error) | (x >= upper - _FEASIBLE))
            loose |= ~((reduced <= error) | (x <= lower + _FEASIBLE))
            idle |= ~((y >= -_FEASIBLE) | (activity >= high - slack))
            idle |= ~((y <= _FEASIBLE) | (activity <= low + slack))
        report.add(
            (
                Finding(_TABLE, f"{where}, {place}", f"{kind}: reduced cost", number(reduced[j]))
                for j, place in _columns(programme, np.flatnonzero(loose))
            ),
            "reduced costs", len(x),
        )  # fmt: skip
        report.add(
            (
                Finding(_TABLE, f"{where}, {place}", f"{kind}: dual of a row", number(y[i]))
                for i, place in _rows(programme, np.flatnonzero(idle))
            ),
            "duals of rows", len(y),
        )  # fmt: skip
        if name == MINIMISED:
            report.add(_gap(x, cost, y, reduced, (lower, upper), (low, high), where), "gaps", 1)


def _round_cycles(
    programme: Programme, y: np.ndarray, cost: np.ndarray, inside: np.ndarray
) -> np.ndarray:
    """Return duals with those of Kirchhoff's voltage law for the cycles of this programme.

    PyPSA may choose other cycles each time it looks at a network. Whatever they are, their duals
    are what makes the reduced costs of flows vanish that are within their limits.
    """
    if _CYCLES not in programme.constraints:
        return y
    y, matrix = y.copy(), programme.matrix
    rows = programme._row_position[programme.constraints[_CYCLES].to_numpy()]
    y[rows[rows >= 0]] = 0.0
    left = cost - matrix.T @ y
    for row in rows:
        part = matrix[row[row >= 0]]
        at = np.unique(part.indices)
        at = at[inside[at]]
        y[row[row >= 0]] = np.linalg.lstsq(part[:, at].T.toarray(), left[at], rcond=None)[0]
    return y


def _gap(
    x: np.ndarray, cost: np.ndarray, y: np.ndarray, reduced: np.ndarray,
    bounds: tuple[np.ndarray, np.ndarray], rows: tuple[np.ndarray, np.ndarray], where: str,
) -> Iterator[Finding]:  # fmt: skip
    """Yield a finding if the objective is not its own lower bound."""
    parts = []
    for values, (low, high) in ((reduced, bounds), (y, rows)):
        at = np.where(values > 0, low, high)
        used = np.isfinite(at) & (values != 0)
        parts.append(values[used] * at[used])
    primal = float(cost @ x)
    scale = float(np.abs(cost * x).sum() + sum(np.abs(part).sum() for part in parts))
    gap = primal - sum(float(part.sum()) for part in parts)
    if not abs(gap) <= _GAP * scale + _FEASIBLE:
        yield Finding(_TABLE, where, "duality gap", number(gap), "0")


def _outside(
    programme: Programme, x: np.ndarray, lower: np.ndarray, upper: np.ndarray, where: str
) -> Iterator[Finding]:
    slack = _FEASIBLE + _ROUNDING * np.abs(x)
    bad = np.flatnonzero(~((x >= lower - slack) & (x <= upper + slack)))
    over = np.maximum(lower - x, x - upper)
    for j, place in _columns(programme, bad):
        yield Finding(_TABLE, f"{where}, {place}", "primal feasibility", f"by {number(over[j])}")


def _of_levels(programme: Programme) -> np.ndarray:
    """Columns of fleets' levels and starts: what is held is one column in the solver."""
    found = np.zeros(len(programme.cost), dtype=bool)
    for name in fleet.HELD[:2]:
        if name in programme.variables:
            at = programme.variables[name].to_numpy()
            found[at[at >= 0]] = True
    return found


def _of_starts(programme: Programme) -> np.ndarray:
    found = np.zeros(len(programme.row_lower), dtype=bool)
    if fleet.HELD[2] in programme.constraints:
        rows = programme.constraints[fleet.HELD[2]].to_numpy()
        at = programme._row_position[rows[rows >= 0]]
        found[at[at >= 0]] = True
    return found


def _columns(programme: Programme, wanted: np.ndarray) -> Iterator[tuple[int, str]]:
    """Positions of columns with their names, the first some of them."""
    yield from _named(programme.variables, wanted[:20], None)


def _rows(programme: Programme, wanted: np.ndarray) -> Iterator[tuple[int, str]]:
    yield from _named(programme.constraints, wanted[:20], programme._row_position)


def _named(
    frames: Mapping[str, pd.DataFrame], wanted: np.ndarray, position: np.ndarray | None
) -> Iterator[tuple[int, str]]:
    left = {int(i) for i in wanted}
    for name, frame in frames.items() if left else ():
        at = frame.to_numpy()
        at = at if position is None else np.where(at >= 0, position[at], -1)
        for i, j in zip(*np.nonzero(np.isin(at, list(left))), strict=True):
            if int(at[i, j]) in left:
                left.discard(int(at[i, j]))
                yield int(at[i, j]), f"{name}, {frame.index[i]}, {frame.columns[j]}"


def _frames(found: Outcome, stored: Outcome, curved: bool, where: str) -> Iterator[Finding]:
    """Compare what a point says with what was stored of it."""
    for item in fields(Outcome):
        if item.name in _NOT_READ or (curved and item.name == "offered_cost"):
            continue
        a, b = getattr(stored, item.name), getattr(found, item.name)
        if not isinstance(b, pd.DataFrame):
            continue
        if not a.shape[1] and not b.shape[1]:
            continue
        # Joined windows have the columns of all of them.
        missing = b.columns.difference(a.columns)
        if len(missing) or not a.index.equals(b.index):
            yield Finding(f"{_TABLE}: {item.name}", where, "lacks columns or snapshots")
            continue
        b = b.reindex(columns=a.columns, fill_value=0.0)
        size = float(np.abs(b.to_numpy(dtype=float)).max(initial=1.0))
        yield from apart(
            f"{_TABLE}: {item.name}", a, b, _SAME * size, "is not what the point says",
            where=where,
        )  # fmt: skip
