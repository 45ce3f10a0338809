"""What plant earns on its investment. Arithmetic shown."""

from __future__ import annotations

import json
from pathlib import Path

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pandas as pd
import pypsa
import pytest
import toys
import yaml
from hypothesis import given
from shell import inside

import powermkt as pm
from powermkt.accounts.plantaccounts import KINDS, plant_accounts
from powermkt.analysis.returns import _IRR, _REVENUE
from powermkt.inputs.finance import (
    NEVER_NEGATIVE,
    NEVER_POSITIVE,
    cash_flows,
    earnings,
    rate_effects,
)
from powermkt.inputs.market import read_market
from powermkt.rules import EqualShares
from powermkt.studies import onemore
from powermkt.studies.comparison import Comparison
from powermkt.studies.onemore import median_plant, with_copy

FINANCE = {
    "default": {"discount_rate": 0.074},
    "coal": {"capex": 4050, "fixed_om": 214, "lifetime": 40},
    "onshore wind": {"capex": 7700, "fixed_om": 170, "lifetime": 20},
    "reservoir hydro": {"capex": 9900, "lifetime": 50},
}
HOUR = 8760 / 3  # hours of a year that each snapshot stands for


def earned(capex: float, cash: float, lifetime: float, rate: float = 0.1) -> object:
    return earnings(*(np.array([value], float) for value in (capex, cash, lifetime, rate)))


def annuity(rate: float, years: int) -> float:
    return (1 - (1 + rate) ** -years) / rate


@toys.copied
def system() -> pypsa.Network:
    """`one_bus` with a reservoir: coal sets the price in two hours, gas in the third."""
    n = toys.one_bus([60.0, 60.0, 150.0], weight=10.0)
    n.add("Carrier", "reservoir hydro")
    n.add("StorageUnit", "lake", bus="A", carrier="reservoir hydro", p_nom=10, max_hours=1000,
          inflow=5.0, cyclic_state_of_charge=True, efficiency_store=0.0)  # fmt: skip
    return n


@pytest.fixture(scope="module")
def result() -> Comparison:
    """Under the tariff coal is planned at 0.4 of its capacity: 120 MW over the three hours."""
    quota = {"band": 0, "load_factor": {"A": 0.4}}
    case = pm.Case(system(), pm.Market(finance=FINANCE, quota=quota))
    return pm.compare(case, ["fixed_tariff", "full_market"], [0, 60])


def rows(result: Comparison, regime: str, tau: float = 0.0) -> pd.DataFrame:
    table = result.returns
    here = (table["regime"] == regime) & (table["carbon_price"] == tau)
    return table[here & (table["province"] == "A")].set_index("carrier")


# ---- finance ---------------------------------------------------------------------------------


def test_two_years_by_hand() -> None:
    """100 now for 60 and 60: with x = 1 / (1 + r), 60 x^2 + 60 x = 100."""
    found = earned(100, 60, 2)
    x = (-60 + np.sqrt(60**2 + 4 * 60 * 100)) / 120
    assert found.irr == pytest.approx(1 / x - 1, abs=1e-12)
    assert found.npv == pytest.approx(60 / 1.1 + 60 / 1.21 - 100)
    assert found.payback == pytest.approx(1 + 40 / 60)
    # After year 1 100 - 54.545 are left, and year 2 brings 49.587.
    assert found.discounted_payback == pytest.approx(1 + (100 - 60 / 1.1) / (60 / 1.21))


def test_part_of_a_year_brings_part_of_its_cash() -> None:
    """1.5 years: 60, then 30."""
    assert earned(100, 60, 1.5).npv == pytest.approx(60 / 1.1 + 30 / 1.21 - 100)
    assert np.isnan(earned(100, 60, 1.5).payback)


@pytest.mark.parametrize("money", [1e-6, 1.0, 1e6, 1e9, 1e13])
@pytest.mark.parametrize("rate", [-0.2, -0.01, 0.0737, 2.0])
def test_irr_is_found_in_every_unit_of_money(money: float, rate: float) -> None:
    found = earned(100 * money, 100 * money / annuity(rate, 30), 30)
    assert found.irr == pytest.approx(rate, abs=1e-12) and found.irr_note == ""


