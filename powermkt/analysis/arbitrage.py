"""What storage would earn as a price taker: buy when energy is cheap, sell when it is dear.

For 1 MW of storage of E MWh, with prices p_t and snapshots of h_t hours,

    maximise    sum_t h_t (p_t (d_t - c_t) - k d_t)
    subject to  s_t = (1 - l)^h_t s_(t-1) + h_t (eta_c c_t - d_t / eta_d)
                c_t + d_t <= 1,  c_t <= C,  0 <= s_t <= E,  c_t, d_t >= 0,

each window for itself, ending at the level it begins with, all its prices known, times the hours
the window stands for over its own. Charging and discharging share an hour, so that energy can be
burnt for a negative price only in a mixture of both. Where the lowest price of a window is no less
than the highest times ``eta_c eta_d``, no trade pays, and the value is 0 without any programme.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import pydantic
from scipy import sparse

from powermkt.common.values import NonNegative, Strict
from powermkt.methods.solver import Live

KIND = [
    "hours", "charging", "efficiency_store", "efficiency_dispatch", "standing_loss",
    "marginal_cost",
]  # fmt: skip
VALUES = ["value", "sold_mwh", "bought_mwh", "sold_for", "bought_for"]


class StorageKind(Strict):
    """A kind of storage that is valued without standing in the network.

    Parameters
    ----------
    hours : float
        Energy over power [h].
    efficiency : float
        Of a round trip [1].
    marginal_cost : float, default 0
        Of discharging [money/MWh].
    """

    hours: float = pydantic.Field(gt=0, allow_inf_nan=False)
    efficiency: float = pydantic.Field(gt=0, le=1)
    marginal_cost: NonNegative = 0.0

    def row(self) -> dict[str, float]:
        """Return one row of `arbitrage`'s kinds: losses are even on both ways."""
        way = float(np.sqrt(self.efficiency))
        return dict(zip(KIND, (self.hours, 1.0, way, way, 0.0, self.marginal_cost), strict=True))


def arbitrage(
    prices: pd.DataFrame,
    kinds: pd.DataFrame,
    weights: pd.Series,
    elapsed: pd.Series,
    windows: Mapping[str, pd.Index],
) -> pd.DataFrame:
    """Return the most that 1 MW of storage could earn at some prices.

    Parameters
    ----------
    prices : DataFrame [snapshot x unit], money/MWh
        At which the unit buys and sells.
    kinds : DataFrame [unit]
        Columns as in `KIND`: hours [h], charging C [MW per MW], efficiency_store,
        efficiency_dispatch [1], standing_loss [1/h], marginal_cost of discharging [money/MWh].
    weights, elapsed : Series [snapshot], h
        Hours of the horizon a snapshot stands for; those it lasts.
    windows : mapping of str to Index
        Snapshots of the parts that are optimised each for itself.

    Returns
    -------
    DataFrame [unit]
        value (net of `marginal_cost`) [money per MW], sold_mwh, bought_mwh [MWh per MW], sold_for,
        bought_for [money per MW], over the horizon.

    Raises
    ------
    ClearingError
        If the solver finds no optimum.
    """
    found = pd.DataFrame(0.0, kinds.index, VALUES)
    for index in windows.values():
        here = prices.loc[index]
        # Units of one kind at one price are one column of the programme.
        keys = [tuple(column) for column in np.vstack([here, kinds[KIND].T]).T.tolist()]
        number = pd.Series(pd.factorize(pd.Series(keys, dtype=object))[0], kinds.index)
        single = number[~number.duplicated()]
        pays = single.index[_may_pay(here, kinds)[single.index]]
        if not len(pays):
            continue
        part = _solved(here[pays], kinds.loc[pays], elapsed[index])
        part *= weights[index].sum() / elapsed[index].sum()
        part = part.set_axis(single[pays], axis="index").reindex(number, fill_value=0.0)
        found += part.set_axis(kinds.index, axis="index")
    return found


def _may_pay(prices: pd.DataFrame, kinds: pd.DataFrame) -> pd.Series:
    lowest, highest = prices.min(), prices.max()
    kept = kinds["efficiency_store"] * kinds["efficiency_dispatch"]
    return highest * kept > lowest


def _solved(prices: pd.DataFrame, kinds: pd.DataFrame, elapsed: pd.Series) -> pd.DataFrame:
    """Solve one window; columns as in `VALUES`."""
    count, hours = len(prices), elapsed.to_numpy(float)
    parts = [_rows(row, hours) for _, row in kinds.iterrows()]
    price = prices.mul(hours, axis="index").to_numpy()
    discharging = kinds["marginal_cost"].to_numpy() * hours[:, None]
    # Column by column of the table: charging, discharging, level.
    cost = np.stack([price, discharging - price, 0.0 * price]).transpose(2, 0, 1)
    top = np.ones_like(cost)
    top[:, 0] = kinds["charging"].to_numpy()[:, None]
    top[:, 2] = kinds["hours"].to_numpy()[:, None]
    one_row = np.repeat([0.0, 1.0], count)  # of balances, of power
    most = np.tile(one_row, len(kinds))
    least = np.where(most > 0, -np.inf, 0.0)
    live = Live()
    live.load(
        sparse.csc_array(sparse.block_diag(parts)), cost.ravel(), np.zeros(cost.size),
        top.ravel(), least, most,
    )  # fmt: skip
    live.cold()
    charge, discharge, _ = live.column_values().reshape(cost.shape).transpose(1, 2, 0)
    sold_for, bought_for = (price * discharge).sum(axis=0), (price * charge).sum(axis=0)
    sold, spent = hours @ discharge, kinds["marginal_cost"].to_numpy() * (hours @ discharge)
    # What tolerances of the solver leave is no loss: to do nothing is feasible.
    value = (sold_for - bought_for - spent).clip(min=0.0)
    columns = (value, sold, hours @ charge, sold_for, bought_for)
    return pd.DataFrame(dict(zip(VALUES, columns, strict=True)), index=kinds.index)


def _rows(kind: pd.Series, hours: np.ndarray) -> sparse.csr_array:
    """Rows of one unit: balances of energy, then power; columns as in `_solved`."""
    one = sparse.eye_array(len(hours), format="csr")
    kept = sparse.diags_array((1 - kind["standing_loss"]) ** hours) @ one[np.arange(len(hours)) - 1]
    into = sparse.diags_array(hours * kind["efficiency_store"])
    out = sparse.diags_array(hours / kind["efficiency_dispatch"])
    return sparse.block_array([[-into, out, one - kept], [one, one, None]], format="csr")
