"""A network of electricity, heat, fuels and CO2 as PyPSA-China's sector-coupled ones are built."""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd
import pypsa

import powermkt as pm

NODES = ["Anhui", "Jilin"]
HOURS = 6


@cache
def chinese() -> pypsa.Network:
    """Two provinces with plant to be found: CHP, heat pumps, tanks, hydrogen, capture, and solved.

    Coal is burnt at the electricity bus and, for CHP, taken from a fuel bus; biomass is what lies
    in a store; CO2 of CHP goes through a bus of its own, from which some is captured.
    """
    n = pypsa.Network()
    n.set_snapshots(pd.date_range("2030-01-07", periods=HOURS, freq="4h"))
    for column in n.snapshot_weightings:
        n.snapshot_weightings[column] = 4.0
    content = {"gas": 0.198, "coal": 0.34, "CO2 capture": 1.0}
    clean = [
        "AC", "heat", "onwind", "solar", "hydroelectricity", "biomass", "CO2", "battery", "H2",
        "water tanks", "heat pump", "resistive heater", "CHP coal", "CHP OCGT gas", "gas OCGT",
        "H2 Electrolysis", "H2 fuel cell", "Sabatier", "stations", "PHS", "",
    ]  # fmt: skip
    n.add("Carrier", [*content, *clean], co2_emissions=[*content.values(), *[0.0] * len(clean)])
    n.add("Bus", NODES, carrier="AC", province=NODES, x=[117.0, 126.0], y=[32.0, 43.0])
    for suffix, carrier in {
        " gas": "gas", " coal fuel": "coal", " biomass": "biomass", " CO2": "CO2", " H2": "H2",
        " CO2 capture": "CO2 capture", " central heat": "heat", " decentral heat": "heat",
        " central water tanks": "water tanks", " decentral water tanks": "water tanks",
        " battery": "battery",
    }.items():  # fmt: skip
        n.add("Bus", NODES, suffix=suffix, carrier=carrier, province=NODES, location=NODES)

    def at(suffix: str) -> list[str]:
        return [node + suffix for node in NODES]

    def link(what: str, start: str, end: str, efficiency: object, cost: float, **more: object):
        n.add("Link", at(f" {what}"), bus0=at(start), bus1=at(end), efficiency=efficiency,
              p_nom_extendable=True, capital_cost=cost, lifetime=25.0, **more)  # fmt: skip

    day = np.array([0.6, 0.7, 0.9, 1.0, 0.95, 0.8])
    n.add("Load", NODES, bus=NODES, p_set=np.outer(day, [900.0, 600.0]))
    n.add("Load", at(" central heat"), bus=at(" central heat"), carrier="heat",
          p_set=np.outer([1.0, 0.9, 0.7, 0.6, 0.8, 1.0], [150.0, 400.0]))  # fmt: skip
    n.add("Load", at(" decentral heat"), bus=at(" decentral heat"),
          p_set=np.outer([1.0, 0.9, 0.7, 0.6, 0.8, 1.0], [80.0, 90.0]))  # fmt: skip

    def plant(carrier: str, suffix: str, **more: object) -> None:
        n.add("Generator", at(suffix), carrier=carrier, p_nom_extendable=True, **more)

    wind = np.array([[0.2, 0.9], [0.3, 1.0], [0.1, 0.8], [0.1, 0.3], [0.2, 0.5], [0.4, 0.9]])
    plant("onwind", " grade0 onwind", bus=NODES, p_max_pu=wind, capital_cost=90.0,
          p_nom_max=[500.0, 1500.0])  # fmt: skip
    plant("solar", " grade0 solar", bus=NODES, capital_cost=40.0, p_nom_max=600.0,
          p_max_pu=np.outer([0, 0.2, 0.8, 0.7, 0.1, 0], [1, 1]))  # fmt: skip
    plant("coal", " coal power", bus=NODES, efficiency=0.42, marginal_cost=24.0, capital_cost=50.0,
          p_max_pu=0.85, ramp_limit_up=1.0, ramp_limit_down=1.0)  # fmt: skip
    plant("gas", " gas fuel", bus=at(" gas"), marginal_cost=30.0)
    plant("coal", " coal fuel", bus=at(" coal fuel"), marginal_cost=10.0)
    n.generators.loc["Anhui gas fuel", "p_nom"] = 1e7
    for node, inflow in zip(NODES, (30.0, 10.0), strict=True):
        n.add("StorageUnit", f"{node} dam", bus=node, carrier="hydroelectricity", p_nom=50.0,
              max_hours=40.0, inflow=inflow, cyclic_state_of_charge=True)  # fmt: skip
    n.add("StorageUnit", at(" PHS"), bus=NODES, carrier="PHS", p_nom=40.0, max_hours=8.0,
          efficiency_store=0.87, efficiency_dispatch=0.87, cyclic_state_of_charge=True)  # fmt: skip
    n.add("Store", at(" gas Store"), bus=at(" gas"), carrier="gas", e_nom_extendable=True,
          e_cyclic=True)  # fmt: skip
    n.add("Store", at(" biomass"), bus=at(" biomass"), carrier="biomass", e_nom=600.0,
          e_initial=600.0)  # fmt: skip
    n.add("Store", at(" CO2"), bus=at(" CO2"), carrier="CO2", e_nom=1e6)
    n.add("Store", at(" CO2 capture"), bus=at(" CO2 capture"), carrier="CO2",
          e_nom_extendable=True)  # fmt: skip
    n.add("Store", at(" H2 Store"), bus=at(" H2"), e_nom_extendable=True, e_cyclic=True,
          capital_cost=0.5)  # fmt: skip
    n.add("Store", at(" battery"), bus=at(" battery"), carrier="battery", e_nom_extendable=True,
          e_cyclic=True, capital_cost=8.0)  # fmt: skip
    link("battery charger", "", " battery", 0.95, 4.0, carrier="battery")
    link("battery discharger", " battery", "", 0.95, 0.0, carrier="battery discharger")
    for kind, loss in (("central", 2e-4), ("decentral", 0.014)):
        heat, tanks = f" {kind} heat", f" {kind} water tanks"
        cop = np.outer([2.2, 2.4, 3.0, 3.2, 2.8, 2.4], [1.1, 0.9])
        link(f"{kind} heat pump", "", heat, cop, 60.0, carrier="heat pump", marginal_cost=0.3)
        link(f"{kind} resistive heater", "", heat, 0.95, 8.0, carrier="resistive heater")
        link(f"{kind} water tanks charger", heat, tanks, 0.9, 0.0, carrier="water tanks")
        link(f"{kind} water tanks discharger", tanks, heat, 0.9, 0.0, carrier="water tanks")
        n.add("Store", at(f" {kind} water tank"), bus=at(tanks), carrier="water tanks",
              e_cyclic=True, e_nom_extendable=True, standing_loss=loss,
              capital_cost=0.2)  # fmt: skip
    link("OCGT", " gas", "", 0.41, 25.0, carrier="gas OCGT", marginal_cost=1.5)
    link("CHP OCGT gas", " gas", "", 0.37, 30.0, carrier="CHP OCGT gas", marginal_cost=1.6,
         bus2=at(" central heat"), efficiency2=0.43)  # fmt: skip
    link("CHP coal", " coal fuel", "", 0.32, 28.0, carrier="CHP coal", marginal_cost=1.0,
         bus2=at(" central heat"), efficiency2=0.5)  # fmt: skip
    link("central biomass CHP", " biomass", "", 0.3, 45.0, carrier="biomass", marginal_cost=2.0,
         bus2=at(" central heat"), efficiency2=0.5, bus3=at(" CO2"), efficiency3=0.35)  # fmt: skip
    link("central biomass CHP capture", " CO2", " CO2 capture", 0.9, 5.0, carrier="CO2 capture",
         bus2=NODES, efficiency2=-0.9 * 0.03, marginal_cost=-8.0)  # fmt: skip
    link("H2 Electrolysis", "", " H2", 0.66, 20.0, carrier="H2 Electrolysis",
         bus2=at(" central heat"), efficiency2=0.16)  # fmt: skip
    link("H2 Fuel Cell", " H2", "", 0.5, 30.0, carrier="H2 fuel cell")
    link("Sabatier", " H2", " gas", 0.8, 30.0, carrier="Sabatier", marginal_cost=6.0)
    for name, ends in (("positive", NODES), ("reversed", NODES[::-1])):
        n.add("Link", f"Anhui-Jilin HV {name}", bus0=ends[0], bus1=ends[1], carrier="AC",
              p_nom=150.0, p_nom_extendable=True, p_nom_max=200.0, capital_cost=15.0,
              efficiency=0.94, p_max_pu=0.7)  # fmt: skip
    n.add("GlobalConstraint", "co2_limit", type="primary_energy", sense="<=", constant=1e9,
          carrier_attribute="co2_emissions")  # fmt: skip
    n.optimize(include_objective_constant=False, log_to_console=False)
    assert n.is_solved
    del n.model
    return n


MARKET = {
    "value_of_lost_load": 2000.0,
    "carriers": {"wind": ["onwind"], "hydro": ["hydroelectricity"], "quota": ["coal", "gas"]},
    "mapping": {
        "columns": {
            "generators.tariff": {"coal": 45, "gas": 70, "default": 40},
            "generators.benchmark": {"coal": 0.8, "gas": 0.2},
            "loads.tariff": 75,
        },
        "capacities": "optimal",
        "global_constraints": "drop",
    },
}


@cache
def heat_case() -> pm.Case:
    """The network with its mapping, and a plan of exchange."""
    return pm.plan_schedule(pm.Case(chinese(), pm.Market.model_validate(MARKET)))
