"""Reserves bought after energy: cases that clear by hand, the arithmetic beside them."""

from __future__ import annotations

import pandas as pd
import pypsa
import pytest
import toys
from hypothesis import given
from hypothesis import strategies as st
from reserve_toys import awards_of, case_with, price_of, spinning, toy

import powermkt as pm
from powermkt.common.ledger import balances

AFTER = pm.regime({"name": "after", "extends": "full_market", "ancillary": "Sequential"})
AT_ONCE = pm.regime("full_market")


def three(load: float = 150.0) -> pypsa.Network:
    """Coal 100 MW at 20, gas 100 at 50, a peaker of 100 at 90 money/MWh on one bus."""
    n = toy(load)
    n.add("Generator", "peaker", bus="A", carrier="gas", p_nom=100, marginal_cost=90)
    return n


def both(n: pypsa.Network, products: dict[str, object]) -> tuple[pm.Run, pm.Run]:
    """The same case with reserves bought after energy, and at once."""
    case = case_with(n, products)
    return pm.clear(case, AFTER), pm.clear(case, AT_ONCE)


def outputs(run: pm.Run, hour: int = 0) -> dict[str, float]:
    return run.dispatch.loc[hour].to_dict()


# ---- one hour ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def coal_alone() -> pm.Run:
    """Only coal may hold 30 MW, for 2 a MW."""
    return pm.clear(
        case_with(three(), {"spin": spinning(30, carriers=["coal"], offer=2)}), AFTER
    )  # fmt: skip


def test_the_price_is_the_offer_and_what_is_lost_at_provisional_prices(coal_alone: pm.Run) -> None:
    # First coal 100, gas 50: a price of 50. Coal loses 50 - 20 = 30 on a MWh it does not sell and
    # asks 2: 32. Then coal gives 70 and gas 80, still at 50.
    assert coal_alone.outcome.provisional_price.loc[0, "A"] == pytest.approx(50)
    assert awards_of(coal_alone) == {("spin", "coal"): pytest.approx(30)}
    assert price_of(coal_alone, "spin") == pytest.approx(32)
    assert outputs(coal_alone) == pytest.approx({"coal": 70, "gas": 80, "peaker": 0})
    assert coal_alone.prices.loc[0, "A"] == pytest.approx(50)
    assert coal_alone.objective == pytest.approx(70 * 20 + 80 * 50)  # reserve offers are no cost


def test_what_is_paid_is_charged(coal_alone: pm.Run) -> None:
    found = balances(coal_alone.ledger)
    assert found["coal"] == pytest.approx(70 * 50 + 30 * 32)
    assert found["load"] == pytest.approx(-(150 * 50 + 30 * 32))
    assert found["ancillary services"] == pytest.approx(0)
    assert found.sum() == pytest.approx(0)


@pytest.mark.slow
def test_the_auction_does_not_see_that_withholding_makes_energy_dearer() -> None:
    # At 195 MW coal gives 100, gas 95, the price is 50. Coal's 20 MW seem to cost 30 each, the
    # peaker asks 35: coal is chosen. Without them gas gives 100 and the peaker 15, at 90.
    # At once: 5 MW of coal are replaced by gas (30 each), the other 15 would be by the peaker
    # (90 - 20 = 70), which therefore holds them, at 35. A MWh more costs a MW moved from coal to
    # the peaker: 20 + 35.
    product = spinning(20, providers=["coal", "peaker"], offer={"peaker": 35})
    after, once = both(three(195), {"spin": product})
    assert awards_of(after) == {("spin", "coal"): pytest.approx(20)}
    assert price_of(after, "spin") == pytest.approx(30)
    assert after.outcome.provisional_price.loc[0, "A"] == pytest.approx(50)
    assert after.prices.loc[0, "A"] == pytest.approx(90)
    assert after.objective == pytest.approx(80 * 20 + 100 * 50 + 15 * 90)
    held = {("spin", "coal"): pytest.approx(5), ("spin", "peaker"): pytest.approx(15)}
    assert awards_of(once) == held
    assert price_of(once, "spin") == pytest.approx(35)
    assert once.prices.loc[0, "A"] == pytest.approx(55)
    assert once.objective == pytest.approx(95 * 20 + 100 * 50)
    assert once.objective + 15 * 35 < after.objective


