"""The command `flexibility`: what storage, capture of CO2 and flexible demand earn."""

from __future__ import annotations

from pathlib import Path
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
def flexibility(
    run: RunOptions,
    study: StudyOption = None,
    regime: RegimesOption = None,
    carbon_price: PricesOption = None,
    assumptions: Annotated[
        Path | None,
        typer.Option(help="YAML: `storage` kinds by name, `capture`", show_default=False),
    ] = None,
    refine: Annotated[
        int, typer.Option(min=0, help="clearings a regime that narrow the break-even down")
    ] = 3,
) -> None:
    """Say what storage, capture of CO2 and flexible demand earn under each regime."""
    from functools import partial

    from powermkt.commands.flexibilitytables import flexibility_report
    from powermkt.commands.session import collect, compared, gather, present
    from powermkt.errors import Fault, InputError
    from powermkt.studies.compare import DEFAULT_REGIMES
    from powermkt.studies.flexibilitystudy import (
        CARBON_PRICES,
        Assumptions,
        read_assumptions,
        value_flexibility,
    )

    faults: list[Fault] = []
    assumed = Assumptions()
    if (path := assumptions) is not None:
        assumed = collect(faults, lambda: read_assumptions(path)) or assumed
    given = collect(
        faults,
        lambda: gather(
            run.network, study, regime, carbon_price, run.offers, run.services, run.horizon,
            run.out, "-flexibility", DEFAULT_REGIMES, CARBON_PRICES,
        ),
    )  # fmt: skip
    if faults or given is None:
        raise InputError(faults)
    action = partial(
        value_flexibility, storage=assumed.storage, capture=assumed.capture, refine=refine
    )
    result = compared(action, given, run.fresh, run.quiet, workers=run.workers, cluster=run.cluster)
    present(result.summary, flexibility_report(result), run, given.target)
