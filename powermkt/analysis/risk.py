"""Measures of risk of a few equally likely years: spread, quantiles, expected shortfall.

Years are observations of one distribution, so variance and standard deviation divide by one less
than their number. Quantiles interpolate linearly between ordered years (type 7 of Hyndman and Fan
1996). Value at risk and conditional value at risk are those of the empirical distribution itself,
which has an atom of 1/n at every year (Rockafellar and Uryasev 2000, J. Risk 2(3); 2002, J. Banking
& Finance 26(7), on atoms). For what is bad when it is high, with x[1] the highest of n years and
k = (1 - confidence) n the years in the tail,

    VaR  = min {x : F(x) >= confidence} = x[1 + floor(k)]
    CVaR = min over c of c + E[max(x - c, 0)] / (1 - confidence)
         = (x[1] + .. + x[floor(k)] + (k - floor(k)) x[1 + floor(k)]) / k

so that the year at the edge counts in part. For what is bad when it is low both are mirrored and
given as levels: the mean of the worst part of the revenues. With fewer than 1 / (1 - confidence)
years, CVaR is the worst year.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

# quantity -> (unit, what is bad, meaning)
QUANTITIES: dict[str, tuple[str, str, str]] = {
    "renewable_revenue": (
        "money",
        "low",
        "net receipts of renewable plant in the ledger, contracts included, by carrier and in all",
    ),
    "renewable_mwh": ("MWh", "low", "what renewable plant gives, by carrier and in all"),
    "renewable_price": ("money/MWh", "low", "the ratio of the two"),
    "consumer_bill": (
        "money",
        "high",
        "net payments of users in the ledger, contracts included, by user class and in all",
    ),
    "retail_price": ("money/MWh", "high", "consumer_bill over load served"),
    "wholesale_price": ("money/MWh", "high", "price paid to generation, load-weighted"),
    "cost": ("money", "high", "resource cost, as in the comparison table"),
    "emissions_t": ("t", "high", "direct CO2 emissions"),
    "curtailment_mwh": ("MWh", "high", "unused wind, solar and hydro"),
    "curtailment_rate": ("1", "high", "curtailed / available, wind, solar and hydro together"),
    "load_shed_mwh": ("MWh", "high", "unserved load"),
}
# Columns of the table of risk: column -> meaning, in the unit of the quantity where not said.
COLUMNS: dict[str, str] = {
    "regime": "name of the regime",
    "quantity": "as in `QUANTITIES`",
    "detail": "carrier or user class; `all`",
    "years": "weather years [1]",
    "mean": "mean over the years",
    "std": "standard deviation, of a sample",
    "variance": "its square [unit squared]",
    "cv": "coefficient of variation: std / |mean| [1]",
    "min": "lowest year",
    "q05": "5 % quantile",
    "q50": "median",
    "q95": "95 % quantile",
    "max": "highest year",
    "bad": "which side is bad: low or high",
    "var": "value at risk at the confidence level, on the bad side",
    "cvar": "conditional value at risk there",
}
HEDGING: dict[str, str] = {
    "regime": "name of the regime",
    "against": "the first regime",
    "quantity": "as in `QUANTITIES`",
    "detail": "carrier or user class; `all`",
    "mean_change": "mean less that of the other",
    "std_change": "standard deviation less that of the other",
    "variance_reduction": (
        "1 - variance / variance of the other [1] (Ederington 1979, J. Finance 34(1)); below 0 "
        "where risk is added, empty where there is none to reduce"
    ),
    "cvar_change": "cvar less that of the other: above 0 is better where low is bad",
}
_KEYS = ["regime", "quantity", "detail"]


def value_at_risk(values: np.ndarray, confidence: float, bad: str) -> float:
    """Return the value at risk of equally likely values.

    Parameters
    ----------
    values : array [year]
    confidence : float
        Between 0 and 1.
    bad : {"low", "high"}

    Returns
    -------
    float
        In the unit of the values; formula as the module says.
    """
    ordered, tail = _worst_first(values, confidence, bad)
    return float(ordered[int(tail)])


def conditional_value_at_risk(values: np.ndarray, confidence: float, bad: str) -> float:
    """Return the mean of the worst `1 - confidence` of equally likely values.

    Parameters and unit as for `value_at_risk`.
    """
    ordered, tail = _worst_first(values, confidence, bad)
    weights = np.clip(tail - np.arange(len(ordered)), 0.0, 1.0)
    return float(weights @ ordered / weights.sum())


def _worst_first(values: np.ndarray, confidence: float, bad: str) -> tuple[np.ndarray, float]:
    """Values with the worst first, and how many of them are in the tail."""
    ordered = np.sort(np.asarray(values, dtype=float))
    # Rounded: 1 - 0.95 of 20 is one year, not one and a bit.
    tail = round((1.0 - confidence) * len(ordered), 9)
    return (ordered if bad == "low" else ordered[::-1]), tail


def risk_table(yearly: pd.DataFrame, confidence: float) -> pd.DataFrame:
    """Distribution of every quantity over the weather years, by regime.

    Parameters
    ----------
    yearly : DataFrame
        Columns weather_year, regime, quantity, detail, value.
    confidence : float
        Of `var` and `cvar`.

    Returns
    -------
    DataFrame
        Columns as in `COLUMNS`.
    """
    rows = []
    for (regime, quantity, detail), part in yearly.groupby(_KEYS, sort=False):
        x, bad = part["value"].to_numpy(dtype=float), QUANTITIES[str(quantity)][1]
        mean, std = x.mean(), x.std(ddof=1)
        low, middle, high = np.quantile(x, [0.05, 0.5, 0.95])
        rows.append(
            (regime, quantity, detail, len(x), mean, std, std**2,
             std / abs(mean) if mean else np.nan, x.min(), low, middle, high, x.max(), bad,
             value_at_risk(x, confidence, bad), conditional_value_at_risk(x, confidence, bad))
        )  # fmt: skip
    return pd.DataFrame(rows, columns=list(COLUMNS))


def hedging_table(risk: pd.DataFrame) -> pd.DataFrame:
    """Set the risk of every regime against that of the first.

    Parameters
    ----------
    risk : DataFrame
        As of `risk_table`.

    Returns
    -------
    DataFrame
        Columns as in `HEDGING`.
    """
    first = risk["regime"].iloc[0]
    keys = ["quantity", "detail"]
    base = risk[risk["regime"] == first].drop(columns="regime")
    both = risk[risk["regime"] != first].merge(base, on=keys, suffixes=("", "_base"))
    noise = 1e-9 * both["mean_base"].abs()  # what rounding leaves is no risk
    known = both["variance_base"].where(both["std_base"] > noise)
    found = both[["regime", *keys]].assign(
        against=first,
        mean_change=both["mean"] - both["mean_base"],
        std_change=both["std"] - both["std_base"],
        variance_reduction=1.0 - both["variance"] / known,
        cvar_change=both["cvar"] - both["cvar_base"],
    )
    return found[list(HEDGING)]
