"""Limits on emissions: their price against one programme that holds the limit as a row."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pypsa
import pytest
from toys import add_rows, one_bus, weigh

import powermkt as pm
from powermkt.rules import CarbonCap, ImportAdjustment

RATES = {"coal": 0.9, "lignite": 1.1, "gas": 0.4}


def regime(name: str = "capped", **rule: object) -> pm.Regime:
    return pm.Regime(name, (*pm.regime("full_market").rules[:3], CarbonCap(**rule)))


def two_buses() -> pypsa.Network:
    """Two buses, 6 snapshots of 2 h; PyPSA's own emissions are those of powermkt."""
    rng = np.random.default_rng(7)
    n = pypsa.Network()
    n.set_snapshots(pd.date_range("2022-01-03", periods=6, freq="h"))
    weigh(n, 2.0)
    n.add("Carrier", list(RATES), co2_emissions=list(RATES.values()))
    n.add("Carrier", ["onshore wind", "AC"])
    n.add("Bus", ["A", "B"], carrier="AC")
    rows = {}
    for bus in "AB":
        for carrier, cost, size in (("coal", 300, 120), ("lignite", 260, 60), ("gas", 500, 250)):
            rows[f"{carrier} {bus}"] = {
                "bus": bus, "carrier": carrier, "p_nom": size, "efficiency": 1.0,
                "marginal_cost": cost + rng.uniform(0, 40),
            }  # fmt: skip
        rows[f"wind {bus}"] = {
            "bus": bus, "carrier": "onshore wind", "p_nom": 80.0, "p_max_pu": rng.uniform(0, 1, 6),
        }  # fmt: skip
    add_rows(n, "Generator", rows)
    add_rows(n, "Load", {f"load {b}": {"bus": b, "p_set": rng.uniform(80, 240, 6)} for b in "AB"})
    n.add("Link", ["AB", "BA"], bus0=["A", "B"], bus1=["B", "A"], p_nom=40, efficiency=0.97)
    n.links["carrier"] = "AC"
    return n


@pytest.fixture(scope="module")
def case() -> pm.Case:
    n = two_buses()
    return pm.Case(n, windows={"a": n.snapshots[:3], "b": n.snapshots[3:]})


@pytest.fixture(scope="module")
def whole() -> pm.Case:
    return pm.Case(two_buses())


@pytest.fixture(scope="module")
def free(whole: pm.Case) -> pm.Run:
    return pm.clear(whole, regime(cap=1e9, allocation="auction"), 0.0)


def in_one_piece(row: str, bound: float, rate: pd.Series) -> tuple[float, float]:
    """Cost and shadow price of ``sum rate x output <= bound`` in PyPSA's programme of all hours."""
    n = two_buses()
    if row == "global":
        n.add("GlobalConstraint", "cap", type="primary_energy", sense="<=", constant=bound,
              carrier_attribute="co2_emissions")  # fmt: skip
    model = n.optimize.create_model(include_objective_constant=False)
    if row == "own":
        weights = n.snapshot_weightings["objective"].to_xarray()
        names = model["Generator-p"].indexes["name"]
        coefficient = rate[names].rename_axis("name").to_xarray() * weights
        model.add_constraints((model["Generator-p"] * coefficient).sum() <= bound, name="limit")
    n.optimize.solve_model(log_to_console=False)
    dual = n.global_constraints["mu"]["cap"] if row == "global" else model.dual["limit"].item()
    return float(n.objective), -float(dual)


@pytest.mark.slow
def test_a_cap_is_the_row_of_one_programme(case: pm.Case, free: pm.Run) -> None:
    cap = 0.55 * free.emissions
    run = pm.clear(case, regime(cap=cap, allocation="auction"))
    cost, price = in_one_piece("global", cap, case.generators["emission_rate"])
    assert run.objective == pytest.approx(cost, rel=1e-6)
    assert run.carbon_price == pytest.approx(price, rel=1e-6)
    assert run.emissions == pytest.approx(cap, rel=1e-9)
    assert run.cap is not None and run.cap.gap is not None and run.cap.gap < 1e-6
    assert run.cap.high - run.cap.low <= 1e-3 * (1 + 1e-6)
    assert any("limit of" in note for note in run.outcome.notes)
    paid = run.ledger
    assert paid.loc[paid["product"] == "allowance auction", "amount"].sum() == pytest.approx(
        cap * price
    )
    net = run.dispatch.T.groupby(case.generators["bus"]).sum().T
    net -= run.outcome.served(case).T.groupby(case.loads["bus"]).sum().T
    flow = run.flows
    net["A"] += 0.97 * flow["BA"] - flow["AB"]
    net["B"] += 0.97 * flow["AB"] - flow["BA"]
    assert np.abs(net.to_numpy()).max() < 1e-6
    # Nobody would rather run more or less at these prices.
    g = case.generators
    margin = run.prices[g["bus"]].set_axis(g.index, axis="columns")
    offer = case.network().generators["marginal_cost"] + run.carbon_price * g["emission_rate"]
    gain = margin - offer
    assert (gain.where(run.dispatch < case.availability - 1e-5, 0.0) <= 1e-5).all().all()
    assert (gain.where(run.dispatch > 1e-5, 0.0) >= -1e-5).all().all()


