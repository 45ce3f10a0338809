"""Pass-through by hour and by level of load. Arithmetic of the two-province system shown."""

from __future__ import annotations

import dataclasses
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pypsa
import pytest
from conftest import NETWORKS
from toys import add_rows, one_bus, random_case

import powermkt as pm
from powermkt.analysis.passthrough import (
    COLUMNS,
    HOURLY,
    QUANTILES,
    hourly_pass_through,
    pass_through_by_load,
)
from powermkt.analysis.regression import COLUMNS as REGRESSION
from powermkt.analysis.regression import WITHIN_HOUR, panel_of, regressions
from powermkt.common.writing import put_between_marks
from powermkt.rules import CarbonPrice, Coupled, LocationalPrice, MeritOrder
from powermkt.rules.carbon import Offsets

AUCTION, LUMP_SUM, BY_OUTPUT = (
    f"full_market, {allocation}" for allocation in ("auction", "lump_sum", "output_based")
)
NIGHT, DAY = slice(0, 12), slice(12, 24)
RATES = [name for name in COLUMNS if name.startswith("pass_through")]


def china() -> ModuleType:
    """The command of the China network."""
    spec = spec_from_file_location("china_passthrough", NETWORKS / "china" / "passthrough.py")
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    sys.modules[spec.name] = module  # its data classes look themselves up
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def study(two_province: pm.Case) -> pm.PassThroughStudy:
    """Three regimes, three ways of giving out allowances."""
    return pm.pass_through_study(two_province, china().regimes(), [0, 60], quantiles=2)


def hours(study: pm.PassThroughStudy, regime: str, province: str) -> pd.DataFrame:
    table = study.hourly
    assert list(table.columns) == list(HOURLY)
    chosen = (table["regime"] == regime) & (table["province"] == province)
    return table[chosen].set_index("snapshot")


@pytest.mark.slow
def test_every_hour_has_its_rates(study: pm.PassThroughStudy) -> None:
    """North by night: wind is marginal, nothing to divide by. By day N2 (0.95, 0.8177) under
    output-based allocation: dP = 60 (0.95 - 0.8177) = 7.938; marginal 7.938 / 57, net 1, kappa
    0.1323. South by day S2 (gas, 0.38, 0.3901): dP = -0.606, marginal -0.606 / 22.8, net 1.
    """
    north, south = (hours(study, BY_OUTPUT, name) for name in ("North", "South"))
    empty = north[["pass_through_marginal", "pass_through_net"]].iloc[NIGHT]
    assert empty.isna().all(axis=None) and north["renewable_marginal"].iloc[NIGHT].all()
    assert np.allclose(north["pass_through_rate"].iloc[NIGHT], 0, atol=1e-12)
    assert not north["renewable_marginal"].iloc[DAY].any()
    assert not south["renewable_marginal"].any()
    for table, part, change, e, b in (
        (north, DAY, 7.938, 0.95, 0.8177),
        (south, NIGHT, 0.138, 0.82, 0.8177),
        (south, DAY, -0.606, 0.38, 0.3901),
    ):
        row = table.iloc[part]
        assert np.allclose(row["price_change"], change)
        assert np.allclose(row["pass_through_marginal"], change / (60 * e))
        assert np.allclose(row["pass_through_net"], 1.0)
        assert np.allclose(row["pass_through_rate"], change / 60)
        assert np.allclose(row["marginal_emission_rate"], e)
        assert np.allclose(row["marginal_exposure"], e - b)
    assert (south["load_mw"].iloc[NIGHT] == 900).all() and (
        south["load_mw"].iloc[DAY] == 1400
    ).all()
    auction = hours(study, AUCTION, "North").iloc[DAY]
    assert np.allclose(auction["pass_through_marginal"], 1.0)


