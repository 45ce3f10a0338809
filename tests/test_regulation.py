"""Deep peak regulation, mileage, capacity payments, penalties: cases by hand, arithmetic shown."""

from __future__ import annotations

import pandas as pd
import pypsa
import pytest
import toys

import powermkt as pm
from powermkt.common.ledger import balances
from powermkt.inputs.market import Market
from powermkt.inputs.regulation import score

LADDER = {"tiers": [{"to": 0.4, "cap": 400}, {"to": 0.0, "cap": 1000}]}
WORKED = {
    "deep_peak": {**LADDER, "offers": {"deep": [400, 800]}},
    "mileage": {
        "needs": [{"mw": 501}],
        "providers": ["deep", "high", "nuclear"],
        "cap": 15,
        "floor": 2,
        "bids": {"deep": 6, "high": 7.5},
        "performance": {
            "coal": {"speed": 1.8, "standard": 1.2, "response": 30, "error": 1},
            "deep": {"capability": 500},
            "high": {"capability": 300},
            # Best of all, and too dear to be called.
            "nuclear": {"speed": 1.8, "standard": 1.2, "response": 0, "error": 0},
        },
    },
}


def case_of(n: pypsa.Network, services: dict[str, object], **more: object) -> pm.Case:
    return pm.Case(n, Market.model_validate({"services": services}), **more)  # type: ignore[arg-type]


def worked_network() -> pypsa.Network:
    """Wind 300, nuclear 200, coal 500 of 600 MW, and 180 MW for coal of 600 MW at its minimum."""
    n = pypsa.Network()
    n.set_snapshots(pd.date_range("2022-01-03", periods=1, freq="h"))
    n.add("Bus", "A")
    n.add("Carrier", ["coal", "onshore wind", "nuclear"])
    n.add("Load", "load", bus="A", p_set=1180)
    n.add("Generator", "wind", bus="A", carrier="onshore wind", p_nom=300)
    n.add("Generator", "nuclear", bus="A", carrier="nuclear", p_nom=200, marginal_cost=1)
    coal = {"bus": "A", "carrier": "coal", "p_nom": 600, "committable": True, "p_min_pu": 0.3}
    n.add("Generator", "high", **coal, p_max_pu=500 / 600, marginal_cost=20)
    n.add("Generator", "deep", **coal, marginal_cost=60)
    n.add("Generator", "off", **coal, marginal_cost=90)
    return n


@pytest.fixture(scope="module")
def worked() -> pm.Run:
    return pm.clear(case_of(worked_network(), WORKED), "priority_dispatch")


def booked(run: pm.Run, product: str, side: str) -> dict[str, float]:
    rows = run.ledger[run.ledger["product"] == product]
    return rows.groupby(side)["amount"].sum().to_dict()


def test_deep_peak_regulation_is_paid_by_tier(worked: pm.Run) -> None:
    """30 % of 600 MW: 60 MWh from 50 to 40 % at 400, 60 MWh below at 800: 72,000.

    300, 200 and 500 MWh of 1,000 pay 21,600, 14,400 and 36,000; who regulates pays nothing, who is
    off neither.
    """
    assert worked.dispatch.iloc[0][["deep", "high", "off"]].tolist() == pytest.approx([180, 500, 0])
    table = worked.deep_peak
    assert table["provider"].tolist() == ["deep", "deep"]
    assert table["depth_mw"].tolist() == pytest.approx([60, 60])
    assert table["price"].tolist() == pytest.approx([400, 800])
    assert booked(worked, "deep peak regulation", "payee") == {"deep": pytest.approx(72_000)}
    charged = booked(worked, "deep peak regulation charge", "payer")
    assert charged == pytest.approx({"wind": 21_600, "nuclear": 14_400, "high": 36_000})
    assert balances(worked.ledger)["ancillary services"] == pytest.approx(0, abs=1e-9)


