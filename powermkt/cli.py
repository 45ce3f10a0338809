"""The command line: progress on stderr, results on stdout and in a folder."""

from __future__ import annotations

import logging
import os
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, TypeVar

import pydantic
import rich.box
import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from powermkt.case import Case
from powermkt.cells import CellStore, store_of
from powermkt.compare import DEFAULT_CARBON_PRICES, DEFAULT_REGIMES, Comparison
from powermkt.compare import compare as compare_regimes
from powermkt.errors import ClearingError, Fault, InputError, PowermktError, faults_of
from powermkt.horizon import Horizon, cut
from powermkt.market import load_yaml
from powermkt.options import (
    ClusterOption,
    DaysOption,
    FreshOption,
    LookAheadOption,
    NetworkArgument,
    OffersOption,
    OutOption,
    QuietOption,
    ServicesOption,
    StartOption,
    Study,
    WeeksOption,
    WorkersOption,
    YearOption,
)
from powermkt.plan import plan_schedule
from powermkt.reading import read
from powermkt.regime import Regime, presets
from powermkt.regime import regime as as_regime
from powermkt.terminal import report
from powermkt.writing import check_target

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="What an electricity market's rules do to cost, emissions, curtailment and carbon prices.",
)
_err = Console(stderr=True)
_T = TypeVar("_T")


@app.command()
def compare(
    network: NetworkArgument,
    study: Annotated[Path | None, typer.Option(help="YAML file of what is varied")] = None,
    regime: Annotated[
        list[str] | None, typer.Option(help="preset or YAML file; repeat for more")
    ] = None,
    carbon_price: Annotated[
        list[float] | None, typer.Option(help="money/t; repeat for more")
    ] = None,
    offers: OffersOption = None,
    services: ServicesOption = None,
    weeks: WeeksOption = None,
    year: YearOption = False,
    start: StartOption = None,
    days: DaysOption = None,
    look_ahead: LookAheadOption = None,
    out: OutOption = None,
    workers: WorkersOption = None,
    cluster: ClusterOption = None,
    fresh: FreshOption = False,
    ranges: Annotated[
        bool, typer.Option("--ranges", help="give curtailment with its range over all optima")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="print the table as JSON lines")] = False,
    quiet: QuietOption = False,
) -> None:
    """Compare regimes at several carbon prices on one network."""
    faults: list[Fault] = []
    plan = _collect(faults, lambda: _study(study)) or Study()
    horizon = plan.horizon(Horizon(weeks, year, look_ahead, start, days))
    regimes = _collect(faults, lambda: _regimes(regime, plan, study)) or []
    case = _collect(faults, lambda: read(network, offers, services))
    target = out or Path("results") / (case.name if case else network.stem)
    _collect(faults, lambda: check_target(target))
    prices = carbon_price or plan.carbon_prices or DEFAULT_CARBON_PRICES
    for item in regimes:
        for price in prices:
            _collect(faults, lambda item=item, price=price: item.at(price))  # type: ignore[misc]
        if case is not None:
            faults += item.faults(case)
    if case is not None:
        found = case
        _collect(faults, lambda: cut(found, horizon))
    if faults or case is None:
        raise InputError({str(fault): fault for fault in faults}.values())
    result = _compared(
        case, regimes, prices, target, fresh, quiet, **asdict(horizon),
        workers=workers, cluster=cluster, ranges=ranges,
    )  # fmt: skip
    if as_json:
        typer.echo(result.table.to_json(orient="records", lines=True).rstrip())
        return
    console = Console(width=None if sys.stdout.isatty() else 80)
    for table in report(result):
        console.print(table)
    if not quiet:
        _err.print(f"results in {target}")


@app.command()
def clear(
    network: NetworkArgument,
    regime: Annotated[str, typer.Option(help="preset or YAML file")],
    carbon_price: Annotated[float, typer.Option(help="money/t")] = 0.0,
    offers: OffersOption = None,
    services: ServicesOption = None,
    weeks: WeeksOption = None,
    year: YearOption = False,
    start: StartOption = None,
    days: DaysOption = None,
    look_ahead: LookAheadOption = None,
    out: OutOption = None,
    workers: WorkersOption = None,
    cluster: ClusterOption = None,
    fresh: FreshOption = False,
    as_json: Annotated[bool, typer.Option("--json", help="print the row as JSON")] = False,
    quiet: QuietOption = False,
) -> None:
    """Clear one regime at one carbon price."""
    faults: list[Fault] = []
    case = _collect(faults, lambda: read(network, offers, services))
    chosen = _collect(faults, lambda: as_regime(regime).at(carbon_price))
    if out is not None:
        _collect(faults, lambda: check_target(out))
    if faults or case is None or chosen is None:
        raise InputError(faults)
    case = case.with_market(case.market.model_copy(update={"calibration": None}))
    result = _compared(
        case, [chosen], [carbon_price], out, fresh, quiet, weeks=weeks, year=year,
        look_ahead=look_ahead, start=start, days=days, workers=workers, cluster=cluster,
    )  # fmt: skip
    if as_json:
        typer.echo(result.table.to_json(orient="records", lines=True).rstrip())
        return
    table = Table(box=rich.box.SIMPLE_HEAD)
    table.add_column(str(chosen.name))
    table.add_column(f"at {carbon_price:g} {case.market.currency}/t", justify="right")
    for name, value in result.table.iloc[0].drop(["regime", "carbon_price"]).items():
        table.add_row(str(name), f"{value:,.4f}" if abs(value) < 10 else f"{value:,.1f}")
    Console(width=None if sys.stdout.isatty() else 80).print(table)


