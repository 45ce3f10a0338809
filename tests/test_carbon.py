"""Allowance rules: what one more MWh costs, who is exempt, where and when the price holds."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pypsa
import pytest
import yaml
from conftest import NETWORKS
from hypothesis import given
from hypothesis import strategies as st
from toys import add_rows, random_case, weigh

import powermkt as pm
from powermkt.common.ledger import balances
from powermkt.inputs.classes import benchmark_table, shares_of
from powermkt.rules import CarbonPrice, Coupled, ImportAdjustment, LocationalPrice, MeritOrder, Rule


def market(*carbon: Rule) -> pm.Regime:
    return pm.Regime("market", (MeritOrder(), Coupled(), LocationalPrice(), *carbon))


def faults(call: Callable[..., object], *args: object) -> list[str]:
    with pytest.raises(pm.InputError) as caught:
        call(*args)
    return [str(fault) for fault in caught.value.faults]


def fleet(rows: dict[str, dict[str, object]], hours: int = 1) -> pypsa.Network:
    """One bus with these generators of 100 MW and a load of 50 MW."""
    n = pypsa.Network()
    n.set_snapshots(pd.date_range("2022-01-03", periods=hours, freq="D"))
    n.add("Carrier", ["coal", "gas", "onshore wind", "AC"])
    n.add("Bus", "A", carrier="AC")
    add_rows(n, "Generator", {name: {"bus": "A", "p_nom": 100.0, **row} for name, row in
                              rows.items()})  # fmt: skip
    n.add("Load", "load", bus="A", p_set=50.0)
    return n


@pytest.fixture(scope="module")
def plants() -> pm.Case:
    """Coal far above its benchmark, coal near it, gas above and gas below, wind."""
    return pm.Case(
        fleet(
            {
                "old": {"carrier": "coal", "marginal_cost": 250.0, "emission_rate": 1.2,
                        "benchmark": 0.8, "benchmark_class": "small", "own_use": 0.06},
                "new": {"carrier": "coal", "marginal_cost": 300.0, "emission_rate": 0.95,
                        "benchmark": 0.8177, "benchmark_class": "large:0.75+small:0.25"},
                "turbine": {"carrier": "gas", "marginal_cost": 520.0, "emission_rate": 0.42,
                            "benchmark": 0.39, "benchmark_class": "gas", "own_use": 0.0},
                "cycle": {"carrier": "gas", "marginal_cost": 510.0, "emission_rate": 0.38,
                          "benchmark": 0.39, "benchmark_class": "gas", "own_use": 0.0},
                "wind": {"carrier": "onshore wind", "marginal_cost": 0.0, "p_max_pu": 0.1,
                         "emission_rate": 0.0},
            },
            hours=2,
        )
    )  # fmt: skip


def adder(case: pm.Case, tau: float = 60.0, **rule: object) -> pd.Series:
    """Carbon cost of one more MWh in the first snapshot."""
    return CarbonPrice(price=tau, **rule).adder(case).iloc[0]


# ---- what one more MWh costs -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "n2", "s1", "s2"),
    [
        # e tau: 0.95 x 60, 0.82 x 60, 0.38 x 60
        ({"allocation": "auction"}, 57.0, 49.2, 22.8),
        ({"allocation": "lump_sum"}, 57.0, 49.2, 22.8),
        ({"allocation": {"lump_sum": 0.5, "auction": 0.5}}, 57.0, 49.2, 22.8),
        # (e - b) tau
        ({}, 7.938, 0.138, -0.606),
        ({"allocation": {"output_based": 1.0}}, 7.938, 0.138, -0.606),
        # (e - 0.9 b) tau: 0.95 - 0.73593 = 0.21407, 0.08407, 0.38 - 0.35109 = 0.02891
        ({"allocation": {"output_based": 0.9, "auction": 0.1}}, 12.8442, 5.0442, 1.7346),
        # A correction of 0.9 says the same.
        ({"correction": 0.9}, 12.8442, 5.0442, 1.7346),
    ],
)
def test_adder_by_allocation(
    two_province: pm.Case, rule: dict[str, object], n2: float, s1: float, s2: float
) -> None:
    found = adder(two_province, **rule)
    assert found[["N2", "S1", "S2"]].tolist() == pytest.approx([n2, s1, s2])


@pytest.mark.parametrize(
    ("rule", "old", "new"),
    [
        # Deficits 0.4 and 0.1323; a fifth of emissions 0.24 and 0.19: 60 x 0.24, 60 x 0.1323.
        ({"deficit_cap": 0.2}, 14.4, 7.938),
        # A fifth of what is allocated: 0.16 and 0.16354.
        ({"deficit_cap": 0.2, "deficit_base": "allocation"}, 9.6, 7.938),
        # Nine tenths are given: deficits 0.48 and 0.21407, of which 0.24 and 0.19 remain.
        ({"deficit_cap": 0.2, "allocation": {"output_based": 0.9, "auction": 0.1}}, 14.4, 11.4),
    ],
)
def test_cap_on_deficits(plants: pm.Case, rule: dict[str, object], old: float, new: float) -> None:
    found = adder(plants, **rule)
    assert found[["old", "new"]].tolist() == pytest.approx([old, new])


@pytest.mark.parametrize("named", ["gas", "turbine"])
def test_exempt_deficits(plants: pm.Case, named: str) -> None:
    """0.42 - 0.39 is let off, 0.38 - 0.39 is kept: -0.6 at 60."""
    found = adder(plants, exempt_deficits=[named])
    assert found["turbine"] == 0
    assert found["cycle"] == pytest.approx(-0.6)
    assert found["new"] == pytest.approx(7.938)


def test_offsets_replace_allowances_where_they_are_cheaper(plants: pm.Case) -> None:
    """60 (0.95 x 0.95 - 0.8177) + 0.05 x 0.95 x 40 = 5.088 + 1.9; at tau 30 they are dearer."""
    offsets = {"limit": 0.05, "price": 40.0}
    assert adder(plants, 60.0, offsets=offsets)["new"] == pytest.approx(6.988)
    assert adder(plants, 30.0, offsets=offsets)["new"] == pytest.approx(30 * 0.1323)
    forced = adder(plants, 30.0, offsets={**offsets, "use": 0.02})["new"]
    assert forced == pytest.approx(30 * (0.98 * 0.95 - 0.8177) + 0.02 * 0.95 * 40)
    # Of 1.2 t of the old unit 0.16 are waived: a twentieth of 1.04 can be offset.
    capped = adder(plants, 60.0, offsets=offsets, deficit_cap=0.2)["old"]
    assert capped == pytest.approx(60 * (0.24 - 0.05 * 1.04) + 0.05 * 1.04 * 40)
    assert adder(plants, 60.0, offsets=offsets)["wind"] == 0


@given(
    st.floats(1, 300), st.sampled_from(["auction", "output_based"]), st.floats(0, 0.2),
    st.floats(5, 100),
)  # fmt: skip
def test_exposure_is_the_slope_of_the_adder(tau: float, kind: str, limit: float, p: float) -> None:
    case = random_case(1)
    rule = CarbonPrice(price=tau, allocation=kind, offsets={"limit": limit, "price": p})
    step = 1e-3
    if abs(tau - p) < 2 * step:
        return  # the kink
    ends = [rule.model_copy(update={"price": tau + d}).adder(case) for d in (-step, step)]
    slope = (ends[1] - ends[0]) / (2 * step)
    np.testing.assert_allclose(slope, rule.exposure(case), atol=1e-6)


# ---- benchmarks by class ---------------------------------------------------------------------


def test_benchmarks_by_class(plants: pm.Case) -> None:
    """Old: 0.9 x 0.94 own use = 0.846; new: 0.75 x 0.8 + 0.25 x 0.9 = 0.825; gas 0.39."""
    values = {"large": 0.8, "small": 0.9, "gas": 0.39}
    found = adder(plants, 1.0, benchmarks=values)
    assert found["old"] == pytest.approx(1.2 - 0.846)
    assert found["new"] == pytest.approx(0.95 - 0.825)
    assert found["turbine"] == pytest.approx(0.42 - 0.39)
    assert found["wind"] == 0


def test_sets_that_come_with_it() -> None:
    table = benchmark_table().set_index(["set", "class"])
    assert (table["unit"] == "t/MWh").all() and (table["basis"] == "net").all()
    first = table.loc["china_2019_2020"]
    assert first["value"].to_dict() == {
        "coal_above_300": 0.877, "coal_300_and_below": 0.979,
        "coal_unconventional": 1.146, "gas": 0.392,
    }  # fmt: skip
    assert (first["quality"] == "sourced").all()
    assert (table.loc["china_2022", "quality"] == "recalled").all()


@pytest.mark.parametrize(
    ("text", "word"),
    [("a:0.6+b:0.5", "1.1"), ("a:0.6+b", "'b'"), ("a:0.5+a:0.5", "twice"), ("a:-1+b:2", "'a:-1'")],
)
def test_shares_that_are_none(text: str, word: str) -> None:
    with pytest.raises(ValueError, match=word):
        shares_of(text)


def test_all_faults_of_a_rule_at_once(plants: pm.Case) -> None:
    n = plants.network()
    n.generators.loc[["turbine", "cycle"], "benchmark_class"] = ""
    rule = CarbonPrice(
        benchmarks={"large": 0.8}, exempt_deficits=["gaz"], regions={"A": 1.0, "B": 1.0},
        path={"2022-01-03": 1.0},
    )  # fmt: skip
    found = "\n".join(faults(pm.clear, pm.Case(n), market(rule)))
    for said in (
        "2 generators that emit: turbine, cycle", "no benchmark for class 'small'", "'gaz'",
        "unknown province 'B'", "no period for 1 snapshots, 2022-01-04",
    ):  # fmt: skip
        assert said in found


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ({"allocation": "auctoin"}, "did you mean 'auction'"),
        ({"allocation": {"auction": 0.5, "lump_sum": 0.6}}, "add up to 1.1"),
        ({"allocation": {"auktion": 1.0}}, "unknown allocation 'auktion'"),
        ({"allocation": {"auction": 1.5}}, "less than or equal to 1"),
        ({"benchmarks": "china_2020"}, "unknown set 'china_2020'"),
        ({"benchmarks": {"coal": -1.0}}, "greater than or equal to 0"),
        ({"offsets": {"limit": 0.05, "price": 40, "use": 0.1}}, "above the limit 0.05"),
        ({"offsets": {"limit": 0.05, "prize": 40}}, "unknown key 'prize'"),
        ({"path": {"January": 1.0}}, "'January' is no year, quarter, month or day"),
        ({"path": {}}, "at least 1"),
        ({"regions": {}}, "at least 1"),
        ({"regions": {"A": -1.0}}, "greater than or equal to 0"),
        ({"price": -5.0}, "greater than or equal to 0"),
        ({"price": float("nan")}, "finite"),
        ({"allocation": "auction", "deficit_cap": 0.2}, "output_based"),
        ({"allocation": "auction", "exempt_deficits": ["gas"]}, "output_based"),
        ({"surplus": "kept"}, "'sold' or 'banked'"),
    ],
)
def test_bad_parameters(rule: dict[str, object], said: str) -> None:
    content = {"extends": "full_market", "carbon": {"rule": "CarbonPrice", **rule}}
    (found,) = [text for text in faults(pm.regime, content) if said in text]
    assert "carbon" in found


def test_negative_prices_need_a_flag(plants: pm.Case) -> None:
    """At -60 under auction old coal is paid 72 a MWh: 250 - 72 = 178."""
    plain, flagged = (market(CarbonPrice(allocation="auction", allow_negative=flag))
                      for flag in (False, True))  # fmt: skip
    assert "allow_negative" in faults(plain.at, -60.0)[0]
    assert "finite" in faults(flagged.at, float("-inf"))[0]
    run = pm.clear(plants, flagged, -60.0)
    assert np.allclose(run.prices, 250 - 72)
    assert run.summary()["carbon_revenue"] == pytest.approx(-60 * 1.2 * 40 * 2)


def test_the_price_a_regime_states_is_kept(plants: pm.Case) -> None:
    run = pm.clear(plants, market(CarbonPrice(allocation="auction", price=60.0)))
    assert run.carbon_price == 60 and np.allclose(run.prices, 250 + 72)


def test_infinite_capacity_has_no_lump_sum() -> None:
    n = fleet({"coal": {"carrier": "coal", "marginal_cost": 1.0, "emission_rate": 1.0,
                        "p_nom": np.inf}})  # fmt: skip
    assert "infinite p_nom" in faults(pm.clear, pm.Case(n), market(
        CarbonPrice(allocation="lump_sum")))[0]  # fmt: skip


# ---- where the price switches units ----------------------------------------------------------


@pytest.mark.parametrize(
    ("benchmarks", "expected"),
    # One benchmark: (520 - 300) / (0.95 - 0.38); two: 220 / ((0.95 - 0.8177) - (0.38 - 0.3901))
    [((0.8, 0.8), 385.96), ((0.8177, 0.3901), 1544.94)],
)
def test_switching_price_of_coal_and_gas(benchmarks: tuple[float, float], expected: float) -> None:
    coal, gas = benchmarks
    tau = 220 / ((0.95 - coal) - (0.38 - gas))
    assert tau == pytest.approx(expected, abs=0.005)
    check_switch((300.0, 0.95, coal), (520.0, 0.38, gas), tau)


@given(
    st.floats(100, 300), st.floats(10, 300), st.floats(0.6, 1.1), st.floats(0.05, 0.5),
    st.floats(0, 0.9), st.floats(0, 0.5),
)  # fmt: skip
def test_switching_price_of_any_two_fuels(
    cost: float, beyond: float, e_c: float, less: float, b_c: float, b_g: float
) -> None:
    """tau* = (c_g - c_c) / ((e_c - b_c) - (e_g - b_g)), if above zero."""
    e_g = e_c - less
    gap = (e_c - b_c) - (e_g - b_g)
    if gap > 0.02:
        check_switch((cost, e_c, b_c), (cost + beyond, e_g, b_g), beyond / gap)


def check_switch(
    coal: tuple[float, float, float], gas: tuple[float, float, float], tau: float
) -> None:
    rows = {
        name: {"carrier": name, "marginal_cost": c, "emission_rate": e, "benchmark": b}
        for name, (c, e, b) in (("coal", coal), ("gas", gas))
    }
    case, regime = pm.Case(fleet(rows)), market(CarbonPrice())
    below, above = (pm.clear(case, regime, tau * factor) for factor in (0.999, 1.001))
    assert below.dispatch.iloc[0].to_dict() == pytest.approx({"coal": 50, "gas": 0}, abs=1e-6)
    assert above.dispatch.iloc[0].to_dict() == pytest.approx({"coal": 0, "gas": 50}, abs=1e-6)


# ---- what must hold of every allowance rule --------------------------------------------------

RULES = {
    "mixture": {"allocation": {"output_based": 0.8, "lump_sum": 0.1, "auction": 0.1}},
    "cap": {"deficit_cap": 0.05, "exempt_deficits": ["gas"]},
    "offsets": {"offsets": {"limit": 0.1, "price": 20.0}},
    "path": {"path": {"2022-01-03": 1.5}},
    "regions": {"allocation": "auction", "regions": {"P0": 1.0, "P1": 0.5}},
}


@pytest.mark.slow
@pytest.mark.parametrize("names", [("mixture", "path"), ("cap", "offsets"), ("regions",)])
def test_fixed_tariff_does_not_see_it(names: tuple[str, ...]) -> None:
    case, tariff = random_case(7, 2, 2), pm.regime("fixed_tariff")
    rules = [rule for rule in tariff.rules if rule.role != "carbon"]
    stated = {key: value for name in names for key, value in RULES[name].items()}
    regime = pm.Regime("tariff", (*rules, CarbonPrice(offered=False, **stated)))
    free, priced = (pm.clear(case, regime, tau) for tau in (0.0, 80.0))
    pd.testing.assert_frame_equal(free.dispatch, priced.dispatch, check_exact=True)
    pd.testing.assert_frame_equal(free.prices, priced.prices, check_exact=True)
    assert free.summary()["retail_price"] == priced.summary()["retail_price"]
    assert priced.summary()["carbon_revenue"] != 0


@pytest.mark.parametrize("name", ["mixture", "cap", "offsets"])
def test_net_pass_through_is_one_while_the_marginal_unit_stays(plants: pm.Case, name: str) -> None:
    """From 30 to 60 money/t, both above the price of offsets; old coal is marginal."""
    rates = pm.pass_through(plants, [market(CarbonPrice(**RULES[name]))], [30, 60])
    assert rates["pass_through_net"].tolist() == pytest.approx([1.0, 1.0])


def test_path_moves_prices_in_its_periods(plants: pm.Case) -> None:
    """Old coal at the margin, 1.2 t/MWh at 60 and at 120; mean 1.5 x 60 of the price."""
    rule = CarbonPrice(allocation="auction", path={"2022-01-03": 1.0, "2022-01-04": 2.0})
    runs = [pm.clear(plants, market(rule), tau) for tau in (0.0, 60.0)]
    change = (runs[1].prices - runs[0].prices)["A"]
    assert change.tolist() == pytest.approx([72.0, 144.0])
    rates = pm.pass_through(plants, [market(rule)], [0, 60]).iloc[0]
    assert rates["pass_through_marginal"] == pytest.approx(1.0)
    assert rates["pass_through_net"] == pytest.approx(1.0)
    assert rates["pass_through_rate"] == pytest.approx(1.5 * 1.2)


def test_path_by_months_and_years(plants: pm.Case) -> None:
    both = CarbonPrice(path={"2022-01": 1.0, "2022": 0.5})
    (found,) = faults(pm.clear, plants, market(both))
    assert "several periods for 2 snapshots, 2022-01-03 00:00:00 .. 2022-01-04 00:00:00" in found
    text = "extends: full_market\ncarbon: {rule: CarbonPrice, path: {2022: 0.9}}"
    rule = pm.regime(yaml.safe_load(text)).carbon
    assert rule is not None and rule.path == {"2022": 0.9}
    assert rule.over_time(plants).tolist() == [0.9, 0.9]
    first = market(CarbonPrice(path={"2022-01-03": 1.0}))  # covers what is cleared
    assert len(pm.compare(plants, [first], [60], start="2022-01-03", days=1).table) == 1
    n = plants.network()
    n.set_snapshots(range(1))
    assert "no times" in faults(pm.clear, pm.Case(n), market(rule))[0]


@pytest.mark.slow
@given(st.integers(0, 10_000), st.floats(10, 150))
def test_emissions_do_not_rise_with_an_auctioned_price(seed: int, tau: float) -> None:
    case = random_case(seed, 2, 2)
    regime = market(CarbonPrice(allocation="auction"))
    found = [pm.clear(case, regime, price).emissions for price in (0.0, tau, 2 * tau)]
    assert found[1] <= found[0] * (1 + 1e-7) and found[2] <= found[1] * (1 + 1e-7)


@pytest.mark.slow
def test_prices_do_not_depend_on_a_lump_sum(two_province: pm.Case) -> None:
    auction, lump, mixed = (
        pm.clear(two_province, market(CarbonPrice(allocation=kind)), 60.0)
        for kind in ("auction", "lump_sum", {"auction": 0.5, "lump_sum": 0.5})
    )
    for other in (lump, mixed):
        pd.testing.assert_frame_equal(auction.prices, other.prices, check_exact=True)
        pd.testing.assert_frame_equal(auction.dispatch, other.dispatch, check_exact=True)
    given_away = auction.summary()["carbon_revenue"] - lump.summary()["carbon_revenue"]
    half = auction.summary()["carbon_revenue"] - mixed.summary()["carbon_revenue"]
    assert half == pytest.approx(given_away / 2) and half > 0


# ---- a price in one province -----------------------------------------------------------------


def two_regions(branch: str = "Link") -> pypsa.Network:
    """A: coal 300 (e 0.9), gas 30 MW at 320 (e 0.4), load 100. B: coal 310 (e 0.9), hydro 40 MW.

    B's load of 50 takes its hydro and 10 MW of coal. A link of 60 MW from B to A, or a line.
    """
    n = pypsa.Network()
    n.set_snapshots(pd.date_range("2022-01-03", periods=1, freq="h"))
    weigh(n, 2.0)
    n.add("Carrier", ["coal", "gas", "hydro", "AC"])
    n.add("Bus", ["A", "B"], carrier="AC")
    add_rows(n, "Generator", {
        "coal A": {"bus": "A", "carrier": "coal", "p_nom": 200.0, "marginal_cost": 300.0,
                   "emission_rate": 0.9},
        "gas A": {"bus": "A", "carrier": "gas", "p_nom": 30.0, "marginal_cost": 320.0,
                  "emission_rate": 0.4},
        "coal B": {"bus": "B", "carrier": "coal", "p_nom": 200.0, "marginal_cost": 310.0,
                   "emission_rate": 0.9},
        "hydro B": {"bus": "B", "carrier": "hydro", "p_nom": 40.0, "marginal_cost": 0.0,
                    "emission_rate": 0.0},
    })  # fmt: skip
    n.add("Load", ["load A", "load B"], bus=["A", "B"], p_set=[100.0, 50.0])
    if branch == "Link":
        n.add("Link", "ba", bus0="B", bus1="A", p_nom=60.0, carrier="AC")
    else:
        n.add("Line", "ab", bus0="A", bus1="B", s_nom=60.0, x=0.1, r=0.01)
    return n


REGIONAL = CarbonPrice(allocation="auction", regions={"A": 1.0})


@pytest.fixture(scope="module")
def regions() -> pm.Case:
    return pm.Case(two_regions())


@pytest.mark.slow
def test_regional_price_moves_its_region_and_leaks(regions: pm.Case) -> None:
    """At 60 A's coal costs 354 and its gas 344; 60 MW come from B at 310.

    Before: A coal 100, B coal 10. After: gas 30, coal 10 in A, coal 70 in B. Change over 2 h:
    A 2 (10 x 0.9 + 30 x 0.4 - 90) = -138 t, B 2 x 60 x 0.9 = +108 t: 78 % leak.
    """
    result = pm.compare(regions, [market(REGIONAL)], [0, 60])
    before, after = (run.prices.iloc[0] for run in result.runs)
    assert before.tolist() == pytest.approx([300, 310])
    assert after.tolist() == pytest.approx([354, 310])
    row = result.leakage.iloc[0]
    assert row["priced_change_t"] == pytest.approx(-138)
    assert row["elsewhere_change_t"] == pytest.approx(108)
    assert row["leakage_rate"] == pytest.approx(108 / 138)
    assert result.tables["leakage"] is result.leakage
    rates = result.pass_through.set_index("province")
    assert rates.loc["A", "pass_through_marginal"] == pytest.approx(1.0)
    assert np.isnan(rates.loc["B", "pass_through_marginal"])  # no carbon price, no rate
    # Only A has an account: coal 10 x 0.9, gas 30 x 0.4, for 2 h at 60.
    account = result.runs[1].compliance
    assert set(account["province"]) == {"A"}
    assert account["allowance_cost"].sum() == pytest.approx(60 * 2 * (9 + 12))


def test_adjustment_of_imports_removes_leakage(regions: pm.Case) -> None:
    """Imports cost 310 + 0.9 x 60 = 364: A keeps 30 of gas and 70 of coal, B is as before."""
    regime = market(REGIONAL, ImportAdjustment(default_factor=0.9))
    result = pm.compare(regions, [regime], [0, 60])
    row = result.leakage.iloc[0]
    assert row["priced_change_t"] == pytest.approx(2 * (70 * 0.9 + 12 - 90))
    assert row["elsewhere_change_t"] == pytest.approx(0, abs=1e-9)
    assert row["leakage_rate"] == pytest.approx(0, abs=1e-9)
    assert result.runs[1].prices.iloc[0].tolist() == pytest.approx([354, 310])


def test_importers_pay_out_of_the_price_difference(regions: pm.Case) -> None:
    """At a default of 0.3 imports cost 310 + 18 and are worth it: 60 MW x 2 h x 0.3 x 60 = 2,160.

    The tie earns (354 - 310) x 120 = 5,280 and keeps 3,120.
    """
    run = pm.clear(regions, market(REGIONAL, ImportAdjustment(default_factor=0.3)), 60.0)
    assert run.flows["ba"].iloc[0] == pytest.approx(60)
    paid = run.ledger.set_index(["payer", "product"])["amount"]
    assert paid["ba", "import adjustment"] == pytest.approx(2_160)
    assert run.summary()["congestion_rent"] == pytest.approx(3_120)
    assert run.summary()["carbon_revenue"] == pytest.approx(2_160 + 60 * 2 * 21)


@pytest.mark.slow
def test_net_pass_through_of_imports_is_one() -> None:
    """A wide tie: A pays 310 + 0.3 tau, 319 at 30 and 328 at 60, and emits where B's coal does."""
    n = two_regions()
    n.links.loc["ba", "p_nom"] = 200.0
    regime = market(REGIONAL, ImportAdjustment(default_factor=0.3))
    rates = pm.pass_through(pm.Case(n), [regime], [30, 60]).set_index("province").loc["A"]
    assert rates["price_change"] == pytest.approx(9)
    assert rates["pass_through_net"] == pytest.approx(1)
    assert rates["pass_through_marginal"] == pytest.approx(0.3 / 0.9)