@pytest.mark.slow
def test_retail_rate_of_an_hour(study: pm.PassThroughStudy) -> None:
    """Users of South pay the price and a charge that stays: dP over the mean rate of its plant.

    Without carbon price S1 gives 600 by night and 1,000 by day, S2 100 by day: 12 (600 x 0.82 +
    1000 x 0.82 + 100 x 0.38) = 12 x 1,350 t of 12 x 1,700 MWh.
    """
    rates = hours(study, BY_OUTPUT, "South")["pass_through_retail"]
    mean = 1_350 / 1_700
    assert np.allclose(rates.iloc[NIGHT], 0.138 / (mean * 60))
    assert np.allclose(rates.iloc[DAY], -0.606 / (mean * 60))


def test_marginal_technology(study: pm.PassThroughStudy) -> None:
    north, south = (
        hours(study, BY_OUTPUT, name)["marginal_technology"] for name in ("North", "South")
    )
    assert set(north.iloc[NIGHT]) == {"onshore wind"} and set(north.iloc[DAY]) == {"coal"}
    assert set(south.iloc[NIGHT]) == {"coal"} and set(south.iloc[DAY]) == {"gas"}


def test_a_fixed_tariff_passes_exactly_nothing_on(study: pm.PassThroughStudy) -> None:
    for table in (study.rates, study.hourly, study.quantiles):
        rows = table[table["regime"].str.startswith("fixed_tariff")]
        assert len(rows)
        assert ((rows[RATES] == 0) | rows[RATES].isna()).all(axis=None)
        assert (rows["price_change"] == 0).all()
        assert (rows["pass_through_rate"] == 0).all()


def test_quantiles_of_load(study: pm.PassThroughStudy) -> None:
    """Two parts are night and day. `all` by night: North 12 x 500 MWh have no fossil unit, South
    12 x 900 have: share 500 / 1400, dP (900 x 0.138) / 1400, marginal 0.138 / 49.2. By day dP
    (800 x 7.938 - 1400 x 0.606) / 2200, marginal the same over (800 x 57 + 1400 x 22.8) / 2200.
    """
    table = study.quantiles
    assert list(table.columns) == list(QUANTILES)
    rows = table[table["regime"] == BY_OUTPUT].set_index(["province", "quantile"])
    north_night, north_day = rows.loc[("North", 1)], rows.loc[("North", 2)]
    assert (north_night["hours"], north_night["load_mw"]) == (12, 500)
    assert np.isnan(north_night["pass_through_marginal"])
    assert north_night["renewable_marginal_share"] == pytest.approx(1)
    assert north_night["renewable_price_change"] == pytest.approx(0, abs=1e-9)
    assert north_day["pass_through_marginal"] == pytest.approx(7.938 / 57)
    assert np.isnan(north_day["renewable_price_change"])
    night, day = rows.loc[("all", 1)], rows.loc[("all", 2)]
    assert (night["hours"], night["load_mw"], day["load_mw"]) == pytest.approx((24, 700, 1100))
    assert night["renewable_marginal_share"] == pytest.approx(500 / 1400)
    assert night["price_change"] == pytest.approx(900 * 0.138 / 1400)
    assert night["pass_through_marginal"] == pytest.approx(0.138 / 49.2)
    change = 800 * 7.938 - 1400 * 0.606
    assert day["price_change"] == pytest.approx(change / 2200)
    assert day["pass_through_marginal"] == pytest.approx(change / (800 * 57 + 1400 * 22.8))
    # Users of all: energy of part 2 is 12 x 2,200 MWh, the mean rate 30,810 t over 43,200 MWh.
    assert day["pass_through_retail"] == pytest.approx(change / 2200 / (30_810 / 43_200 * 60))


