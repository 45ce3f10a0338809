"""Prices regressed on marginal carbon costs: known coefficients, closed forms, reasons."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import powermkt as pm
from powermkt.analysis.regression import FIXED_EFFECTS, WITHIN_HOUR, estimate


def made(noise: float, taus: tuple[float, ...] = (0.0, 50.0, 100.0)) -> pd.DataFrame:
    """Two provinces, three days in two months: price 100 + effects + 0.7 cost + 0.02 load."""
    rng = np.random.default_rng(1)
    days = ["2022-01-31", "2022-02-01", "2022-02-02"]
    rows = pd.MultiIndex.from_product(
        [["N", "S"], days, range(24), taus], names=["province", "day", "hour", "carbon_price"]
    ).to_frame(index=False)
    rows["snapshot"] = rows["day"] + " " + rows["hour"].astype(str)
    rows["period"] = rows["day"].str[:7]
    at = rows[["province", "snapshot"]].agg(" ".join, axis=1)
    for name, top in (("emission", 1.0), ("load_mw", 900.0), ("wind_mw", 80.0), ("solar_mw", 40.0)):
        rows[name] = at.map({key: rng.uniform(0, top) for key in at.unique()})
    shock = {day: rng.normal(0, noise) for day in days}
    rows["carbon_cost"] = rows["carbon_price"] * rows["emission"]
    effect = rows["province"].map({"N": 30.0, "S": -5.0}) + 2.0 * rows["hour"]
    effect += rows["period"].map({"2022-01": 12.0, "2022-02": 0.0})
    rows["price"] = 100 + effect + 0.7 * rows["carbon_cost"] + 0.02 * rows["load_mw"]
    rows["price"] += rows["day"].map(shock) * rows["carbon_price"] / 50
    rows["price"] += rng.normal(0, noise, len(rows))
    return rows


def clustered(x: np.ndarray, residual: np.ndarray, day: pd.Series, parameters: int) -> float:
    """Standard error of one coefficient from what is left of its regressor."""
    n, g = len(x), day.nunique()
    scores = pd.Series(x * residual).groupby(day.to_numpy()).sum()
    few = g / (g - 1) * (n - 1) / (n - parameters)
    return float(np.sqrt(few * (scores**2).sum()) / (x @ x))


@pytest.mark.parametrize("specification", [FIXED_EFFECTS, WITHIN_HOUR])
def test_a_known_coefficient_is_found(specification: str) -> None:
    found = estimate(made(0.0), specification)
    assert found["coefficient"] == pytest.approx(0.7, abs=1e-9)
    assert found["r2"] == pytest.approx(1)
    assert (found["observations"], found["clusters"], found["note"]) == (2 * 72 * 3, 3, "")


def test_within_hour_is_the_within_transform() -> None:
    """Less the mean of each province and hour, by hand: slope x'y / x'x, R2, clustered error."""
    panel = made(3.0)
    shape = (2 * 72, 3)  # rows come by province, day and hour, then carbon price
    x, y = (panel[name].to_numpy().reshape(shape) for name in ("carbon_cost", "price"))
    x, y = ((part - part.mean(axis=1, keepdims=True)).ravel() for part in (x, y))
    slope = x @ y / (x @ x)
    residual = y - slope * x
    found = estimate(panel, WITHIN_HOUR)
    assert found["coefficient"] == pytest.approx(slope) and slope != pytest.approx(0.7, abs=1e-4)
    assert found["r2"] == pytest.approx(1 - residual @ residual / (y @ y))
    assert found["standard_error"] == pytest.approx(clustered(x, residual, panel["day"], 1))


def test_fixed_effects_are_the_regression_on_dummies() -> None:
    """Frisch and Waugh: the slope on what effects and controls leave of the carbon cost.

    One day ends early, so that hours and months are not orthogonal.
    """
    panel = made(3.0)
    panel = panel[(panel["day"] != "2022-02-02") | (panel["hour"] < 9)].reset_index(drop=True)
    columns = [(panel["province"] == name) for name in ("N", "S")]
    columns += [panel["hour"] == hour for hour in range(1, 24)]
    columns += [panel["period"] == "2022-02", panel["load_mw"], panel["wind_mw"], panel["solar_mw"]]
    others = np.column_stack([np.asarray(column, dtype=float) for column in columns])
    x, y = (panel[name].to_numpy() for name in ("carbon_cost", "price"))
    x, y = (part - others @ np.linalg.lstsq(others, part)[0] for part in (x, y))
    slope = x @ y / (x @ x)
    residual = y - slope * x
    found = estimate(panel, FIXED_EFFECTS)
    total = panel["price"] - panel["price"].mean()
    assert found["coefficient"] == pytest.approx(slope)
    assert found["r2"] == pytest.approx(1 - residual @ residual / (total @ total))
    assert found["standard_error"] == pytest.approx(
        clustered(x, residual, panel["day"], others.shape[1] + 1)
    )
    assert found["note"] == ""


def test_what_cannot_be_estimated_says_why() -> None:
    one = estimate(made(1.0, (60.0,)), FIXED_EFFECTS)
    assert np.isnan(one["coefficient"]) and one["note"] == "one carbon price only"
    panel = made(1.0)
    nobody = estimate(panel.assign(carbon_cost=0.0), WITHIN_HOUR)
    assert np.isnan(nobody["coefficient"]) and "carbon cost does not vary" in nobody["note"]
    still = estimate(panel.assign(price=400.0), FIXED_EFFECTS)
    assert still["coefficient"] == 0 and "price does not vary" in still["note"]
    # Wind that is a share of load, no sun, months that are mornings: three too many.
    doubled = panel.assign(
        wind_mw=panel["load_mw"] / 7, solar_mw=0.0, period=(panel["hour"] < 12).astype(str)
    )
    found = estimate(doubled, FIXED_EFFECTS)
    assert found["note"] == "3 fixed effects and controls are redundant"
    without = estimate(panel.assign(wind_mw=0.0, solar_mw=0.0, period=""), FIXED_EFFECTS)
    assert found["coefficient"] == pytest.approx(without["coefficient"])
    day = panel[panel["day"] == "2022-02-01"]
    single = estimate(day, FIXED_EFFECTS)
    assert np.isnan(single["standard_error"]) and "one day only" in single["note"]
    assert np.isfinite(single["coefficient"])
    for wrong, specification, what in (
        (panel, "fixed", "'fixed' is unknown"),
        (panel.iloc[1:], WITHIN_HOUR, "431 rows for 432"),
        (pd.concat([panel.iloc[1:], panel.iloc[-1:]]), WITHIN_HOUR, "432 rows for 432"),
    ):
        with pytest.raises(pm.InputError, match=what):
            estimate(wrong, specification)
