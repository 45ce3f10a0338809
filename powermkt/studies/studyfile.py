"""The study file: what is varied."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pydantic

from powermkt.common.values import NonNegative, Strict
from powermkt.inputs.market import Day, ForecastErrors
from powermkt.system.horizon import Horizon


class Study(Strict):
    """A study file: what is varied."""

    regimes: list[str | dict[str, Any]] | None = pydantic.Field(default=None, min_length=1)
    carbon_prices: list[NonNegative] | None = None
    weeks: int | None = pydantic.Field(default=None, ge=1, le=52)
    year: bool = False
    start: Day | None = None
    days: int | None = pydantic.Field(default=None, ge=1)
    look_ahead: float | None = pydantic.Field(default=None, ge=0)
    forecast_errors: ForecastErrors | None = None

    def horizon(self, said: Horizon) -> Horizon:
        """Return the horizon of the command line, else that of the file."""
        if said.weeks is None and not said.year and not said.by_days:
            said = replace(said, weeks=self.weeks, year=self.year, start=self.start, days=self.days)
        return replace(
            said, look_ahead=self.look_ahead if said.look_ahead is None else said.look_ahead
        )