@pytest.mark.slow
def test_hours_of_equal_load_stay_together_and_margins_are_tables() -> None:
    """Loads 60, 60, 60, 150: by halves three hours against one."""
    case = pm.Case(one_bus([60.0, 150.0, 60.0, 60.0]))
    result = pm.compare(case, ["full_market"], [0, 60], margins=True)
    runs = result.runs
    table = pass_through_by_load(runs).set_index(["province", "quantile"])
    # 60 stands for the first three quarters, with its middle at 3/8; 150 at 7/8.
    assert list(table.loc["A"].index) == [2, 4]
    assert list(table.loc["A"]["hours"]) == [3, 1]
    assert list(pass_through_by_load(runs, 2).set_index("province").loc["A", "hours"]) == [3, 1]
    for wrong in (1, 101, 2.5, True):
        with pytest.raises(pm.InputError, match="from 2 to 100"):
            pass_through_by_load(runs, wrong)  # type: ignore[arg-type]
    assert set(result.tables) >= {"pass_through_hourly", "pass_through_regression"}
    plain = pm.compare(case, ["full_market"], [0])
    assert "pass_through_hourly" not in plain.tables
    assert plain.pass_through_hourly.empty and list(plain.pass_through_hourly) == list(HOURLY)


@pytest.mark.slow
def test_hours_and_quantiles_add_up_to_the_rates() -> None:
    """The four rates are sums over hours, weighted with load, hours and their denominators."""
    result = pm.compare(random_case(3, 6, 2), ["full_market"], [0, 40])
    rates = result.pass_through.set_index("province")
    table = hourly_pass_through(result.runs)
    energy = table["load_mw"] * table["snapshot"].map(result.case.weights)
    for province, rate in rates.iterrows():
        own = (table["province"] == province) | (province == "all")
        w, part = energy[own], table[own]
        fossil = ~part["renewable_marginal"]
        for name, base in (
            ("pass_through_marginal", part["marginal_emission_rate"]),
            ("pass_through_net", part["marginal_exposure"]),
        ):
            weight = (w * base)[fossil & part[name].notna()]
            assert (weight * part[name][weight.index]).sum() / weight.sum() == pytest.approx(
                rate[name]
            )
        assert (w * part["pass_through_rate"]).sum() / w.sum() == pytest.approx(
            rate["pass_through_rate"]
        )
        if province != "all":  # every province divides by its own mean emission rate
            mean = (w * part["pass_through_retail"]).sum() / w.sum()
            assert mean == pytest.approx(rate["pass_through_retail"])
    parts = result.pass_through_quantiles
    for province, rate in rates.iterrows():
        own = parts[parts["province"] == province]
        w = own["load_mw"] * own["hours"]
        for name in ("price_change", "pass_through_rate", "pass_through_retail"):
            assert (w * own[name]).sum() / w.sum() == pytest.approx(rate[name])
    assert parts[parts["province"] == "all"]["hours"].sum() == pytest.approx(
        2 * result.case.weights.sum()
    )


def two_places(cost: dict[str, float], rate_b: float, link: float) -> pm.Comparison:
    """Load 100 MW in A and in B; coal of 300 MW in A (e 0.9), plant in B; only A pays 100."""
    n = pypsa.Network()
    n.set_snapshots(pd.date_range("2022-01-03", periods=1, freq="h"))
    n.add("Carrier", "coal")
    n.add("Bus", ["A", "B"])
    plant = {"carrier": "coal", "p_nom": 300.0}
    rows = {
        name: {**plant, "bus": name, "marginal_cost": cost[name], "emission_rate": rate}
        for name, rate in (("A", 0.9), ("B", rate_b))
    }
    add_rows(n, "Generator", rows)
    n.add("Load", ["load A", "load B"], bus=["A", "B"], p_set=100.0)
    n.add("Link", "line", bus0="A", bus1="B", p_nom=link, p_min_pu=-1)
    carbon = CarbonPrice(allocation="auction", regions={"A": 1})
    regime = pm.Regime("market", (MeritOrder(), Coupled(), LocationalPrice(), carbon))
    return pm.compare(pm.Case(n), [regime], [0, 100])


