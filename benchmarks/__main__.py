"""Time a sweep of regimes and carbon prices against PyPSA doing the same, in one run.

    python -m benchmarks [--quick | --smoke] [--growth] [--only NAME] [--out FILE] [--json]

PyPSA solves each week, regime and carbon price anew, with the same offers and the same rules
(`benchmarks.stock`), on a few weeks; seconds are compared per cell of the sweep. Ratios are what
to quote: seconds belong to one machine. The command fails where objectives differ.
"""

from __future__ import annotations

import argparse
import json
import sys
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.cases import CASES, GROWTH, TOLERANCE, Figure
from benchmarks.measure import machine, silence, versions
from benchmarks.networks import china, cut
from benchmarks.study import Study, quieten
from powermkt.system.horizon import Horizon, with_horizon

PRICES = tuple(np.linspace(0, 120, 11).tolist())
FEW_PRICES = (0.0, 60.0, 120.0)


def main() -> None:
    """Run every benchmark, print a table and write a JSON file."""
    options = _options()
    quieten()
    study, size = _study(options)
    with silence():
        figures = [
            figure
            for name, benchmark in {**CASES, **(GROWTH if options.growth else {})}.items()
            if name in (options.only or (name,))
            for figure in benchmark(study)
        ]
    record = {
        "size": size,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(),
        "versions": versions(),
        **{figure.key: figure.value for figure in figures},
    }
    Console(width=80).print(_table(figures, size))
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    if options.json:
        print(json.dumps(record))
    difference = record.get("objective_rel_diff", 0.0)
    if not (isinstance(difference, float) and difference <= TOLERANCE):
        sys.exit("powermkt and PyPSA differ in their objectives")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks")
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_true", help="4 weeks instead of 52")
    size.add_argument("--smoke", action="store_true", help="4 provinces, 2 days: does it run")
    parser.add_argument("--growth", action="store_true", help="also with more weeks, provinces")
    parser.add_argument("--only", action="append", choices=[*CASES, *GROWTH], help="what to time")
    parser.add_argument("--peer-weeks", type=int, help="weeks that PyPSA solves (1; full: 2)")
    parser.add_argument("--out", type=Path, default=Path("results/benchmarks.json"))
    parser.add_argument("--json", action="store_true", help="one JSON object on the last line")
    return parser.parse_args()


def _study(options: argparse.Namespace) -> tuple[Study, str]:
    """Return the study of a size, and the size."""
    year = china()
    if options.smoke:
        days = {f"day {i + 1}": year.snapshots[24 * i : 24 * i + 24] for i in range(2)}
        small = cut(year, 4, days)
        peer_weeks = options.peer_weeks or 1
        return Study(small, year, FEW_PRICES, FEW_PRICES[:2], peer_weeks, (1,)), "smoke"
    if options.quick:
        weeks = with_horizon(year, Horizon(weeks=4))
        return Study(weeks, year, PRICES, PRICES[::10], options.peer_weeks or 1, (4, 13)), "quick"
    weeks = with_horizon(year, Horizon(year=True))
    return Study(weeks, year, PRICES, PRICES, options.peer_weeks or 2), "full"


def _table(figures: list[Figure], size: str) -> Table:
    table = Table(title=f"powermkt and PyPSA, China network, {size}", width=80)
    table.add_column("")
    table.add_column("value", justify="right")
    table.add_column("unit")
    for figure in figures:
        value = "not recorded" if figure.value is None else f"{figure.value:,.4g}"
        table.add_row(figure.label, value, figure.unit)
    return table


if __name__ == "__main__":
    main()
