"""Which two runs are compared where the effect of a carbon price is asked for."""

from __future__ import annotations

from collections.abc import Iterable

from powermkt.run import Run


def against_lowest(runs: Iterable[Run]) -> list[tuple[Run, Run]]:
    """Pair each run with the run of its regime at the lowest carbon price, which comes first.

    In the order of regimes, then of carbon prices; the runs at the lowest price make no pair.
    """
    by_regime: dict[str, list[Run]] = {}
    for run in runs:
        by_regime.setdefault(run.regime.name, []).append(run)
    pairs = []
    for members in by_regime.values():
        base, *others = sorted(members, key=lambda run: run.carbon_price)
        pairs += [(base, run) for run in others]
    return pairs
