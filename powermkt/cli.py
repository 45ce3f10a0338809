"""The command line: progress on stderr, results on stdout and in a folder."""

from __future__ import annotations

import logging
import os
import sys
import warnings
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import rich.box
import typer
from rich.table import Table

from powermkt.auditcommand import audit
from powermkt.claimscommand import claims, instruments
from powermkt.compare import compare as compare_regimes
from powermkt.comparison import Comparison
from powermkt.errors import ClearingError, Fault, InputError, PowermktError
from powermkt.explaincommand import explain
from powermkt.flexibilitycommand import flexibility
from powermkt.horizon import Horizon, cut
from powermkt.investcommand import invest
from powermkt.options import (
    ClusterOption,
    DaysOption,
    EvidenceOption,
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
    StudyOption,
    WeeksOption,
    WorkersOption,
    YearOption,
)
from powermkt.overlapcommand import overlap
from powermkt.passthrough import LOAD_QUANTILES
from powermkt.passthroughstudy import pass_through_study
from powermkt.plan import plan_schedule
from powermkt.reading import read
from powermkt.regime import presets
from powermkt.regime import regime as as_regime
from powermkt.remediescommand import remedies
from powermkt.reportcommand import write_report
from powermkt.returnscommand import returns
from powermkt.riskcommand import risk
from powermkt.session import (
    Given,
    collect,
    compared,
    err,
    gather,
    progress_bar,
    show,
    uncalibrated,
)
from powermkt.terminal import obligation_tables, report, study_report
from powermkt.tracecommand import trace
from powermkt.writing import check_target

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="What an electricity market's rules do to cost, emissions, curtailment and carbon prices.",
)


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
    evidence: EvidenceOption = True,
    as_json: Annotated[bool, typer.Option("--json", help="print the table as JSON lines")] = False,
    quiet: QuietOption = False,
) -> None:
    """Compare regimes at several carbon prices on one network."""
    given = gather(
        network, study, regime, carbon_price, offers, services,
        Horizon(weeks, year, look_ahead, start, days), out, "",
    )  # fmt: skip
    result = compared(
        compare_regimes, given, fresh, quiet, partial(Comparison.to_parquet, evidence=evidence),
        workers=workers, cluster=cluster, ranges=ranges,
    )  # fmt: skip
    show(result.table, report(result), as_json)
    if not quiet:
        err.print(f"results in {given.target}")


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
    given = gather(
        network, study, regime, carbon_price, offers, services,
        Horizon(weeks, year, look_ahead, start, days), out, "-pass-through",
    )  # fmt: skip
    given = replace(given, case=uncalibrated(given.case))
    if switching_to is None:
        action: Any = partial(pass_through_study, quantiles=quantiles)
    else:
        action = partial(
            pass_through_study, quantiles=quantiles, switching_to=switching_to, tolerance=tolerance
        )
    result = compared(action, given, fresh, quiet, workers=workers, cluster=cluster)
    show(result.rates, study_report(result), as_json)
    if not quiet:
        err.print(f"results in {given.target}")


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
    evidence: EvidenceOption = True,
    as_json: Annotated[bool, typer.Option("--json", help="print the row as JSON")] = False,
    quiet: QuietOption = False,
) -> None:
    """Clear one regime at one carbon price."""
    faults: list[Fault] = []
    case = collect(faults, lambda: read(network, offers, services))
    chosen = collect(faults, lambda: as_regime(regime))
    if chosen is not None and carbon_price is not None:
        stated, price = chosen, carbon_price
        if stated.cap is not None:
            what = "the regime finds the price of its limit"
            faults.append(Fault("--carbon-price", what, "leave it away, or state CarbonPrice"))
        chosen = collect(faults, lambda: stated.at(price))
    if out is not None:
        collect(faults, lambda: check_target(out))
    if faults or case is None or chosen is None:
        raise InputError(faults)
    given = Given(
        uncalibrated(case), [chosen], [chosen.carbon_price],
        Horizon(weeks, year, look_ahead, start, days), out,
    )  # fmt: skip
    result = compared(
        compare_regimes, given, fresh, quiet, partial(Comparison.to_parquet, evidence=evidence),
        workers=workers, cluster=cluster,
    )  # fmt: skip
    row = result.table.iloc[-1]
    table = Table(box=rich.box.SIMPLE_HEAD)
    table.add_column(str(chosen.name))
    table.add_column(f"at {row['carbon_price']:g} {case.market.currency}/t", justify="right")
    for name, value in row.drop(["regime", "carbon_price"]).items():
        table.add_row(str(name), f"{value:,.4f}" if abs(value) < 10 else f"{value:,.1f}")
    show(result.table.tail(1), [table, *obligation_tables(result)], as_json)


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
    with progress_bar(quiet, "planning") as progress:
        planned = plan_schedule(case, workers, progress)
    n = planned.network()
    if planned.schedule is not None:
        n.links_t["p_set"] = planned.schedule
    part = out.with_name(f".{out.name}")
    n.export_to_netcdf(str(part))
    part.replace(out)


app.command()(returns)
app.command()(explain)
app.command()(flexibility)
app.command()(remedies)
app.command()(invest)
app.command()(risk)
app.command()(claims)
app.command()(instruments)
app.command("report")(write_report)
app.command()(trace)
app.command()(overlap)
app.command()(audit)


def main() -> None:
    """Run the command line; 0 done, 1 not solved or not written, 2 bad input, 130 interrupted."""
    for name, level in (("pypsa", logging.ERROR), ("linopy", logging.ERROR),
                        ("distributed", logging.CRITICAL)):  # fmt: skip
        logging.getLogger(name).setLevel(level)
    warnings.simplefilter("ignore")
    try:
        app(prog_name="powermkt")
    except InputError as error:
        err.print(str(error), style="red", markup=False, highlight=False, soft_wrap=True)
        sys.exit(2)
    except PowermktError as error:
        head = "not solved: " if isinstance(error, ClearingError) else ""
        err.print(f"{head}{error}", style="red", markup=False, soft_wrap=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
