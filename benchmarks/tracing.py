"""Time carbon-flow tracing of a year against a loop of dense solves, in one run.

    python -m benchmarks.tracing [--hours N] [--provinces N] [--json]

Random meshed flows between provinces, with losses; in a second run pumped storage as well, which
carries its content in time, so that each hour depends on the one before. The peer solves one system
an hour by numpy, for intensities by province of origin, without storage.
Seconds belong to one machine; the command fails where both differ.
"""

from __future__ import annotations

import argparse
import sys
import time

import numpy as np

import powermkt as pm
from benchmarks.measure import show

TOLERANCE = 1e-9
_MESHED = 0.15  # share of pairs that are joined
_STORES = 20


def main() -> None:
    """Time both sides and print what it comes to."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tracing")
    parser.add_argument("--hours", type=int, default=8760)
    parser.add_argument("--provinces", type=int, default=33)
    parser.add_argument("--json", action="store_true", help="one JSON object on the last line")
    options = parser.parse_args()
    record = compared(options.hours, options.provinces)
    show(record, f"{options.provinces} provinces, {options.hours:,} h", options.json)
    if not record["rel_diff"] <= TOLERANCE:
        sys.exit("both sides differ")


def compared(hours: int, provinces: int) -> dict[str, float]:
    """Return seconds of both sides, their ratio and largest relative difference."""
    generation, rate, sent, came, load, storage = _year(hours, provinces)
    begin = time.perf_counter()
    found = pm.trace(generation, rate, sent, load, received=came)
    traced = time.perf_counter() - begin
    begin = time.perf_counter()
    peer = _peer(generation, rate, sent, load)
    looped = time.perf_counter() - begin
    charge = np.zeros(load.shape)
    charge[:, : storage.charge.shape[1]] = storage.charge - storage.discharge
    begin = time.perf_counter()
    stored = pm.trace(
        generation + charge.clip(min=0), rate, sent, load + (-charge).clip(min=0),
        received=came, storage=storage,
    )  # fmt: skip
    with_storage = time.perf_counter() - begin
    emitted = float(stored.production_emissions.sum())
    return {
        "trace_s": traced,
        "trace_with_storage_s": with_storage,
        "peer_loop_s": looped,
        "ratio_peer_to_trace": looped / traced,
        "rel_diff": float((np.abs(found.intensity - peer) / np.maximum(peer, 1e-12)).max()),
        "total_rel_diff": abs(float(stored.consumption_emissions.sum()) - emitted) / emitted,
    }


def _year(
    hours: int, size: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray, pm.StorageFlows]:
    """Random flows that balance, and storage that charges by night and gives it back by day."""
    rng = np.random.default_rng(0)
    joined = rng.uniform(size=(size, size)) < _MESHED
    np.fill_diagonal(joined, False)
    sent = rng.uniform(0, 1000, (hours, size, size)) * joined
    came = sent * rng.uniform(0.93, 1.0, (size, size))
    load = rng.uniform(5_000, 20_000, (hours, size))
    short = load + sent.sum(axis=2) - came.sum(axis=1)
    load += (-short).clip(min=0)
    count, hour = min(_STORES, size), np.arange(hours) % 24
    night, day = ((hour < 8).astype(float)[:, None], ((hour >= 12) & (hour < 20))[:, None])
    charge, discharge = night * np.full(count, 500.0), day * np.full(count, 405.0)
    level = np.cumsum(0.9 * charge - discharge / 0.9, axis=0)
    level -= level.min(axis=0)
    storage = pm.StorageFlows(range(count), charge, discharge, level, 0.9)
    return short.clip(min=0), rng.uniform(0, 1, (hours, size)), sent, came, load, storage


def _peer(
    generation: np.ndarray, rate: np.ndarray, sent: np.ndarray, load: np.ndarray
) -> np.ndarray:  # fmt: skip
    found = np.empty_like(load)
    for t in range(len(load)):
        matrix = np.diag(load[t] + sent[t].sum(axis=1)) - sent[t].T
        found[t] = np.linalg.solve(matrix, np.diag(generation[t] * rate[t])).sum(axis=1)
    return found


if __name__ == "__main__":
    main()
