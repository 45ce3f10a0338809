"""One bus with coal and gas, products for it, and what came out."""

from __future__ import annotations

import pypsa
from toys import copied

import powermkt as pm
from powermkt.inputs.market import Market


@copied
def toy(load: float = 150.0, hours: int = 1) -> pypsa.Network:
    """Coal 100 MW at 20 and gas 100 MW at 50 money/MWh on one bus."""
    n = pypsa.Network()
    n.set_snapshots(range(hours))
    n.add("Bus", "A")
    n.add("Carrier", ["coal", "gas", "battery", "wind"])
    n.add("Load", "load", bus="A", p_set=load)
    n.add("Generator", "coal", bus="A", carrier="coal", p_nom=100, marginal_cost=20)
    n.add("Generator", "gas", bus="A", carrier="gas", p_nom=100, marginal_cost=50)
    return n


def case_with(n: pypsa.Network, products: dict[str, object], **more: object) -> pm.Case:
    market = {"value_of_lost_load": 5000, "services": {"products": products, **more}}
    return pm.Case(n, Market.model_validate(market))


def spinning(mw: float, **more: object) -> dict[str, object]:
    return {"kind": "spinning", "requirements": [{"mw": mw}], **more}


def awards_of(run: pm.Run) -> dict[tuple[str, str], float]:
    table = run.reserves
    return {(p, i): mw for p, i, mw in table[["product", "provider", "reserve_mw"]].to_numpy()}


def price_of(run: pm.Run, product: str, zone: str = "all") -> float:
    table = run.reserve_prices
    chosen = table[(table["product"] == product) & (table["zone"] == zone)]
    return float(chosen["price"].iloc[0])