@pytest.mark.parametrize(
    ("share", "years"), [(0.0087, 50.5), (0.0023, 16.0), (1e-6, 2.0), (1e-6, 200.0)]
)
def test_an_investment_that_loses_nearly_all_has_an_irr(share: float, years: float) -> None:
    """At the IRR cash is worth what was invested."""
    found = earned(7e10, share * 7e10, years)
    assert found.irr_note == "" and -1 < found.irr < 0
    flows = cash_flows(*(np.array([value]) for value in (1.0, share, years)))
    assert flows @ (1 + found.irr) ** -np.arange(len(flows)) == pytest.approx(0.0, abs=1e-7)


@pytest.mark.parametrize(
    ("capex", "cash", "note"),
    [(100.0, -1.0, NEVER_POSITIVE), (100.0, 0.0, NEVER_POSITIVE), (0.0, 5.0, NEVER_NEGATIVE)],
)
def test_without_a_change_of_sign_there_is_no_irr(capex: float, cash: float, note: str) -> None:
    found = earned(capex, cash, 10)
    assert np.isnan(found.irr) and found.irr_note == note
    assert found.npv == pytest.approx(cash * annuity(0.1, 10) - capex)


def test_several_changes_of_sign_have_no_single_irr() -> None:
    """Two parts: 30 a year for 5 years, -10 a year for 10: -100, 20 x 5, -10 x 5."""
    parts = (np.array([100.0, 0.0]), np.array([30.0, -10.0]), np.array([5.0, 10.0]))
    assert earnings(*parts, np.array([0.1, 0.1])).irr_note.endswith("change sign 2 times")


@hypothesis.settings(max_examples=25)
@given(
    st.lists(st.tuples(st.floats(1, 1e4), st.integers(2, 50)), min_size=1, max_size=4),
    st.floats(0.02, 0.3), st.floats(0.02, 0.3), st.floats(-1, 1), st.integers(0, 2**32 - 1),
)  # fmt: skip
def test_effects_add_up_to_the_change_of_the_irr(
    parts: list[tuple[float, int]], before: float, after: float, share: float, seed: int
) -> None:
    """Cash of equal worth per unit of investment gives known rates to mixed lifetimes."""
    capex = np.array([part[0] for part in parts])
    lifetime = np.array([part[1] for part in parts], float)
    cash = [
        capex / np.array([annuity(rate, int(years)) for years in lifetime])
        for rate in (before, after)
    ]
    found = [earnings(capex, part, lifetime, 0 * capex + 0.1).irr for part in cash]
    assert found == pytest.approx([before, after], abs=1e-9)
    change = cash[1] - cash[0]
    # Anything may move between effects: the rest takes it back.
    first = share * change + np.random.default_rng(seed).normal(size=len(capex)) * capex
    effects = np.column_stack([first, change - first])
    split = rate_effects((before, after), (cash[0], cash[1]), lifetime, effects)
    assert split.sum() == pytest.approx(after - before, abs=1e-9)


def test_effects_that_cancel_leave_the_irr_but_are_seen() -> None:
    """At equal rates the effect is the derivative: E a / -C a'."""
    capex, rate, years = 100.0, 0.1, 20
    cash = np.array([capex / annuity(rate, years)])
    step = 1e-6
    slope = (annuity(rate + step, years) - annuity(rate - step, years)) / (2 * step)
    found = rate_effects((rate, rate), (cash, cash), np.array([20.0]), np.array([[1.0, -1.0]]))
    expected = annuity(rate, years) / -(cash[0] * slope)
    assert found == pytest.approx([expected, -expected], rel=1e-6)


# ---- plant -----------------------------------------------------------------------------------


def test_wind_under_a_tariff_and_in_the_market(result: Comparison) -> None:
    """25 MW of 50 all year: 219,000 MWh; the tariff is the mean cost 400, prices 300, 300, 500.

    Investment 7,700 x 50,000 kW = 385 m, fixed O&M 170 x 50,000 = 8.5 m.
    """
    for regime, price in (("fixed_tariff", 400.0), ("full_market", 1100 / 3)):
        row = rows(result, regime).loc["onshore wind"]
        assert row["energy_mwh"] == pytest.approx(219_000)
        assert row["full_load_hours"] == pytest.approx(4380)
        assert row["capture_price"] == pytest.approx(price)
        cash = 219_000 * price - 8.5e6
        assert row["cash_flow"] == pytest.approx(cash)
        assert row["investment"] == pytest.approx(385e6)
        assert cash * annuity(row["irr"], 20) == pytest.approx(385e6)
        assert row["npv"] == pytest.approx(cash * annuity(0.074, 20) - 385e6)
        assert row["payback"] == pytest.approx(385e6 / cash)