@pytest.mark.slow
def test_clean_imports_are_shuffled(regions: pm.Case) -> None:
    """Hydro of B is named the source of 40 MW: they come in free, and B's coal takes its place.

    A: gas 30, coal 30; B: coal 10 + 40. A 2 (27 + 12 - 90) = -102 t, B + 2 x 36 t. One MWh more of
    a source would bring in one at 310 for one at 354: the tie passes its 44 on to hydro.
    """
    rule = ImportAdjustment(default_factor=0.9, units=["hydro B"])
    result = pm.compare(regions, [market(REGIONAL, rule)], [0, 60])
    before, after = result.runs
    assert after.flows["ba"].iloc[0] == pytest.approx(40)
    assert after.dispatch["hydro B"].equals(before.dispatch["hydro B"])
    row = result.leakage.iloc[0]
    assert row["priced_change_t"] == pytest.approx(-102)
    assert row["elsewhere_change_t"] == pytest.approx(72)
    assert after.ledger.query("product == 'import adjustment'").empty
    paid = after.ledger.set_index(["payee", "product"])["amount"]
    assert paid["hydro B", "origin sold"] == pytest.approx(44 * 40 * 2)
    assert after.summary()["congestion_rent"] == pytest.approx(0, abs=1e-6)
    assert balances(after.ledger)["specified imports"] == pytest.approx(0, abs=1e-6)


