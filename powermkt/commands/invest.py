"""The command `invest`: what enters under each regime's revenues."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from powermkt.commands.options import PricesOption, RegimesOption, RunOptions, with_run_options


@with_run_options
def invest(
    run: RunOptions,
    study: Annotated[Path, typer.Option(help="YAML file of candidates and of what is varied")],
    regime: RegimesOption = None,
    carbon_price: PricesOption = None,
) -> None:
    """Say what enters under each regime: until the return meets the hurdle rate."""
    from dataclasses import replace
    from functools import partial

    from powermkt.commands.investtables import invest_report
    from powermkt.commands.session import collect, compared, gather, present, uncalibrated
    from powermkt.errors import Fault, InputError
    from powermkt.inputs.reading import read
    from powermkt.studies.compare import DEFAULT_REGIMES
    from powermkt.studies.entrants import candidate_faults
    from powermkt.studies.entryfile import EntryFile, entry_of, read_entry_file

    faults: list[Fault] = []
    plan = collect(faults, lambda: read_entry_file(study))
    said = plan or EntryFile.model_construct(candidates={})
    given = collect(
        faults,
        lambda: gather(
            run.network, None, regime or said.beside(study), carbon_price or said.carbon_prices,
            run.offers, run.services, said.horizon(run.horizon), run.out, "-invest",
            DEFAULT_REGIMES, (0.0,),
        ),
    )  # fmt: skip
    # Candidates are looked at even where something else is wrong.
    case = given.case if given else collect([], lambda: read(run.network, run.offers, run.services))
    if case is not None and plan is not None:
        faults += candidate_faults(case, plan.candidates)
    if faults or given is None or plan is None:
        raise InputError(faults)
    given = replace(given, case=uncalibrated(given.case))
    result = compared(
        partial(entry_of, plan=plan.plan), given, run.fresh, run.quiet, workers=run.workers,
        cluster=run.cluster,
    )  # fmt: skip
    present(result.entry, invest_report(result), run, given.target)
