"""Weather years: what does not match is told, and risk is what arithmetic says."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Literal
from unittest import mock

import hypothesis.strategies as st
import numpy as np
import pandas as pd
import pypsa
import pytest
from hypothesis import given
from scipy.optimize import minimize_scalar
from shell import inside
from toys import one_bus, weigh

import powermkt as pm
from powermkt.analysis.risk import (
    conditional_value_at_risk,
    hedging_table,
    risk_table,
    value_at_risk,
)
from powermkt.common.ledger import Ledger
from powermkt.engine import scheduling as engine
from powermkt.rules.base import Cleared, Role, Rule
from powermkt.system.horizon import Horizon, cut
from powermkt.system.weather import weather_faults, with_weather

SHARE = "generators_t.p_max_pu"
Years = dict[str, dict[str, pd.DataFrame]]


class Swap(Rule):
    """Users pay a plant the strike less its price for so many MW, whatever it gives."""

    role: ClassVar[Role] = "contract"
    plant: str = "onshore wind"
    mw: float = 5.0
    strike: float = 400.0
    by: Literal["users", "bank"] = "users"

    def _difference(self, cleared: Cleared) -> pd.Series:
        bus = cleared.case.generators["bus"][self.plant]
        return self.strike - cleared.outcome.offer_price[bus]

    def settle(self, ledger: Ledger, cleared: Cleared) -> None:
        quantity = pd.DataFrame({self.plant: self.mw}, index=cleared.case.snapshots)
        price = self._difference(cleared).to_frame(self.plant)
        payer = "load" if self.by == "users" else "bank"
        ledger.pay("contract", payer, pd.Series(self.plant, [self.plant]), quantity, price)

    def user_charge(self, cleared: Cleared) -> pd.DataFrame | float:
        if self.by == "bank":
            return 0.0
        served = cleared.outcome.served(cleared.case)
        return self.mw * served.rdiv(1.0).mul(self._difference(cleared), axis="index")


def with_contract(name: str, **terms: object) -> pm.Regime:
    return pm.Regime(name, (*pm.regime("full_market").rules, Swap(**terms)))


def network() -> pypsa.Network:
    """`one_bus` with a load of 120 MW in one hour and a sun of 5 MW that always shines."""
    n = one_bus([120.0])
    n.add("Carrier", "solar")
    n.add("Generator", "sun", bus="A", carrier="solar", p_nom=5.0, emission_rate=0.0)
    return n


def wind(case: pm.Case, *shares: float) -> Years:
    frames = (pd.DataFrame({"onshore wind": share}, index=case.snapshots) for share in shares)
    return {f"y{i}": {SHARE: frame} for i, frame in enumerate(frames)}


@pytest.fixture(scope="module")
def case() -> pm.Case:
    n = network()
    n.generators = n.generators.rename(index={"wind": "onshore wind"})
    return pm.Case(n, name="toy")


# ---- measures ------------------------------------------------------------------------------------


def test_measures_by_hand() -> None:
    """Five years, confidence 0.7: k = 1.5 years in the tail.

    High is bad: VaR is the year with the rank 1 + floor(1.5) = 2, 40; CVaR (50 + 0.5 x 40) / 1.5.
    Low is bad: VaR 20; CVaR (10 + 0.5 x 20) / 1.5. At 0.6 k = 2: VaR is the third, CVaR the mean
    of the two worst. At 0.95 a quarter of a year is in the tail: the worst one.
    """
    x = np.array([30.0, 10, 50, 20, 40])
    assert value_at_risk(x, 0.7, "high") == 40
    assert conditional_value_at_risk(x, 0.7, "high") == pytest.approx(70 / 1.5)
    assert value_at_risk(x, 0.7, "low") == 20
    assert conditional_value_at_risk(x, 0.7, "low") == pytest.approx(20 / 1.5)
    assert value_at_risk(x, 0.6, "high") == 30
    assert conditional_value_at_risk(x, 0.6, "high") == pytest.approx(45)
    assert conditional_value_at_risk(x, 0.95, "high") == value_at_risk(x, 0.95, "high") == 50


def test_whole_years_in_the_tail_are_counted_whole() -> None:
    """(1 - 0.95) x 20 is 1 but for rounding: VaR is the second worst, CVaR the worst."""
    x = np.arange(20.0)
    assert value_at_risk(x, 0.95, "high") == 18
    assert conditional_value_at_risk(x, 0.95, "high") == 19


values = st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=40).map(np.array)
levels = st.floats(0.02, 0.98)


@given(x=values, confidence=levels, shift=st.floats(-1e6, 1e6), scale=st.floats(0.01, 100))
def test_cvar_is_what_it_is_defined_as(
    x: np.ndarray, confidence: float, shift: float, scale: float
) -> None:
    size = np.abs(x).max() + abs(shift) + 1.0
    near = {"rel": 1e-9, "abs": 1e-9 * size * scale}
    high = conditional_value_at_risk(x, confidence, "high")

    def target(c: float) -> float:
        return float(c + np.maximum(x - c, 0).mean() / (1 - confidence))

    # The minimum over c is reached at one of the values.
    assert high == pytest.approx(min(map(target, x)), rel=1e-6, abs=1e-7 * size)
    free = minimize_scalar(target, bounds=(x.min() - 1, x.max() + 1), method="bounded")
    assert high <= free.fun + 1e-7 * size
    assert value_at_risk(x, confidence, "high") <= high + near["abs"]
    low = conditional_value_at_risk(x, confidence, "low")
    assert low == pytest.approx(-conditional_value_at_risk(-x, confidence, "high"), **near)
    assert low <= x.mean() + near["abs"] and high >= x.mean() - near["abs"]
    moved = conditional_value_at_risk(scale * (x + shift), confidence, "high")
    assert moved == pytest.approx(scale * (high + shift), **near)


def test_var_is_the_quantile_of_the_empirical_distribution() -> None:
    """numpy's inverted_cdf is min {x : F(x) >= confidence}."""
    rng = np.random.default_rng(1)
    for n in (2, 7, 10, 33):
        x = rng.normal(size=n)
        for confidence in (0.5, 0.9, 0.95, 0.99):
            # Where F reaches the level exactly, n times the level is not exact in numpy either.
            if abs(n * confidence - round(n * confidence)) > 1e-9:
                expected = np.quantile(x, confidence, method="inverted_cdf")
                assert value_at_risk(x, confidence, "high") == expected


