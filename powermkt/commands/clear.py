"""The command `clear`."""

from __future__ import annotations

from powermkt.commands.options import (
    EvidenceOption,
    PriceOption,
    RegimeOption,
    RunOptions,
    with_run_options,
)


@with_run_options
def clear(
    run: RunOptions, regime: RegimeOption, carbon_price: PriceOption = None,
    evidence: EvidenceOption = True,
) -> None:  # fmt: skip
    """Clear one regime at one carbon price."""
    from functools import partial

    from powermkt.commands.session import Given, collect, compared, present, uncalibrated
    from powermkt.commands.terminal import run_report
    from powermkt.common.writing import check_target
    from powermkt.engine.regime import regime as as_regime
    from powermkt.errors import Fault, InputError
    from powermkt.inputs.reading import read
    from powermkt.studies.compare import compare
    from powermkt.studies.comparison import Comparison

    faults: list[Fault] = []
    case = collect(faults, lambda: read(run.network, run.offers, run.services))
    chosen = collect(faults, lambda: as_regime(regime))
    if chosen is not None and carbon_price is not None:
        stated, price = chosen, carbon_price
        if stated.cap is not None:
            what = "the regime finds the price of its limit"
            faults.append(Fault("--carbon-price", what, "leave it away, or state CarbonPrice"))
        chosen = collect(faults, lambda: stated.at(price))
    if (target := run.out) is not None:
        collect(faults, lambda: check_target(target))
    if faults or case is None or chosen is None:
        raise InputError(faults)
    given = Given(uncalibrated(case), [chosen], [chosen.carbon_price], run.horizon, target)
    result = compared(
        compare, given, run.fresh, run.quiet, partial(Comparison.to_parquet, evidence=evidence),
        workers=run.workers, cluster=run.cluster,
    )  # fmt: skip
    present(result.table.tail(1), run_report(result), run, target)
