"""Small networks made for tests."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from functools import cache, wraps

import numpy as np
import pandas as pd
import pypsa

import powermkt as pm


def copied(build: Callable[..., pypsa.Network]) -> Callable[..., pypsa.Network]:
    """Build a network once for each set of arguments; every call gives a copy of its own."""
    made: dict[bytes, pypsa.Network] = {}

    @wraps(build)
    def call(*arguments: object, **more: object) -> pypsa.Network:
        key = pickle.dumps((arguments, more))
        if key not in made:
            made[key] = build(*arguments, **more)
        return made[key].copy()

    return call


def weigh(n: pypsa.Network, weight: float) -> None:
    """Let every snapshot stand for `weight` hours of money and energy."""
    for column in ("objective", "generators"):
        n.snapshot_weightings[column] = float(weight)


def add_rows(n: pypsa.Network, component: str, rows: dict[str, dict[str, object]]) -> None:
    """Add components by name in one go; arrays over the snapshots become series.

    What a row does not state has PyPSA's default. One call of `n.add` takes as long for many
    components as for one, and a test makes many networks.
    """
    series = {
        attribute: pd.DataFrame(
            {name: row[attribute] for name, row in rows.items() if np.ndim(row.get(attribute, 0))},
            index=n.snapshots,
        )
        for attribute in dict.fromkeys(key for row in rows.values() for key in row)
    }
    static = pd.DataFrame.from_dict(
        {
            name: {key: value for key, value in row.items() if not np.ndim(value)}
            for name, row in rows.items()
        },
        orient="index",
    )
    n.add(component, static.index, **{key: static[key].to_numpy() for key in static})
    for attribute, frame in series.items():
        if len(frame.columns):
            dynamic = n.components[component].dynamic
            joined = pd.concat([dynamic[attribute], frame], axis=1)
            joined.columns = pd.Index(joined.columns, dtype=object, name="name")
            dynamic[attribute] = joined


@cache
def _plant() -> pypsa.Network:
    """`one_bus` without a load."""
    n = pypsa.Network()
    n.add("Bus", "A", carrier="AC")
    n.add("Carrier", ["coal", "gas", "onshore wind", "AC"])
    coal = {"marginal_cost": 300, "carrier": "coal", "emission_rate": 0.9, "benchmark": 0.8}
    gas = {"marginal_cost": 500, "carrier": "gas", "emission_rate": 0.4, "benchmark": 0.4}
    wind = {"p_nom": 50, "carrier": "onshore wind", "p_max_pu": 0.5, "emission_rate": 0.0}
    rows = {"coal": {"p_nom": 100, **coal}, "gas": {"p_nom": 100, **gas}, "wind": wind}
    add_rows(n, "Generator", {name: {"bus": "A", **row} for name, row in rows.items()})
    n.add("Load", "load", bus="A", p_set=[0.0])
    return n


def one_bus(load: list[float], weight: float = 1.0) -> pypsa.Network:
    """Coal 100 MW at 300 (e 0.9), gas 100 MW at 500 (e 0.4), wind 50 MW, one load."""
    n = _plant().copy()
    n.set_snapshots(pd.date_range("2022-01-03", periods=len(load), freq="h"))
    weigh(n, weight)
    n.loads_t["p_set"]["load"] = np.array(load, dtype=float)
    return n


@copied
def random_network(seed: int, hours: int = 12, provinces: int = 3) -> pypsa.Network:
    """A ring of provinces with coal, gas, wind, storage, lossy links; always feasible.

    Every province can serve its own peak, so that barriers never shed load; must-run is below
    the lowest load.
    """
    rng = np.random.default_rng(seed)
    n = pypsa.Network()
    n.set_snapshots(pd.date_range("2022-01-03", periods=hours, freq="h"))
    weigh(n, rng.choice([1.0, 2.5]))
    n.add("Carrier", ["coal", "gas", "onshore wind", "PHS", "AC"])
    rows: dict[str, dict[str, dict[str, object]]] = {
        kind: {} for kind in ("Bus", "Load", "Generator", "StorageUnit", "Link")
    }
    for i in range(provinces):
        bus = f"P{i}"
        rows["Bus"][bus] = {"carrier": "AC", "x": 100.0 + i, "y": 30.0}
        rows["Load"][f"{bus} load"] = {"bus": bus, "p_set": rng.uniform(300, 900, hours)}
        for j in range(3):
            rows["Generator"][f"{bus} coal {j}"] = {
                "bus": bus, "carrier": "coal",
                "p_nom": rng.uniform(250, 400), "marginal_cost": rng.uniform(200, 400),
                "emission_rate": rng.uniform(0.75, 1.0), "benchmark": 0.8177, "p_max_pu": 0.95,
                "min_stable_pu": 0.4, "start_up_cost": rng.uniform(0, 2e4), "units": 4,
                "tariff": rng.uniform(350, 450),
            }  # fmt: skip
        rows["Generator"][f"{bus} gas"] = {
            "bus": bus, "carrier": "gas", "p_nom": 800,
            "marginal_cost": rng.uniform(450, 600), "emission_rate": 0.38, "benchmark": 0.39,
        }  # fmt: skip
        rows["Generator"][f"{bus} wind"] = {
            "bus": bus, "carrier": "onshore wind", "p_nom": 400,
            "p_max_pu": rng.uniform(0, 1, hours), "emission_rate": 0.0,
        }  # fmt: skip
        rows["StorageUnit"][f"{bus} pumped"] = {
            "bus": bus, "carrier": "PHS", "p_nom": 100, "max_hours": 4, "efficiency_store": 0.9,
            "efficiency_dispatch": 0.9, "cyclic_state_of_charge": True,
        }  # fmt: skip
    for i in range(provinces):
        j = (i + 1) % provinces
        for a, b in ((i, j), (j, i)):
            link = {
                "bus0": f"P{a}", "bus1": f"P{b}", "carrier": "AC",
                "p_nom": rng.uniform(50, 200), "efficiency": 0.96,
            }  # fmt: skip
            rows["Link"].setdefault(f"P{a}-P{b}", link)  # of two provinces the ring is a pair
    for kind, table in rows.items():
        add_rows(n, kind, table)
    n.links_t["p_set"] = pd.DataFrame(
        {name: rng.uniform(0, 0.3) * p for name, p in n.links["p_nom"].items()}, index=n.snapshots
    )
    return n


@cache
def random_case(seed: int, hours: int = 12, provinces: int = 3) -> pm.Case:
    """A random network as a case that tests share: a case is never changed."""
    return pm.Case(random_network(seed, hours, provinces))