@pytest.mark.slow
def test_an_intensity_is_the_row_of_one_programme(whole: pm.Case, free: pm.Run) -> None:
    fossil = whole.generators["emission_rate"] > 0
    energy = free.dispatch.loc[:, fossil].to_numpy().sum() * 2.0
    limit = 0.85 * free.emissions / energy
    run = pm.clear(whole, regime(intensity=limit))
    rate = whole.generators["emission_rate"].sub(limit).where(fossil, 0.0)
    cost, price = in_one_piece("own", 0.0, rate)
    assert run.objective == pytest.approx(cost, rel=1e-6)
    assert run.carbon_price == pytest.approx(price, rel=1e-6)
    assert run.emissions / (run.dispatch.loc[:, fossil].to_numpy().sum() * 2.0) == pytest.approx(
        limit, rel=1e-9
    )
    assert run.summary()["carbon_revenue"] == pytest.approx(0.0, abs=1e-3)
    assert run.cap is not None and run.cap.gap is not None and run.cap.gap < 1e-6


@pytest.mark.slow
def test_net_allowances_balance_under_two_benchmarks() -> None:
    """Coal (300, e 0.9, b 0.8), gas (500, 0.4, 0.4), load 100 at 1 h, wind 25.

    Free: coal 75 lacks 7.5 t. Gas has no surplus and takes the place of coal at 200 / 0.1 = 2,000;
    the balance holds where coal is 0, all of it at that price.
    """
    found = pm.clear(pm.Case(one_bus([100.0])), regime(balance="allowances"))
    assert found.carbon_price == pytest.approx(2_000.0)
    assert found.dispatch.iloc[0][["coal", "gas"]].tolist() == pytest.approx([0.0, 75.0], abs=1e-4)


def with_biomass() -> pypsa.Network:
    """Load 100, coal 100 MW (300, 0.9), gas 100 MW (500, 0.4), biomass 100 MW (600, 0)."""
    n = one_bus([100.0])
    n.remove("Generator", "wind")
    n.add("Carrier", "biomass")
    n.add("Generator", "biomass", bus="A", carrier="biomass", p_nom=100, marginal_cost=600)
    return n


@pytest.mark.slow
def test_a_performance_standard_costs_more_than_a_cap_for_the_same_emissions() -> None:
    """60 t of 90. Cap: biomass replaces coal at 300 / 0.9: coal 66.67, biomass 33.33: 40,000.

    A standard of 0.6 for plant that emits gives biomass nothing: gas replaces coal at
    (500 - 300) / 0.5 = 400, coal 40 and gas 60: 12,000 + 30,000.
    """
    case = pm.Case(with_biomass())
    cap = pm.clear(case, regime(cap=60.0, allocation="auction"))
    standard = pm.clear(case, regime(intensity=0.6))
    assert cap.emissions == pytest.approx(60) and standard.emissions == pytest.approx(60)
    assert cap.objective == pytest.approx(40_000) and cap.carbon_price == pytest.approx(300 / 0.9)
    assert standard.objective == pytest.approx(42_000)
    assert standard.carbon_price == pytest.approx(400)
    # Where all plant is covered, biomass earns 0.6 t: coal to biomass at 300 / 0.9 again.
    every = pm.clear(case, regime(intensity=0.6, covers="all"))
    assert every.objective == pytest.approx(40_000)
    assert every.carbon_price == pytest.approx(300 / 0.9)


def test_a_cap_with_allowances_by_output_has_a_price_without_a_certificate() -> None:
    """60 t of 90, b 0.8 and 0.4: gas replaces coal at 200 / 0.1 = 2,000, biomass at 300 / 0.1.

    So coal 40 and gas 60 at 2,000, against coal 66.67 and biomass at 333.33 under auction.
    """
    run = pm.clear(pm.Case(with_biomass()), regime(cap=60.0))
    assert run.carbon_price == pytest.approx(2_000, rel=1e-6)
    assert run.emissions == pytest.approx(60)
    assert run.objective == pytest.approx(42_000)
    assert run.cap is not None and run.cap.gap is None
    assert any("no lower bound" in note for note in run.outcome.notes)