def test_the_carbon_cost_of_all_is_of_what_is_emitted_where_it_is_priced() -> None:
    """No trade, wind in B. A passes on 90 = 0.9 x 100; so does the mean of both, 45 of 45 a MWh:
    half of what is generated bears 90. (Mean rate 0.45 x mean price 50 would be 22.5.)
    """
    rates = two_places({"A": 300.0, "B": 0.0}, 0.0, 0.0).pass_through.set_index("province")
    assert rates.loc["all", "price_change"] == pytest.approx(45)
    assert rates["pass_through_retail"][["A", "all"]].tolist() == pytest.approx([1, 1])
    assert np.isnan(rates.loc["B", "pass_through_retail"])


@pytest.mark.slow
def test_marginal_rates_divide_by_the_carbon_cost_where_the_marginal_unit_is() -> None:
    """A serves B, which has no carbon price: dP = 90 = 0.9 x 100 in both, 1 in each and in all.

    The other way about B serves A: dP = 0, and nobody marginal bears a price.
    """
    result = two_places({"A": 300.0, "B": 600.0}, 0.9, 150.0)
    rates = result.pass_through.set_index("province")
    for name in ("pass_through_marginal", "pass_through_net"):
        assert rates[name].tolist() == pytest.approx([1, 1, 1])
        assert hourly_pass_through(result.runs)[name].tolist() == pytest.approx([1, 1])
    found = regressions(result.runs)
    assert found["structural_rate"].tolist() == pytest.approx([1, 1])
    assert panel_of(result.runs[1:])["carbon_cost"].tolist() == pytest.approx([90, 90])
    result = two_places({"A": 600.0, "B": 300.0}, 0.9, 150.0)
    rates = result.pass_through.set_index("province")
    assert (rates["price_change"] == 0).all() and (rates["marginal_emission_rate"] == 0.9).all()
    assert rates[["pass_through_marginal", "pass_through_net"]].isna().all(axis=None)
    assert regressions(result.runs)["structural_rate"].isna().all()


@pytest.mark.parametrize("limit", [0.05, 0.5])
def test_net_rate_is_1_where_offsets_become_cheaper_in_the_step(limit: float) -> None:
    """Coal (e) at the margin at 0, 5 and 60, offsets at 10 for a share s: the price rises by
    60 (1 - s) e + 10 s e, exposure e for 10 of 60 and (1 - s) e for 50; s = 1/2: 35 e of 60 e.
    """
    carbon = CarbonPrice(allocation="auction", offsets=Offsets(limit=limit, price=10))
    regime = pm.Regime("market", (MeritOrder(), Coupled(), LocationalPrice(), carbon))
    result = pm.compare(pm.Case(one_bus([100.0])), [regime], [0, 5, 60])
    rates = result.pass_through[result.pass_through["province"] == "A"]
    assert rates["pass_through_net"].tolist() == pytest.approx([1, 1])
    passed = (60 * (1 - limit) + 10 * limit) / 60
    assert rates["pass_through_marginal"].tolist() == pytest.approx([1, passed])


@pytest.mark.long
def test_study_is_written(study: pm.PassThroughStudy, tmp_path: Path) -> None:
    folder = study.to_parquet(tmp_path / "study")
    for name, columns in (
        ("pass_through", COLUMNS),
        ("pass_through_hourly", HOURLY),
        ("pass_through_quantiles", QUANTILES),
        ("pass_through_regression", REGRESSION),
    ):
        assert list(pd.read_parquet(folder / f"{name}.parquet").columns) == list(columns)
    assert not (folder / "pass_through_hourly.csv").exists()
    assert (folder / "pass_through_quantiles.csv").exists()
    with pytest.raises(pm.InputError, match="from 2 to 100"):
        pm.pass_through_study(study.comparison.case, quantiles=0)


