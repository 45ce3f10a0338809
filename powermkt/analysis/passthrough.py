"""How much of a carbon price reaches prices: the four rates, in all, by hour, by level of load."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

import numpy as np
import pandas as pd

from powermkt.analysis.pairs import FOSSIL_MARGINAL, Pair, pairs_of
from powermkt.errors import Fault, InputError
from powermkt.run import Run

NATION = "all"
LOAD_QUANTILES = 4

_Table = TypeVar("_Table", pd.Series, pd.DataFrame)

_KEYS = {
    "regime": ("", "name of the regime"),
    "carbon_price": ("money/t", "carbon price tau"),
}
_RATES = {
    "pass_through_marginal": (
        "1",
        "dP / (e_m tau) over hours with a fossil marginal unit that bears a carbon price",
    ),
    "pass_through_net": (
        "1",
        "dP / ((e_m - b_m) tau) over the same hours; empty where nobody bears a net carbon cost; "
        "b_m holds what offsets meet",
    ),
    "pass_through_rate": ("t/MWh", "kappa = dP / d tau, all hours"),
    "pass_through_retail": (
        "1",
        "change of the retail price / (mean emission rate of generation x tau)",
    ),
    "marginal_emission_rate": ("t/MWh", "load-weighted e_m of hours with a fossil marginal unit"),
    "renewable_marginal_share": ("1", "share of load in hours without a fossil marginal unit"),
}

# column -> (unit, meaning); m marks what one more MWh of load causes, mean of the two runs
COLUMNS: dict[str, tuple[str, str]] = {
    **_KEYS,
    "province": ("", "province, or `all`"),
    "price_change": ("money/MWh", "load-weighted change dP of the wholesale price"),
    **_RATES,
}

# The same by province and hour.
HOURLY: dict[str, tuple[str, str]] = {
    **_KEYS,
    "snapshot": ("", "hour"),
    "province": ("", "province"),
    "load_mw": ("MW", "load"),
    "price_change": ("money/MWh", "change dP of the wholesale price"),
    "pass_through_marginal": (
        "1",
        "dP / (e_m tau); empty without a fossil marginal unit that bears a carbon price",
    ),
    "pass_through_net": (
        "1",
        "dP / ((e_m - b_m) tau); empty without a fossil marginal unit or without net carbon cost",
    ),
    "pass_through_rate": ("t/MWh", "kappa = dP / d tau"),
    "pass_through_retail": (
        "1",
        "change of the retail price / (mean emission rate of the province x tau)",
    ),
    "marginal_emission_rate": ("t/MWh", "e_m"),
    "marginal_exposure": ("t/MWh", "e_m - b_m"),
    "renewable_marginal": ("", "whether the hour is without a fossil marginal unit"),
    "marginal_technology": (
        "",
        "carrier that gives most of one more MWh of load at tau; empty without `margins`",
    ),
}

# The same by level of load.
QUANTILES: dict[str, tuple[str, str]] = {
    **_KEYS,
    "province": ("", "province, or `all`: the provinces, each at that level of its own load"),
    "quantile": ("", "1: the hours of lowest load"),
    "hours": ("h", "hours in it, of all provinces in the row"),
    "load_mw": ("MW", "mean load"),
    "price_change": ("money/MWh", "load-weighted change dP of the wholesale price, all hours"),
    **_RATES,
    "renewable_price_change": (
        "money/MWh",
        "load-weighted dP of hours without a fossil marginal unit",
    ),
}


def pass_through_of(runs: Sequence[Run]) -> pd.DataFrame:
    """Pass-through of each run against the run of its regime at the lowest carbon price.

    For weights w = load x hours, dP the change of a province's wholesale price, e_m and e_m - b_m
    the emissions and the net allowances that one more MWh of load causes (each the mean of the
    two runs, the trapezoid between them), and dtau the step of the carbon price:

    marginal ``sum(w dP) / sum(w e_m dtau)`` and net ``sum(w dP) / sum(w (e_m - b_m) dtau)`` over
    hours whose marginal unit is fossil and bears a carbon price; rate ``sum(w dP) / sum(w dtau)``
    over all hours; retail ``d retail / (mean emission rate x dtau)``. Where the carbon price
    differs by province or in time, all but the rate take dtau times the multiple that holds where
    and when is emitted. Where offsets become cheaper between the runs, e_m - b_m is weighted by the
    parts of dtau below and above. Never divided by a zero emission rate or a zero carbon price.

    Parameters
    ----------
    runs : sequence of Run
        On the same case; regimes with one carbon price only give no rows.

    Returns
    -------
    DataFrame
        Columns as in `COLUMNS`; the nation is the sum over provinces.
    """
    return _stacked(((pair, _rates(pair).reset_index()) for pair in pairs_of(runs)), COLUMNS)


def hourly_pass_through(runs: Sequence[Run]) -> pd.DataFrame:
    """Pass-through by province and hour, paired as in `pass_through_of`.

    Rates are empty where nothing is there to divide by. Weighted with load, hours and their
    denominators they are those of `pass_through_of` (retail: where all load is served).

    Parameters
    ----------
    runs : sequence of Run
        On the same case.

    Returns
    -------
    DataFrame
        Columns as in `HOURLY`, one row per regime, carbon price above the lowest, snapshot and
        province with load.
    """
    return _stacked(((pair, _hourly(pair)) for pair in pairs_of(runs)), HOURLY)


def pass_through_by_load(runs: Sequence[Run], quantiles: int = LOAD_QUANTILES) -> pd.DataFrame:
    """Pass-through by level of load: the hours of each province in equal parts by its load.

    Hours of equal load belong to the same part. Rates are those of `pass_through_of` over the
    hours of a part.

    Parameters
    ----------
    runs : sequence of Run
        On the same case.
    quantiles : int, default 4
        Number of parts, from 2 to 100.

    Returns
    -------
    DataFrame
        Columns as in `QUANTILES`; parts without hours have no row.

    Raises
    ------
    InputError
        If `quantiles` is no such number.
    """
    check_quantiles(quantiles)
    parts = ((pair, _by_load(pair, quantiles)) for pair in pairs_of(runs))
    return _stacked(parts, QUANTILES)


def check_quantiles(quantiles: int) -> None:
    """Raise an InputError unless `quantiles` is a whole number from 2 to 100."""
    if isinstance(quantiles, bool) or not isinstance(quantiles, int) or not 2 <= quantiles <= 100:
        fault = Fault("quantiles", f"{quantiles!r} parts", "give a whole number from 2 to 100")
        raise InputError([fault])


def _stacked(
    parts: Iterator[tuple[Pair, pd.DataFrame]], columns: dict[str, tuple[str, str]]
) -> pd.DataFrame:
    """Put tables of pairs one below the other, each with its regime and carbon price."""
    tables = []
    for pair, table in parts:
        table = table.assign(regime=pair.run.regime.name, carbon_price=pair.run.carbon_price)
        tables.append(table[list(columns)])
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=list(columns))


def _rates(pair: Pair, chosen: pd.DataFrame | None = None) -> pd.DataFrame:
    """Rates of a pair over chosen hours, by province and of all; [province x column]."""
    weight = pair.energy if chosen is None else pair.energy.where(chosen, 0.0)
    change, fossil, step = pair.price_change, pair.fossil, pair.step
    bearing = pair.bearing

    def over(frame: pd.DataFrame | float, mask: pd.DataFrame | None = None) -> pd.Series:
        product = weight * frame
        return _with_nation((product if mask is None else product.where(mask, 0.0)).sum())

    ones, in_fossil = over(1.0), over(1.0, fossil)
    before, after = (
        _with_nation(_sum(bill, chosen)) / _with_nation(_sum(served, chosen))
        for bill, served in pair.retail
    )
    return pd.DataFrame(
        {
            "price_change": over(change) / ones,
            "pass_through_marginal": _ratio(
                over(change, bearing), over(pair.priced, bearing) * step
            ),
            "pass_through_net": _ratio(
                over(change, bearing), over(pair.exposure, bearing) * step, 1e-4
            ),
            "pass_through_rate": over(change) / (ones * step),
            "pass_through_retail": (after - before) / mean_carbon_cost(pair, weight),
            "marginal_emission_rate": _ratio(over(pair.emission, fossil), in_fossil),
            "renewable_marginal_share": 1 - in_fossil / ones,
            "renewable_price_change": _ratio(over(change, ~fossil), over(1.0, ~fossil)),
        }
    ).rename_axis("province")


def _hourly(pair: Pair) -> pd.DataFrame:
    """Rates of a pair by hour and province, as rows."""
    change, step, provinces = pair.price_change, pair.step, pair.load.columns
    mean_rate = _mean_emission_rate(pair.base, provinces)[provinces]
    mean_rate = mean_rate.where(mean_rate > FOSSIL_MARGINAL)
    before, after = (bill / served.where(served > 0) for bill, served in pair.retail)
    frames = {
        "load_mw": pair.load,
        "price_change": change,
        "pass_through_marginal": _ratio(change, (pair.priced * step).where(pair.bearing)),
        "pass_through_net": _ratio(change, (pair.exposure * step).where(pair.bearing), 1e-4),
        "pass_through_rate": change / step,
        "pass_through_retail": _ratio(
            after - before, (pair.multiple * step).mul(mean_rate, axis="columns")
        ),
        "marginal_emission_rate": pair.emission,
        "marginal_exposure": pair.exposure,
        "renewable_marginal": ~pair.fossil,
    }
    rows = pd.MultiIndex.from_product([pair.load.index, provinces], names=["snapshot", "province"])
    table = pd.DataFrame({name: frame.to_numpy().ravel() for name, frame in frames.items()}, rows)
    technology = pair.technology
    table["marginal_technology"] = None if technology is None else technology.to_numpy().ravel()
    return table.reset_index()


def _by_load(pair: Pair, quantiles: int) -> pd.DataFrame:
    """Rates of a pair by quantile of each province's load, as rows."""
    part = pair.load.apply(_quantile, weights=pair.run.case.weights, quantiles=quantiles)
    hours = pd.DataFrame(0.0, part.index, part.columns).add(pair.run.case.weights, axis="index")
    tables = []
    for number in range(1, quantiles + 1):
        chosen = part == number
        in_it = _with_nation(hours.where(chosen, 0.0).sum())
        energy = _with_nation(pair.energy.where(chosen, 0.0).sum())
        table = _rates(pair, chosen).assign(
            quantile=number, hours=in_it, load_mw=energy / in_it.where(in_it > 0)
        )
        tables.append(table[in_it > 0].reset_index())
    place = {province: i for i, province in enumerate([*pair.load.columns, NATION])}
    whole = pd.concat(tables, ignore_index=True)
    return whole.sort_values("province", kind="stable", key=lambda column: column.map(place))


