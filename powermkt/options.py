"""Options that commands share, and the study file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import pydantic
import typer

from powermkt.horizon import Horizon
from powermkt.market import Day, ForecastErrors
from powermkt.values import NonNegative, Strict

NetworkArgument = Annotated[
    Path, typer.Argument(help="folder, PyPSA .nc file or PyPSA CSV folder", show_default=False)
]
StudyOption = Annotated[
    Path | None, typer.Option(help="YAML file of what is varied", show_default=False)
]
RegimesOption = Annotated[
    list[str] | None, typer.Option(help="preset or YAML file; repeat for more", show_default=False)
]
PricesOption = Annotated[
    list[float] | None, typer.Option(help="money/t; repeat for more", show_default=False)
]
OutOption = Annotated[
    Path | None, typer.Option(help="results folder; default results/NAME", show_default=False)
]
OffersOption = Annotated[
    Path | None,
    typer.Option(help="CSV or Parquet; default offers.csv or .parquet beside the network",
                 show_default=False),
]  # fmt: skip
ServicesOption = Annotated[
    Path | None,
    typer.Option(help="YAML of ancillary services, in place of the market file's",
                 show_default=False),
]  # fmt: skip
WeeksOption = Annotated[
    int | None, typer.Option(min=1, help="clear this many representative weeks")
]
YearOption = Annotated[bool, typer.Option("--year", help="clear every week of the year")]
LookAheadOption = Annotated[
    float | None,
    typer.Option(min=0, help="weeks or days one after another, each with HOURS of the next"),
]
StartOption = Annotated[
    str | None, typer.Option(help="first day, e.g. 2020-07-10", show_default=False)
]
DaysOption = Annotated[int | None, typer.Option(min=1, help="clear this many days from --start")]
WorkersOption = Annotated[int | None, typer.Option(min=1, help="processes; default one a core")]
ClusterOption = Annotated[
    str | None, typer.Option(help="Dask scheduler, tcp://host:port", show_default=False)
]
FreshOption = Annotated[
    bool, typer.Option("--fresh", help="clear everything anew, use nothing that is stored")
]
EvidenceOption = Annotated[
    bool,
    typer.Option(
        "--evidence/--no-evidence", help="write what results are made of beside them, for an audit"
    ),
]
QuietOption = Annotated[bool, typer.Option("--quiet", help="no progress, no notes")]


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