@pytest.mark.slow
def test_coefficients_of_the_two_province_system(study: pm.PassThroughStudy) -> None:
    """Within hours x = e_m tau and y = dP of each hour: slope sum(x dP) / sum(x x).

    Auction: dP = x, slope 1. By output: 57, 49.2, 22.8 against 7.938, 0.138, -0.606 (North by
    night: 0 against 0), slope 445.4388 / 6,189.48. A fixed tariff: exactly 0. One day: no error.
    """
    table = study.regression.set_index(["regime", "specification"])
    within = table.xs(WITHIN_HOUR, level="specification")
    assert within.loc[AUCTION, ["coefficient", "r2"]].tolist() == pytest.approx([1, 1])
    assert within.loc[BY_OUTPUT, "coefficient"] == pytest.approx(445.4388 / 6_189.48)
    fixed = table[table.index.get_level_values("regime").str.startswith("fixed_tariff")]
    assert len(fixed) == 6 and (fixed["coefficient"] == 0).all()
    assert fixed["note"].str.contains("price does not vary").all()
    assert (table["observations"] == 2 * 24 * 2).all() and (table["clusters"] == 1).all()
    rates = study.rates.set_index(["regime", "province"])["pass_through_marginal"]
    for regime, row in within.iterrows():
        assert row["structural_rate"] == pytest.approx(rates[regime, "all"])
    single = regressions(study.comparison.runs[:1])
    assert single["coefficient"].isna().all() and single["structural_rate"].isna().all()
    assert (single["note"] == "one carbon price only").all()


def test_panel(study: pm.PassThroughStudy) -> None:
    (run,) = (
        r for r in study.comparison.runs if (r.regime.name, r.carbon_price) == (BY_OUTPUT, 60)
    )
    panel = panel_of([run]).set_index(["province", "snapshot"])
    first, last = run.prices.index[0], run.prices.index[-1]
    row = panel.loc[("South", last)]
    assert (row["hour"], row["period"], row["day"]) == (23, "2022-01", "2022-01-01")
    assert row["price"] == pytest.approx(520 - 0.606) and row["carbon_price"] == 60
    assert row["carbon_cost"] == pytest.approx(22.8)
    assert row[["load_mw", "wind_mw", "solar_mw"]].tolist() == [1400, 0, 0]
    assert panel.loc[("North", first), "wind_mw"] == 400
    assert panel.loc[("North", last), "wind_mw"] == 200


def test_table_of_rules_and_allowances(study: pm.PassThroughStudy, tmp_path: Path) -> None:
    """The table of the China network on the two provinces: a lump sum changes no price."""
    module = china()
    module.PUBLISHED = [
        dataclasses.replace(item, provinces=("North", "South") if item.provinces else ())
        for item in module.PUBLISHED
    ]
    lines = module.table(study).splitlines()
    assert len(lines) == 2 + 9 + 5 + 2
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[:-2]]
    assert {len(row) for row in cells} == {len(module.HEAD)}
    rows = {(row[0], row[1]): row[2:-1] for row in cells[2:]}
    auction = rows["full_market", "auction"]
    assert auction == rows["full_market", "lump sum"]
    assert auction[:2] == ["1.000", "1.000"] and auction[-1] == "1.000"
    assert rows["full_market", "by output, 2022"][1] == "1.000"
    for allowances in module.ALLOCATIONS.values():
        fixed = rows["fixed_tariff", allowances]
        assert set(fixed) <= {"0.000", "-"} and fixed[0] == fixed[2] == "0.000"
    # By output 7.938 / 57 in North, -724.2 / 76,200 in South: not both below a tenth.
    assert cells[-1][-1].endswith("by output, 2022: 0.139 and -0.010, outside by 0.039")
    file = tmp_path / "README.md"
    file.write_text("<!-- pass-through -->\nold\n<!-- /pass-through -->\n", encoding="utf-8")
    put_between_marks(module.table(study), file, "pass-through")
    assert "old" not in file.read_text(encoding="utf-8")
    assert "<!-- pass-through -->" in (NETWORKS / "china" / "README.md").read_text("utf-8")
