"""Options that commands share. Nothing is imported here that takes long: `--help` waits for it."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

import typer

if TYPE_CHECKING:
    from powermkt.system.horizon import Horizon

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
JsonOption = Annotated[
    bool, typer.Option("--json", help="print the main table as JSON lines, and nothing else")
]
PriceOption = Annotated[
    float | None,
    typer.Option("--carbon-price", help="money/t; default: what the regime states",
                 show_default=False),
]  # fmt: skip
RegimeOption = Annotated[str, typer.Option(help="preset or YAML file")]


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """What every command that clears a network can be told, beside what it is about."""

    network: NetworkArgument
    offers: OffersOption = None
    services: ServicesOption = None
    weeks: WeeksOption = None
    year: YearOption = False
    start: StartOption = None
    days: DaysOption = None
    look_ahead: LookAheadOption = None
    out: OutOption = None
    workers: WorkersOption = None
    cluster: ClusterOption = None
    fresh: FreshOption = False
    as_json: JsonOption = False
    quiet: QuietOption = False

    @property
    def horizon(self) -> Horizon:
        """What of the network is cleared."""
        from powermkt.system.horizon import Horizon

        return Horizon(self.weeks, self.year, self.look_ahead, self.start, self.days)


def with_run_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command with a parameter `run: RunOptions` each of its fields as an option."""
    hints = get_type_hints(command, include_extras=True)
    shared = get_type_hints(RunOptions, include_extras=True)
    keyword = inspect.Parameter.KEYWORD_ONLY
    options = [
        item.replace(annotation=hints[name], kind=keyword)
        for name, item in inspect.signature(command).parameters.items()
        if name != "run"
    ]
    options += [
        item.replace(annotation=shared[name])
        for name, item in inspect.signature(RunOptions).parameters.items()
    ]

    @wraps(command)
    def told(**given: Any) -> None:
        run = RunOptions(**{field.name: given.pop(field.name) for field in fields(RunOptions)})
        command(**given, run=run)

    told.__annotations__ = {item.name: item.annotation for item in options}
    told.__signature__ = inspect.Signature(options)  # type: ignore[attr-defined]
    return told
