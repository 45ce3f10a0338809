"""Submitted offers: what is cleared, what it costs, what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pypsa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from shell import inside
from toys import one_bus, random_network

import powermkt as pm
from powermkt.dispatch.costs import resource_cost
from powermkt.engine.cells import Keys
from powermkt.rules import BenchmarkTariff, CarbonPrice, Coupled, LocationalPrice, MeritOrder, Rule

COLUMNS = ["generator", "snapshot", "quantity_mw", "price"]


def book(*rows: tuple[object, ...]) -> pd.DataFrame:
    """Offers: generator, quantity, price, and the snapshot where it is not every one."""
    full = [(row[0], row[3] if len(row) > 3 else None, row[1], row[2]) for row in rows]
    return pd.DataFrame(full, columns=COLUMNS).astype({"price": float})


def market(*rules: Rule, **dispatch: object) -> pm.Regime:
    """A full market with this merit order, and other rules in the place of their role."""
    parts = (MeritOrder(**dispatch), Coupled(), LocationalPrice(), CarbonPrice())
    roles = {rule.role: rule for rule in parts} | {rule.role: rule for rule in rules}
    return pm.Regime("r", tuple(roles.values()))


TWO = book(("coal", 60, 310), ("coal", 40, 420), ("gas", 30, 350), ("gas", 70, 600))


# ---- what is cleared -------------------------------------------------------------------------


@pytest.mark.slow
def test_ladders_cross_the_load() -> None:
    """120 MW less 25 of wind: coal 60 at 310, gas 30 at 350, then 5 of coal's 40 at 420.

    Resource cost is 65 x 300 + 30 x 500 = 34,500, whatever was offered. By cost coal would give
    all 95 at 300. A carbon price of 60 puts (0.9 - 0.8) 60 = 6 on top of coal's offer.
    """
    case = pm.Case(one_bus([120.0]), offers=TWO)
    run = pm.clear(case, "full_market", 0.0)
    assert run.prices["A"].iloc[0] == pytest.approx(420)
    assert run.dispatch.iloc[0].tolist() == pytest.approx([65, 30, 25])
    assert run.objective == pytest.approx(34_500)
    # One more MWh costs what coal burns, not what it asks.
    assert run.outcome.cost_price["A"].iloc[0] == pytest.approx(300)
    surplus = 420 * 120 - 34_500
    assert run.summary()["producer_surplus"] == pytest.approx(surplus)
    priced = pm.clear(case, "full_market", 60.0)
    assert priced.prices["A"].iloc[0] == pytest.approx(426)
    assert priced.objective == pytest.approx(34_500)
    by_cost = pm.clear(case, market(offers="cost"))
    assert by_cost.prices["A"].iloc[0] == pytest.approx(300)
    assert by_cost.objective == pytest.approx(95 * 300)


@pytest.mark.slow
def test_offers_of_an_hour_take_the_place_of_those_of_every_hour() -> None:
    """Coal always asks 310 and 320, in the second hour 390 and 395; in the third gas asks 200.

    In the fourth coal offers 40 MW and no more: gas, by cost, serves 35 of the 75.
    """
    n = one_bus([100.0, 100.0, 100.0, 100.0])
    hours = n.snapshots
    offers = book(
        ("coal", 70, 310), ("coal", 30, 320), ("coal", 50, 390, hours[1]),
        ("coal", 50, 395, hours[1]), ("gas", 100, 200, hours[2]), ("coal", 40, 390, hours[3]),
    )  # fmt: skip
    case = pm.Case(n, offers=offers)
    run = pm.clear(case, "full_market")
    assert run.prices["A"].tolist() == pytest.approx([320, 395, 200, 500])
    assert run.dispatch["gas"].tolist() == pytest.approx([0, 0, 75, 35], abs=1e-9)
    assert run.objective == pytest.approx((75 + 75 + 40) * 300 + (75 + 35) * 500)
    windows = {"first": hours[:1], "rest": hours[1:]}
    apart = pm.clear(pm.Case(n, windows=windows, offers=offers), "full_market")
    pd.testing.assert_frame_equal(apart.prices, run.prices, check_freq=False)


def test_output_ends_with_what_was_offered() -> None:
    """Coal offers 40 of its 100 MW: gas, by cost, serves 35 of the other 75."""
    run = pm.clear(pm.Case(one_bus([100.0]), offers=book(("coal", 40, 310))), "full_market")
    assert run.dispatch.iloc[0].tolist() == pytest.approx([40, 35, 25])
    assert run.prices["A"].iloc[0] == pytest.approx(500)


def test_the_mark_up_is_for_those_who_submit_nothing() -> None:
    """Gas submits 310 against a cost of 500; coal offers 300 x 1.1 = 330 and runs after it."""
    case = pm.Case(one_bus([100.0]), offers=book(("gas", 100, 310)))
    run = pm.clear(case, market(mark_up=0.1))
    assert run.dispatch.iloc[0].tolist() == pytest.approx([0, 75, 25], abs=1e-9)
    assert run.prices["A"].iloc[0] == pytest.approx(310)
    assert run.objective == pytest.approx(75 * 500)


def curved(load: float) -> pypsa.Network:
    """Coal of 50 MW at 300 and 50 at 360."""
    n = one_bus([load])
    n.remove("Generator", "coal")
    n.add(
        "Generator", "coal", bus="A", p_nom=100, carrier="coal", emission_rate=0.9, benchmark=0.8,
        marginal_cost={0.0: 0.0, 0.5: 300.0, 1.0: 360.0},
    )  # fmt: skip
    return n


@pytest.mark.slow
def test_the_mark_up_counts_on_a_cost_curve() -> None:
    """95 MW: the second step asks 360 x 1.2 = 432, and not its mean; cost 50 x 300 + 45 x 360."""
    run = pm.clear(pm.Case(curved(120.0)), market(mark_up=0.2))
    assert run.prices["A"].iloc[0] == pytest.approx(432)
    assert run.objective == pytest.approx(50 * 300 + 45 * 360)
    n = curved(120.0)
    n.remove("Generator", "gas")
    run = pm.clear(pm.Case(n), market(mark_up=0.5, offer_cap=460.0))
    assert run.prices["A"].iloc[0] == pytest.approx(460)
    assert run.objective == pytest.approx(50 * 300 + 45 * 360)


@pytest.mark.slow
def test_one_block_over_two_steps_of_cost_fills_the_cheap_one() -> None:
    """All 100 MW at 310: 60 MW cost 50 x 300 + 10 x 360, though the offers tie."""
    case = pm.Case(curved(85.0), offers=book(("coal", 100, 310)))
    for regime in (market(), market(BenchmarkTariff(), CarbonPrice(offered=False))):
        run = pm.clear(case, regime)
        assert run.dispatch["coal"].iloc[0] == pytest.approx(60)
        assert run.objective == pytest.approx(50 * 300 + 10 * 360)
        assert run.outcome.cost_price["A"].iloc[0] == pytest.approx(360)


def test_cap_and_floor_move_offers_by_cost() -> None:
    """Gas by cost asks 500 x 1.2 = 600, at most 550; wind at 0, at least 20."""
    run = pm.clear(pm.Case(one_bus([150.0])), market(mark_up=0.2, offer_cap=550.0))
    assert run.prices["A"].iloc[0] == pytest.approx(550)
    run = pm.clear(pm.Case(one_bus([10.0])), market(offer_floor=20.0))
    assert run.prices["A"].iloc[0] == pytest.approx(20)
    assert run.objective == pytest.approx(0)
    with pytest.raises(ValueError, match="below offer_floor"):
        MeritOrder(offer_cap=1, offer_floor=2)


def test_submitted_offers_beyond_cap_and_floor_are_faults() -> None:
    case = pm.Case(one_bus([120.0]), offers=TWO, name="toy")
    with pytest.raises(pm.InputError) as caught:
        pm.clear(case, market(offer_cap=400.0, offer_floor=320.0))
    text = str(caught.value)
    assert len(caught.value.faults) == 3
    for part in ("'coal', every snapshot: 420 is above 400", "'gas', every snapshot: 600 is above",
                 "'coal', every snapshot: 310 is below 320"):  # fmt: skip
        assert part in text
    assert pm.clear(case, market(offers="cost", offer_cap=400.0)).objective == 95 * 300.0
    free = pm.Case(one_bus([120.0]), pm.Market(price_of_excess=50.0), offers=book(("coal", 9, -60)))
    with pytest.raises(pm.InputError, match=r"-60 is below -50 .*price_of_excess"):
        pm.clear(free, "full_market")


@pytest.mark.slow
@pytest.mark.parametrize("regime", ["fixed_tariff", "priority_dispatch"])
def test_other_ways_of_dispatch_ignore_offers(regime: str) -> None:
    n = random_network(7, hours=4)
    case = pm.Case(n)
    plain, offered = (pm.clear(c, regime, 60.0) for c in (case, case.with_offers(at_cost(n, 1.5))))
    pd.testing.assert_frame_equal(plain.dispatch, offered.dispatch, check_exact=True)
    pd.testing.assert_frame_equal(plain.ledger, offered.ledger, check_exact=True)
    assert len(offered.mitigated) == 0


@pytest.mark.slow
def test_a_framework_plan_is_made_by_cost() -> None:
    n = random_network(2, hours=4)
    n.links_t["p_set"] = pd.DataFrame(index=n.snapshots)
    case = pm.Case(n)
    plans = [pm.plan_schedule(c).schedule for c in (case, case.with_offers(at_cost(n, 2.0)))]
    pd.testing.assert_frame_equal(*plans, check_exact=True)


@pytest.mark.slow
def test_units_are_made_whole_for_what_they_offered() -> None:
    """A unit of 50 to 100 MW asks 20 for 50 MW and 30 for 50 more, no load 1,000 an hour.

    Two hours of 60 MW at 30: as offered 2 (50 x 20 + 10 x 30 + 1,000) = 4,600, revenue 3,600,
    uplift 1,000; resource cost 2 (60 x 10 + 1,000). With a mark-up of half and no submitted offer
    it asks 15: 2 (60 x 15 + 1,000) = 3,800 against 2 x 60 x 15 = 1,800.
    """
    n = pypsa.Network()
    n.set_snapshots(pd.date_range("2022-01-03", periods=2, freq="h"))
    n.add("Carrier", ["coal", "AC"])
    n.add("Bus", "A", carrier="AC")
    n.add("Load", "load", bus="A", p_set=60.0)
    n.add("Generator", "unit", bus="A", p_nom=100, carrier="coal", marginal_cost=10.0,
          committable=True, p_min_pu=0.5, stand_by_cost=1000.0)  # fmt: skip
    n.add("Generator", "dear", bus="A", p_nom=100, carrier="coal", marginal_cost=100.0)
    case = pm.Case(n, offers=book(("unit", 50, 20), ("unit", 50, 30)))
    run = pm.clear(case, market())
    assert run.prices["A"].tolist() == pytest.approx([30, 30])
    assert run.objective == pytest.approx(3_200)
    row = run.uplift.iloc[0]
    assert row[["offered_cost", "revenue", "uplift"]].tolist() == pytest.approx([4600, 3600, 1000])
    row = pm.clear(case.with_offers(None), market(mark_up=0.5)).uplift.iloc[0]
    assert row[["offered_cost", "revenue", "uplift"]].tolist() == pytest.approx([3800, 1800, 2000])


@pytest.mark.slow
def test_snapshots_that_are_no_times() -> None:
    n = one_bus([100.0, 100.0])
    n.set_snapshots([0, 1])
    n.loads_t["p_set"] = pd.DataFrame({"load": [100.0, 100.0]}, index=n.snapshots)
    for hour in ("1", 1):
        run = pm.clear(pm.Case(n, offers=book(("coal", 100, 310, hour))), "full_market")
        assert run.prices["A"].tolist() == pytest.approx([300, 310])


# ---- what holds for any offers ---------------------------------------------------------------


def at_cost(n: pypsa.Network, factor: float = 1.0, blocks: int = 1) -> pd.DataFrame:
    """Every generator offers its capacity at a multiple of its cost, in equal blocks."""
    g = n.generators
    rows = [(name, g.p_nom[name] / blocks, factor * g.marginal_cost[name]) for name in g.index]
    return book(*(row for row in rows for _ in range(blocks)))


def generic(seed: int) -> pypsa.Network:
    """A random network in which no two offers are the same."""
    n = random_network(seed, hours=6)
    rng = np.random.default_rng(seed)
    n.generators["marginal_cost"] += rng.uniform(0.0, 3.0, len(n.generators))
    n.remove("StorageUnit", n.storage_units.index)
    return n


def assert_alike(left: pm.Run, right: pm.Run) -> None:
    assert left.objective == pytest.approx(right.objective, rel=1e-8)
    pd.testing.assert_frame_equal(left.dispatch, right.dispatch, atol=1e-5, rtol=0)
    both = left.price_unique & right.price_unique
    assert both.to_numpy().mean() > 0.5
    pd.testing.assert_frame_equal(left.prices[both], right.prices[both], atol=1e-6, rtol=0)


@pytest.mark.slow
@given(st.integers(0, 10_000))
def test_offers_at_cost_are_no_offers(seed: int) -> None:
    n = generic(seed)
    case = pm.Case(n)
    plain = pm.clear(case, "full_market", 60.0)
    assert_alike(plain, pm.clear(case.with_offers(at_cost(n)), "full_market", 60.0))


@pytest.mark.slow
@given(st.integers(0, 10_000), st.integers(2, 4))
def test_a_block_in_parts_is_the_same_block(seed: int, parts: int) -> None:
    n = generic(seed)
    case = pm.Case(n, offers=at_cost(n, 1.3))
    whole = pm.clear(case, "full_market", 60.0)
    assert_alike(whole, pm.clear(case.with_offers(at_cost(n, 1.3, parts)), "full_market", 60.0))


def random_ladders(n: pypsa.Network, seed: int, dated: bool = True) -> pd.DataFrame:
    """Rising ladders for about half of the generators, some of them by the hour."""
    rng = np.random.default_rng(seed)
    rows: list[tuple[object, ...]] = []
    for name in n.generators.index[rng.random(len(n.generators)) < 0.6]:
        hours = n.snapshots[rng.random(len(n.snapshots)) < 0.4] if dated else []
        for hour in [None, *hours]:
            count = int(rng.integers(1, 4))
            quantity = rng.dirichlet(np.ones(count)) * n.generators.p_nom[name]
            price = np.sort(rng.uniform(0, 600, count)).round(-2)  # many ties
            rows += [(name, q, p, hour) for q, p in zip(quantity, price, strict=True)]
    return book(*rows)


@pytest.mark.slow
@given(st.integers(0, 10_000))
def test_cost_is_resource_cost_whatever_is_offered(seed: int) -> None:
    """The programme's own cost against cost curves at the dispatch."""
    n = random_network(seed, hours=4)
    rng = np.random.default_rng(seed)
    for name in [name for name in n.generators.index if "coal 1" in name]:
        n.remove("Generator", name)
        cost = np.sort(rng.uniform(200, 400, 3))
        n.add("Generator", name, bus=name[:2], carrier="coal", p_nom=300, emission_rate=0.9,
              marginal_cost=dict(zip([0.0, 0.3, 0.6, 1.0], [0.0, *cost], strict=True)))  # fmt: skip
    case = pm.Case(n, offers=random_ladders(n, seed))
    tariff = (BenchmarkTariff(), CarbonPrice(offered=False))  # cleared without a canonical optimum
    for regime in (
        market(), market(*tariff), market(mark_up=0.3, offer_cap=600.0), market(mark_up=-1.0)
    ):  # fmt: skip
        run = pm.clear(case, regime)
        assert run.objective == pytest.approx(resource_cost(case, run.outcome), rel=1e-9)


