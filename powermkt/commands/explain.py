"""The command `explain`: why energy is curtailed."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from powermkt.commands.options import (
    PriceOption,
    RegimesOption,
    RunOptions,
    StudyOption,
    with_run_options,
)


@with_run_options
def explain(
    run: RunOptions,
    study: StudyOption = None,
    regime: RegimesOption = None,
    cause: Annotated[
        list[str] | None,
        typer.Option(
            help="flexibility, network, barrier, dispatch_rule, quota, reserves, ramping; "
            "repeat for more; default: the first four",
            show_default=False,
        ),
    ] = None,
    carbon_price: PriceOption = None,
    interactions: Annotated[
        bool, typer.Option("--interactions", help="what pairs of causes avoid only together")
    ] = False,
    ranges: Annotated[
        bool, typer.Option("--ranges", help="give shares with their range over all optima")
    ] = False,
) -> None:
    """Explain why wind, sun and water are curtailed: shares of causes that add up."""
    from functools import partial

    from powermkt.commands.explaintables import explain_report
    from powermkt.commands.session import collect, compared, gather, present, uncalibrated
    from powermkt.engine.causes import DEFAULT_CAUSES, chosen_causes
    from powermkt.errors import InputError
    from powermkt.studies.explain import ExplanationStudy, explain_regimes

    faults: list[Any] = []
    causes = collect(faults, lambda: chosen_causes(cause or DEFAULT_CAUSES))
    given = collect(
        faults,
        lambda: gather(
            run.network, study, regime, [carbon_price or 0.0], run.offers, run.services,
            run.horizon, run.out, "-explain",
        ),
    )  # fmt: skip
    if given is None or causes is None:
        raise InputError(faults)
    case = uncalibrated(given.case)

    def action(_: Any, regimes: Any, __: Any, **options: Any) -> ExplanationStudy:
        return explain_regimes(case, regimes, carbon_price, causes=causes, **options)

    result = compared(
        partial(action, interactions=interactions, ranges=ranges), given, run.fresh, run.quiet,
        workers=run.workers, cluster=run.cluster,
    )  # fmt: skip
    present(
        result.tables["causes"], explain_report(result), run, given.target,
        ", the figure in causes.html",
    )  # fmt: skip
