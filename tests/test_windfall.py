"""Windfall of plant under each way of giving out allowances. Arithmetic shown."""

from __future__ import annotations

import pandas as pd
import pypsa
import pytest
import toys

import powermkt as pm
from powermkt.rules import CarbonPrice, Coupled, ImportAdjustment, LocationalPrice, MeritOrder
from powermkt.rules.carbon import Offsets
from powermkt.studies.comparison import Comparison

WEIGHT = 3.0
FREE = {"auction": 0.0, "half free": 0.5, "all free": 1.0}


@toys.copied
def coal_pair() -> pypsa.Network:
    """Ultra-supercritical coal 500 MW at 240, e 0.80; subcritical 500 MW at 300, e 0.95; wind."""
    n = pypsa.Network()
    n.set_snapshots(pd.date_range("2022-01-03", periods=2, freq="h"))
    toys.weigh(n, WEIGHT)
    n.add("Bus", "A")
    n.add("Carrier", ["coal", "onshore wind"])
    coal = {"bus": "A", "carrier": "coal", "p_nom": 500.0, "benchmark": 0.8177, "tariff": 380.0}
    rows = {
        "usc": {**coal, "marginal_cost": 240.0, "emission_rate": 0.80},
        "subcritical": {**coal, "marginal_cost": 300.0, "emission_rate": 0.95},
        "wind": {"bus": "A", "carrier": "onshore wind", "p_nom": 100.0},
    }
    toys.add_rows(n, "Generator", rows)
    n.add("Load", "load", bus="A", p_set=900.0)
    return n


def market(name: str, *carbon: CarbonPrice | ImportAdjustment) -> pm.Regime:
    return pm.Regime(name, (MeritOrder(), Coupled(), LocationalPrice(), *carbon))


@pytest.fixture(scope="module")
def result() -> Comparison:
    """Lump sums are a share of emissions at full output, at which the clean unit runs."""
    regimes = [
        market(name, CarbonPrice(allocation="lump_sum", free_share=share, reference_load_factor=1))
        for name, share in FREE.items()
    ]
    regimes[0] = market("auction", CarbonPrice(allocation="auction"))
    regimes += [market("by output", CarbonPrice()), pm.regime("fixed_tariff")]
    return pm.compare(pm.Case(coal_pair()), regimes, [0, 60])


@pytest.mark.parametrize(
    ("regime", "clean", "marginal"),
    [
        # dP = 0.95 x 60 = 57, e tau = 48: 9 and what is free of 48 a MWh. The marginal unit gains
        # nothing but what it is given: 60 x 0.95 x 500 x share over its 300 MWh.
        ("auction", 57 - 48, 0.0),
        ("half free", 9 + 24, 0.5 * 57 * 500 / 300),
        ("all free", 9 + 48, 57 * 500 / 300),
        # dP = (0.95 - 0.8177) 60 = 7.938; the clean unit's exposure is (0.80 - 0.8177) 60 = -1.062.
        ("by output", 7.938 - (0.80 - 0.8177) * 60, 0.0),
        # No price moves: allowances alone.
        ("fixed_tariff", -(0.80 - 0.8177) * 60, -(0.95 - 0.8177) * 60),
    ],
)
def test_windfall_per_mwh(result: Comparison, regime: str, clean: float, marginal: float) -> None:
    table = result.windfall
    per_mwh = table[table["regime"] == regime].set_index("plant")["per_mwh"]
    assert per_mwh["usc"] == pytest.approx(clean)
    assert per_mwh["subcritical"] == pytest.approx(marginal, abs=1e-9)


def test_what_clean_plant_gains_is_the_price_alone(result: Comparison) -> None:
    """Wind 100 MW for 6 hours: 57 under auction however allowances are given, 7.938 by output."""
    gain = result.windfall[result.windfall["plant"] == "wind"].set_index("regime")
    assert gain["windfall"].to_dict() == pytest.approx(
        dict.fromkeys(FREE, 57 * 600) | {"by output": 7.938 * 600, "fixed_tariff": 0.0}
    )
    assert (gain[["carbon_cost", "free_allowances"]] == 0).all(axis=None)


@pytest.mark.slow
def test_windfall_is_the_change_of_profit_while_dispatch_stays(result: Comparison) -> None:
    """From the ledger, where prices, allowances and costs come by another way."""
    for base, run in zip(result.runs[::2], result.runs[1::2], strict=True):
        pd.testing.assert_frame_equal(base.dispatch, run.dispatch)
        profit = (run.accounts["welfare"] - base.accounts["welfare"])[run.case.generators.index]
        found = result.windfall[result.windfall["regime"] == run.regime.name]
        expected = found.set_index("plant")["windfall"][profit.index]
        assert profit.tolist() == pytest.approx(expected.tolist(), abs=1e-6)


def test_sums_by_carrier(result: Comparison) -> None:
    """All free: coal 57 x 500 x 6 + 57 x 500 x 6 on 800 x 6 MWh, and wind."""
    table = result.windfall_summary.set_index(["regime", "carrier"])
    assert table.loc[("all free", "coal"), "windfall"] == pytest.approx(2 * 57 * 500 * 6)
    assert table.loc[("all free", "coal"), "per_mwh"] == pytest.approx(57 * 1000 / 800)
    assert table.loc[("auction", "all"), "windfall"] == pytest.approx(9 * 500 * 6 + 57 * 600)
    assert table.index[:3].tolist() == [("auction", c) for c in ("coal", "onshore wind", "all")]


