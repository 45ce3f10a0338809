"""The command `overlap`: instruments alone, beside each other, and merged."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from powermkt.commands.options import (
    DaysOption,
    JsonOption,
    NetworkArgument,
    OffersOption,
    OutOption,
    PriceOption,
    QuietOption,
    RegimeOption,
    ServicesOption,
    StartOption,
    WeeksOption,
    WorkersOption,
)


def overlap(
    network: NetworkArgument,
    study: Annotated[
        Path, typer.Option(help="YAML file: instruments, targets, measures", show_default=False)
    ],
    regime: RegimeOption = "full_market",
    carbon_price: PriceOption = None,
    year: Annotated[
        int | None,
        typer.Option(
            min=1950, max=2100, show_default=False,
            help="only instruments that existed then; default: the study's, else all",
        ),
    ] = None,
    offers: OffersOption = None,
    services: ServicesOption = None,
    weeks: WeeksOption = None,
    start: StartOption = None,
    days: DaysOption = None,
    out: OutOption = None,
    workers: WorkersOption = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:  # fmt: skip
    """Clear instruments alone, beside each other and merged: cost, burden, double counting."""
    from powermkt.commands.options import RunOptions
    from powermkt.commands.overlaptables import overlap_report
    from powermkt.commands.session import collect, err, gather, present, progress_bar
    from powermkt.errors import Fault, InputError
    from powermkt.inputs.overlapplan import overlap_plan
    from powermkt.studies.overlap import overlap as overlap_of
    from powermkt.system.horizon import Horizon

    faults: list[Fault] = []
    plan = collect(faults, lambda: overlap_plan(study))
    given = collect(
        faults,
        lambda: gather(
            network, None, [regime], [carbon_price or 0.0], offers, services,
            Horizon(weeks, False, None, start, days), out, "-overlap",
        ),
    )  # fmt: skip
    if faults or given is None or plan is None:
        raise InputError(faults)
    if year is not None:
        plan = plan.model_copy(update={"year": year})
    horizon = given.horizon
    with progress_bar(quiet, f"clearing {given.case.name}") as progress:
        result = overlap_of(
            given.case, plan, given.regimes[0], carbon_price, weeks=horizon.weeks,
            start=horizon.start, days=horizon.days, workers=workers, progress=progress,
        )  # fmt: skip
        if given.target:
            result.to_parquet(given.target)
    for note in [] if quiet else result.notes:
        err.print(note, markup=False, highlight=False, soft_wrap=True)
    run = RunOptions(network=network, as_json=as_json, quiet=quiet)
    present(result.cases, overlap_report(result), run, given.target)