@pytest.mark.slow
@given(st.integers(0, 10_000))
def test_higher_offers_never_lower_the_price(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = one_bus(list(rng.uniform(30.0, 220.0, 6)))
    low = random_ladders(n, seed, dated=False)
    high = low.assign(price=low["price"] + rng.uniform(0, 50, len(low)))
    high["price"] = high.groupby("generator")["price"].cummax()
    case = pm.Case(n)
    before, after = (pm.clear(case.with_offers(part), "full_market") for part in (low, high))
    assert (after.prices >= before.prices - 1e-6).all().all()


# ---- files -----------------------------------------------------------------------------------


@pytest.mark.slow
def test_offers_beside_the_network_and_on_the_command_line(tmp_path: Path) -> None:
    folder = tmp_path / "toy"
    folder.mkdir()
    n = one_bus([120.0, 130.0])
    n.export_to_netcdf(str(folder / "toy.nc"))
    TWO.drop(columns="snapshot").to_csv(folder / "offers.csv", index=False)
    case = pm.read(folder)
    frame = pm.Case(n, offers=TWO).offers
    assert frame is not None and case.offers is not None
    pd.testing.assert_frame_equal(case.offers, frame, check_dtype=False)  # ns in a netCDF file
    assert pm.clear(case, "full_market").prices["A"].tolist() == pytest.approx([420, 420])
    dated = TWO.assign(snapshot=n.snapshots[1])
    dated.to_parquet(tmp_path / "other.parquet")
    dated.to_csv(tmp_path / "other.csv", index=False)
    books = [pm.read(folder, tmp_path / f"other.{kind}").offers for kind in ("csv", "parquet")]
    pd.testing.assert_frame_equal(*books)
    call = ["clear", "toy", "--regime", "full_market", "--json", "--quiet"]
    for more, price in (
        ([], 420.0),
        (["--offers", "other.parquet"], (300 * 120 + 420 * 130) / 250),
    ):
        done = inside(*call, *more, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["wholesale_price"] == pytest.approx(price)
    TWO.to_parquet(folder / "offers.parquet")
    with pytest.raises(pm.InputError, match=r"holds offers\.csv and offers\.parquet"):
        pm.read(folder)
    done = inside("compare", "toy", "--offers", "gone.csv", "--regime", "ful_market", cwd=tmp_path)
    assert done.returncode == 2 and "gone.csv" in done.stderr and "'full_market'" in done.stderr


@pytest.mark.slow
def test_changed_offers_are_cleared_anew(tmp_path: Path) -> None:
    """The file changes, the network does not: 420, 430, 420 again out of the store."""
    one_bus([120.0, 120.0]).export_to_netcdf(str(tmp_path / "toy.nc"))
    store = tmp_path / "cells"
    for top, cells in ((420, 1), (430, 2), (420, 2)):
        offers = book(("coal", 60, 310), ("coal", 40, top), ("gas", 30, 350))
        offers.to_csv(tmp_path / "offers.csv", index=False)
        run = pm.clear(pm.read(tmp_path / "toy.nc"), "full_market", store=store)
        assert run.prices["A"].tolist() == pytest.approx([top, top])
        assert len(list(store.glob("*.cell"))) == cells


def test_cells_are_named_by_the_offers_of_their_window() -> None:
    n = one_bus([120.0, 120.0])
    windows = {"early": n.snapshots[:1], "late": n.snapshots[1:]}
    regime = pm.regime("full_market")

    def keys(offers: pd.DataFrame | None) -> list[str]:
        case = pm.Case(n, windows=windows, offers=offers)
        return [Keys(case, ranges=False).key(label, regime) for label in windows]

    base = keys(TWO)
    assert keys(TWO) == base and not set(base) & set(keys(None))
    assert keys(TWO.sort_values("generator", ascending=False, kind="stable")) == base
    for column in ("quantity_mw", "price"):
        moved = TWO.astype({"quantity_mw": float})
        moved.loc[3, column] += 1e-9 if column == "price" else -1e-9
        assert not set(keys(moved)) & set(base)
    late = keys(pd.concat([book(("coal", 50, 310, n.snapshots[1])), TWO]))
    assert [a == b for a, b in zip(late, base, strict=True)] == [True, False]


# ---- bad input -------------------------------------------------------------------------------


def faults(offers: object, n: pypsa.Network | None = None) -> list[str]:
    with pytest.raises(pm.InputError) as caught:
        pm.Case(n or one_bus([50.0, 60.0]), offers=offers, name="toy")  # type: ignore[arg-type]
    for fault in caught.value.faults:
        assert fault.where and fault.what and fault.remedy
    return [str(fault) for fault in caught.value.faults]


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([("cola", 50, 310)], "unknown generator 'cola' -> did you mean 'coal'"),
        ([(None, 50, 310)], "a row names no generator"),
        ([("coal", 50, 310), ("coal", 50, 309)], "'coal', every snapshot: price falls"),
        ([("coal", 0, 310)], "'coal', every snapshot: quantity_mw is not above 0"),
        ([("coal", -5, 310)], "quantity_mw is not above 0"),
        ([("coal", 50, np.nan)], "price is no finite number"),
        ([("coal", "many", 310)], "quantity_mw is no finite number"),
        ([("coal", np.inf, 310)], "quantity_mw is no finite number"),
        ([("coal", 60, 310), ("coal", 41, 320)], "more is offered than the unit has"),
        ([("coal", 50, 310, "2022-01-03 02:00")], "no snapshots of the network (2022-01-03 00:00"),
        ([("coal", 50, 310, "2022-01-03 00:00+00:00")], "1 times that are no snapshots"),
        ([("coal", 50, 310, "noon")], "first noon of generator 'coal'"),
    ],
)
def test_one_fault_of_an_offer(rows: list[tuple[object, ...]], words: str) -> None:
    (only,) = faults(book(*rows))
    assert only.startswith("toy: offers") and words in only


