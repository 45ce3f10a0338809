"""Who gains and who loses by a carbon price: lines by hand, and that they sum to zero."""

from __future__ import annotations

import dataclasses

import pandas as pd
import pytest
import toys
from hypothesis import given
from hypothesis import strategies as st

import powermkt as pm
from powermkt.accounts.parties import accounts, parties
from powermkt.inputs.market import Market
from powermkt.studies.comparison import Comparison

KEYS = ["group", "detail"]
FOUND = {
    "value_of_lost_load": 5000,
    "price_of_excess": 2000,
    "services": {
        "products": {"spin": {"kind": "spinning", "requirements": [{"zone": "P0", "mw": 60}],
                              "offer": 3, "shortage": 900, "regulated_price": 4}},
        "deep_peak": {"tiers": [{"to": 0.4, "cap": 400}], "base": 0.6},
        "mileage": {"needs": [{"mw": 20}], "carriers": ["coal"], "cap": 8,
                    "performance": {"coal": {"speed": 1.8, "standard": 1.2, "response": 30,
                                             "error": 1}}},
    },
}  # fmt: skip


def lines(result: Comparison) -> pd.Series:
    """Change by group and detail."""
    return result.incidence.groupby(KEYS)["change"].sum()


def residual(result: Comparison) -> float:
    """What all lines of each run sum to, over the largest of them."""
    by_run = result.incidence.groupby(["regime", "carbon_price"])["change"]
    return float((by_run.sum().abs() / by_run.agg(lambda change: change.abs().max())).max())


@pytest.fixture(scope="module")
def simple() -> pm.Case:
    """Load 120, of which wind serves 25; two hours that stand for three hours each."""
    return pm.Case(toys.one_bus([120.0, 120.0], weight=3.0))


@pytest.mark.parametrize(
    ("regime", "tau", "expected"),
    [
        # Coal 95 MW sets 300, with e tau = 0.9 x 50 = 45 on top: users 120 x 45, wind 25 x 45;
        # coal is paid what it pays, 95 x 45, to the carbon fund.
        ("full_market_auction", 50.0, {"wind": 1125, "coal": 0, "fund": 4275, "users": -5400}),
        # (e - b) tau = 5: users 600, wind 125, coal and the fund 95 x 5 = 475.
        ("full_market", 50.0, {"wind": 125, "coal": 0, "fund": 475, "users": -600}),
        # At 500 coal would cost 750, gas 500 + 200: gas serves 95 at 700. Users 120 x 400, wind
        # 25 x 400, the fund 95 x 0.4 x 500; gas for coal costs 95 x 200 more.
        ("full_market_auction", 500.0,
         {"wind": 10_000, "coal": 0, "fund": 19_000, "users": -48_000, "cost": 19_000}),
        # Tariffs do not move: coal pays (e - b) tau on 95 MW less wind's share of nothing.
        ("fixed_tariff", 50.0, {"wind": 0, "coal": -475, "fund": 475, "users": 0}),
    ],
)  # fmt: skip
def test_by_hand(simple: pm.Case, regime: str, tau: float, expected: dict[str, float]) -> None:
    result = pm.compare(simple, [regime], [0.0, tau])
    found, hours = lines(result), 6.0
    assert found["producers", "onshore wind"] == pytest.approx(expected["wind"] * hours, abs=1e-6)
    assert found["producers", "coal"] == pytest.approx(expected["coal"] * hours, abs=1e-6)
    assert found["carbon fund", ""] == pytest.approx(expected["fund"] * hours)
    users = found["consumers", "industrial_commercial"]
    assert users == pytest.approx(expected["users"] * hours, abs=1e-6)
    wide = result.incidence_summary
    assert wide["resource cost"].tolist() == pytest.approx([expected.get("cost", 0) * hours])
    assert wide.drop(columns=["regime", "carbon_price"]).sum(axis=1).abs().max() < 1e-6
    if "cost" in expected:  # the resource cost says whose it is
        assert found["resource cost", "coal"] == pytest.approx(-95 * 300 * hours)
        assert found["resource cost", "gas"] == pytest.approx(95 * 500 * hours)


