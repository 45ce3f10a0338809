"""Unserved load and excess generation at every bus, so that a programme is never infeasible.

They keep a shortage or an excess from making a whole window infeasible, so that the place and the
hours can be named.
"""

from __future__ import annotations

import numpy as np
import pypsa

from powermkt.inputs.case import Case

# Order of costs: weight of renewables (rules) < excess < unserved load; where the market file
# declares no value, these only lead to the places that are then refused.
EXCESS_COST = 5_000.0
UNSERVED_COST = 20_000.0
SHED, EXCESS = "unserved load at ", "excess at "


def add_slack(n: pypsa.Network, case: Case) -> None:
    """Add unserved load and excess generation at every bus that has load or supply."""
    load = case.dense("Load", "p_set").clip(lower=0).T.groupby(case.loads["bus"]).sum().T
    peak = load.max()
    served = peak.index[peak > 0]
    supplied = {*served, *n.generators["bus"], *n.storage_units["bus"], *n.stores["bus"]}
    ended = case.provinces.index[case.provinces.index.isin(supplied)]
    shed, excess = [SHED + bus for bus in served], [EXCESS + bus for bus in ended]
    share = (load[served] / peak[served]).set_axis(shed, axis="columns")
    cost = case.market.value_of_lost_load or UNSERVED_COST
    price = case.market.price_of_excess or EXCESS_COST
    most = float(case.availability.to_numpy().max() * 10 + 1)
    n.add(  # both at once: PyPSA takes as long for one as for many
        "Generator",
        [*shed, *excess],
        bus=[*served, *ended],
        p_nom=np.concatenate([peak[served], np.full(len(ended), most)]),
        p_min_pu=np.repeat([0.0, -1.0], [len(shed), len(excess)]),
        p_max_pu=share.reindex(columns=[*shed, *excess], fill_value=0.0),
        marginal_cost=np.repeat([cost, -price], [len(shed), len(excess)]),
    )
