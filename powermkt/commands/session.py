"""What the commands share: what they were given, a bar while they run, tables when they end."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol, TypeVar

import pandas as pd
import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Column, Table

from powermkt.commands.fitting import fitted
from powermkt.commands.options import RunOptions
from powermkt.common.files import is_file, load_yaml
from powermkt.common.writing import check_target
from powermkt.engine.cells import CellStore, store_of
from powermkt.engine.regime import Regime
from powermkt.engine.regime import regime as as_regime
from powermkt.errors import Fault, InputError, collected, validated
from powermkt.inputs.case import Case
from powermkt.inputs.forecasts import with_forecast_errors
from powermkt.inputs.reading import read
from powermkt.studies.compare import DEFAULT_CARBON_PRICES, DEFAULT_REGIMES
from powermkt.studies.studyfile import Study
from powermkt.system.horizon import Horizon, cut

err = Console(stderr=True)
_T = TypeVar("_T")


class Written(Protocol):
    """A result with notes that is written into a folder."""

    @property
    def notes(self) -> list[str]:
        """What is worth saying."""

    def to_parquet(self, folder: str | Path) -> Path:
        """Write every table."""


_R = TypeVar("_R", bound=Written)


def collect(faults: list[Fault], action: Callable[[], _T]) -> _T | None:
    """Run an action and keep the faults it raises, so that all are told at once."""
    with collected(faults):
        return action()
    return None


def _study(path: Path | None) -> Study:
    if path is None:
        return Study()
    return validated(Study, load_yaml(path), str(path))


def _regimes(names: Sequence[Any], study: Path | None, own: bool) -> list[Regime]:
    """Regimes by name, file or mapping, of the command line (`own`) or else of the study file.

    Files that the study file names stand beside it; those of the command line, where it does not
    find them there, anywhere.
    """
    faults: list[Fault] = []
    found = []
    for item in names:
        near = study.parent / item if study is not None and isinstance(item, str) else None
        source = near if own and near is not None and is_file(near) else item
        within = None if own or study is None else study.parent
        result = collect(faults, partial(as_regime, source, within=within))
        found += [result] if result is not None else []
    if faults:
        raise InputError(faults)
    return found


@dataclass(frozen=True)
class Given:
    """What is cleared, and where results go."""

    case: Case
    regimes: list[Regime]
    prices: Sequence[float]
    horizon: Horizon
    target: Path | None


def gather(
    network: Path, study: Path | None, names: Sequence[str | Regime] | None,
    prices: list[float] | None,
    offers: Path | None, services: Path | None, horizon: Horizon, out: Path | None, suffix: str,
    default_regimes: Sequence[str] = DEFAULT_REGIMES,
    default_prices: Sequence[float] = DEFAULT_CARBON_PRICES,
) -> Given:  # fmt: skip
    """Read what a command was given; all faults at once."""
    faults: list[Fault] = []
    plan = collect(faults, lambda: _study(study)) or Study()
    horizon = plan.horizon(horizon)
    chosen = names or plan.regimes or default_regimes
    regimes = collect(faults, lambda: _regimes(chosen, study, bool(names))) or []
    case = collect(faults, lambda: _read(network, offers, services, plan))
    target = out or Path("results") / f"{case.name if case else network.stem}{suffix}"
    collect(faults, lambda: check_target(target))
    taus = prices or plan.carbon_prices or default_prices
    for item in regimes:
        for price in taus:
            collect(faults, lambda item=item, price=price: item.at(price))  # type: ignore[misc]
    if case is not None:
        found = case
        part = collect(faults, lambda: cut(found, horizon))
        faults += [fault for item in regimes for fault in item.faults(part or case)]
    if faults or case is None:
        raise InputError({str(fault): fault for fault in faults}.values())
    return Given(case, regimes, taus, horizon, target)


def _read(network: Path, offers: Path | None, services: Path | None, plan: Study) -> Case:
    """Read a network; what the study says of forecasts takes the place of what it has."""
    case, errors = read(network, offers, services), plan.forecast_errors
    return case if errors is None else with_forecast_errors(case, **errors.model_dump())


def uncalibrated(case: Case) -> Case:
    """The case without the run that is set beside observation."""
    return case.with_market(case.market.model_copy(update={"calibration": None}))


def show(table: pd.DataFrame, tables: Iterable[Table | str], as_json: bool) -> None:
    """Print tables for a reader, or one as JSON lines."""
    if as_json:
        typer.echo(table.to_json(orient="records", lines=True).rstrip())
        return
    console = Console(
        width=None if sys.stdout.isatty() else 80, markup=False, highlight=False, emoji=False
    )
    for item in tables:
        for part in [item] if isinstance(item, str) else fitted(item, console.width):
            console.print(part)


def present(
    table: pd.DataFrame, tables: Iterable[Table | str], run: RunOptions, target: Path | None,
    more: str = "",
) -> None:  # fmt: skip
    """Print what a command found, and say where all of it is."""
    show(table, tables, run.as_json)
    if target is not None and not run.quiet:
        err.print(f"results in {target}{more}", markup=False, highlight=False, soft_wrap=True)


def compared(
    action: Callable[..., _R], given: Given, fresh: bool, quiet: bool,
    write: Callable[[_R, Path], object] | None = None, **options: Any,
) -> _R:  # fmt: skip
    """Compare with a bar; results are written, and finished cells kept beside them."""
    case, target = given.case, given.target
    with CellStore(store_of(target), fresh) if target else nullcontext() as store:
        try:
            with progress_bar(quiet, f"clearing {case.name}") as progress:
                result = action(
                    case, given.regimes, given.prices, store=store, progress=progress,
                    **asdict(given.horizon), **options,
                )  # fmt: skip
            if target and store:
                if write is None:
                    result.to_parquet(target)
                else:
                    write(result, target)
                store.prune()
        except KeyboardInterrupt:
            kept = f"; run the same again to go on from {store.folder}" if store else ""
            err.print(f"interrupted{kept}", markup=False, highlight=False, soft_wrap=True)
            raise typer.Exit(130) from None
    for note in [] if quiet else result.notes:
        err.print(note, markup=False, highlight=False, soft_wrap=True)
    return result


@contextmanager
def progress_bar(quiet: bool, title: str) -> Iterator[Callable[[int, int, str], None] | None]:
    """Show a bar on stderr with what is being solved and the time left."""
    if quiet:
        yield None
        return
    columns = (
        TextColumn("{task.description}", markup=False, table_column=Column(overflow="fold")),
        BarColumn(bar_width=16), MofNCompleteColumn(), TimeRemainingColumn(), TextColumn("left"),
    )  # fmt: skip
    with Progress(*columns, console=err, disable=not err.is_terminal) as bar:
        task = bar.add_task(title, total=None)

        def update(done: int, total: int, what: str) -> None:
            if not total:  # nobody knows how much there is: the bar runs to and fro
                bar.tasks[0].total = None
            bar.update(task, completed=done, total=total or None, description=what)

        yield update