def test_tables_by_hand() -> None:
    """Revenues 100, 200, 300 against 190, 200, 210: variance 10,000 against 100, 99 % less.

    CVaR at 0.5: k = 1.5, (100 + 0.5 x 200) / 1.5 = 133.3 against (190 + 100) / 1.5 = 193.3.
    """
    yearly = pd.DataFrame(
        {"regime": [r for r in ("spot", "hedged") for _ in range(3)], "detail": "all",
         "quantity": "renewable_revenue", "value": [100.0, 200, 300, 190, 200, 210]}
    )  # fmt: skip
    table = risk_table(yearly, 0.5)
    spot = table.iloc[0]
    assert spot["mean"] == 200 and spot["std"] == 100 and spot["variance"] == 10_000
    assert spot["cv"] == 0.5 and spot["q05"] == pytest.approx(110) and spot["q50"] == 200
    assert spot["var"] == 200 and spot["cvar"] == pytest.approx(400 / 3)
    row = hedging_table(table).iloc[0]
    assert (row["regime"], row["against"]) == ("hedged", "spot")
    assert row["variance_reduction"] == pytest.approx(0.99) and row["std_change"] == -90
    assert row["cvar_change"] == pytest.approx(60)


# ---- the study -----------------------------------------------------------------------------------


@pytest.mark.slow
def test_two_years_by_hand(case: pm.Case) -> None:
    """120 MW less 5 of sun: with 25 of wind coal gives 90 at 300, with 10 gas the last 5 at 500.

    Spot: sun earns 5 x 300 or 5 x 500, wind 25 x 300 = 7,500 or 10 x 500 = 5,000; users pay 120 x
    300 = 36,000 or 60,000. Swap of 5 MW at 400 with the sun: sun earns 2,000 in both years, users
    pay 5 x 100 more or less. Cost 27,000 or 100 x 300 + 5 x 500; CO2 81 or 92 t.
    """
    regimes = ["full_market", with_contract("swap", plant="sun")]
    result = pm.weather_risk(case, wind(case, 0.5, 0.2), regimes, confidence=0.75)
    found = result.yearly.pivot(
        index=["regime", "quantity", "detail"], columns="weather_year", values="value"
    )
    for regime, quantity, detail, expected in (
        ("full_market", "renewable_revenue", "solar", (1500, 2500)),
        ("full_market", "renewable_revenue", "onshore wind", (7500, 5000)),
        ("full_market", "renewable_revenue", "all", (9000, 7500)),
        ("full_market", "renewable_mwh", "all", (30, 15)),
        ("full_market", "renewable_price", "all", (300, 500)),
        ("full_market", "consumer_bill", "all", (36_000, 60_000)),
        ("full_market", "consumer_bill", "industrial_commercial", (36_000, 60_000)),
        ("full_market", "cost", "all", (27_000, 32_500)),
        ("full_market", "emissions_t", "all", (81, 92)),
        ("swap", "renewable_revenue", "solar", (2000, 2000)),
        ("swap", "consumer_bill", "all", (36_500, 59_500)),
        ("swap", "retail_price", "all", (36_500 / 120, 59_500 / 120)),
        ("swap", "cost", "all", (27_000, 32_500)),
    ):
        row = found.loc[(regime, quantity, detail)]
        assert tuple(row) == pytest.approx(expected), (regime, quantity, detail)
    table = result.risk.set_index(["regime", "quantity", "detail"])
    bill = table.loc[("full_market", "consumer_bill", "all")]
    # k = 0.5: the dearer year. Sample variance of two: half the squared difference.
    assert bill["cvar"] == pytest.approx(60_000) and bill["bad"] == "high"
    assert bill["variance"] == pytest.approx(24_000**2 / 2)
    sun = table.loc[("swap", "renewable_revenue", "solar")]
    assert sun["variance"] == pytest.approx(0, abs=1e-6)
    assert table.loc[("full_market", "renewable_revenue", "solar"), "cvar"] == pytest.approx(1500)
    hedged = result.hedging.set_index(["quantity", "detail"])
    assert hedged.loc[("renewable_revenue", "solar"), "variance_reduction"] == pytest.approx(1)
    # 23,000 instead of 24,000 between the years.
    reduction = hedged.loc[("consumer_bill", "all"), "variance_reduction"]
    assert reduction == pytest.approx(1 - (23 / 24) ** 2)
    assert hedged.loc[("consumer_bill", "all"), "cvar_change"] == pytest.approx(-500)
    weather = result.weather.set_index(["weather_year", "series"])
    # The network's own wind is 0.5.
    assert weather.loc[("y1", "onshore wind"), "relative"] == pytest.approx(0.4)
    assert weather.loc[("y1", "load"), "energy_mwh"] == pytest.approx(120)
    assert any("CVaR is the worst year" in note for note in result.notes)
    bills = found.xs("consumer_bill", level="quantity").xs("all", level="detail")
    prices = found.xs("retail_price", level="quantity").xs("all", level="detail")
    assert (bills / 120).to_numpy() == pytest.approx(prices.to_numpy())


