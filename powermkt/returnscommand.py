"""The command `returns`."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import typer

from powermkt.horizon import Horizon
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
    StudyOption,
    WeeksOption,
    WorkersOption,
    YearOption,
)
from powermkt.plantaccounts import stated
from powermkt.returnsstudy import PATH, returns_study
from powermkt.returnstables import returns_report
from powermkt.session import compared, err, gather, show, uncalibrated


def returns(
    network: NetworkArgument,
    study: StudyOption = None,
    regime: RegimesOption = None,
    carbon_price: PricesOption = None,
    one_more: Annotated[
        str | None,
        typer.Option(help="carrier of which one more plant is cleared too", show_default=False),
    ] = None,
    mw: Annotated[float, typer.Option(help="its capacity, MW")] = 1000.0,
    province: Annotated[
        list[str] | None,
        typer.Option(help="where it stands, or `all`; default: where most of its carrier is",
                     show_default=False),
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
    as_json: Annotated[
        bool, typer.Option("--json", help="print the table of renewables as JSON lines")
    ] = False,
    quiet: QuietOption = False,
) -> None:  # fmt: skip
    """Say what plant earns on its investment under each regime, and why."""
    given = gather(
        network, study, regime, carbon_price, offers, services,
        Horizon(weeks, year, look_ahead, start, days), out, "-returns", PATH, (0.0,),
    )  # fmt: skip
    given = replace(given, case=uncalibrated(given.case))
    stated(given.case)
    result = compared(
        returns_study, given, fresh, quiet, workers=workers, cluster=cluster,
        one_more=one_more, mw=mw, province=province,
    )  # fmt: skip
    show(result.summary, returns_report(result), as_json)
    if not quiet:
        err.print(f"results in {given.target}")
