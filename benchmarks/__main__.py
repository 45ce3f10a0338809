"""Time a sweep of carbon prices against PyPSA doing the same, in one run.

    python -m benchmarks [--quick] [--json]

One week of the China network without fleet commitment (for which PyPSA has no counterpart), the
full market under auctioned allowances. PyPSA loops over `n.optimize` with the carbon cost added to
marginal costs. The ratio is what to quote; seconds belong to one machine.
"""

from __future__ import annotations

import argparse
import json
import logging
import resource
import time
import warnings
from importlib import metadata
from pathlib import Path

import numpy as np
import pypsa

import powermkt as pm
from powermkt.horizon import representative_weeks

NETWORK = Path(__file__).parents[1] / "networks" / "china"


def main() -> None:
    """Run the sweep twice and print seconds, ratio and the largest difference of objectives."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks")
    parser.add_argument("--quick", action="store_true", help="3 carbon prices instead of 11")
    parser.add_argument("--json", action="store_true", help="one JSON object on the last line")
    options = parser.parse_args()
    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore")
    taus = np.linspace(0, 120, 3 if options.quick else 11)
    n = representative_weeks(pm.read(NETWORK), 1).network()
    n.generators["min_stable_pu"] = 0.0
    n.links["marginal_cost"] = n.links.pop("wheeling_fee")  # a cost to PyPSA
    case = pm.Case(n, pm.Market(value_of_lost_load=20_640))

    start = time.perf_counter()
    result = pm.compare(case, ["full_market_auction"], taus.tolist(), workers=1)
    ours = time.perf_counter() - start
    offered = result.table["cost"] + result.table["carbon_price"] * result.table["emissions_t"]

    start = time.perf_counter()
    theirs = [_pypsa(case, float(tau)) for tau in taus]
    loop = time.perf_counter() - start
    numbers = {
        "carbon_prices": len(taus),
        "powermkt_s": round(ours, 2),
        "pypsa_s": round(loop, 2),
        "ratio_vs_pypsa": round(loop / ours, 2),
        "objective_rel_diff": float(np.max(np.abs(offered / np.array(theirs) - 1))),
        "peak_rss_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "versions": {name: metadata.version(name) for name in ("pypsa", "linopy", "highspy")},
    }
    print(json.dumps(numbers) if options.json else numbers)


def _pypsa(case: pm.Case, tau: float) -> float:
    """Objective of PyPSA's own optimum with unserved load at the same value [money]."""
    n: pypsa.Network = case.network()
    n.generators["marginal_cost"] += tau * case.generators["emission_rate"]
    peak = case.dense("Load", "p_set").max()
    for load, bus in n.loads["bus"].items():
        n.add("Generator", f"shed {bus}", bus=bus, p_nom=peak[load], marginal_cost=20_640)
    status, condition = n.optimize(include_objective_constant=False, log_to_console=False)
    if condition != "optimal":
        raise RuntimeError(f"PyPSA: {status}, {condition}")
    return float(n.objective)


if __name__ == "__main__":
    main()
