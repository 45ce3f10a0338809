"""What each class of users pays, and how much of a carbon price reaches it."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from powermkt.analysis.pairs import Pair, against_lowest
from powermkt.analysis.passthrough import mean_carbon_cost
from powermkt.run import Run

# column -> (unit, meaning)
COLUMNS: dict[str, tuple[str, str]] = {
    "regime": ("", "name of the regime"),
    "carbon_price": ("money/t", "carbon price tau"),
    "province": ("", "province"),
    "user_class": ("", "class of users"),
    "energy_mwh": ("MWh", "load served"),
    "price": ("money/MWh", "mean price paid, with all charges"),
    "price_change": (
        "money/MWh",
        "change against the run of the regime at the lowest carbon price; empty in that run",
    ),
    "pass_through": (
        "1",
        "price_change / (mean emission rate of the province's generation x change of tau)",
    ),
}
_KEYS = ["province", "user_class"]


def user_prices(runs: Sequence[Run]) -> pd.DataFrame:
    """Retail price of each class of users by province.

    Parameters
    ----------
    runs : sequence of Run
        On the same case.

    Returns
    -------
    DataFrame
        Columns as in `COLUMNS`; classes and provinces that are served nothing are left out.
    """
    base_of = {(run.regime.name, run.carbon_price): base for base, run in against_lowest(runs)}
    rows = []
    for run in runs:
        table = _prices(run)
        base = base_of.get((run.regime.name, run.carbon_price))
        if base is None:
            table[["price_change", "pass_through"]] = float("nan")
        else:
            table["price_change"] = table["price"] - _prices(base)["price"]
            pair = Pair(base, run)
            cost = mean_carbon_cost(pair, pair.energy)
            province = table.index.get_level_values("province")
            table["pass_through"] = table["price_change"] / cost.reindex(province).to_numpy()
        table = table.reset_index()
        rows.append(table.assign(regime=run.regime.name, carbon_price=run.carbon_price))
    return pd.concat(rows, ignore_index=True)[list(COLUMNS)]


def _prices(run: Run) -> pd.DataFrame:
    """Energy served and its mean price, by (province, user class)."""
    case = run.case
    served = run.outcome.served(case).mul(case.weights, axis="index")
    table = case.loads[_KEYS].assign(
        energy_mwh=served.sum(), bill=(served * run.announced.retail).sum()
    )
    total = table.groupby(_KEYS)[["energy_mwh", "bill"]].sum()
    total = total[total["energy_mwh"] > 0]
    price = (total["bill"] / total["energy_mwh"]).rename("price")
    return pd.concat([total["energy_mwh"], price], axis=1)
