"""When a contract delivers: a year, quarter, month, week or day, or from one day to another."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import pandas as pd

from powermkt.inputs.periods import as_period

_WEEK = re.compile(r"(\d{4})-W(\d{2})")
_DAY = pd.Timedelta(days=1)
_TENORS = {"Y": "year", "Q": "quarter", "M": "month", "D": "day"}


@dataclass(frozen=True)
class Delivery:
    """A delivery period.

    Attributes
    ----------
    tenor : str
        year, quarter, month, week, day, or dates.
    start, end : Timestamp
        First moment, and the first one after it; without a time zone.
    """

    tenor: str
    start: pd.Timestamp
    end: pd.Timestamp

    @classmethod
    def of(cls, text: str) -> Delivery:
        """Read `2022`, `2022Q3`, `2022-07`, `2022-W27`, `2022-07-04`, `2022-07-04/2022-07-10`.

        Weeks are those of ISO 8601; both days of an interval belong to it.

        Raises
        ------
        ValueError
            If the text names no period.
        """
        if "/" in text:
            first, last = (cls.of(part.strip()) for part in text.split("/", 1))
            if {first.tenor, last.tenor} != {"day"} or last.start < first.start:
                raise ValueError(f"{text!r} is no interval: write 2022-07-04/2022-07-10")
            return cls("dates", first.start, last.end)
        if found := _WEEK.fullmatch(text):
            try:
                start = pd.Timestamp.fromisocalendar(int(found[1]), int(found[2]), 1)
            except ValueError as error:
                raise ValueError(f"{text!r} is no week: {error}") from None
            return cls("week", start, start + 7 * _DAY)
        try:
            period = as_period(text)
        except ValueError as error:
            more = ", a week 2022-W27, or days 2022-07-04/2022-07-10"
            raise ValueError(f"{error}{more}") from None
        tenor = _TENORS[period.freqstr[0]]
        return cls(tenor, period.start_time, (period + 1).start_time)

    def overlaps(self, other: Delivery) -> bool:
        """Whether the two have a moment in common."""
        return self.start < other.end and other.start < self.end

    def within(self, other: Delivery) -> bool:
        """Whether the other one has all of it, and more."""
        inside = other.start <= self.start and self.end <= other.end
        return inside and (self.start, self.end) != (other.start, other.end)

    def holds(self, index: pd.DatetimeIndex) -> np.ndarray:
        """Whether each snapshot begins in the period."""
        plain = index.tz_localize(None)
        return np.asarray((plain >= self.start) & (plain < self.end))

    @property
    def hours(self) -> pd.DatetimeIndex:
        """Every hour of the period."""
        return pd.date_range(self.start, self.end, freq="h", inclusive="left")