@pytest.mark.slow
def test_contracts_cost_no_second_clearing_and_nothing_is_cleared_twice(
    case: pm.Case, tmp_path: Path
) -> None:
    """Three regimes that differ in contracts are one cell a year; stopped, a study goes on."""
    regimes = ["full_market", with_contract("a", plant="sun"), with_contract("b", by="bank")]
    years = wind(case, 0.5, 0.2, 0.1)
    done: list[int] = []
    with mock.patch.object(engine, "clear_stages", wraps=engine.clear_stages) as solved:

        def stop(count: int, total: int, what: str) -> None:
            assert total == 3 and what.startswith(f"y{len(done)}: ")
            if count == len(done):  # told before it is cleared
                return
            done.append(count)
            if count == 2:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            pm.weather_risk(case, years, regimes, store=tmp_path / "cells", progress=stop)
        assert solved.call_count == 2 and done == [1, 2]
        result = pm.weather_risk(case, years, regimes, store=tmp_path / "cells")
        assert solved.call_count == 3
    assert len(list((tmp_path / "cells").glob("*.cell"))) == 3
    assert result.yearly.groupby("regime")["weather_year"].nunique().tolist() == [3, 3, 3]


@pytest.mark.long
def test_the_networks_own_weather_gives_the_networks_own_run(tmp_path: Path) -> None:
    """Bit for bit: it is the same cell, on the same week of fifteen days."""
    rng = np.random.default_rng(3)
    n = one_bus([0.0])
    n.set_snapshots(pd.date_range("2022-01-03", periods=60, freq="6h"))
    weigh(n, 6.0)
    n.loads_t["p_set"] = pd.DataFrame({"load": rng.uniform(80, 190, 60)}, index=n.snapshots)
    n.generators_t["p_max_pu"] = pd.DataFrame({"wind": rng.uniform(0, 1, 60)}, index=n.snapshots)
    case, cells = pm.Case(n), tmp_path / "cells"
    own = {SHARE: n.generators_t["p_max_pu"].copy(), "loads_t.p_set": n.loads_t["p_set"].copy()}
    order = np.roll(own[SHARE].to_numpy(), 17, axis=0)
    other = {**own, SHARE: pd.DataFrame(order, n.snapshots, own[SHARE].columns)}
    base = pm.clear(case, "full_market", weeks=1, store=cells)
    with mock.patch.object(engine, "clear_stages", wraps=engine.clear_stages) as solved:
        result = pm.weather_risk(
            case, {"own": own, "other": other}, ["full_market"], weeks=1, store=cells
        )
        assert solved.call_count == 1
        # The other weather alone would be cleared on another week; here it is the network's.
        weeks, there = Horizon(weeks=1), with_weather(case, other)
        assert cut(there, weeks).windows.keys() != cut(case, weeks).windows.keys()
        assert cut(there, weeks, case).windows.keys() == cut(case, weeks).windows.keys()
        pm.clear(cut(there, weeks, case), "full_market", store=cells)
        assert solved.call_count == 1
    row = base.summary()
    found = result.yearly.set_index(["weather_year", "quantity", "detail"])["value"]
    for quantity in ("cost", "emissions_t", "wholesale_price", "curtailment_mwh"):
        assert found[("own", quantity, "all")] == row[quantity]
    assert found[("own", "consumer_bill", "all")] == row["consumer_payment"]
    # The week stands for the year, whose energy is kept.
    relative = result.weather.set_index(["weather_year", "series"])["relative"]
    assert relative[("own", "onshore wind")] == 1
    assert relative[("other", "onshore wind")] == pytest.approx(1)


