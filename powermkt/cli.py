"""The command line: progress on stderr, results on stdout and in a folder."""

from __future__ import annotations

import logging
import os
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any, TypeVar

import pandas as pd
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
from powermkt.compare import DEFAULT_CARBON_PRICES, DEFAULT_REGIMES
from powermkt.compare import compare as compare_regimes
from powermkt.comparison import Comparison
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
    PricesOption,
    QuietOption,
    RegimesOption,
    ServicesOption,
    StartOption,
    Study,
    StudyOption,
    WeeksOption,
    WorkersOption,
    YearOption,
)
from powermkt.passthrough import LOAD_QUANTILES
from powermkt.passthroughstudy import PassThroughStudy, pass_through_study
from powermkt.plan import plan_schedule
from powermkt.reading import read
from powermkt.regime import Regime, presets
from powermkt.regime import regime as as_regime
from powermkt.terminal import report, study_report
from powermkt.writing import check_target

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="What an electricity market's rules do to cost, emissions, curtailment and carbon prices.",
)
_err = Console(stderr=True)
_T = TypeVar("_T")
_R = TypeVar("_R", Comparison, PassThroughStudy)


@app.command()
def compare(
    network: NetworkArgument,
    study: StudyOption = None,
    regime: RegimesOption = None,
    carbon_price: PricesOption = None,
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
    given = _given(
        network, study, regime, carbon_price, offers, services,
        Horizon(weeks, year, look_ahead, start, days), out, "",
    )  # fmt: skip
    result = _compared(
        compare_regimes, given, fresh, quiet, workers=workers, cluster=cluster, ranges=ranges
    )
    _print(result.table, report(result), as_json)
    if not quiet:
        _err.print(f"results in {given.target}")


@app.command("pass-through")
def pass_through(
    network: NetworkArgument,
    study: StudyOption = None,
    regime: RegimesOption = None,
    carbon_price: PricesOption = None,
    switching_to: Annotated[
        float | None,
        typer.Option(
            help="find all switching points from 0 to this carbon price", show_default=False
        ),
    ] = None,
    tolerance: Annotated[
        float,
        typer.Option(min=0, help="relative error of offered cost below which steps stay one"),
    ] = 0.0,
    quantiles: Annotated[
        int, typer.Option(min=2, max=100, help="levels of load told apart")
    ] = LOAD_QUANTILES,
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
    as_json: Annotated[bool, typer.Option("--json", help="print the rates as JSON lines")] = False,
    quiet: QuietOption = False,
) -> None:
    """Study who pays a carbon price: rates, regression, incidence, switching points."""
    given = _given(
        network, study, regime, carbon_price, offers, services,
        Horizon(weeks, year, look_ahead, start, days), out, "-pass-through",
    )  # fmt: skip
    given = replace(given, case=_uncalibrated(given.case))
    if switching_to is None:
        action: Any = partial(pass_through_study, quantiles=quantiles)
    else:
        action = partial(
            pass_through_study, quantiles=quantiles, switching_to=switching_to, tolerance=tolerance
        )
    result = _compared(action, given, fresh, quiet, workers=workers, cluster=cluster)
    _print(result.rates, study_report(result), as_json)
    if not quiet:
        _err.print(f"results in {given.target}")


@app.command()
def clear(
    network: NetworkArgument,
    regime: Annotated[str, typer.Option(help="preset or YAML file")],
    carbon_price: Annotated[
        float | None,
        typer.Option(help="money/t; default: what the regime states", show_default=False),
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
    as_json: Annotated[bool, typer.Option("--json", help="print the row as JSON")] = False,
    quiet: QuietOption = False,
) -> None:
    """Clear one regime at one carbon price."""
    faults: list[Fault] = []
    case = _collect(faults, lambda: read(network, offers, services))
    chosen = _collect(faults, lambda: as_regime(regime))
    if chosen is not None and carbon_price is not None:
        stated, price = chosen, carbon_price
        if stated.cap is not None:
            what = "the regime finds the price of its limit"
            faults.append(Fault("--carbon-price", what, "leave it away, or state CarbonPrice"))
        chosen = _collect(faults, lambda: stated.at(price))
    if out is not None:
        _collect(faults, lambda: check_target(out))
    if faults or case is None or chosen is None:
        raise InputError(faults)
    given = _Given(
        _uncalibrated(case), [chosen], [chosen.carbon_price],
        Horizon(weeks, year, look_ahead, start, days), out,
    )  # fmt: skip
    result = _compared(compare_regimes, given, fresh, quiet, workers=workers, cluster=cluster)
    row = result.table.iloc[-1]
    table = Table(box=rich.box.SIMPLE_HEAD)
    table.add_column(str(chosen.name))
    table.add_column(f"at {row['carbon_price']:g} {case.market.currency}/t", justify="right")
    for name, value in row.drop(["regime", "carbon_price"]).items():
        table.add_row(str(name), f"{value:,.4f}" if abs(value) < 10 else f"{value:,.1f}")
    _print(result.table.tail(1), [table], as_json)


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


@dataclass(frozen=True)
class _Given:
    """What is cleared, and where results go."""

    case: Case
    regimes: list[Regime]
    prices: Sequence[float]
    horizon: Horizon
    target: Path | None


def _given(
    network: Path, study: Path | None, names: list[str] | None, prices: list[float] | None,
    offers: Path | None, services: Path | None, horizon: Horizon, out: Path | None, suffix: str,
) -> _Given:  # fmt: skip
    """Read what a command was given; all faults at once."""
    faults: list[Fault] = []
    plan = _collect(faults, lambda: _study(study)) or Study()
    horizon = plan.horizon(horizon)
    regimes = _collect(faults, lambda: _regimes(names, plan, study)) or []
    case = _collect(faults, lambda: read(network, offers, services))
    target = out or Path("results") / f"{case.name if case else network.stem}{suffix}"
    _collect(faults, lambda: check_target(target))
    taus = prices or plan.carbon_prices or DEFAULT_CARBON_PRICES
    for item in regimes:
        for price in taus:
            _collect(faults, lambda item=item, price=price: item.at(price))  # type: ignore[misc]
    if case is not None:
        found = case
        part = _collect(faults, lambda: cut(found, horizon))
        faults += [fault for item in regimes for fault in item.faults(part or case)]
    if faults or case is None:
        raise InputError({str(fault): fault for fault in faults}.values())
    return _Given(case, regimes, taus, horizon, target)


def _uncalibrated(case: Case) -> Case:
    """The case without the run that is set beside observation."""
    return case.with_market(case.market.model_copy(update={"calibration": None}))


def _print(table: pd.DataFrame, tables: Iterable[Table | str], as_json: bool) -> None:
    """Print tables for a reader, or one as JSON lines."""
    if as_json:
        typer.echo(table.to_json(orient="records", lines=True).rstrip())
        return
    console = Console(width=None if sys.stdout.isatty() else 80)
    for item in tables:
        console.print(item)


def _compared(
    action: Callable[..., _R], given: _Given, fresh: bool, quiet: bool, **options: Any
) -> _R:
    """Compare with a bar; results are written, and finished cells kept beside them."""
    case, target = given.case, given.target
    with CellStore(store_of(target), fresh) if target else nullcontext() as store:
        try:
            with _progress(quiet, f"clearing {case.name}") as progress:
                result = action(
                    case, given.regimes, given.prices, store=store, progress=progress,
                    **asdict(given.horizon), **options,
                )  # fmt: skip
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
