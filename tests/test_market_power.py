"""Who is pivotal, and what mitigation does to prices; all by hand."""

from __future__ import annotations

import pandas as pd
import pypsa
import pytest
from test_offers import book, market
from toys import copied, random_network

import powermkt as pm
from powermkt.rules import MeritOrder, Mitigation
from powermkt.system.marketpower import COLUMNS


@copied
def two_provinces(hours: int = 1) -> pypsa.Network:
    """X owns 60 + 40 MW in A, Y 50; a link brings 50 MW from B, where b has 80; load 120 and 30."""
    n = pypsa.Network()
    n.set_snapshots(pd.date_range("2022-01-03", periods=hours, freq="h"))
    n.add("Carrier", ["coal", "AC"])
    n.add("Bus", ["A", "B"], carrier="AC")
    for name, bus, p_nom, cost in (("x1", "A", 60, 300), ("x2", "A", 40, 310), ("y", "A", 50, 200),
                                   ("b", "B", 80, 100)):  # fmt: skip
        n.add("Generator", name, bus=bus, p_nom=p_nom, marginal_cost=cost, carrier="coal",
              emission_rate=0.9, benchmark=0.8)  # fmt: skip
    n.generators["owner"] = ["X", "X", "Y", ""]
    n.add("Load", "a", bus="A", p_set=120.0)
    n.add("Load", "c", bus="B", p_set=30.0)
    n.add("Link", "BA", bus0="B", bus1="A", p_nom=50.0, carrier="AC")
    return n


def screen(case: pm.Case, **options: object) -> pd.Series:
    return pm.market_power(case, **options).set_index("province").iloc[0]  # type: ignore[arg-type]


def test_a_pivotal_owner() -> None:
    """RSI of X (150 + 50 - 100) / 120 = 0.833, of Y (200 - 50) / 120 = 1.25.

    HHI of 100 and 50 MW: 66.7^2 + 33.3^2 = 5,556. In B b is alone: (80 - 80) / 30 = 0, HHI 10,000.
    """
    case = pm.Case(two_provinces())
    table = pm.clear(case, "full_market").market_power
    assert list(table.columns) == list(COLUMNS) and len(table) == 2
    a, b = (row for _, row in table.iterrows())
    assert a[["demand_mw", "supply_mw", "imports_mw"]].tolist() == [120, 150, 50]
    assert a["rsi"] == pytest.approx((150 + 50 - 100) / 120) and a["owner"] == "X" and a["pivotal"]
    assert a["hhi"] == pytest.approx(1e4 * (4 / 9 + 1 / 9))
    assert (b["owner"], b["imports_mw"], b["rsi"], b["hhi"]) == ("b", 0, 0, 10_000)
    rsi = pm.residual_supply(case).iloc[0]
    assert rsi["A", "X"] == pytest.approx(100 / 120) and rsi["A", "Y"] == pytest.approx(150 / 120)


def test_the_market_as_a_whole_and_a_reserve() -> None:
    """230 MW for 150: (230 - 100) / 150 = 0.867; with 20 MW of reserve in A 100 / 140."""
    case = pm.Case(two_provinces())
    whole = screen(case, by="market")
    assert whole.name == "all" and whole["rsi"] == pytest.approx(130 / 150)
    assert whole["hhi"] == pytest.approx((100 / 2.3) ** 2 + (50 / 2.3) ** 2 + (80 / 2.3) ** 2)
    assert whole["imports_mw"] == 0
    reserve = pd.DataFrame({"A": 20.0}, index=case.snapshots)
    assert screen(case, reserve=reserve)["rsi"] == pytest.approx(100 / 140)
    assert screen(case, reserve=20.0)["rsi"] == pytest.approx(100 / 140)


def test_capacity_is_what_is_available_and_imports_what_arrives() -> None:
    """x1 at half: X has 70. The link loses a tenth: 45; a line of 10 counts at both ends.

    Storage of 20 MW is an owner of its own. A link that A can turn round takes nothing from it.
    """
    n = two_provinces()
    n.generators.loc["x1", "p_max_pu"] = 0.5
    n.links["efficiency"], n.links["p_min_pu"] = 0.9, -0.4
    n.add("Line", "AB", bus0="A", bus1="B", s_nom=10.0, x=0.1, r=0.01)
    n.add("StorageUnit", "pumped", bus="A", p_nom=20.0, max_hours=4, carrier="coal")
    table = pm.market_power(pm.Case(n)).set_index("province")
    assert table["imports_mw"].to_dict() == {"A": pytest.approx(55), "B": pytest.approx(20 + 10)}
    assert table.loc["A", "supply_mw"] == pytest.approx(70 + 50 + 20)
    assert table.loc["A", "rsi"] == pytest.approx((140 + 55 - 70) / 120)


def test_provinces_without_plant_or_load() -> None:
    n = two_provinces()
    n.remove("Generator", "b")
    n.remove("Load", "a")
    n.add("Link", "AB", bus0="A", bus1="B", p_nom=70.0, carrier="AC")
    table = pm.market_power(pm.Case(n)).set_index("province")
    assert table.loc["B", ["owner", "rsi", "pivotal"]].tolist() == [
        "",
        pytest.approx(70 / 30),
        False,
    ]
    assert pd.isna(table.loc["B", "hhi"])
    assert table.loc["A", "rsi"] == float("inf") and not table.loc["A", "pivotal"]


def test_owners_default_to_generators() -> None:
    table = pm.market_power(pm.Case(random_network(3, hours=2)))
    assert len(table) == 6 and table["owner"].str.startswith("P").all()
    assert (table["hhi"] > 1e4 / 6).all() and (table["hhi"] < 1e4).all()


