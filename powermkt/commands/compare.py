"""The command `compare`."""

from __future__ import annotations

from typing import Annotated

import typer

from powermkt.commands.options import (
    EvidenceOption,
    PricesOption,
    RegimesOption,
    RunOptions,
    StudyOption,
    with_run_options,
)


@with_run_options
def compare(
    run: RunOptions,
    study: StudyOption = None,
    regime: RegimesOption = None,
    carbon_price: PricesOption = None,
    ranges: Annotated[
        bool, typer.Option("--ranges", help="give curtailment with its range over all optima")
    ] = False,
    evidence: EvidenceOption = True,
) -> None:
    """Compare regimes at several carbon prices on one network."""
    from functools import partial

    from powermkt.commands.session import compared, gather, present
    from powermkt.commands.terminal import report
    from powermkt.studies.compare import compare as compare_regimes
    from powermkt.studies.comparison import Comparison

    given = gather(
        run.network, study, regime, carbon_price, run.offers, run.services, run.horizon, run.out, ""
    )
    result = compared(
        compare_regimes, given, run.fresh, run.quiet,
        partial(Comparison.to_parquet, evidence=evidence), workers=run.workers,
        cluster=run.cluster, ranges=ranges,
    )  # fmt: skip
    present(result.table, report(result), run, given.target)