@pytest.mark.slow
def test_a_shortage_dearer_than_no_provider_is_the_price_and_stays_out_of_energy() -> None:
    # Coal loses 30 on a MW, a shortage costs 25: nothing is held.
    product = spinning(30, carriers=["coal"], shortage=25)
    run = pm.clear(case_with(three(), {"spin": product}), AFTER)
    assert price_of(run, "spin") == pytest.approx(25)
    assert run.reserves.empty
    assert run.reserve_prices["short_mw"].tolist() == pytest.approx([30])
    assert outputs(run) == pytest.approx({"coal": 100, "gas": 50, "peaker": 0})
    assert run.prices.loc[0, "A"] == pytest.approx(50)
    assert run.objective == pytest.approx(100 * 20 + 50 * 50 + 30 * 25)


@pytest.mark.slow
def test_an_award_is_given_up_for_energy_and_no_price_of_energy_shows_it() -> None:
    # 190 of 200 MW are needed. Gas sets the price, loses nothing by holding, and sells 30 MW for
    # 0: the auction sees no shortage. Energy then takes 20 of them back, at the shortage price.
    # The price is that of the last MWh served, 50; at once it is 50 + 300.
    after, once = both(toy(190), {"spin": spinning(30, shortage=300)})
    assert awards_of(after) == {("spin", "gas"): pytest.approx(10)}
    assert price_of(after, "spin") == pytest.approx(0)
    assert after.reserve_prices["short_mw"].tolist() == pytest.approx([20])
    assert after.prices.loc[0, "A"] == pytest.approx(50)
    assert after.objective == pytest.approx(100 * 20 + 90 * 50 + 20 * 300)
    assert after.outcome.notes == [
        "all: reserve spin was given up for energy in 1 snapshots, up to 20.0 MW"
    ]
    assert once.prices.loc[0, "A"] == pytest.approx(350)
    assert once.objective == pytest.approx(after.objective)


@pytest.mark.slow
def test_who_must_run_to_give_less_is_paid_what_it_loses() -> None:
    # 80 MW: coal alone, at 20. Gas may hold 10 MW downwards if it gives 10, at a loss of 50 - 20.
    product = {"kind": "spinning_down", "requirements": [{"mw": 10}], "carriers": ["gas"]}
    run = pm.clear(case_with(toy(80), {"down": product}), AFTER)
    assert price_of(run, "down") == pytest.approx(30)
    assert outputs(run) == pytest.approx({"coal": 70, "gas": 10})
    assert run.prices.loc[0, "A"] == pytest.approx(20)


@pytest.mark.slow
def test_a_ladder_of_offers_is_left_from_its_dear_end() -> None:
    # Coal offers 60 MW at 20 and 40 at 40. At 50 the first 40 MW withheld lose 10, the next 30.
    rows = [("coal", None, 60, 20), ("coal", None, 40, 40)]
    offers = pd.DataFrame(rows, columns=["generator", "snapshot", "quantity_mw", "price"])
    product = spinning(30, carriers=["coal"])
    most, more = ({**product, "requirements": [{"mw": mw}]} for mw in (30, 15))
    case = case_with(toy(), {"spin": most}).with_offers(offers)
    assert price_of(pm.clear(case, AFTER), "spin") == pytest.approx(10)
    # Two products take 45 MW together: the dear 5 are the price of both.
    run = pm.clear(case_with(toy(), {"spin": most, "more": more}).with_offers(offers), AFTER)
    assert price_of(run, "spin") == price_of(run, "more") == pytest.approx(30)
    assert outputs(run) == pytest.approx({"coal": 55, "gas": 95})


