"""One suite that every rule passes, and what single rules say."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pandas as pd
import pypsa
import pytest
from toys import one_bus, random_case, random_network, weigh

import powermkt as pm
from powermkt.rules import RULES, CarbonPrice, LocationalPrice, MeritOrder, Rule

DEFAULTS = {rule.role: rule for rule in pm.regime("full_market").rules}


# What a rule cannot do without, here.
STATED = {
    "CarbonCap": {"cap": 1e6},
    "ElectricBoilers": {"replaced": 0.65},
    "Obligation": {"target": 1e6},
    "Savings": {
        "measures": [{"name": "a", "potential": 1.0, "cost": 1.0, "counts": {"obligation": 1.0}}]
    },
    "ShiftableDemand": {"window": 1.0},
}


def made(name: str, **more: object) -> Rule:
    return RULES[name](**STATED.get(name, {}), **more)


def with_rule(rule: Rule) -> pm.Regime:
    if isinstance(rule, pm.rules.ImportAdjustment):  # it needs a price, and a border around it
        price = pm.rules.CarbonPrice(regions={"P0": 1.0})
        return pm.Regime("r", (*list(DEFAULTS.values())[:3], price, rule))
    beside = dict(DEFAULTS)
    if isinstance(rule, pm.rules.DualTrackAccount):  # it needs planned energy beside a market
        beside["pricing"] = pm.rules.GuaranteedPurchase()
    rules = {**beside, rule.role: rule}
    if isinstance(rule, pm.rules.Savings):  # they count in an obligation
        rules["met"] = pm.rules.Obligation(target=1e6)
    return pm.Regime("r", tuple(rules.values()))


def expected(n: pypsa.Network) -> pm.Case:
    """A case with a forecast, so that no rule lacks anything."""
    return pm.Case(n, forecast={"loads_t.p_set": 1.02 * n.loads_t["p_set"]})


def one_hour() -> pm.Case:
    n = random_network(3, hours=1)
    weigh(n, 7.0)
    return expected(n)


@pytest.fixture(scope="module")
def hours() -> tuple[pm.Case, pm.Case]:
    """The same twice, each with a programme of its own."""
    return one_hour(), one_hour()


def _skip_without_boilers(name: str) -> None:
    if name == "ElectricBoilers":
        pytest.skip("needs a network with boilers: tests of remedies make one")


@pytest.mark.parametrize("name", RULES)
class TestEveryRule:
    def test_serialises_to_yaml_and_back(self, name: str) -> None:
        import yaml

        regime = with_rule(made(name))
        assert pm.regime(yaml.safe_load(regime.to_yaml())) == pm.Regime("r", regime.rules)

    def test_is_frozen_and_refuses_unknown_keys(self, name: str) -> None:
        rule = made(name)
        with pytest.raises(ValueError, match=r"frozen|no field"):
            rule.anything = 1  # type: ignore[attr-defined]
        with pytest.raises(ValueError, match="Extra inputs"):
            made(name, anything=1)

    @pytest.mark.slow
    def test_clears_one_hour_deterministically_between_known_parties(
        self, name: str, hours: tuple[pm.Case, pm.Case]
    ) -> None:
        _skip_without_boilers(name)
        first, second = (pm.clear(case, with_rule(made(name)), 30.0) for case in hours)
        pd.testing.assert_frame_equal(first.dispatch, second.dispatch, check_exact=True)
        pd.testing.assert_frame_equal(first.ledger, second.ledger, check_exact=True)

        n = hours[0].network()
        known = {"market operator", "transmission owner", "carbon fund", "allowance exchange"}
        known |= {*n.generators.index, *n.loads.index, *n.links.index, *n.storage_units.index}
        known |= {f"grid company {province}" for province in hours[0].provinces}
        assert set(first.ledger["payer"]) | set(first.ledger["payee"]) <= known

    def test_has_a_docstring(self, name: str) -> None:
        assert inspect.getdoc(RULES[name])


def test_every_column_of_the_table_is_declared(two_province: pm.Case) -> None:
    row = pm.clear(two_province, "full_market").summary()
    assert list(row.index) == list(pm.COLUMNS)


def coal_only() -> pm.Case:
    """One province, coal at e 0.95 and b 0, tariff 394.9, three kinds of users."""
    n = one_bus([50.0, 60.0])
    n.remove("Generator", ["gas", "wind"])
    n.generators["tariff"] = 394.9
    n.generators["emission_rate"] = 0.95
    n.generators["benchmark"] = 0.0
    n.add("Load", ["works", "homes"], bus="A", p_set=10.0)
    n.loads["user_class"] = [
        "industrial_commercial",
        "energy_intensive",
        "residential_agricultural",
    ]
    n.loads["tariff"] = 600.0
    return pm.Case(n)


def test_contract_price_in_its_band_and_who_bears_it() -> None:
    """394.9 x 1.165 = 460.06, carbon 0.95 x 60 = 57: 517.06, clipped to 473.88.

    Before the carbon price the contract stands at 460.06: of 57, industry sees 13.82 (24.2 %),
    energy-intensive users all, homes nothing. Energy-intensive users take 20 of 150 MWh, and for
    that share coal is paid 517.06.
    """
    rule = pm.rules.GuaranteedPurchase(band=0.2, premium=0.165)
    carbon = pm.rules.CarbonPrice(allocation="auction", offered=False)
    regime = pm.Regime("r", (pm.rules.MeritOrder(), pm.rules.Coupled(), rule, carbon))
    case = coal_only()
    free, priced = (pm.clear(case, regime, tau) for tau in (0.0, 60.0))
    paid = priced.ledger.set_index(["payee", "product"])["price"]
    uncapped = 1.165 * 394.9 + 57
    expected = (130 * 1.2 * 394.9 + 20 * uncapped) / 150
    assert paid["coal", "energy"] == pytest.approx(expected)
    change = (priced.announced.retail - free.announced.retail).iloc[0]
    industry = 1.2 * 394.9 - 1.165 * 394.9
    assert change["load"] == pytest.approx(industry)
    assert change["works"] == pytest.approx(57.0)
    assert change["homes"] == 0
    rates = pm.pass_through(case, [regime], [0, 60]).set_index("province")
    mean = (110 * industry + 20 * 57.0 + 20 * 0) / 150
    assert rates.loc["A", "pass_through_retail"] == pytest.approx(mean / 57)


def test_priority_by_heat_rate_may_cost_more_than_by_cost() -> None:
    """Dirty and cheap against clean and dear: the heat rate puts the clean unit first."""
    n = one_bus([60.0])
    n.remove("Generator", ["gas", "wind"])
    n.add(
        "Generator",
        "clean",
        bus="A",
        p_nom=100,
        marginal_cost=320,
        carrier="coal",
        emission_rate=0.8,
    )
    n.generators["benchmark"] = 0.8
    case = pm.Case(n)

    def run(rank: str) -> pm.Run:
        rule = pm.rules.PriorityOrder(rank=rank)
        return pm.clear(case, with_rule(rule))

    assert run("cost").dispatch["coal"].iloc[0] == pytest.approx(60)
    assert run("heat_rate").dispatch["clean"].iloc[0] == pytest.approx(60)
    assert run("heat_rate").outcome.cost_price.iloc[0, 0] == pytest.approx(320)


@pytest.mark.slow
def test_priority_keeps_renewables_on_where_a_start_would_be_saved() -> None:
    """A dip of load: cycling coal costs 2 x 100 x 30; keeping it on curtails wind instead.

    Load 100 10 100, wind 40; coal minimum 0.5. The market keeps 60 MW on (30 MW in the dip
    against load 10, wind curtailed fully and more is not possible), priority lets coal stop.
    """
    n = one_bus([100.0, 45.0, 100.0])
    n.remove("Generator", "gas")
    n.generators.loc["wind", "p_max_pu"] = 0.8
    n.generators["min_stable_pu"] = [0.5, 0.0]
    n.generators["start_up_cost"] = [100_000.0, 0.0]
    case = pm.Case(n)
    market = pm.clear(case, "full_market")
    rule = pm.rules.PriorityOrder(weight=4000)
    priority = pm.clear(case, with_rule(rule))
    assert market.curtailment["curtailment_mwh"].sum() == pytest.approx(25)
    assert priority.curtailment["curtailment_mwh"].sum() == pytest.approx(0, abs=1e-6)
    assert priority.objective > market.objective


@pytest.mark.slow
def test_hurdle_rate_holds_back_exchange_below_it() -> None:
    """A at 300, B at 350, schedule 0: a hurdle of 49 lets power through, 51 does not."""
    n = one_bus([50.0])
    n.remove("Generator", ["gas", "wind"])
    n.add("Bus", "B", carrier="AC")
    n.add("Generator", "b", bus="B", p_nom=100, marginal_cost=350, carrier="coal")
    n.generators["emission_rate"] = n.generators["emission_rate"].fillna(0.9)
    n.generators["benchmark"] = 0.8
    n.add("Load", "b load", bus="B", p_set=20.0)
    n.add("Link", "ab", bus0="A", bus1="B", p_nom=50, carrier="AC")
    n.links_t["p_set"] = pd.DataFrame({"ab": 0.0}, index=n.snapshots)
    case = pm.Case(n)
    for hurdle, flow in ((49.0, 20.0), (51.0, 0.0), (float("inf"), 0.0)):
        run = pm.clear(case, with_rule(pm.rules.ProvinceFirst(hurdle_rate=hurdle)))
        assert run.flows["ab"].iloc[0] == pytest.approx(flow), hurdle


@pytest.mark.slow
def test_wheeling_fee_is_paid_and_is_no_cost() -> None:
    """Fee 20 on 20 MWh from 300 to 350: cost is fuel only, the fee goes to the owner."""
    n = one_bus([50.0])
    n.remove("Generator", ["gas", "wind"])
    n.add("Bus", "B", carrier="AC")
    n.add("Generator", "b", bus="B", p_nom=100, marginal_cost=350, carrier="coal")
    n.generators["emission_rate"] = 0.9
    n.generators["benchmark"] = 0.8
    n.add("Load", "b load", bus="B", p_set=20.0)
    n.add("Link", "ab", bus0="A", bus1="B", p_nom=50, carrier="AC", efficiency=0.95)
    n.links["wheeling_fee"] = 20.0
    run = pm.clear(pm.Case(n), "full_market")
    sent = 20 / 0.95
    assert run.objective == pytest.approx((50 + sent) * 300)
    assert run.prices.iloc[0].tolist() == pytest.approx([300, 320 / 0.95])
    paid = run.ledger.set_index(["payee", "product"])["amount"]
    assert paid["transmission owner", "wheeling"] == pytest.approx(20 * sent)
    assert run.summary()["congestion_rent"] == pytest.approx(0, abs=1e-6)


@pytest.mark.slow
def test_equal_shares_leave_heat_outside_the_quota() -> None:
    """Two units of 100 MW, one with 40 MW of heat must-run; load 110 for two hours, band 0.

    Free energy 220 - 80 = 140 over room 200 + 120: the same share 0.4375 of each unit's room.
    """
    n = one_bus([110.0, 110.0])
    n.remove("Generator", ["gas", "wind"])
    n.add("Carrier", "coal CHP")
    n.add(
        "Generator",
        "chp",
        bus="A",
        p_nom=100,
        marginal_cost=200,
        carrier="coal CHP",
        p_min_pu=0.4,
        emission_rate=0.9,
    )
    n.generators["benchmark"] = 0.8
    run = pm.clear(pm.Case(n), with_rule(pm.rules.EqualShares(band=0.0)))
    energy = run.dispatch.sum()
    assert energy["coal"] == pytest.approx(0.4375 * 200)
    assert energy["chp"] == pytest.approx(80 + 0.4375 * 120)


@pytest.mark.parametrize("scope", ["nodal", "provincial", "uniform"])
def test_scope_of_prices(scope: str) -> None:
    case = random_case(5)
    run = pm.clear(case, with_rule(pm.rules.LocationalPrice(scope=scope)))
    prices = run.prices
    if scope == "uniform":
        assert np.allclose(prices.to_numpy().std(axis=1), 0, atol=1e-9)
        load = case.dense("Load", "p_set").to_numpy()
        lmp = run.outcome.offer_price[case.loads["bus"]].to_numpy()
        assert np.allclose(prices.iloc[:, 0], (load * lmp).sum(axis=1) / load.sum(axis=1))
    # Whatever the settlement price, the operator keeps nothing.
    from powermkt.common.ledger import balances

    assert abs(balances(run.ledger)["market operator"]) < 1e-6 * run.ledger["amount"].abs().sum()


@pytest.mark.parametrize(
    ("told", "beside"),
    [
        (LocationalPrice(), [pm.rules.InterprovincialSpot()]),
        (pm.rules.ImportAdjustment(), [CarbonPrice(regions={"North": 2.0})]),
        (pm.rules.DualTrackAccount(), [pm.rules.Participation(share=0.5)]),
        (pm.rules.Participation(share=0.5), [MeritOrder(offer_floor=20.0)]),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, pm.rules.Rule) else "",
)
def test_what_a_rule_was_told_elsewhere_is_left_there(told: Any, beside: list[Any]) -> None:
    """A rule that comes from another regime is as one that is stated anew."""
    others = [MeritOrder(), pm.rules.Coupled(), LocationalPrice(surplus="fund"), CarbonPrice()]
    fresh = type(told)(**told.model_dump())
    elsewhere = told.among([*beside, *others[2:]])
    assert elsewhere != fresh.among(others)  # it was told something
    assert elsewhere.among(others) == fresh.among(others)
