"""What enters under each regime: by hand, against PyPSA's own expansion, and bad input."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from shell import inside
from toys import one_bus

import powermkt as pm
from powermkt.engine.regime import presets, regime
from powermkt.inputs.finance import annuity, earnings
from powermkt.run import Run
from powermkt.studies.candidates import EntryPlan
from powermkt.studies.entrants import shared_alike, with_entrants
from powermkt.studies.equilibrium import find_entry
from powermkt.studies.expansion import why_not

# A life of one year at a rate of 0: the annuity is the cost to build.
ONE_YEAR = {"life": 1.0, "hurdle_rate": 0.0}
BASE = {
    "carrier": "coal", "province": "A", "availability": 1.0, "marginal_cost": 300.0,
    "emission_rate": 0.9, "capital_cost": 700_000.0, **ONE_YEAR,
}  # fmt: skip
MERIT = {
    "name": "tariffs",
    "dispatch": {"rule": "MeritOrder"},
    "trade": {"rule": "Coupled"},
    "pricing": {"rule": "BenchmarkTariff"},
}


def peaking(load: list[float]) -> pm.Case:
    """Gas 200 MW at 500 and wind of 25 MW that is there always; four snapshots are a year."""
    n = one_bus(load, 2190.0)
    n.remove("Generator", "coal")
    n.generators.loc["gas", "p_nom"] = 200.0
    return pm.Case(n)


def test_annuity() -> None:
    """1,000 at 10 % over two years: 1,000 / (1/1.1 + 1/1.21) = 576.19; its IRR is the rate."""
    assert annuity(1000.0, 2.0, 0.1) == pytest.approx(576.190476)
    assert annuity(1000.0, 4.0, 0.0) == pytest.approx(250.0)
    cash = annuity(1000.0, 7.5, 0.08)
    found = earnings(*(np.array([x]) for x in (1000.0, cash, 7.5, 0.08)))
    assert found.irr == pytest.approx(0.08, abs=1e-9)
    assert found.npv == pytest.approx(0.0, abs=1e-6)


@pytest.mark.long
def test_screening_curve() -> None:
    """Base plant saves 200 CNY/MWh of gas while load net of 25 MW wind is above it.

    Net load 100, 100, 50, 150 MW, each 2,190 h. A MW up to 50 saves 4 x 2,190 x 200 = 1,752,000,
    one of 50 to 100 saves 1,314,000, one of 100 to 150 saves 438,000: at 700,000 a year 100 MW
    enter. Cost: 350 MW x 2,190 h x 300 + 50 x 2,190 x 500 = 284.7 m, and 70 m of capital.
    """
    plan = {"candidates": {"base": BASE, "dear": BASE | {"capital_cost": 800_000.0}}}
    study = pm.entry(peaking([125, 125, 75, 175]), ["full_market"], plan)
    row = study.entry.iloc[0]
    assert study.entry["entry_mw"][1] == 0.0  # of the same, at 100,000 a year more
    assert study.entry["excess"][1] == pytest.approx(-100_000.0)
    assert row["entry_mw"] == pytest.approx(100.0, rel=1e-6)
    assert (row["state"], study.convergence["method"][0]) == ("interior", "joint")
    # By the ledger, at the prices of the joint optimum, it earns just its annuity.
    assert row["revenue"] - row["variable_cost"] == pytest.approx(700_000.0, rel=1e-6)
    assert row["irr"] == pytest.approx(0.0, abs=1e-6)
    assert study.system["total_cost"][0] == pytest.approx(284.7e6 + 70e6, rel=1e-6)
    price = study.runs[0].prices["A"].to_numpy()
    assert price[[2, 3]] == pytest.approx([300.0, 500.0])
    assert price[:2].sum() == pytest.approx(600.0 + (700_000 - 438_000) / 2190)


@pytest.mark.slow
def test_joint_optimum_is_that_of_pypsa() -> None:
    """Base, wind and a battery under an auctioned carbon price, in two windows and in PyPSA."""
    load = [125, 125, 75, 175, 60, 140]
    n = one_bus(load, 1460.0)
    n.remove("Generator", "coal")
    n.generators.loc["gas", "p_nom"] = 200.0
    n.generators_t["p_max_pu"]["wind"] = [0.2, 0.9, 0.5, 0.1, 0.8, 0.4]
    plan = {
        "candidates": {
            "base": BASE | {"fixed_om": 10_000.0, "potential": 60.0},
            "more wind": {"carrier": "onshore wind", "province": "A", "capital_cost": 1.5e6,
                          **ONE_YEAR},
            "battery": {"carrier": "battery", "province": "A", "hours": 1.5, "efficiency": 0.81,
                        "capital_cost": 100_000.0, **ONE_YEAR},
        }
    }  # fmt: skip
    study = pm.entry(pm.Case(n), ["full_market_auction"], plan, [60.0])

    m = n.copy()
    m.generators["marginal_cost"] += 60.0 * m.generators["emission_rate"]
    m.add("Generator", "base", bus="A", p_nom_extendable=True, p_nom_max=60.0,
          marginal_cost=354.0, capital_cost=710_000.0)  # fmt: skip
    m.add("Generator", "more wind", bus="A", p_nom_extendable=True, capital_cost=1.5e6,
          p_max_pu=m.generators_t["p_max_pu"]["wind"])  # fmt: skip
    m.add("StorageUnit", "battery", bus="A", p_nom_extendable=True, capital_cost=100_000.0,
          max_hours=1.5, efficiency_store=0.9, efficiency_dispatch=0.9,
          cyclic_state_of_charge=True)  # fmt: skip
    m.optimize(solver_name="highs", log_to_console=False, include_objective_constant=False)
    built = pd.concat([m.generators["p_nom_opt"], m.storage_units["p_nom_opt"]])
    entry = study.entry.set_index("candidate")
    assert entry["entry_mw"].to_numpy() == pytest.approx(built[entry.index].to_numpy(), abs=1e-4)
    assert (entry["entry_mw"] > 1).sum() >= 2  # the test is of something
    total = study.system["total_cost"][0] + 60.0 * study.system["emissions_t"][0]
    assert total == pytest.approx(m.objective, rel=1e-7)
    assert study.runs[0].prices["A"].to_numpy() == pytest.approx(
        m.buses_t["marginal_price"]["A"].to_numpy(), abs=1e-4
    )
    inside = entry[entry["state"] == "interior"]
    assert (inside["excess"].abs() <= 1e-6 * inside["yearly_cost"]).all()
    assert (entry.loc[entry["state"] == "potential", "excess"] >= 0).all()


@pytest.mark.slow
def test_windows_share_capacity() -> None:
    """Without storage two windows come to what `test_screening_curve` finds in one."""
    case = peaking([125, 125, 75, 175])
    parts = {"first": case.snapshots[:2], "second": case.snapshots[2:]}
    split = pm.Case(case.network(), windows=parts)
    found = pm.entry(split, ["full_market"], {"candidates": {"base": BASE}}, workers=1)
    assert found.entry["entry_mw"][0] == pytest.approx(100.0, rel=1e-6)
    assert found.entry["excess"][0] == pytest.approx(0.0, abs=1.0)
    assert found.system["total_cost"][0] == pytest.approx(284.7e6 + 70e6, rel=1e-6)


@pytest.mark.long
def test_fixed_point_of_the_market_is_the_joint_optimum() -> None:
    """Revenue jumps at 100 MW, from 1,314,000 to 438,000: a mix of both is the annuity."""
    plan = {"candidates": {"base": BASE}, "method": "fixed_point"}
    study = pm.entry(peaking([125, 125, 75, 175]), ["full_market"], plan)
    row, how = study.entry.iloc[0], study.convergence.iloc[0]
    assert (how["method"], bool(how["converged"])) == ("fixed point", True)
    assert row["entry_mw"] == pytest.approx(100.0, abs=2 * 0.002 * 175)
    assert [row["excess_high"], row["excess_low"]] == pytest.approx([614_000.0, -262_000.0])
    assert row["excess"] == pytest.approx(0.0, abs=700.0)
    assert study.system["total_cost"][0] == pytest.approx(284.7e6 + 70e6, rel=1e-3)


@pytest.mark.slow
def test_tariff_by_hand() -> None:
    """Wind at 400 CNY/MWh shares curtailment with wind that stands there.

    50 + x MW could give half of that, load is 100 MW: of 0.5 (50 + x) MW 100 are used. One MW earns
    400 x 8,760 x 0.5 x 200 / (50 + x), its yearly cost is 876,000: 50 + x = 400, x = 350.
    """
    n = one_bus([100.0, 100.0], 4380.0)
    n.generators["tariff"] = 400.0
    wind = {"carrier": "onshore wind", "province": "A", "capital_cost": 876_000.0, **ONE_YEAR}
    dear = wind | {"capital_cost": 1_800_000.0}  # more than 400 x 4,380 = 1,752,000
    study = pm.entry(pm.Case(n), [MERIT], {"candidates": {"wind 2": wind, "dear": dear}})
    entry = study.entry.set_index("candidate")
    assert study.convergence["converged"].all()
    assert entry.loc["wind 2", "entry_mw"] == pytest.approx(350.0, rel=2e-3)
    assert entry.loc["wind 2", "excess"] == pytest.approx(0.0, abs=876.0)
    assert (entry.loc["dear", "entry_mw"], entry.loc["dear", "state"]) == (0.0, "none")
    assert study.system["curtailment_rate"][0] == pytest.approx(0.5, rel=2e-3)


def searched(
    excess: object, potential: list[float | None], iterations: int = 120
) -> tuple[np.ndarray, bool]:
    """Entry where one MW earns a yearly cost of 1 and an excess that is a function of capacity."""
    names = [f"c{i}" for i in range(len(potential))]
    plan = EntryPlan.model_validate(
        {"candidates": {
            name: BASE | {"capital_cost": 1.0} | ({} if most is None else {"potential": most})
            for name, most in zip(names, potential, strict=True)
        }, "iterations": iterations}
    )  # fmt: skip

    def clear(size: pd.Series) -> object:
        earned = (1.0 + excess(size.to_numpy())) * size  # type: ignore[operator]
        accounts = pd.DataFrame({"receipts": earned, "resource_cost": 0.0}, size.index)
        return SimpleNamespace(accounts=accounts, case=SimpleNamespace(weights=pd.Series([8760.0])))

    case = SimpleNamespace(dense=lambda *_: pd.DataFrame([[1000.0]]))
    found = find_entry(case, plan, clear)  # type: ignore[arg-type]
    return found.capacity.to_numpy(), found.converged


def test_search_finds_complementary_solution() -> None:
    """Of a linear excess a - B x: inside, at none, at the potential.

    x = (40, 0, 50): a - B x = (0, -0.2, 0.7) with a = (0.9, 0.1, 1.2), 0.01 x each own and 0.01 x
    the first on the others.
    """
    matrix = np.array([[0.01, 0.0, 0.01], [0.0, 0.01, 0.006], [0.0, 0.0, 0.01]])
    found, converged = searched(
        lambda x: np.array([0.9, 0.1, 1.2]) - matrix @ x, [100.0, None, 50.0]
    )
    assert converged
    assert found == pytest.approx([40.0, 0.0, 50.0], abs=0.3)


@given(seed=st.integers(0, 10_000), count=st.integers(1, 4))
def test_search_meets_the_conditions(seed: int, count: int) -> None:
    """Of an excess that falls with what enters of all: inside none, at none not above 0."""
    rng = np.random.default_rng(seed)
    root = rng.normal(size=(count, count))
    slope = (root @ root.T / count + 0.2 * np.eye(count)) / 200.0
    height = rng.uniform(-0.5, 1.0, count)
    found, converged = searched(lambda x: height - slope @ x, [None] * count)
    assert converged
    excess = height - slope @ found
    inside = found > 0
    # The trial of 2 MW of what does not enter moves others' excess by no more than that.
    tolerance = 2e-3 + 2.0 * count * np.abs(slope).max()
    assert np.abs(excess[inside]).max(initial=0.0) <= tolerance
    assert excess[~inside].max(initial=-1.0) <= tolerance


def test_search_follows_ridges() -> None:
    """Welfare min(x, y) + min(x, 300 - x) / 10 - 0.2 x - 0.2 y ... peaks at a corner of a ridge.

    Its slopes jump at x = y and at x = 300: up to 300 both together bring 1 - 0.4 + 0.1 > 0, beyond
    only 1 - 0.4 - 0.7 < 0; each alone is worth nothing or less.
    """

    def slope(x: np.ndarray) -> np.ndarray:
        both = np.array([0.8, -0.2]) if x[0] < x[1] else np.array([-0.2, 0.8])
        return both + np.array([0.1 if x[0] < 300 else -0.7, 0.0])

    found, converged = searched(slope, [1000.0, 1000.0])
    assert converged
    assert found == pytest.approx([300.0, 300.0], abs=6.0)


def test_search_says_where_there_is_no_equilibrium() -> None:
    """An excess that is always above 0, without a limit, is no equilibrium."""
    assert not searched(lambda x: 0.5 + 0.0 * x, [None])[1]


def test_search_out_of_clearings_has_not_converged() -> None:
    """Excess jumps from 0.5 to -0.5 at 100 MW: a mix of points far apart meets the conditions."""

    def step(x: np.ndarray) -> np.ndarray:
        return np.where(x < 100.0, 0.5, -0.5)

    assert not searched(step, [1000.0], iterations=5)[1]
    found, converged = searched(step, [1000.0])
    assert converged
    assert found == pytest.approx([100.0], abs=2.0)


def test_what_earns_marginal_values_alone() -> None:
    """Rules that pay or change more than the clearing are left to the fixed point."""
    case = peaking([125.0])
    more: list[dict[str, object]] = [
        {"ancillary": {"rule": "CapacityPayment", "rate": {"gas": 330.0}}},
        {"demand": {"rule": "ElasticDemand", "elasticity": -0.1}},
        {"carbon": [{"rule": "CarbonPrice"}, {"rule": "ImportAdjustment"}]},
        {"carbon": {"rule": "CarbonPrice", "allocation": "lump_sum"}},
        {"pricing": {"rule": "LocationalPrice", "cap": 400.0}},
        {"contract": {"rule": "MechanismPrice"}},
    ]
    for rules in more:
        item = regime({"name": "more", "extends": "full_market", **rules})
        assert why_not(case, item.at(50.0)), rules
    joint = {name for name in presets() if not why_not(case, regime(name).at(50.0))}
    assert joint == {"full_market", "full_market_auction"}


def test_built_candidates_leave_what_stands_as_it_was() -> None:
    """Tariffs by default are those of plant that stands; with a cost a corridor runs one way."""
    n = one_bus([100.0])
    n.generators["own_use"] = [0.06, 0.0, 0.0]
    n.add("Bus", "B", carrier="AC")
    n.add("Load", "B load", bus="B", p_set=[10.0])
    tie = {"origin": "A", "destination": "B", "capital_cost": 1.0, **ONE_YEAR}
    gas = {"carrier": "gas", "capital_cost": 1.0, **ONE_YEAR}
    plan = EntryPlan.model_validate({"candidates": {
        "tie": tie, "dear tie": tie | {"marginal_cost": 1.0}, "copy": gas | {"province": "A"},
        "coal 2": gas | {"carrier": "coal", "province": "A"},
        "new": BASE | {"province": "B", "marginal_cost": 600.0},
    }})  # fmt: skip
    case = pm.Case(n)
    more = with_entrants(case, plan.candidates, dict.fromkeys(plan.candidates, 1000.0))
    assert case.default_tariff == 400.0  # (100 x 300 + 100 x 500) / 200
    assert (more.generators["tariff"] == 400.0).all()
    assert (more.loads["tariff"] == 400.0).all()
    assert more.generators.loc["coal 2", "own_use"] == 0.06
    assert more._n.links["p_min_pu"].to_dict() == {"tie": -1.0, "dear tie": 0.0}
    assert (more.schedule == 0.0).all(axis=None)  # nobody planned anything


def test_like_plant_shares_by_what_it_offers() -> None:
    """Of three alike, the one with another benchmark has another offer: it does not share."""
    n = one_bus([100.0, 100.0])
    n.generators.loc[["gas", "wind"], "p_nom"] = 0.0
    for name, benchmark in (("coal 2", 0.8), ("coal 3", 0.7)):
        n.add("Generator", name, bus="A", carrier="coal", p_nom=100.0, marginal_cost=300.0,
              emission_rate=0.9, benchmark=benchmark)  # fmt: skip
    case, item = pm.Case(n), regime("full_market")
    given = pd.DataFrame({"coal": 80.0, "gas": 0.0, "wind": 0.0, "coal 2": 0.0, "coal 3": 20.0},
                         case.snapshots)  # fmt: skip

    @dataclass
    class Made:
        dispatch: pd.DataFrame

    for price, shares in ((0.0, [100 / 3, 100 / 3, 100 / 3]), (50.0, [40.0, 40.0, 20.0])):
        run = shared_alike(Run(case, item.at(price), price, Made(given)))  # type: ignore[arg-type]
        assert run.dispatch.iloc[0][["coal", "coal 2", "coal 3"]].tolist() == pytest.approx(shares)


def test_bad_input_is_told_at_once() -> None:
    case = peaking([125, 125, 75, 175])
    wrong = {
        "wind": BASE,  # stands there already
        "sun": {"carrier": "solar", "province": "A", "capital_cost": 1.0, **ONE_YEAR},
        "tie": {"origin": "A", "destination": "B", "capital_cost": 1.0, **ONE_YEAR},
        "copy": {"carrier": "gas", "province": "A", "like": "gass", "capital_cost": 1.0,
                 **ONE_YEAR},
    }  # fmt: skip
    with pytest.raises(pm.InputError) as error:
        pm.entry(case, ["full_markt"], {"candidates": wrong}, [-1.0])
    text = str(error.value)
    for part in (
        "full_markt", "candidates.wind: is in the network", "no solar in A", "candidates.tie.desti",
        "did you mean 'gas'", "candidates.sun.marginal_cost", "candidates.sun.emission_rate",
    ):  # fmt: skip
        assert part in text

    with pytest.raises(pm.InputError) as error:
        pm.entry(case, ["full_market"], {
            "candidates": {
                "a": BASE | {"capital_cost": -1.0, "life": 0.0, "colour": 1},
                "b": {"carrier": "coal", "capital_cost": 1.0, **ONE_YEAR},
                "c": BASE | {"origin": "A"},
            },
            "tolerence": 1.0,
        })  # fmt: skip
    text = str(error.value)
    for part in ("a.capital_cost", "a.life", "colour", "needs province", "did you mean 'tolerance'",
                 "a corridor has no"):  # fmt: skip
        assert part in text
    with pytest.raises(pm.InputError, match="candidates"):
        pm.entry(case, ["full_market"], {"candidates": {}})


def test_command_tells_all_faults(tmp_path: Path) -> None:
    """Regimes, provinces and carriers in one go; nothing is written."""
    network = Path(__file__).parents[1] / "networks" / "two_province"
    (tmp_path / "study.yaml").write_text(
        "regimes: [full_markt]\ncandidates:\n"
        "  x: {carrier: wind, province: Nort, capital_cost: 1, life: 20, hurdle_rate: 0.07}\n"
        "  y: {carrier: sun, province: South, capital_cost: 1, life: 20, hurdle_rate: 0.07}\n"
    )
    done = inside("invest", str(network), "--study", "study.yaml", cwd=tmp_path)
    assert done.returncode == 2
    for part in ("full_markt", "did you mean 'North'", "no sun in South"):
        assert part in done.stderr
    assert [item.name for item in tmp_path.iterdir()] == ["study.yaml"]