def test_performance_of_agc() -> None:
    """0.4 x 1.5 + 0.3 x 0.5 + 0.3 x 0.5 = 0.90; floors at 0, speed at most 3."""
    hunan = (0.4, 0.3, 0.3)
    assert score(hunan, speed=1.8, standard=1.2, response=30, error=1) == pytest.approx(0.90)
    assert score(hunan, speed=9, standard=1, response=90, error=3) == pytest.approx(1.2)


def test_mileage_is_called_by_bid_over_performance_and_paid_one_price(worked: pm.Run) -> None:
    """K 0.90 against 1.2: a bid of 6 ranks at 8.0, one of 7.5 at 10; the 501st MW sets 10.

    500 x 10 x 0.90 = 4,500 and 1 x 10 x 0.90 = 9, charged to load.
    """
    table = worked.mileage.set_index("provider")
    assert table["k"].tolist() == pytest.approx([0.9, 0.9])
    assert table["quality"].unique().tolist() == ["given"]
    assert table["rank_price"].to_dict() == pytest.approx({"deep": 8.0, "high": 10.0})
    assert table["mileage_mw"].to_dict() == pytest.approx({"deep": 500, "high": 1})
    assert booked(worked, "AGC mileage", "payee") == pytest.approx({"deep": 4500, "high": 9})
    assert booked(worked, "AGC mileage charge", "payer") == pytest.approx({"load": 4509})
    assert worked.mileage_prices["price"].tolist() == pytest.approx([10.0])
    assert worked.summary()["reserve_cost"] == pytest.approx(72_000 + 4509)


def variant(worked: pm.Run, services: dict[str, object]) -> pm.Run:
    """The same clearing under other data of what is only paid."""
    case = case_of(worked_network(), services)
    return pm.Run(case, worked.regime, 0.0, worked.outcome)


def mileage(**changes: object) -> dict[str, object]:
    return {"mileage": {**WORKED["mileage"], **changes}}


@pytest.mark.slow
def test_equal_ranks_share_and_what_nobody_can_give_is_short(worked: pm.Run) -> None:
    """Both rank at 8: of 400 MW 250 and 150, pro rata to 500 and 300. Of 900 they lack 100.

    With at most 40 % of 400 MW for each, 160 and 160, nuclear has the other 80 at 15 / 1 = 15.
    """
    bids = {"deep": 6, "high": 6}
    run = variant(worked, mileage(needs=[{"mw": 400}], bids=bids))
    awards = run.mileage.set_index("provider")["mileage_mw"].to_dict()
    assert awards == pytest.approx({"deep": 250, "high": 150})
    both = {"providers": ["deep", "high", "off"], "needs": [{"mw": 900}]}
    run = variant(worked, mileage(**both, bids={"off": 2}))
    assert run.mileage_prices["short_mw"].tolist() == pytest.approx([100])
    assert set(run.mileage["provider"]) == {"deep", "high"}  # nobody who is off serves
    run = variant(worked, mileage(needs=[{"mw": 400}], bids=bids, award_cap=0.4))
    awards = run.mileage.set_index("provider")["mileage_mw"].to_dict()
    assert awards == pytest.approx({"deep": 160, "high": 160, "nuclear": 80})
    assert run.mileage_prices["price"].tolist() == pytest.approx([15])


def test_mileage_may_be_needed_as_a_share_of_load_or_of_regulation(worked: pm.Run) -> None:
    """2 % of 1,180 MW and 5 times 10 MW: 23.6 + 50; typical figures are marked."""
    product = {"kind": "regulation_up", "requirements": [{"mw": 10}]}
    need = {"load_share": 0.02, "per_regulation": 5}
    services = {**mileage(needs=[need], performance={}, providers=["deep"]),
                "products": {"up": product}}  # fmt: skip
    run = variant(worked, services)
    assert run.mileage_prices["need_mw"].tolist() == pytest.approx([73.6])
    assert run.mileage["quality"].tolist() == ["recalled"]


