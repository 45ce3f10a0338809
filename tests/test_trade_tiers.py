"""Trade between provinces in tiers: folded bids, schedules in shapes, spot on what they leave."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pypsa
import pytest
import toys
from hypothesis import example, given
from hypothesis import strategies as st
from test_two_province import DAY, NIGHT

import powermkt as pm
from powermkt.accounts.exchange import FRAMEWORK, SPOT
from powermkt.common.ledger import balances
from powermkt.rules import Coupled, InterprovincialSpot, LocationalPrice, MeritOrder, Scheduled
from powermkt.rules.trade import block_snapshots, framework
from powermkt.system.folding import cheapest_paths, delivered_fee, fold

PLAIN = pm.Regime("tiers", (MeritOrder(), InterprovincialSpot(), LocationalPrice()))
BARRIER = pm.Regime("barrier", (MeritOrder(), Scheduled(band=0.0), LocationalPrice()))
JOINT = pm.Regime("joint", (MeritOrder(), Coupled(), LocationalPrice()))


def tiers(**options: object) -> pm.Regime:
    """Merit order, trade in tiers, locational prices."""
    rule = InterprovincialSpot.model_validate(options)
    return pm.Regime("tiers", (MeritOrder(), rule, LocationalPrice()))


def chain(hours: int = 1, seller: float = 300.0, schedule: float = 10.0) -> pypsa.Network:
    """A sells to C over B: losses of 3 and 5 %, fees of 30 and 40 on what leaves each segment.

    A has 1000 MW at `seller`, B and C hardly anything of their own; loads 50, 50 and 100 MW.
    """
    n = pypsa.Network()
    n.set_snapshots(pd.date_range("2022-01-03", periods=hours, freq="h"))
    n.add("Carrier", ["coal", "AC"])
    n.add("Bus", list("ABC"), carrier="AC")
    n.add("Load", ["a", "b", "c"], bus=list("ABC"), p_set=[50.0, 50.0, 100.0])
    n.add("Generator", "big", bus="A", carrier="coal", p_nom=1000, marginal_cost=seller)
    n.add("Generator", ["dear b", "dear c"], bus=["B", "C"], carrier="coal", p_nom=120,
          marginal_cost=900.0)  # fmt: skip
    n.add("Link", ["ab", "bc"], bus0=["A", "B"], bus1=["B", "C"], carrier="AC", p_nom=400,
          efficiency=[0.97, 0.95])  # fmt: skip
    n.links["wheeling_fee"] = [30 * 0.97, 40 * 0.95]  # per MWh sent
    n.links_t["p_set"] = pd.DataFrame(schedule, n.snapshots, n.links.index)
    return n


# ---- folded bids and paths ----------------------------------------------------------------------


def test_a_bid_folded_over_two_segments() -> None:
    # 450 x 0.97 x 0.95 - 30 x 0.97 - 40 x 0.97 x 0.95 = 414.675 - 29.1 - 36.86
    assert fold(450, [30, 40], [0.03, 0.05]) == pytest.approx(348.715, abs=1e-12)
    assert fold(450, [], []) == 450
    assert delivered_fee(29.1, 0.03) == pytest.approx(30)
    with pytest.raises(ValueError, match="2 fees and 1 losses"):
        fold(450, [30, 40], [0.03])
    with pytest.raises(ValueError, match="no shares"):
        fold(450, [30], [1.03])


def test_prices_along_a_path_with_flow_are_folded_bids() -> None:
    """A serves all at 348.715; the price of C is what folds to it, 450."""
    case = pm.Case(chain(seller=348.715))
    prices = pm.clear(case, JOINT).prices.iloc[0]
    sent, losses = case.corridors["wheeling_fee"], [0.03, 0.05]
    fees = [delivered_fee(fee, loss) for fee, loss in zip(sent, losses, strict=True)]
    assert fees == pytest.approx([30, 40])
    assert fold(prices["C"], fees, losses) == pytest.approx(prices["A"])
    assert prices["A"] == pytest.approx(348.715)
    assert prices["C"] == pytest.approx(450)
    path = cheapest_paths(case).set_index(["seller", "buyer"]).loc[("A", "C")]
    assert path["path"] == "A > B > C" and path["links"] == ("ab", "bc")
    assert path["fee"] == pytest.approx(29.1 + 38)
    assert path["loss"] == pytest.approx(1 - 0.97 * 0.95)
    assert 450 * path["kept"] - path["charge"] == pytest.approx(348.715)


def test_the_lowest_fee_decides_the_path_then_the_fewest_segments() -> None:
    """Direct for 90 against 29.1 + 38 over B; at 60 the direct one; at a tie the direct one."""
    n = chain()
    n.add("Link", ["dear", "dearer"], bus0="A", bus1="C", carrier="AC", p_nom=10.0)
    n.links.loc[["dear", "dearer"], "wheeling_fee"] = [90.0, 95.0]
    n.links_t["p_set"] = pd.DataFrame(0.0, n.snapshots, n.links.index)
    for fee, links in ((90.0, ("ab", "bc")), (60.0, ("dear",)), (67.1, ("dear",))):
        n.links.loc["dear", "wheeling_fee"] = fee
        paths = cheapest_paths(pm.Case(n)).set_index(["seller", "buyer"])
        assert paths.loc[("A", "C"), "links"] == links
    assert ("C", "A") not in paths.index  # one-way links lead nowhere back
    free = cheapest_paths(pm.Case(n), fee=0.0).set_index(["seller", "buyer"])
    assert free.loc[("A", "C"), "links"] == ("dear",)
    assert free.loc[("A", "C"), ["fee", "charge", "loss"]].tolist() == [0, 0, 0]


def test_a_link_that_runs_both_ways_is_a_path_each_way(two_province: pm.Case) -> None:
    paths = cheapest_paths(two_province)
    assert paths["path"].tolist() == ["North > South", "South > North"]


# ---- schedules in shapes ------------------------------------------------------------------------


def shaped(weights: list[float]) -> pm.Case:
    """Two days in two windows, noisy schedules, hours of unequal weight."""
    n = toys.random_network(4, hours=48)
    rng = np.random.default_rng(1)
    plan = rng.uniform(0, 1, (48, len(n.links))) * n.links["p_nom"].to_numpy()
    n.links_t["p_set"] = pd.DataFrame(plan, n.snapshots, n.links.index)
    for column in ("objective", "generators"):
        n.snapshot_weightings[column] = np.resize(weights, 48)
    windows = {"first": n.snapshots[:24], "second": n.snapshots[24:]}
    return pm.Case(n, windows=windows)


@pytest.mark.slow
@given(st.lists(st.floats(0.5, 4.0), min_size=1, max_size=7))
@example([1.0, 3.0, 2.0, 0.5, 2.5])
def test_shapes_keep_energy_by_window_and_block(weights: list[float]) -> None:
    case = shaped(weights)
    plan = framework(case)
    pd.testing.assert_frame_equal(plan, case.schedule[case.corridors.index])
    energy = [frame.mul(case.weights, axis="index") for frame in
              (plan, framework(case, "flat"), framework(case, "day_night"))]  # fmt: skip
    for window in case.windows.values():
        flat = framework(case, "flat").loc[window]
        assert (flat == flat.iloc[0]).all(axis=None)
        own = energy[0].loc[window].sum()
        assert np.allclose(energy[1].loc[window].sum(), own)
        for hours in block_snapshots(window).values():
            block = framework(case, "day_night").loc[hours]
            assert (block == block.iloc[0]).all(axis=None)
            assert np.allclose(energy[2].loc[hours].sum(), energy[0].loc[hours].sum())


def test_a_flat_schedule_spreads_the_energy(two_province: pm.Case) -> None:
    """200 MW by day (8 to 21, 14 h) and nothing by night: flat 2800 / 24 MW; blocks as they are."""
    case = two_province
    peak = block_snapshots(case.snapshots)["peak"]
    plan = pd.DataFrame({"tie": np.where(case.snapshots.isin(peak), 200.0, 0.0)}, case.snapshots)
    case = case.with_schedule(plan)
    run = pm.clear(case, pm.Regime("r", (MeritOrder(), Scheduled(shape="flat"), LocationalPrice())))
    assert np.allclose(run.flows["tie"], 2800 / 24)
    pd.testing.assert_frame_equal(framework(case, "day_night"), plan, check_freq=False)
    first = pm.rules.ProvinceFirst(shape="flat", hurdle_rate=np.inf, band=0.0)
    assert (first.limit(case)["Link-p"][0]["tie"] == run.flows["tie"].mean()).all()


def test_a_shape_beyond_a_rating_is_refused() -> None:
    """Flat 15 MW where the second hour has 10 MW left of 400."""
    n = chain(hours=2)
    n.links_t["p_set"]["ab"] = [20.0, 10.0]
    n.links_t["p_max_pu"]["ab"] = [1.0, 0.025]
    case = pm.Case(n)
    assert not tiers().faults(case)
    found = tiers(shape="flat").faults(case)
    assert [(item.where, item.what) for item in found] == [
        ("Unnamed Network: links_t.p_set['ab']",
         "in shape 'flat' beyond the rating in 1 snapshots, by up to 5.0 MW")
    ]  # fmt: skip
    n.links_t["p_set"]["ab"] = [20.0, 20.0]
    with pytest.raises(pm.InputError, match=r"beyond the rating in 1 snapshots, by up to 10\.0 MW"):
        pm.clear(pm.Case(n), PLAIN)


# ---- two provinces by hand ----------------------------------------------------------------------

# South buys at most 100 MW beyond its 100: tie +200. Night: North 500 + 200 = 700, so wind gives
# 200 of 400 beside 250 + 250, 135,000; South S1 700, 252,000. Day: wind 200, N1 500, N2 300,
# 210,000; South 1200: S1 1000 and S2 200, 464,000. 12 (135 + 252 + 210 + 464) = 12,732 thousand.
CAPPED = 12_732_000
# Gains alone are 360 - 0 by night and 520 - 240 = 280 by day: with a hurdle of 330 South buys by
# night only. Night 135,000 and S1 600, 216,000; day 108,000 + 75,000 + 360,000 + 300 x 520.
BY_NIGHT = 12_600_000
ALONE, TOGETHER = 13_464_000, 12_036_000


@pytest.mark.parametrize(
    ("options", "cost", "night", "day"),
    [
        ({"import_cap": {"South": {"mw": 100}}}, CAPPED, 200, 200),
        ({"import_cap": {"all": {"mw": 100, "share": 0.5}}}, CAPPED, 200, 200),
        ({"import_cap": {"all": {"mw": 0}, "South": {"mw": 1e5}}}, TOGETHER, 300, 300),
        ({"import_cap": {"all": {"share": 0}}}, ALONE, 100, 100),
        ({"local_first": "price", "hurdle_rate": 330}, BY_NIGHT, 300, 100),
        ({"local_first": "shortage"}, ALONE, 100, 100),
    ],
)
def test_rules_of_the_first_tier(
    two_province: pm.Case, options: dict[str, object], cost: float, night: float, day: float
) -> None:
    run = pm.clear(two_province, tiers(**options))
    assert run.objective == pytest.approx(cost)
    assert np.allclose(run.flows["tie"].iloc[NIGHT], night)
    assert np.allclose(run.flows["tie"].iloc[DAY], day)
    if cost == ALONE:
        barrier = pm.clear(two_province, BARRIER)
        assert np.allclose(run.dispatch, barrier.dispatch)
        assert np.allclose(run.prices, barrier.prices)


@pytest.fixture(scope="module")
def settled(two_province: pm.Case) -> pm.Run:
    return pm.clear(two_province, tiers(framework_price=300.0))


def test_every_account_by_hand(settled: pm.Run) -> None:
    """Tie +300; prices 0 and 300 in North, 360 and 520 in South, in both tiers.

    South sells 300 MW at its price, 12 x 300 (360 + 520) = 3,168,000; pays 2,400 MWh of framework
    at 300 and 200 MW of spot, 12 x 200 (360 + 520) = 2,112,000. North buys 12 x 300 x 300 =
    1,080,000, is paid 720,000 and 12 x 200 x 300 = 720,000. The tie keeps 12 x 200 (360 + 220) =
    1,392,000.
    """
    found = balances(settled.ledger)
    charges = {"North": 15_600 * 150, "South": 27_600 * 150}
    south = 3_168_000 - 720_000 - 2_112_000 + charges["South"]
    north = -1_080_000 + 720_000 + 720_000 + charges["North"]
    assert found["grid company South"] == pytest.approx(south)
    assert found["grid company North"] == pytest.approx(north)
    assert found["tie"] == pytest.approx(1_392_000)
    assert found["market operator"] == pytest.approx(0, abs=1e-6)
    assert found["S1"] == pytest.approx(12 * 600 * 360 + 12 * 1000 * 520)
    assert found.sum() == pytest.approx(0, abs=1e-6)
    summary = settled.summary()
    assert summary["congestion_rent"] == pytest.approx(1_392_000)
    assert summary["consumer_payment"] == pytest.approx(
        12 * 800 * 300 + 12 * (900 * 360 + 1400 * 520) + sum(charges.values())
    )
    table = settled.trade.set_index("tier")
    assert table.loc[FRAMEWORK, ["sent_mwh", "seller_price"]].tolist() == pytest.approx([2400, 300])
    spot = table.loc[SPOT, ["seller", "sent_mwh", "seller_price", "buyer_price"]].tolist()
    assert spot == ["North", pytest.approx(4800), pytest.approx(150), pytest.approx(440)]


def test_the_stated_account_takes_the_rent_of_the_first_tier(two_province: pm.Case) -> None:
    rules = (MeritOrder(), InterprovincialSpot(), LocationalPrice(surplus="fund"))
    found = balances(pm.clear(two_province, pm.Regime("r", rules)).ledger)
    assert found["fund"] == pytest.approx(1_392_000)
    assert "tie" not in found
    assert found.sum() == pytest.approx(0, abs=1e-6)


def test_folded_bids_of_an_hour(settled: pm.Run) -> None:
    """By day North asks 240 and South bids 520; 200 MW are left, 400 the other way."""
    hour = settled.case.snapshots[13]
    table = settled.folded_bids(hour)
    assert table["gain"].tolist() == pytest.approx([280, -280])
    assert table["room_mw"].tolist() == pytest.approx([200, 400])
    with pytest.raises(pm.InputError, match="no snapshot"):
        settled.folded_bids("noon")
    with pytest.raises(pm.InputError, match="Coupled has no bids"):
        pm.clear(settled.case, JOINT).folded_bids(hour)


@pytest.mark.slow
def test_carbon_prices_enter_every_tier(two_province: pm.Case) -> None:
    """Auction at 60: N2 by day 0.95 x 60, South 0.82 x 60 by night and 0.38 x 60 by day."""
    auction = pm.regime({"name": "a", "extends": "interprovincial_spot",
                         "carbon": {"rule": "CarbonPrice", "allocation": "auction"}})  # fmt: skip
    runs = [pm.clear(two_province, auction, tau) for tau in (0.0, 60.0)]
    for frames in ([run.prices for run in runs], [run.outcome.tier_price for run in runs]):
        change = frames[1] - frames[0]
        assert np.allclose(change["North"].iloc[NIGHT], 0)
        assert np.allclose(change["North"].iloc[DAY], 57.0)
        assert np.allclose(change["South"].iloc[NIGHT], 49.2)
        assert np.allclose(change["South"].iloc[DAY], 22.8)
    assert balances(runs[1].ledger).sum() == pytest.approx(0, abs=1e-5)


# ---- fees, losses, shortages --------------------------------------------------------------------


def test_a_spot_fee_of_its_own_and_what_everybody_keeps() -> None:
    """A sends to C over B for 5 per MWh on each link; framework 10 MW on both, at a fee of its own.

    C needs 100 = 0.95 x, so x = 105.263 enter bc; B 50 + x = 0.97 y enter ab. P_A = 300, P_B =
    (300 + 5) / 0.97, P_C = (P_B + 5) / 0.95: what is between pays fees and losses, no rent is left.
    """
    case = pm.Case(chain(hours=2))
    run = pm.clear(case, tiers(fee=5.0, framework_price=310.0))
    into_bc = 100 / 0.95
    into_ab = (50 + into_bc) / 0.97
    assert np.allclose(run.flows, [[into_ab, into_bc]] * 2)
    spot = np.array([into_ab, into_bc]) - 10
    at = [300, 305 / 0.97, (305 / 0.97 + 5) / 0.95]
    assert np.allclose(run.outcome.tier_price, [at] * 2)
    found = balances(run.ledger)
    assert found["transmission owner"] == pytest.approx(2 * (5 * spot.sum() + 10 * (29.1 + 38)))
    # Second tier: A at 300, B and C at 900, where their own plant would serve one more MW.
    local = run.prices.iloc[0].to_numpy()
    assert local[0] == pytest.approx(300)
    company = {
        "A": -local[0] * into_ab + 310 * 10 + at[0] * spot[0],
        "B": local[1] * (0.97 * into_ab - into_bc) - (310 + 29.1) * 10 - at[1] * 0.97 * spot[0]
        + 310 * 10 + at[1] * spot[1],
        "C": local[2] * 0.95 * into_bc - (310 + 38) * 10 - at[2] * 0.95 * spot[1],
    }  # fmt: skip
    for name, money in company.items():
        assert found[f"grid company {name}"] == pytest.approx(2 * money)
    assert found.get("ab", 0.0) == pytest.approx(0, abs=1e-6)
    assert found["market operator"] == pytest.approx(0, abs=1e-6)
    assert found.sum() == pytest.approx(0, abs=1e-6)
    table = run.trade.set_index(["corridor", "tier"])
    assert table.loc[("ab", SPOT), "fee"] == 5
    assert table.loc[("ab", FRAMEWORK), "buyer_price"] == pytest.approx((310 + 29.1) / 0.97)
    assert table.loc[("bc", SPOT), "delivered_mwh"] == pytest.approx(2 * 0.95 * spot[1])


def test_bounds_of_prices_hold_in_both_tiers() -> None:
    """C needs 900 MW, 120 of its own and 0.95 x 400 of B: short, a MWh is worth 10,000 in C. With a
    cap of 1,500 it is sold, and bought at the border, for that; bc keeps 0.95 x 1500 - 38 less B's
    price, 905.3 alone and so 300 / 0.97 + 30 in the first tier as long as ab has room.
    """
    n = chain()
    n.loads_t["p_set"]["c"] = [900.0]
    n.links.loc["ab", "p_nom"] = 600.0
    case = pm.Case(n, pm.Market(value_of_lost_load=10_000))
    rules = (MeritOrder(), InterprovincialSpot(framework_price=310.0), LocationalPrice(cap=1500))
    run = pm.clear(case, pm.Regime("capped", rules))
    assert run.outcome.tier_price["C"].tolist() == pytest.approx([10_000])
    found = balances(run.ledger)
    # Spot energy is passed on; framework energy is bought at 310 and 38 a MWh sent.
    assert found["grid company C"] == pytest.approx(9.5 * 1500 - 10 * 348)
    assert found["bc"] == pytest.approx(390 * (0.95 * 1500 - (300 + 29.1) / 0.97 - 38))
    spot = run.trade.set_index(["corridor", "tier"]).loc[("bc", SPOT)]
    assert spot["buyer_price"] == pytest.approx(1500)
    assert found.sum() == pytest.approx(0, abs=1e-6)


def test_what_is_sent_against_a_lossy_link_is_paid_where_it_is_sent() -> None:
    """-10 MW on ab take 9.7 MW from B."""
    n = chain()
    n.links.loc["ab", ["p_min_pu", "wheeling_fee"]] = [-1.0, 0.0]
    n.links_t["p_set"]["ab"] = -10.0
    run = pm.clear(pm.Case(n), tiers(framework_price=310.0))
    paid = run.ledger[run.ledger["product"] == "framework energy"]
    back = paid[paid["payer"] == "grid company A"]
    assert back["amount"].sum() == pytest.approx(9.7 * 310)
    row = run.trade.set_index(["corridor", "tier", "seller"]).loc[("ab", FRAMEWORK, "B")]
    assert row["sent_mwh"] * row["seller_price"] == pytest.approx(9.7 * 310)


@pytest.mark.slow
def test_framework_energy_is_delivered_though_it_does_not_pay() -> None:
    """A at 950 sends its 10 MW to B and C, which have 120 MW each at 900."""
    case = pm.Case(chain(seller=950.0))
    assert np.allclose(pm.clear(case, JOINT).flows, 0)
    assert np.allclose(pm.clear(case, PLAIN).flows, 10)


@pytest.mark.parametrize(("start_cost", "flow"), [(1000.0, 10.0), (0.0, 100.0)])
def test_nothing_that_costs_to_start_is_started_for_a_neighbour(
    start_cost: float, flow: float
) -> None:
    """A alone runs 50 of 60 MW at 100 and leaves a fleet at 200 off; B needs 100, at 500 by itself.

    Ten MW are spare. What starts for nothing is on offer as well: all that the tie takes.
    """
    n = pypsa.Network()
    n.add("Carrier", ["coal", "AC"])
    n.add("Bus", ["A", "B"], carrier="AC")
    n.add("Load", ["a", "b"], bus=["A", "B"], p_set=[50.0, 100.0])
    n.add("Generator", ["base", "late", "dear"], bus=["A", "A", "B"], carrier="coal",
          p_nom=[60.0, 100.0, 200.0], marginal_cost=[100.0, 200.0, 500.0])  # fmt: skip
    n.generators.loc["late", ["min_stable_pu", "start_up_cost"]] = [0.4, start_cost]
    n.add("Link", "ab", bus0="A", bus1="B", carrier="AC", p_nom=100)
    n.links_t["p_set"] = pd.DataFrame(0.0, n.snapshots, ["ab"])
    case = pm.Case(n)
    assert pm.clear(case, JOINT).flows.iloc[0, 0] == pytest.approx(100)
    leeway = 0.1  # of borders in the second tier, where a start would pay
    assert pm.clear(case, PLAIN).flows.iloc[0, 0] == pytest.approx(flow, abs=leeway + 1e-6)


@pytest.mark.parametrize("names", [["a", "b"], ["b", "a"]])
def test_where_nothing_congests_the_price_at_home_is_that_of_trade(names: list[str]) -> None:
    """B needs 100 of the 480 MW that A has left at 300, over a tie of 200; its own costs 900.

    With 100 MW fixed at its border any price up to 900 would do in B. It is 300 in every hour and
    whatever the order of plant.
    """
    n = pypsa.Network()
    n.set_snapshots(range(4))
    n.add("Carrier", ["gas", "AC"])
    n.add("Bus", ["A", "B"], carrier="AC")
    n.add("Load", ["la", "lb"], bus=["A", "B"], p_set=[20.0, 100.0])
    plant = {"a": ("A", 500.0, 300.0), "b": ("B", 120.0, 900.0)}
    for name in names:
        bus, p_nom, cost = plant[name]
        n.add("Generator", name, bus=bus, carrier="gas", p_nom=p_nom, marginal_cost=cost)
    n.add("Link", "ab", bus0="A", bus1="B", carrier="AC", p_nom=200)
    n.links_t["p_set"] = pd.DataFrame(20.0, n.snapshots, ["ab"])
    run = pm.clear(pm.Case(n), PLAIN)
    assert np.allclose(run.prices, 300.0)
    assert np.allclose(run.flows, 100.0)


def test_who_is_short_alone_may_buy() -> None:
    """C has 120 MW and needs 200 in the first hour: alone it could not, and only then it buys.

    B needs 50 in both hours and is not short: it passes on what it does not buy.
    """
    n = chain(hours=2)
    n.loads_t["p_set"]["c"] = [200.0, 100.0]
    case = pm.Case(n)
    run = pm.clear(case, tiers(local_first="shortage"))
    assert run.flows["bc"].tolist() == pytest.approx([200 / 0.95, 10.0])
    # B keeps 0.97 x 10 - 10 = -0.3 MW of the framework, and no more of what passes through.
    assert run.flows["ab"].tolist() == pytest.approx([(200 / 0.95 - 0.3) / 0.97, 10.0])
    assert run.dispatch["dear b"].tolist() == pytest.approx([50.3, 50.3])


@pytest.mark.slow
def test_a_shortage_that_trade_cannot_end_names_the_tier() -> None:
    n = chain()
    n.loads_t["p_set"]["c"] = [900.0]
    with pytest.raises(pm.ClearingError, match=r"first tier: .*load cannot be served in C"):
        pm.clear(pm.Case(n), PLAIN)


# ---- what must hold on any network --------------------------------------------------------------


@pytest.mark.slow
@given(st.integers(0, 10_000), st.sampled_from([2, 3]))
def test_removing_the_barrier_never_raises_cost(seed: int, provinces: int) -> None:
    """Offers and fees, which is what every clearing minimises; lossy ties, fleets, storage."""
    n = toys.random_network(seed, hours=6, provinces=provinces)
    n.links["wheeling_fee"] = 12.0
    case = pm.Case(n)
    capped = tiers(import_cap={"all": {"share": 0.05}}, local_first="price")
    joint, free, held, barrier = (
        pm.clear(case, item).outcome.minimised for item in (JOINT, PLAIN, capped, BARRIER)
    )
    slack = 1e-7 * barrier
    assert joint <= free + slack
    assert free <= barrier + slack
    assert joint - slack <= held <= barrier + slack


@pytest.mark.slow
@given(st.integers(0, 10_000))
def test_without_commitment_and_framework_tiers_are_the_joint_market(seed: int) -> None:
    n = toys.random_network(seed, hours=3, provinces=2)
    n.generators["min_stable_pu"] = 0.0
    n.links["wheeling_fee"] = 3.0
    n.links_t["p_set"] *= 0.0
    case = pm.Case(n)
    joint, tiered = pm.clear(case, JOINT), pm.clear(case, PLAIN)
    assert tiered.objective == pytest.approx(joint.objective, rel=1e-9)
    assert np.allclose(tiered.flows, joint.flows, atol=1e-5)
    assert np.allclose(tiered.outcome.tier_price, joint.prices, atol=1e-6)


@pytest.mark.slow
@given(st.integers(0, 10_000))
def test_prices_are_those_of_provinces_with_these_flows_and_everybody_is_settled(seed: int) -> None:
    """The second tier is a barrier at the flows of the first; the rent is that of the first."""
    n = toys.random_network(seed, hours=3, provinces=2)
    n.links["wheeling_fee"] = 7.0
    case = pm.Case(n)
    run = pm.clear(case, PLAIN)
    joint, barrier = (pm.clear(case, item).outcome.minimised for item in (JOINT, BARRIER))
    assert joint <= run.outcome.minimised + 1e-7 * barrier
    assert run.outcome.minimised <= barrier * (1 + 1e-7)
    again = pm.clear(case.with_schedule(run.flows), BARRIER)
    assert np.allclose(run.prices, again.prices, atol=1e-6)
    assert run.objective == pytest.approx(again.objective)
    found = balances(run.ledger)
    scale = run.ledger["amount"].abs().sum()
    assert abs(found.sum()) < 1e-9 * scale
    assert abs(found["market operator"]) < 1e-9 * scale
    ends = [case._n.links[end] for end in ("bus0", "bus1")]
    first, last = (run.outcome.tier_price[end].to_numpy() for end in ends)
    spot = run.flows - framework(case)
    rent = (spot * (0.96 * last - first - 7)).mul(case.weights, axis="index").sum()
    assert np.allclose(found.reindex(rent.index).fillna(0.0), rent, atol=1e-6 * scale)
    assert (rent > -1e-6 * scale).all()  # nothing limits purchases
    sent = run.flows.mul(case.weights, axis="index").to_numpy().sum()
    assert found["transmission owner"] == pytest.approx(7 * sent)
    assert run.accounts["resource_cost"].sum() == pytest.approx(run.objective)


# ---- together with the rest ---------------------------------------------------------------------

RESERVES = {"products": {"spin": {"kind": "spinning", "requirements": [{"zone": "P0", "mw": 40}],
                                  "offer": 3, "shortage": 900}}}  # fmt: skip


@pytest.mark.slow
def test_reserves_after_energy_are_bought_in_the_second_tier() -> None:
    market = pm.Market.model_validate({"services": RESERVES, "value_of_lost_load": 5000})
    case = pm.Case(toys.random_network(5, hours=3, provinces=2), market)
    run = pm.clear(case, "interprovincial_spot", 40.0)
    assert run.outcome.provisional_price.shape == run.prices.shape
    held = run.outcome.reserve.sum(axis=1) + run.outcome.reserve_short.sum(axis=1)
    assert np.allclose(held, 40)
    assert balances(run.ledger).sum() == pytest.approx(0, abs=1e-5)


@pytest.mark.long
def test_ranges_margins_workers_and_stored_cells(tmp_path: Path) -> None:
    n = toys.random_network(4, hours=12, provinces=2)
    case = pm.Case(n, windows={"first": n.snapshots[:6], "second": n.snapshots[6:]})
    options = {"ranges": True, "margins": True, "store": tmp_path / "cells"}
    regime = tiers(import_cap={"all": {"share": 0.1}}, shape="day_night")
    first = pm.clear(case, regime, workers=2, **options)
    stored = pm.clear(case, regime, **options)
    alone = pm.clear(case, regime, ranges=True, margins=True)
    for run in (stored, alone):
        for name in ("prices", "flows", "marginal_mix", "curtailment", "ledger"):
            pd.testing.assert_frame_equal(getattr(run, name), getattr(first, name))
        pd.testing.assert_frame_equal(run.outcome.tier_price, first.outcome.tier_price)
    assert {"min", "max"} <= set(first.curtailment)
    assert np.allclose(first.marginal_mix.T.groupby(level=0).sum().T.std(), 0, atol=0.2)
    keys = {item.clearing_key for item in (regime, PLAIN, JOINT, tiers(fee=1.0))}
    assert len(keys) == 4


@pytest.mark.slow
def test_days_one_after_another_hand_on_their_state() -> None:
    case = pm.Case(toys.random_network(4, hours=48, provinces=2))
    run = pm.clear(case, PLAIN, start="2022-01-03", days=2, look_ahead=6)
    assert run.outcome.tier_price.shape == run.prices.shape
    assert np.isfinite(run.outcome.tier_price).all(axis=None)
    assert balances(run.ledger).sum() == pytest.approx(0, abs=1e-5)
    with pytest.raises(pm.InputError, match="shape 'flat' with a look-ahead"):
        pm.clear(case, tiers(shape="flat"), start="2022-01-03", days=2, look_ahead=6)


@pytest.mark.slow
def test_a_limit_on_emissions_finds_its_price(two_province: pm.Case) -> None:
    """30,810 t without a limit; S2 in the place of S1 and so on: the limit is kept, no bound."""
    carbon = {"rule": "CarbonCap", "allocation": "auction", "cap": 28_000}
    capped = pm.regime({"name": "c", "extends": "interprovincial_spot", "carbon": carbon})
    run = pm.clear(two_province, capped)
    assert run.emissions <= 28_000 * (1 + 1e-6)
    assert run.cap is not None and run.cap.gap is None
    with pytest.raises(pm.InputError, match="the steps together minimise nothing"):
        pm.switching_points(two_province, "interprovincial_spot", carbon_price_max=100)


# ---- bad input ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"import_cap": {"Suoth": {"mw": 1}}},
            r"'Suoth'\].*unknown province.*did you mean 'South'",
        ),
        ({"import_cap": {"South": {"mw": -1}}}, "greater than or equal to 0"),
        ({"import_cap": {"South": {"share": 1.5}}}, "less than or equal to 1"),
        ({"import_cap": {"South": {}}}, "state `share`"),
        ({"import_cap": {"South": {"MW": 1}}}, "unknown key 'MW'"),
        ({"shape": "round"}, "'own', 'flat' or 'day_night'"),
        ({"fee": -1}, "greater than or equal to 0"),
        ({"hurdle_rate": 5}, "hurdle_rate counts only with"),
        ({"local_first": "always"}, "'price' or 'shortage'"),
    ],
)
def test_bad_options_are_told(
    two_province: pm.Case, options: dict[str, object], message: str
) -> None:
    trade = {"rule": "InterprovincialSpot", **options}
    with pytest.raises(pm.InputError, match=message):
        pm.clear(two_province, pm.regime({"name": "r", "extends": "full_market", "trade": trade}))


@pytest.mark.parametrize("shape", ["own", "flat"])
def test_a_network_without_a_schedule_is_refused(shape: str) -> None:
    n = chain()
    n.links_t["p_set"] = n.links_t["p_set"].iloc[:, :0]
    with pytest.raises(pm.InputError, match="no framework schedule for 2 links"):
        pm.clear(pm.Case(n), tiers(shape=shape))


def test_rules_that_do_not_go_with_tiers_are_refused() -> None:
    spot = {"rule": "InterprovincialSpot"}
    with pytest.raises(pm.InputError, match="InterprovincialSpot with TwoSettlement"):
        pm.regime({"name": "r", "extends": "two_settlement", "trade": spot})
    flat = {"rule": "Scheduled", "shape": "flat"}
    with pytest.raises(pm.InputError, match="a shape with TwoSettlement"):
        pm.regime({"name": "r", "extends": "two_settlement", "trade": flat})
    with pytest.raises(pm.InputError, match="BenchmarkTariff, which pays no spot price"):
        pm.regime({"name": "r", "extends": "joint_dispatch", "trade": spot})


def test_links_with_three_ends_between_provinces_are_refused() -> None:
    n = chain()
    n.links["bus2"] = ["C", ""]
    n.links["efficiency2"] = 0.1
    with pytest.raises(pm.InputError, match="more than two ends between provinces: ab"):
        pm.clear(pm.Case(n), PLAIN)