def test_what_does_not_match_is_told_at_once(case: pm.Case) -> None:
    times = case.snapshots
    years = {
        "a": {SHARE: pd.DataFrame({"onshore wind": [0.5], "sun": [1.2]}, times)},
        "b": {SHARE: pd.DataFrame({"offshore wind": [np.nan]}, times)},
        "c": {SHARE: pd.DataFrame({"onshore wind": [0.5, 0.5], "sun": 1.0}, [0, 1])},
        "d": {"storage_units_t.p_set": pd.DataFrame(index=times)},
        "e": {},
    }  # fmt: skip
    with pytest.raises(pm.InputError) as error:
        pm.weather_risk(case, years, ["full_markt", "fixed_tariff"], 10.0, confidence=1.5)
    told = str(error.value)
    for part in (
        f"weather year 'a': series {SHARE}: above 1 for sun",
        f"weather year 'b': series {SHARE}: unknown: offshore wind",
        f"weather year 'b': series {SHARE}: no finite number for offshore wind",
        f"weather year 'b': series {SHARE}: lacks onshore wind, sun, which other years have",
        f"weather year 'c': series {SHARE}: its 2 times do not match the 1 snapshots",
        "weather year 'd': series storage_units_t.p_set: no such series",
        "weather year 'e': holds no series",
        "1.5 is no confidence level",
        "did you mean 'full_market'",
    ):
        assert part in told
    with pytest.raises(pm.InputError, match="1 have no distribution"):
        pm.weather_risk(case, wind(case, 0.5), ["full_market"])


def test_must_run_above_what_is_available_is_a_fault() -> None:
    n = one_bus([120.0])
    n.generators.loc["wind", "p_min_pu"] = 0.3
    case = pm.Case(n)
    low = pd.DataFrame({"wind": [0.2]}, index=n.snapshots)
    with pytest.raises(pm.InputError, match="below p_min_pu for wind"):
        pm.weather_risk(case, {"a": {SHARE: low}, "b": {SHARE: 2 * low}}, ["full_market"])
    forced = {"generators_t.p_min_pu": 3 * low}  # 0.6 must run, 0.5 are there
    with pytest.raises(pm.InputError, match="below p_min_pu for wind"):
        pm.weather_risk(case, {"a": forced, "b": forced}, ["full_market"])
    eased = {SHARE: low, "generators_t.p_min_pu": 0.5 * low}
    assert not weather_faults(case, {"a": eased, "b": eased})


