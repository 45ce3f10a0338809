"""The command `risk`: the same regimes in many weather years."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from powermkt.commands.options import RegimesOption, RunOptions, with_run_options


@with_run_options
def risk(
    run: RunOptions,
    weather: Annotated[
        Path, typer.Option(help="folder with a folder of series for each year", show_default=False)
    ],
    regime: RegimesOption = None,
    carbon_price: Annotated[float, typer.Option(help="money/t")] = 0.0,
    confidence: Annotated[
        float, typer.Option(help="of value at risk and conditional value at risk")
    ] = 0.95,
) -> None:
    """Clear regimes in many weather years: what renewables earn and users pay, and how surely."""
    from powermkt.commands.risktables import risk_report
    from powermkt.commands.session import compared, gather, present
    from powermkt.studies.riskstudy import RISK_REGIMES, WeatherRisk, weather_risk

    given = gather(
        run.network, None, regime or list(RISK_REGIMES), [carbon_price], run.offers, run.services,
        run.horizon, run.out, "-risk",
    )  # fmt: skip

    def study(case: Any, regimes: Any, prices: Any, **options: Any) -> WeatherRisk:
        return weather_risk(case, weather, regimes, prices[0], confidence=confidence, **options)

    result = compared(study, given, run.fresh, run.quiet, workers=run.workers, cluster=run.cluster)
    present(result.risk, risk_report(result), run, given.target)
