"""Who gains and who loses by a carbon price: changes in welfare that sum to zero."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from powermkt.accounts.parties import (
    CONSUMERS,
    GRID_COMPANIES,
    NETWORKS,
    PRODUCERS,
    RESOURCE_COST,
    STORAGE,
)
from powermkt.analysis.pairs import against_lowest
from powermkt.dispatch.costs import CARRIAGE, SHORT, UNSERVED
from powermkt.run import Run

# Order of the groups in the wide table; others follow by name.
_ORDER = (CONSUMERS, PRODUCERS, STORAGE, GRID_COMPANIES, NETWORKS, "carbon fund")
_NOISE = 1e-9  # of the largest change of all

# column -> (unit, meaning)
COLUMNS: dict[str, tuple[str, str]] = {
    "regime": ("", "name of the regime"),
    "carbon_price": ("money/t", "carbon price tau"),
    "group": (
        "",
        "consumers, producers, storage, grid companies, transmission, any account of the ledger by "
        "its name, and `resource cost`",
    ),
    "detail": ("", "user class, carrier, kind of rent; of resource cost: by whom it is caused"),
    "province": ("", "where the party is; empty for parties of the whole system"),
    "change": (
        "money",
        "change of receipts less payments less resource cost borne; of `resource cost`: how much "
        "more fuel, starts, unserved load (with what users give up), excess and short reserves "
        "cost",
    ),
}


def incidence_of(runs: Sequence[Run]) -> pd.DataFrame:
    """Change in welfare of every party against the run of its regime at the lowest carbon price.

    Welfare is net receipts in the ledger less the resource cost that a party bears, as
    `parties.accounts`. Since every payment has a payer and a payee, changes in welfare sum to minus
    the change of the resource cost, and with it as a line of its own all lines sum to zero.

    Parameters
    ----------
    runs : sequence of Run
        On the same case; regimes with one carbon price only give no rows.

    Returns
    -------
    DataFrame
        Columns as in `COLUMNS`.
    """
    rows = []
    for base, run in against_lowest(runs):
        after, before = _lines(run.accounts).align(_lines(base.accounts), fill_value=0.0)
        change = (after - before).rename("change").reset_index()
        rows.append(change.assign(regime=run.regime.name, carbon_price=run.carbon_price))
    return pd.concat(rows, ignore_index=True)[list(COLUMNS)] if rows else _nothing(list(COLUMNS))


def by_group(table: pd.DataFrame) -> pd.DataFrame:
    """Incidence with one column for each group, summed over details and provinces.

    Parameters
    ----------
    table : DataFrame
        As of `incidence_of`.

    Returns
    -------
    DataFrame
        Columns regime, carbon_price, the groups [money], resource cost last. Accounts that keep
        nothing, since what they are paid they pay on, are left out.
    """
    keys = ["regime", "carbon_price"]
    if table.empty:
        return _nothing(keys)
    order = table[keys].drop_duplicates()
    wide = table.pivot_table(index=keys, columns="group", values="change", aggfunc="sum")
    wide = wide.fillna(0.0)
    least = _NOISE * float(np.abs(wide.to_numpy()).max())
    others = wide.columns.difference([*_ORDER, RESOURCE_COST])
    others = others[(wide[others].abs() > least).any()]
    shown = [name for name in (*_ORDER, *others, RESOURCE_COST) if name in wide]
    wide = wide[shown].rename_axis(columns=None).reset_index()
    return order.merge(wide, on=keys)  # in the order of the runs


def _lines(accounts: pd.DataFrame) -> pd.Series:
    """Welfare of parties and resource cost by who causes it, (group, detail, province) in money."""
    caused = accounts[accounts["resource_cost"] != 0]
    group, kind = caused["group"], caused["detail"]
    kind = kind.mask(kind == "", group).mask(group == NETWORKS, CARRIAGE)
    kind = kind.mask((group == CONSUMERS) & (kind != SHORT), UNSERVED)
    caused = caused.assign(group=RESOURCE_COST, detail=kind, welfare=caused["resource_cost"])
    keys = ["group", "detail", "province"]
    return pd.concat([accounts, caused]).groupby(keys, sort=False)["welfare"].sum()


def _nothing(columns: list[str]) -> pd.DataFrame:
    return pd.DataFrame(columns=columns)
