"""What flexible demand changes: a run with it beside the run of the same rules without it."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd

from powermkt.analysis.passthrough import NATION
from powermkt.common.values import HOURS_A_YEAR, NOISE_MW
from powermkt.engine.regime import Regime
from powermkt.rules import DemandRule
from powermkt.run import Run

# column -> (unit, meaning)
DEMAND_EFFECTS: dict[str, tuple[str, str]] = {
    "regime": ("", "name of the regime with flexible demand"),
    "carbon_price": ("money/t", "carbon price tau"),
    "province": ("", f"{NATION!r} is all of them"),
    "energy_mwh": ("MWh/a", "load served without it"),
    "raised_mwh": ("MWh/a", "more load in hours in which there is more"),
    "lowered_mwh": ("MWh/a", "less load in hours in which there is less"),
    "peak_mw": ("MW", "highest load served without it"),
    "peak_change_mw": ("MW", "change of the highest load"),
    "bill": ("money/a", "what users whose load changes pay without it"),
    "bill_change": ("money/a", "change of that"),
    "curtailment_change_mwh": ("MWh/a", "change of curtailment"),
    "cost_change": (
        "money/a",
        "change of resource cost, of all provinces alone; what users give up is in it",
    ),
}


def without_demand(regime: Regime) -> Regime | None:
    """Return the regime without rules by which users react; None where it has none."""
    rules = tuple(rule for rule in regime.rules if not isinstance(rule, DemandRule))
    if len(rules) == len(regime.rules):
        return None
    return replace(regime, name=f"{regime.name}, rigid", rules=rules)


def demand_effects(before: Run, run: Run) -> pd.DataFrame:
    """Set a run beside one without flexible demand.

    Parameters
    ----------
    before, run : Run
        At one carbon price, on the same network and horizon.

    Returns
    -------
    DataFrame
        Columns as in `DEMAND_EFFECTS`, all provinces first. Users whose load is the same in both
        are in no bill.
    """
    case = run.case
    a_year = HOURS_A_YEAR / float(case.weights.sum())
    served = [item.outcome.served(item.case) for item in (before, run)]
    change = served[1] - served[0]
    change = change.where(change.abs() > NOISE_MW, 0.0)
    moved = change.columns[(change != 0).any()]
    bills = [-a_year * item.accounts["receipts"].reindex(moved) for item in (before, run)]
    lost = [
        a_year * item.curtailment.groupby("province")["curtailment_mwh"].sum()
        for item in (before, run)
    ]
    less = lost[1].sub(lost[0], fill_value=0.0)
    rows = []
    for place in (NATION, *case.provinces.unique()):
        everywhere = place == NATION
        loads = case.loads.index[everywhere | (case.loads["province"] == place)]
        flexible = moved.intersection(loads)
        peaks = [frame[loads].sum(axis=1).max() for frame in served]
        hourly = change[loads].mul(a_year * case.weights, axis="index")
        there = less if everywhere else less.reindex([place])
        paid = [float(bill[flexible].sum()) for bill in bills]
        rows.append(
            {
                "regime": run.regime.name,
                "carbon_price": run.carbon_price,
                "province": place,
                "energy_mwh": a_year * served[0][loads].mul(case.weights, axis="index").sum().sum(),
                "raised_mwh": hourly.clip(lower=0.0).sum().sum(),
                "lowered_mwh": (-hourly).clip(lower=0.0).sum().sum(),
                "peak_mw": peaks[0],
                "peak_change_mw": peaks[1] - peaks[0],
                "bill": paid[0],
                "bill_change": paid[1] - paid[0],
                "curtailment_change_mwh": there.sum(),
                "cost_change": a_year * (run.objective - before.objective)
                if everywhere
                else float("nan"),
            }
        )
    return pd.DataFrame(rows)[list(DEMAND_EFFECTS)]
