"""Schedule what is to be cleared: cells into tasks, tasks to workers, outcomes to disk.

A cell is one regime at one carbon price in one window. What is stored is loaded, the rest is
grouped into tasks, and each task is stored as soon as it comes back.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby, islice
from typing import Any
from weakref import WeakKeyDictionary

import pandas as pd

from powermkt.common.executor import Executor, open_executor
from powermkt.dispatch.outcome import Outcome
from powermkt.dispatch.packing import DamagedError, canonical
from powermkt.engine.cells import CellStore, Keys, version
from powermkt.engine.chained import clear_link, link
from powermkt.engine.regime import Regime
from powermkt.engine.stages import clear_stages
from powermkt.errors import Fault, InputError
from powermkt.inputs.case import Case

Progress = Callable[[int, int, str], None]
Cell = tuple[str, str]  # label of the window, clearing key of the regime

# Below this many generator-hours a pool of processes costs more than it saves.
_WORTH_A_POOL = 50_000

# Windows that stay, with what PyPSA wrote for them, for who clears them again.
_CUT: WeakKeyDictionary[Case, dict[str, Case]] = WeakKeyDictionary()


@contextmanager
def windows_kept(case: Case) -> Iterator[None]:
    """Keep the windows of a case that one process clears, and their rows, for this while.

    Of a case that is worth several processes they take more memory than they save time.
    """
    if default_workers(case) == 1:
        _CUT[case] = {}
    try:
        yield
    finally:
        _CUT.pop(case, None)


def _window(case: Case, label: str) -> Case:
    kept = _CUT.get(case)
    if kept is None:
        return case.window(label)
    if label not in kept:
        kept[label] = case.window(label)
    return kept[label]


@dataclass(frozen=True)
class Chain:
    """The windows of one regime that follow each other, as far as they are cleared.

    Attributes
    ----------
    outcomes : dict of str to Outcome
        By label of the window; grows as tasks come back.
    """

    outcomes: dict[str, Outcome]

    def next_label(self, case: Case) -> str | None:
        """The first window that is not cleared."""
        return next((label for label in case.windows if label not in self.outcomes), None)

    def link(self, case: Case, label: str) -> Case:
        """The window that is to be cleared, as those before it leave it."""
        labels = list(case.windows)
        return link(case, label, [self.outcomes[i] for i in labels[: labels.index(label)]])


@dataclass(frozen=True)
class Task:
    """Cells of one window that are cleared in one go; in a chain the next task follows from it.

    Attributes
    ----------
    label : str
        The window.
    regimes : list of Regime
    chain : Chain, optional
        What came before.
    """

    label: str
    regimes: list[Regime]
    chain: Chain | None = None

    @property
    def what(self) -> str:
        """What progress says when it is done."""
        return f"{self.regimes[-1].name}, {self.label}"

    def call(self, case: Case, ranges: bool, margins: bool) -> tuple[Any, ...]:
        """Return the call that clears it, with arguments that hold no more than it needs."""
        if self.chain is not None:
            part, snapshots = self.chain.link(case, self.label), case.windows[self.label]
            return _clear_link, part, self.regimes[0], snapshots, margins, version()
        return _clear_task, _window(case, self.label), self.regimes, ranges, margins, version()

    def follow(self, case: Case, outcomes: list[Outcome]) -> Task | None:
        """Return the task that its outcomes make possible."""
        if self.chain is None:
            return None
        self.chain.outcomes[self.label] = outcomes[0]
        label = self.chain.next_label(case)
        return None if label is None else Task(label, self.regimes, self.chain)


def clear_cells(
    case: Case,
    regimes: Sequence[Regime],
    *,
    ranges: bool = False,
    margins: bool = False,
    workers: int | None = None,
    cluster: str | None = None,
    store: CellStore | None = None,
    progress: Progress | None = None,
) -> tuple[dict[Cell, Outcome], list[str]]:
    """Clear every window of a case under regimes at their carbon prices.

    Parameters
    ----------
    case : Case
        With the windows to clear; with a look-ahead, those of each regime one after another, the
        regimes side by side.
    regimes : sequence of Regime
        Those with the same clearing key are cleared once.
    ranges : bool, default False
        Find the range of curtailment as well.
    margins : bool, default False
        Find which carriers give one more MWh of load as well.
    workers : int, optional
        Processes; default: one per core where it pays.
    cluster : str, optional
        Address of a Dask scheduler.
    store : CellStore, optional
        Where finished cells are found and kept.
    progress : callable, optional
        Called with cells done (loaded ones too), cells in all, and what is being done: at first
        the first cell, then what was finished last.

    Returns
    -------
    dict of (label, clearing key) to Outcome
    list of str
        What went wrong on the way and was mended.

    Raises
    ------
    ClearingError, InputError, ExecutionError, StorageError
    """
    distinct = _distinct(regimes)
    total = len(distinct) * len(case.windows)
    keys = Keys(case, ranges, margins) if store is not None else None
    found, notes = _stored(case, distinct, keys, store)

    def report(what: str) -> None:
        if progress is not None:
            progress(len(found), total, what)

    if found:
        report("stored before")
    missing = {
        label: [item for item in distinct if (label, item.clearing_key) not in found]
        for label in case.windows
    }
    if not any(missing.values()):
        return found, notes
    report(next(Task(label, items[:1]).what for label, items in missing.items() if items))
    if workers is None and not cluster:
        workers = default_workers(case, len({item.structure for item in distinct}))
    most = len(case.windows) * len({item.structure for item in distinct})
    with open_executor(min(workers or 1, most), cluster) as executor:
        tasks = (
            _tasks(missing, executor.workers)
            if case.look_ahead is None
            else _chains(case, missing, found)
        )
        for task, outcomes in _run(executor, tasks, case, ranges, margins):
            if store is not None and keys is not None:
                names = [keys.key(task.label, item) for item in task.regimes]
                store.save(dict(zip(names, outcomes, strict=True)))
            cells = [(task.label, item.clearing_key) for item in task.regimes]
            found |= dict(zip(cells, outcomes, strict=True))
            report(task.what)
        return found, notes + executor.notes


def parts_of(
    progress: Progress | None, count: int, names: Sequence[str] | None = None
) -> list[Progress | None]:
    """Return the progress of each of so many alike parts of a study, told as that of the whole."""
    if progress is None:
        return [None] * count
    whole = progress

    def part(number: int) -> Progress:
        def report(done: int, total: int, what: str) -> None:
            label = f"{names[number]}: {what}" if names else what
            whole(number * total + done, count * total, label)

        return report

    return [part(number) for number in range(count)]


def default_workers(case: Case, structures: int = 1) -> int:
    """Processes that pay for clearing a case under regimes of so many structures."""
    size = len(case.generators) * len(case.snapshots) * structures
    return (os.cpu_count() or 1) if size >= _WORTH_A_POOL else 1


def _distinct(regimes: Sequence[Regime]) -> list[Regime]:
    """One regime for each clearing key, neighbours next to each other.

    The order decides from which basis a regime starts; it does not depend on the order asked for.
    """
    ordered = sorted(
        regimes, key=lambda r: (r.structure, r.at(0.0).clearing_key, r.carbon_price, r.clearing_key)
    )
    return list({item.clearing_key: item for item in reversed(ordered)}.values())[::-1]


def _stored(
    case: Case, regimes: Sequence[Regime], keys: Keys | None, store: CellStore | None
) -> tuple[dict[Cell, Outcome], list[str]]:
    """Load what is stored; where a cell is damaged, those it was solved with are left out too."""
    found: dict[Cell, Outcome] = {}
    notes: list[str] = []
    if store is None or keys is None:
        return found, notes
    for label in case.windows:
        for _, alike in groupby(regimes, key=lambda item: item.structure):
            loaded: dict[Cell, Outcome] = {}
            damaged = []
            for item in alike:
                try:
                    outcome = store.load(keys.key(label, item))
                except DamagedError:
                    damaged.append(f"{label}, {item.name}: a stored cell was damaged; solved again")
                    continue
                if outcome is not None:
                    loaded[label, item.clearing_key] = outcome
            notes += damaged
            if not damaged:
                found |= loaded
    return found, notes


def _tasks(missing: dict[str, list[Regime]], workers: int) -> Iterator[Task]:
    """Group cells by window; where windows are few, by window and structure.

    By structure first, then: windows of one structure take alike, so that long and short ones do
    not pair up.
    """
    if sum(map(bool, missing.values())) >= 2 * workers or workers == 1:
        yield from (Task(label, regimes) for label, regimes in missing.items() if regimes)
        return
    structures = dict.fromkeys(item.structure for part in missing.values() for item in part)
    for structure in structures:
        for label, regimes in missing.items():
            if alike := [item for item in regimes if item.structure == structure]:
                yield Task(label, alike)


def _chains(
    case: Case, missing: dict[str, list[Regime]], found: dict[Cell, Outcome]
) -> Iterator[Task]:
    """The first missing window of each regime: what follows depends on what came before."""
    lacking = {item.clearing_key: item for part in missing.values() for item in part}
    for key, item in lacking.items():
        known = {label: outcome for (label, at), outcome in found.items() if at == key}
        chain = Chain(known)
        label = chain.next_label(case)
        assert label is not None
        yield Task(label, [item], chain)


def _run(
    executor: Executor, tasks: Iterable[Task], case: Case, ranges: bool, margins: bool
) -> Iterator[tuple[Task, list[Outcome]]]:
    """Run tasks, a few ahead of the workers: each one in flight holds a network."""
    waiting = iter(tasks)
    running: dict[Future[Any], Task] = {}

    def submit(task: Task) -> None:
        running[executor.submit(*task.call(case, ranges, margins))] = task

    def fill() -> None:
        for task in islice(waiting, executor.in_flight - len(running)):
            submit(task)

    fill()
    for future in executor.as_completed():
        task = running.pop(future)
        outcomes = [canonical(outcome) for outcome in future.result()]
        yield task, outcomes
        following = task.follow(case, outcomes)
        if following is not None:
            submit(following)
        fill()


def _clear_task(
    case: Case, regimes: Sequence[Regime], ranges: bool, margins: bool, wanted: str
) -> list[Outcome]:
    """Clear a window where it was sent."""
    check_version(wanted)
    return clear_stages(case, regimes, ranges, margins)


def _clear_link(
    part: Case, regime: Regime, snapshots: pd.Index, margins: bool, wanted: str
) -> list[Outcome]:
    """Clear a window of a chain where it was sent."""
    check_version(wanted)
    return [clear_link(part, regime, snapshots, margins)]


def check_version(wanted: str) -> None:
    """Refuse a worker of another version, which would give other numbers."""
    if version() != wanted:
        remedy = "install the same powermkt, pypsa, linopy and highspy on every machine"
        raise InputError([Fault("cluster", "a worker has other versions than this run", remedy)])
