"""What is reported: each function that is registered yields figures of a study."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from benchmarks.networks import cut
from benchmarks.study import CORES, Study, Timing, sweep
from powermkt.system.horizon import Horizon, with_horizon

TOLERANCE = 1e-6


@dataclass(frozen=True)
class Figure:
    """One number: its key in the JSON object, what the table calls it, value and unit."""

    key: str
    label: str
    value: float | None
    unit: str = ""


Benchmark = Callable[[Study], Iterator[Figure]]
CASES: dict[str, Benchmark] = {}
GROWTH: dict[str, Benchmark] = {}


def _register(into: dict[str, Benchmark]) -> Callable[[Benchmark], Benchmark]:
    def add(function: Benchmark) -> Benchmark:
        into[function.__name__] = function
        return function

    return add


@_register(CASES)
def seconds(study: Study) -> Iterator[Figure]:
    """How long each side takes."""
    pooled, alone, peer = study.pooled, study.alone, study.peer[0]
    windows = len(study.case.windows)
    yield Figure("cells", f"cells: {windows} windows, regimes, prices", pooled.cells)
    yield Figure("powermkt_s", f"powermkt, all cells, {CORES} cores", pooled.wall, "s")
    yield Figure("powermkt_cpu_s", "  CPU of all processes", pooled.cpu, "s")
    yield Figure("powermkt_cell_s", f"powermkt, one cell of {alone.cells}, 1 process",
                 alone.per_cell, "s")  # fmt: skip
    yield Figure("pypsa_cell_s", f"PyPSA, one cell of {peer.cells}, 1 process", peer.per_cell, "s")
    yield Figure("pypsa_s", "PyPSA, all cells, 1 process (scaled)",
                 peer.per_cell * pooled.cells, "s")  # fmt: skip


@_register(CASES)
def ratios(study: Study) -> Iterator[Figure]:
    """PyPSA's seconds over powermkt's for a cell of the sweep."""
    peer, alone, fresh = study.peer[0].per_cell, study.alone.per_cell, study.without_reuse
    yield Figure("ratio_one_process", "PyPSA / powermkt, 1 process each", peer / alone)
    yield Figure("ratio_without_reuse", "  every programme solved, changed or not",
                 peer / fresh.per_cell)  # fmt: skip
    yield Figure("ratio_same_cells", "  the very same few cells",
                 peer / study.same_cells[0].per_cell)  # fmt: skip
    yield Figure("ratio_same_workers", f"PyPSA / powermkt, {CORES} processes each",
                 study.peer_pooled.per_cell / study.pooled.per_cell)  # fmt: skip
    yield Figure("ratio_vs_pypsa", f"PyPSA's loop / powermkt on {CORES} cores",
                 peer / study.pooled.per_cell)  # fmt: skip


@_register(CASES)
def overhead(study: Study) -> Iterator[Figure]:
    """Seconds of powermkt over those that HiGHS spends inside it, one process."""
    alone = study.alone
    known = alone.solver == alone.solver and alone.solver > 0
    yield Figure(
        "solver_s", "HiGHS inside powermkt, 1 process", alone.solver if known else None, "s"
    )
    yield Figure("overhead_vs_highs", "powermkt / HiGHS inside it",
                 alone.wall / alone.solver if known else None)  # fmt: skip


@_register(CASES)
def memory(study: Study) -> Iterator[Figure]:
    """Largest resident memory of the sweep on all cores."""
    yield Figure("worker_rss_mb", "largest memory of a worker", study.pooled.worker_mb, "MB")
    yield Figure("peak_rss_mb", "largest memory of all processes", study.pooled.job_mb, "MB")


@_register(CASES)
def agreement(study: Study) -> Iterator[Figure]:
    """Largest relative difference of a cell's objective, without the order among equal offers."""
    pairs = zip(study.same_cells[1], study.peer[1], strict=True)
    worst = max(abs(ours - theirs) / max(abs(theirs), 1.0) for ours, theirs in pairs)
    yield Figure(
        "objective_rel_diff", f"largest difference of objectives (<= {TOLERANCE:g})", worst
    )


@_register(GROWTH)
def weeks(study: Study) -> Iterator[Figure]:
    """Seconds and memory as weeks are added."""
    for number in study.growth_weeks:
        timing = study.pooled
        if number != len(study.case.windows):
            case = with_horizon(study.year, Horizon(weeks=number))
            timing, _ = sweep([case], study.regimes, study.prices, workers=None)
        yield from _grown(timing, f"{number}_weeks", f"{number} weeks")


@_register(GROWTH)
def provinces(study: Study) -> Iterator[Figure]:
    """Seconds and memory as provinces are added, one week."""
    week = with_horizon(study.year, Horizon(weeks=1))
    for number in (8, 16, week.provinces.nunique()):
        timing, _ = sweep([cut(week, provinces=number)], study.regimes, study.prices, workers=None)
        yield from _grown(timing, f"{number}_provinces", f"{number} provinces, 1 week")


def _grown(timing: Timing, key: str, label: str) -> Iterator[Figure]:
    yield Figure(f"seconds_{key}", f"powermkt, {label}, {CORES} cores", timing.wall, "s")
    yield Figure(f"worker_rss_mb_{key}", "  largest memory of a worker", timing.worker_mb, "MB")