def test_limits_of_units() -> None:
    n = one_bus([50.0, 60.0])
    n.generators.loc["coal", "p_min_pu"] = 0.4
    hours = n.snapshots
    (only,) = faults(book(("coal", 39, 310)), n)
    assert "'coal', every snapshot: less is offered than the unit's minimum" in only
    n.generators_t["p_min_pu"] = pd.DataFrame({"coal": [0.0, 0.4]}, index=hours)
    offers = book(("coal", 39, 310), ("coal", 41, 310, hours[1]))
    assert pm.Case(n, offers=offers).offers is not None  # by the hour where the minimum stands
    (only,) = faults(book(("coal", 39, 310, hours[1])), n)
    assert f"snapshot {hours[1]}" in only
    n.generators.loc["gas", "p_min_pu"] = -0.1
    (only,) = faults(book(("gas", 50, 510)), n)
    assert "negative output" in only
    (only,) = faults(book(("coal", 101, 310)), curved(50.0))
    assert "end of the cost curve" in only


def test_all_faults_at_once_with_their_file(tmp_path: Path) -> None:
    n = one_bus([50.0, 60.0])
    n.generators.loc["gas", "p_nom"] = -1.0
    file = tmp_path / "offers.csv"
    file.write_text(
        "generator,snapshot,quantity_mw,price\ncola,,50,310\ncoal,2022-01-04,50,310\n"
        "coal,,60,310\ncoal,,60,300\nwind,,,\n"
    )
    found = faults(file, n)
    text = "\n".join(found)
    assert len(found) == 7, text
    assert sum(str(file) in fault for fault in found) == 6
    for part in ("generators.p_nom", "'cola'", "2022-01-04", "price falls", "than the unit has",
                 "quantity_mw is no finite", "price is no finite"):  # fmt: skip
        assert part in text


