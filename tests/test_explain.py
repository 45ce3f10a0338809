"""Why energy is curtailed: shares that add up, checked by hand."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pypsa
import pytest
from conftest import NETWORKS
from shell import inside
from toys import add_rows, one_bus, random_network

import powermkt as pm
from powermkt.analysis.counterfactuals import Counterfactuals
from powermkt.engine.causes import CAUSES, Cause, chosen_causes
from powermkt.errors import Fault
from powermkt.inputs.market import Carriers, Market
from powermkt.methods.shapley import interaction_index, shapley_bounds, shapley_values
from powermkt.rules import ElectricBoilers, Obligation
from powermkt.studies.explain import COLUMNS, SURPLUS
from powermkt.system.heat import with_boilers


def _game(n: int, worth) -> np.ndarray:  # type: ignore[no-untyped-def]
    """Worth of every coalition, given a function of the set of its members."""
    return np.array([worth({i for i in range(n) if s >> i & 1}) for s in range(1 << n)], float)


# ---- the shares themselves -------------------------------------------------------------------


def test_glove_game() -> None:
    """Players 0 and 1 have a left glove, 2 a right one; a pair is worth 1: 1/6, 1/6, 2/3."""
    pairs = _game(3, lambda s: min(len(s & {0, 1}), len(s & {2})))
    assert shapley_values(pairs) == pytest.approx([1 / 6, 1 / 6, 2 / 3])


def test_airport_game() -> None:
    """Runways of 1, 2, 3: the first part shared by three, the next by two, the last by one."""
    cost = _game(3, lambda s: max(s, default=-1) + 1)
    assert shapley_values(cost) == pytest.approx([1 / 3, 1 / 3 + 1 / 2, 1 / 3 + 1 / 2 + 1])


def test_interactions_of_players_who_need_or_replace_each_other() -> None:
    """Worth 1 where 0 and 1 are both there: I_01 = 1. Where one of them suffices: I_01 = -1.

    The glove game: right and left need each other, I_02 = 1/2 (1 - 0) + 1/2 (1 - 1) = 1/2;
    the left ones replace each other, I_01 = 1/2 (0) + 1/2 (1 - 1 - 1 + 0) = -1/2. Of four players
    three needed: I_01 counts {2} by 1! 1! / 3! and {2, 3} by 2! 0! / 3!, 1/6 + 1/3.
    """
    both = interaction_index(_game(3, lambda s: {0, 1} <= s))
    assert both == pytest.approx(np.array([[0, 1, 0], [1, 0, 0], [0, 0, 0]]))
    one = interaction_index(_game(2, lambda s: len(s) > 0))
    assert one == pytest.approx(np.array([[0, -1], [-1, 0]]))
    gloves = interaction_index(_game(3, lambda s: min(len(s & {0, 1}), len(s & {2}))))
    assert gloves[0, 1] == pytest.approx(-0.5) and gloves[0, 2] == pytest.approx(0.5)
    three = interaction_index(_game(4, lambda s: {0, 1, 2} <= s))
    assert three[0, 1] == pytest.approx(0.5) and three[0, 3] == 0


def test_shares_of_games_side_by_side_add_up_and_lie_within_bounds() -> None:
    rng = np.random.default_rng(1)
    worth = rng.normal(size=(16, 3, 2))
    share = shapley_values(worth)
    assert share.shape == (4, 3, 2)
    assert share.sum(axis=0) == pytest.approx(worth[-1] - worth[0])
    low, high = shapley_bounds(worth - 0.1, worth + 0.2)
    # Weights of the coalitions with and without a player sum to 1 each: 0.1 + 0.2 either way.
    assert low == pytest.approx(share - 0.3) and high == pytest.approx(share + 0.3)
    with pytest.raises(ValueError, match="3 coalitions"):
        shapley_values(np.zeros(3))


# ---- worked cases ----------------------------------------------------------------------------

# Two provinces, wind curtailed in MWh a day with causes relaxed (F flexibility, N network, B
# barrier, D dispatch rule), under equal shares with a plan of 65 % for N1 and N2 = 15,600 MWh:
# tie held to +100: North generates 18,000 whatever its minima, so wind gets 2,400 of 7,200 (4,800
#   lost; also F, N, FN). With D coal is at 500 by night: 600 - 500 = 100 of 400 are used (3,600
#   lost; also ND); with FD none is lost.
# tie free within 300 (B): by night 500 + 300 - 500 = 300 of 400 used (1,200 lost; also BD); with FB
#   coal is 400 by night and 900 by day, 12 x 1,300 = 15,600, and none is lost.
# tie without limit (NB, NBD): 500 + 400 - 500 = 400 go south by night, where S1 is at 500: none.
LOST = {
    "nothing": 4800, "flexibility": 4800, "network": 4800, "flexibility + network": 4800,
    "barrier": 1200, "dispatch_rule": 3600, "network + dispatch_rule": 3600,
    "barrier + dispatch_rule": 1200,
}  # fmt: skip
# F: 1/12 of B:1200, D:3600, ND:3600, BD:1200. N: 1/12 of B:1200, BD:1200.
# B: 1/4 of 3600, 1/12 of F:4800, N:4800, D:2400, FN:4800, ND:3600.
# D: 1/4 of 1200, 1/12 of F:4800, N:1200, FN:4800.
SHARES = {"flexibility": 800, "network": 200, "barrier": 2600, "dispatch_rule": 1200, SURPLUS: 0}


@pytest.fixture(scope="module")
def equal_shares(two_province: pm.Case) -> pm.Explanation:
    return pm.explain_curtailment(two_province, "fixed_tariff", interactions=True)


def test_two_provinces_under_equal_shares(equal_shares: pm.Explanation) -> None:
    found = equal_shares
    lost = found.combinations.set_index("relaxed")["curtailment_mwh"]
    assert len(lost) == 16 and not len(found.failed)
    for relaxed, value in lost.items():
        assert value == pytest.approx(LOST.get(str(relaxed), 0.0), abs=1e-6), relaxed
    assert list(found.table.columns) == list(COLUMNS)
    assert set(found["province"]) == {"North"} and set(found["month"]) == {"2022-01"}
    share = found.table.set_index("cause")["mwh"]
    for cause, value in SHARES.items():
        assert share[cause] == pytest.approx(value, abs=1e-6), cause
    assert share.sum() == pytest.approx(4800, abs=1e-9)
    assert set(found["total"]) == {found.run.curtailment["curtailment_mwh"].sum()}
    assert found.by_cause.loc["barrier", "share"] == pytest.approx(2600 / 4800)
    assert found.by_province.loc["North", "total"] == pytest.approx(4800)
    # With everything relaxed: 12 (1,400 + 2,200) = 43,200 MWh of load, 7,200 of wind, then 12,000
    # MWh each of N1, N2 and S1: 12,000 (240 + 300 + 360).
    cost = found.combinations.set_index("relaxed")["cost"]
    assert cost["nothing"] == pytest.approx(13_860_000)
    assert cost["dispatch_rule"] == pytest.approx(13_464_000)
    assert cost["barrier + dispatch_rule"] == pytest.approx(12_036_000)
    assert cost[" + ".join(list(SHARES)[:-1])] == pytest.approx(10_800_000)


def test_interactions_of_two_provinces(equal_shares: pm.Explanation) -> None:
    """Pairs count (w(both) - w(one) - w(other) + w(neither)) by 1/3 alone, 1/6 beside one, 1/3 all.

    F and D, w what is avoided: alone 4800 - 0 - 1200 + 0 = 3600; beside N 4800 - 0 - 1200 + 0 =
    3600; beside B 4800 - 4800 - 3600 + 3600 = 0; beside both 0: 1/3 3600 + 1/6 3600 = 1800.
    """
    assert equal_shares.interactions is not None
    pairs = equal_shares.interactions.set_index(["cause", "other"])["mwh"]
    assert len(pairs) == 6
    assert pairs["flexibility", "dispatch_rule"] == pytest.approx(1800, abs=1e-6)
    assert pairs["network", "dispatch_rule"] == pytest.approx(0, abs=1e-6)


def test_results_are_written_with_a_figure(equal_shares: pm.Explanation, tmp_path: Path) -> None:
    folder = equal_shares.to_parquet(tmp_path / "why")
    table = pd.read_parquet(folder / "causes.parquet")
    assert table["mwh"].sum() == pytest.approx(4800) and set(table["regime"]) == {"fixed_tariff"}
    assert {"combinations.csv", "interactions.csv"} <= {path.name for path in folder.iterdir()}
    assert "barrier" in (folder / "causes.html").read_text(encoding="utf-8")
    record = json.loads((folder / "record.json").read_text())
    assert list(record["causes"]["fixed_tariff"]) == list(SHARES)[:-1]
    bars = equal_shares.figure().data
    assert [bar.name for bar in bars] == list(SHARES)
    assert list(bars[2].y) == pytest.approx([2.6])  # GWh


def _three_provinces() -> pypsa.Network:
    """Wind of A goes to B over a tie of 80 MW and on to C over one of 40.

    A: wind 200, coal at least 20 MW, load 50. B: gas, load 60, then 20. C: gas, load 100. The last
    hour of January and the first of February, each for two hours.
    """
    n = pypsa.Network()
    n.set_snapshots(pd.DatetimeIndex(["2022-01-31 23:00", "2022-02-01 00:00"]))
    for column in ("objective", "generators"):
        n.snapshot_weightings[column] = 2.0
    n.add("Carrier", ["coal", "gas", "onshore wind", "AC"])
    n.add("Bus", ["A", "B", "C"], carrier="AC")
    rows = {
        "wind": {"bus": "A", "carrier": "onshore wind", "p_nom": 200.0},
        "coal": {"bus": "A", "carrier": "coal", "p_nom": 100.0, "marginal_cost": 300.0,
                 "p_min_pu": 0.2},
        "gas B": {"bus": "B", "carrier": "gas", "p_nom": 200.0, "marginal_cost": 500.0},
        "gas C": {"bus": "C", "carrier": "gas", "p_nom": 200.0, "marginal_cost": 600.0},
    }  # fmt: skip
    add_rows(n, "Generator", rows)
    n.add("Load", ["a", "c"], bus=["A", "C"], p_set=[50.0, 100.0])
    n.add("Load", "b", bus="B", p_set=[60.0, 20.0])
    n.add("Link", ["ab", "bc"], bus0=["A", "B"], bus1=["B", "C"], p_nom=[80.0, 40.0], carrier="AC")
    return n


@pytest.mark.slow
def test_three_provinces_in_two_months() -> None:
    """Wind is lost, in MW: 200 - (50 + min(80, B + 40) - 20) at first.

    January (B 60): nothing relaxed 90; flexibility (coal 0) 70; network (all loads)
    200 - (210 - 20) = 10; both 0. Shares (20 + 10) / 2 = 15 and (80 + 70) / 2 = 75, interaction
    90 - 20 - 80 = -10. February (B 20): 200 - (50 + 60 - 20) = 110; 90; 200 - (170 - 20) = 50; both
    30, which nobody can use. Shares 20 and 60, interaction 80 - 20 - 60 = 0. Two hours each.
    """
    found = pm.explain_curtailment(
        pm.Case(_three_provinces()),
        "full_market",
        causes=["flexibility", "network"],
        interactions=True,
    )
    share = found.table.set_index(["month", "cause"])
    for month, values in {"2022-01": (15, 75, 0, 90), "2022-02": (20, 60, 30, 110)}.items():
        for cause, value in zip(("flexibility", "network", SURPLUS), values[:3], strict=True):
            assert share["mwh"][month, cause] == pytest.approx(2 * value, abs=1e-6)
            assert share["total"][month, cause] == pytest.approx(2 * values[3], abs=1e-6)
    assert found["mwh"].sum() == pytest.approx(found.run.curtailment["curtailment_mwh"].sum())
    assert found.interactions is not None
    assert found.interactions["mwh"].tolist() == pytest.approx([-20, 0], abs=1e-6)


# ---- causes of one's own ---------------------------------------------------------------------


def _two_units() -> pm.Case:
    """Coal must give 30 MW and gas 15, load is 50, wind has 25 and may give 5."""
    n = one_bus([50.0])
    n.generators.loc[["coal", "gas"], "p_min_pu"] = [0.3, 0.15]
    return pm.Case(n)


def _free(unit: str, least: float = 0.0) -> Cause:
    def relax(case: pm.Case, regime: pm.Regime) -> tuple[pm.Case, pm.Regime]:
        n = case.network()
        n.generators.loc[unit, "p_min_pu"] = least
        return case._with(n, case.windows), regime

    return Cause(f"{unit} must run", relax)


@pytest.mark.slow
def test_like_causes_have_like_shares_and_a_cause_of_nothing_has_none() -> None:
    """Coal must give 30 MW and gas 15: wind gives 50 - 45 = 5 of 25 MW. Each may fall by 15.

    Lost 20; with either at 15 less 5; with both 0: (15 + 5) / 2 = 10 each. A cause that changes
    nothing, and one that gives back an equal copy, are cleared no second time and have no share.
    """
    causes = [
        _free("coal", 0.15),
        Cause("nothing", lambda case, regime: (case, regime)),
        _free("gas"),
        Cause("copy", lambda case, regime: (case.with_market(case.market), regime)),
    ]
    cells = []
    found = pm.explain_curtailment(
        _two_units(), "full_market", causes=causes, progress=lambda *now: cells.append(now[:2])
    )
    share = found.table.set_index("cause")["mwh"]
    assert share["coal must run"] == pytest.approx(10, abs=1e-9)
    assert share["gas must run"] == pytest.approx(share["coal must run"], abs=1e-9)
    assert share["nothing"] == 0 and share["copy"] == 0
    assert share.sum() == pytest.approx(20, abs=1e-9)
    assert cells[-1] == (4, 4)  # of 16 combinations


@pytest.mark.slow
def test_a_counterfactual_that_cannot_be_cleared_is_named_and_the_rest_reported() -> None:
    """With 500 MW more load nothing meets it; with gas free as well the cause refuses itself."""

    def dark(case: pm.Case, regime: pm.Regime) -> tuple[pm.Case, pm.Regime]:
        n = case.network()
        if not n.generators.loc["gas", "p_min_pu"]:
            raise pm.InputError([Fault("dark", "cannot be relaxed", "leave it")])
        n.loads_t["p_set"] = n.loads_t["p_set"] + 500.0
        return case._with(n, case.windows), regime

    causes = [_free("gas"), Cause("dark", dark)]
    found = pm.explain_curtailment(_two_units(), "full_market", causes=causes)
    assert found.failed["relaxed"].tolist() == ["dark", "gas must run + dark"]
    assert "load cannot be served in A" in found.failed["message"][0]
    assert found.failed["message"][1] == "dark: cannot be relaxed -> leave it"
    assert [cause.name for cause in found.causes] == ["gas must run"]
    assert found.table.set_index("cause")["mwh"].to_dict() == pytest.approx(
        {"gas must run": 15, SURPLUS: 5}
    )
    assert len(found.combinations) == 2
    assert any("first with dark relaxed" in note for note in found.notes)
    assert any("without dark" in note for note in found.notes)


def test_failures_without_a_common_cause_leave_no_shares(equal_shares: pm.Explanation) -> None:
    causes = [CAUSES[name] for name in ("flexibility", "network", "barrier")]
    found = Counterfactuals(causes, equal_shares.run, failed={0b011: "", 0b111: ""})
    assert found.complete() == [0, 2]  # both are in all of them: the last is left out
    found.failed = {0b001: "", 0b010: ""}
    assert found.complete() is None


# ---- what is relaxed -------------------------------------------------------------------------


def test_flexibility_frees_plant_and_keeps_the_cost_of_no_load() -> None:
    """Coal is a fleet: 4 units, 2,000 an hour each on 100 MW: 80 per MWh. Gas is a unit.

    Its curve is 40 MW at 0, 40 at 5, 20 at 60, and 800 an hour while on: mean costs 20,
    (800 + 200) / 80 = 12.5 and (800 + 200 + 1,200) / 100 = 22: up to 80 MW every MWh costs 12.5.
    Ramps reach what a start may jump to.
    """
    n = one_bus([100.0])
    n.generators.loc["coal", ["min_stable_pu", "units", "stand_by_cost"]] = [0.4, 4, 2000.0]
    n.generators.loc["coal", ["ramp_limit_up", "ramp_limit_down"]] = [0.1, 0.5]
    n.generators.loc["gas", ["committable", "stand_by_cost", "p_min_pu"]] = [True, 800.0, 0.4]
    n.generators.loc["gas", ["ramp_limit_up", "ramp_limit_start_up"]] = [0.2, 0.6]
    curve = pd.DataFrame({"p_pu": [0.4, 0.8, 1.0], "marginal_cost": [0.0, 5.0, 60.0]})
    n.c.generators.piecewise["marginal_cost"] = pd.concat({"gas": curve}, axis=1)
    case = pm.Case(n)
    assert len(case.ladders) == 3
    regime = pm.regime("full_market")
    free, rules = CAUSES["flexibility"].relax(case, regime)
    table = free.generators
    assert not table["committable"].any() and not table["min_stable_pu"].any()
    assert not free.must_run.to_numpy().any()
    assert table.loc[["coal", "gas"], "ramp_up"].tolist() == [0.4, 0.6]
    assert table.loc["coal", "ramp_down"] == 0.5
    assert free.dense("Generator", "marginal_cost").loc[:, "coal"].tolist() == [380.0]
    assert free.ladders["price"].tolist() == pytest.approx([12.5, 12.5, 60.0])
    assert "DeepPeakOffers" not in [type(rule).__name__ for rule in rules.rules]
    assert case.generators.loc["coal", "min_stable_pu"] == 0.4  # what was given stays
    again = CAUSES["flexibility"].relax(free, rules)
    assert again == (free, rules)


def _windy(least: float) -> pypsa.Network:
    """Coal at least at a share of 100 MW, gas, wind of 30 MW, loads of 60 and 100."""
    n = one_bus([60.0, 100.0])
    n.generators.loc["coal", "p_min_pu"] = least
    n.generators.loc["wind", "p_nom"] = 60.0
    return n


def test_heat_that_boilers_replace_goes_with_flexibility() -> None:
    """Coal must run at 50, or at less where boilers of 60 MW run; without heat it gives 30 and 70.

    Hour 1: it would give 40, and boilers take 10: (40 + 70) x 300 = 33,000 against 30,000.
    """
    case = with_boilers(pm.Case(_windy(0.5), Market(carriers=Carriers(heat=["coal"]))), "A", 60, 1)
    base = pm.regime("full_market")
    rules = replace(base, rules=(*base.rules, ElectricBoilers(replaced=1.0)))
    assert pm.clear(case, rules).objective == pytest.approx(33_000)
    run = pm.clear(*CAUSES["flexibility"].relax(case, rules))
    assert run.objective == pytest.approx(30_000)
    assert run.dispatch["electric boiler A"].abs().max() == pytest.approx(0, abs=1e-6)


def test_curtailment_beside_an_obligation() -> None:
    """A cap of 90 t at 0.9 and 0.4: coal 40 and 52, gas 18, 10 of wind lost since coal gives 40.

    92 x 300 + 18 x 500 = 36,600; at will coal gives 30 and 70, 90 t. At 400 a tonne gas is as dear.
    """
    base = pm.regime("full_market")
    cap = Obligation(name="co2", target=90.0)
    item = pm.explain_curtailment(
        pm.Case(_windy(0.4)), replace(base, rules=(*base.rules, cap)), causes=["flexibility"]
    )
    assert item.by_cause["total"].tolist() == pytest.approx([10, 0], abs=1e-4)
    assert item.combinations["minimised"].tolist() == pytest.approx([36_600, 30_000])
    assert item.run.obliged is not None and item.run.obliged.gap <= 1e-4
    assert item.run.obliged.prices["co2"] == pytest.approx(400)
    assert any("within" in note for note in item.notes)


def test_the_network_keeps_its_directions_and_what_is_no_line() -> None:
    n = _three_provinces()
    n.add("Carrier", "H2")
    n.add("Bus", "h2", carrier="H2")
    n.add("Link", ["back", "electrolyser", "none"], bus0="A", bus1=["B", "h2", "C"],
          p_nom=[10.0, 5.0, 0.0], p_min_pu=[-1.0, 0.0, 0.0], p_max_pu=[0.0, 1.0, 1.0])  # fmt: skip
    n.add("Load", "h", bus="h2", p_set=1.0)
    n.add("Line", "line", bus0="A", bus1="B", x=0.1, s_nom=20.0, s_max_pu=0.7)
    free, _ = CAUSES["network"].relax(pm.Case(n), pm.regime("full_market"))
    links, line = free._n.links, free._n.lines.loc["line"]
    assert (links.loc[["ab", "bc", "back"], "p_nom"] > 600).all()  # all there is to send
    assert links.loc[["electrolyser", "none"], "p_nom"].tolist() == [5.0, 0.0]
    assert links.loc[["ab", "back"], "p_max_pu"].tolist() == [1.0, 0.0]
    assert links.loc[["ab", "back"], "p_min_pu"].tolist() == [0.0, -1.0]
    assert line["s_nom"] > 600 and line["s_max_pu"] == 1.0
    product = {"kind": "spinning", "requirements": [{"largest_infeed": 1}], "shortage": 100}
    market = pm.Market.model_validate({"services": {"products": {"held": product}}})
    with pytest.raises(pm.InputError, match="largest infeed without limits of links has no size"):
        CAUSES["network"].relax(pm.Case(n, market), pm.regime("full_market"))


def test_what_is_not_there_is_not_relaxed(two_province: pm.Case) -> None:
    """The same objects come back, so that nothing is cleared twice."""
    market = pm.regime("full_market")
    for name in ("barrier", "dispatch_rule", "quota", "reserves", "ramping"):
        case, regime = CAUSES[name].relax(two_province, market)
        assert case is two_province and regime is market, name
    tariff = pm.regime("fixed_tariff")
    _, free = CAUSES["quota"].relax(two_province, tariff)
    rule = free.rules[0]
    assert isinstance(rule, pm.rules.EqualShares) and rule.commitment == "fixed"
    assert rule.band == 1 and rule.load_factor == {}
    _, free = CAUSES["dispatch_rule"].relax(*CAUSES["barrier"].relax(two_province, tariff))
    assert [type(rule).__name__ for rule in free.rules[:2]] == ["MeritOrder", "Coupled"]
    assert free.carbon == tariff.carbon
    alone = pm.Case(one_bus([1.0]))
    for name in ("network", "flexibility"):
        assert CAUSES[name].relax(alone, market) == (alone, market)


# ---- bad input -------------------------------------------------------------------------------


def test_nothing_curtailed_is_said() -> None:
    case = pm.Case(one_bus([50.0]))
    found = pm.explain_curtailment(case, "full_market", causes=["barrier", "dispatch_rule"])
    assert (found["mwh"] == 0).all() and (found.by_cause["share"] == 0).all()
    assert found.notes == ["nothing is curtailed under full_market"]


def test_faults_are_told_at_once() -> None:
    n = one_bus([50.0])
    n.remove("Generator", "wind")
    with pytest.raises(pm.InputError) as caught:
        pm.explain_curtailment(
            pm.Case(n), "full_market", -5.0, causes=["barier", "network", "network"]
        )
    text = str(caught.value)
    for part in ("'barrier'", "given twice", "-5.0 is negative", "no wind, solar or hydro"):
        assert part in text
    with pytest.raises(pm.InputError, match="none given"):
        chosen_causes([])


def test_command_names_unknown_causes(tmp_path: Path) -> None:
    done = inside(
        "explain", str(NETWORKS / "two_province"), "--cause", "curtail", "--regime", "ful_market",
        cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert "unknown cause 'curtail'" in done.stderr and "'full_market'" in done.stderr
    assert not (tmp_path / "results").exists()


# ---- longer ----------------------------------------------------------------------------------


@pytest.mark.slow
def test_command_prints_and_writes(tmp_path: Path) -> None:
    command = ["explain", str(NETWORKS / "two_province"), "--cause", "flexibility", "--cause",
               "network", "--regime", "priority_dispatch", "--regime", "full_market"]  # fmt: skip
    done = inside(*command, "--interactions", "--ranges", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert "full_market: curtailed by cause" in done.stdout and "interaction" in done.stdout
    folder = tmp_path / "results" / "two_province-explain"
    table = pd.read_csv(folder / "causes.csv")
    assert table.groupby("regime")["mwh"].sum().to_dict() == pytest.approx(
        {"priority_dispatch": 3600, "full_market": 1200}
    )
    # Each of both avoids all of the 1,200 MWh: half each, and one would do.
    market = table[table["regime"] == "full_market"].set_index("cause")
    assert market["mwh"].to_dict() == pytest.approx(
        {"flexibility": 600, "network": 600, SURPLUS: 0}, abs=1e-6
    )
    assert np.allclose(market["low"], market["mwh"]) and np.allclose(market["high"], market["mwh"])


@pytest.mark.slow
def test_ranges_where_it_is_not_settled_whose_wind_is_lost() -> None:
    """Two wind farms at one price, joined by a free tie: 30 of 80 MW are lost, of each 0 to 30.

    Must-run of 20 MW is the cause of 20 of them: in all 20, of each farm from -10 to 30, as 0 to 30
    are lost with it and 0 to 10 without.
    """
    n = pypsa.Network()
    n.set_snapshots(pd.date_range("2022-01-03", periods=1, freq="h"))
    n.add("Carrier", ["wind", "coal"])
    n.add("Bus", ["A", "B"])
    n.add("Generator", ["a", "b"], bus=["A", "B"], p_nom=40.0, carrier="wind")
    n.add("Generator", "c", bus="A", p_nom=20.0, carrier="coal", marginal_cost=100.0, p_min_pu=1.0)
    n.add("Load", ["la", "lb"], bus=["A", "B"], p_set=35.0)
    n.add("Link", "ab", bus0="A", bus1="B", p_nom=100.0, p_min_pu=-1.0)
    found = pm.explain_curtailment(
        pm.Case(n), "full_market", causes=["flexibility"], ranges=True
    )  # fmt: skip
    share = found.table.set_index(["cause", "province"])
    for province in ("A", "B"):
        row = share.loc[("flexibility", province)]
        assert (row["low"], row["high"]) == pytest.approx((-10, 30), abs=1e-6)
        assert row["low"] <= row["mwh"] <= row["high"]
    assert found.by_cause.loc["flexibility", "total"] == pytest.approx(20)


@pytest.mark.long
@pytest.mark.parametrize("seed", [1, 2])
def test_relaxing_never_raises_offered_cost_at_least_cost(seed: int) -> None:
    """Every built-in cause that bears on a market: cost with it relaxed is no more than without."""
    n = random_network(seed, hours=5, provinces=2)
    coal = n.generators.index[n.generators["carrier"] == "coal"]
    n.generators.loc[coal, "stand_by_cost"] = 500.0
    n.generators.loc[coal, ["ramp_limit_up", "ramp_limit_down"]] = 0.1
    n.generators.loc[coal[0], "p_min_pu"] = 0.3
    names = ["flexibility", "network", "ramping", "barrier"]
    found = pm.explain_curtailment(pm.Case(n), "provincial_market", causes=names)
    cost = found.combinations.set_index("relaxed")["minimised"]
    assert len(cost) == 16
    for relaxed, value in cost.items():
        held = [name for name in names if name not in str(relaxed)]
        for name in held:
            members = [i for i in names if i == name or i in str(relaxed)]
            assert cost[" + ".join(members)] <= value * (1 + 1e-9), (relaxed, name)
    by_group = found.table.groupby(["province", "carrier", "month"])
    assert np.allclose(by_group["mwh"].sum(), by_group["total"].first(), rtol=0, atol=1e-9)
