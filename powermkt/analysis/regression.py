"""The regression of prices on carbon costs, as studies of observed markets run it, on the model.

Fabra and Reguant (2014, doi:10.1257/aer.104.9.2872) and Hintermann (2016, Journal of the
Association of Environmental and Resource Economists 3(4)) regress hourly prices on the marginal
unit's emission rate times the carbon price. Here both are known without error, and every hour is
seen at every carbon price: the coefficient shows what such a regression makes of a pass-through
that the clearing itself states.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from powermkt.analysis.pairs import (
    Pair,
    by_province,
    by_regime,
    load_of,
    pairs_of,
    priced_emission,
    signal,
)
from powermkt.errors import Fault, InputError, nearest
from powermkt.rules.locational import days
from powermkt.run import Run
from powermkt.system.horizon import window_of

FIXED_EFFECTS, WITHIN_HOUR = "fixed_effects", "within_hour"
# specification -> what is estimated
SPECIFICATIONS: dict[str, str] = {
    FIXED_EFFECTS: "price on marginal carbon cost, load, available wind and sun, with fixed "
    "effects of province, hour of the day and month (window, where snapshots are no times)",
    WITHIN_HOUR: "price on marginal carbon cost, with a fixed effect of each province and snapshot",
}

# column -> (unit, meaning)
COLUMNS: dict[str, tuple[str, str]] = {
    "regime": ("", "name of the regime"),
    "specification": ("", "as in `SPECIFICATIONS`"),
    "coefficient": ("1", "change of price per change of marginal carbon cost"),
    "standard_error": ("1", "clustered by day"),
    "r2": ("1", "explained share of the variance; of what fixed effects leave in `within_hour`"),
    "observations": ("", "provinces x snapshots x carbon prices"),
    "clusters": ("", "days"),
    "structural_rate": (
        "1",
        "marginal pass-through of the clearings: sum(w dP) / sum(w e_m dtau) over all provinces, "
        "hours whose fossil marginal unit bears the price, and carbon prices above the lowest",
    ),
    "note": ("", "why something is empty, or what the design lacks"),
}

_CONTROLS = ["load_mw", "wind_mw", "solar_mw"]
_NOTHING = 1e-20  # share of a sum of squares that rounding leaves


def regressions(runs: Sequence[Run]) -> pd.DataFrame:
    """Regress prices on marginal carbon costs, for each regime and specification.

    Ordinary least squares on one observation for each province with load, snapshot and carbon
    price; the marginal carbon cost is ``tau e_m`` with the marginal emission rate at that price.

    Parameters
    ----------
    runs : sequence of Run
        On the same case.

    Returns
    -------
    DataFrame
        Columns as in `COLUMNS`; one row per regime and specification.
    """
    rows = []
    for name, members in by_regime(runs).items():
        panel = panel_of(members)
        structural = _structural(pairs_of(members))
        for specification in SPECIFICATIONS:
            found = estimate(panel, specification)
            rows.append(
                {"regime": name, "specification": specification, "structural_rate": structural,
                 **found}
            )  # fmt: skip
    return pd.DataFrame(rows, columns=list(COLUMNS))


def panel_of(runs: Sequence[Run]) -> pd.DataFrame:
    """Return the observations of one regime.

    Parameters
    ----------
    runs : sequence of Run
        At different carbon prices, on the same case.

    Returns
    -------
    DataFrame
        Columns province, snapshot, day, hour (of the day, 0 where snapshots are no times), period
        (month or window), carbon_price [money/t], price [money/MWh], carbon_cost [money/MWh],
        load_mw, wind_mw, solar_mw (available) [MW].
    """
    case, load = runs[0].case, load_of(runs[0])
    provinces, snapshots = load.columns, load.index
    calendar = pd.DataFrame({"snapshot": snapshots, "day": days(case).to_numpy()})
    if isinstance(snapshots, pd.DatetimeIndex):
        calendar["hour"], calendar["period"] = snapshots.hour, snapshots.strftime("%Y-%m")
    else:
        calendar["hour"], calendar["period"] = 0, window_of(case)[snapshots].to_numpy()
    shared = calendar.merge(pd.DataFrame({"province": provinces}), how="cross")
    frames = {"load_mw": load}
    for name, carriers in (("wind_mw", case.carriers.wind), ("solar_mw", case.carriers.solar)):
        members = case.generators[case.generators["carrier"].isin(carriers or [])]
        available = case.availability[members.index].T.groupby(members["province"]).sum().T
        frames[name] = available.reindex(columns=provinces, fill_value=0.0)
    shared = shared.assign(**{name: frame.to_numpy().ravel() for name, frame in frames.items()})
    parts = []
    for run in runs:
        emission = by_province(run, priced_emission(run))
        part = shared.assign(
            carbon_price=run.carbon_price,
            price=signal(run)[provinces].to_numpy().ravel(),
            carbon_cost=run.carbon_price * emission[provinces].to_numpy().ravel(),
        )
        parts.append(part)
    return pd.concat(parts, ignore_index=True)


def estimate(panel: pd.DataFrame, specification: str) -> dict[str, object]:
    """Estimate one specification.

    Standard errors allow any dependence within a day, of all provinces and carbon prices together
    (Liang and Zeger's estimator with the correction for few clusters; fixed effects within
    clusters are not counted as parameters, Cameron and Miller 2015, doi:10.3368/jhr.50.2.317).

    Parameters
    ----------
    panel : DataFrame
        Columns as `panel_of` returns them.
    specification : {"fixed_effects", "within_hour"}

    Returns
    -------
    dict
        coefficient, standard_error, r2, observations, clusters, note, as in `COLUMNS`. The
        coefficient is empty where the carbon cost does not vary beyond what else explains it, and 0
        where the price does not.

    Raises
    ------
    InputError
        If the specification is unknown, or a province lacks a snapshot or carbon price that
        another one has.
    """
    if specification not in SPECIFICATIONS:
        remedy = nearest(specification, SPECIFICATIONS)
        raise InputError([Fault("specification", f"{specification!r} is unknown", remedy)])
    keys = ["province", "snapshot", "carbon_price"]
    every = np.prod([panel[key].nunique() for key in keys])
    if len(panel) != every or panel.duplicated(keys).any():
        what = f"{len(panel)} rows for {every} of province, snapshot and carbon price"
        raise InputError([Fault("panel", what, "give each of them one row")])
    # Takes a second to import, and only who regresses needs it.
    from statsmodels.regression.linear_model import OLS
    from statsmodels.tools.sm_exceptions import SingularMatrixWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SingularMatrixWarning)  # the note says it
        return _estimate(panel, specification, OLS)


def _estimate(panel: pd.DataFrame, specification: str, ols: Any) -> dict[str, object]:
    days_in_it = panel["day"].nunique()
    found: dict[str, object] = {
        "coefficient": np.nan, "standard_error": np.nan, "r2": np.nan, "observations": len(panel),
        "clusters": days_in_it, "note": "",
    }  # fmt: skip
    if panel["carbon_price"].nunique() < 2:
        return {**found, "note": "one carbon price only"}
    values = panel[["price", "carbon_cost", *_CONTROLS]].astype(float)
    if specification == WITHIN_HOUR:
        values = values[["price", "carbon_cost"]]
        means = values.groupby([panel["province"], panel["snapshot"]]).transform("mean")
        left, effects, redundant = values - means, 0, 0
        spread = float((left["price"] ** 2).sum())
    else:
        left, effects, redundant = _without_effects(panel, values)
        spread = float(((values["price"] - values["price"].mean()) ** 2).sum())

    def varies(rest: pd.Series) -> bool:
        return bool((rest**2).sum() > _NOTHING * (values[rest.name] ** 2).sum())

    controls = left[[name for name in left.columns[2:] if varies(left[name])]]
    controls = controls / controls.std()
    redundant += len(left.columns) - 2 - len(controls.columns)
    if len(controls.columns):
        partial = {name: ols(left[name], controls).fit() for name in left.columns[:2]}
        redundant += len(controls.columns) - int(partial["price"].model.rank)
        rest = pd.DataFrame({name: fit.resid for name, fit in partial.items()})
    else:
        rest = left
    notes = [f"{redundant} fixed effects and controls are redundant"] if redundant else []
    for name, what, coefficient in (
        ("carbon_cost", "marginal carbon cost", np.nan),
        ("price", "price", 0.0),
    ):
        if not varies(rest[name]):
            notes.insert(0, f"the {what} does not vary beyond fixed effects and controls")
            return {**found, "coefficient": coefficient, "note": "; ".join(notes)}
    model = ols(left["price"], pd.concat([left["carbon_cost"], controls], axis=1))
    if days_in_it > 1:
        groups = pd.factorize(panel["day"])[0]
        fitted = model.fit(cov_type="cluster", cov_kwds={"groups": groups})
        counted = len(panel) - len(controls.columns) - 1  # effects are parameters too
        error = fitted.bse["carbon_cost"] * np.sqrt(counted / (counted - effects))
        found["standard_error"] = float(error)
    else:
        fitted = model.fit()
        notes.append("one day only: no standard error")
    return {
        **found,
        "coefficient": float(fitted.params["carbon_cost"]),
        "r2": 1 - float(fitted.ssr) / spread,
        "note": "; ".join(notes),
    }


def _without_effects(panel: pd.DataFrame, values: pd.DataFrame) -> tuple[pd.DataFrame, int, int]:
    """What fixed effects of province, hour and period leave; how many there are, and too many.

    Every province has every snapshot at every carbon price, so effects of provinces and of time
    are orthogonal but for the mean, and those of time are found on the means of snapshots.
    """
    by_time = values.groupby(panel["snapshot"]).mean()
    calendar = panel.groupby("snapshot")[["hour", "period"]].first()
    effects = pd.concat(
        [pd.get_dummies(calendar[name], dtype=float, drop_first=True) for name in calendar], axis=1
    )
    effects.insert(0, "mean", 1.0, allow_duplicates=True)
    slopes, _, rank, _ = np.linalg.lstsq(effects.to_numpy(), by_time.to_numpy())
    fitted = pd.DataFrame(effects.to_numpy() @ slopes, by_time.index, by_time.columns)
    by_province = values.groupby(panel["province"]).transform("mean")
    in_time = fitted.reindex(panel["snapshot"]).set_axis(panel.index, axis="index")
    left = values - by_province - in_time + values.mean()
    count = panel["province"].nunique() + len(effects.columns) - 1
    return left, count, len(effects.columns) - int(rank)


def _structural(pairs: Sequence[Pair]) -> float:
    """Marginal pass-through of all pairs together [1]."""
    change = cost = 0.0
    for pair in pairs:
        weight = pair.energy.where(pair.bearing, 0.0)
        change += float((weight * pair.price_change).to_numpy().sum())
        cost += float((weight * pair.priced).to_numpy().sum()) * pair.step
    return change / cost if cost > 0 else np.nan
