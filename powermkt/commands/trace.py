"""The command `trace`: whose carbon it is under each regime, and who would pay for it."""

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
def trace(
    run: RunOptions,
    study: StudyOption = None,
    regime: RegimesOption = None,
    carbon_price: PricesOption = None,
    share: Annotated[
        float, typer.Option(help="of the consumer, where responsibility is shared")
    ] = 0.5,
    charge: Annotated[
        Path | None,
        typer.Option(help="YAML: `basis` (head or mwh), `tiers` of above, rate",
                     show_default=False),
    ] = None,
) -> None:  # fmt: skip
    """Say whose carbon it is: production, consumption, transfers between provinces, who pays."""
    from functools import partial

    from powermkt.commands.session import collect, compared, gather, present
    from powermkt.commands.tracetables import trace_report
    from powermkt.errors import Fault, InputError
    from powermkt.studies.compare import DEFAULT_REGIMES
    from powermkt.studies.tracestudy import CARBON_PRICES, read_charge, trace_regimes

    faults: list[Fault] = []
    tiers = None
    if (path := charge) is not None:
        tiers = collect(faults, lambda: read_charge(path))
    if not 0 <= share <= 1:
        faults.append(Fault("--share", f"{share} is no share", "give a number from 0 to 1"))
    given = collect(
        faults,
        lambda: gather(
            run.network, study, regime, carbon_price, run.offers, run.services, run.horizon,
            run.out, "-trace", DEFAULT_REGIMES, CARBON_PRICES,
        ),
    )  # fmt: skip
    if faults or given is None:
        raise InputError(faults)
    result = compared(
        partial(trace_regimes, share=share, charge=tiers), given, run.fresh, run.quiet,
        workers=run.workers, cluster=run.cluster,
    )  # fmt: skip
    present(
        result.responsibility, trace_report(result), run, given.target,
        ", the flows in trace.html",
    )  # fmt: skip