@pytest.mark.slow
def test_who_pays_deep_peak_regulation_is_data(worked: pm.Run) -> None:
    """Wind counts half, nuclear is exempt: 150 and 500 of 650 MWh."""
    charge = {"by": "energy", "carriers": ["coal", "onshore wind", "nuclear"], "above_base": True,
              "weights": {"onshore wind": 0.5}, "exempt": ["nuclear"],
              "area": "province"}  # fmt: skip
    run = variant(worked, {**WORKED, "charges": {"deep_peak": [charge]}})
    charged = booked(run, "deep peak regulation charge", "payer")
    assert charged == pytest.approx({"wind": 72_000 * 150 / 650, "high": 72_000 * 500 / 650})
    # Where nobody is left above base, load pays.
    charge = {"by": "energy", "carriers": ["coal"], "above_base": True, "exempt": ["high"]}
    run = variant(worked, {**WORKED, "charges": {"default": [charge]}})
    assert booked(run, "deep peak regulation charge", "payer") == {"load": pytest.approx(72_000)}


@pytest.mark.slow
def test_each_province_has_its_own_prices_and_payers() -> None:
    """A: 10 MWh of tier 1 at 100, paid by wind there. B: 10 MWh at 200, paid by wind there.

    As one area both are paid 200, and 4,000 are shared by 75 and 25 MWh of wind.
    """
    n = pypsa.Network()
    n.set_snapshots(range(1))
    n.add("Carrier", ["coal", "wind"])
    for bus, wind in (("A", 75), ("B", 25)):
        n.add("Bus", bus)
        n.add("Generator", f"wind {bus}", bus=bus, carrier="wind", p_nom=wind)
        n.add("Generator", f"coal {bus}", bus=bus, carrier="coal", p_nom=100, marginal_cost=9)
        n.add("Load", f"load {bus}", bus=bus, p_set=wind + 40)
    offers = {"coal A": [100, 900], "coal B": [200, 900]}
    found = {}
    for area in ("province", "all"):
        case = case_of(n, {"deep_peak": {**LADDER, "offers": offers, "area": area}})
        found[area] = pm.clear(case, "priority_dispatch")
    paid = booked(found["province"], "deep peak regulation", "payee")
    assert paid == pytest.approx({"coal A": 1000, "coal B": 2000})
    charged = booked(found["province"], "deep peak regulation charge", "payer")
    assert charged == pytest.approx({"wind A": 1000, "wind B": 2000})
    charged = booked(found["all"], "deep peak regulation charge", "payer")
    assert charged == pytest.approx({"wind A": 3000, "wind B": 1000})
    # 7 MW of mileage in each: coal B may not serve, and nobody else is there.
    needs = [{"zone": "A", "mw": 7}, {"zone": "B", "mw": 7}]
    case = case_of(n, {"mileage": {"needs": needs, "providers": ["coal A"], "cap": 9}})
    run = pm.Run(case, found["all"].regime, 0.0, found["all"].outcome)
    table = run.mileage_prices.set_index("zone")
    assert table["short_mw"].to_dict() == pytest.approx({"A": 0, "B": 7})
    assert run.mileage["provider"].tolist() == ["coal A"]


