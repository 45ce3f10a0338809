"""DC optimal power flow: objective and every price, against MATPOWER's `rundcopf`.

MATPOWER's DC model (`powermkt.inputs.matpower`): susceptance 1/(x tap), phase shifts kept, Gs
added to load, RATE_A = 0 no limit. Quadratic costs in 13 of 19 cases, piecewise linear ones in two.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np

import powermkt as pm
from benchmarks.references.check import Check, Reference
from benchmarks.references.matpower_case import read
from powermkt.inputs.matpower import PowerFlow


@cache
def expected() -> dict[str, Any]:
    """Figures of the reference, with their source and tolerances."""
    content: dict[str, Any] = json.loads((Path(__file__).parent / "dcopf.json").read_text())
    return content


def references() -> Iterator[Reference]:
    """All cases."""
    for name in expected()["cases"]:
        yield Reference(f"dcopf {name}", partial(check, name))


def clear(case: PowerFlow) -> tuple[float, pm.Run]:
    """Clear a case; its objective with what does not depend on output [money/h], and the run."""
    run = pm.clear(pm.Case(case.network), "full_market")
    return run.objective + case.constant, run


def check(name: str) -> Check:
    """Compare one case."""
    entry, tolerance = expected()["cases"][name], expected()["tolerance"]
    case = read(entry["file"])
    found, run = clear(case)
    lmp = np.broadcast_to(np.asarray(entry["lmp"], dtype=float), len(case.buses))
    priced = [bus in run.prices for bus in case.buses]  # a bus with nothing attached has no price
    buses = np.asarray(case.buses)[priced]
    unique = run.price_unique[buses].to_numpy()[0]
    apart = np.abs(run.prices[buses].to_numpy()[0] - lmp[priced])[unique]
    deviation = abs(found / entry["objective"] - 1.0)
    price = float(apart.max(initial=0.0))
    passed = deviation <= tolerance["objective_relative"] and price <= tolerance["lmp"]
    note = f"{len(apart)} of {len(case.buses)} prices unique"
    return Check(
        f"DC-OPF {name}", f"MATPOWER rundcopf ({entry['solver']})",
        f"{entry['objective']:.4f}", f"{found:.4f}", deviation,
        f"{tolerance['objective_relative']:g} relative; LMP {tolerance['lmp']:g}",
        bool(passed and unique.any()), price, note,
    )  # fmt: skip
