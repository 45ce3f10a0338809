"""Build the two-province network: a system small enough to clear by hand.

North has two coal units, wind and load; South a coal unit, gas and load; one tie of 300 MW with
a framework schedule of 100 MW southward. Twelve night hours and twelve day hours. All coal is
committed: its technical minimum is a must-run (`p_min_pu`).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pypsa

FOLDER = Path(__file__).parent


def build() -> pypsa.Network:
    """Return the network of one day, 24 snapshots of one hour."""
    n = pypsa.Network(name="two_province")
    n.set_snapshots(pd.date_range("2022-01-01", periods=24, freq="h", name="snapshot"))
    night = np.arange(24) < 12

    def by_hour(at_night: float, by_day: float) -> np.ndarray:
        return np.where(night, at_night, by_day).astype(float)

    n.add("Bus", ["North", "South"], province=["North", "South"], x=[110.0, 113.0], y=[40.0, 25.0])
    n.add("Carrier", ["coal", "gas", "onshore wind", "AC"])
    coal = {"carrier": "coal", "p_min_pu": 0.5, "benchmark": 0.8177, "tariff": 380.0}
    n.add(
        "Generator", "N1", bus="North", p_nom=500.0, marginal_cost=240.0, emission_rate=0.80, **coal
    )
    n.add(
        "Generator", "N2", bus="North", p_nom=500.0, marginal_cost=300.0, emission_rate=0.95, **coal
    )
    n.add(
        "Generator", "S1", bus="South", p_nom=1000.0, marginal_cost=360.0, emission_rate=0.82,
        **{**coal, "tariff": 450.0},
    )  # fmt: skip
    n.add(
        "Generator", "S2", bus="South", p_nom=600.0, marginal_cost=520.0, emission_rate=0.38,
        carrier="gas", benchmark=0.3901, tariff=600.0,
    )  # fmt: skip
    n.add(
        "Generator", "wind", bus="North", p_nom=400.0, carrier="onshore wind",
        p_max_pu=by_hour(1.0, 0.5), emission_rate=0.0, benchmark=0.0, tariff=400.0,
    )  # fmt: skip
    n.add("Load", "North load", bus="North", p_set=by_hour(500, 800), tariff=520.0)
    n.add("Load", "South load", bus="South", p_set=by_hour(900, 1400), tariff=620.0)
    n.loads["network_charge"] = 150.0
    n.add("Link", "tie", bus0="North", bus1="South", p_nom=300.0, p_min_pu=-1.0, carrier="AC")
    n.links_t["p_set"] = pd.DataFrame({"tie": 100.0}, index=n.snapshots)
    n.buses["carrier"] = "AC"
    return n


if __name__ == "__main__":
    build().export_to_csv_folder(str(FOLDER / "network"))
