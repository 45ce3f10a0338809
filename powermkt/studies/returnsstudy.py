"""The study of returns: what plant earns under each regime, why, and what one more would."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from powermkt.accounts.plantaccounts import stated
from powermkt.analysis.returns import returns_split
from powermkt.common.writing import write_results
from powermkt.engine.regime import Regime
from powermkt.inputs.case import Case
from powermkt.studies.compare import compare
from powermkt.studies.comparison import Comparison
from powermkt.studies.onemore import return_on_one_more

# From a fixed tariff to a full market.
PATH = ("fixed_tariff", "priority_dispatch", "provincial_market", "full_market")


@dataclass(frozen=True)
class ReturnsStudy:
    """What a comparison says of returns.

    Attributes
    ----------
    comparison : Comparison
    one_more : DataFrame or None
        What one more plant would earn, where that was asked for; see `onemore.COLUMNS`.
    """

    comparison: Comparison
    one_more: pd.DataFrame | None = None

    @property
    def returns(self) -> pd.DataFrame:
        """By province and carrier; see `returns.COLUMNS`."""
        return self.comparison.returns

    @property
    def summary(self) -> pd.DataFrame:
        """Of wind, solar, hydro and all of them; see `returns.SUMMARY`."""
        return self.comparison.returns_summary

    @property
    def split(self) -> pd.DataFrame:
        """Why revenue and IRR differ from the first regime's; see `returns.SPLIT`."""
        return self.comparison.returns_split

    @cached_property
    def split_summary(self) -> pd.DataFrame:
        """The same of wind, solar, hydro and all of them."""
        return returns_split(self.comparison, grouped=True)

    @property
    def notes(self) -> list[str]:
        """What is worth saying of the comparison."""
        return self.comparison.notes

    @property
    def tables(self) -> dict[str, pd.DataFrame]:
        """Every table by file name: those of the comparison, and what is of the study alone."""
        found = {
            **self.comparison.tables,
            "returns": self.returns,
            "returns_summary": self.summary,
            "returns_split": self.split,
            "returns_split_summary": self.split_summary,
        }
        return found if self.one_more is None else {**found, "one_more": self.one_more}

    def to_parquet(self, folder: str | Path) -> Path:
        """Write every table and the record, as `Comparison.to_parquet` does."""
        return write_results(Path(folder), self.tables, self.comparison.record())


def returns_study(
    case: Case,
    regimes: Sequence[str | Path | Regime] = PATH,
    carbon_prices: Sequence[float] = (0.0,),
    *,
    one_more: str | None = None,
    mw: float = 1000.0,
    province: str | Sequence[str] | None = None,
    **options: Any,
) -> ReturnsStudy:
    """Clear a case as `compare` does, and study returns.

    Parameters
    ----------
    case, regimes, carbon_prices, **options
        As for `compare`; the first regime is the one that others are set against.
    one_more : str, optional
        Carrier of which one more plant is set beside the others.
    mw, province
        Of that plant, as for `return_on_one_more`.

    Returns
    -------
    ReturnsStudy

    Raises
    ------
    InputError, ClearingError, ExecutionError, StorageError
        As `compare` and `return_on_one_more`; InputError if nothing states what any plant costs.
    """
    stated(case)
    result = compare(case, regimes, carbon_prices, **options)
    if one_more is None:
        return ReturnsStudy(result)
    more = return_on_one_more(
        case, regimes, carbon_prices, carrier=one_more, mw=mw, province=province, base=result,
        **options,
    )  # fmt: skip
    return ReturnsStudy(result, more)