def test_series_take_the_place_of_the_networks_and_forecasts_keep_their_errors() -> None:
    """Wind of 0.5 was expected at 0.4, a load of 120 MW at 110; what is cut off is at 0 or 1."""
    n = one_bus([120.0])
    expected = {
        SHARE: pd.DataFrame({"wind": [0.4], "coal": [0.9]}, index=n.snapshots),
        "loads_t.p_set": pd.DataFrame({"load": [110.0]}, index=n.snapshots),
    }
    case = pm.Case(n, forecast=expected)
    years = {
        name: {
            SHARE: pd.DataFrame({"wind": [share]}, index=n.snapshots),
            "loads_t.p_set": pd.DataFrame({"load": [load]}, index=n.snapshots),
        }
        for name, share, load in (("a", 0.3, 130.0), ("b", 0.05, 60.0))
    }
    there = with_weather(case, years["a"])
    assert there.availability.loc[:, ["wind", "coal"]].to_numpy().tolist() == [[15, 100]]
    assert case.availability["wind"].tolist() == [25]
    for year, expect in (("a", [0.2, 0.9, 120.0]), ("b", [0.0, 0.9, 50.0])):
        found = with_weather(case, years[year]).forecast
        assert [*found[SHARE].iloc[0], *found["loads_t.p_set"].iloc[0]] == pytest.approx(expect)
    # Settled twice, though every series that was forecast is of other weather.
    assert not pm.regime("two_settlement").faults(there)


@pytest.mark.slow
def test_two_settlements_in_other_weather() -> None:
    n = one_bus([120.0])
    expected = {SHARE: pd.DataFrame({"wind": [0.4]}, index=n.snapshots)}
    case = pm.Case(n, forecast=expected)
    years = {
        name: {SHARE: pd.DataFrame({"wind": [share]}, index=n.snapshots)}
        for name, share in (("a", 0.3), ("b", 0.2))
    }
    result = pm.weather_risk(case, years, ["two_settlement"])
    assert any(note.startswith(f"forecasts of {SHARE} err") for note in result.notes)


@pytest.mark.slow
def test_a_limit_on_emissions_finds_its_price_in_every_year(case: pm.Case) -> None:
    """One row a year for a regime with a cap, at the price of that year.

    90 t: with 25 MW of wind coal emits 81 and nothing binds; with 10 MW 92 t are too much, and gas
    takes the place of coal where (500 - 300) / (0.9 - 0.4) = 400 money/t are paid.
    """
    cap = pm.regime(
        {"extends": "full_market_auction", "name": "cap",
         "carbon": {"rule": "CarbonCap", "allocation": "auction", "cap": 90.0}}
    )  # fmt: skip
    result = pm.weather_risk(case, wind(case, 0.5, 0.2), [cap])
    price = result.yearly.query("quantity == 'emissions_t'").set_index("weather_year")
    assert price["carbon_price"].tolist() == pytest.approx([0, 400], abs=1e-3)
    assert price["value"].tolist() == pytest.approx([81, 90], abs=1e-3)


# ---- the command line ----------------------------------------------------------------------------


@pytest.mark.slow
def test_command_reads_folders_prints_and_writes(case: pm.Case, tmp_path: Path) -> None:
    n = network()
    n.export_to_netcdf(str(tmp_path / "toy.nc"))
    for i, share in enumerate((0.5, 0.2)):
        folder = tmp_path / "weather" / f"y{i}"
        folder.mkdir(parents=True)
        frame = pd.DataFrame({"wind": [share]}, index=n.snapshots)
        if i:
            frame.to_parquet(folder / "generators-p_max_pu.parquet")
        else:
            frame.to_csv(folder / "generators-p_max_pu.csv")
    command = ["risk", "toy.nc", "--weather", "weather", "--regime", "full_market"]
    done = inside(*command, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "renewables earn" in done.stdout and "2 weather years" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80
    folder = tmp_path / "results" / "toy-risk"
    for name in ("yearly", "risk", "hedging", "weather"):
        assert (folder / f"{name}.csv").is_file()
    bill = pd.read_csv(folder / "risk.csv").set_index(["quantity", "detail"])
    assert bill.loc[("consumer_bill", "all"), "mean"] == pytest.approx(48_000)
    again = inside(*command, "--json", "--quiet", cwd=tmp_path)
    assert again.returncode == 0 and '"cvar":60000.0' in again.stdout
    (tmp_path / "weather" / "y1" / "generators-p_max_pu.csv").write_text("snapshot,wnd\n0,1\n")
    done = inside(*command, cwd=tmp_path)
    assert done.returncode == 2 and "stands there as CSV as well" in done.stderr
    done = inside("risk", "toy.nc", "--weather", "wether", "--regime", "full_market", cwd=tmp_path)
    assert done.returncode == 2 and "no such folder" in done.stderr