@pytest.mark.slow
def test_a_cap_beside_imports_that_pay_has_no_certificate() -> None:
    """Limit 50 t in A: coal (300, 0.9), gas (360, 0.4), load 100; B: coal (320, 0.9), load 50.

    A imports nothing at a price of 320 + 0.9 tau; gas replaces coal at 60 / 0.5 = 120: coal 20 and
    gas 80 in A, coal 50 in B, 6,000 + 28,800 + 16,000 = 50,800. Where imports do not pay, the limit
    is kept for less: coal 55.56 in A and 94.44 in B, 46,889.
    """
    n = one_bus([100.0])
    n.remove("Generator", "wind")
    n.generators.loc["gas", "marginal_cost"] = 360.0
    n.add("Bus", "B", carrier="AC")
    n.add("Load", "load B", bus="B", p_set=50.0)
    n.add("Generator", "coal B", bus="B", carrier="coal", p_nom=200, marginal_cost=320)
    n.generators.loc["coal B", "emission_rate"] = 0.9
    n.add("Link", "BA", bus0="B", bus1="A", carrier="AC", p_nom=60)
    case = pm.Case(n)
    alone = regime(cap=50.0, allocation="auction", regions={"A": 1.0})
    beside = pm.Regime("beside", (*alone.rules, ImportAdjustment(default_factor=0.9)))
    free, paying = (pm.clear(case, item) for item in (alone, beside))
    assert free.objective == pytest.approx(50 / 0.9 * 300 + (150 - 50 / 0.9) * 320)
    assert free.cap is not None and free.cap.gap == pytest.approx(0, abs=1e-6)
    assert paying.objective == pytest.approx(50_800)
    assert paying.carbon_price == pytest.approx(120, abs=1e-3)
    assert paying.cap is not None and paying.cap.gap is None
    assert paying.cap.counted == pytest.approx(50)


@pytest.mark.slow
def test_tiny_costs_do_not_move_the_price_of_a_cap() -> None:
    """Coal (300, 0.9) and better coal (301, 0.89): 1 / 0.01 = 100, whatever decides among equals.

    1e-4 money/MWh of tiny costs move the step of a clearing by as much as 1e-4 / 0.01 = 1e-2.
    """
    n = one_bus([75.0, 95.0])
    n.generators.loc["gas", ["marginal_cost", "emission_rate"]] = 301.0, 0.89
    for cap in (0.897 * 120, 0.892 * 120):
        run = pm.clear(pm.Case(n), regime(cap=cap, allocation="auction"))
        assert run.carbon_price == pytest.approx(100, abs=1e-6)
        assert run.cap is not None and run.cap.low <= run.carbon_price <= run.cap.high
        assert run.cap.high - run.cap.low < 1.2e-2 and run.cap.tried <= 24
        assert run.emissions == pytest.approx(cap)


@pytest.mark.slow
def test_limits_that_do_not_bind_or_cannot_be_kept(whole: pm.Case, free: pm.Run) -> None:
    run = pm.clear(whole, regime(cap=1.01 * free.emissions, allocation="auction"))
    assert run.carbon_price == 0 and run.objective == pytest.approx(free.objective)
    assert run.cap is not None and run.cap.gap == 0
    # All from gas: 100 MW less 25 of wind at 0.4.
    with pytest.raises(pm.ClearingError, match=r"limit of 20\.0 t is below .* 30\.0 t"):
        pm.clear(pm.Case(one_bus([100.0])), regime(cap=20.0, allocation="auction"))
    # Coal that earns more than it emits: gas 60 and coal 20 at price 0, later coal 100 at 90 t.
    n = one_bus([105.0])
    n.generators.loc["gas", ["p_nom", "marginal_cost", "benchmark"]] = 60.0, 290.0, 0.4
    n.generators.loc["coal", "benchmark"] = 1.0
    with pytest.raises(pm.ClearingError, match=r"up to a carbon price of 10000 .* 42\.0 t at 0"):
        pm.clear(pm.Case(n), regime(cap=30.0))


