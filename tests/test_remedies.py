"""What remedies for curtailment are worth: by dual and by difference, checked by hand."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import hypothesis
import numpy as np
import pandas as pd
import pypsa
import pytest
from conftest import NETWORKS
from hypothesis import strategies as st
from shell import inside
from toys import add_rows, one_bus, random_case, random_network

import powermkt as pm
from powermkt.analysis.demandeffects import without_demand
from powermkt.analysis.remedyduals import slopes_of, unread
from powermkt.engine.causes import on_copy, relax_flexibility
from powermkt.engine.remedies import REMEDIES, chosen_remedies
from powermkt.rules import ElectricBoilers
from powermkt.studies.remedyvalues import COLUMNS, DEFAULT_REMEDIES, remedies_by_regime
from powermkt.system.heat import heat_bound, with_boilers

PER_UNIT = ["mwh_per_unit", "money_per_unit"]
SETTINGS = pm.RemedySettings(round_trip=0.81)


def two_sites() -> pm.Case:
    """Provinces A and B with no tie, two hours: wind is curtailed in the first.

    A: must-run of heat 60 and 30 of CHP (100 MW at 250), coal 100 MW at 300 with 20 at least, wind
    50 and 10, load 100 and 120. Hour 1: 80 must run, 20 of wind is used, 30 curtailed. Hour 2: coal
    20, wind 10, CHP 90.
    B: coal 100 MW at 300 with 30 at least, wind 60 and 6, load 50 and 100, a battery of 4 MW and
    0.25 h, 0.9 each way. Hour 1: 30 of coal, wind serves 20 and charges 1/0.9; hour 2: coal.
    """
    n = pypsa.Network()
    n.set_snapshots(pd.date_range("2022-01-03", periods=2, freq="h"))
    n.add("Carrier", ["coal", "coal CHP", "onshore wind", "battery", "AC"])
    n.add("Bus", ["A", "B"], carrier="AC")
    coal = {"carrier": "coal", "p_nom": 100, "marginal_cost": 300}
    chp = {"carrier": "coal CHP", "p_nom": 100, "marginal_cost": 250}
    wind = {"carrier": "onshore wind", "p_nom": 100}
    add_rows(n, "Generator", {
        "A CHP": {"bus": "A", **chp, "p_min_pu": np.array([0.6, 0.3]), "p_max_pu": np.ones(2)},
        "A coal": {"bus": "A", **coal, "p_min_pu": np.array([0.2, 0.2]), "p_max_pu": np.ones(2)},
        "A wind": {"bus": "A", **wind, "p_min_pu": np.zeros(2), "p_max_pu": np.array([0.5, 0.1])},
        "B coal": {"bus": "B", **coal, "p_min_pu": np.array([0.3, 0.3]), "p_max_pu": np.ones(2)},
        "B wind": {"bus": "B", **wind, "p_min_pu": np.zeros(2), "p_max_pu": np.array([0.6, 0.06])},
    })  # fmt: skip
    add_rows(n, "Load", {"A load": {"bus": "A", "p_set": np.array([100.0, 120.0])},
                         "B load": {"bus": "B", "p_set": np.array([50.0, 100.0])}})  # fmt: skip
    n.add("StorageUnit", "B battery", bus="B", carrier="battery", p_nom=4, max_hours=0.25,
          efficiency_store=0.9, efficiency_dispatch=0.9, cyclic_state_of_charge=True)  # fmt: skip
    return pm.Case(n)


K = 0.98 / 1.5
BY_HAND = {
    # 1 MWh of wind in, 0.81 out in place of CHP at 250
    ("storage_power", "A"): (1.0, 0.81 * 250),
    # one more MWh of storage: 1 / 0.9 of wind in, 0.9 out in place of coal at 300
    ("storage_hours", "B"): (1 / 0.9, 0.9 * 300),
    # one more MW at 0.25 h
    ("storage_power", "B"): (0.25 / 0.9, 0.25 * 0.9 * 300),
    # the boiler takes 1 of wind in hour 1, and the CHP gives K less at 250 in its place; in
    # hour 2 the CHP gives more than it must, and a boiler would only cost
    ("electric_boilers", "A"): (1 + K, K * 250),
    # 0.1 MW less at least per MW: 300 saved by wind in hour 1, 300 - 250 by CHP in hour 2
    ("flexible_coal", "A"): (0.1, 0.1 * (300 + 50)),
    # in hour 2 coal gives more than it must
    ("flexible_coal", "B"): (0.1, 0.1 * 300),
}


@pytest.mark.slow
def test_duals_by_hand() -> None:
    """Duals of all kinds of plant, from one clearing."""
    case = two_sites()
    remedies = chosen_remedies(case, DEFAULT_REMEDIES, SETTINGS)
    slopes, notes = slopes_of(case, pm.regime("full_market").at(0.0), remedies)
    found = {
        (remedy.name, remedy.where): (-slope.curtailed, -slope.cost)
        for remedy, slope in zip(remedies, slopes, strict=True)
        if slope is not None
    }
    assert found.keys() == BY_HAND.keys() and not notes
    for key, values in BY_HAND.items():
        assert found[key] == pytest.approx(values, rel=1e-6), key


@pytest.mark.slow
def test_differences_by_hand() -> None:
    """Differences of the best of each kind are what their duals say: nothing else binds yet."""
    found = pm.value_remedies(two_sites(), "full_market", size_mw=1.0, top=1, settings=SETTINGS)
    table = found.table.set_index(["remedy", "where"])
    again = table["mwh_by_difference"].notna()
    assert set(table.index[again]) == {
        ("storage_power", "A"), ("storage_hours", "B"), ("electric_boilers", "A"),
        ("flexible_coal", "A"),
    }  # fmt: skip
    for key in table.index[again]:
        row = table.loc[key, ["mwh_by_difference", "money_by_difference"]]
        assert list(row) == pytest.approx(BY_HAND[key], rel=1e-6), key
    assert list(found["rank"]) == list(range(1, 7))
    assert list(found["money_by_dual"]) == sorted(found["money_by_dual"], reverse=True)
    assert not found.notes and list(found.table) == list(COLUMNS)


@pytest.mark.slow
def test_one_more_on_the_tie(two_province: pm.Case) -> None:
    """Full market: the tie of 300 is full in all 24 hours.

    Night: 100 of wind are curtailed; one more MW sends one of it to the south, where coal at 360
    gives less. Day: N2 at 300 for gas at 520. 12 h each: 12 MWh, 12 x (360 + 220) = 6,960.
    At 300 MW more: at night coal in the south is at its minimum 500 of a load of 900, so that only
    400 arrive, 100 more, all of it wind; by day N1 and N2 and 200 of wind leave 400 as well:
    1,200 MWh and 1,200 x 580 = 696,000, less than 300 x 6,960.
    """
    found = pm.value_remedies(two_province, "full_market", remedies=["corridor"], size_mw=300.0)
    (row,) = found.table.to_dict("records")
    assert (row["remedy"], row["where"], row["rank"]) == ("corridor", "tie", 1)
    assert [row[name] for name in PER_UNIT] == pytest.approx([12.0, 6960.0])
    assert [row["mwh_by_dual"], row["money_by_dual"]] == pytest.approx([3600.0, 2_088_000.0])
    again = [row["mwh_by_difference"], row["money_by_difference"]]
    assert again == pytest.approx([1200.0, 696_000.0])


def _plus_wind(case: pm.Case, regime: pm.Regime, size: float) -> tuple[pm.Case, pm.Regime]:
    changed = on_copy(case)
    changed._n.generators.loc["wind", "p_nom"] += size
    return changed, regime


def _without_plant(case: pm.Case, regime: pm.Regime, size: float) -> tuple[pm.Case, pm.Regime]:
    changed = on_copy(case)
    changed._n.generators.loc[["gas", "coal"], "p_nom"] = 0.0
    return changed, regime


@pytest.mark.slow
def test_remedies_of_ones_own() -> None:
    """One MW of wind at 0.5: in the first hour it replaces gas, in the second it is curtailed.

    Load 140 and 20, wind 25: gas 15 at 500; 5 curtailed. So 250 are saved, and 0.5 MWh more is
    curtailed. What cannot be cleared is named, and the rest told.
    """
    wind = pm.Remedy(name="wind", where="A", apply=_plus_wind)
    nothing = pm.Remedy(name="nothing", where="A", apply=_without_plant)
    case = pm.Case(one_bus([140.0, 20.0]))
    found = pm.value_remedies(case, "full_market", remedies=[nothing, wind], size_mw=2.0)
    row = found.table.set_index("remedy").loc["wind"]
    assert list(row[PER_UNIT]) == pytest.approx([-0.5, 250.0])
    again = [row["mwh_by_difference"], row["money_by_difference"]]
    assert again == pytest.approx([-1.0, 500.0])
    assert list(found.failed["remedy"]) == ["nothing"]
    assert "load cannot be served in A" in found.failed["message"][0]
    assert any(note.startswith("nothing A could not be cleared") for note in found.notes)


def test_bad_input_is_told_at_once(two_province: pm.Case) -> None:
    with pytest.raises(pm.InputError) as caught:
        pm.value_remedies(
            two_province, "full_markt", -1.0, remedies=["corridr", "pumps"], where=["Nort"],
            size_mw=0.0, top=-1, rank_by="joy",  # type: ignore[arg-type]
        )  # fmt: skip
    told = [str(fault) for fault in caught.value.faults]
    for part in ("size_mw", "top", "rank_by", "full_markt", "'corridr'", "'pumps'", "'Nort'"):
        assert any(part in line for line in told), part
    assert any("did you mean 'corridor'" in line for line in told)
    wind = pm.Remedy(name="wind", where="A", apply=_plus_wind)
    with pytest.raises(pm.InputError, match="'wind A' is given twice"):
        pm.value_remedies(two_province, "full_market", remedies=[wind, wind])
    with pytest.raises(pm.InputError, match="none given"):
        pm.value_remedies(two_province, "full_market", remedies=[])


def test_boilers_and_what_they_leave_of_must_run() -> None:
    """Boilers of 30 MW that replace 0.5: hour 1 leaves 60 - 15 of must-run, hour 2 30 - 15."""
    case = two_sites()
    more = with_boilers(case, "A", 30.0, 0.5)
    assert list(more.must_run["A CHP"]) == pytest.approx([45.0, 15.0])
    assert list(heat_bound(more)["A CHP"]) == pytest.approx([60.0, 30.0])
    # of 100 MW no more runs than there is heat for: 60 / 0.5 and 30 / 0.5
    most = -with_boilers(case, "A", 100.0, 0.5).must_run["electric boiler A"]
    assert list(most) == pytest.approx([100.0, 60.0])
    with pytest.raises(pm.InputError, match="no plant there must run for heat"):
        with_boilers(case, "B", 1.0, 0.5)
    with pytest.raises(pm.InputError, match="there are some"):
        with_boilers(more, "A", 1.0, 0.5)
    assert ElectricBoilers(replaced=0.5).faults(case) and not ElectricBoilers(replaced=0.5).faults(
        more
    )


def test_boilers_change_no_tariff_and_are_no_plant() -> None:
    """Nobody's tariff moves with boilers, their output is counted by no obligation."""
    case = two_sites()
    more = with_boilers(case, "A", 30.0, 0.5)
    assert case.default_tariff == pytest.approx((250 + 300 + 300) / 3) != more.default_tariff
    for table in ("generators", "loads", "storage_units"):
        known, now = (getattr(item, table)["tariff"] for item in (case, more))
        assert list(now[known.index]) == list(known)
    assert more.generators.loc["electric boiler A", "tariff"] == case.default_tariff
    all_output = pm.rules.Obligation(counts="output", target=1.0, prices={"obligation": 5.0})
    assert set(all_output.offer(more)["Generator-p"].index) == set(case.generators.index)
    # Users do not react by boilers: without what makes users react the regime is the same.
    rules = (*pm.regime("full_market").rules, ElectricBoilers(replaced=0.5))
    regime = pm.Regime("boilers", rules)
    assert without_demand(regime) is None
    rigid = without_demand(pm.Regime("both", (*rules, pm.rules.ShiftableDemand())))
    assert rigid is not None and rigid.rules == regime.rules


