"""One bus on which every figure of an overlap study can be worked out."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pypsa
from toys import add_rows, copied, weigh


@copied
def dear_wind() -> pypsa.Network:
    """Coal at 300 (e 0.9), gas at 500 (e 0.4), wind at 450; 100 MW of load for 10 h."""
    n = pypsa.Network(name="dear wind")
    n.set_snapshots(pd.date_range("2022-01-03", periods=1, freq="h"))
    weigh(n, 10.0)
    n.add("Bus", "A", carrier="AC")
    n.add("Carrier", ["coal", "gas", "onshore wind", "AC"])
    rows = {
        "coal": {"p_nom": 200.0, "marginal_cost": 300.0, "emission_rate": 0.9},
        "gas": {"p_nom": 100.0, "marginal_cost": 500.0, "emission_rate": 0.4},
        "onshore wind": {"p_nom": 40.0, "marginal_cost": 450.0, "emission_rate": 0.0},
    }
    add_rows(
        n, "Generator", {name: {"bus": "A", "carrier": name, **row} for name, row in rows.items()}
    )
    n.add("Load", "load", bus="A", p_set=[100.0])
    return n


@copied
def random_plant(seed: int) -> pypsa.Network:
    """Two buses with coal, gas and wind of random costs and emission rates, and a tie."""
    rng = np.random.default_rng(seed)
    n = pypsa.Network(name="random plant")
    n.set_snapshots(pd.date_range("2022-01-03", periods=3, freq="h"))
    n.add("Carrier", ["coal", "gas", "onshore wind", "AC"])
    rows: dict[str, dict[str, object]] = {}
    for bus in ("A", "B"):
        n.add("Bus", bus, carrier="AC")
        n.add("Load", f"{bus} load", bus=bus, p_set=rng.uniform(50, 100, 3))
        for carrier, low, high, rate in (("coal", 200, 400, 0.9), ("gas", 300, 700, 0.4),
                                         ("onshore wind", 0, 700, 0.0)):  # fmt: skip
            rows[f"{bus} {carrier}"] = {
                "bus": bus, "carrier": carrier, "p_nom": 120.0 if rate else 40.0,
                "marginal_cost": rng.uniform(low, high),
                "emission_rate": rate * rng.uniform(0.8, 1.2),
            }  # fmt: skip
    add_rows(n, "Generator", rows)
    n.add("Link", "tie", bus0="A", bus1="B", carrier="AC", p_nom=20.0, p_min_pu=-1.0)
    return n


STUDY: dict[str, Any] = {
    "carbon": {"share": 0.8},
    "energy_use": {"share": 0.9},
    "white": {"target": 30.0},
    "green": {"target": 100.0},
    "fuel": {"coal": 2.5, "gas": 2.0},
    "measures": [
        {"name": "motors", "potential": 20.0, "cost": 100.0, "fuel": 2.0, "province": "A"},
        {"name": "kilns", "potential": 100.0, "cost": 500.0, "fuel": 2.0, "province": "A"},
    ],
}