def test_specified_source_pays_for_what_it_emits(regions: pm.Case) -> None:
    """Coal of B as a source pays 0.9 x 60 on 70 MW or does not come: A's coal is cheaper."""
    named = market(REGIONAL, ImportAdjustment(default_factor=0.1, units=["coal B"]))
    run = pm.clear(regions, named, 60.0)
    paid = run.ledger.set_index(["payer", "product"])["amount"]
    output = run.dispatch["coal B"].iloc[0]
    assert paid["coal B", "specified import"] == pytest.approx(2 * output * 0.9 * 60)


def test_border_is_part_of_the_programme() -> None:
    """A multiple of zero is outside: regimes that differ in it do not share rows."""
    both, one = (
        market(CarbonPrice(allocation="auction", regions={"A": 1.0, "B": x}), ImportAdjustment())
        for x in (1.0, 0.0)
    )
    assert both.structure != one.structure


@pytest.mark.slow
def test_origin_counts_before_a_source_is_made_whole() -> None:
    """A source on or off: fuel 50 x 95 + 50 x 0.5 x 100 for carbon an hour, 7,250.

    It is paid 90 x 50 for energy, cB being marginal, and the carbon cost of an unspecified MWh,
    0.6 x 100, for the origin of each: 4,500 + 3,000 = 7,500. It gains 250 an hour unaided.
    """
    n = pypsa.Network()
    n.set_snapshots(pd.date_range("2022-01-03", periods=2, freq="h"))
    n.add("Carrier", ["coal", "gas", "AC"])
    n.add("Bus", ["A", "B"], carrier="AC")
    rows: dict[str, dict[str, object]] = {
        "gA": {"bus": "A", "p_nom": 200.0, "marginal_cost": 400.0, "emission_rate": 0.9},
        "hB": {"bus": "B", "p_nom": 50.0, "marginal_cost": 95.0, "emission_rate": 0.5,
               "committable": True, "p_min_pu": 0.5},
        "cB": {"bus": "B", "p_nom": 200.0, "marginal_cost": 90.0, "emission_rate": 0.9},
    }  # fmt: skip
    add_rows(n, "Generator", {name: {"carrier": "coal", **row} for name, row in rows.items()})
    n.add("Load", ["a", "b"], bus=["A", "B"], p_set=[100.0, 80.0])
    n.add("Link", "ba", bus0="B", bus1="A", p_nom=80.0, carrier="AC")
    carbon = CarbonPrice(allocation="auction", regions={"A": 1.0})
    rule = ImportAdjustment(units=["hB"], default_factor=0.6)
    run = pm.clear(pm.Case(n), market(carbon, rule), 100.0)
    assert run.dispatch["hB"].tolist() == pytest.approx([50, 50])
    assert run.uplift["uplift"].sum() == pytest.approx(0, abs=1e-6)
    assert run.accounts.loc["hB", "welfare"] == pytest.approx(2 * 250)