@app.command()
def check(network: NetworkArgument, services: ServicesOption = None) -> None:
    """Say everything that is wrong with a network; nothing is solved."""
    case = read(network, services=services)
    typer.echo(repr(cut(case, Horizon())))
    for name in presets():
        lacking = as_regime(name).faults(case)
        typer.echo(f"{name}: " + ("ready" if not lacking else "; ".join(map(str, lacking))))


@app.command()
def plan(
    network: NetworkArgument,
    out: Annotated[Path, typer.Option(help="PyPSA .nc file to write")],
    workers: WorkersOption = None,
    quiet: QuietOption = False,
) -> None:
    """Derive a framework schedule by least cost and write the network with it."""
    case = read(network)
    if out.suffix != ".nc":
        raise InputError([Fault(str(out), "is no .nc file", "name a file that ends in .nc")])
    if out.is_dir() or not out.parent.is_dir() or not os.access(out.parent, os.W_OK):
        raise InputError([Fault(str(out), "cannot be written", "name a file in a folder of yours")])
    with _progress(quiet, "planning") as progress:
        planned = plan_schedule(case, workers, progress)
    n = planned.network()
    if planned.schedule is not None:
        n.links_t["p_set"] = planned.schedule
    part = out.with_name(f".{out.name}")
    n.export_to_netcdf(str(part))
    part.replace(out)


def main() -> None:
    """Run the command line; 0 done, 1 not solved or not written, 2 bad input, 130 interrupted."""
    for name, level in (("pypsa", logging.ERROR), ("linopy", logging.ERROR),
                        ("distributed", logging.CRITICAL)):  # fmt: skip
        logging.getLogger(name).setLevel(level)
    warnings.simplefilter("ignore")
    try:
        app(prog_name="powermkt")
    except InputError as error:
        _err.print(str(error), style="red", markup=False, highlight=False, soft_wrap=True)
        sys.exit(2)
    except PowermktError as error:
        head = "not solved: " if isinstance(error, ClearingError) else ""
        _err.print(f"{head}{error}", style="red", markup=False, soft_wrap=True)
        sys.exit(1)


# ---- helpers ---------------------------------------------------------------------------------


def _collect(faults: list[Fault], action: Callable[[], _T]) -> _T | None:
    """Run an action and keep the faults it raises, so that all are told at once."""
    try:
        return action()
    except InputError as error:
        faults += error.faults
        return None


def _study(path: Path | None) -> Study:
    if path is None:
        return Study()
    try:
        return Study.model_validate(load_yaml(path))
    except pydantic.ValidationError as error:
        raise InputError(faults_of(error, str(path), Study)) from None


def _regimes(names: list[str] | None, plan: Study, study: Path | None) -> list[Regime]:
    """Regimes of the command line, else of the study file, else the three presets."""
    faults: list[Fault] = []
    found = []
    for item in names or plan.regimes or DEFAULT_REGIMES:
        beside = study.parent / item if study is not None and isinstance(item, str) else None
        source = beside if beside is not None and beside.is_file() else item
        result = _collect(faults, lambda source=source: as_regime(source))  # type: ignore[misc]
        found += [result] if result is not None else []
    if faults:
        raise InputError(faults)
    return found


def _compared(
    case: Case, regimes: list[Regime], prices: Sequence[float], target: Path | None,
    fresh: bool, quiet: bool, **options: Any,
) -> Comparison:  # fmt: skip
    """Compare with a bar; results are written, and finished cells kept beside them."""
    with CellStore(store_of(target), fresh) if target else nullcontext() as store:
        try:
            with _progress(quiet, f"clearing {case.name}") as progress:
                result = compare_regimes(
                    case, regimes, prices, store=store, progress=progress, **options
                )
            if target and store:
                result.to_parquet(target)
                store.prune()
        except KeyboardInterrupt:
            kept = f"; run the same again to go on from {store.folder}" if store else ""
            _err.print(f"interrupted{kept}", markup=False, highlight=False, soft_wrap=True)
            raise typer.Exit(130) from None
    for note in [] if quiet else result.notes:
        _err.print(note, markup=False, highlight=False, soft_wrap=True)
    return result


@contextmanager
def _progress(quiet: bool, title: str) -> Iterator[Callable[[int, int, str], None] | None]:
    """Show a bar on stderr with what was solved and the time left."""
    if quiet:
        yield None
        return
    columns = (
        TextColumn("{task.description}"), BarColumn(bar_width=24), MofNCompleteColumn(),
        TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(*columns, console=_err, transient=not _err.is_terminal) as bar:
        task = bar.add_task(title, total=None)

        def update(done: int, total: int, what: str) -> None:
            bar.update(task, completed=done, total=total, description=what)

        yield update


if __name__ == "__main__":
    main()