def test_against_a_lowest_price_above_zero_counts_the_difference() -> None:
    """From 20 to 60 under auction: 0.15 x 40 = 6 a MWh."""
    regime = market("auction", CarbonPrice(allocation="auction"))
    table = pm.compare(pm.Case(coal_pair()), [regime], [20, 60]).windfall.set_index("plant")
    assert table.loc["usc", "per_mwh"] == pytest.approx(6.0)
    assert table.loc["usc", "carbon_cost"] == pytest.approx(0.80 * 40 * 3000)


def test_offsets_are_counted_at_the_output_of_the_run() -> None:
    """Coal serves 80 MW at 300 (e 0.9) until at 100 gas takes all of it at 320 (e 0.4).

    A twentieth is met with offsets at both prices: the cost of gas is 100 x 0.95 x 0.4 = 38 a MWh,
    and coal, which sells nothing now, has none. P from 300 + 0.05 x 40 x 0.9 = 301.8 to
    320 + 38 + 0.05 x 40 x 0.4 = 358.8: gas gains 57 - 38 = 19.
    """
    n = toys.one_bus([80.0])
    n.remove("Generator", n.generators.index)
    for name, cost, rate in (("coal", 300.0, 0.9), ("gas", 320.0, 0.4)):
        n.add("Generator", name, bus="A", carrier="coal", p_nom=100, marginal_cost=cost,
              emission_rate=rate)  # fmt: skip
    used = Offsets(limit=0.05, use=0.05, price=40)
    regime = market("offsets", CarbonPrice(allocation="auction", offsets=used))
    table = pm.compare(pm.Case(n), [regime], [0, 100]).windfall.set_index("plant")
    money = table[["price_gain", "carbon_cost", "windfall"]]
    assert money.loc["coal"].tolist() == pytest.approx([0, 0, 0], abs=1e-6)
    assert money.loc["gas"].tolist() == pytest.approx([57 * 80, 38 * 80, 19 * 80])


def test_sources_of_specified_imports_pay_and_are_paid() -> None:
    """A has the carbon price, B has not; 50 MW flow to A, of which B's gas delivers 40.

    Gas (at 50, e 0.5) pays 0.5 x 100 a MWh for what it emits, and is paid for its origin the
    0.428 x 100 that an unspecified MWh pays. Coal at 90 sets B's price before and after: the
    windfall is 42.8 - 50 = -7.2 a MWh. It is the change of profit, as dispatch stays.
    """
    n = toys.one_bus([100.0])
    n.remove("Generator", n.generators.index)
    n.add("Bus", "B")
    for name, bus, size, cost, rate in (
        ("coal A", "A", 200.0, 300.0, 0.9), ("gas", "B", 40.0, 50.0, 0.5),
        ("coal B", "B", 150.0, 90.0, 0.9),
    ):  # fmt: skip
        n.add("Generator", name, bus=bus, carrier="coal", p_nom=size, marginal_cost=cost,
              emission_rate=rate)  # fmt: skip
    n.add("Load", "load B", bus="B", p_set=100.0)
    n.add("Link", "line", bus0="B", bus1="A", p_nom=50.0)
    carbon = CarbonPrice(allocation="auction", regions={"A": 1})
    regime = market("imports", carbon, ImportAdjustment(units=["gas"]))
    result = pm.compare(pm.Case(n), [regime], [0, 100])
    found = result.windfall.set_index("plant").loc["gas"]
    base, run = result.runs
    pd.testing.assert_frame_equal(base.dispatch, run.dispatch)
    assert run.dispatch["gas"].tolist() == [40]
    money = found[["price_gain", "carbon_cost", "windfall"]].astype(float)
    assert money.tolist() == pytest.approx([42.8 * 40, 50 * 40, -7.2 * 40])
    profit = run.accounts["welfare"]["gas"] - base.accounts["welfare"]["gas"]
    assert found["windfall"] == pytest.approx(profit, abs=1e-6)


@pytest.mark.slow
def test_storage_and_a_day_settled_twice() -> None:
    """Load 100 expected, 95 came; coal at the margin both times: dP = 0.9 x 60 = 54.

    Coal 75 MW planned and 70 given: (75 - 5) 54 - 70 x 54 = 0; wind 25 x 54; an idle battery 0.
    """
    n = toys.one_bus([95.0])
    n.add("StorageUnit", "battery", bus="A", p_nom=10, max_hours=1, carrier="gas",
          cyclic_state_of_charge=True)  # fmt: skip
    forecast = {"loads_t.p_set": n.loads_t["p_set"] * 100 / 95}
    regime = pm.regime(
        {"name": "r", "extends": "two_settlement",
         "carbon": {"rule": "CarbonPrice", "allocation": "auction"}}
    )  # fmt: skip
    result = pm.compare(pm.Case(n, forecast=forecast), [regime], [0, 60])
    gain = result.windfall.set_index("plant")["windfall"]
    assert gain["coal"] == pytest.approx(0, abs=1e-6)
    assert gain["wind"] == pytest.approx(25 * 54)
    assert gain["battery"] == pytest.approx(0, abs=1e-6)
