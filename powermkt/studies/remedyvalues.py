"""What one more unit of each remedy for curtailment is worth: by dual and by difference.

By dual: the slope of resource cost and of curtailed energy at the optimum of the regime, all
remedies from one clearing. By difference: cleared again with the remedy at its size. Where every
rule minimises resource cost, no remedy makes it larger, and of branches, storage and boilers the
next unit saves at most what the one before did: the difference is at most the dual times the size.
A minimum output multiplies what is online, and nothing of the kind holds. Under other rules either
may have either sign. All is told as it comes out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from powermkt.analysis.clearall import clear_all, opened
from powermkt.analysis.remedyduals import read_slopes, unread
from powermkt.common.writing import write_results
from powermkt.engine.cells import CellStore
from powermkt.engine.regime import Regime, regime
from powermkt.engine.remedies import REMEDIES, chosen_remedies
from powermkt.engine.remedytypes import Remedy, RemedySettings, Slope
from powermkt.engine.scheduling import Progress, parts_of
from powermkt.errors import ClearingError, Fault, InputError, collected, in_one_line
from powermkt.inputs.case import Case
from powermkt.run import Run
from powermkt.studies.comparison import Comparison
from powermkt.system.horizon import Horizon, cut, with_horizon
from powermkt.system.seams import with_seams

# column -> (unit, meaning)
COLUMNS: dict[str, tuple[str, str]] = {
    "rank": ("", "1 is worth most, by dual where there is one"),
    "remedy": ("", "its kind"),
    "where": ("", "branch or province"),
    "unit": ("", "of its size"),
    "size": ("unit", "what was added: what was asked for, or all there can be"),
    "mwh_per_unit": ("MWh/unit", "curtailment that one more unit avoids in the horizon, by dual"),
    "money_per_unit": ("money/unit", "resource cost that one more unit saves, by dual"),
    "mwh_by_dual": ("MWh", "mwh_per_unit times size"),
    "mwh_by_difference": ("MWh", "curtailment without it less that with it, cleared again"),
    "money_by_dual": ("money", "money_per_unit times size"),
    "money_by_difference": ("money", "resource cost without it less that with it, cleared again"),
    "one_sided": ("", "True: limits meet at the optimum, and the dual holds for less or more at "
                      "most, perhaps for neither"),
}  # fmt: skip
RankBy = Literal["money", "mwh"]
DEFAULT_REMEDIES = tuple(REMEDIES)


@dataclass(frozen=True)
class RemedyValues:
    """What remedies are worth under one regime.

    Attributes
    ----------
    run : Run
        The regime without any.
    table : DataFrame
        One row for each remedy, the most valuable first; columns as in `remedyvalues.COLUMNS`.
        What was not cleared again has no difference; what cannot be read has no dual.
    failed : DataFrame
        Remedies that could not be cleared: remedy, where, message.
    settings : RemedySettings
    notes : list of str
    """

    run: Run
    table: pd.DataFrame
    failed: pd.DataFrame
    settings: RemedySettings
    notes: list[str] = field(default_factory=list)

    def __repr__(self) -> str:
        return (
            f"RemedyValues({self.run.case.name!r}, {self.run.regime.name!r}: "
            f"{len(self.table)} remedies)"
        )

    def __getitem__(self, column: str) -> pd.Series:
        """Column of `table`."""
        return self.table[column]

    def to_parquet(self, folder: str | Path) -> Path:
        """Write every table and the record into a folder, as `RemedyStudy`."""
        return RemedyStudy([self]).to_parquet(folder)


@dataclass(frozen=True)
class RemedyStudy:
    """Remedies under several regimes on one case."""

    found: list[RemedyValues]

    @property
    def notes(self) -> list[str]:
        """What could not be cleared or read, and what went wrong and was mended."""
        return [f"{item.run.regime.name}: {note}" for item in self.found for note in item.notes]

    @cached_property
    def tables(self) -> dict[str, pd.DataFrame]:
        """Every table by file name, with a column for the regime."""
        tables = {}
        for file, name in (("remedies", "table"), ("failed", "failed")):
            parts = [
                part.assign(regime=item.run.regime.name)[["regime", *part.columns]]
                for item in self.found
                if len(part := getattr(item, name)) or name == "table"
            ]
            if parts:
                tables[file] = pd.concat(parts, ignore_index=True)
        return tables

    def record(self) -> dict[str, object]:
        """What was run: windows, rules, versions, settings of remedies, notes."""
        runs = [item.run for item in self.found]
        record = Comparison(runs[0].case, runs, notes=self.notes).record()
        record["remedies"] = self.found[0].settings.model_dump()
        return record

    def to_parquet(self, folder: str | Path) -> Path:
        """Write every table as Parquet and CSV, and the record.

        Raises
        ------
        InputError, StorageError
            As `Comparison.to_parquet`.
        """
        return write_results(Path(folder), self.tables, self.record())


def value_remedies(
    case: Case,
    regime: str | Path | Regime,
    carbon_price: float | None = None,
    *,
    remedies: Sequence[str | Remedy] = DEFAULT_REMEDIES,
    where: Sequence[str] = (),
    size_mw: float = 1000.0,
    top: int = 3,
    rank_by: RankBy = "money",
    settings: RemedySettings | None = None,
    weeks: int | None = None,
    year: bool = False,
    look_ahead: float | None = None,
    start: str | None = None,
    days: int | None = None,
    workers: int | None = None,
    cluster: str | None = None,
    store: str | Path | CellStore | None = None,
    progress: Progress | None = None,
) -> RemedyValues:
    """Say what one more unit of each remedy is worth under a regime, by dual and by difference.

    Units that are committed stay so in duals: those are of the programme that is left.

    Parameters
    ----------
    case : Case
    regime : str, Path or Regime
        A preset's name, a YAML file, or a regime.
    carbon_price, weeks, year, look_ahead, start, days, workers, cluster, store
        As in `clear`. Duals are not stored: their clearing is repeated.
    remedies : sequence of str or Remedy
        Kinds (`remedies.REMEDIES`), or remedies of your own; default: all kinds.
    where : sequence of str, optional
        Provinces and branches; default: everywhere.
    size_mw : float, default 1000
        Size at which it is cleared again, in the unit of the remedy (MW, of storage hours MWh).
    top : int, default 3
        How many of each kind are cleared again, the best by dual; 0: all.
    rank_by : {"money", "mwh"}
        Resource cost saved, or curtailment avoided.
    settings : RemedySettings, optional
        What remedies are like.
    progress : callable, optional
        As in `compare`; a cell is a window that is read, or cleared with one remedy.

    Returns
    -------
    RemedyValues

    Raises
    ------
    InputError
        If the regime or the case lacks something, or a remedy or place is unknown; all at once.
    ClearingError
        If the regime itself cannot be cleared; remedies that cannot be are in `failed`.
    ExecutionError, StorageError
        As `clear`.
    """
    settings = settings or RemedySettings()
    horizon = Horizon(weeks, year, look_ahead, start, days)
    numbers = number_faults(size_mw, top, rank_by)
    part, item, chosen = _given(
        case, regime, carbon_price, remedies, where, settings, horizon, numbers
    )
    total = len(part.windows) * (2 + sum(_counts(chosen, top).values()))
    done = 0

    def report(more: int, what: str) -> None:
        if progress is not None:
            progress(done + more, total, what)

    def cleared(changed: Case, other: Regime, what: str = "as it stands") -> tuple[Run, list[str]]:
        runs, said = clear_all(
            changed, [(other, carbon_price)], workers,
            lambda now, _, label: report(now, f"{label}, {what}"), False, cluster, kept,
        )  # fmt: skip
        return runs[0], said

    failed: list[dict[str, str]] = []
    with opened(store) as kept:
        run, notes = cleared(part, item)
        done += len(part.windows)
        why = unread(part, item, carbon_price)
        slopes: list[Slope | None] = [None] * len(chosen)
        if why:
            notes.append(f"no duals: {why}")
        elif chosen:
            slopes, more = read_slopes(part, item, carbon_price, chosen, workers, cluster, report)
            notes += more
        done += len(part.windows)
        table = _by_dual(chosen, slopes, size_mw)
        order = _ordered(table, rank_by)
        for i in _best(chosen, order, top):
            remedy = chosen[i]
            try:
                changed, other = remedy.apply(part, item, float(table["size"][i]))
                after, said = cleared(changed, other, remedy.label)
                notes += said
                table.loc[i, "money_by_difference"] = run.objective - after.objective
                table.loc[i, "mwh_by_difference"] = _unused(run) - _unused(after)
            except (ClearingError, InputError) as error:
                row = {"remedy": remedy.name, "where": remedy.where, "message": in_one_line(error)}
                failed.append(row)
                notes.append(f"{remedy.label} could not be cleared: {row['message']}")
            done += len(part.windows)
    if _unused(run) < 1e-3:
        notes.append(f"nothing is curtailed under {item.name}")
    if not chosen:
        notes.append("there is nothing of the kinds asked for")
    ranked = table.loc[_ordered(table, rank_by)]
    ranked["rank"] = np.arange(1, len(ranked) + 1)
    return RemedyValues(
        run,
        ranked.reset_index(drop=True)[list(COLUMNS)],
        pd.DataFrame(failed, columns=["remedy", "where", "message"]),
        settings,
        list(dict.fromkeys(notes)),
    )


def remedies_by_regime(
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
) -> RemedyStudy:
    """Value remedies under several regimes; parameters as of `value_remedies`."""
    part = with_horizon(case, Horizon(weeks, year, look_ahead, start, days))  # planned once
    told = zip(regimes, parts_of(options.pop("progress", None), len(regimes)), strict=True)
    return RemedyStudy(
        [value_remedies(part, r, carbon_price, progress=p, **options) for r, p in told]
    )


def number_faults(size: float, top: int, rank_by: str) -> list[Fault]:
    """Say what of a size, a number and an order is none."""
    found = []
    if not (np.isfinite(size) and size > 0):
        found.append(Fault("size_mw", f"{size} is no size", "give a number of MW above 0"))
    if top < 0:
        found.append(Fault("top", f"{top} is below 0", "give a number, 0 for all"))
    if rank_by not in ("money", "mwh"):
        found.append(Fault("rank_by", f"unknown {rank_by!r}", "take money or mwh"))
    return found


def _given(
    case: Case,
    name: str | Path | Regime,
    carbon_price: float | None,
    remedies: Sequence[str | Remedy],
    where: Sequence[str],
    settings: RemedySettings,
    horizon: Horizon,
    faults: list[Fault],
) -> tuple[Case, Regime, list[Remedy]]:
    """Check what was given, all faults at once, and cut the case to its windows."""
    part, item, chosen = case, None, None
    with collected(faults):
        part = cut(case, horizon)
    with collected(faults):
        item = regime(name)
        if carbon_price is not None:
            item.at(carbon_price)
        faults += item.faults(part)
    with collected(faults):
        chosen = chosen_remedies(part, remedies, settings, where)
    if faults or item is None or chosen is None:
        raise InputError(faults)
    return with_seams(part) if horizon.year else part, item, chosen


def _by_dual(remedies: list[Remedy], slopes: list[Slope | None], size: float) -> pd.DataFrame:
    rows = []
    for remedy, slope in zip(remedies, slopes, strict=True):
        taken = min(size, remedy.most)
        mwh = np.nan if slope is None else 0.0 - slope.curtailed
        money = np.nan if slope is None else 0.0 - slope.cost
        rows.append(
            {
                "remedy": remedy.name, "where": remedy.where, "unit": remedy.unit, "size": taken,
                "mwh_per_unit": mwh, "money_per_unit": money,
                "mwh_by_dual": mwh * taken, "money_by_dual": money * taken,
                "mwh_by_difference": np.nan, "money_by_difference": np.nan,
                "one_sided": slope is not None and slope.loose,
            }
        )  # fmt: skip
    return pd.DataFrame(rows, columns=[name for name in COLUMNS if name != "rank"])


def _ordered(table: pd.DataFrame, rank_by: RankBy) -> list[int]:
    """Labels of the rows, the best first: by dual, where there is none by difference."""
    worth = table[f"{rank_by}_by_dual"].fillna(table[f"{rank_by}_by_difference"])
    return [int(i) for i in np.argsort(-worth.astype(float).to_numpy(), kind="stable")]


def _counts(remedies: Sequence[Remedy], top: int) -> dict[str, int]:
    """How many of each kind are cleared again."""
    kinds = pd.Series([remedy.name for remedy in remedies], dtype=object).value_counts()
    return {str(kind): int(count if top == 0 else min(top, count)) for kind, count in kinds.items()}


def _best(remedies: Sequence[Remedy], order: list[int], top: int) -> list[int]:
    left = _counts(remedies, top)
    found = []
    for i in order:
        if left[remedies[i].name]:
            left[remedies[i].name] -= 1
            found.append(i)
    return found


def _unused(run: Run) -> float:
    return float(run.curtailment["curtailment_mwh"].sum())
