"""Time caps of every province over several weeks against clearing them without caps, in one run.

    python -m benchmarks.obligations [--weeks N] [--reduction SHARE] [--shortfall-price P] [--json]

Each province of China has to emit so much less than a full market without a carbon price emits
there; what is above is paid at the shortfall price, since some provinces cannot do it. Nobody
trades: as many prices are looked for as there are provinces. Seconds belong to one machine; the
command fails where cost and its lower bound are not as near as is asked for.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import pandas as pd

import powermkt as pm
from benchmarks.measure import show
from powermkt.system.horizon import Horizon, with_horizon

CHINA = Path(__file__).resolve().parents[1] / "networks" / "china"
GAP = 1e-4


def main() -> None:
    """Time both sides and print what it comes to."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.obligations")
    parser.add_argument("--network", type=Path, default=CHINA)
    parser.add_argument("--weeks", type=int, default=4)
    parser.add_argument("--reduction", type=float, default=0.03)
    parser.add_argument("--shortfall-price", type=float, default=300.0)
    parser.add_argument("--json", action="store_true", help="one JSON object on the last line")
    options = parser.parse_args()
    case = with_horizon(pm.read(options.network), Horizon(weeks=options.weeks))
    record = compared(case, options.reduction, options.shortfall_price)
    show(record, f"{case.name}: caps by province", options.json)
    if not record["gap_of_added"] <= GAP:
        sys.exit("cost and its lower bound are too far apart")


def compared(case: pm.Case, reduction: float, shortfall_price: float) -> dict[str, float]:
    """Return seconds of both sides, their ratio, and how well the prices are known."""
    free = pm.regime("full_market")
    begin = time.perf_counter()
    before = pm.clear(case, free)
    cleared = time.perf_counter() - begin
    emitted = _emitted(case, before)
    caps = {str(name): (1 - reduction) * value for name, value in emitted.items() if value > 0}
    rule = pm.rules.Obligation(
        name="co2", target=caps, tradable=False, shortfall_price=shortfall_price
    )
    begin = time.perf_counter()
    run = pm.clear(case, pm.Regime("caps", (*free.rules, rule)))
    capped = time.perf_counter() - begin
    assert run.obliged is not None
    lines = run.obliged.table
    return {
        "caps": len(caps),
        "bind": int((lines["price"] > 0).sum()),
        "short": int((lines["shortfall"] > 1e-6 * lines["target"]).sum()),
        "free_s": cleared,
        "caps_s": capped,
        "ratio_caps_to_free": capped / cleared,
        "rounds": run.obliged.rounds,
        "gap": run.obliged.gap,
        "gap_of_added": run.obliged.gap_of_added,
        "largest_price_error": float(
            (lines["price"] - lines["mixture_price"]).abs().max() / lines["price"].max()
        ),
        "cost_rise": run.objective / before.objective - 1,
    }


def _emitted(case: pm.Case, run: pm.Run) -> pd.Series:
    """Emissions by province over the horizon [t]."""
    energy = run.dispatch.mul(case.weights, axis="index").sum()
    table = case.generators
    return (energy * table["emission_rate"]).groupby(table["province"]).sum()


if __name__ == "__main__":
    main()