def test_reservoirs_sell_their_inflow(result: Comparison) -> None:
    """15 MW over the three hours: 10 in the third, at 500, and 5 before, at 300."""
    row = rows(result, "full_market").loc["reservoir hydro"]
    assert row["energy_mwh"] == pytest.approx(15 * HOUR)
    assert row["capture_price"] == pytest.approx((10 * 500 + 5 * 300) / 15)
    assert row["cash_flow"] * annuity(row["irr"], 50) == pytest.approx(99e6)


def test_carbon_price_changes_what_coal_earns(result: Comparison) -> None:
    """(e - b) tau = 6 a MWh. Under the tariff coal bears all; in the market the price bears it
    where coal is marginal (65 MW over two hours), not where gas is (100 MW): e = b = 0.4.
    """
    for regime, bearing in (("fixed_tariff", 120.0), ("full_market", 100.0)):
        before, after = (rows(result, regime, tau).loc["coal"] for tau in (0, 60))
        assert after["cash_flow"] - before["cash_flow"] == pytest.approx(-6 * bearing * HOUR)
        assert after["carbon_revenue"] == pytest.approx(-6 * after["energy_mwh"])
        assert after["irr"] < before["irr"]
    wind = [rows(result, "full_market", tau).loc["onshore wind", "revenue"] for tau in (0, 60)]
    assert wind[1] - wind[0] == pytest.approx(6 * 25 * 2 * HOUR)


def test_what_nobody_states_is_named_and_the_rest_is_shown(result: Comparison) -> None:
    row = rows(result, "full_market").loc["gas"]
    assert np.isnan(row["irr"]) and row["irr_note"] == "nothing states capex, lifetime"
    assert row["energy_mwh"] == pytest.approx(15 * HOUR)


def test_revenue_and_cost_are_those_of_the_ledger(result: Comparison) -> None:
    for run in result.runs:
        table = rows(result, run.regime.name, run.carbon_price)
        plant = run.accounts.loc[[*run.case.generators.index, "lake"]]
        a_year = 8760 / 30
        assert table["revenue"].sum() == pytest.approx(a_year * plant["receipts"].sum())
        assert table["variable_cost"].sum() == pytest.approx(a_year * run.objective)
        kinds = table[KINDS].sum(axis=1)
        assert kinds.tolist() == pytest.approx(table["revenue"].tolist())


def test_effects_add_up_row_by_row_and_over_provinces(result: Comparison) -> None:
    parts, of_irr = _REVENUE, _IRR
    for table in (result.returns_split, pm.returns_split(result, grouped=True)):
        assert table[parts].sum(axis=1).tolist() == pytest.approx(
            table["revenue_change"].tolist(), rel=1e-9, abs=1e-6
        )
        known = table[table["irr_change"].notna()]
        assert len(known) and known["irr_note"].eq("").all()
        assert known[of_irr].sum(axis=1).tolist() == pytest.approx(
            known["irr_change"].tolist(), abs=1e-9
        )
    summary = result.returns_summary.set_index(["regime", "carbon_price", "group"])
    split = pm.returns_split(result, grouped=True).set_index(["regime", "carbon_price", "carrier"])
    for key, row in split.iterrows():
        assert row["irr_change"] == pytest.approx(summary.loc[key, "irr_points"], abs=1e-12)
    assert set(summary.index.get_level_values("group")) == {"wind", "hydro", "renewables"}


def test_guaranteed_purchase_is_energy_and_certificates_are_their_own() -> None:
    """25 MW of wind are sold at 300 and paid 380: the price they are sold at is 380."""
    n = toys.one_bus([60.0])
    n.generators.loc["wind", "tariff"] = 380.0
    wind = {name: FINANCE[name] for name in ("default", "onshore wind")}
    run = pm.clear(pm.Case(n, pm.Market(finance=wind)), "guaranteed_purchase")
    row = rows(pm.Comparison(run.case, [run]), "guaranteed_purchase").loc["onshore wind"]
    assert row["capture_price"] == pytest.approx(380)
    assert row["outside_energy"] == pytest.approx(0, abs=1e-6)
    # Wind sells certificates for 100 as well.
    sold = [("green certificates", "users", "wind", 100.0)]
    more = pd.DataFrame(sold, columns=["product", "payer", "payee", "amount"])
    entries = pd.concat([run.ledger, more], ignore_index=True)
    found = plant_accounts(run.case, run.outcome, entries, run.accounts).loc["wind"]
    assert found["certificate_revenue"] == pytest.approx(8760 * 100)
    assert found["revenue"] == pytest.approx(row["revenue"] + 8760 * 100)


