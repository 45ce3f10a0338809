"""The cases of the recipe as powermkt has them."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pypsa

import powermkt as pm
from benchmarks.curtailment.commitment import GivenCommitment, given
from benchmarks.curtailment.recipe import Cell, book
from powermkt.engine.regime import Regime, regime
from powermkt.inputs.market import Carriers, Market
from powermkt.rules.dispatch import DispatchRule

_ROOT = Path(__file__).parents[2]
_BY_HAND = "three_provinces"


@cache
def system(name: str) -> pm.Case:
    """Return a case of the recipe, one window; it is shared and never changed."""
    recipe = book().cases[name]
    if recipe.source == _BY_HAND:
        market = Market(name=name, carriers=Carriers(solar=["solar"], wind=["wind"]))
        return pm.Case(three_provinces(), market)
    case = _read(recipe.source)
    first = 0 if recipe.start is None else case.snapshots.get_loc(pd.Timestamp(recipe.start))
    chosen = case.snapshots[first:][: recipe.hours]
    part = case.part(chosen, "all")
    part.name = name
    return part


@cache
def _read(source: str) -> pm.Case:
    case = pm.read(_ROOT / source)
    cleared_whole = {"weeks": None, "start": None, "days": None, "calibration": None}
    return case.with_market(case.market.model_copy(update=cleared_whole))


def institution(cell: Cell) -> Regime:
    """Return the regime of a cell at its carbon price; commitment is given where units are."""
    found = regime(cell.regime).at(cell.carbon_price)
    if not system(cell.case).generators["committable"].any():
        return found
    rules = tuple(
        GivenCommitment(**rule.model_dump(), on=given()) if isinstance(rule, DispatchRule) else rule
        for rule in found.rules
    )
    return replace(found, rules=rules)


def three_provinces() -> pypsa.Network:
    """Return A, B and C in a row, by night and at noon.

    A: wind 100 MW, sun 60 at noon, coal at least 20, load 50. B: wind 80, a reservoir of 20 MW, an
    hour and an inflow of 20 MW, gas, load 60. C: gas, load 100. Ties of 40 MW (schedule 20) from A
    to B and of 70 (30) from B to C. `tests/test_curtailment_benchmark.py` shows the arithmetic.
    """
    n = pypsa.Network(name=_BY_HAND)
    n.set_snapshots(pd.DatetimeIndex(["2022-06-01 00:00", "2022-06-01 12:00"], name="snapshot"))
    n.add("Carrier", ["coal", "gas", "wind", "solar", "hydro", "AC"])
    n.add("Bus", ["A", "B", "C"], carrier="AC", province=["A", "B", "C"])
    n.add(
        "Generator",
        ["A wind", "A solar", "A coal", "B wind", "B gas", "C gas"],
        bus=["A", "A", "A", "B", "B", "C"],
        carrier=["wind", "solar", "coal", "wind", "gas", "gas"],
        p_nom=[100.0, 60.0, 50.0, 80.0, 100.0, 200.0],
        p_min_pu=[0.0, 0.0, 0.4, 0.0, 0.0, 0.0],
        marginal_cost=[0.0, 0.0, 300.0, 0.0, 500.0, 600.0],
    )
    n.generators_t["p_max_pu"] = pd.DataFrame({"A solar": [0.0, 1.0]}, index=n.snapshots)
    n.add(
        "StorageUnit", "B reservoir", bus="B", carrier="hydro", p_nom=20.0, p_min_pu=0.0,
        max_hours=1.0, inflow=20.0, cyclic_state_of_charge=True,
    )  # fmt: skip
    n.add("Load", ["A load", "B load", "C load"], bus=["A", "B", "C"], p_set=[50.0, 60.0, 100.0])
    n.add("Link", ["AB", "BC"], bus0=["A", "B"], bus1=["B", "C"], p_nom=[40.0, 70.0], carrier="AC")
    plan = np.array([[20.0, 30.0]] * 2)
    n.links_t["p_set"] = pd.DataFrame(plan, index=n.snapshots, columns=["AB", "BC"])
    return n
