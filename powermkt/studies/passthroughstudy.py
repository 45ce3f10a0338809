"""The pass-through study: the four rates, by hour, by level of load, and beside a regression."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from powermkt.analysis.passthrough import LOAD_QUANTILES, check_quantiles, pass_through_by_load
from powermkt.analysis.switching import SwitchingPoints, switching_points
from powermkt.common.writing import write_results
from powermkt.engine.regime import Regime, regime
from powermkt.engine.scheduling import parts_of
from powermkt.errors import Fault, InputError
from powermkt.inputs.case import Case
from powermkt.studies.compare import DEFAULT_CARBON_PRICES, DEFAULT_REGIMES, compare
from powermkt.studies.comparison import Comparison

_OF_BOTH = ("weeks", "year", "start", "days", "workers", "cluster")


@dataclass(frozen=True)
class PassThroughStudy:
    """What a comparison says of pass-through.

    Attributes
    ----------
    comparison : Comparison
        Cleared with margins.
    load_quantiles : int
        Parts of the hours by level of load.
    switching : list of SwitchingPoints
        Of each regime, where they were asked for.
    """

    comparison: Comparison
    load_quantiles: int = LOAD_QUANTILES
    switching: list[SwitchingPoints] = field(default_factory=list)

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

    @property
    def notes(self) -> list[str]:
        """What went wrong while clearing and was mended."""
        return self.comparison.notes

    @property
    def switching_points(self) -> pd.DataFrame:
        """Steps of dispatch per regime; see `switching.COLUMNS`."""
        return self._steps("table")

    @property
    def tables(self) -> dict[str, pd.DataFrame]:
        """Every table by file name: those of the comparison, and what is of the study alone."""
        found = {**self.comparison.tables, "pass_through_quantiles": self.quantiles}
        if self.switching:
            found["switching_points"] = self.switching_points
            found["switches"] = self._steps("switches")
            found["abatement_curve"] = self._steps("abatement_curve")
        return found

    def to_parquet(self, folder: str | Path) -> Path:
        """Write every table and the record, as `Comparison.to_parquet` does."""
        record = self.comparison.record()
        record["switching"] = {
            part.regime: {
                "up_to": part.carbon_price_max, "complete": part.complete, "solves": part.solves,
                "envelope_error": part.envelope_error, "notes": part.notes,
            }
            for part in self.switching
        }  # fmt: skip
        return write_results(Path(folder), self.tables, record)

    def _steps(self, name: str) -> pd.DataFrame:
        parts = [(part.regime, getattr(part, name).copy()) for part in self.switching]
        for item, table in parts:
            table.insert(0, "regime", item)
        return pd.concat([table for _, table in parts], ignore_index=True)


def pass_through_study(
    case: Case,
    regimes: Sequence[str | Path | Regime] = DEFAULT_REGIMES,
    carbon_prices: Sequence[float] = DEFAULT_CARBON_PRICES,
    *,
    quantiles: int = LOAD_QUANTILES,
    switching_to: float | None = None,
    resolution: float = 1e-3,
    tolerance: float = 0.0,
    **options: Any,
) -> PassThroughStudy:
    """Clear a case as `compare` does, with margins, and study pass-through.

    Parameters
    ----------
    case, regimes, carbon_prices, **options
        As for `compare`.
    quantiles : int, default 4
        Parts of the hours of each province by its load, from 2 to 100.
    switching_to : float, optional
        Also find the switching points of each regime from 0 to this carbon price [money/t].
    resolution, tolerance
        As for `switching_points`.

    Returns
    -------
    PassThroughStudy

    Raises
    ------
    InputError, ClearingError, ExecutionError, StorageError
        As `compare` and `switching_points`; InputError if `quantiles` is no such number.
    """
    check_quantiles(quantiles)
    capped = any(regime(item).cap is not None for item in regimes)  # a limit makes its price
    if switching_to is None and not capped and len(set(carbon_prices)) < 2:
        remedy = "give two, of which one may be 0, or `switching_to`"
        raise InputError([Fault("carbon_prices", "one price passes nothing through", remedy)])
    shared = {key: options[key] for key in _OF_BOTH if key in options}
    steps = []
    if switching_to is not None:  # first: what it refuses is known at once
        names = [f"switching points of {regime(item).name}" for item in regimes]
        told = parts_of(options.get("progress"), len(names), names)
        steps = [
            switching_points(
                case, item, switching_to, resolution=resolution, tolerance=tolerance,
                progress=part, **shared,
            )
            for item, part in zip(regimes, told, strict=True)
        ]  # fmt: skip
    result = compare(case, regimes, carbon_prices, margins=True, **options)
    return PassThroughStudy(result, quantiles, steps)