@pytest.mark.slow
def test_carbon_is_in_the_energy_offer_that_is_lost() -> None:
    # At 10 money/t coal (1 t/MWh, auctioned) offers 30: it loses 50 - 30.
    n = toy()
    n.generators["emission_rate"] = [1.0, 0.0]
    case = case_with(n, {"spin": spinning(30, carriers=["coal"])})
    auction = pm.regime({"name": "a", "extends": "full_market_auction", "ancillary": "Sequential"})
    assert price_of(pm.clear(case, auction, 10.0), "spin") == pytest.approx(20)


@pytest.mark.slow
def test_nested_zones_add() -> None:
    # 10 MW in A (coal) within 40 in all, gas in B asks 4 and has nothing to lose.
    n = toy()
    n.add("Bus", "B")
    n.generators.loc["gas", "bus"] = "B"
    n.add("Link", "tie", bus0="A", bus1="B", p_nom=500, p_min_pu=-1)
    requirements = [{"zone": "A", "mw": 10}, {"mw": 40}]
    product = spinning(0) | {"requirements": requirements, "offer": {"coal": 9, "gas": 4}}
    run = pm.clear(case_with(n, {"spin": product}), AFTER)
    assert price_of(run, "spin", "all") == pytest.approx(4)
    assert price_of(run, "spin", "A") == pytest.approx(9 + 30)
    assert outputs(run) == pytest.approx({"coal": 90, "gas": 60})


# ---- commitment and storage ----------------------------------------------------------------------


@pytest.mark.slow
def test_fleets_come_on_for_the_energy_that_is_withheld() -> None:
    # Gas is a fleet that costs 5 an hour for each MW that is on: energy costs 55 before and after.
    # Coal loses 55 - 20. Gas has 50 MW on before, 80 after.
    n = toy()
    n.generators["min_stable_pu"] = [0.0, 0.4]
    n.generators["stand_by_cost"] = [0.0, 5.0 * 100]
    run = pm.clear(case_with(n, {"spin": spinning(30, carriers=["coal"])}), AFTER)
    assert price_of(run, "spin") == pytest.approx(35)
    assert run.outcome.online.loc[0, "gas"] == pytest.approx(80)
    assert run.prices.loc[0, "A"] == pytest.approx(55)


@pytest.mark.slow
def test_a_fleet_sells_down_to_its_minimum() -> None:
    # 100 MW of coal are on and may fall to 50: 50 of 60 MW are held, 10 short.
    n = toy(140)
    n.generators["min_stable_pu"] = [0.5, 0.0]
    case = case_with(n, {"spin": spinning(60, carriers=["coal"], shortage=1000)})
    run = pm.clear(case, AFTER)
    assert price_of(run, "spin") == pytest.approx(1000)
    assert outputs(run) == pytest.approx({"coal": 50, "gas": 90})
    assert run.reserve_prices["short_mw"].tolist() == pytest.approx([10])
    assert run.prices.loc[0, "A"] == pytest.approx(50)


@pytest.mark.slow
def test_units_stay_as_committed_for_energy_alone() -> None:
    # 90 MW need coal alone, which has 10 to spare; gas is off and stays off. At once it is on, at
    # its minimum of 20: it costs 30 each and spares a shortage of 10 at 500.
    n = toy(90)
    n.generators["committable"] = True
    n.generators["p_min_pu"] = 0.2
    n.generators["up_time_before"], n.generators["down_time_before"] = [1, 0], [0, 1]
    after, once = both(n, {"spin": spinning(20, shortage=500)})
    assert after.outcome.status.loc[0].tolist() == [1, 0]
    assert after.reserve_prices["short_mw"].tolist() == pytest.approx([10])
    assert after.objective == pytest.approx(90 * 20 + 10 * 500)
    assert after.prices.loc[0, "A"] == pytest.approx(20)
    assert after.outcome.search["complete"].tolist() == [1]
    assert once.outcome.status.loc[0].tolist() == [1, 1]
    assert once.objective == pytest.approx(70 * 20 + 20 * 50)