@pytest.mark.slow
def test_flexible_plant_has_no_heat_for_boilers() -> None:
    """Boilers of 200 MW leave no must-run; relaxed, nothing is left of what is beside them.

    A: 50 of 50 and of 10 wind; CHP 50 and 100 at 250, coal 10 at 300: 40,500. B: 1 MWh stored is
    0.9 less of coal, 93.1 at 300 beside 6 of wind: 27,930.
    """
    more = with_boilers(two_sites(), "A", 200.0, 0.5)
    rules = (*pm.regime("full_market").rules, ElectricBoilers(replaced=0.5))
    changed, regime = relax_flexibility(more, pm.Regime("boilers", rules))
    assert not (heat_bound(changed) > 0).any(axis=None)
    assert pm.clear(changed, regime).objective == pytest.approx(40_500 + 27_930)


def test_obligations_give_no_duals() -> None:
    """Their prices follow from all windows: the optimum of one at a price says nothing."""
    rules = (*pm.regime("full_market").rules, pm.rules.Obligation(target=1.0))
    assert unread(two_sites(), pm.Regime("co2", rules), None).startswith("obligations")


def test_nothing_curtailed_and_nothing_to_build() -> None:
    case = pm.Case(one_bus([100.0]))
    found = pm.value_remedies(case, "full_market", remedies=["corridor"])
    assert found.table.empty and list(found.table) == list(COLUMNS)
    assert "nothing is curtailed under full_market" in found.notes
    assert "there is nothing of the kinds asked for" in found.notes