def test_a_line_carries_imports_too() -> None:
    """A exports 10 at tau 0; at 60 it imports 60, and with the adjustment nothing."""
    case = pm.Case(two_regions("Line"))
    flows = [
        pm.clear(case, market(REGIONAL, *more), tau).flows["ab"].iloc[0]
        for tau, more in ((0.0, []), (60.0, []), (60.0, [ImportAdjustment(default_factor=0.9)]))
    ]
    assert flows == pytest.approx([10, -60, 0], abs=1e-6)


@pytest.mark.slow
def test_importing_grid_company_pays_where_prices_are_regulated(regions: pm.Case) -> None:
    """Nothing is offered: B's 10 MW of coal and A's 100 stay, and nothing is imported."""
    rules = pm.regime("joint_dispatch").rules[:3]
    carbon = REGIONAL.model_copy(update={"offered": False})
    adjusted = pm.Regime("r", (*rules, carbon, ImportAdjustment(default_factor=0.9)))
    free, priced = (pm.clear(regions, adjusted, tau) for tau in (0.0, 60.0))
    pd.testing.assert_frame_equal(free.dispatch, priced.dispatch, check_exact=True)
    assert priced.ledger.query("product == 'import adjustment'").empty
    n = two_regions()
    n.generators.loc["coal A", "p_nom"] = 50.0  # A must import 20 from B
    run = pm.clear(pm.Case(n), adjusted, 60.0)
    paid = run.ledger.set_index(["payer", "product"])["amount"]
    bought = run.flows["ba"].iloc[0]
    assert bought >= 20
    assert paid["grid company A", "import adjustment"] == pytest.approx(bought * 2 * 0.9 * 60)


