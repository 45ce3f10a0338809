"""Small networks made for tests."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pypsa


def weigh(n: pypsa.Network, weight: float) -> None:
    """Let every snapshot stand for `weight` hours of money and energy."""
    for column in ("objective", "generators"):
        n.snapshot_weightings[column] = float(weight)


def one_bus(load: list[float], weight: float = 1.0) -> pypsa.Network:
    """Coal 100 MW at 300 (e 0.9), gas 100 MW at 500 (e 0.4), wind 50 MW, one load."""
    n = pypsa.Network()
    n.set_snapshots(pd.date_range("2022-01-03", periods=len(load), freq="h"))
    weigh(n, weight)
    n.add("Bus", "A", carrier="AC")
    n.add("Carrier", ["coal", "gas", "onshore wind", "AC"])
    n.add(
        "Generator",
        "coal",
        bus="A",
        p_nom=100,
        marginal_cost=300,
        carrier="coal",
        emission_rate=0.9,
        benchmark=0.8,
    )
    n.add(
        "Generator",
        "gas",
        bus="A",
        p_nom=100,
        marginal_cost=500,
        carrier="gas",
        emission_rate=0.4,
        benchmark=0.4,
    )
    n.add("Generator", "wind", bus="A", p_nom=50, carrier="onshore wind", p_max_pu=0.5)
    n.generators["emission_rate"] = n.generators["emission_rate"].fillna(0.0)
    n.add("Load", "load", bus="A", p_set=load)
    return n


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
    for i in range(provinces):
        bus = f"P{i}"
        n.add("Bus", bus, carrier="AC", x=100.0 + i, y=30.0)
        load = rng.uniform(300, 900, hours)
        n.add("Load", f"{bus} load", bus=bus, p_set=load)
        for j in range(3):
            n.add(
                "Generator", f"{bus} coal {j}", bus=bus, carrier="coal",
                p_nom=rng.uniform(250, 400), marginal_cost=rng.uniform(200, 400),
                emission_rate=rng.uniform(0.75, 1.0), benchmark=0.8177, p_max_pu=0.95,
                min_stable_pu=0.4, start_up_cost=rng.uniform(0, 2e4), units=4,
                tariff=rng.uniform(350, 450),
            )  # fmt: skip
        n.add(
            "Generator", f"{bus} gas", bus=bus, carrier="gas", p_nom=800,
            marginal_cost=rng.uniform(450, 600), emission_rate=0.38, benchmark=0.39,
        )  # fmt: skip
        n.add(
            "Generator", f"{bus} wind", bus=bus, carrier="onshore wind", p_nom=400,
            p_max_pu=rng.uniform(0, 1, hours), emission_rate=0.0,
        )  # fmt: skip
        n.add(
            "StorageUnit", f"{bus} pumped", bus=bus, carrier="PHS", p_nom=100, max_hours=4,
            efficiency_store=0.9, efficiency_dispatch=0.9, cyclic_state_of_charge=True,
        )  # fmt: skip
    for i in range(provinces):
        j = (i + 1) % provinces
        for a, b in ((i, j), (j, i)):
            n.add(
                "Link", f"P{a}-P{b}", bus0=f"P{a}", bus1=f"P{b}", carrier="AC",
                p_nom=rng.uniform(50, 200), efficiency=0.96,
            )  # fmt: skip
    n.links_t["p_set"] = pd.DataFrame(
        {name: rng.uniform(0, 0.3) * p for name, p in n.links["p_nom"].items()}, index=n.snapshots
    )
    return n
