"""Switching points: by hand, against lines drawn at random, against clearings at many prices."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pypsa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from toys import one_bus, random_case

import powermkt as pm
from powermkt.dispatch.programme import Adders
from powermkt.methods.staircase import Search, Spot, Staircase
from powermkt.rules import CarbonPrice


def coal_and_gas(load: list[float], weight: float = 1.0) -> pypsa.Network:
    """Subcritical coal (300, e 0.95, b 0.8177), gas (520, 0.38, 0.3901), 25 MW of wind, one bus."""
    n = one_bus(load, weight)
    table = pd.DataFrame(
        {"marginal_cost": [300.0, 520.0], "emission_rate": [0.95, 0.38],
         "benchmark": [0.8177, 0.3901]},
        index=["coal", "gas"],
    )  # fmt: skip
    n.generators.loc[table.index, table.columns] = table
    return n


@pytest.fixture(scope="module")
def two_hours() -> pm.Case:
    return pm.Case(coal_and_gas([65.0, 115.0], weight=2.0))


# ---- the search alone ------------------------------------------------------------------------


def lower_envelope(lines: np.ndarray) -> tuple[Staircase, list[float]]:
    """Staircase of the lowest of some lines (value at 0, slope), and the prices it asked for."""
    asked: list[float] = []

    def solve(tau: float) -> Spot:
        asked.append(tau)
        values = lines[:, 0] + tau * lines[:, 1]
        # Of equal ones the last: at a step any of them may come out.
        k = int(np.flatnonzero(values == values.min())[-1])
        value, slope = float(values[k]), float(lines[k, 1])
        return Spot(tau, value, value, slope, float(lines[k, 0]), slope, 1e3, np.zeros(1))

    return Staircase(solve, Search(0.0, 100.0, 1e-3)), asked


def test_three_lines() -> None:
    """0 + 3 t, 10 + 2 t and 60 + t: steps at 10 and 50, the second line from 10 to 50."""
    found, asked = lower_envelope(np.array([[0.0, 3.0], [10.0, 2.0], [60.0, 1.0], [50.0, 2.0]]))
    assert [step.tau for step in found.steps] == pytest.approx([10.0, 50.0])
    assert [step.after.slope for step in found.steps] == [2.0, 1.0]
    assert all(step.certified for step in found.steps) and len(asked) <= 9
    assert found.envelope_error < 1e-9


@given(st.integers(0, 10_000), st.integers(1, 40))
@settings(max_examples=60)
def test_all_steps_of_random_lines(seed: int, count: int) -> None:
    """Against the minimum over a fine grid: the slope between any two neighbours is that of a line.

    Lines are tangents of a concave curve and others above it, so that steps come close together.
    """
    rng = np.random.default_rng(seed)
    at = np.sort(rng.uniform(0, 100, count)).round(2)
    slopes, values = 200 - 2 * at, at**2  # tangents of 200 t - t^2
    lines = np.column_stack([values, slopes])
    lines = np.concatenate([lines, lines + np.array([5.0, 0.0])])
    found, asked = lower_envelope(lines)
    distinct = np.unique(at)
    meet = (distinct[1:] + distinct[:-1]) / 2
    meet = meet[(meet > 0) & (meet < 100)]
    assert [step.tau for step in found.steps] == pytest.approx(meet, abs=1e-6)
    assert len(asked) <= 2 + 4 * len(distinct)
    assert all(step.certified for step in found.steps)


def test_budget_ends_the_search_and_says_so() -> None:
    at = np.linspace(1, 99, 40)
    lines = np.column_stack([at**2, 200 - 2 * at])

    def solve(tau: float) -> Spot:
        k = int(np.argmin(lines @ [1.0, tau]))
        value = float(lines[k] @ [1.0, tau])
        return Spot(tau, value, value, float(lines[k, 1]), 0.0, 0.0, 1e3, np.zeros(1))

    found = Staircase(solve, Search(0.0, 100.0, 1e-3, most=20))
    assert not all(step.certified for step in found.steps) and found.left_error > 0
    drops = [step.before.slope - step.after.slope for step in found.steps]
    assert sum(drops) == pytest.approx(lines[0, 1] - lines[-1, 1])
    rough = Staircase(solve, Search(0.0, 100.0, 1e-3, tolerance=1e-2))
    assert len(rough.steps) < 39 and not all(step.certified for step in rough.steps)


# ---- by hand ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("regime", "tau"),
    # (520 - 300) / (0.95 - 0.38), and over (0.95 - 0.8177) - (0.38 - 0.3901) = 0.1424
    [("full_market_auction", 220 / 0.57), ("full_market", 220 / 0.1424)],
)
def test_coal_to_gas(two_hours: pm.Case, regime: str, tau: float) -> None:
    """Coal gives 40 and 90 MW for 2 h each: 260 MWh go to gas, where there is room for them.

    In the second hour gas has 100 MW. 260 MWh x 220 = 57,200; 260 x 0.57 = 148.2 t.
    """
    found = pm.switching_points(two_hours, regime, 2000.0)
    assert found.complete and len(found.table) == 2 and found.left_error == 0
    step = found.table.iloc[1]
    assert step["tau"] == pytest.approx(tau, rel=1e-9)
    assert step["width"] <= 1e-3 * (1 + 1e-9) and step["certified"]
    assert step["cost_change"] == pytest.approx(57_200)
    assert step["emissions_change_t"] == pytest.approx(-148.2)
    assert step["abatement_cost"] == pytest.approx(220 / 0.57)
    assert step["switched_mwh"] == pytest.approx(260)
    assert (step["loses"], step["gains"]) == ("coal of A", "gas of A")
    assert found.table["emissions_t"].tolist() == pytest.approx([247.0, 98.8])
    assert found.table["cost"].tolist() == pytest.approx([78_000, 135_200])
    moved = found.switches.set_index("unit")["change_mwh"]
    assert moved.to_dict() == pytest.approx({"coal": -260, "gas": 260})
    assert found.envelope_error < 1e-9
    net = 260 * (0.95 - 0.8177), 260 * (0.38 - 0.3901)
    expected = net if regime == "full_market" else (247.0, 98.8)
    assert found.table["net_allowances_t"].tolist() == pytest.approx(expected)
    assert found.at(tau - 1)["emissions_t"] == pytest.approx(247.0)
    assert found.at(tau + 1)["emissions_t"] == pytest.approx(98.8)
    curve = found.abatement_curve
    assert curve.iloc[0].tolist() == pytest.approx([0.0, 148.2, tau, 220 / 0.57])


def test_two_provinces(two_province: pm.Case) -> None:
    """S1 (360, 0.82) to S2 (520, 0.38) at 160 / 0.44; then N2 (300, 0.95) to S1 at 60 / 0.13.

    The first moves 100 MW by night (S1 down to its 500) and 500 by day (S2 up to its 600), 7,200
    MWh in 12 hours each: 7,200 x 0.44 = 3,168 t. By day N2 then falls from 400 to its 250 and the
    tie from 300 to 150: 1,800 MWh x 0.13 = 234 t. By output N2 to S2 at 220 / 0.1424 is all: S1 to
    S2 would be at 160 / 0.0124, N2 to S1 at 60 / 0.13 finds S1 full. S2 goes from 100 to 250.
    """
    found = pm.switching_points(two_province, "full_market_auction", 500.0)
    table = found.table
    assert found.complete and found.envelope_error < 1e-9
    assert table["tau"].tolist() == pytest.approx([0.0, 160 / 0.44, 60 / 0.13])
    assert table["emissions_t"].tolist() == pytest.approx([30_810, 27_642, 27_408])
    cost = [12_036_000, 12_036_000 + 7_200 * 160, 12_036_000 + 7_200 * 160 + 1_800 * 60]
    assert table["cost"].tolist() == pytest.approx(cost)
    assert table["loses"].tolist()[1:] == ["coal of South", "coal of North"]
    assert table["gains"].tolist()[1:] == ["gas of South", "coal of South"]
    by_output = pm.switching_points(two_province, "full_market", 2000.0).table
    assert by_output["tau"].tolist() == pytest.approx([0.0, 220 / 0.1424])
    assert by_output["emissions_change_t"].iloc[1] == pytest.approx(-1_800 * 0.57)


def test_a_carbon_price_that_is_not_offered_has_no_steps(two_province: pm.Case) -> None:
    found = pm.switching_points(two_province, "fixed_tariff", 500.0)
    assert found.complete and len(found.table) == 1 and found.solves == 1
    assert found.table["emissions_t"].iloc[0] == pytest.approx(32_730)
    assert found.at(300)["cost"] == pytest.approx(13_860_000)
    assert found.switches.empty and found.abatement_curve.empty


class HalvedAbove(CarbonPrice):
    """A carbon price of which offers contain half beyond 300."""

    def offer(self, case: pm.Case) -> Adders:
        felt = min(self.price, 300.0) + max(self.price - 300.0, 0.0) / 2
        return {"Generator-p": felt * self.exposure(case)}


class Squared(CarbonPrice):
    """Offers that are not affine anywhere."""

    def offer(self, case: pm.Case) -> Adders:
        return {"Generator-p": self.price**2 / 100 * self.exposure(case)}


def with_rule(rule: CarbonPrice) -> pm.Regime:
    return pm.Regime("own rule", (*pm.regime("full_market").rules[:3], rule))


def test_offers_with_a_kink(two_hours: pm.Case) -> None:
    """385.96 felt is 300 + 2 x 85.96 charged; beyond 300 the slope is half of emissions."""
    found = pm.switching_points(two_hours, with_rule(HalvedAbove(allocation="auction")), 600.0)
    assert found.complete and found.envelope_error < 1e-9
    step = 2 * 220 / 0.57 - 300
    assert found.table["tau"].tolist() == pytest.approx([0.0, 300.0, step])
    assert found.table["emissions_t"].tolist() == pytest.approx([247.0, 247.0, 98.8])
    # Half of 247 t between the kink and the step, where no output moves.
    assert found.table["net_allowances_t"].tolist() == pytest.approx([247.0, 123.5, 49.4])
    net = [found.at(tau)["net_allowances_t"] for tau in (299.0, 301.0, step - 1, step + 1)]
    assert net == pytest.approx([247.0, 123.5, 123.5, 49.4])
    assert found.table["windows"].tolist() == [0, 1, 1] and len(found.abatement_curve) == 1
    assert "1 steps up to 600" in repr(found)


def test_rules_are_asked_of_what_is_cleared() -> None:
    """A price path of the first day alone is enough for that day."""
    case = pm.Case(coal_and_gas([65.0] * 48))
    rule = with_rule(CarbonPrice(allocation="auction", path={"2022-01-03": 2.0}))
    found = pm.switching_points(case, rule, 300.0, days=1)
    assert found.table["tau"].tolist() == pytest.approx([0.0, 220 / 0.57 / 2])
    with pytest.raises(pm.InputError, match="path"):
        pm.switching_points(case, rule, 300.0, days=1, start="2022-01-04")


def test_what_has_no_staircase_is_refused(two_hours: pm.Case) -> None:
    n = coal_and_gas([65.0, 115.0])
    n.generators.loc["gas", "committable"] = True
    n.generators.loc["coal", "marginal_cost_quadratic"] = 0.1
    with pytest.raises(pm.InputError) as caught:
        pm.switching_points(pm.Case(n), "two_settlement", -1.0, resolution=0.0, most=1)
    said = str(caught.value)
    for part in ("carbon_price_max", "resolution", "most", "settles twice", "units are on or off "
                 "(gas)", "quadratic costs (coal)"):  # fmt: skip
        assert part in said
    with pytest.raises(pm.InputError, match="not piecewise affine"):
        pm.switching_points(two_hours, with_rule(Squared()))
    with pytest.raises(pm.InputError, match="outside 0"):
        pm.switching_points(two_hours, "fixed_tariff").at(500)
    two_days = pm.Case(coal_and_gas([65.0] * 48))
    with pytest.raises(pm.InputError, match="hand on their state"):
        pm.switching_points(two_days, days=2)


# ---- against clearings -----------------------------------------------------------------------


@pytest.mark.slow
@given(st.integers(0, 10_000), st.sampled_from(["full_market", "full_market_auction"]))
def test_staircase_is_what_clearings_at_many_prices_give(seed: int, regime: str) -> None:
    case = random_case(seed, hours=3, provinces=2)
    found = pm.switching_points(case, regime, 900.0)
    taus = np.linspace(3.0, 890.0, 8)
    result = pm.compare(case, [regime], taus).table.set_index("carbon_price")
    assert found.complete and found.envelope_error < 1e-9
    steps = found.table["tau"].to_numpy()[1:]
    for tau in taus:
        if np.abs(steps - tau).min(initial=np.inf) > 0.05:  # ties of a clearing shift its steps
            assert found.at(tau)["emissions_t"] == pytest.approx(
                result.loc[tau, "emissions_t"], rel=1e-7
            )
            assert found.at(tau)["cost"] == pytest.approx(result.loc[tau, "cost"], rel=1e-7)
    net = found.table["net_allowances_t"]
    assert (net.diff().iloc[1:] < 0).all()
    if regime == "full_market_auction":
        assert net.to_numpy() == pytest.approx(found.table["emissions_t"].to_numpy())


def test_windows_add_up() -> None:
    """Gas at 520 and 560: window a moves 80 MWh at 220 / 0.57 and 80 at 260 / 0.57, b moves 180.

    Coal gives 40 MW in both hours of a and 90 in that of b, 2 h each: 340 MWh, 323 t, less 0.57 t
    for each MWh that moves.
    """
    n = coal_and_gas([65.0, 65.0, 115.0], weight=2.0)
    n.generators_t["marginal_cost"] = pd.DataFrame({"gas": [520.0, 560.0, 520.0]}, n.snapshots)
    case = pm.Case(n, windows={"a": n.snapshots[:2], "b": n.snapshots[2:]})
    calls: list[tuple[int, int, str]] = []
    found = pm.switching_points(
        case, "full_market_auction", 500.0, progress=lambda *call: calls.append(call)
    )
    table = found.table
    assert table["tau"].tolist() == pytest.approx([0.0, 220 / 0.57, 260 / 0.57])
    assert table["windows"].tolist() == [0, 2, 1]
    assert table["switched_mwh"].tolist() == pytest.approx([0, 260, 80])
    assert table["emissions_t"].tolist() == pytest.approx([323.0, 174.8, 129.2])
    assert table["abatement_t"].tolist() == pytest.approx([0.0, 148.2, 193.8])
    assert found.envelope_error < 1e-9 and calls == [(1, 2, "a"), (2, 2, "b")]