@pytest.fixture(scope="module")
def rich() -> pm.Case:
    """Two provinces with fleets, storage, a fee on their tie, services, a shortage, an excess."""
    n = toys.random_network(11, hours=2, provinces=2)
    first, last = n.snapshots[0], n.snapshots[-1]
    n.loads_t["p_set"].loc[last, "P0 load"] = 5000.0
    n.loads_t["p_set"].loc[first] *= 0.1
    n.generators.loc[["P0 coal 0", "P1 gas"], "p_min_pu"] = [0.3, 0.9]
    n.links["marginal_cost"] = 2.0
    n.links["wheeling_fee"] = 7.0
    n.loads["network_charge"] = 50.0
    toys.add_rows(n, "Load", {"homes": {"bus": "P1", "p_set": 40.0}})
    n.loads["user_class"] = ["", "", "residential_agricultural"]
    return pm.Case(n, Market.model_validate(FOUND))


@pytest.fixture(scope="module")
def all_presets(rich: pm.Case) -> Comparison:
    return pm.compare(rich, [name for name in pm.presets() if name != "two_settlement"], [20, 90])


@pytest.mark.slow
def test_all_lines_sum_to_zero_under_every_preset(all_presets: Comparison) -> None:
    """With a shortage, an excess, short reserves, deep peak, mileage, fees and links' own cost."""
    last = all_presets.runs[-1].summary()
    assert last["load_shed_mwh"] > 0 and last["excess_mwh"] > 0 and last["reserve_short_mwh"] > 0
    assert residual(all_presets) < 1e-9
    table = all_presets.table.set_index(["regime", "carbon_price"])
    wide = all_presets.incidence_summary.set_index(["regime", "carbon_price"])
    change = table.xs(90.0, level=1) - table.xs(20.0, level=1)
    row = wide.xs(90.0, level=1)
    scale = table["cost"].max() * 1e-9
    assert (row["resource cost"] - change["cost"]).abs().max() < scale
    assert (row["producers"] + row["storage"] - change["producer_surplus"]).abs().max() < scale
    products = set(all_presets.ledger["product"])
    assert {"deep peak regulation", "AGC mileage", "reserve spin", "wheeling"} <= products


@pytest.mark.slow
def test_consumers_bear_what_they_pay_and_what_is_not_served(all_presets: Comparison) -> None:
    """Independently: price times load served, load not served at 5000, short reserves at 900."""
    welfare = []
    for run in all_presets.runs:
        paid = (run.outcome.served(run.case) * run.announced.retail).mul(
            run.case.weights, axis="index"
        )
        row = run.summary()
        borne = paid.to_numpy().sum() + 5000 * row["load_shed_mwh"] + 900 * row["reserve_short_mwh"]
        welfare.append(-borne)
        found = run.accounts.groupby("group")["welfare"].sum()
        assert found["consumers"] == pytest.approx(-borne, rel=1e-9)
    change = [after - before for before, after in zip(welfare[::2], welfare[1::2], strict=True)]
    found = all_presets.incidence_summary["consumers"].tolist()
    assert found == pytest.approx(change, rel=1e-9, abs=1e-9 * max(map(abs, welfare)))


@pytest.mark.slow
def test_what_a_party_earns_is_its_margin(all_presets: Comparison) -> None:
    """A market without services for it: wind's welfare is output times price."""
    run = all_presets.runs[2]
    assert run.regime.name == "full_market"
    hours, bus = run.case.weights, run.case.generators["bus"]
    paid = (run.dispatch["P0 wind"] * run.prices[bus["P0 wind"]] * hours).sum()
    reserve = run.ledger[(run.ledger["payee"] == "P0 wind") & (run.ledger["product"] != "energy")]
    assert run.accounts.loc["P0 wind", "welfare"] == pytest.approx(paid + reserve["amount"].sum())