@pytest.mark.slow
@hypothesis.given(seed=st.integers(0, 10_000))
@pytest.mark.long
def test_a_remedy_never_raises_cost_in_a_market(seed: int) -> None:
    """At no carbon price all that is minimised is resource cost, but ties of 0.001 money/MWh.

    Corridors and storage: the second half saves at most what the first did.
    """
    case = random_case(seed, 6, 2)
    found = pm.value_remedies(case, "full_market", 0.0, size_mw=50.0, top=1)
    table = found.table[found.table["money_by_difference"].notna()]
    assert len(table) == 4 and not len(found.failed)
    ties = 0.02 * case.availability.mul(case.weights, axis="index").to_numpy().sum()
    assert (table["money_by_difference"] >= -ties * 1e-3).all()
    assert (found["money_per_unit"] >= -1e-3 * case.weights.sum()).all()
    concave = table[table["remedy"] != "flexible_coal"]
    assert (concave["money_by_difference"] <= concave["money_by_dual"] + ties).all()


@pytest.mark.long
def test_fleets_that_must_run_for_heat() -> None:
    """Where heat holds online capacity up, small boilers and retrofits do what their duals say."""
    n = random_network(3, 8, 2)
    n.add("Carrier", "coal CHP")
    heat = np.array([0.6, 0.6, 0.5, 0.5, 0.4, 0.5, 0.6, 0.6])
    chp = {"carrier": "coal CHP", "p_nom": 300, "marginal_cost": 280, "p_min_pu": heat,
           "min_stable_pu": 0.5, "start_up_cost": 1e4, "units": 3}  # fmt: skip
    add_rows(n, "Generator", {"P0 chp": {"bus": "P0", **chp}})
    n.generators.loc["P0 wind", "p_nom"] = 1500.0
    found = pm.value_remedies(
        pm.Case(n), "fixed_tariff", remedies=["electric_boilers", "flexible_coal"], size_mw=0.5
    )
    for what in ("mwh", "money"):
        dual, again = (found[f"{what}_by_{how}"].to_numpy() for how in ("dual", "difference"))
        assert again == pytest.approx(dual, rel=1e-3, abs=1e-3)
    assert found["money_by_dual"].max() > 1000.0