@pytest.mark.slow
def test_storage_sells_what_energy_left_it() -> None:
    # The battery gives its 20 MWh where they spare gas, in the first hour, and then holds nothing.
    n = toy(0, hours=2)
    n.remove("Load", "load")
    n.add("Load", "load", bus="A", p_set=[190.0, 90.0])
    n.add("StorageUnit", "battery", bus="A", carrier="battery", p_nom=30, max_hours=2,
          state_of_charge_initial=20)  # fmt: skip
    products = {"spin": spinning(5, carriers=["battery"], shortage=70)}
    after, once = both(n, products)
    assert after.storage["battery"].tolist() == pytest.approx([20, 0])
    assert after.reserve_prices["short_mw"].tolist() == pytest.approx([5, 5])
    assert after.reserve_prices["price"].tolist() == pytest.approx([70, 70])
    energy = 100 * 20 + 70 * 50 + 90 * 20
    assert after.objective == pytest.approx(energy + 2 * 5 * 70)
    assert once.objective == pytest.approx(energy + 5 * 50)  # 5 MWh are kept throughout


@pytest.mark.slow
def test_a_trapezium_is_met_in_the_auction_and_after_it() -> None:
    # The peaker may hold 20 MW while it gives 10 or more: 10 at a loss of 90 - 50 each are cheaper
    # than a shortage of 20 at 30.
    shape = {"max": 20, "enablement_min": 10, "low_break": 10}
    product = spinning(20, providers=["peaker"], shortage=30, shapes={"peaker": shape})
    run = pm.clear(case_with(three(), {"spin": product}), AFTER)
    assert awards_of(run) == {("spin", "peaker"): pytest.approx(20)}
    assert outputs(run) == pytest.approx({"coal": 100, "gas": 40, "peaker": 10})
    assert run.prices.loc[0, "A"] == pytest.approx(50)


# ---- without products, sweeps, chains, faults ----------------------------------------------------


@pytest.mark.parametrize("products", [{}, {"spin": spinning(0)}])
def test_where_nothing_is_required_nothing_changes(products: dict[str, object]) -> None:
    found, plain = both(toys.one_bus([50.0, 120.0]), products)
    assert found.reserves.empty and found.outcome.provisional_price.empty
    pd.testing.assert_frame_equal(found.dispatch, plain.dispatch, check_exact=True)
    pd.testing.assert_frame_equal(found.prices, plain.prices, check_exact=True)
    pd.testing.assert_frame_equal(found.ledger, plain.ledger, check_exact=True)


def two_days() -> pm.Case:
    """Load that rises and falls around coal's capacity, four snapshots a day."""
    n = toys.one_bus([80.0, 120, 150, 90] * 2, weight=6.0)
    n.set_snapshots(pd.date_range("2022-01-03", periods=8, freq="6h"))
    n.loads_t.p_set["load"] = [80.0, 120, 150, 90, 70, 130, 160, 100]
    n.snapshot_weightings.loc[:, :] = 6.0
    n.add("Carrier", "PHS")
    n.add("StorageUnit", "pumped", bus="A", carrier="PHS", p_nom=10, max_hours=12,
          cyclic_state_of_charge=True, efficiency_store=0.9)  # fmt: skip
    n.generators["min_stable_pu"] = [0.4, 0.3, 0.0]
    n.generators["start_up_cost"] = [2000.0, 1000.0, 0.0]
    return case_with(n, {"spin": spinning(15, carriers=["coal", "gas", "PHS"], ramp_minutes=10)})


@pytest.mark.slow
def test_a_sweep_and_a_single_run_find_the_same() -> None:
    # The preset; carbon prices follow each other in one sweep.
    case = two_days()
    sweep = pm.compare(case, ["provincial_market"], [0, 30, 60])
    for run in sweep.runs[2:]:
        alone = pm.clear(case, "provincial_market", run.carbon_price)
        assert not run.outcome.provisional_price.empty
        pd.testing.assert_frame_equal(run.prices, alone.prices)
        pd.testing.assert_frame_equal(run.dispatch, alone.dispatch, atol=1e-6)
        pd.testing.assert_frame_equal(run.reserve_prices, alone.reserve_prices, atol=1e-6)
        assert run.objective == pytest.approx(alone.objective)


