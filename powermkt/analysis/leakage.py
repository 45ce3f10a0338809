"""Where emissions change when only some provinces have a carbon price, on paired runs."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from powermkt.run import Run

# column -> (unit, meaning)
COLUMNS: dict[str, tuple[str, str]] = {
    "regime": ("", "name of the regime"),
    "carbon_price": ("money/t", "carbon price tau"),
    "priced_change_t": ("t", "change of emissions in provinces that have the carbon price"),
    "elsewhere_change_t": ("t", "change of emissions in the other provinces"),
    "leakage_rate": (
        "1",
        "- change elsewhere / change in priced provinces; empty where nothing changes there",
    ),
}
_NOISE = 1e-9  # of all emissions: what is smaller is no change


def leakage_of(runs: Sequence[Run]) -> pd.DataFrame:
    """Leakage of each run against the run of its regime at the lowest carbon price.

    Parameters
    ----------
    runs : sequence of Run
        On the same case. Only regimes whose carbon price leaves provinces out give rows.

    Returns
    -------
    DataFrame
        Columns as in `COLUMNS`.
    """
    by_regime: dict[str, list[Run]] = {}
    for run in runs:
        carbon = run.regime.carbon
        if carbon is not None and (carbon.multiples(run.case) == 0).any():
            by_regime.setdefault(run.regime.name, []).append(run)
    rows = []
    for members in by_regime.values():
        ordered = sorted(members, key=lambda run: run.carbon_price)
        base = _emissions(ordered[0])
        for run in ordered[1:]:
            inside, outside = (now - then for now, then in zip(_emissions(run), base, strict=True))
            changed = abs(inside) > _NOISE * sum(base)
            rate = -outside / inside if changed else float("nan")
            rows.append((run.regime.name, run.carbon_price, inside, outside, rate))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _emissions(run: Run) -> tuple[float, float]:
    """Emissions of the provinces that have the carbon price, and of the others [t]."""
    assert run.regime.carbon is not None
    multiple = run.regime.carbon.multiples(run.case)
    total = run.generation.groupby("province")["emissions_t"].sum()
    total = total.reindex(multiple.index, fill_value=0.0)
    inside = multiple > 0
    return float(total[inside].sum()), float(total[~inside].sum())
