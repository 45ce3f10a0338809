"""The command `pass-through`."""

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
def pass_through(
    run: RunOptions,
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
    quantiles: Annotated[int, typer.Option(min=2, max=100, help="levels of load told apart")] = 4,
) -> None:
    """Study who pays a carbon price: rates, regression, incidence, switching points."""
    from dataclasses import replace
    from functools import partial
    from typing import Any

    from powermkt.commands.session import compared, gather, present, uncalibrated
    from powermkt.commands.terminal import study_report
    from powermkt.studies.passthroughstudy import pass_through_study

    given = gather(
        run.network, study, regime, carbon_price, run.offers, run.services, run.horizon, run.out,
        "-pass-through",
    )  # fmt: skip
    given = replace(given, case=uncalibrated(given.case))
    action: Any = partial(pass_through_study, quantiles=quantiles)
    if switching_to is not None:
        action = partial(action, switching_to=switching_to, tolerance=tolerance)
    result = compared(action, given, run.fresh, run.quiet, workers=run.workers, cluster=run.cluster)
    present(result.rates, study_report(result), run, given.target)