@pytest.mark.slow
def test_all_services_at_once_pay_what_they_charge() -> None:
    """A ring of provinces, all fleets on, 2.5 h a snapshot: every account ends at zero."""
    n = toys.random_network(3, hours=4)
    n.generators.loc[n.generators["carrier"] == "onshore wind", "p_nom"] = 900.0
    toys.weigh(n, 2.5)
    need = [{"zone": f"P{i}", "load_share": 0.05} for i in range(3)]
    services = {
        "deep_peak": {**LADDER, "base": 0.6},
        "mileage": {"needs": need, "carriers": ["coal"], "cap": 15, "award_cap": 0.1},
        "products": {"up": {"kind": "spinning", "requirements": [{"load_share": 0.03}],
                            "regulated_price": 10}},
        "charges": {"mileage": [{"by": "energy", "area": "province"}, {"share": 0.5}]},
    }  # fmt: skip
    listed = ["Administered", "DeepPeakMarket", "MileageMarket"]
    rules: list[dict[str, object]] = [{"rule": name} for name in listed]
    rules.append({"rule": "CapacityPayment", "rate": {"coal": 330}, "share": {"P1": 0.5}})
    regime = pm.regime({"name": "all", "extends": "priority_dispatch", "ancillary": rules,
                        "dispatch": {"rule": "PriorityOrder", "commitment": "all"}})  # fmt: skip
    run = pm.clear(case_of(n, services), regime)
    net, ledger = balances(run.ledger), run.ledger
    assert net["ancillary services"] == pytest.approx(0, abs=1e-6)
    assert net["capacity payments"] == pytest.approx(0, abs=1e-6)
    titles = ["deep peak regulation", "AGC mileage", "reserve up", "capacity payment"]
    for title in titles:
        paid, charged = (
            ledger.loc[ledger["product"] == name, "amount"].sum()
            for name in (title, f"{title} charge")
        )
        assert paid > 0 and charged == pytest.approx(paid, rel=1e-12), title
    (rule,) = (item for item in regime.rules if isinstance(item, pm.rules.DeepPeakMarket))
    (charge,) = rule.charges(run._cleared).values()
    for snapshot, provider in run.deep_peak[["snapshot", "provider"]].to_numpy():
        assert charge.loc[snapshot].get(provider, 0.0) == 0
    on = run.outcome.capacity_on(run.case)
    for snapshot, provider in run.mileage[["snapshot", "provider"]].to_numpy():
        assert on.loc[snapshot, provider] > 0


# ---- in the joint clearing -------------------------------------------------------------------

NIGHT = {"tiers": [{"to": 0.4, "cap": 5}, {"to": 0.0, "cap": 40}], "offers": {"coal": [5, 12]}}


def night(load: list[float], unit: bool) -> pypsa.Network:
    """Coal 100 MW at 20, no less than 20 %, dear to start; wind 0, 15 and 20 MW."""
    n = pypsa.Network()
    n.set_snapshots(pd.date_range("2022-01-03", periods=3, freq="h"))
    n.add("Bus", "A")
    n.add("Carrier", ["coal", "wind"])
    n.add("Load", "load", bus="A", p_set=load)
    n.add("Generator", "wind", bus="A", carrier="wind", p_nom=20, p_max_pu=[0, 0.75, 1])
    how = {"committable": True, "p_min_pu": 0.2} if unit else {"min_stable_pu": 0.2}
    n.add("Generator", "coal", bus="A", carrier="coal", p_nom=100, marginal_cost=20,
          start_up_cost=1e5, **how)  # fmt: skip
    return n


def market(*rules: str) -> pm.Regime:
    listed = [{"rule": name} for name in rules]
    return pm.regime({"name": "m", "extends": "full_market", "ancillary": listed})


@pytest.fixture(scope="module")
def fleet() -> pm.Run:
    n = night([80, 52, 42], unit=False)
    toys.weigh(n, 2.0)
    return pm.clear(case_of(n, {"deep_peak": NIGHT}), "full_market")


def test_a_fleet_offers_depth_and_the_price_is_cost_less_the_offer(fleet: pm.Run) -> None:
    """80 MW stay on: base 40, tier 1 down to 32. 52 - 15 = 37: 20 - 5; 42 - 20 = 22: 20 - 12."""
    assert fleet.outcome.online["coal"].tolist() == pytest.approx([80] * 3)
    assert fleet.dispatch["coal"].tolist() == pytest.approx([80, 37, 22])
    assert fleet.prices["A"].tolist()[1:] == pytest.approx([15, 8])
    assert fleet.objective == pytest.approx(2 * 20 * (80 + 37 + 22))  # offers are no cost
    table = fleet.deep_peak
    assert table["depth_mw"].tolist() == pytest.approx([3, 8, 10])
    assert table["amount"].sum() == 0 and fleet.summary()["reserve_cost"] == 0


