"""Calendar periods: a value for each, and the years of compliance."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd

from powermkt.errors import Fault

# pandas reads much more, `January` as that of this year.
_SPELLED = re.compile(r"\d{4}(Q[1-4]|-\d{2}(-\d{2})?)?")


def as_period(key: str) -> pd.Period:
    """Return the year, quarter, month or day that a text names.

    Raises
    ------
    ValueError
        If it names none.
    """
    remedy = f"{key!r} is no year, quarter, month or day: write 2022, 2022Q1, 2022-01, 2022-01-31"
    if not _SPELLED.fullmatch(key):
        raise ValueError(remedy)
    try:
        return pd.Period(key)
    except ValueError:
        raise ValueError(remedy) from None


def _inside(keys: Iterable[str], index: pd.DatetimeIndex) -> np.ndarray:
    """Whether each snapshot lies in each period, [snapshot x key]."""
    plain = index.tz_localize(None)
    periods = [as_period(key) for key in keys]
    return np.array([(plain >= p.start_time) & (plain <= p.end_time) for p in periods]).T


def cover_faults(values: Mapping[str, float], index: pd.Index, where: str) -> list[Fault]:
    """Name the first and last snapshot that do not lie in exactly one period."""
    if not isinstance(index, pd.DatetimeIndex):
        return [Fault(where, "the snapshots of the network are no times", "leave it away")]
    count = _inside(values, index).sum(axis=1)
    said = [
        f"{what} {int(wrong.sum())} snapshots, {index[wrong][0]} .. {index[wrong][-1]}"
        for what, wrong in (("no period for", count == 0), ("several periods for", count > 1))
        if wrong.any()
    ]
    if not said:
        return []
    return [Fault(where, "; ".join(said), "let every snapshot lie in exactly one period")]


def over_time(values: Mapping[str, float], index: pd.DatetimeIndex) -> pd.Series:
    """Value of the period that each snapshot lies in, [snapshot]."""
    return pd.Series(_inside(values, index) @ np.array(list(values.values())), index=index)


def years_of(index: pd.Index) -> pd.Series:
    """Calendar year of each snapshot as text; `horizon` where snapshots are no times."""
    if isinstance(index, pd.DatetimeIndex):
        return pd.Series(index.strftime("%Y"), index=index)
    return pd.Series("horizon", index=index)


def months_of(index: pd.Index) -> pd.Series:
    """Calendar month of each snapshot, as 2022-01; `horizon` where snapshots are no times."""
    if isinstance(index, pd.DatetimeIndex):
        return pd.Series(index.strftime("%Y-%m"), index=index)
    return pd.Series("horizon", index=index)
