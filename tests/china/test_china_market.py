"""The China network under its rules: slow, a few minutes of clearing."""

from __future__ import annotations

from pathlib import Path

import pytest

import powermkt as pm
from powermkt.system.horizon import Horizon, with_horizon

pytestmark = pytest.mark.slow
FOLDER = Path(__file__).parents[2] / "networks" / "china"


@pytest.fixture(scope="module")
def result() -> pm.Comparison:
    return pm.compare(pm.read(FOLDER), carbon_prices=[0, 60], workers=2)


def test_calibration_regime_meets_the_observed_energies(result: pm.Comparison) -> None:
    """Each fuel within 10 %, the coal rate within 5 %; curtailment is reported, not asserted."""
    table = result.calibration
    assert table is not None
    energy = table[table["quantity"] == "generation_twh"]
    assert len(energy) >= 7
    assert (energy["difference_pct"].abs() < 10).all(), energy
    rate = table[table["quantity"] == "coal_rate_gce_per_kwh_net"]
    assert (rate["difference_pct"].abs() < 5).all(), rate


def test_fixed_tariff_stands_still_and_costs_most(result: pm.Comparison) -> None:
    rows = result.table.set_index(["regime", "carbon_price"])
    for column in ("cost", "emissions_t", "retail_price", "wholesale_price", "consumer_payment"):
        assert rows.loc[("fixed_tariff", 0.0), column] == rows.loc[("fixed_tariff", 60.0), column]
    cost = rows["cost"].xs(0.0, level="carbon_price")
    assert cost["full_market"] < cost["fixed_tariff"]
    assert cost["priority_dispatch"] < cost["fixed_tariff"]
    assert (result.table["load_shed_mwh"] == 0).all()


def test_net_pass_through_of_the_market_is_about_one(result: pm.Comparison) -> None:
    rates = result.pass_through
    nation = rates[(rates["province"] == "all") & (rates["regime"] == "full_market")].iloc[0]
    assert nation["pass_through_net"] == pytest.approx(1.0, abs=0.25)
    assert 0 < nation["pass_through_marginal"] < 0.15  # benchmarks by class: little gets through


@pytest.mark.long
def test_reservoirs_are_low_before_the_rains_and_full_after() -> None:
    """Reservoirs together: least in spring, most in autumn, closed over the year."""
    case = with_horizon(pm.read(FOLDER), Horizon(year=True))
    assert case.seams is not None and len(case.seams.start.columns) == 24
    total = case.seams.start.sum(axis=1)
    assert 10 <= int(total.argmin()) <= 26 and 34 <= int(total.argmax()) <= 51
    assert total.max() > 2 * total.min()
    first, last = case.seams.start.iloc[0], case.seams.end.iloc[-1]
    assert last.to_numpy() == pytest.approx(first.to_numpy())
    assert case.seams.value.to_numpy().min() >= 0