@pytest.mark.slow
def test_a_tier_that_is_too_dear_is_not_used() -> None:
    """20 - 30 is below the price of wind: coal stays at 32, wind gives 10 of 20, the price is 0."""
    dear = {**NIGHT, "offers": {"coal": [5, 30]}}
    run = pm.clear(case_of(night([80, 52, 42], unit=False), {"deep_peak": dear}), "full_market")
    assert run.dispatch["coal"].tolist() == pytest.approx([80, 37, 32])
    assert run.prices["A"].tolist()[1:] == pytest.approx([15, 0])


def test_without_deep_peak_regulation_wind_is_curtailed(fleet: pm.Run) -> None:
    """At 40 MW or more coal leaves 12 of 15 and 2 of 20: 21 MWh lost for 0, twice over."""
    run = pm.clear(fleet.case, market("CoOptimised", "ObligatoryMinimum"))
    assert run.dispatch["coal"].tolist() == pytest.approx([80, 40, 40])
    assert run.summary()["curtailment_mwh"] == pytest.approx(2 * 21)
    assert fleet.summary()["curtailment_mwh"] == pytest.approx(0)


@pytest.fixture(scope="module")
def unit() -> pm.Run:
    return pm.clear(case_of(night([90, 60, 42], unit=True), {"deep_peak": NIGHT}), "full_market")


def test_depth_is_part_of_what_a_unit_offered(unit: pm.Run) -> None:
    """All 100 MW are on: base 50. 45 MW: 5 below, at 15; 22 MW: 10 and 18 below, at 8.

    Offered 90 x 20, 45 x 20 + 5 x 5 = 925, 22 x 20 + 10 x 5 + 18 x 12 = 706, in all 3,431; paid
    1,800 + 45 x 15 + 22 x 8 = 2,651; uplift 780.
    """
    assert unit.dispatch["coal"].tolist() == pytest.approx([90, 45, 22])
    assert unit.prices["A"].tolist() == pytest.approx([20, 15, 8])
    row = unit.uplift.iloc[0]
    assert row[["offered_cost", "revenue", "uplift"]].tolist() == pytest.approx([3431, 2651, 780])
    assert unit.objective == pytest.approx(20 * (90 + 45 + 22))


def test_payments_for_depth_beside_locational_prices_lower_uplift(unit: pm.Run) -> None:
    """The market apart: no offers of depth, coal is marginal at 20 in all hours.

    Paid 5 x 5 and 10 x 5 + 18 x 12: 291 beyond energy, nothing is left to make whole.
    """
    run = pm.clear(unit.case, market("CoOptimised", "DeepPeakMarket"))
    assert run.prices["A"].tolist() == pytest.approx([20] * 3)
    assert booked(run, "deep peak regulation", "payee") == {"coal": pytest.approx(291)}
    assert run.uplift["revenue"].iloc[0] == pytest.approx(20 * 157 + 291)
    # The only plant above base in these hours is wind.
    assert set(booked(run, "deep peak regulation charge", "payer")) == {"wind"}


def test_rules_that_only_pay_ask_for_no_other_clearing() -> None:
    plain = market("CoOptimised")
    assert (
        market("CoOptimised", "DeepPeakMarket", "MileageMarket").clearing_key == plain.clearing_key
    )
    assert market("CoOptimised", "DeepPeakOffers").clearing_key != plain.clearing_key
    assert market("CoOptimised", "ObligatoryMinimum").structure != plain.structure


# ---- capacity and plan -----------------------------------------------------------------------