def test_wind_loses_by_price_alone(result: Comparison) -> None:
    """219,000 MWh at 366.67 and not 400: all of -7.3 m is the price's."""
    table = result.returns_split
    wind = table[(table["carrier"] == "onshore wind") & (table["carbon_price"] == 0)].iloc[0]
    assert wind["price_effect"] == pytest.approx(219_000 * (1100 / 3 - 400))
    assert wind["volume_effect"] == pytest.approx(0.0, abs=1e-3)
    assert wind["irr_price"] == pytest.approx(wind["irr_change"], abs=1e-9)


def test_coal_gains_by_volume_and_by_price(result: Comparison) -> None:
    """120 MW (over three hours) at 400, then 65 at 300 and 100 at 500, all at a cost of 300.

    At the midpoint 45 MW more are worth (400 + 421.2) / 2 each, 142.5 MW gain 21.2.
    """
    table = result.returns_split
    coal = table[(table["carrier"] == "coal") & (table["carbon_price"] == 0)]
    price = (65 * 300 + 100 * 500) / 165
    volume, gain = 45 * (400 + price) / 2 * HOUR, 142.5 * (price - 400) * HOUR
    cash = (200 * 100 - 100 * 120) * HOUR
    assert set(coal["province"]) == {"A", "all"}
    for _, row in coal.iterrows():
        assert row["volume_effect"] == pytest.approx(volume)
        assert row["price_effect"] == pytest.approx(gain)
        assert row["cost_change"] == pytest.approx(45 * 300 * HOUR)
        # With one lifetime the IRR is shared out as cash is.
        of_volume = volume - 45 * 300 * HOUR
        assert row["irr_volume"] / row["irr_change"] == pytest.approx(of_volume / cash)
        assert row["irr_price"] / row["irr_change"] == pytest.approx(gain / cash)
        assert row["irr_cost"] == pytest.approx(0.0, abs=1e-12)


def test_base_by_name(result: Comparison) -> None:
    back = pm.returns_summary(result, base="full_market").set_index(["regime", "group"])
    there = result.returns_summary.set_index(["regime", "group"])
    key = ("fixed_tariff", "wind")
    assert back.loc[key, "irr_points"].iloc[0] == pytest.approx(
        -there.loc[("full_market", "wind"), "irr_points"].iloc[0]
    )
    with pytest.raises(pm.InputError, match="did you mean 'full_market'"):
        pm.returns_split(result, base="ful_market")


def test_columns_of_plant_come_before_its_carrier(result: Comparison) -> None:
    """PyPSA's overnight_cost is money/MW, fom_cost money/MW a year."""
    n = system()
    n.generators.loc["gas", ["overnight_cost", "fom_cost", "lifetime"]] = [2.6e6, 96e3, 30.0]
    n.generators.loc["wind", "overnight_cost"] = 5e6
    run = result.runs[0]
    table = pm.returns(pm.Run(pm.Case(n, run.case.market), run.regime, 0.0, run.outcome))
    found = table[table["province"] == "A"].set_index("carrier")
    assert found.loc["gas", "investment"] == pytest.approx(260e6)
    assert found.loc["gas", "fixed_om"] == pytest.approx(9.6e6)
    assert found.loc["onshore wind", "investment"] == pytest.approx(250e6)
    assert found.loc["onshore wind", "fixed_om"] == pytest.approx(8.5e6)


# ---- one more --------------------------------------------------------------------------------


