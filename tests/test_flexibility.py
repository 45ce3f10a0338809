"""What storage, capture of CO2 and flexible demand are worth by regime. Arithmetic shown."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pandas as pd
import pytest
import reserve_toys
import toys
from hypothesis import given
from shell import inside

import powermkt as pm
from powermkt.analysis.arbitrage import arbitrage
from powermkt.analysis.breakeven import break_even
from powermkt.analysis.capture import annuity, capture_gain
from powermkt.analysis.demandeffects import demand_effects, without_demand
from powermkt.analysis.storagevalue import arbitrage_value, storage_account
from powermkt.common.ledger import balances
from powermkt.inputs.market import Market
from powermkt.rules import ElectricBoilers, Obligation, ShiftableDemand
from powermkt.studies.flexibilitystudy import Assumptions, read_assumptions

YEAR = 8760.0
# 100 money/t for capture in all; a year of one more MW costs 79 money for each of 8,760 hours.
CHEAP = {
    "capture_rate": 0.9, "energy_penalty": 0.2, "variable_cost": 40, "transport_storage": 60,
    "capex": 0, "fixed_om": 79 * 8.76,
}  # fmt: skip


def worth(
    prices: list[float], hours: float = 2, efficiency: float = 0.81, windows: int = 1,
    charging: float = 1.0, **more: float,
) -> float:  # fmt: skip
    """Value of 1 MW at some prices, each of an hour."""
    index = pd.RangeIndex(len(prices))
    kind = pm.StorageKind(hours=hours, efficiency=efficiency, **more)
    one = pd.Series(1.0, index)
    parts = {str(i): pd.Index(part) for i, part in enumerate(np.array_split(index, windows))}
    table = pd.DataFrame({"x": {**kind.row(), "charging": charging}}).T
    found = arbitrage(pd.DataFrame({"x": prices}), table, one, one, parts)
    return float(found.loc["x", "value"])


# ---- arbitrage of a price taker --------------------------------------------------------------


def test_two_prices_by_hand() -> None:
    """2 MWh bought at 100 are 1.8 MWh stored and 1.62 MWh sold at 300: 486 - 200 = 286."""
    assert worth([100, 100, 300, 300]) == pytest.approx(286)
    # At most one of two hours: 1 MWh for 100 is 0.81 MWh for 300.
    assert worth([100, 100, 300, 300], hours=0.9) == pytest.approx(243 - 100)
    # Discharging costs 20: 1.62 x 20 less.
    assert worth([100, 100, 300, 300], marginal_cost=20) == pytest.approx(286 - 32.4)
    # Charging is at most at half power: 1 MWh bought, 0.81 MWh sold.
    assert worth([100, 100, 300, 300], charging=0.5) == pytest.approx(243 - 100)
    # Neither hour may lend to the other: each window has one price.
    assert worth([100, 100, 300, 300], windows=2) == 0.0


def test_a_flat_price_leaves_nothing_to_earn() -> None:
    assert worth([343.0] * 24) == 0.0
    assert worth([100.0, 100 / 0.81]) == 0.0  # what is lost is worth as much as the spread
    assert worth([100.0, 101 / 0.81]) == pytest.approx(1.0)


def test_a_negative_price_pays_for_losses() -> None:
    """Charging a share c of the hour and giving 0.81 c back: c = 1 / 1.81, lost 0.19 c."""
    assert worth([-10.0] * 4) == pytest.approx(4 * 10 * 0.19 / 1.81)


@given(st.lists(st.floats(0, 500), min_size=4, max_size=8), st.floats(0.5, 1.0))
def test_arbitrage_is_never_negative_and_scales(prices: list[float], efficiency: float) -> None:
    once, twice = worth(prices, 2, efficiency), worth([2 * p for p in prices], 2, efficiency)
    assert once >= 0
    assert twice == pytest.approx(2 * once, abs=1e-6)
    # More hours of storage and a better one never earn less.
    assert worth(prices, 3, efficiency) >= once - 1e-6
    assert worth(prices, 2, min(1.0, efficiency + 0.1)) >= once - 1e-6


# ---- storage in the ledger -------------------------------------------------------------------


def with_storage(load: list[float], weight: float = 1.0) -> pm.Case:
    """`one_bus` with 10 MW of storage that gives back 0.8 of what it takes."""
    n = toys.one_bus(load, weight)
    n.add("Carrier", "pumped hydro")
    n.add("StorageUnit", "pumped", bus="A", carrier="pumped hydro", p_nom=10, max_hours=100,
          efficiency_store=0.8, cyclic_state_of_charge=True)  # fmt: skip
    return pm.Case(n)


def test_storage_in_a_market_by_hand() -> None:
    """Coal sets 300 in two hours, gas 500 in two: 20 MWh bought for 6,000, 16 MWh sold for 8,000.

    4 MWh are lost; four hours of weight 10 stand for 40 h, so that a year is 219 times that. A
    price taker could not do better: in a market the storage already does what pays. Users pay a
    charge of 50 on what is lost as well: 2,000 less for 10 MW.
    """
    n = with_storage([60, 60, 150, 150], weight=10).network()
    n.loads["network_charge"] = 50.0
    run = pm.clear(pm.Case(n), "full_market")
    row = storage_account(run).iloc[0]
    assert row["bought_mwh"] == pytest.approx(200 * 219)
    assert row["sold_mwh"] == pytest.approx(160 * 219)
    assert row["conversion_losses_mwh"] == pytest.approx(40 * 219)
    assert row["sold_for"] - row["bought_for"] == pytest.approx(20_000 * 219)
    assert row["energy_revenue"] == pytest.approx(20_000 * 219)
    assert row["service_revenue"] == 0
    assert row["per_mw"] == pytest.approx(2_000 * 219)
    most = arbitrage_value(run).set_index("side")
    assert most.loc["grid", "per_mw"] == pytest.approx(row["per_mw"])
    assert most.loc["grid", "sold_at"] == pytest.approx(500)
    assert most.loc["grid", "bought_at"] == pytest.approx(300)
    assert most.loc["user", "per_mw"] == pytest.approx(row["per_mw"] - 200 * 219)


@pytest.mark.slow
def test_under_a_tariff_hours_do_not_matter() -> None:
    """Permuting the hours leaves what plant earns; storage earns nothing, and never could."""
    plant, values = [], []
    for load in ([60, 60, 150, 150], [150, 60, 150, 60]):
        run = pm.clear(with_storage(load), "fixed_tariff")
        plant.append(balances(run.ledger)[["coal", "gas", "wind"]])
        assert storage_account(run)["revenue"].tolist() == [0.0]
        found = arbitrage_value(run, {"x": pm.StorageKind(hours=4, efficiency=1.0)})
        values += found["per_mw"].tolist()
    assert plant[0].sum() > 0
    pd.testing.assert_series_equal(*plant)
    assert values == [0.0] * 8


def test_reserves_of_storage_are_those_of_the_ledger() -> None:
    """20 MWh can sustain 36 MW for half an hour at 0.9; 4 MW are short, at 15."""
    n = reserve_toys.toy(100)
    n.add("StorageUnit", "battery", bus="A", carrier="battery", p_nom=50, max_hours=1,
          state_of_charge_initial=20, efficiency_dispatch=0.9)  # fmt: skip
    spin = reserve_toys.spinning(40, carriers=["battery"], sustain_hours=0.5, shortage=15)
    run = pm.clear(reserve_toys.case_with(n, {"spin": spin}), "full_market")
    row = storage_account(run).iloc[0]
    assert row["service_revenue"] == pytest.approx(36 * 15 * YEAR)
    assert row["revenue"] == pytest.approx(balances(run.ledger)["battery"] * YEAR)
    assert row["energy_revenue"] == pytest.approx(0)


# ---- capture ---------------------------------------------------------------------------------


@cache
def market() -> pm.Case:
    """Gas sets the price in the only hour."""
    quota = {"load_factor": {"A": 0.5}, "band": 0.0}
    return pm.Case(toys.one_bus([150.0]), Market(currency="CNY", quota=quota))


@cache
def fixed() -> pm.Run:
    return pm.clear(market(), "fixed_tariff")


def found_at(run: pm.Run, rules: pm.Regime, prices: list[float], **more: float) -> pd.Series:
    """Break-even of all plant between carbon prices that the clearing does not see."""

    def clear(price: float) -> pm.Run:
        return pm.Run(run.case, rules.at(price), price, run.outcome)

    capture = pm.Capture(**{**CHEAP, **more})
    table, _ = break_even([clear(price) for price in prices], capture, clear)
    return table[table["carrier"] == "all"].iloc[0]


def row_of(study: pm.FlexibilityStudy, regime: str) -> pd.Series:
    table = study.break_even
    return table[(table["regime"] == regime) & (table["carrier"] == "all")].iloc[0]


def auctioned(name: str) -> pm.Regime:
    base = pm.regime(name)
    rules = [
        rule.model_copy(update={"allocation": "auction"}) if rule.role == "carbon" else rule
        for rule in base.rules
    ]
    return replace(base, name=f"{name}_auction", rules=tuple(rules))


def test_annuity() -> None:
    """At 10 % two payments of 0.57619 are worth 1: 0.57619 (1 / 1.1 + 1 / 1.21) = 1."""
    assert annuity(0.1, 2) * (1 / 1.1 + 1 / 1.21) == pytest.approx(1)
    assert annuity(0.0, 20) == 0.05


def test_break_even_under_a_tariff_is_a_formula() -> None:
    """u (tau (0.9 e - 0.2 b) - 0.2 p - 100 x 0.9 e) = A, with u 0.5, e 0.9, b 0.8, A 79 x 8,760.

    p is the mean marginal cost of coal and gas, 400: tau (0.81 - 0.16) = 80 + 81 + 158 = 319, and
    under auction, where energy that capture uses loses no allowances, 0.81 tau = 319.
    """
    rules = pm.regime("fixed_tariff")
    for item, expected in ((rules, 319 / 0.65), (auctioned("fixed_tariff"), 319 / 0.81)):
        row = found_at(fixed(), item, [0, 600])
        assert row["break_even"] == pytest.approx(expected, rel=1e-9)
        assert row["low"] == row["high"] == row["break_even"]
        assert row["dispatch"] == "given"
    gain = capture_gain(fixed(), pm.Capture(**CHEAP)).loc["coal"]
    most = arbitrage_value(fixed(), {"x": pm.StorageKind(hours=4, efficiency=1.0)})
    assert most["per_mw"].tolist() == [0.0, 0.0]  # nor does a flat price say when to charge
    assert gain["hours"] == pytest.approx(YEAR / 2)
    assert gain["captured_t"] == pytest.approx(0.81 * YEAR / 2)
    assert gain["gain"] == pytest.approx(-161 * YEAR / 2)


def test_a_deficit_that_need_not_be_covered_is_worth_nothing_to_capture() -> None:
    """Coal (e 0.9, b 0.8) is exempt: at first 0.1 t/MWh are waived, so only what is below b counts.

    Left are 0.09 t of 0.8 MWh, given 0.64 t: 0.55 tau are sold in the place of 0.65 tau gained.
    """
    rules = [
        rule.model_copy(update={"exempt_deficits": ["coal"]}) if rule.role == "carbon" else rule
        for rule in pm.regime("fixed_tariff").rules
    ]
    row = found_at(fixed(), pm.Regime("exempt", tuple(rules)), [0, 600])
    assert row["break_even"] == pytest.approx(319 / 0.55)


def test_break_even_in_a_market() -> None:
    """Gas (e = b) sets 500 whatever tau. Coal earns 200 - 0.1 tau without capture; with it

    0.8 x 500 - 300 - 81 - tau (0.09 - 0.64) = 19 + 0.55 tau. The gain, 0.65 tau - 181, is 79 at
    tau = 400: at 300 it is 14, at 600 209. At 0 capture stands still.
    """
    study = pm.value_flexibility(market(), ["full_market"], [0, 300, 600], capture=CHEAP)
    row = row_of(study, "full_market")
    assert row["break_even"] == pytest.approx(400)
    assert row["dispatch"] == "own"
    gain = study.capture[study.capture["carrier"] == "all"].set_index("carbon_price")["gain"]
    assert gain[0.0] == 0
    assert gain[300.0] == pytest.approx(14 * YEAR)
    assert gain[600.0] == pytest.approx(209 * YEAR)


def test_break_even_where_the_order_of_plant_turns() -> None:
    """Auction: gas at 500 + 0.4 tau sets the price up to tau 400, then coal at 300 + 0.9 tau.

    Up to 400 the gain is 0.8 (500 + 0.4 tau) - 381 - 0.09 tau - (200 - 0.5 tau) = 0.73 tau - 181,
    then 0.63 tau - 141. Less 60: 0.73 tau = 241. From 300 (-22) to 600 (177) a line gives 333.2.
    """
    capture = {**CHEAP, "fixed_om": 60 * 8.76}
    study = pm.value_flexibility(
        market(), ["full_market_auction"], [0, 300, 600], capture=capture, refine=2
    )
    row = row_of(study, "full_market_auction")
    assert row["break_even"] == pytest.approx(241 / 0.73)
    # The line meets zero at 333.2, with 2.2 left; then, -22 halved, at 300 + 33.2 x 11 / 13.2.
    first = 300 + 300 * 22 / 199
    left = 0.73 * first - 241
    assert row["high"] == pytest.approx(first)
    assert row["low"] == pytest.approx(300 + (first - 300) * 11 / (11 + left))
    table, _ = break_even(study.comparison.runs, pm.Capture(**capture), pm.clear, refine=0)
    assert table["break_even"].iloc[0] == pytest.approx(300 + 300 * 22 / 199)
    assert table.loc[0, ["low", "high"]].tolist() == [300, 600]


@pytest.mark.parametrize(
    ("counts", "saved"), [("emissions", 0.81), ("output", 0.2), ({"coal": 0.3}, 0.0)]
)
def test_obligations_are_what_capture_saves_of_them(counts: Any, saved: float) -> None:
    """At 100 a unit: 0.81 t are captured, 0.2 MWh not sold; a quota counts the same fuel."""
    base = pm.regime("fixed_tariff")
    rule = Obligation(counts=counts, target=1.0, prices={"obligation": 100.0})
    rules = replace(base, rules=(*base.rules, rule))
    run = pm.Run(market(), rules, 0.0, fixed().outcome)
    gain = capture_gain(run, pm.Capture(**CHEAP)).loc["coal", "gain"]
    assert gain == pytest.approx((100 * saved - 161) * YEAR / 2)


def test_no_break_even_in_the_range() -> None:
    rules = pm.regime("fixed_tariff")
    low, high = found_at(fixed(), rules, [0, 100]), found_at(fixed(), rules, [500, 600])
    assert np.isnan([low["break_even"], high["break_even"]]).all()
    assert low["note"] == "does not pay from 0 to 100"
    assert high["note"] == "pays at 500 and above"


def test_must_run_plant_weighs_capture_against_its_loss() -> None:
    """Coal that must run at 0.5 at a price of 0: without capture it loses 0.5 (300 + 0.1 tau).

    With it, 0.5 (300 + 81 - 0.55 tau) is lost. At tau = 400 that is 170 against 80.5: 89.5 gained.
    """
    n = toys.one_bus([50.0])
    n.generators.loc["coal", "p_min_pu"] = 0.5
    n.generators.loc["wind", "p_nom"] = 100.0  # 50 MW, the last of which is cut: a price of 0
    case = pm.Case(n, Market(currency="CNY"))
    gain = capture_gain(pm.clear(case, "full_market", 400), pm.Capture(**CHEAP))
    assert gain.loc["coal", "gain"] == pytest.approx(89.5 * YEAR)


# ---- flexible demand -------------------------------------------------------------------------


@pytest.mark.slow
def test_shifting_by_hand() -> None:
    """10 MW move from the hour at 500 to the one at 300: 2,000 an hour of both are saved.

    A pair of hours is a year 4,380 times. Users paid 60 x 300 + 150 x 500 = 93,000, then 91,000.
    """
    before, after = (
        pm.clear(pm.Case(toys.one_bus(load)), "full_market") for load in ([60, 150], [70, 140])
    )
    row = demand_effects(before, after).set_index("province").loc["all"]
    assert row["raised_mwh"] == row["lowered_mwh"] == pytest.approx(10 * 4380)
    assert row["peak_change_mw"] == pytest.approx(-10)
    assert row["bill"] == pytest.approx(93_000 * 4380)
    assert row["bill_change"] == pytest.approx(-2_000 * 4380)
    assert row["cost_change"] == pytest.approx(-2_000 * 4380)
    assert row["curtailment_change_mwh"] == pytest.approx(0, abs=1e-6)


def test_a_rule_of_demand_is_set_beside_the_same_rules_without_it() -> None:
    """Elsewhere than in CNY no break-even is given unless all costs are stated."""
    case = pm.Case(toys.one_bus([150.0]), Market(currency="EUR"))
    base = pm.regime("fixed_tariff")
    with_rule = replace(base, name="reacting", rules=(*base.rules, ShiftableDemand(window=1.0)))
    study = pm.value_flexibility(case, [with_rule], [0])
    assert study.demand is not None
    assert study.demand["regime"].unique().tolist() == ["reacting"]
    assert (study.demand[["raised_mwh", "bill_change"]] == 0).all().all()
    assert "demand_effects" in study.tables
    assert study.break_even.empty
    assert any("defaults are CNY" in note for note in study.notes)
    assert any("has no storage that can be charged" in note for note in study.notes)
    with pytest.raises(pm.InputError, match="state transport_storage, fixed_om"):
        pm.value_flexibility(case, [base], [0], capture={"capex": 1, "variable_cost": 1})


def test_boilers_are_no_users_who_react() -> None:
    """Without their rule nothing would make plant of their network run for heat."""
    base = pm.regime("full_market")
    boilers, moved = ElectricBoilers(replaced=1.0), ShiftableDemand()
    assert without_demand(replace(base, rules=(*base.rules, boilers))) is None
    left = without_demand(replace(base, rules=(*base.rules, boilers, moved)))
    assert left is not None and boilers in left.rules and len(left.rules) == len(base.rules) + 1


# ---- what is given ---------------------------------------------------------------------------


def test_all_faults_at_once() -> None:
    with pytest.raises(pm.InputError) as told:
        pm.value_flexibility(
            market(), ["fixed_tarif"], [0], refine=-1,
            storage={"x": {"hours": 0, "efficiency": 1.2}},
            capture={"capture_rate": 1.1, "capex": -1, "energy_penalty": 1, "lifetyme": 2},
        )  # fmt: skip
    text = str(told.value)
    for part in (
        "fixed_tarif", "refine", "storage.x.hours", "storage.x.efficiency",
        "capture.capture_rate", "capture.capex", "capture.energy_penalty",
        "did you mean 'lifetime'",
    ):  # fmt: skip
        assert part in text
    with pytest.raises(pm.InputError, match=r"storage.x"):
        pm.value_flexibility(market(), ["fixed_tariff"], [0], storage={"x": 4})  # type: ignore
    with pytest.raises(pm.InputError, match=r"no plant of carrier 'cole' emits.*'coal'"):
        pm.value_flexibility(market(), ["fixed_tariff"], [0], capture={"carriers": ["cole"]})


def test_assumptions_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "assumed.yaml"
    file.write_text("storage: {battery: {hours: 4, efficiency: 0.85}}\ncapture: {capex: 3000}\n")
    found = read_assumptions(file)
    assert found == Assumptions(
        storage={"battery": pm.StorageKind(hours=4, efficiency=0.85)},
        capture=pm.Capture(capex=3000),
    )
    sources = found.capture.parameters(market()).set_index("parameter")["source"]
    assert sources["capex"] == "given"
    assert sources["energy_penalty"] == "recalled"
    file.write_text("storage: {battery: {hour: 4}}\n")
    with pytest.raises(pm.InputError, match="did you mean 'hours'"):
        read_assumptions(file)


@pytest.mark.slow
def test_command(tmp_path: Path) -> None:
    market().network().export_to_netcdf(str(tmp_path / "toy.nc"))
    file = tmp_path / "assumed.yaml"
    text = {"storage": {"battery": {"hours": 4, "efficiency": 0.85}}, "capture": CHEAP}
    file.write_text(json.dumps(text))
    arguments = (
        "flexibility", "toy.nc", "--regime", "full_market", "--carbon-price", "300",
        "--carbon-price", "600", "--assumptions", "assumed.yaml", "--out", "found",
    )  # fmt: skip
    done = inside(*arguments, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "carbon price from which capture pays" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80
    names = {item.name for item in (tmp_path / "found").iterdir()}
    assert {"storage.csv", "arbitrage.csv", "capture_break_even.csv", "record.json"} <= names
    table = pd.read_csv(tmp_path / "found" / "flexibility.csv")
    value = table.set_index(["quantity", "detail"])["value"]
    assert value["capture_break_even", "all"] == pytest.approx(400)
    assert value["arbitrage_per_mw", "grid battery"].tolist() == [0, 0]


def test_command_tells_all_faults(tmp_path: Path) -> None:
    (tmp_path / "assumed.yaml").write_text("capture: {capture_rate: 2}\n")
    done = inside(
        "flexibility", "none.nc", "--regime", "ful_market", "--assumptions", "assumed.yaml",
        cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 2
    for part in ("none.nc", "ful_market", "capture.capture_rate"):
        assert part in done.stderr