@pytest.mark.slow
def test_comparison_of_a_cap_and_a_price(whole: pm.Case, free: pm.Run) -> None:
    cap = regime("cap", cap=0.7 * free.emissions, allocation="auction")
    idle = regime("idle", cap=1e9, allocation="auction")
    result = pm.compare(whole, [cap, idle, "full_market_auction"], [0.0, 60.0])
    rows = result.table.set_index("regime")["carbon_price"]
    assert rows["full_market_auction"].tolist() == [0.0, 60.0]
    assert rows["idle"] == 0.0 and rows["cap"].iloc[0] == 0.0 and rows["cap"].iloc[1] > 60
    assert result.caps is not None
    caps = result.caps.set_index("regime")
    assert caps.loc["cap", "carbon_price"] == rows["cap"].iloc[1]
    assert caps.loc["cap", "cap_gap"] < 1e-6 and caps.loc["idle", "carbon_price"] == 0
    assert caps.loc["cap", "counted_t"] == pytest.approx(0.7 * free.emissions)
    rates = result.pass_through.query("regime == 'cap' and province == 'all'").iloc[0]
    at_zero, capped = (run.prices for run in result.runs[:2])
    load = whole.dense("Load", "p_set").set_axis(["A", "B"], axis="columns")
    change = ((capped - at_zero) * load).to_numpy().sum() / load.to_numpy().sum()
    assert rates["price_change"] == pytest.approx(change)
    assert rates["pass_through_rate"] == pytest.approx(change / rows["cap"].iloc[1])


@pytest.mark.slow
def test_units_take_the_side_that_keeps_the_cap() -> None:
    """Gas is a unit of 60 MW, on or off; load 100. Coal 100 emits 90 t, coal 40 and gas 60 60 t.

    A cap of 70 t is kept with 60 t at 12,000 + 30,000, from 400 on. No dispatch costs less than a
    mixture, 1/3 of the one and 2/3 of the other: 38,000, a gap of 4,000 / 42,000.
    """
    n = one_bus([100.0])
    n.remove("Generator", "wind")
    n.generators.loc["gas", ["committable", "p_min_pu", "p_nom"]] = True, 1.0, 60.0
    rule = CarbonCap(cap=70.0, allocation="auction")
    exact = {"rule": "MeritOrder", "units": {"gap": 0}}
    market = pm.regime({"name": "m", "extends": "full_market", "dispatch": exact})
    run = pm.clear(pm.Case(n), pm.Regime("m", (*market.rules[:3], rule)))
    assert run.emissions == pytest.approx(60) and run.objective == pytest.approx(42_000)
    assert run.carbon_price == pytest.approx(400, abs=2e-3)
    assert run.cap is not None and run.cap.gap == pytest.approx(4_000 / 42_000, rel=1e-3)


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ({}, "no limit"),
        ({"cap": 1, "intensity": 1}, "cap and intensity"),
        ({"intensity": 0.5, "allocation": "auction"}, "by output"),
        ({"cap": 1, "covers": "all"}, "leave it out"),
        ({"intensity": 0.5, "exempt_deficits": ["coal"]}, "loosen intensity"),
        ({"balance": "allowances", "deficit_cap": 0.2}, "loosen balance"),
        ({"intensity": 0.5, "correction": 0.9}, "intensity is the benchmark"),
        ({"intensity": 0.5, "benchmarks": {"coal": 0.8}}, "intensity is the benchmark"),
        ({"cap": 1, "offered": False}, "moves no emissions"),
    ],
)
def test_rules_that_say_too_little_or_too_much(rule: dict[str, object], said: str) -> None:
    with pytest.raises(pm.InputError, match=said):
        pm.regime({"name": "x", "extends": "full_market", "carbon": {"rule": "CarbonCap", **rule}})


def test_faults_of_a_cap(whole: pm.Case) -> None:
    with pytest.raises(pm.InputError, match="unknown carrier 'cole'"):
        pm.clear(whole, regime(intensity=0.5, covers=["cole"]))
    with pytest.raises(pm.InputError, match="clearings are mixed"):
        pm.clear(whole, regime(cap=1.0, allocation="auction"), ranges=True)
    # A price that is given is a carbon price like any other.
    assert pm.clear(whole, regime(cap=1.0, allocation="auction"), 50.0).carbon_price == 50
    text = regime(cap=1.0, allocation="auction").to_yaml()
    assert "CarbonCap" in text and "cap: 1.0" in text


@pytest.mark.slow
def test_pass_through_up_to_a_cap_is_that_of_the_unit_below() -> None:
    """Coal (300, 0.9) sets the price up to 200 / 0.5 = 400: 660 - 300 = 0.9 x 400."""
    result = pm.compare(pm.Case(one_bus([120.0, 120.0])), [regime(cap=100.0, allocation="auction")])
    rates = result.pass_through.set_index("province").loc["all"]
    assert rates["carbon_price"] == pytest.approx(400, abs=1e-3)
    assert rates["price_change"] == pytest.approx(360, abs=1e-3)
    assert rates["pass_through_marginal"] == pytest.approx(1)
    assert rates["pass_through_net"] == pytest.approx(1)