def test_every_party_is_in_one_group_and_strangers_are_not_lost(simple: pm.Case) -> None:
    """An account of a rule, and one that nobody knows, are lines of their own."""
    regime = pm.regime(
        {"name": "r", "extends": "full_market",
         "pricing": {"rule": "LocationalPrice", "users_pay": "generation_weighted",
                     "surplus": "rent fund"}}
    )  # fmt: skip
    run = pm.clear(simple, regime, 10.0)
    odd = pd.DataFrame([["load", "a stranger", "gift", "all", 1.0, 7.0, 7.0]])
    entries = pd.concat([run.ledger, odd.set_axis(run.ledger.columns, axis="columns")])
    table = accounts(simple, run.outcome, entries)
    assert table.loc["a stranger", ["group", "welfare"]].tolist() == ["a stranger", 7.0]
    assert table["receipts"].sum() == pytest.approx(0, abs=1e-6)
    assert table["resource_cost"].sum() == pytest.approx(run.objective)
    assert "rent fund" in parties(simple, ["rent fund"]).index
    assert parties(simple).loc["coal"].tolist() == ["producers", "coal", "A"]


def test_one_carbon_price_gives_no_lines(simple: pm.Case) -> None:
    result = pm.compare(simple, ["full_market"], [30.0])
    assert result.incidence.empty and result.incidence_summary.empty
    assert result.windfall.empty and result.windfall_summary.empty
    assert len(result.retail) == 1


def committed() -> pm.Case:
    """Load 140: wind 25, coal 75 at the margin, a turbine at its minimum of 40 MW."""
    n = toys.one_bus([140.0])
    unit = {"bus": "A", "carrier": "gas", "p_nom": 50.0, "p_min_pu": 0.8, "committable": True,
            "marginal_cost": 520.0, "stand_by_cost": 900.0, "start_up_cost": 5000.0,
            "down_time_before": 5, "up_time_before": 0, "emission_rate": 0.5,
            "benchmark": 0.39}  # fmt: skip
    toys.add_rows(n, "Generator", {"turbine": unit})
    n.generators.loc["gas", "marginal_cost"] = 2000.0
    return pm.Case(n)


@pytest.mark.slow
def test_uplift_is_somebodys_gain_and_somebodys_loss() -> None:
    result = pm.compare(committed(), ["full_market_auction"], [0, 60])
    assert result.table["uplift"].min() > 0
    assert residual(result) < 1e-9
    # Coal at its margin sets the price; the turbine is made whole for its own carbon cost.
    change = result.incidence.groupby("detail")["change"].sum()
    assert change["gas"] == pytest.approx(0, abs=1e-6)


@pytest.mark.slow
def test_a_day_settled_twice() -> None:
    n = toys.one_bus([110.0, 120.0])
    forecast = {"loads_t.p_set": n.loads_t["p_set"] * 0.9}
    result = pm.compare(pm.Case(n, forecast=forecast), ["two_settlement"], [0, 60])
    assert set(result.ledger["product"]) >= {"day-ahead energy", "real-time energy"}
    assert residual(result) < 1e-9
    assert lines(result)["producers", "coal"] == pytest.approx(0, abs=1e-6)


def test_what_quantities_do_not_explain_is_borne_by_plant(simple: pm.Case) -> None:
    """Small steps along curved costs, storage that charges while it discharges: 10 more here."""
    run = pm.clear(simple, "full_market")
    more = dataclasses.replace(run.outcome, cost=run.outcome.cost + 10)
    table = accounts(simple, more, run.ledger)
    change = table["resource_cost"] - run.accounts["resource_cost"]
    assert change["coal"] == pytest.approx(10)  # nobody else has a cost
    assert table["resource_cost"].sum() == pytest.approx(run.objective + 10, rel=1e-12)


@given(
    tau=st.floats(1, 300),
    allocation=st.sampled_from(["auction", "lump_sum", "output_based"]),
    offered=st.booleans(),
    band=st.floats(0, 0.5),
)
@pytest.mark.slow
def test_lines_sum_to_zero_whatever_the_allowance_and_retail_rules(
    rich: pm.Case, tau: float, allocation: str, offered: bool, band: float
) -> None:
    carbon = pm.rules.CarbonPrice(allocation=allocation, offered=offered)
    retail = pm.rules.RetailTariff(band=band, catalogue_balance="users", surcharge=19.0)
    market = pm.regime("full_market")
    kept = tuple(rule for rule in market.rules if rule.role != "carbon")
    regime = dataclasses.replace(market, name="r", rules=(*kept, carbon, retail))
    assert residual(pm.compare(rich, [regime], [0.0, tau])) < 1e-9
