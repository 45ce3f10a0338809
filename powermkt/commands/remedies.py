"""The command `remedies`: what more of what would be worth against curtailment."""

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
def remedies(
    run: RunOptions,
    study: StudyOption = None,
    regime: RegimesOption = None,
    remedy: Annotated[
        list[str] | None,
        typer.Option(
            help="corridor, storage_power, storage_hours, flexible_coal, electric_boilers; "
            "repeat for more",
            show_default="all",
        ),
    ] = None,
    where: Annotated[
        list[str] | None,
        typer.Option(help="province or branch; repeat for more", show_default="everywhere"),
    ] = None,
    size: Annotated[float, typer.Option(help="MW, of storage hours MWh")] = 1000.0,
    top: Annotated[
        int, typer.Option(min=0, help="how many of each kind are cleared again; 0: all")
    ] = 3,
    by: Annotated[str, typer.Option(help="rank by money or mwh")] = "money",
    carbon_price: PriceOption = None,
) -> None:
    """Value remedies for curtailment: one more GW of each, by dual and by difference."""
    from functools import partial

    from powermkt.commands.remediestables import remedies_report
    from powermkt.commands.session import collect, compared, gather, present, uncalibrated
    from powermkt.engine.remedies import REMEDIES, chosen_remedies
    from powermkt.engine.remedytypes import RemedySettings
    from powermkt.errors import InputError
    from powermkt.studies.remedyvalues import RemedyStudy, number_faults, remedies_by_regime

    faults: list[Any] = []
    given = collect(
        faults,
        lambda: gather(
            run.network, study, regime, [carbon_price or 0.0], run.offers, run.services,
            run.horizon, run.out, "-remedies",
        ),
    )  # fmt: skip
    kinds: list[str] = remedy or list(REMEDIES)
    if given is not None:
        found = given.case
        collect(faults, lambda: chosen_remedies(found, kinds, RemedySettings(), where or ()))
    faults += number_faults(size, top, by)
    if given is None or faults:
        raise InputError(faults)
    case = uncalibrated(given.case)

    def action(_: Any, regimes: Any, __: Any, **options: Any) -> RemedyStudy:
        return remedies_by_regime(case, regimes, carbon_price, **options)

    result = compared(
        partial(action, remedies=kinds, where=where or (), size_mw=size, top=top, rank_by=by),
        given, run.fresh, run.quiet, workers=run.workers, cluster=run.cluster,
    )  # fmt: skip
    present(result.tables["remedies"], remedies_report(result), run, given.target)