def test_columns_and_files(tmp_path: Path) -> None:
    found = "\n".join(faults(TWO.rename(columns={"price": "prize", "quantity_mw": "mw"})))
    for part in ("unknown column 'prize' -> did you mean 'price'", "unknown column 'mw'",
                 "no column 'quantity_mw'", "no column 'price'"):  # fmt: skip
        assert part in found
    for name, content, word in (
        ("o.txt", "x", "give a .csv or .parquet"),
        ("o.csv", "", "cannot be read"),
        ("o.parquet", "no parquet", "cannot be read"),
        ("gone.csv", None, "cannot be read"),
    ):
        if content is not None:
            (tmp_path / name).write_text(content)
        (only,) = faults(tmp_path / name)
        assert name in only and word in only
    empty = tmp_path / "empty.csv"
    empty.write_text(",".join(COLUMNS) + "\n")
    assert pm.Case(one_bus([50.0]), offers=empty).offers is None


def test_many_faults_are_counted() -> None:
    n = random_network(1)
    g = n.generators
    offers = book(*((name, g.p_nom[name] + 1, 100.0) for name in g.index))
    found = faults(offers, n)
    assert len(found) == 6 and "10 more generators" in found[-1]


def test_offers_of_what_is_out_of_service_are_left_out() -> None:
    n = one_bus([50.0])
    n.generators.loc["gas", "active"] = False
    case = pm.Case(n, offers=TWO)
    assert case.offers is not None and set(case.offers["generator"]) == {"coal"}
