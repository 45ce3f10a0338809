"""From guaranteed purchase to the market: what is dispatched, who pays the difference."""

from __future__ import annotations

from copy import copy
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pypsa
import pytest
import toys
from hypothesis import given
from hypothesis import strategies as st

import powermkt as pm
from powermkt.common.ledger import balances


def taking_part(base: str = "full_market", **terms: Any) -> pm.Regime:
    """A regime whose renewables take part in the market as `terms` say."""
    rule = {"rule": "Participation", **terms}
    return pm.regime({"name": "part", "extends": base, "renewables": rule})


PRIORITY = {
    "name": "priority", "dispatch": {"rule": "PriorityOrder", "rank": "cost"},
    "trade": "Coupled", "pricing": "LocationalPrice",
}  # fmt: skip


def night_and_day() -> pypsa.Network:
    """Load 60 by night, 90 by day; wind 40 MW blows by night only; coal 100 MW at 300, gas at 500.

    Half of the coal that is on must run, and a MW that is started costs 190. Tariff of wind 400.
    """
    n = toys.one_bus([60.0, 90.0])
    n.generators.loc["coal", ["min_stable_pu", "start_up_cost", "units"]] = [0.5, 190.0, 100.0]
    n.generators.loc["wind", "p_nom"] = 40.0
    n.generators["tariff"] = [380.0, 600.0, 400.0]
    n.generators_t["p_max_pu"] = pd.DataFrame({"wind": [1.0, 0.0]}, index=n.snapshots)
    return n


# By day coal gives 90 and all of it stays on overnight: 45 by night, wind 15 of 40. For one MWh of
# wind more, coal gives one less, 2 MW less are on and start again: -300 + 2 x 190 = +80 (gas at 500
# is dearer than 300 + 190). So the market takes 15; what is guaranteed, 40 (1 - s), is taken in
# full. Cost 300 (150 - u) + 380 (u - 15). One MWh of load more by night costs -80 where coal is
# turned down, else it is wind's: 0. By day it costs 300 + 190 where coal is started; where all is
# on, 300 and by night half a MWh more of coal in the place of free wind, 450.
PATH = {  # share: wind taken, price by night, by day, what wind receives
    0.0: (40, -80, 490, 40 * 400),
    0.25: (30, -80, 490, 30 * 400),
    0.5: (20, -80, 490, 20 * 400),
    0.75: (15, 0, 450, 10 * 400 + 5 * 0),
    1.0: (15, 0, 450, 0),
}


@cache
def path_case() -> pm.Case:
    return pm.Case(night_and_day())


@pytest.mark.parametrize(
    "share",
    [pytest.param(s, marks=[] if s in (0.5, 0.75) else [pytest.mark.slow]) for s in PATH],
)
def test_the_path_from_guaranteed_purchase_to_the_market(share: float) -> None:
    taken, night, day, received = PATH[share]
    run = pm.clear(path_case(), taking_part(share=share))
    assert run.dispatch["wind"].tolist() == pytest.approx([taken, 0])
    assert run.objective == pytest.approx(300 * (150 - taken) + 380 * (taken - 15))
    assert run.prices["A"].iloc[0] == pytest.approx(night)
    assert run.prices["A"].iloc[1] == pytest.approx(day)
    net = balances(run.ledger)
    assert net.get("wind", 0.0) == pytest.approx(received)
    assert net.get("grid company A", 0.0) == pytest.approx(0, abs=1e-6)
    # The load pays the market, and beyond it what guaranteed purchase costs: (400 - P) a MWh.
    guaranteed = 40 * (1 - share)
    market = 60 * run.prices["A"].iloc[0] + 90 * run.prices["A"].iloc[1]
    assert net["load"] == pytest.approx(-market - guaranteed * (400 - night))
    row = run.summary()
    assert row["consumer_payment"] == pytest.approx(-net["load"])
    assert row["retail_price"] == pytest.approx(-net["load"] / 150)