@pytest.mark.slow
def test_days_in_a_row_hand_on_what_the_last_step_left() -> None:
    run = pm.clear(two_days(), AFTER, start="2022-01-03", days=2, look_ahead=6)
    level, net = (frame["pumped"] for frame in (run.outcome.state_of_charge, run.storage))
    charged = (-net).clip(lower=0) * 0.9 - net.clip(lower=0)
    change = level.diff().iloc[1:].to_numpy()
    assert change == pytest.approx((charged * 6).iloc[1:].to_numpy(), abs=1e-6)
    assert run.outcome.provisional_price.index.equals(run.case.snapshots)
    held = run.reserves.groupby("snapshot")["reserve_mw"].sum()
    short = run.reserve_prices.set_index("snapshot")["short_mw"]
    assert held.reindex(short.index, fill_value=0).add(short).to_numpy() == pytest.approx(15)
    assert balances(run.ledger).sum() == pytest.approx(0, abs=1e-4)


def test_what_it_cannot_do_is_said() -> None:
    n = toy()
    n.generators["marginal_cost_quadratic"] = [0.1, 0.0]
    case = case_with(n, {"spin": spinning(30)})
    with pytest.raises(pm.InputError, match="quadratic costs: coal"):
        pm.clear(case, AFTER)
    pm.clear(case_with(n, {}), AFTER)
    case = case_with(toy(), {"spin": spinning(30)})
    tariff = {"name": "t", "extends": "joint_dispatch", "ancillary": "Sequential"}
    with pytest.raises(pm.InputError, match="Sequential with BenchmarkTariff"):
        pm.clear(case, pm.regime(tariff))
    twice = {"name": "t", "extends": "two_settlement", "ancillary": "Sequential"}
    with pytest.raises(pm.InputError, match="Sequential with TwoSettlement"):
        pm.clear(case, pm.regime(twice))


# ---- properties ----------------------------------------------------------------------------------


@pytest.mark.slow
@given(
    load=st.floats(60, 240), asked=st.floats(1, 60), offer=st.floats(0, 40), coal=st.floats(10, 60)
)
def test_nobody_who_holds_an_award_earns_less_than_without_it(
    load: float, asked: float, offer: float, coal: float
) -> None:
    n = three(load)
    n.generators.loc["coal", "marginal_cost"] = coal
    offers = {"peaker": offer, "coal": offer / 2}
    run, once = both(n, {"spin": spinning(asked, offer=offers, shortage=400)})
    plain = pm.clear(pm.Case(n), AT_ONCE)
    cost = n.generators["marginal_cost"]
    before = (plain.dispatch.loc[0] * (plain.prices.loc[0, "A"] - cost)).fillna(0.0)
    energy = run.dispatch.loc[0] * (run.prices.loc[0, "A"] - cost)
    price = price_of(run, "spin")
    for (_, name), held in awards_of(run).items():
        earned = energy[name] + held * (price - offers.get(name, 0.0))
        assert earned >= before[name] - 1e-4
    assert full_cost(once, offers) <= full_cost(run, offers) + 1e-4


def full_cost(run: pm.Run, offers: dict[str, float]) -> float:
    """Resource cost and offers of reserves."""
    held = awards_of(run).items()
    return run.objective + sum(mw * offers.get(name, 0.0) for (_, name), mw in held)


@pytest.mark.slow
@given(seed=st.integers(0, 1000))
def test_at_once_never_costs_more(seed: int) -> None:
    products = {
        "spin": spinning(0, carriers=["coal", "gas", "PHS"], ramp_minutes=10, shortage=900)
        | {"requirements": [{"load_share": 0.08}, {"zone": "P0", "mw": 30}]},
        "down": {
            "kind": "regulation_down",
            "requirements": [{"load_share": 0.05}],
            "shortage": 400,
        },
    }
    n = toys.random_network(seed, hours=4)
    n.generators["ramp_limit_up"] = n.generators["ramp_limit_down"] = 0.5
    after, once = both(n, products)
    assert once.objective <= after.objective * (1 + 1e-9)
    assert balances(after.ledger).sum() == pytest.approx(0, abs=1e-4)
    assert balances(after.ledger).get("ancillary services", 0.0) == pytest.approx(0, abs=1e-4)