def test_capacity_is_paid_for_the_hours_that_are_cleared() -> None:
    """100 MW x 330 CNY/kW x 50 % x 2 h / 8,760 h, gas 25 % of 40 CNY/kW; load is charged."""
    n = toys.one_bus([50.0], weight=2.0)
    rule = pm.rules.CapacityPayment(rate={"coal": 330, "gas": 40}, share={"A": 0.5, "gas": 0.25})
    regime = pm.Regime("r", (*pm.regime("fixed_tariff").rules, rule))
    with pytest.raises(pm.InputError, match=r"share.*'Yunan'"):
        odd = pm.rules.CapacityPayment(share={"Yunan": 0.5})
        pm.clear(pm.Case(n), pm.Regime("r", (*pm.regime("fixed_tariff").rules, odd)))
    run = pm.clear(pm.Case(n), regime)
    hours = 2 / 8760
    paid = booked(run, "capacity payment", "payee")
    assert paid == pytest.approx(
        {"coal": 100e3 * 330 * 0.5 * hours, "gas": 100e3 * 40 * 0.25 * hours}
    )
    charged = booked(run, "capacity payment charge", "payer")
    assert charged == {"load": pytest.approx(sum(paid.values()))}
    assert run.summary()["reserve_cost"] == 0  # no ancillary service


@pytest.mark.slow
def test_who_departs_from_the_plan_pays() -> None:
    """Planned 70 - 25 = 45 MW, real 90 - 25 = 65: 20 less 10 % of 45, 15.5 MWh at 10; to load."""
    n = toys.one_bus([90.0])
    forecast = {"loads_t.p_set": pd.DataFrame({"load": [70.0]}, index=n.snapshots)}
    rule = {"rule": "DeviationPenalty", "rate": 10, "tolerance": 0.1}
    twice = pm.regime({"name": "t", "extends": "two_settlement", "ancillary": rule})
    run = pm.clear(pm.Case(n, forecast=forecast), twice)
    assert booked(run, "deviation penalty", "payer") == {"coal": pytest.approx(155)}
    assert booked(run, "deviation penalty returned", "payee") == {"load": pytest.approx(155)}
    assert balances(run.ledger)["penalties"] == pytest.approx(0)
    assert run.announced.retail.iloc[0, 0] == pytest.approx(300 - 155 / 90)
    whole = pm.rules.DeviationPenalty(rate=10, tolerance=0.1, of="capacity")  # 20 - 10
    items = whole.payments(run._cleared)
    assert items[0].amount.loc[:, "coal"].tolist() == pytest.approx([-100])
    once = pm.clear(pm.Case(n), pm.regime({"name": "o", "extends": "full_market",
                                           "ancillary": rule}))  # fmt: skip
    assert "deviation penalty" not in set(once.ledger["product"])


# ---- bad input -------------------------------------------------------------------------------