@pytest.mark.slow
def test_the_two_ends_are_the_presets_they_stand_between() -> None:
    case = toys.random_case(7, hours=3, provinces=2)
    market, whole = pm.clear(case, "full_market"), pm.clear(case, taking_part(share=1))
    pd.testing.assert_frame_equal(whole.dispatch, market.dispatch)
    pd.testing.assert_frame_equal(whole.prices, market.prices)
    pd.testing.assert_frame_equal(whole.ledger, market.ledger)
    none, first = pm.clear(case, "guaranteed_purchase"), pm.clear(case, pm.regime(PRIORITY))
    assert none.objective == pytest.approx(first.objective, rel=1e-9)
    wind = [name for name in case.generators.index if name.endswith("wind")]
    total = case.weights @ none.dispatch[wind].sum(axis=1)
    assert total == pytest.approx(case.weights @ first.dispatch[wind].sum(axis=1))
    net = balances(none.ledger)
    assert net[wind].sum() == pytest.approx(total * case.default_tariff)  # as GuaranteedPurchase
    paid = (none.announced.retail * none.outcome.served(case)).mul(case.weights, axis="index")
    assert paid.to_numpy().sum() == pytest.approx(none.summary()["consumer_payment"])


@pytest.mark.slow
@given(seed=st.integers(0, 10**6), share=st.floats(0, 1))
def test_what_holds_for_any_share(seed: int, share: float) -> None:
    """More is guaranteed, less is curtailed and no less it costs; money adds up."""
    case = toys.random_case(seed, hours=4, provinces=2)
    runs = [pm.clear(case, taking_part(share=s)) for s in (0, share, 1)]
    cost = [run.objective for run in runs]
    assert np.all(np.diff(cost) <= 1e-6 * cost[0])
    net = balances(runs[1].ledger)
    assert net.sum() == pytest.approx(0, abs=1e-3)
    assert net[["grid company P0", "grid company P1"]].abs().max() < 1e-3


# ---- offers ----------------------------------------------------------------------------------


@cache
def spare_wind() -> pm.Case:
    """Load 20 below wind 25; coal must give nothing."""
    return pm.Case(toys.one_bus([20.0]))


@pytest.mark.parametrize(
    ("terms", "price"),
    [
        pytest.param({"subsidy": 60}, -60.0, marks=pytest.mark.slow),
        ({"subsidy": {"wind": 60}, "certificate": {"onshore wind@A": 30}}, -90.0),
        ({"certificate": 0.5}, -0.5),
        ({"subsidy": 60, "certificate": 30, "floor": -50}, -50.0),
        pytest.param({"subsidy": 60, "floor": 0}, 0.0, marks=pytest.mark.slow),
        # A floor raises no offer.
        pytest.param({"subsidy": 60, "floor": 10}, 0.0, marks=pytest.mark.slow),
    ],
)
def test_offers_below_zero_set_the_price(terms: dict[str, Any], price: float) -> None:
    run = pm.clear(spare_wind(), taking_part(**terms))
    assert run.prices["A"].iloc[0] == pytest.approx(price, abs=1e-9)
    assert run.objective == pytest.approx(0, abs=1e-9)  # no offer is a cost
    net, subsidy = balances(run.ledger), 60.0 if "subsidy" in terms else 0.0
    # 20 MWh at the price; the subsidy comes from public funds, the certificate is not sold here.
    assert net.get("wind", 0.0) == pytest.approx(20 * (price + subsidy), abs=1e-6)
    assert net.get("public funds", 0.0) == pytest.approx(-20 * subsidy)
    assert any("no contract" in note for note in run.notes) == ("certificate" in terms)


def test_what_is_guaranteed_takes_any_price() -> None:
    """Two of wind 25 against load 20: the guaranteed one runs, and gives no price above an offer.

    One more MWh comes from it, as it comes first: were it offered at 0, the refused offer of -60
    of the other would stand below the price.
    """
    n = toys.one_bus([20.0])
    n.add("Generator", "other", bus="A", p_nom=25, carrier="onshore wind")
    run = pm.clear(pm.Case(n), taking_part(share={"wind": 0}, subsidy={"other": 60}))
    assert run.dispatch[["wind", "other"]].iloc[0].tolist() == pytest.approx([20, 0])
    assert run.prices["A"].iloc[0] == pytest.approx(-60)


