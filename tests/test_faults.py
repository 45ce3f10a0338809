"""Bad input: one error that lists everything, with what, where and what to do."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pypsa
import pytest
from toys import one_bus, random_network

import powermkt as pm
from powermkt.engine.window import clear_window


def faults(action: object, *args: object) -> list[str]:
    with pytest.raises(pm.InputError) as caught:
        action(*args)  # type: ignore[operator]
    for fault in caught.value.faults:
        assert fault.where and fault.what and fault.remedy
    return [str(fault) for fault in caught.value.faults]


def test_missing_folder() -> None:
    (only,) = faults(pm.read, "no/such/folder")
    assert "no/such/folder" in only


def test_network_without_load() -> None:
    n = one_bus([50.0])
    n.remove("Load", "load")
    assert any("no load" in fault for fault in faults(pm.Case, n))


def test_all_faults_at_once() -> None:
    n = one_bus([50.0, 60.0])
    n.generators.loc["coal", "p_nom"] = -100.0
    n.generators.loc["gas", "marginal_cost"] = np.nan
    n.generators.loc["wind", "carrier"] = "onshore wimd"
    n.loads_t["p_set"].loc[n.snapshots[1], "load"] = np.nan
    n.snapshot_weightings["objective"] = 2.0
    found = faults(pm.Case, n)
    text = "\n".join(found)
    assert len(found) == 5
    for part in ("coal", "gas", "'onshore wind'", "load", "weightings"):
        assert part in text


@pytest.mark.parametrize(
    ("column", "value", "word"),
    [
        ("units", 0.0, "not above 0"),
        ("emission_rate", -0.1, "negative"),
        ("p_nom_extendable", True, "fix"),
        ("marginal_cost_quadratic", -0.1, "negative"),
        ("p_min_pu", 1.5, "p_max_pu"),
        ("bus", "B", "valid: A"),
    ],
)
def test_one_fault_of_a_generator(column: str, value: object, word: str) -> None:
    n = one_bus([50.0])
    n.generators.loc["coal", column] = value
    (only,) = faults(pm.Case, n)
    assert "coal" in only and word in only


def test_unknown_regime_and_key_name_the_nearest(tmp_path: Path) -> None:
    assert "'full_market'" in faults(pm.regime, "ful_market")[0]
    file = tmp_path / "mine.yaml"
    file.write_text(
        "extends: full_market\ndispach: {rule: MeritOrder}\n"
        "trade: {rule: Copled}\npricing: {rule: LocationalPrice, scop: nodal}\n"
        "carbon: {rule: CarbonPrice, price: -1}\n"
    )
    found = faults(pm.regime, file)
    text = "\n".join(found)
    assert len(found) == 4
    for word in ("'dispatch'", "'Coupled'", "'scope'", "greater than or equal to 0"):
        assert word in text


@pytest.mark.parametrize("text", ["a: [1", "- 1\n- 2\n", "\x00", "a: !!python/object:os.system x"])
def test_yaml_that_is_none(tmp_path: Path, text: str) -> None:
    file = tmp_path / "regime.yaml"
    file.write_text(text)
    assert str(file) in faults(pm.regime, file)[0]


def test_market_file(tmp_path: Path) -> None:
    one_bus([50.0]).export_to_csv_folder(str(tmp_path))
    (tmp_path / "market.yaml").write_text(
        "curency: CNY\nquota: {load_factor: {Nord: 0.5}}\ncarriers: {wind: [wynd]}\n"
    )
    assert "'currency'" in faults(pm.read, tmp_path)[0]
    (tmp_path / "market.yaml").write_text(
        "quota: {load_factor: {Nord: 0.5}}\ncarriers: {wind: [wynd]}\n"
    )
    found = "\n".join(faults(pm.read, tmp_path))
    assert "unknown province 'Nord'" in found and "unknown carrier 'wynd'" in found


def test_time_axes_that_do_not_match(tmp_path: Path) -> None:
    one_bus([50.0, 60.0, 70.0]).export_to_csv_folder(str(tmp_path))
    series = tmp_path / "loads-p_set.csv"
    series.write_text("\n".join(series.read_text().splitlines()[:-1]) + "\n")
    assert "2 times do not match the 3" in faults(pm.read, tmp_path)[0]


@pytest.mark.slow
def test_corridor_without_schedule() -> None:
    n = random_network(1)
    n.links_t["p_set"] = pd.DataFrame(index=n.snapshots)
    case = pm.Case(n)
    assert "plan_schedule" in faults(pm.clear, case, "fixed_tariff")[0]
    planned = pm.plan_schedule(case)
    assert pm.clear(planned, "fixed_tariff").objective > 0


def test_carbon_price_must_be_a_price(two_province: pm.Case) -> None:
    assert "-5" in faults(pm.clear, two_province, "full_market", -5.0)[0]
    bare = pm.Regime("bare", pm.regime("full_market").rules[:3])
    assert "no carbon rule" in faults(pm.clear, two_province, bare, 5.0)[0]


def test_regime_states_each_role_once() -> None:
    rules = pm.regime("full_market").rules
    assert "0 rules of trade" in faults(pm.Regime, "r", (rules[0], rules[2]))[0]
    assert "2 rules of dispatch" in faults(pm.Regime, "r", (rules[0], *rules))[0]


def shortage() -> pypsa.Network:
    return one_bus([50.0, 260.0, 261.0])


def test_shortage_names_province_and_hours() -> None:
    """225 MW can be had against 260 and 261."""
    with pytest.raises(pm.ClearingError) as caught:
        pm.clear(pm.Case(shortage(), name="toy"), "full_market")
    text = str(caught.value)
    assert "A: 2022-01-03 01:00:00 .. 2022-01-03 02:00:00 (2 hours), up to 36.0 MW" in text


def test_declared_value_of_lost_load_prices_the_shortage() -> None:
    """35 + 36 MWh at 10,000; units 25 + 225 + 225 less wind."""
    case = pm.Case(shortage(), pm.Market(value_of_lost_load=10_000))
    run = pm.clear(case, "full_market")
    assert run.summary()["load_shed_mwh"] == pytest.approx(71.0)
    # hour 0: coal 25; hours 1, 2: coal 100, gas 100 each
    assert run.objective == pytest.approx(225 * 300 + 200 * 500 + 71 * 10_000)
    assert run.prices["A"].tolist() == pytest.approx([300, 10_000, 10_000])


def test_excess_is_an_error_not_curtailment() -> None:
    n = one_bus([50.0, 80.0])
    n.generators.loc["coal", "p_min_pu"] = 0.7
    with pytest.raises(pm.ClearingError, match=r"exceeds .* A: 2022-01-03 00:00:00, up to 20.0 MW"):
        pm.clear(pm.Case(n), "full_market")


@pytest.mark.slow
def test_contradicting_rules_name_the_plan() -> None:
    """A plan of 99 % cannot be met by a unit whose province has no such load."""
    n = one_bus([50.0, 50.0])
    rule = pm.rules.EqualShares(load_factor={"A": 0.99}, band=0.0)
    regime = pm.Regime("r", (rule, pm.rules.Coupled(), pm.rules.BenchmarkTariff()))
    with pytest.raises(pm.ClearingError, match="exceeds"):
        pm.clear(pm.Case(n), regime)
    n.generators.loc["coal", "p_max_pu"] = 0.9
    n.generators_t["p_max_pu"]["coal"] = [0.9, 0.0]
    n.loads_t["p_set"]["load"] = [100.0, 100.0]
    tight = pm.rules.EqualShares(load_factor={"A": 1.2}, band=0.0)
    regime = pm.Regime("r", (tight, pm.rules.Coupled(), pm.rules.BenchmarkTariff()))
    with pytest.raises(pm.ClearingError, match="in conflict: Generator-p of coal"):
        pm.clear(pm.Case(n), regime)


@pytest.mark.slow
@pytest.mark.parametrize("before", [[], ["full_market"]], ids=["alone", "after another"])
def test_a_conflict_through_equations_names_its_parts(before: list[str]) -> None:
    """A pumped plant must be full at the end, but its links are closed by schedule.

    After a market in which the links are open the same live solver meets the conflict.
    """
    n = random_network(3, 12)
    n.add("Bus", "Q")
    for a, b in (("P0", "Q"), ("Q", "P0")):
        n.add("Link", f"{a}-{b}", bus0=a, bus1=b, p_nom=100, carrier="AC")
        n.links_t["p_set"][f"{a}-{b}"] = 0.0
    n.add("StorageUnit", "plant", bus="Q", p_nom=50, max_hours=6, carrier="PHS")
    level = pd.Series(np.nan, n.snapshots)
    level.iloc[-1] = 200.0
    n.storage_units_t["state_of_charge_set"] = pd.DataFrame({"plant": level})
    market = pm.rules.LocationalPrice()
    closed = pm.Regime("closed", (pm.rules.MeritOrder(), pm.rules.Scheduled(), market))
    with pytest.raises(pm.ClearingError, match=r"in conflict: .*(plant|Q)"):
        clear_window(pm.Case(n), [*(pm.regime(name) for name in before), closed])