def coal_fleet() -> pm.Case:
    """200 MW of coal and 120 MW of load: 60 % of the hours for everybody."""
    n = pypsa.Network()
    n.set_snapshots(pd.date_range("2022-01-03", periods=2, freq="h"))
    toys.weigh(n, 5.0)
    n.add("Bus", "A")
    n.add("Carrier", "coal")
    coal = {"bus": "A", "carrier": "coal", "p_nom": 100.0, "tariff": 500.0, "emission_rate": 0.9}
    units = {"good": {**coal, "marginal_cost": 300.0}, "bad": {**coal, "marginal_cost": 350.0}}
    toys.add_rows(n, "Generator", units)
    n.add("Load", "load", bus="A", p_set=120.0)
    costs = {name: FINANCE[name] for name in ("default", "coal")}
    return pm.Case(n, pm.Market(finance=costs, quota={"band": 0, "load_factor": {"A": 0.6}}))


@pytest.mark.slow
def test_one_more_under_equal_shares_takes_hours_as_one_over_capacity() -> None:
    """120 of 200 MW, then of 250 MW: 5,256 and 4,204.8 h for all; cost 60 x 650 = 39,000 an hour,
    then 48 x 650 + 24 x 300 = 38,400. The new one earns 500 - 300 on each MWh. What is planned is
    energy: the load factor of 0.6 falls to 0.48, which is found where nothing is planned as well.
    """
    free = pm.Regime("free", (EqualShares(load_factor={}), *pm.regime("fixed_tariff").rules[1:]))
    table = pm.return_on_one_more(coal_fleet(), ["fixed_tariff", free], mw=50.0)
    assert table["regime"].tolist() == ["fixed_tariff", "free"]
    for _, row in table.iterrows():
        one_more_by_hand(row)


def one_more_by_hand(row: pd.Series) -> None:
    assert row["like"] == "good" and row["province"] == "A"
    assert row["others_hours_before"] == pytest.approx(8760 * 120 / 200)
    assert row["full_load_hours"] == pytest.approx(8760 * 120 / 250)
    assert row["others_hours_after"] == pytest.approx(8760 * 120 / 250)
    assert row["system_cost_change"] == pytest.approx(8760 * (38_400 - 39_000))
    cash = 24 * 8760 * 200 - 214 * 50_000
    assert row["cash_flow"] == pytest.approx(cash)
    assert cash * annuity(row["irr"], 40) == pytest.approx(4050 * 50_000)
    # Each of the others gives up 12 MW, at 200 and at 150.
    assert row["others_cash_change"] == pytest.approx(-12 * 8760 * (200 + 150))


def test_plans_of_load_factors_keep_their_energy() -> None:
    """Of the province and of quota plant alone; a regime's own plan as that of the market file."""
    case = coal_fleet()
    more = with_copy(case, "good", "copy", 50.0)
    assert more.market.quota.load_factor == {"A": pytest.approx(0.48)}
    assert case.market.quota.load_factor == {"A": 0.6}
    plan = EqualShares(load_factor={"A": 0.3, "B": 0.5})
    own = pm.Regime("own", (plan, *pm.regime("fixed_tariff").rules[1:]))
    told = onemore.with_same_energy(own, case, more).rules[0]
    assert told.load_factor == {"A": pytest.approx(0.24), "B": 0.5}
    n = toys.one_bus([60.0])
    market = pm.Market(quota={"load_factor": {"A": 0.5}})
    windy = with_copy(pm.Case(n, market), "wind", "copy", 50.0)
    assert windy.market.quota.load_factor == {"A": 0.5}


@pytest.mark.slow
def test_a_limit_that_one_more_plant_keeps() -> None:
    """120 MW less 10 of wind: coal 100 and gas 10 emit 94 t of 92. 20 MW more of wind: coal 90, 81
    t, nothing binds. Gas takes the place of 4 MW of coal at 400 money/t, which is 800 an hour.
    """
    n = toys.one_bus([120.0])
    n.generators.loc["wind", "p_max_pu"] = 0.2
    n.add("Carrier", "reservoir hydro")
    case = pm.Case(n, pm.Market(finance=FINANCE))
    carbon = {"rule": "CarbonCap", "allocation": "auction", "cap": 92.0}
    cap = pm.regime({"extends": "full_market_auction", "name": "cap", "carbon": carbon})
    table = pm.return_on_one_more(case, [cap], carrier="onshore wind", mw=100.0)
    assert table["carbon_price"].tolist() == [0.0]
    # Coal 96 and gas 14 before, coal 90 after.
    change = 8760 * (90 * 300 - 96 * 300 - 14 * 500)
    assert table["system_cost_change"].tolist() == pytest.approx([change], rel=1e-6)