@pytest.mark.parametrize(
    ("carbon", "units", "said"),
    [
        (REGIONAL, ["hydro"], "'hydro' is no generator"),
        (REGIONAL, ["gas A"], "nothing is imported"),
        (CarbonPrice(), [], "no branch joins"),
        (CarbonPrice(regions={"A": 1.0, "B": 0.5}), [], "multiples 0.5, 1"),
        (CarbonPrice(regions={"A": 1.0}, allow_negative=True, price=-1.0), [], "negative"),
    ],
)
def test_bad_adjustments(regions: pm.Case, carbon: Rule, units: list[str], said: str) -> None:
    found = faults(pm.clear, regions, market(carbon, ImportAdjustment(units=units)))
    assert any(said in text for text in found)


def test_carbon_rules_that_do_not_go_together() -> None:
    assert "stands twice" in faults(market, CarbonPrice(), CarbonPrice(price=1.0))[0]
    assert "without a carbon price" in faults(market, ImportAdjustment())[0]


# ---- China -----------------------------------------------------------------------------------


def test_rules_of_2022_as_a_file(plants: pm.Case) -> None:
    """Gas above its benchmark is let off; coal above 0.2 of its emissions too."""
    rule = pm.regime(NETWORKS / "china" / "ets_2022.yaml").carbon
    assert rule is not None and rule.offered
    n = plants.network()
    n.generators["benchmark_class"] = [
        "coal_300_and_below", "coal_above_300:0.5+coal_unconventional:0.5", "gas", "gas", "",
    ]  # fmt: skip
    n.add("Carrier", "gas CHP")
    n.add("Generator", "heat", bus="A", p_nom=1.0, carrier="gas CHP", benchmark_class="gas",
          marginal_cost=900.0, emission_rate=0.5)  # fmt: skip
    found = rule.model_copy(update={"price": 60.0}).adder(pm.Case(n)).iloc[0]
    assert found["old"] == pytest.approx(60 * 0.2 * 1.2)  # 1.2 - 0.94 x 0.8729 is more
    assert found["new"] == pytest.approx(60 * (0.95 - (0.8177 + 0.9303) / 2))
    assert found["turbine"] == 0 and found["heat"] == 0
    assert found["cycle"] == pytest.approx(60 * (0.38 - 0.3901))


def test_what_is_offered_alike_is_cleared_once() -> None:
    """A lump sum moves profits only: auction and lump sum share one clearing."""
    auction, lump, output = (
        market(CarbonPrice(price=60.0, allocation=way)).clearing_key
        for way in ("auction", {"lump_sum": 0.5, "auction": 0.5}, "output_based")
    )
    assert auction == lump != output
