"""How much of a carbon price reaches prices: the four rates, on paired runs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from powermkt.pairs import against_lowest
from powermkt.rules.locational import load_weighted
from powermkt.run import Run

# Hours whose marginal emission rate is below this have no fossil marginal unit [t/MWh].
FOSSIL_MARGINAL = 0.05
NATION = "all"

# column -> (unit, meaning); m marks what one more MWh of load causes, mean of the two runs
COLUMNS: dict[str, tuple[str, str]] = {
    "regime": ("", "name of the regime"),
    "carbon_price": ("money/t", "carbon price tau"),
    "province": ("", "province, or `all`"),
    "price_change": ("money/MWh", "load-weighted change dP of the wholesale price"),
    "pass_through_marginal": ("1", "dP / (e_m tau) over hours with a fossil marginal unit"),
    "pass_through_net": (
        "1",
        "dP / ((e_m - b_m) tau) over the same hours; empty where nobody bears a net carbon cost",
    ),
    "pass_through_rate": ("t/MWh", "kappa = dP / d tau, all hours"),
    "pass_through_retail": (
        "1",
        "change of the retail price / (mean emission rate of generation x tau)",
    ),
    "marginal_emission_rate": ("t/MWh", "load-weighted e_m of hours with a fossil marginal unit"),
    "renewable_marginal_share": ("1", "share of load in hours without a fossil marginal unit"),
}


def pass_through_of(runs: Sequence[Run]) -> pd.DataFrame:
    """Pass-through of each run against the run of its regime at the lowest carbon price.

    For weights w = load x hours, dP the change of a province's wholesale price, e_m and e_m - b_m
    the emissions and the net allowances that one more MWh of load causes (each the mean of the
    two runs, the trapezoid between them), and dtau the step of the carbon price:

    marginal ``sum(w dP) / sum(w e_m dtau)`` and net ``sum(w dP) / sum(w (e_m - b_m) dtau)`` over
    hours whose marginal unit is fossil; rate ``sum(w dP) / sum(w dtau)`` over all hours; retail
    ``d retail / (mean emission rate x dtau)``. Never divided by a zero emission rate.

    Parameters
    ----------
    runs : sequence of Run
        On the same case; regimes with one carbon price only give no rows.

    Returns
    -------
    DataFrame
        Columns as in `COLUMNS`; the nation is the sum over provinces.
    """
    rows = [_paired(base, run) for base, run in against_lowest(runs)]
    return pd.concat(rows, ignore_index=True) if rows else pd.DataFrame(columns=list(COLUMNS))


def _signal(run: Run) -> pd.DataFrame:
    """Wholesale price that marginal rates belong to, [snapshot x province]: of real time."""
    if run.outcome.day_ahead is None:
        return run.announced.wholesale
    return load_weighted(run.announced.nodal, run.case, run.case.provinces)


def _paired(base: Run, run: Run) -> pd.DataFrame:
    case = run.case
    step = run.carbon_price - base.carbon_price
    load = case.dense("Load", "p_set").mul(case.weights, axis="index")
    weight = load.T.groupby(case.loads["province"]).sum().T
    provinces = weight.columns[weight.sum() > 0]
    weight = weight[provinces]
    change = (_signal(run) - _signal(base))[provinces]
    emission = _between(base, run, "marginal_emission", provinces)
    net = _between(base, run, "marginal_exposure", provinces)
    fossil = emission > FOSSIL_MARGINAL

    def over(frame: pd.DataFrame, mask: pd.DataFrame | None = None) -> pd.Series:
        product = weight * frame
        total = (product if mask is None else product.where(mask, 0.0)).sum()
        return pd.concat([total, pd.Series({NATION: total.sum()})])

    ones = weight * 0.0 + 1.0
    retail = _retail(run, provinces) - _retail(base, provinces)
    in_fossil = over(ones, fossil)
    table = pd.DataFrame(
        {
            "price_change": over(change) / over(ones),
            "pass_through_marginal": _ratio(over(change, fossil), over(emission, fossil) * step),
            "pass_through_net": _ratio(over(change, fossil), over(net, fossil) * step, 1e-4),
            "pass_through_rate": over(change) / (over(ones) * step),
            "pass_through_retail": retail / mean_carbon_cost(base, run, provinces),
            "marginal_emission_rate": _ratio(over(emission, fossil), in_fossil),
            "renewable_marginal_share": 1 - in_fossil / over(ones),
        }
    ).rename_axis("province")
    table = table.reset_index()
    table.insert(0, "carbon_price", run.carbon_price)
    table.insert(0, "regime", run.regime.name)
    return table[list(COLUMNS)]


def _ratio(part: pd.Series, whole: pd.Series, least: float = 1e-9) -> pd.Series:
    """Ratio, empty where the denominator vanishes against the weights it was summed with."""
    scale = float(np.nanmax(whole.abs().to_numpy(), initial=0.0))
    return part / whole.where(whole.abs() > least * scale)


def _between(base: Run, run: Run, name: str, provinces: pd.Index) -> pd.DataFrame:
    """Mean of the two runs of a marginal quantity, load-weighted to provinces."""
    mean = (getattr(base.outcome, name) + getattr(run.outcome, name)) / 2
    return load_weighted(mean, run.case, run.case.provinces)[provinces]


def _retail(run: Run, provinces: pd.Index) -> pd.Series:
    """Mean retail price by province, and of all [money/MWh]."""
    served = run.outcome.served(run.case).mul(run.case.weights, axis="index")
    paid = (served * run.announced.retail).sum()
    province = run.case.loads["province"]
    bill, energy = paid.groupby(province).sum(), served.sum().groupby(province).sum()
    mean = (bill / energy)[provinces]
    return pd.concat([mean, pd.Series({NATION: bill.sum() / energy.sum()})])


def mean_carbon_cost(base: Run, run: Run, provinces: pd.Index) -> pd.Series:
    """Mean emission rate of generation times the change of the carbon price [money/MWh].

    By province and of all; empty where generation hardly emits.
    """
    rate = _mean_emission_rate(base, provinces)
    return rate.where(rate > FOSSIL_MARGINAL) * (run.carbon_price - base.carbon_price)


def _mean_emission_rate(run: Run, provinces: pd.Index) -> pd.Series:
    """Emissions over generation, by province and of all [t/MWh]."""
    total = run.generation.groupby("province")[["emissions_t", "generation_mwh"]].sum()
    total = total.reindex(provinces, fill_value=0.0)
    total.loc[NATION] = total.sum()
    energy = total["generation_mwh"]
    return (total["emissions_t"] / energy.where(energy > 0)).fillna(0.0)