@pytest.mark.slow
def test_the_market_of_offers_bounds_them_too() -> None:
    regime = pm.regime(
        {"name": "x", "extends": "full_market",
         "dispatch": {"rule": "MeritOrder", "offer_floor": -20},
         "renewables": {"rule": "Participation", "subsidy": 60}}
    )  # fmt: skip
    assert pm.clear(spare_wind(), regime).prices["A"].iloc[0] == pytest.approx(-20)


# ---- hours, storage, users -------------------------------------------------------------------


@pytest.mark.slow
def test_guaranteed_hours_come_first_and_are_settled_by_output() -> None:
    """Wind 20 MW blows for two days; load 30 on the first, 5 on the second; 5 MW of coal must run.

    480 MWh are taken on the first day, none on the second. 4,380 h a year are 4,380 x 20 / 8,760 MW
    in 48 h, 480 MWh: all of it. 1,095 h are 120 MWh: of each hour's output a quarter.
    """
    n = toys.one_bus([30.0] * 24 + [5.0] * 24)
    n.generators.loc["wind", "p_nom"] = 20.0
    n.generators.loc["coal", "p_min_pu"] = 0.05
    n.generators["tariff"] = [380.0, 600.0, 400.0]
    n.generators_t["p_max_pu"] = pd.DataFrame({"wind": [1.0] * 48}, index=n.snapshots)
    case = pm.Case(n)
    run = pm.clear(case, taking_part(guaranteed_hours={"onshore wind@A": 4380}))
    assert run.dispatch["wind"].tolist() == pytest.approx([20] * 24 + [0] * 24)
    assert balances(run.ledger)["wind"] == pytest.approx(480 * 400)
    run = pm.clear(case, taking_part(guaranteed_hours=1095))
    # By day coal gives 10 and sets 300: 120 MWh at 400, 360 at 300.
    assert balances(run.ledger)["wind"] == pytest.approx(120 * 400 + 360 * 300)
    bought = run.ledger.set_index("product").loc["guaranteed purchase", "quantity"]
    assert bought == pytest.approx(120)


@pytest.mark.slow
def test_hours_are_taken_before_what_starts_cost() -> None:
    """As `PATH`, by hours: 40 MW x 2 h x hours / 8,760 MWh of 40 are guaranteed.

    Half of them (2,190 h, 20 MWh) and the night's wind is taken to 20; none, and it is 15.
    """
    for hours, taken in ((0, 15), (2190, 20)):
        run = pm.clear(path_case(), taking_part(guaranteed_hours=hours))
        assert run.dispatch["wind"].iloc[0] == pytest.approx(taken), hours


@pytest.mark.slow
def test_reservoirs_spill_only_what_is_in_the_market() -> None:
    """Inflow 40 by night as wind in `PATH`, nothing to store: spill 25 in the market, else less."""
    n = night_and_day()
    n.remove("Generator", "wind")
    n.add("Carrier", "hydro")
    inflow = pd.Series([40.0, 0.0], index=n.snapshots)
    n.add("StorageUnit", "river", bus="A", p_nom=40, max_hours=0.0, carrier="hydro", inflow=inflow,
          tariff=250.0)  # fmt: skip
    case = pm.Case(n)
    for terms, guaranteed, spilt in (
        ({"share": 0}, 1, 0), ({"share": 0.5}, 0.5, 20), ({"guaranteed_hours": 2190}, 1, 20),
    ):  # fmt: skip
        run = pm.clear(case, taking_part(**terms))
        assert run.outcome.spill["river"].iloc[0] == pytest.approx(spilt), terms
        output, night = 40 - spilt, run.prices["A"].iloc[0]
        expected = output * (guaranteed * 250 + (1 - guaranteed) * night)
        assert balances(run.ledger).get("river", 0.0) == pytest.approx(expected, abs=1e-6)