# ---- mitigation ------------------------------------------------------------------------------

OFFERS = book(("x1", 60, 500), ("x2", 40, 600), ("y", 50, 450))


@pytest.mark.slow
def test_mitigation_brings_the_price_to_cost_and_a_margin() -> None:
    """120 MW: 50 come in, 50 are Y's at 450, 20 X's at 500. X is held to 300 x 1.1 = 330.

    Then X runs before Y, 60 at 330 and 10 of its 40 at 341; Y, with an RSI of 1.25, keeps its 450
    and is not needed. At 60 money/t (0.9 - 0.8) 60 = 6 comes on top, once.
    """
    case = pm.Case(two_provinces(), offers=OFFERS)
    free = pm.clear(case, market())
    assert free.prices["A"].iloc[0] == pytest.approx(500) and len(free.mitigated) == 0
    regime = market(mitigation=Mitigation())
    run = pm.clear(case, regime)
    assert run.prices["A"].iloc[0] == pytest.approx(341)
    assert run.dispatch.iloc[0].tolist() == pytest.approx([60, 10, 0, 80], abs=1e-9)
    assert run.objective == pytest.approx(60 * 300 + 10 * 310 + 80 * 100)
    assert pm.clear(case, regime, 60.0).prices["A"].iloc[0] == pytest.approx(341 + 6)
    told = run.mitigated.drop(columns="snapshot")
    assert told.to_dict("list") == {
        "generator": ["x1", "x2"], "step": [0, 0], "quantity_mw": [60, 40], "offer": [500, 600],
        "mitigated_offer": [pytest.approx(330), pytest.approx(341)],
    }  # fmt: skip
    pd.testing.assert_frame_equal(pm.clear(case, regime, 60.0).mitigated, run.mitigated)
    every = case.with_offers(pd.concat([OFFERS, book(("b", 80, 100))]))  # nobody is left by cost
    pd.testing.assert_frame_equal(pm.clear(every, regime).mitigated, run.mitigated)
    strict = market(mitigation={"rsi_threshold": 0.83})
    assert pm.clear(case, strict).prices["A"].iloc[0] == pytest.approx(500)


@pytest.mark.slow
def test_only_the_hours_in_which_an_owner_is_needed() -> None:
    """In the second hour load is 80: (200 - 100) / 80 = 1.25, and the offer stands."""
    n = two_provinces(2)
    n.loads_t["p_set"] = pd.DataFrame({"a": [120.0, 80.0]}, index=n.snapshots)
    offers = book(("x1", 60, 440), ("x2", 40, 445), ("y", 50, 450))
    run = pm.clear(pm.Case(n, offers=offers), market(mitigation=Mitigation(margin=0.0)))
    assert run.prices["A"].tolist() == pytest.approx([310, 440])
    assert (run.mitigated["snapshot"] == n.snapshots[0]).all()


@pytest.mark.slow
def test_mark_ups_are_mitigated_too_and_floors_hold() -> None:
    """Mark-up one half: x1 and x2 ask 450 and 465 and are held to 330 and 341, floor 335.

    b, alone in B, asks 150 and is lifted to the floor, where mitigation leaves it.
    """
    case = pm.Case(two_provinces())
    regime = market(mark_up=0.5, mitigation=Mitigation(), offer_floor=335.0)
    told = pm.clear(case, regime).mitigated
    assert told["generator"].tolist() == ["x1", "x2"]
    assert told["mitigated_offer"].tolist() == pytest.approx([335, 341])


@pytest.mark.slow
def test_a_cost_curve_under_one_block_is_told_by_its_costs() -> None:
    n = two_provinces()
    n.remove("Generator", "x1")
    n.add("Generator", "x1", bus="A", p_nom=60, carrier="coal", owner="X",
          marginal_cost={0.0: 0.0, 0.5: 300.0, 1.0: 320.0})  # fmt: skip
    run = pm.clear(pm.Case(n, offers=OFFERS), market(mitigation=Mitigation()))
    told = run.mitigated[run.mitigated["generator"] == "x1"]
    assert told["step"].tolist() == [0, 0] and told["quantity_mw"].tolist() == [30, 30]
    assert told["mitigated_offer"].tolist() == pytest.approx([330, 352])


def test_a_regime_file_states_it() -> None:
    text = market(mitigation=Mitigation(margin=0.2)).to_yaml()
    import yaml

    assert pm.regime(yaml.safe_load(text)).rules[0] == MeritOrder(mitigation=Mitigation(margin=0.2))
    bad = {"extends": "full_market", "dispatch": {"rule": "MeritOrder", "mitigation": {"margn": 1}}}
    with pytest.raises(pm.InputError, match="did you mean 'margin'"):
        pm.regime(bad)


@pytest.mark.slow
def test_tables_of_a_comparison(tmp_path) -> None:  # type: ignore[no-untyped-def]
    case = pm.Case(two_provinces(), offers=OFFERS)
    plain = pm.compare(case.with_offers(None), ["full_market"], [0])
    assert plain.mitigated is None and plain.market_power is None
    result = pm.compare(case, [market(mitigation=Mitigation())], [0, 60])
    assert result.mitigated is not None and len(result.mitigated) == 4
    folder = result.to_parquet(tmp_path / "r")
    assert len(pd.read_parquet(folder / "market_power.parquet")) == 2
    assert len(pd.read_parquet(folder / "mitigated.parquet")) == 4