@pytest.mark.long
def test_closed_borders_and_regimes_without_duals(two_province: pm.Case) -> None:
    """Behind a closed border the tie is worth nothing; two settlements have no duals."""
    study = remedies_by_regime(two_province, ["priority_dispatch"], remedies=["corridor"])
    assert list(study.tables["remedies"]["money_by_dual"]) == [0.0]
    assert list(study.tables["remedies"]["money_by_difference"]) == pytest.approx([0.0])
    rules = (*pm.regime("full_market").rules, pm.rules.TwoSettlement())
    twice = replace(pm.regime("full_market"), name="twice", rules=rules)
    case = pm.with_forecast_errors(two_province, seed=1, std={"load": 0.0})
    found = pm.value_remedies(case, twice, remedies=["corridor"], size_mw=1.0)
    assert found["money_by_dual"].isna().all() and found["money_by_difference"].notna().all()
    assert any(note.startswith("no duals: a day ahead") for note in found.notes)


@pytest.mark.slow
def test_command(tmp_path: Path) -> None:
    network = str(NETWORKS / "two_province")
    arguments = ["remedies", network, "--regime", "full_market", "--remedy", "corridor", "--size",
                 "1", "--out", str(tmp_path / "out")]  # fmt: skip
    done = inside(*arguments, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert "6960.000" in done.stdout.replace(",", "")
    table = pd.read_parquet(tmp_path / "out" / "remedies.parquet")
    assert list(table) == ["regime", *COLUMNS]
    record = json.loads((tmp_path / "out" / "record.json").read_text())
    assert record["remedies"]["points"] == 0.1
    again = inside(*arguments, "--json", "--quiet", cwd=tmp_path)
    assert json.loads(again.stdout)["money_by_dual"] == pytest.approx(6960.0)


def test_command_says_all_that_is_wrong(tmp_path: Path) -> None:
    network = str(NETWORKS / "two_province")
    done = inside("remedies", network, "--regime", "x", "--remedy", "y", "--size", "-1",
                  cwd=tmp_path)  # fmt: skip
    assert done.returncode == 2
    assert "size_mw" in done.stderr and "'x'" in done.stderr
    done = inside("remedies", network, "--remedy", "y", "--where", "z", cwd=tmp_path)
    assert done.returncode == 2 and "'y'" in done.stderr and "'z'" in done.stderr
    assert not (tmp_path / "results").exists()


def test_kinds_are_documented() -> None:
    assert all(find.__doc__ for find in REMEDIES.values())
