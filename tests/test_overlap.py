"""Instruments alone, separate and merged: cost, prices, burden and double counting by hand.

Without instruments coal gives 1,000 MWh: 300,000, 900 t, 360 tce. A tonne costs 150 / 0.9 = 166.67
by wind, 200 / 0.5 = 400 by gas, 100 / 2 = 50 by motors (20 tce, 40 t) and 500 / 2 = 250 by kilns; a
tce 150 / 0.36 = 416.67 by wind, 100 by motors and 500 by kilns.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from overlaptoy import STUDY, dear_wind, random_plant
from typer.testing import CliRunner

import powermkt as pm
from powermkt.cli import app
from powermkt.inputs.overlapplan import overlap_plan
from powermkt.studies.overlapcases import MERGED, ONCE, SEPARATE, Accounting

NETWORKS = Path(__file__).parents[1] / "networks"


@pytest.fixture(scope="module")
def study() -> pm.OverlapStudy:
    return pm.overlap(pm.Case(dear_wind()), STUDY)


def prices(study: pm.OverlapStudy, case: str) -> dict[str, float]:
    lines = study.lines[study.lines["case"] == case].set_index("line")["price"]
    return {str(name): pytest.approx(value) for name, value in lines.items()}


def test_costs_and_prices_of_every_case(study: pm.OverlapStudy) -> None:
    assert prices(study, "carbon") == {"carbon": 150 / 0.9}
    assert prices(study, "energy_use") == {"energy_use": 150 / 0.36}
    assert prices(study, "white") == {"white": 500.0}
    assert prices(study, "green") == {"green": 150.0}
    per_tonne = study.lines.set_index(["case", "line"])["price_per_t"]
    assert per_tonne["white", "white"] == pytest.approx(500 / 2)  # what measures save, not plant
    # 30 tce save 60 t, wind the other 120 t of 180: 133.33 MWh. Kilns are paid for 2 t and a tce.
    wind = 120 / 0.9
    assert prices(study, SEPARATE) == {
        "carbon": 150 / 0.9, "energy_use": 0.0, "white": 500 - 2 * 150 / 0.9, "green": 0.0,
    }  # fmt: skip
    # Fuel and savings together: 360 - 282 = 78 tce, of which motors 20 and wind 58.
    assert prices(study, "energy-use rights with white certificates") == {
        "energy_use+white": 150 / 0.36, "carbon": 0.0, "green": 0.0,
    }  # fmt: skip
    # A MWh of wind is credited the 0.9 t that coal emits, beside the 0.9 t it displaces.
    credited = prices(study, "certificates credited in carbon")
    assert credited["carbon+green"] == 150 / 1.8
    table = study.cases.set_index("case")
    costs = {
        "none": (300e3, 0.0),
        "carbon": (300e3 + 150 * 140 / 0.9, 2000.0),
        SEPARATE: (300e3 + 150 * wind, 7000.0),
        ONCE: (300e3 + 150 * 200, 7000.0),  # savings count in white certificates alone
        "certificates with carbon": (300e3 + 150 * wind, 7000.0),
        "certificates credited in carbon": (300e3 + 150 * wind, 7000.0),
        "energy-use rights with white certificates": (300e3 + 150 * 58 / 0.36, 2000.0),
        "unified": (300e3 + 150 * 140 / 0.9, 2000.0),
    }
    for name, (system, savings) in costs.items():
        assert table.loc[name, "system_cost"] == pytest.approx(system), name
        assert table.loc[name, "savings_cost"] == pytest.approx(savings, abs=1e-3), name
    assert table.loc["unified", "emissions_t"] == pytest.approx(760.0)
    assert table.loc["unified", "saved_t"] == pytest.approx(40.0)
    assert table.loc[SEPARATE, "renewable_share"] == pytest.approx(wind / 1000)
    assert table.loc[SEPARATE, "cost_per_t"] == pytest.approx((150 * wind + 7000) / 180)


def test_slack_instruments_are_named(study: pm.OverlapStudy) -> None:
    table = study.cases.set_index("case")["slack"]
    assert table[SEPARATE] == "energy_use, green"
    assert table["energy-use rights with white certificates"] == "carbon, green"
    assert table["carbon"] == ""


def test_double_counting_by_hand(study: pm.OverlapStudy) -> None:
    """Plant emits 120 t less and 133.33 MWh are credited 0.9 t each; measures save 60 t."""
    table = study.double_counted.set_index(["first", "second"])
    double = {key: pytest.approx(value) for key, value in table["double_t"].items()}
    assert double == {
        ("white", "green"): 0.0, ("white", "carbon"): 60.0, ("white", "energy_use"): 60.0,
        ("green", "carbon"): 120.0, ("green", "energy_use"): 120.0,
        ("carbon", "energy_use"): 180.0, ("all", "all"): 360.0,
    }  # fmt: skip
    assert (table["with_ledger_t"] == 0).all()
    assert study.proof()["holds"].all()
    assert study.claimed["once_t"].sum() == pytest.approx(180.0)


def test_who_pays(study: pm.OverlapStudy) -> None:
    name = "certificates credited in carbon"
    table = study.burdens(name)
    for _, part in table.groupby("line"):
        assert part["net"].sum() == pytest.approx(0.0, abs=1e-6)
    whole = table[table["line"] == "all"].set_index("party")
    added = study.cases.set_index("case").loc[name, "total_cost"] - 300e3
    assert whole["loss"].sum() == pytest.approx(added)  # what all lose is what instruments cost
    credited = whole.loc["plant operators"]
    assert credited["paid"] == pytest.approx(780 * 150 / 1.8)
    assert credited["received"] == pytest.approx(120 / 0.9 * 0.9 * 150 / 1.8)
    assert credited["burden_own"] == pytest.approx((65000 - 10000) / 120)
    assert credited["burden_system"] == pytest.approx((65000 - 10000) / 180)


def test_all_lose_what_instruments_cost_beside_a_carbon_price(study: pm.OverlapStudy) -> None:
    """180 of 900 t less are 200 MWh of wind at 150 more; the carbon fund loses 50 a tonne."""
    found = pm.overlap(study.case, {"carbon": {"target": 720.0}}, carbon_price=50.0)
    whole = found.parties[found.parties["line"] == "all"].set_index("party")
    assert whole.loc["carbon fund", "loss"] == pytest.approx(50 * 180)
    assert whole["loss"].sum() == pytest.approx(150 * 200)


def test_lines_that_stay_ask_for_what_the_separate_case_reached(study: pm.OverlapStudy) -> None:
    """A tonne by wind costs 166.67, one that is short 160; kilns cost 400 a tce and save 2 t.

    Separate: 30 tce of both measures, no wind, carbon is short. Merged fuel and savings could have
    wind for kilns, at 416.67 a tce but 2.5 t: that would save shortfalls and cost more.
    """
    motors, kilns = STUDY["measures"]
    content = {
        "carbon": {"target": 720.0, "shortfall_price": 160.0}, "fuel": STUDY["fuel"],
        "energy_use": {"target": 350.0}, "white": {"target": 30.0},
        "measures": [motors, {**kilns, "cost": 400.0}],
    }  # fmt: skip
    found = pm.overlap(study.case, content)
    table = found.cases.set_index("case")
    merged = "energy-use rights with white certificates"
    assert table.loc[SEPARATE, "minimised"] == pytest.approx(300e3 + 20 * 100 + 10 * 400)
    assert table.loc[merged, "minimised"] == pytest.approx(306e3)
    lines = found.lines.set_index(["case", "line"])
    assert lines.loc[(SEPARATE, "carbon"), "shortfall"] == pytest.approx(840 - 720)
    assert lines.loc[(merged, "carbon"), "target"] == pytest.approx(840)


def test_a_target_that_needs_savings_twice_is_a_note(study: pm.OverlapStudy) -> None:
    """Gas and wind alone emit 240 t; 20 t are reached with 220 of the 240 t that measures save."""
    content = {key: STUDY[key] for key in ("white", "fuel", "measures")}
    found = pm.overlap(study.case, {**content, "carbon": {"target": 20.0}})
    assert SEPARATE in found.cleared and ONCE not in found.cleared
    assert any(f"{ONCE}: not cleared" in note and "240 tCO2" in note for note in found.notes)


def test_plant_that_emits_nothing_burns_no_fuel_whatever_it_is_called() -> None:
    n = dear_wind()  # where a generator is called coal
    n.add("Generator", "clean", bus="A", carrier="coal", p_nom=10.0, emission_rate=0.0)
    found = Accounting(pm.Case(n), overlap_plan(STUDY))
    for rates in (found.fuel_rate, found.credited_rate(0.9)):
        assert rates["clean"] == 0
        assert rates["coal"] > 0


def test_published_figures_beside_ours(study: pm.OverlapStudy) -> None:
    table = study.published.set_index(["quantity", "reading"])["ours"]
    unified, separate = 300e3 + 150 * 140 / 0.9 + 2000, 307e3 + 150 * 120 / 0.9
    what = "cost for the same CO2, unified against separate instruments"
    assert table[what, "of total cost"] == pytest.approx(100 * (unified / separate - 1))
    added = 100 * (unified - separate) / (separate - 300e3)
    assert table[what, "of the cost of instruments"] == pytest.approx(added)
    minimised = study.cases.set_index("case")["minimised"]
    less = 100 * (minimised["unified"] / minimised["separate"] - 1)
    assert table[what, "of what is minimised"] == pytest.approx(less) and less < 0
    share = "renewable share, certificates with carbon against carbon alone"
    assert table[share, "relative"] == pytest.approx(100 * (120 / 140 - 1))
    assert table[share, "percentage points"] == pytest.approx(100 * (120 - 140) / 900)


@pytest.mark.slow
@given(seed=st.integers(0, 1000), cap=st.floats(0.8, 0.98), white=st.floats(0.0, 1.0))
def test_merged_costs_no_more_than_separate(seed: int, cap: float, white: float) -> None:
    fuel = {"coal": "raw coal", "gas": "natural gas"}
    measures = [{"name": "a", "potential": 3.0, "cost": 150.0, "province": "A"},
                {"name": "b", "potential": 8.0, "cost": 900.0, "counts": ["white"]}]  # fmt: skip
    content: dict[str, Any] = {
        "carbon": {"share": cap, "shortfall_price": 800.0}, "fuel": fuel, "measures": measures,
        "energy_use": {"share": 0.95, "shortfall_price": 1500.0}, "white": {"target": 11 * white},
        "green": {"share": {"A": 0.5, "B": 0.9}},
    }  # fmt: skip
    result = pm.overlap(pm.Case(random_plant(seed)), content)
    table = result.cases.set_index("case")
    most = table.loc[SEPARATE, "minimised"]
    merged = table.loc[[name for name in MERGED if name in table.index], "minimised"]
    gap = table["gap"].max() * abs(most)
    assert len(merged) >= 3  # what is credited may be above emissions
    assert (merged <= most + gap + 1e-6 * abs(most)).all()
    assert result.proof()["holds"].all()


def test_a_year_has_the_instruments_that_existed() -> None:
    case = pm.Case(dear_wind())
    found = {
        year: Accounting(case, overlap_plan({**STUDY, "year": year}))
        for year in (2013, 2016, 2017)
    }  # fmt: skip
    assert found[2013].active == ["carbon", "white"]
    assert found[2016].active == ["carbon", "energy_use", "white"]
    assert found[2017].active == ["carbon", "energy_use", "white", "green"]
    assert found[2016].left_out == ["green_certificates began in 2017: left out in 2016"]
    assert found[2013].merged("unified", 0.0) is not None
    assert found[2016].merged("certificates with carbon", 0.0) is None
    with pytest.raises(pm.InputError, match="none of green exists in 2016 -> state 2017 or later"):
        pm.overlap(case, {"green": {"share": 1.0}, "year": 2016})


def test_everything_wrong_is_told_at_once() -> None:
    wrong = {
        "carbon": {"share": {"B": 0.9}}, "green": {"target": 5.0, "carriers": ["wind"]},
        "white": {"target": {"A": 1.0}, "tradable": False}, "fuel": {"coal": "raw cole"},
        "measures": [{"name": "m", "potential": 1, "cost": 1, "counts": ["energy_use", "white"]}],
    }  # fmt: skip
    with pytest.raises(pm.InputError) as error:
        pm.overlap(pm.Case(dear_wind()), wrong, "ful_market")
    said = str(error.value)
    for what in (
        "carbon: unknown province 'B'", "unknown carrier 'wind'", "unknown basis 'raw cole'",
        "the fuel of gas is not stated", "counts in 'energy_use', which the study does not state",
        "counts in white by province and is in none", "ful_market",
    ):  # fmt: skip
        assert what in said
    with pytest.raises(pm.InputError) as error:
        pm.overlap(pm.Case(dear_wind()), {"carbon": {}, "white": {"share": -1}, "gren": {}})
    said = str(error.value)
    assert "did you mean 'green'" in said
    assert "state one of target and share" in said
    assert "greater than or equal to 0" in said
    with pytest.raises(pm.InputError, match=r"1e\+09 is above"):
        pm.overlap(pm.Case(dear_wind()), {"carbon": {"target": 1.0, "shortfall_price": 1e9}})
    with pytest.raises(pm.InputError, match="carbon: names no figure for B, where plant counts"):
        pm.overlap(pm.Case(random_plant(1)), {"carbon": {"target": {"A": 1.0}}})
    with pytest.raises(pm.InputError, match="states no instrument"):
        pm.overlap(pm.Case(dear_wind()), {})
    own = pm.Regime("own", (*pm.regime("full_market").rules, pm.rules.Obligation(target=1.0)))
    with pytest.raises(pm.InputError, match="has Obligation of its own"):
        pm.overlap(pm.Case(dear_wind()), STUDY, own)


def test_a_credit_needs_a_sum_that_is_at_most() -> None:
    with pytest.raises(ValueError, match="takes kind at_most"):
        pm.rules.Obligation(kind="at_least", counts={"coal": -0.9}, target=1.0)


@pytest.mark.slow
def test_the_command_on_two_provinces(tmp_path: Path) -> None:
    """Carbon and white certificates of 2013, worked out.

    Without instruments 12,036,000 and 30,810 t. 95 % are 1,540.5 t less. Gas for coal in South
    costs (520 - 360) / (0.82 - 0.38) = 363.64 a tonne. Motors save 100 tce, 266 t, for 30,000;
    kilns cost 1,500 a tce.
    """
    folder, out = NETWORKS / "two_province", tmp_path / "out"
    told = CliRunner().invoke(
        app,
        ["overlap", str(folder), "--study", str(folder / "overlap.yaml"), "--year", "2013",
         "--out", str(out)],
    )  # fmt: skip
    assert told.exit_code == 0, told.output
    assert "energy_use_rights began in 2016: left out in 2013" in told.output
    names = {"cases", "lines", "parties", "claimed", "double_counted", "proof", "published"}
    assert names <= {path.stem for path in out.glob("*.parquet")}
    cost = pd.read_parquet(out / "cases.parquet").set_index("case")["total_cost"]
    tonne, free = 160 / 0.44, 12_036_000.0
    assert cost["carbon"] == pytest.approx(free + (1540.5 - 266) * tonne + 30e3)
    assert cost[SEPARATE] == pytest.approx(free + (1540.5 - 399) * tonne + 30e3 + 75e3)
    assert cost[ONCE] == pytest.approx(free + 1540.5 * tonne + 30e3 + 75e3)
    assert cost["unified"] == pytest.approx(free + (1540.5 - 266) * tonne + 30e3)
    lines = pd.read_parquet(out / "lines.parquet").set_index(["case", "line"])["price"]
    # Of 1,500 a tce kilns are paid 2.66 t by the carbon market.
    assert lines[SEPARATE, "white"] == pytest.approx(1500 - 2.66 * tonne)
