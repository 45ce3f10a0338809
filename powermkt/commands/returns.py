"""The command `returns`."""

from __future__ import annotations

from typing import Annotated

import typer

from powermkt.commands.options import (
    PricesOption,
    RegimesOption,
    RunOptions,
    StudyOption,
    with_run_options,
)


@with_run_options
def returns(
    run: RunOptions,
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
) -> None:  # fmt: skip
    """Say what plant earns on its investment under each regime, and why."""
    from dataclasses import replace

    from powermkt.accounts.plantaccounts import stated
    from powermkt.commands.returnstables import returns_report
    from powermkt.commands.session import compared, gather, present, uncalibrated
    from powermkt.studies.returnsstudy import PATH, returns_study

    given = gather(
        run.network, study, regime, carbon_price, run.offers, run.services, run.horizon, run.out,
        "-returns", PATH, (0.0,),
    )  # fmt: skip
    given = replace(given, case=uncalibrated(given.case))
    stated(given.case)
    result = compared(
        returns_study, given, run.fresh, run.quiet, workers=run.workers, cluster=run.cluster,
        one_more=one_more, mw=mw, province=province,
    )  # fmt: skip
    present(result.summary, returns_report(result), run, given.target)
