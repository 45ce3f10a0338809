"""What an audit finds: table, row and amount of everything that is not as it must be."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field

import numpy as np
import pandas as pd

COLUMNS: dict[str, str] = {
    "table": "table, or part of the evidence",
    "row": "its key columns",
    "column": "column, empty where the whole row or table is meant",
    "stored": "what stands there",
    "expected": "what it should be; empty where it is a limit that is broken, or unknown",
    "violated": "what is violated",
}
_MOST = 20  # findings of one kind that are told one by one


@dataclass(frozen=True)
class Finding:
    """One thing that is not as it must be.

    Attributes
    ----------
    table, row, column, stored, expected, violated : str
        As in `COLUMNS`.
    """

    table: str
    row: str
    violated: str
    stored: str = ""
    expected: str = ""
    column: str = ""

    def __str__(self) -> str:
        place = ", ".join(part for part in (self.row, self.column) if part)
        amount = f": {self.stored}" if self.stored else ""
        amount += f", expected {self.expected}" if self.expected else ""
        return f"{self.table}{f' [{place}]' if place else ''}: {self.violated}{amount}"


@dataclass(frozen=True)
class AuditReport:
    """Result of an audit.

    Attributes
    ----------
    findings : list of Finding
        No findings: nothing that was checked is wrong.
    unchecked : list of str
        What could not be checked, and why.
    checks : dict of str to int
        How many numbers or conditions of each kind were checked.
    """

    findings: list[Finding] = field(default_factory=list)
    unchecked: list[str] = field(default_factory=list)
    checks: dict[str, int] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether nothing was found."""
        return not self.findings

    @property
    def table(self) -> pd.DataFrame:
        """One row for each finding; columns as `COLUMNS`."""
        return pd.DataFrame([asdict(item) for item in self.findings], columns=list(COLUMNS))

    def add(self, findings: Iterable[Finding], kind: str = "", count: int = 0) -> None:
        """Take in findings, and how much was checked for them."""
        self.findings.extend(findings)
        if kind:
            self.checks[kind] = self.checks.get(kind, 0) + count

    def leave(self, why: str) -> None:
        """Say once what cannot be checked."""
        if why not in self.unchecked:
            self.unchecked.append(why)


def key(**parts: object) -> str:
    """Key columns of a row as text."""
    return ", ".join(f"{name} {value}" for name, value in parts.items())


def number(value: float) -> str:
    """A number with all the digits that tell it from its neighbours."""
    return f"{value:.12g}"


def beyond(
    table: str, excess: pd.DataFrame, tolerance: pd.DataFrame | float, violated: str,
    keys: tuple[str, str] = ("snapshot", "name"), where: str = "",
) -> Iterator[Finding]:  # fmt: skip
    """Yield a finding for each number of a frame that is larger than its tolerance, or is none.

    Parameters
    ----------
    table : str
    excess : DataFrame
        What must not be above 0.
    tolerance : DataFrame or float
    violated : str
    keys : pair of str
        Names of rows and columns.
    where : str, optional
        Key of what the frame belongs to.
    """
    limit = tolerance.to_numpy(dtype=float) if isinstance(tolerance, pd.DataFrame) else tolerance
    bad = ~(excess.to_numpy(dtype=float) <= limit)
    rows, columns = np.nonzero(bad)
    for i, j in list(zip(rows, columns, strict=True))[:_MOST]:
        names = key(**{keys[0]: excess.index[int(i)], keys[1]: _text(excess.columns[int(j)])})
        found = number(float(excess.to_numpy()[i, j]))
        yield Finding(table, ", ".join(p for p in (where, names) if p), violated, f"by {found}")
    if len(rows) > _MOST:
        yield Finding(table, where, f"{violated}: in {len(rows) - _MOST} more places")


def apart(
    table: str, stored: pd.DataFrame, expected: pd.DataFrame, tolerance: pd.DataFrame | float,
    violated: str, keys: tuple[str, str] = ("snapshot", "name"), where: str = "",
) -> Iterator[Finding]:  # fmt: skip
    """Yield a finding for each number that is further from what it should be than its tolerance."""
    if stored.shape != expected.shape:
        yield Finding(table, where, violated, f"{stored.shape}", f"{expected.shape}")
        return
    a, b = stored.to_numpy(dtype=float), expected.to_numpy(dtype=float)
    same = (np.abs(a - b) <= tolerance) | (np.isnan(a) & np.isnan(b)) | (a == b)
    rows, columns = np.nonzero(~same)
    for i, j in list(zip(rows, columns, strict=True))[:_MOST]:
        names = key(**{keys[0]: stored.index[int(i)], keys[1]: _text(stored.columns[int(j)])})
        place = ", ".join(part for part in (where, names) if part)
        yield Finding(table, place, violated, number(a[i, j]), number(b[i, j]))
    if len(rows) > _MOST:
        yield Finding(table, where, f"{violated}: in {len(rows) - _MOST} more places")


def sums(
    table: str, stored: Mapping[str, float] | pd.Series, expected: Mapping[str, float] | pd.Series,
    relative: float, violated: str, scale: float | None = None, column: str = "",
) -> Iterator[Finding]:  # fmt: skip
    """Yield a finding for each sum that is not what other numbers add up to.

    Parameters
    ----------
    table : str
    stored, expected : mapping of str to float
        By key of the row; who stands in one only is 0 in the other.
    relative : float
        Tolerance, of `scale` or of the larger of both.
    violated : str
    scale : float, optional
        What sums were formed from.
    column : str, optional
    """
    a, b = pd.Series(stored, dtype=float), pd.Series(expected, dtype=float)
    a, b = a.align(b, fill_value=0.0)
    for name in a.index:
        size = max(abs(a[name]), abs(b[name])) if scale is None else scale
        if not abs(a[name] - b[name]) <= relative * size + 1e-9:
            yield Finding(table, _text(name), violated, number(a[name]), number(b[name]), column)


def _text(name: Hashable) -> str:
    return ", ".join(map(str, name)) if isinstance(name, tuple) else str(name)
