"""Demand curves from an elasticity, cut into blocks of one value each.

With x the price over the reference price and q the demand over the reference demand,

    constant elasticity:  q = x**e              value of the q-th part:  q**(1 / e)
    linear:               q = 1 + e (x - 1)                              1 + (q - 1) / e

where e < 0 is the elasticity, of the linear curve at the reference (Varian, Intermediate
Microeconomics, ch. 15; Borenstein and Holland 2005, RAND Journal of Economics 36(3), let retail
users with and without hourly prices have such curves).
A block has the mean value of its part of the curve, so that areas under the curve, which are what
consumption is worth, are exact at the edges of blocks.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import pandas as pd

Shape = Literal["constant_elasticity", "linear"]


def demanded(price: np.ndarray, elasticity: float, shape: Shape) -> np.ndarray:
    """Return demand over reference demand at prices over the reference price [1]; never below 0."""
    x = np.asarray(price, dtype=float)
    if shape == "linear":
        return np.maximum(1.0 + elasticity * (x - 1.0), 0.0)
    return np.asarray(x**elasticity)


def blocks(
    elasticity: float, shape: Shape, price_range: tuple[float, float], count: int
) -> pd.DataFrame:
    """Cut a curve into blocks of equal width on each side of the reference.

    Parameters
    ----------
    elasticity : float
        Below 0.
    shape : {"constant_elasticity", "linear"}
    price_range : (float, float)
        Lowest and highest price that demand reacts to, over the reference price; the first at
        most 1 (above 0 where the elasticity is constant), the second at least 1.
    count : int
        Blocks on each side.

    Returns
    -------
    DataFrame [block]
        Columns sign (-1: given up, 1: added), width [1, of reference demand], value [1, of the
        reference price]; values fall from the largest cut to the largest addition. A side without
        width has no blocks.
    """
    least, most = demanded(np.array([price_range[1], price_range[0]]), elasticity, shape)
    parts = []
    for sign, edges in (
        (-1.0, np.linspace(least, 1.0, count + 1)),
        (1.0, np.linspace(1.0, most, count + 1)),
    ):
        low, high = edges[:-1], edges[1:]
        width = high - low
        if width.max() <= 1e-9:
            continue
        value = _area(high, elasticity, shape) - _area(low, elasticity, shape)
        parts.append(pd.DataFrame({"sign": sign, "width": width, "value": value / width}))
    columns = ["sign", "width", "value"]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)


def _area(q: np.ndarray, elasticity: float, shape: Shape) -> np.ndarray:
    """Area under the curve up to q, up to a constant."""
    if shape == "linear":
        return np.asarray(q + (q - 1.0) ** 2 / (2.0 * elasticity))
    if elasticity == -1.0:
        return np.asarray(np.log(q))
    power = 1.0 + 1.0 / elasticity
    return np.asarray(q**power / power)
