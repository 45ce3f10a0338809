"""Who pays a carbon price of 60 CNY/t, under which regime and which allowance rule.

``python networks/two_province/pass_through.py``: three regimes, allowances by auction, as a lump
sum, and by output; rates of pass-through of the whole system and of North by day.
"""

from pathlib import Path

import pandas as pd

import powermkt as pm

FOLDER = Path(__file__).parent
TAU = 60.0
REGIMES = ("fixed_tariff", "priority_dispatch", "full_market")
ALLOCATIONS = ("auction", "lump_sum", "output_based")


def with_allocation(name: str, allocation: str) -> pm.Regime:
    """Return a preset with another allowance rule; who may offer it stays as it is."""
    carbon = {
        "rule": "CarbonPrice",
        "allocation": allocation,
        "offered": pm.regime(name).carbon.offered,
    }
    return pm.regime({"name": f"{name}, {allocation}", "extends": name, "carbon": carbon})


def main() -> None:
    """Print one row a regime and allowance rule."""
    case = pm.read(FOLDER)
    regimes = [with_allocation(name, how) for name in REGIMES for how in ALLOCATIONS]
    result = pm.compare(case, regimes, [0.0, TAU], workers=1, margins=True)
    rates = result.pass_through.query("carbon_price == @TAU").set_index(["regime", "province"])
    hourly = result.pass_through_hourly.query("carbon_price == @TAU and province == 'North'")
    by_day = hourly[hourly["snapshot"].dt.hour >= 12].groupby("regime")["price_change"].mean()
    windfall = result.windfall_summary.query("carbon_price == @TAU")
    windfall = windfall.groupby("regime")["windfall"].sum()
    table = pd.DataFrame(
        {
            "dP": rates["price_change"].xs("all", level="province"),
            "marginal": rates["pass_through_marginal"].xs("all", level="province"),
            "net": rates["pass_through_net"].xs("all", level="province"),
            "retail": rates["pass_through_retail"].xs("all", level="province"),
            "dP North by day": by_day,
            "windfall": windfall,
        }
    ).loc[[regime.name for regime in regimes]]
    print(f"pass-through of {TAU:g} CNY/t; dP in CNY/MWh, windfall of all plant in CNY a day")
    print((table.round(3) + 0.0).to_string())  # no -0.0


if __name__ == "__main__":
    main()
