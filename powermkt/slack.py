"""Unserved load and excess generation at every bus, so that a programme is never infeasible.

They keep a shortage or an excess from making a whole window infeasible, so that the place and the
hours can be named.
"""

from __future__ import annotations

import pypsa

from powermkt.case import Case

# Order of costs: weight of renewables (rules) < excess < unserved load; where the market file
# declares no value, these only lead to the places that are then refused.
EXCESS_COST = 5_000.0
UNSERVED_COST = 20_000.0
SHED, EXCESS = "unserved load at ", "excess at "


def add_slack(n: pypsa.Network, case: Case) -> None:
    """Add unserved load and excess generation at every bus that has load or supply."""
    load = case.dense("Load", "p_set").clip(lower=0).T.groupby(case.loads["bus"]).sum().T
    peak = load.max()
    buses = peak.index[peak > 0]
    n.add(
        "Generator",
        [SHED + bus for bus in buses],
        bus=buses.to_numpy(),
        p_nom=peak[buses].to_numpy(),
        p_max_pu=(load[buses] / peak[buses]).add_prefix(SHED),
        marginal_cost=case.market.value_of_lost_load or UNSERVED_COST,
    )
    supplied = case.provinces.index[
        case.provinces.index.isin({*n.generators["bus"], *n.storage_units["bus"], *n.stores["bus"]})
    ]
    n.add(
        "Generator",
        [EXCESS + bus for bus in supplied],
        bus=supplied.to_numpy(),
        p_nom=float(case.availability.to_numpy().max() * 10 + 1),
        p_min_pu=-1.0,
        p_max_pu=0.0,
        marginal_cost=-(case.market.price_of_excess or EXCESS_COST),
    )
