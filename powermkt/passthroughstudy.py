"""The pass-through study: the four rates, by hour, by level of load, and beside a regression."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from powermkt.case import Case
from powermkt.compare import DEFAULT_CARBON_PRICES, DEFAULT_REGIMES, Comparison, compare
from powermkt.passthrough import LOAD_QUANTILES, check_quantiles, pass_through_by_load
from powermkt.regime import Regime
from powermkt.writing import write_results


@dataclass(frozen=True)
class PassThroughStudy:
    """What a comparison says of pass-through.

    Attributes
    ----------
    comparison : Comparison
        Cleared with margins.
    load_quantiles : int
        Parts of the hours by level of load.
    """

    comparison: Comparison
    load_quantiles: int = LOAD_QUANTILES

    @property
    def rates(self) -> pd.DataFrame:
        """The four rates per regime, carbon price and province; see `passthrough.COLUMNS`."""
        return self.comparison.pass_through

    @property
    def hourly(self) -> pd.DataFrame:
        """The same by hour, with the marginal technology; see `passthrough.HOURLY`."""
        return self.comparison.pass_through_hourly

    @cached_property
    def quantiles(self) -> pd.DataFrame:
        """The same by level of load; see `passthrough.QUANTILES`."""
        return pass_through_by_load(self.comparison.runs, self.load_quantiles)

    @property
    def regression(self) -> pd.DataFrame:
        """Prices regressed on marginal carbon costs; see `regression.COLUMNS`."""
        return self.comparison.pass_through_regression

    def to_parquet(self, folder: str | Path) -> Path:
        """Write the four tables and the record, as `Comparison.to_parquet` does."""
        tables = {
            "pass_through": self.rates,
            "pass_through_hourly": self.hourly,
            "pass_through_quantiles": self.quantiles,
            "pass_through_regression": self.regression,
        }
        return write_results(Path(folder), tables, self.comparison.record())


def pass_through_study(
    case: Case,
    regimes: Sequence[str | Path | Regime] = DEFAULT_REGIMES,
    carbon_prices: Sequence[float] = DEFAULT_CARBON_PRICES,
    *,
    quantiles: int = LOAD_QUANTILES,
    **options: Any,
) -> PassThroughStudy:
    """Clear a case as `compare` does, with margins, and study pass-through.

    Parameters
    ----------
    case, regimes, carbon_prices, **options
        As for `compare`.
    quantiles : int, default 4
        Parts of the hours of each province by its load, from 2 to 100.

    Returns
    -------
    PassThroughStudy

    Raises
    ------
    InputError, ClearingError, ExecutionError, StorageError
        As `compare`; InputError if `quantiles` is no such number.
    """
    check_quantiles(quantiles)
    result = compare(case, regimes, carbon_prices, margins=True, **options)
    return PassThroughStudy(result, quantiles)
