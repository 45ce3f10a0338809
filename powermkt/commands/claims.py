"""The commands `claims`, what becomes of green certificates, and `instruments`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from powermkt.commands.options import (
    JsonOption,
    PriceOption,
    QuietOption,
    RegimeOption,
    RunOptions,
    with_run_options,
)


@with_run_options
def claims(
    run: RunOptions,
    regime: RegimeOption,
    plan: Annotated[Path, typer.Option(help="YAML file: who claims which certificates")],
    carbon_price: PriceOption = None,
) -> None:
    """Issue green certificates in one regime and claim each of them once."""
    from dataclasses import replace

    from powermkt.commands.claimstables import claims_report
    from powermkt.commands.session import collect, compared, gather, present, uncalibrated
    from powermkt.engine.regime import regime as as_regime
    from powermkt.errors import Fault, InputError
    from powermkt.inputs.claimsplan import claims_plan
    from powermkt.studies.claims import Claims
    from powermkt.studies.claims import claims as claims_of
    from powermkt.studies.compare import compare

    faults: list[Fault] = []
    stated = collect(faults, lambda: claims_plan(plan))
    chosen = collect(faults, lambda: as_regime(regime))
    price = carbon_price
    if price is None:
        price = 0.0 if chosen is None else chosen.carbon_price
    elif chosen is not None and chosen.cap is not None:
        what = "the regime finds the price of its limit"
        faults.append(Fault("--carbon-price", what, "leave it away, or state CarbonPrice"))
    given = collect(
        faults,
        lambda: gather(
            run.network, None, [regime], [price], run.offers, run.services, run.horizon, run.out,
            "-claims",
        ),
    )  # fmt: skip
    if faults or given is None or stated is None:
        raise InputError({str(fault): fault for fault in faults}.values())
    given, found = replace(given, case=uncalibrated(given.case)), stated

    def study(case: Any, regimes: Any, prices: Any, **options: Any) -> Claims:
        return claims_of(compare(case, regimes, prices, **options).runs[-1], found)

    result = compared(study, given, run.fresh, run.quiet, workers=run.workers, cluster=run.cluster)
    present(result.balance, claims_report(result), run, given.target)


def instruments(
    year: Annotated[
        int | None, typer.Option(help="those that exist in it", show_default=False)
    ] = None,
    file: Annotated[
        Path | None,
        typer.Option(help="YAML with more of them under `instruments`", show_default=False),
    ] = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,  # there is nothing to leave out
) -> None:
    """List instruments of energy and climate policy: since when, in which unit, for whom."""
    from powermkt.commands.claimstables import instrument_table
    from powermkt.commands.session import show
    from powermkt.common.files import load_yaml
    from powermkt.inputs import instruments as registry

    own = [] if file is None else registry.stated_instruments(load_yaml(file), str(file))
    table = registry.instruments(own) if year is None else registry.instruments_of(year, own)
    show(table.reset_index(), instrument_table(table, year), as_json)