def _quantile(load: pd.Series, weights: pd.Series, quantiles: int) -> pd.Series:
    """Part from 1 to `quantiles` that each hour belongs to, by the middle of its level of load."""
    _, level = np.unique(load.to_numpy(), return_inverse=True)
    hours = np.bincount(level, weights=weights)
    middle = (np.cumsum(hours) - hours / 2) / hours.sum()
    part = np.minimum(np.floor(middle * quantiles).astype(int) + 1, quantiles)
    return pd.Series(part[level], index=load.index)


def _sum(frame: pd.DataFrame, chosen: pd.DataFrame | None) -> pd.Series:
    total: pd.Series = (frame if chosen is None else frame.where(chosen, 0.0)).sum()
    return total


def _with_nation(total: pd.Series) -> pd.Series:
    """Append the sum over provinces."""
    return pd.concat([total, pd.Series({NATION: total.sum()})])


def _ratio(part: _Table, whole: _Table, least: float = 1e-9) -> _Table:
    """Ratio, empty where the denominator vanishes against the weights it was summed with."""
    scale = float(whole.abs().fillna(0.0).to_numpy().max(initial=0.0))
    return part / whole.where(whole.abs() > least * scale)


def mean_carbon_cost(pair: Pair, weight: pd.DataFrame) -> pd.Series:
    """Mean emission rate of generation times the change of the carbon price [money/MWh].

    By province and of all; the carbon price of a province by `weight` [snapshot x province], that
    of all by the emissions of provinces. Empty where generation hardly emits or no carbon price
    holds.
    """
    rate = _mean_emission_rate(pair.base, weight.columns)
    total = weight.sum()
    price = pair.step * (weight * pair.multiple).sum() / total.where(total > 0)
    emitted = pair.base.generation.groupby("province")["emissions_t"].sum()
    emitted = emitted.reindex(price.dropna().index, fill_value=0.0)
    price.loc[NATION] = (emitted * price).sum() / emitted.sum() if emitted.sum() else np.nan
    return (rate * price).where((rate > FOSSIL_MARGINAL) & (price != 0))


def _mean_emission_rate(run: Run, provinces: pd.Index) -> pd.Series:
    """Emissions over generation, by province and of all [t/MWh]."""
    total = run.generation.groupby("province")[["emissions_t", "generation_mwh"]].sum()
    total = total.reindex(provinces, fill_value=0.0)
    total.loc[NATION] = total.sum()
    energy = total["generation_mwh"]
    return (total["emissions_t"] / energy.where(energy > 0)).fillna(0.0)
