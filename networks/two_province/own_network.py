"""A network of your own, as PyPSA has it in hand: two regimes beside each other.

``python networks/two_province/own_network.py``: a coast with load, gas and coal, an inland with
wind and cheap coal, and a tie on which 50 MW are agreed beforehand.
"""

import numpy as np
import pandas as pd
import pypsa

import powermkt as pm


def build() -> pypsa.Network:
    """Return six hours of two provinces; nothing in it is powermkt's but what is marked."""
    n = pypsa.Network(name="own")
    n.set_snapshots(pd.date_range("2022-07-04", periods=6, freq="h"))
    n.add("Carrier", ["coal", "gas", "wind", "AC"])
    n.carriers.loc[["coal", "gas"], "co2_emissions"] = [0.34, 0.20]  # t/MWh of heat
    n.add("Bus", ["Inland", "Coast"], carrier="AC")  # powermkt: each is a province, by default
    n.add(
        "Generator", ["inland coal", "coast coal", "gas", "wind"],
        bus=["Inland", "Coast", "Coast", "Inland"], carrier=["coal", "coal", "gas", "wind"],
        p_nom=[300.0, 300.0, 200.0, 300.0], marginal_cost=[250.0, 350.0, 500.0, 0.0],
        efficiency=[0.40, 0.40, 0.50, 1.0],
    )  # fmt: skip
    n.generators_t.p_max_pu["wind"] = np.array([1.0, 1.0, 0.8, 0.4, 0.2, 0.2])
    n.add("Load", ["inland load", "coast load"], bus=["Inland", "Coast"], p_set=[150.0, 350.0])
    n.add("Link", "tie", bus0="Inland", bus1="Coast", p_nom=200.0)
    n.links_t.p_set["tie"] = 50.0  # powermkt: the framework schedule
    return n


def main() -> None:
    """Compare, then look at one result with PyPSA's own statistics."""
    case = pm.Case(build())  # a copy: what is wrong with it would be told here, all at once
    result = pm.compare(case, ["provincial_market", "full_market"], [0.0], workers=1)
    names = ["cost", "emissions_t", "curtailment_mwh", "wholesale_price"]
    print(result.table.set_index("regime")[names].round(1).to_string())
    n = result.runs[-1].network  # a pypsa.Network with dispatch and prices in it
    energy = n.statistics.energy_balance(components=["Generator"]).groupby("carrier").sum()
    print("\nfull_market, MWh by carrier, from n.statistics:")
    print(energy.round(1).to_string())


if __name__ == "__main__":
    main()
