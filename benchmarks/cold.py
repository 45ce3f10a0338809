"""Compare ways to solve one China week from scratch: seconds inside HiGHS by regime.

    python -m benchmarks.cold [--week N]

Each way changes one thing against the programme as it is solved; objectives must agree.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.networks import china
from benchmarks.study import REGIMES, quieten
from powermkt.dispatch.clearing import Builder
from powermkt.dispatch.programme import Programme
from powermkt.dispatch.ties import declared_order
from powermkt.engine.regime import regime
from powermkt.methods import solver
from powermkt.methods.lean import Levels, Pairs
from powermkt.system.horizon import Horizon, cut


def as_it_is(programme: Programme) -> None:
    """Solve lean, ties after."""


def levels_free(programme: Programme) -> None:
    """No level of online capacity is held."""
    search = programme.search
    levels = search._levels
    search._levels = Levels(levels.level[:, :0], levels.start[:, :0], levels.row[:, :0])
    search._released = search._released[:0]


def bounds_only(programme: Programme) -> None:
    """Rows of one variable are bounds, nothing else is done."""
    levels_free(programme)
    nothing = np.empty(0, dtype=int)
    programme.search._shifts = Pairs(nothing, nothing, nothing.astype(float), nothing)


def interior_point(programme: Programme) -> None:
    """Interior point with crossover instead of dual simplex."""
    solver._COLD["solver"] = "ipm"


WAYS: dict[str, Callable[[Programme], None]] = {
    "as it is: lean, ties afterwards": as_it_is,
    "no levels held": levels_free,
    "bounds folded only": bounds_only,
    "lean, ties from the start": as_it_is,
    "lean, interior point with crossover": interior_point,
}


def main() -> None:
    """Solve the week in every way under every regime and print seconds."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cold")
    parser.add_argument("--week", type=int, default=29, help="week of the year, from 1")
    options = parser.parse_args()
    quieten()
    year = cut(china(), Horizon(year=True))
    case = year.window(list(year.windows)[options.week - 1])
    builder = Builder(case)
    table = Table(title=f"HiGHS seconds from scratch, China, {next(iter(case.windows))}", width=80)
    for head in ("way", *REGIMES):
        table.add_column(head, justify="left" if head == "way" else "right")
    found: dict[str, list[float]] = {}
    cells = {way: [way] for way in WAYS}
    for name in REGIMES:
        rules = regime(name).rules
        for way, change in WAYS.items():
            programme = builder.programme([rule.constrain for rule in rules])
            change(programme)
            cost = programme.cost + sum(
                programme.spread(part, case.weights)
                for rule in rules
                for part in (rule.offer(case), rule.rank_by(case))
            )
            tie = programme.spread(declared_order(case, programme), case.weights)
            lower, upper = programme.bounds([rule.limit(case) for rule in rules])
            early = "from the start" in way
            point = programme.solve(
                cost + tie if early else cost, lower, upper, {}, None if early else tie
            )
            solver._COLD.pop("solver", None)
            cells[way].append(f"{point.seconds:.1f}")
            found.setdefault(name, []).append(float((cost + tie) @ point.columns))
    for row in cells.values():
        table.add_row(*row)
    Console(width=80).print(table)
    for name, objectives in found.items():
        if not np.allclose(objectives, objectives[0], rtol=1e-7):
            sys.exit(f"objectives differ under {name}: {objectives}")


if __name__ == "__main__":
    main()