def test_pumped_water_is_not_guaranteed() -> None:
    """Wind at 0 by night, coal at 300 by day: 20 MW pump, 20 + 16 come out, 20 of them inflow.

    Pumping loses 20 %, so 16 MWh of the 36 were bought before: 20 are guaranteed at 250.
    """
    n = toys.one_bus([30.0, 90.0])
    n.generators.loc["wind", "p_nom"] = 50.0
    n.generators_t["p_max_pu"] = pd.DataFrame({"wind": [1.0, 0.0]}, index=n.snapshots)
    n.add("Carrier", "hydro")
    inflow = pd.Series([0.0, 20.0], index=n.snapshots)
    n.add("StorageUnit", "lake", bus="A", p_nom=50, max_hours=2.0, carrier="hydro", inflow=inflow,
          p_min_pu=-0.4, efficiency_store=0.8, tariff=250.0)  # fmt: skip
    run = pm.clear(pm.Case(n), taking_part(share={"lake": 0}))
    assert run.outcome.storage["lake"].tolist() == pytest.approx([-20, 36])
    paid = run.ledger[run.ledger["product"] == "guaranteed purchase"]
    assert paid["quantity"].sum() == pytest.approx(20)
    price = run.prices["A"].iloc[1]
    assert paid["amount"].sum() == pytest.approx(20 * (250 - price))


def with_households() -> pypsa.Network:
    """Coal gives 75 of 100 at 300, wind 25; 40 of the load are households."""
    n = toys.one_bus([60.0])
    n.generators["tariff"] = [380.0, 600.0, 400.0]
    n.add("Load", "homes", bus="A", p_set=40.0)
    n.loads["user_class"] = ["industrial_commercial", "residential_agricultural"]
    return n


def test_who_bears_it() -> None:
    """25 MWh of wind bought at 400 and sold at 300 cost 2,500: industry pays 2,500 / 60."""
    case = pm.Case(with_households())
    run = pm.clear(case, taking_part(share=0))
    assert run.announced.retail.iloc[0].tolist() == pytest.approx([300 + 2500 / 60, 300])
    net = balances(run.ledger)
    assert net[["load", "homes", "wind"]].tolist() == pytest.approx([-20500, -12000, 10000])
    run = pm.clear(case, taking_part(share=0.2, passed_on="grid_company"))
    net = balances(run.ledger)
    # 20 MWh at 400, 5 at 300; the grid company loses 20 x 100.
    assert net[["load", "wind", "grid company A"]].tolist() == pytest.approx([-18000, 9500, -2000])


@pytest.mark.slow
def test_days_that_are_settled_twice() -> None:
    """Wind 100 of 200 MW expected and 95 come; price 300 and 280 by coal: 30,000 - 1,400.

    With half of it guaranteed at 400, 50 and 47.5 are: what the market pays for these,
    50 x 300 - 2.5 x 280 = 14,300, becomes 47.5 x 400 = 19,000. Real-time coal is cheaper by 20.
    """
    n = toys.one_bus([150.0])
    n.generators.loc["wind", ["p_nom", "tariff"]] = [200.0, 400.0]
    n.generators.loc["coal", ["p_nom", "marginal_cost"]] = [52.0, 280.0]
    n.generators.loc["gas", ["marginal_cost", "p_max_pu"]] = [300.0, 1.0]
    n.generators_t["p_max_pu"] = pd.DataFrame({"wind": [0.475]}, index=n.snapshots)
    n.loads_t["p_set"]["load"] = [146.0]
    forecast = {
        "generators_t.p_max_pu": pd.DataFrame({"wind": [0.5]}, index=n.snapshots),
        "loads_t.p_set": pd.DataFrame({"load": [160.0]}, index=n.snapshots),
    }
    case = pm.Case(n, forecast=forecast)
    penalty = {"rule": "DeviationPenalty", "rate": 50.0, "tolerance": 0.02}
    regime = pm.regime({"name": "x", "extends": "two_settlement", "ancillary": [penalty]})
    run = pm.clear(case, regime)
    assert run.day_ahead is not None
    assert (run.day_ahead.prices.iloc[0, 0], run.prices.iloc[0, 0]) == pytest.approx((300, 280))
    # 5 MWh less than planned, 2 of them within the tolerance: 3 x 50.
    assert balances(run.ledger)["wind"] == pytest.approx(30_000 - 1_400 - 150)
    run = pm.clear(case, taking_part("two_settlement", share=0.5))
    assert balances(run.ledger)["wind"] == pytest.approx(28_600 - 14_300 + 19_000)
    assert balances(run.ledger)["grid company A"] == pytest.approx(0, abs=1e-6)