def said(services: dict[str, object]) -> str:
    with pytest.raises((pm.InputError, ValueError)) as caught:
        case_of(worked_network(), services)
    return str(caught.value)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"tiers": [{"to": 0.6, "cap": 1}]}, ("tiers overlap", "0.6", "0.5")),
        ({"tiers": [{"to": 0.3, "cap": 1}, {"to": 0.3, "cap": 2}]}, ("tiers overlap", "tier 2")),
        ({"tiers": [{"to": 0.3, "cap": 9}, {"to": 0, "cap": 2}]}, ("caps fall", "2 in tier 2")),
        ({"tiers": []}, ("at least 1 item",)),
        ({"tiers": [{"to": 0.3, "cap": -9}]}, ("greater than or equal to 0",)),
        ({"base": 0}, ("greater than 0",)),
        ({"offers": {"coal": [1]}}, ("offers.coal", "1 prices for 2 tiers")),
        ({"offers": {"coal": [2, 1]}}, ("offers.coal", "fall")),
        ({"offers": {"coal": [1, 1001]}}, ("offers.coal", "1001", "cap 1000")),
        ({"offers": {"cole": [1, 2]}}, ("deep_peak.offers", "did you mean 'coal'")),
        ({"offers": {"wind": [1, 2]}}, ("deep_peak.offers", "'wind'")),
        ({"carriers": ["lignite"]}, ("deep_peak.carriers", "'lignite'")),
    ],
)
def test_deep_peak_that_cannot_be(change: dict[str, object], words: tuple[str, ...]) -> None:
    text = said({"deep_peak": {**LADDER, **change}})
    assert all(word in text for word in words), text


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"needs": [{"zone": "B"}]}, ("mileage.needs.0.zone", "'B'", "valid:")),
        ({"needs": [{"zone": "A"}, {}]}, ("needs.1.zone", "share A")),
        ({"needs": [{"per_regulation": 2}]}, ("per_regulation", "no regulation product")),
        ({"needs": [{"mw": -1}]}, ("greater than or equal to 0",)),
        ({"bids": {"deep": 16}}, ("bids.deep", "2 .. 15")),
        ({"bids": {"depp": 6}}, ("mileage.bids", "did you mean 'deep'")),
        ({"providers": None}, ("who may serve",)),
        ({"providers": ["deep", "nuclear"], "performance": {}}, ("performance", "'nuclear'")),
        ({"weights": [0, 0, 0]}, ("weights sum to zero",)),
        ({"floor": 20}, ("floor 20 is above cap 15",)),
    ],
)
def test_mileage_that_cannot_be(change: dict[str, object], words: tuple[str, ...]) -> None:
    text = said(mileage(**change))
    assert all(word in text for word in words), text


@pytest.mark.parametrize(
    ("charges", "words"),
    [
        ({"deep_peek": [{}]}, ("services.charges", "did you mean 'deep_peak'")),
        ({"deep_peak": [{"by": "energy", "carriers": ["gaz"]}]}, ("carriers", "'gaz'")),
        ({"deep_peak": [{"by": "load", "carriers": ["coal"]}]}, ("charge by energy",)),
        ({"mileage": [{"by": "energy", "above_base": True}]}, ("above_base", "deep_peak")),
        ({"mileage": [{"by": "energy", "carriers": ["nuclear"], "weights": {"nuclear": 0}}]},
         ("leave nobody who pays",)),
        ({"mileage": [{"weights": {"A": -1}}]}, ("greater than or equal to 0",)),
    ],
)  # fmt: skip
def test_charges_that_cannot_be(charges: dict[str, object], words: tuple[str, ...]) -> None:
    text = said({"charges": charges})
    assert all(word in text for word in words), text


@pytest.mark.parametrize(
    ("rules", "words"),
    [
        (("DeepPeakMarket", "DeepPeakOffers"), ("paid for twice",)),
        (("ObligatoryMinimum", "DeepPeakOffers"), ("nothing is left",)),
        (("MileageMarket", "MileageMarket"), ("MileageMarket stands twice",)),
    ],
)
def test_rules_that_do_not_go_together(rules: tuple[str, ...], words: tuple[str, ...]) -> None:
    with pytest.raises(pm.InputError) as caught:
        market(*rules)
    assert all(word in str(caught.value) for word in words)


@pytest.mark.parametrize("name", ["full_market", "priority_dispatch"])
def test_without_services_nothing_changes(two_province: pm.Case, name: str) -> None:
    preset = pm.regime(name)
    rules = (rule for rule in preset.rules if rule.role != "ancillary")
    bare, run = (
        pm.clear(two_province, item, 60.0)
        for item in (pm.Regime(name, (*rules, pm.rules.Administered())), preset)
    )
    pd.testing.assert_frame_equal(run.dispatch, bare.dispatch, check_exact=True)
    pd.testing.assert_frame_equal(run.prices, bare.prices, check_exact=True)
    pd.testing.assert_frame_equal(run.ledger, bare.ledger, check_exact=True)
    assert run.deep_peak.empty and run.mileage.empty and run.mileage_prices.empty
