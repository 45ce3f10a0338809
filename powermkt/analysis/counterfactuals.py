"""Clear a case with every combination of causes relaxed, and measure what is curtailed."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from powermkt.analysis.clearall import clear_all
from powermkt.engine.causes import Cause
from powermkt.engine.cells import CellStore, Keys
from powermkt.engine.regime import Regime
from powermkt.engine.scheduling import Progress
from powermkt.errors import ClearingError, InputError, in_one_line
from powermkt.inputs.case import Case
from powermkt.inputs.periods import months_of
from powermkt.run import Run

GROUP = ["province", "carrier", "month"]
ALL_MONTHS = "all"  # where ranges are asked for, which hold for all windows together


@dataclass
class Counterfactuals:
    """What was curtailed in every combination; bit i of its number says that cause i was relaxed.

    Attributes
    ----------
    causes : list of Cause
    curtailed : dict of int to DataFrame
        By combination, [(province, carrier, month)] with columns mwh, low, high; low and high are
        the range over all optima, NaN where that was not asked for.
    totals : dict of int to dict
        By combination: cost, minimised [money], emissions_t, load_shed_mwh, excess_mwh.
    failed : dict of int to str
        Combinations that could not be cleared, and why.
    base : Run
        Nothing relaxed.
    notes : list of str
    """

    causes: list[Cause]
    base: Run
    curtailed: dict[int, pd.DataFrame] = field(default_factory=dict)
    totals: dict[int, dict[str, float]] = field(default_factory=dict)
    failed: dict[int, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def label(self, combination: int) -> str:
        """Names of the causes that are relaxed in a combination."""
        names = [cause.name for i, cause in enumerate(self.causes) if combination >> i & 1]
        return " + ".join(names) or "nothing"

    def complete(self) -> list[int] | None:
        """Numbers of the causes among which every combination was cleared, the most of them.

        Without failures all. Else one cause that all failures contain is left out, the last of
        them; None where there is no such cause.
        """
        kept = list(range(len(self.causes)))
        if not self.failed:
            return kept
        common = [i for i in kept if all(combination >> i & 1 for combination in self.failed)]
        return [i for i in kept if i != common[-1]] if common else None

    def game(self, players: Sequence[int]) -> tuple[pd.MultiIndex, np.ndarray]:
        """Return groups, and what is curtailed of each in every combination of some causes.

        Returns
        -------
        MultiIndex [group]
            Province, carrier, month.
        ndarray [2**n, group, 3], MWh
            Bit i of a combination is the i-th of `players`; mwh, low, high.
        """
        numbers = [
            sum(1 << cause for bit, cause in enumerate(players) if combination >> bit & 1)
            for combination in range(1 << len(players))
        ]
        frames = [self.curtailed[number] for number in numbers]
        groups = frames[0].index
        for frame in frames[1:]:
            groups = groups.union(frame.index, sort=False)
        assert isinstance(groups, pd.MultiIndex)
        # Where a counterfactual has nothing available of a group, nothing of it is curtailed.
        order = [frame.reindex(groups, fill_value=0.0).to_numpy() for frame in frames]
        return groups, np.stack(order)


def kinds_of(case: Case) -> dict[str, str]:
    """Wind, solar or hydro for each carrier that can be curtailed."""
    return {
        carrier: kind
        for kind in ("wind", "solar", "hydro")
        for carrier in getattr(case.carriers, kind) or []
    }


def clear_counterfactuals(
    case: Case,
    regime: Regime,
    carbon_price: float | None,
    causes: Sequence[Cause],
    *,
    ranges: bool = False,
    workers: int | None = None,
    cluster: str | None = None,
    store: CellStore | None = None,
    progress: Progress | None = None,
) -> Counterfactuals:
    """Clear every combination of causes; those with the same input are cleared once.

    Parameters
    ----------
    case : Case
        With the windows to clear.
    regime : Regime
    carbon_price : float, optional
        As in `clear_all`.
    causes : sequence of Cause
    ranges, workers, cluster, store, progress
        As in `clear_all`; progress counts the cells of all combinations.

    Raises
    ------
    InputError, ClearingError
        If the regime cannot be cleared with nothing relaxed; what else cannot be is kept.
    ExecutionError, StorageError
        As `clear_all`.
    """
    failed: dict[int, str] = {}
    with warnings.catch_warnings():
        # PyPSA announces its next string type at every copy.
        warnings.simplefilter("ignore", FutureWarning)
        batches = _batches(case, regime, carbon_price, causes, ranges, failed)
    total = sum(len(batch.members) for batch in batches) * len(case.windows)
    result: Counterfactuals | None = None
    notes: list[str] = []
    done = 0
    for batch in batches:
        items = list(batch.members.values())

        def report(
            now: int, _: int, what: str, before: int = done, name: str = _relaxed(items, causes)
        ) -> None:
            if progress is not None:
                progress(before + now, total, f"{what}, {name}")

        found, said = _cleared(batch, carbon_price, (workers, report, ranges, cluster, store))
        notes += said
        if result is None:
            assert isinstance(found[0], Run)
            result = Counterfactuals(list(causes), found[0], failed=failed)
        for run, (_, numbers) in zip(found, items, strict=True):
            if isinstance(run, str):
                failed.update(dict.fromkeys(numbers, run))
                continue
            curtailed, totals = _curtailed(run, ranges), _totals(run)
            for number in numbers:
                result.curtailed[number], result.totals[number] = curtailed, totals
        done += len(items) * len(case.windows)
    assert result is not None
    result.notes += dict.fromkeys(notes)
    return result


@dataclass
class _Batch:
    """Combinations on one network: by clearing key, the regime and the combinations it is of."""

    case: Case
    members: dict[str, tuple[Regime, list[int]]] = field(default_factory=dict)


def _batches(
    case: Case,
    regime: Regime,
    carbon_price: float | None,
    causes: Sequence[Cause],
    ranges: bool,
    failed: dict[int, str],
) -> list[_Batch]:
    """Relax causes in every combination, and group what comes out by what it is, not by name."""
    batches: dict[str, _Batch] = {}
    relaxed: dict[int, tuple[_Batch, Regime]] = {}
    for combination in range(1 << len(causes)):
        last = combination.bit_length() - 1
        rest = combination ^ (1 << last) if combination else 0
        if rest in failed:
            failed[combination] = failed[rest]
            continue
        try:
            if combination:
                batch, before = relaxed[rest]
                part, after = causes[last].relax(batch.case, before)
            else:
                part, after = case, regime
            chosen = after if carbon_price is None else after.at(carbon_price)
        except InputError as error:
            failed[combination] = in_one_line(error)
            continue
        if not combination or part is not batch.case:
            keys = Keys(part, ranges)
            content = "".join(keys.key(label, regime) for label in part.windows)
            batch = batches.setdefault(content, _Batch(part))
        relaxed[combination] = (batch, after)
        batch.members.setdefault(chosen.clearing_key, (after, []))[1].append(combination)
    return list(batches.values())


def _relaxed(items: Sequence[tuple[Regime, list[int]]], causes: Sequence[Cause]) -> str:
    """Say what is relaxed in all combinations of a batch."""
    common = (1 << len(causes)) - 1
    for _, numbers in items:
        for number in numbers:
            common &= number
    names = [cause.name for i, cause in enumerate(causes) if common >> i & 1]
    return f"without {', '.join(names)}" if names else "the network as it is"


def _cleared(
    batch: _Batch, carbon_price: float | None, options: tuple[Any, ...]
) -> tuple[list[Run | str], list[str]]:
    """Clear the regimes of a batch; of those that cannot be, say why.

    Raises
    ------
    InputError, ClearingError
        If that is the one with nothing relaxed.
    """
    items = list(batch.members.values())
    try:
        runs, notes = clear_all(batch.case, [(item, carbon_price) for item, _ in items], *options)
        return list(runs), notes
    except (ClearingError, InputError) as error:
        if len(items) == 1:
            if 0 in items[0][1]:
                raise
            return [in_one_line(error)], []
    found: list[Run | str] = []
    notes = []
    for key, item in batch.members.items():  # which? what is stored is found again
        part, said = _cleared(_Batch(batch.case, {key: item}), carbon_price, options)
        found += part
        notes += said
    return found, notes


def _curtailed(run: Run, ranges: bool) -> pd.DataFrame:
    """Unused energy by province, carrier and month, with its range over all optima [MWh]."""
    case, outcome = run.case, run.outcome
    parts = []
    for table, unused in (
        (case.generators, case.availability - outcome.dispatch),
        (case.storage_units, outcome.spill.reindex(columns=case.storage_units.index, fill_value=0)),
    ):
        members = table[table["carrier"].isin(case.carriers.renewable)]
        if members.empty:
            continue
        energy = unused[members.index].mul(case.weights, axis="index")
        by_month = energy.groupby(months_of(case.snapshots)).sum().clip(lower=0.0)
        labels = [members.loc[by_month.columns, name] for name in ("province", "carrier")]
        parts.append(by_month.T.groupby(labels).sum().T.unstack())
    found = pd.concat(parts).groupby(level=[0, 1, 2]).sum().rename_axis(GROUP)
    frame = pd.DataFrame({"mwh": found, "low": np.nan, "high": np.nan})
    if not ranges:
        return frame
    whole = found.groupby(level=[0, 1]).sum()
    span = outcome.curtailment_range
    assert span is not None
    frame = pd.DataFrame({"mwh": whole, "low": span["min"], "high": span["max"]}, index=whole.index)
    months = found.index.unique(GROUP[2])
    month = months[0] if len(months) == 1 else ALL_MONTHS
    index = [(*key, month) for key in frame.index]
    return frame.set_index(pd.MultiIndex.from_tuples(index, names=GROUP))


def _totals(run: Run) -> dict[str, float]:
    """What a combination comes to, as the columns of the comparison table."""
    outcome, hours = run.outcome, run.case.weights
    return {
        "cost": outcome.cost,
        "minimised": outcome.minimised,
        "emissions_t": run.emissions,
        "load_shed_mwh": outcome.shed.mul(hours, axis="index").to_numpy().sum(),
        "excess_mwh": outcome.excess.mul(hours, axis="index").to_numpy().sum(),
    }