def test_a_copy_is_in_proportion() -> None:
    case = toys.random_case(5)
    like = median_plant(case, "coal", "P1")
    more = with_copy(case, like, "copy", 2 * case.generators.loc[like, "p_nom"])
    table = more.generators
    assert table.loc["copy", "units"] == pytest.approx(2 * table.loc[like, "units"])
    for name in ("start_cost", "emission_rate", "tariff", "min_stable_pu", "province"):
        assert table.loc["copy", name] == pytest.approx(table.loc[like, name]), name
    assert "copy" not in case.generators.index
    assert more.availability["copy"].tolist() == pytest.approx(
        (2 * more.availability[like]).tolist()
    )


def test_one_more_of_what_is_not_there_is_told_at_once() -> None:
    with pytest.raises(pm.InputError) as error:
        pm.return_on_one_more(coal_fleet(), ["fixed_tariff"], province="B", mw=0.0)
    assert [fault.where for fault in error.value.faults] == ["mw", "province"]
    with pytest.raises(pm.InputError, match="did you mean 'coal'"):
        pm.return_on_one_more(coal_fleet(), ["fixed_tariff"], carrier="coall")


# ---- bad input -------------------------------------------------------------------------------


def test_costs_and_lifetimes_that_cannot_be(tmp_path: Path) -> None:
    n = toys.one_bus([50.0])
    n.generators.loc["coal", ["overnight_cost", "lifetime"]] = [-1.0, -5.0]
    n.generators.loc["gas", ["discount_rate", "fom_cost"]] = [-1.0, -1.0]
    with pytest.raises(pm.InputError) as error:
        pm.Case(n, pm.Market(finance={"onshore wnd": {"capex": 1.0}}))
    text = str(error.value)
    for part in ("overnight_cost", "lifetime", "discount_rate", "fom_cost",
                 "did you mean 'onshore wind'"):  # fmt: skip
        assert part in text
    file = tmp_path / "market.yaml"
    wrong = {"capex": -1, "lifetime": 0, "discount_rate": -1, "fixed_om": -2, "wacc": 1}
    file.write_text(yaml.safe_dump({"finance": {"coal": wrong}}))
    with pytest.raises(pm.InputError) as error:
        read_market(file)
    assert len(error.value.faults) == len(wrong)


def test_nothing_stated_names_every_carrier() -> None:
    with pytest.raises(pm.InputError, match="capex, lifetime, discount_rate of coal, gas, onshore"):
        pm.returns_study(pm.Case(toys.one_bus([50.0])), ["full_market"])


# ---- command ---------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "net").mkdir()
    system().export_to_netcdf(str(tmp_path / "net" / "net.nc"))
    (tmp_path / "net" / "market.yaml").write_text(yaml.safe_dump({"finance": FINANCE}))
    return tmp_path


@pytest.mark.slow
def test_command_prints_and_writes(folder: Path) -> None:
    command = ["returns", "net", "--regime", "fixed_tariff", "--regime", "full_market"]
    done = inside(*command, "--one-more", "coal", "--mw", "10", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert "+2.3 to +14.5 %" in done.stdout and "10 MW more of coal" in done.stdout
    written = folder / "results" / "net-returns"
    for name in (
        "returns", "returns_summary", "returns_split", "returns_split_summary", "one_more",
    ):  # fmt: skip
        assert len(pd.read_parquet(written / f"{name}.parquet")), name
    assert "pyxirr" in json.loads((written / "record.json").read_text())["versions"]


@pytest.mark.slow
def test_command_as_json(folder: Path) -> None:
    done = inside("returns", "net", "--regime", "full_market", "--json", "--quiet", cwd=folder)
    assert done.returncode == 0 and done.stderr == ""
    assert {json.loads(line)["group"] for line in done.stdout.splitlines()} == {
        "wind", "hydro", "renewables",
    }  # fmt: skip


def test_command_without_costs_says_what_is_missing(folder: Path) -> None:
    (folder / "net" / "market.yaml").write_text("currency: CNY\n")
    done = inside("returns", "net", "--regime", "full_market", cwd=folder)
    assert done.returncode == 2 and "of coal, gas, onshore wind, reservoir hydro" in done.stderr
    assert not (folder / "results").exists()