# ---- bad input -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("terms", "said"),
    [
        ({"share": 1.5}, "share.renewable: Input should be less than or equal to 1"),
        ({"share": {"wind": -0.1}}, "share.wind: Input should be greater than or equal to 0"),
        ({"share": {"wind": 0.5}, "guaranteed_hours": {"wind": 9}}, "for wind: state one of them"),
        ({"shares": 1}, "did you mean 'share'"),
    ],
)
def test_terms_that_are_none(terms: dict[str, Any], said: str) -> None:
    with pytest.raises(pm.InputError, match=said):
        taking_part(**terms)


def test_rules_that_do_not_go_together() -> None:
    case = spare_wind()
    with pytest.raises(pm.InputError) as caught:
        pm.clear(case, taking_part("priority_dispatch", share=0.5))
    assert "PriorityOrder puts all renewables first" in str(caught.value)
    assert "GuaranteedPurchase pays renewables their tariff" in str(caught.value)
    with pytest.raises(pm.InputError, match="each interval of real time anew"):
        pm.clear(case, taking_part("two_settlement", guaranteed_hours=1000))


def test_keys_that_mean_nothing_here() -> None:
    n = toys.one_bus([20.0])
    n.add("Carrier", "PHS")
    n.add("StorageUnit", "pumped", bus="A", p_nom=5, carrier="PHS")
    n.generators.loc["gas", "committable"] = True
    offers = pd.DataFrame({"generator": ["wind"], "quantity_mw": [20.0], "price": [5.0]})
    case = pm.Case(n, offers=offers)
    terms = {"share": {"onshore wnd": 0.5, "onshore wind@B": 0.2, "gas": 0.5},
             "guaranteed_hours": {"pumped": 5}, "subsidy": 10}  # fmt: skip
    with pytest.raises(pm.InputError) as caught:
        pm.clear(case, taking_part(**terms))
    for part in ("did you mean 'onshore wind'", "did you mean 'onshore wind@A'",
                 "'pumped' has no inflow", "gas: a unit that is committed",
                 "wind submitted offers: they contain what"):  # fmt: skip
        assert part in str(caught.value)
    # At its offer of 5 the price would be 5, though it takes any.
    with pytest.raises(pm.InputError, match="wind submitted offers: what is guaranteed takes any"):
        pm.clear(case, taking_part(share=0))


def test_no_windfall_at_the_tariff(two_province: pm.Case) -> None:
    """What is bought at its tariff gains nothing when a carbon price lifts the market's."""
    result = pm.compare(two_province, ["guaranteed_purchase"], [0.0, 60.0])
    gains = result.windfall.set_index("plant")["price_gain"]
    assert gains["wind"] == pytest.approx(0.0, abs=1e-6)
    assert abs(gains["S1"]) > 1000


def test_hours_are_refused_with_a_look_ahead() -> None:
    case = path_case().window(next(iter(path_case().windows)))
    rule = pm.rules.Participation(guaranteed_hours=2000.0)
    assert not rule.faults(case)
    ahead = copy(case)
    ahead.look_ahead = 12.0
    assert "look-ahead" in str(rule.faults(ahead)[0])
