"""Derive a framework schedule of the ties where a network brings none."""

from __future__ import annotations

import pandas as pd

from powermkt.analysis.clearall import clear_all
from powermkt.engine.regime import Regime
from powermkt.engine.scheduling import Progress
from powermkt.inputs.case import Case
from powermkt.rules import BenchmarkTariff, FlatBlocks, MeritOrder
from powermkt.rules.trade import block_snapshots
from powermkt.system.horizon import typical_months
from powermkt.system.slack import EXCESS_COST, UNSERVED_COST

# By cost: a plan is made before anybody offers.
PLANNING = Regime("framework plan", (MeritOrder(offers="cost"), FlatBlocks(), BenchmarkTariff()))


def plan_table(
    case: Case, workers: int | None = None, progress: Progress | None = None
) -> pd.DataFrame:
    """Plan the flow of each corridor by least cost, one value per month and block.

    Each calendar month is cleared on one typical week (chosen and scaled as in
    `horizon.representative_weeks`) at least resource cost plus wheeling fees, with fleet
    commitment and must-run, under the condition that a corridor carries one flow in all peak hours
    (8 to 21 of every day) and one in all others: contracts are concluded for blocks. A case
    shorter than two weeks, or without regular times, is planned as one window.

    Returns
    -------
    DataFrame
        Columns link, month (1 to 12, or 0 for one window), block ("peak", "offpeak"), p_set_mw.
    """
    index = case.snapshots
    by_month = isinstance(index, pd.DatetimeIndex) and index[-1] - index[0] > pd.Timedelta(days=13)
    part = typical_months(case) if by_month else case
    (run,), _ = clear_all(_elastic(part), [(PLANNING, 0.0)], workers, progress)
    rows = []
    for snapshots in part.windows.values():
        month = snapshots[0].month if by_month else 0
        for block, hours in block_snapshots(snapshots).items():
            if len(hours):
                flow = run.flows.loc[hours[0], part.corridors.index]
                rows.append(
                    pd.DataFrame(
                        {
                            "link": flow.index,
                            "month": month,
                            "block": block,
                            "p_set_mw": flow.to_numpy(),
                        }
                    )
                )
    return pd.concat(rows, ignore_index=True)


def _elastic(case: Case) -> Case:
    """Let a plan leave small shortages and excesses in single hours to dispatch."""
    slack = {
        "value_of_lost_load": case.market.value_of_lost_load or UNSERVED_COST,
        "price_of_excess": case.market.price_of_excess or EXCESS_COST,
    }
    return case.with_market(case.market.model_copy(update=slack))


def schedule_from(table: pd.DataFrame, index: pd.Index) -> pd.DataFrame:
    """Spread a plan over snapshots: [snapshot x link] in MW."""
    parts = []
    for block, snapshots in block_snapshots(index).items():
        wide = table[table["block"] == block].pivot_table(
            index="month", columns="link", values="p_set_mw", sort=False
        )
        if len(snapshots) == 0 or wide.empty:
            continue
        one_window = wide.index.tolist() == [0]
        months = [0] * len(snapshots) if one_window else pd.DatetimeIndex(snapshots).month
        # A month too short to be planned takes the nearest one.
        wide = wide.sort_index().reindex(pd.Index(sorted({*months, *wide.index})), method="nearest")
        parts.append(wide.loc[months].set_axis(snapshots, axis="index"))
    return pd.concat(parts).reindex(index)


def plan_schedule(case: Case, workers: int | None = None, progress: Progress | None = None) -> Case:
    """Return the case with a framework schedule planned by least cost, as `plan_table`."""
    if case.corridors.empty:
        return case
    return case.with_schedule(schedule_from(plan_table(case, workers, progress), case.snapshots))
