"""Why energy is curtailed: shares of causes that add up to what is curtailed.

With v(S) what is curtailed while the causes in S are relaxed, cause i has the share

    sum over S without i of |S|! (n - |S| - 1)! / n! (v(S) - v(S + i))

of n causes (Shapley 1953, doi:10.1515/9781400881970-018): what relaxing it avoids, averaged over
all orders of relaxing. Shares and `SURPLUS`, what is curtailed with everything relaxed, add up to
what is curtailed, in every province, carrier and month. A share below 0 says that without the cause
more would be curtailed there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from powermkt.analysis.clearall import opened
from powermkt.analysis.counterfactuals import (
    GROUP,
    Counterfactuals,
    clear_counterfactuals,
    kinds_of,
)
from powermkt.common.writing import write_results
from powermkt.engine.causes import DEFAULT_CAUSES, Cause, chosen_causes
from powermkt.engine.cells import CellStore
from powermkt.engine.regime import Regime, regime
from powermkt.engine.scheduling import Progress, parts_of
from powermkt.errors import Fault, InputError, collected
from powermkt.inputs.case import Case
from powermkt.methods.shapley import interaction_index, shapley_bounds, shapley_values
from powermkt.report.causesfigure import figure_of
from powermkt.run import Run
from powermkt.studies.comparison import Comparison
from powermkt.system.horizon import Horizon, cut, with_horizon
from powermkt.system.seams import with_seams

SURPLUS = "surplus"
_LITTLE_MWH = 1e-3

# column -> (unit, meaning)
COLUMNS: dict[str, tuple[str, str]] = {
    "cause": ("", "name of the cause, or `surplus`: curtailed with all causes relaxed"),
    "province": ("", "province of the plant"),
    "carrier": ("", "carrier of the plant"),
    "month": ("", "calendar month of the snapshots; `horizon` where they are no times; `all` of "
                  "them where ranges are given, which hold for all windows together"),
    "mwh": ("MWh", "share of the cause in what is curtailed (Shapley value)"),
    "low": ("MWh", "least share over all optima of all clearings; empty unless asked for"),
    "high": ("MWh", "largest such share"),
    "total": ("MWh", "what is curtailed of the province, carrier and month, all causes"),
}  # fmt: skip
INTERACTIONS: dict[str, tuple[str, str]] = {
    "cause": ("", "name of a cause"),
    "other": ("", "name of another"),
    "province": ("", "as in the table of causes"),
    "carrier": ("", "likewise"),
    "month": ("", "likewise"),
    "mwh": ("MWh", "what relaxing both avoids beyond what each avoids alone (Shapley interaction "
                   "index); above 0: both are needed, below 0: one would do"),
}  # fmt: skip


@dataclass(frozen=True)
class Explanation:
    """Why energy is curtailed under one regime.

    Attributes
    ----------
    run : Run
        The regime as it is.
    causes : list of Cause
        Those with shares; fewer than were asked for where a combination could not be cleared.
    table : DataFrame
        One row for each cause, province, carrier and month; columns as in `explain.COLUMNS`.
    interactions : DataFrame or None
        One row for each pair of causes; columns as in `explain.INTERACTIONS`.
    combinations : DataFrame
        What each combination of relaxed causes comes to: relaxed (names, joined by " + "), cost
        and `minimised` (cost, fees, what offers add, ranks) [money], emissions_t, load_shed_mwh,
        excess_mwh, and what is curtailed: wind_mwh, solar_mwh, hydro_mwh, curtailment_mwh. Cost is
        only to be set beside that of the same rule of dispatch.
    failed : DataFrame
        Combinations that could not be cleared: relaxed, message.
    notes : list of str
    """

    run: Run
    causes: list[Cause]
    table: pd.DataFrame
    interactions: pd.DataFrame | None
    combinations: pd.DataFrame
    failed: pd.DataFrame
    notes: list[str] = field(default_factory=list)

    def __repr__(self) -> str:
        total = self.by_cause["total"].sum()
        return (
            f"Explanation({self.run.case.name!r}, {self.run.regime.name!r}: {total:,.0f} MWh by "
            f"{', '.join(cause.name for cause in self.causes) or 'no cause'})"
        )

    def __getitem__(self, column: str) -> pd.Series:
        """Column of `table`."""
        return self.table[column]

    @cached_property
    def by_cause(self) -> pd.DataFrame:
        """Shares of all provinces, [cause] by wind, solar, hydro and total [MWh], and share [1].

        With ranges, low and high of the total as well: the sums of those by province and carrier,
        which may be wider than need be.
        """
        kinds = self.table.assign(kind=self.table["carrier"].map(kinds_of(self.run.case)))
        wide = kinds.pivot_table("mwh", "cause", "kind", aggfunc="sum", sort=False, observed=True)
        wide = wide.reindex(columns=["wind", "solar", "hydro"]).fillna(0.0)
        wide["total"] = wide.sum(axis=1)
        whole = wide["total"].sum()
        wide["share"] = wide["total"] / whole if whole > _LITTLE_MWH else 0.0
        if self.table["low"].notna().any():
            ends = self.table.groupby("cause", sort=False)[["low", "high"]].sum()
            wide = wide.join(ends)
        return wide.rename_axis(columns=None)

    @cached_property
    def by_province(self) -> pd.DataFrame:
        """Shares by [province], most curtailed first; a column for each cause and total [MWh]."""
        wide = self.table.pivot_table("mwh", "province", "cause", aggfunc="sum", sort=False)
        wide = wide.rename_axis(columns=None)
        wide["total"] = wide.sum(axis=1)
        return wide.sort_values("total", ascending=False, kind="stable")

    def figure(self) -> Any:
        """Stacked causes by province, as a plotly figure."""
        return figure_of({self.run.regime.name: self.by_province})

    def to_parquet(self, folder: str | Path) -> Path:
        """Write every table, the record and the figure into a folder, as `ExplanationStudy`."""
        return ExplanationStudy([self]).to_parquet(folder)


@dataclass(frozen=True)
class ExplanationStudy:
    """Explanations of several regimes on one case."""

    explanations: list[Explanation]

    @property
    def notes(self) -> list[str]:
        """What could not be cleared, and what went wrong and was mended."""
        return [
            f"{item.run.regime.name}: {note}" for item in self.explanations for note in item.notes
        ]

    @cached_property
    def tables(self) -> dict[str, pd.DataFrame]:
        """Every table by file name, with a column for the regime."""
        names = ("table", "interactions", "combinations", "failed")
        found = {}
        for name, file in zip(names, ("causes", *names[1:]), strict=True):
            parts = [
                part.assign(regime=item.run.regime.name)[["regime", *part.columns]]
                for item in self.explanations
                if (part := getattr(item, name)) is not None and (len(part) or name == "table")
            ]
            if parts:
                found[file] = pd.concat(parts, ignore_index=True)
        return found

    def figure(self) -> Any:
        """Stacked causes by province, one panel a regime, as a plotly figure."""
        return figure_of({item.run.regime.name: item.by_province for item in self.explanations})

    def record(self) -> dict[str, object]:
        """What was run: windows, rules, versions, causes, notes."""
        runs = [item.run for item in self.explanations]
        record = Comparison(runs[0].case, runs, notes=self.notes).record()
        record["causes"] = {
            item.run.regime.name: {cause.name: cause.meaning for cause in item.causes}
            for item in self.explanations
        }
        return record

    def to_parquet(self, folder: str | Path) -> Path:
        """Write every table as Parquet and CSV, the record, and the figure as `causes.html`.

        Raises
        ------
        InputError, StorageError
            As `Comparison.to_parquet`.
        """
        page = self.figure().to_html(include_plotlyjs=True)
        return write_results(Path(folder), self.tables, self.record(), {"causes.html": page})


def explain_curtailment(
    case: Case,
    regime: str | Path | Regime,
    carbon_price: float | None = None,
    *,
    causes: Sequence[str | Cause] = DEFAULT_CAUSES,
    interactions: bool = False,
    ranges: bool = False,
    weeks: int | None = None,
    year: bool = False,
    look_ahead: float | None = None,
    start: str | None = None,
    days: int | None = None,
    workers: int | None = None,
    cluster: str | None = None,
    store: str | Path | CellStore | None = None,
    progress: Progress | None = None,
) -> Explanation:
    """Share out what is curtailed under a regime among its causes.

    All 2**n combinations of n causes are cleared, combinations with the same input once.

    Parameters
    ----------
    case : Case
    regime : str, Path or Regime
        A preset's name, a YAML file, or a regime.
    carbon_price, weeks, year, look_ahead, start, days, workers, cluster, store
        As in `clear`.
    causes : sequence of str or Cause
        Names of built-in causes (`causes.CAUSES`), or causes of your own, which are relaxed in
        this order; default: flexibility, network, barrier, dispatch_rule.
    interactions : bool, default False
        Also give what pairs of causes avoid together beyond what each avoids alone.
    ranges : bool, default False
        Clear with ranges of curtailment, and give the least and largest share of every cause, each
        for itself, over all optima.
    progress : callable, optional
        As in `compare`; a cell is one combination in one window.

    Returns
    -------
    Explanation

    Raises
    ------
    InputError
        If the regime or the case lacks something, a cause is unknown, or nothing can be curtailed.
    ClearingError
        If the regime itself cannot be cleared; counterfactuals that cannot are in `failed`.
    ExecutionError, StorageError
        As `clear`.
    """
    part, item, chosen = _given(
        case, regime, carbon_price, causes, Horizon(weeks, year, look_ahead, start, days)
    )
    with opened(store) as kept:
        found = clear_counterfactuals(
            part, item, carbon_price, chosen,
            ranges=ranges, workers=workers, cluster=cluster, store=kept, progress=progress,
        )  # fmt: skip
    return _explained(found, interactions)


def explain_regimes(
    case: Case,
    regimes: Sequence[str | Path | Regime],
    carbon_price: float | None = None,
    *,
    weeks: int | None = None,
    year: bool = False,
    look_ahead: float | None = None,
    start: str | None = None,
    days: int | None = None,
    **options: Any,
) -> ExplanationStudy:
    """Explain curtailment under several regimes; parameters as of `explain_curtailment`."""
    names = [regime(item).name for item in regimes]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise InputError(Fault(f"regime {n!r}", "given twice", "rename one of them") for n in twice)
    part = with_horizon(case, Horizon(weeks, year, look_ahead, start, days))  # planned once
    told = zip(regimes, parts_of(options.pop("progress", None), len(names)), strict=True)
    return ExplanationStudy(
        [explain_curtailment(part, r, carbon_price, progress=p, **options) for r, p in told]
    )


def _given(
    case: Case,
    name: str | Path | Regime,
    carbon_price: float | None,
    causes: Sequence[str | Cause],
    horizon: Horizon,
) -> tuple[Case, Regime, list[Cause]]:
    """Check what was given, all faults at once, and cut the case to its windows."""
    faults: list[Fault] = []
    part, item, chosen = case, None, None
    with collected(faults):
        item = regime(name)
        if carbon_price is not None:
            item.at(carbon_price)
    with collected(faults):
        chosen = chosen_causes(causes)
    with collected(faults):
        part = cut(case, horizon)
    faults += [] if item is None else item.faults(part)
    carriers = kinds_of(part)
    present = {*part.generators["carrier"], *part.storage_units["carrier"]}
    if not present & carriers.keys():
        remedy = "name its carriers under `carriers` in market.yaml: wind, solar, hydro"
        faults.append(Fault(part.name, "has no wind, solar or hydro to be curtailed", remedy))
    if faults or item is None or chosen is None:
        raise InputError(faults)
    return with_seams(part) if horizon.year else part, item, chosen


def _explained(found: Counterfactuals, interactions: bool) -> Explanation:
    players = found.complete()
    notes = [*found.notes, *_failures(found, players)]
    run = found.base
    notes += [] if run.obliged is None else run.obliged.notes
    causes = [found.causes[i] for i in players or []]
    table, pairs = pd.DataFrame(columns=list(COLUMNS)), None
    if players is not None:
        groups, game = found.game(players)
        table = _shares(groups, game, [cause.name for cause in causes])
        if interactions:
            pairs = _pairs(groups, game, [cause.name for cause in causes])
        if game[0, :, 0].sum() <= _LITTLE_MWH:
            notes.append(f"nothing is curtailed under {run.regime.name}")
    failed = pd.DataFrame(
        [{"relaxed": found.label(number), "message": said}
         for number, said in sorted(found.failed.items())],
        columns=["relaxed", "message"],
    )  # fmt: skip
    return Explanation(run, causes, table, pairs, _combinations(found), failed, notes)


def _shares(groups: pd.MultiIndex, game: np.ndarray, names: list[str]) -> pd.DataFrame:
    """Rows of the table of causes; what is curtailed is a burden: its worth is negative."""
    values, low, high = np.moveaxis(game, -1, 0)
    least, most = shapley_bounds(-high, -low)
    share = np.concatenate([shapley_values(-values), values[-1:]])
    least, most = np.concatenate([least, low[-1:]]), np.concatenate([most, high[-1:]])
    parts = [
        groups.to_frame(index=False).assign(
            cause=name, mwh=share[i], low=least[i], high=most[i], total=values[0]
        )
        for i, name in enumerate([*names, SURPLUS])
    ]
    return pd.concat(parts, ignore_index=True)[list(COLUMNS)]


def _pairs(groups: pd.MultiIndex, game: np.ndarray, names: list[str]) -> pd.DataFrame:
    index = interaction_index(-game[..., 0])
    parts = [
        groups.to_frame(index=False).assign(cause=names[i], other=names[j], mwh=index[i, j])
        for i in range(len(names))
        for j in range(i + 1, len(names))
    ]
    if not parts:
        return pd.DataFrame(columns=list(INTERACTIONS))
    return pd.concat(parts, ignore_index=True)[list(INTERACTIONS)]


def _combinations(found: Counterfactuals) -> pd.DataFrame:
    """What every combination that was cleared comes to."""
    kinds = kinds_of(found.base.case)
    rows = []
    for number in sorted(found.totals):
        lost = found.curtailed[number]["mwh"]
        by_kind = lost.groupby(lost.index.get_level_values(GROUP[1]).map(kinds)).sum()
        rows.append(
            {
                "relaxed": found.label(number),
                **found.totals[number],
                **{f"{kind}_mwh": by_kind.get(kind, 0.0) for kind in ("wind", "solar", "hydro")},
                "curtailment_mwh": lost.sum(),
            }
        )
    return pd.DataFrame(rows)


def _failures(found: Counterfactuals, players: list[int] | None) -> list[str]:
    """Say what could not be cleared, and what that leaves unsaid."""
    if not found.failed:
        return []
    first = min(found.failed)
    notes = [
        f"{len(found.failed)} of {1 << len(found.causes)} combinations could not be cleared, the "
        f"first with {found.label(first)} relaxed: {found.failed[first]}"
    ]
    if players is None:
        notes.append("no cause is in all of them: no shares can be given")
        return notes
    left = [cause.name for i, cause in enumerate(found.causes) if i not in players]
    return [*notes, f"shares are given without {', '.join(left)}, which is then never relaxed"]
