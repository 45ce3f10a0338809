"""Contracts beside the spot market: volumes, payoffs, sides, what they change and what not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import toys
from hypothesis import given
from hypothesis import strategies as st
from rich.table import Table

import powermkt as pm
from powermkt.commands.terminal import report
from powermkt.common.ledger import balances
from powermkt.rules import Cleared


def regime(*book: dict[str, Any], **more: Any) -> pm.Regime:
    """The full market with contracts."""
    rule = {"rule": "Contracts", "book": list(book), **more}
    return pm.regime({"name": "contracts", "extends": "full_market", "contract": rule})


def entry(kind: str = "cfd", **more: Any) -> dict[str, Any]:
    """Coal sells to the load, 50 MW at 400 unless something else is said."""
    volume = {} if {"mwh", "share"} & set(more) else {"mw": 50}
    plain = {"name": kind, "kind": kind, "seller": "coal", "buyer": "load", "price": 400}
    return {**plain, **volume, **more}


@pytest.fixture(scope="module")
def spot() -> pm.Run:
    """Load 60 and 160 MW: coal 35 and 100, gas 0 and 35, wind 25; prices 300 and 500."""
    run = pm.clear(pm.Case(toys.one_bus([60.0, 160.0])), "full_market")
    assert run.prices["A"].tolist() == pytest.approx([300, 500])
    assert run.dispatch["coal"].tolist() == pytest.approx([35, 100])
    return run


@pytest.fixture(scope="module")
def ring() -> pm.Run:
    """Two provinces with fleets, wind, storage and a weight other than 1."""
    return pm.clear(toys.random_case(22, hours=2, provinces=2), "full_market")


def under(run: pm.Run, *book: dict[str, Any], **more: Any) -> pm.Run:
    """The same clearing, settled with contracts."""
    return replace(run, regime=regime(*book, **more))


def received(run: pm.Run, *book: dict[str, Any]) -> pd.Series:
    """What everybody receives by contracts."""
    rule = regime(*book).rules[-1]
    assert isinstance(rule, pm.rules.ContractRule)
    deals = rule.deals(Cleared(run.case, run.outcome, pd.DataFrame()))
    return pd.concat([deal.receipts.sum() for deal in deals]).groupby(level=0).sum()


def gain(run: pm.Run, other: pm.Run) -> pd.Series:
    """What everybody receives more than in another run."""
    return balances(run.ledger).sub(balances(other.ledger), fill_value=0.0)


# ---- worked numbers -------------------------------------------------------------------------


@pytest.mark.slow
def test_the_formula_of_two_settlements_with_a_contract() -> None:
    """Coal at 280, gas at 300. Load 150 day ahead: coal 100, price 300; 95 in fact: coal 95, 280.

    100 x 300 + (95 - 100) x 280 + 80 x (350 - 300) = 30,000 - 1,400 + 4,000 = 32,600. Against the
    real-time price it would be 80 x 70 = 5,600 in the place of 4,000.
    """
    n = toys.one_bus([95.0])
    n.remove("Generator", "wind")
    n.generators.loc[["coal", "gas"], "marginal_cost"] = [280.0, 300.0]
    ahead = {"loads_t.p_set": pd.DataFrame({"load": [150.0]}, index=n.snapshots)}
    case = pm.Case(n, forecast=ahead)
    book = [{"name": "c", "kind": "cfd", "seller": "coal", "buyer": "load", "mw": 80, "price": 350}]
    rule = {"rule": "Contracts", "book": book}
    run = pm.clear(case, pm.regime({"name": "x", "extends": "two_settlement", "contract": rule}))
    assert run.day_ahead is not None
    assert run.day_ahead.dispatch["coal"].iloc[0] == pytest.approx(100)
    assert (run.day_ahead.prices.iloc[0, 0], run.prices.iloc[0, 0]) == pytest.approx((300, 280))
    assert balances(run.ledger)["coal"] == pytest.approx(32_600)
    rule = {"rule": "Contracts", "book": [{**book[0], "market": "real_time"}]}
    late = pm.regime({"name": "x", "extends": "two_settlement", "contract": rule})
    assert balances(replace(run, regime=late).ledger)["coal"] == pytest.approx(34_200)


PAYOFFS = [
    (entry("cfd"), 0),  # 50 x (400 - 300) + 50 x (400 - 500)
    (entry("forward", price=420), 2000),  # 50 x 120 - 50 x 80
    (entry("fixed_price", price=420), 2000),
    (entry("one_way_cfd"), 5000),  # 50 x 100
    (entry("one_way_cfd", premium=10), 4000),  # less 100 MWh x 10
    (entry("one_way_cfd", protects="buyer", premium=10), -4000),  # -50 x 100 + 1,000
    (entry("cap", premium=60), 1000),  # -50 x 100 + 6,000
    (entry("floor", premium=60), 1000),  # -50 x 100 + 6,000
    (entry(share=0.5, of="capacity"), 0),
    (entry(share=1.0), -6500),  # 35 x 100 - 100 x 100
    (entry(share=0.5, of="load"), -5000),  # 30 x 100 - 80 x 100
    (entry(mwh=60, shape="output", price=500), 60 * 200 * 35 / 135),  # 0 where the price is 500
    (entry(mwh=110, shape="load"), 100 * (30 - 80)),
    (entry(price="tariff", multiple=1.1), 50 * (2 * 440 - 800)),  # the default tariff is 400
    # Wind 25 MW at a mean of 400.
    (entry(share=1.0, seller="wind", reference="technology", price=440), 40 * 50),
    (entry(reference="system"), 0),
    (entry(seller="Bank", buyer="gas", reference="A", price=450), 50 * (150 - 50)),
]


def test_what_sellers_receive(spot: pm.Run) -> None:
    book = [{**contract, "name": str(i)} for i, (contract, _) in enumerate(PAYOFFS)]
    run = under(spot, *book, financial=["Bank"])
    amounts = [amount for _, amount in PAYOFFS]
    assert run.contracts["amount"].tolist() == pytest.approx(amounts, abs=1e-6)
    by_coal = [amount for contract, amount in PAYOFFS if contract["seller"] == "coal"]
    change = gain(run, spot)
    assert change["coal"] == pytest.approx(sum(by_coal))
    assert change[["wind", "Bank", "gas"]].tolist() == pytest.approx([2000, 5000, -5000])
    assert change["load"] == pytest.approx(-2000 - sum(by_coal))


def test_the_columns_of_the_table(spot: pm.Run) -> None:
    """A cap: 50 MW in two hours at a mean reference of 400, premium 60 x 100."""
    row = under(spot, entry("cap", premium=60, price=450)).contracts.iloc[0]
    assert row[["contract", "kind", "seller", "buyer", "tenor"]].tolist() == [
        "cap", "cap", "coal", "load", "all",
    ]  # fmt: skip
    numbers = row[["energy_mwh", "strike", "reference", "premium", "amount"]].tolist()
    assert numbers == pytest.approx([100, 450, 400, 6000, 6000 - 50 * 50])


def test_green_power_is_paid_as_produced_with_a_certificate_for_each_mwh(spot: pm.Run) -> None:
    """Wind 25 MW: 25 x (380 - 300) + 25 x (380 - 500) + 50 x 30; certificates alone: 50 x 30."""
    green = {"name": "g", "kind": "green_power", "seller": "renewables", "buyer": "A", "share": 1,
             "premium": 30}  # fmt: skip
    run = under(spot, {**green, "price": 380})
    assert gain(run, spot)["wind"] == pytest.approx(25 * 80 - 25 * 120 + 1500)
    row = run.contracts.loc[0, ["certificates_mwh", "premium", "amount"]].tolist()
    assert row == pytest.approx([50, 1500, 500])
    booked = run.ledger.set_index("product")["amount"]
    assert booked["contract energy"] == pytest.approx(50 * 380)
    assert booked["green certificates"] == pytest.approx(1500)
    alone = under(spot, green)
    assert gain(alone, spot)["wind"] == pytest.approx(1500)
    assert np.isnan(alone.contracts.loc[0, "strike"])


@pytest.mark.slow
def test_what_is_guaranteed_is_not_under_contract_as_well(spot: pm.Run) -> None:
    """Of wind's 25 MW 40 %, 10, are guaranteed at 400 and 15 sold at 300 and 500.

    A contract for all it sells at 440: 15 x (140 - 60) = 1,200. A mechanism price of 450 for 80 %,
    against a mean of 400: 12 x 2 x 50 = 1,200. Nothing is left to either where all is guaranteed.
    """
    book = [entry(seller="wind", share=1.0, price=440)]
    rules = ({"rule": "Contracts", "book": book},
             {"rule": "MechanismPrice", "price": 450, "share": 0.8})  # fmt: skip
    for share, amount in ((0.6, 1200), (0.0, 0)):
        part = {"rule": "Participation", "share": share}
        base = {"name": "p", "extends": "full_market", "renewables": part}
        plain = replace(spot, regime=pm.regime(base))
        for rule in rules:
            both = replace(spot, regime=pm.regime({**base, "contract": rule}))
            assert both.contracts["amount"].tolist() == pytest.approx([amount], abs=1e-6)
            assert gain(both, plain).get("wind", 0.0) == pytest.approx(amount, abs=1e-6)


def test_a_certificate_is_sold_once(spot: pm.Run) -> None:
    green = {"kind": "green_power", "seller": "wind", "share": 0.7, "premium": 30}
    one = {**green, "name": "one", "buyer": "load"}
    two = {**green, "name": "two", "seller": "onshore wind@A", "buyer": "grid company A"}
    said = "1.4 certificates for each MWh of wind (one, two)"
    assert [fault.what for fault in regime(one, two).faults(spot.case)] == [said]
    rules = [{"rule": "Contracts", "book": [item]} for item in (one, two)]
    apart = pm.regime({"name": "apart", "extends": "full_market", "contract": rules})
    assert {fault.what for fault in apart.faults(spot.case)} == {said}
    months = [{**one, "delivery": "2022-01"}, {**two, "delivery": "2022-02"}]
    assert regime(*months).faults(spot.case) == []
    assert regime(one, {**two, "share": 0.3}).faults(spot.case) == []


def test_more_than_all_output_is_said_across_rules(spot: pm.Run) -> None:
    rules = [{"rule": "Contracts", "book": [entry(seller="wind", share=1.0)]},
             {"rule": "MechanismPrice", "share": 0.8}]  # fmt: skip
    both = pm.regime({"name": "both", "extends": "full_market", "contract": rules})
    notes = [note for note in replace(spot, regime=both).notes if "by contract" in note]
    assert notes == [
        "1.8 times the output of wind is sold by contract (cfd, mechanism price onshore wind A): "
        "settled all the same"
    ]


def test_plant_without_a_bound_has_nearly_all_of_a_group(spot: pm.Run) -> None:
    n = spot.case.network()
    n.generators.loc["gas", "p_nom"] = np.inf
    run = replace(spot, case=pm.Case(n), regime=regime(entry(seller="A", mw=10, price=450)))
    assert run.contracts["energy_mwh"].tolist() == pytest.approx([20])
    booked = run.ledger.set_index("product").loc["contract for difference"]
    assert booked[booked["payee"] == "gas"]["quantity"].iloc[0] == pytest.approx(20, rel=1e-4)
    capacity = regime(entry(seller="A", share=0.5, of="capacity"))
    assert "plant without a bound: gas" in str(capacity.faults(run.case)[0])


# ---- what must hold -------------------------------------------------------------------------


@given(cost=st.floats(50, 450), strike=st.floats(0, 600))
def test_a_full_hedge_makes_revenue_independent_of_the_spot_price(
    cost: float, strike: float
) -> None:
    """Whatever gas costs, and so the price, coal and wind earn strike x output."""
    n = toys.one_bus([60.0, 160.0])
    n.generators.loc["gas", "marginal_cost"] = 301 + cost
    run = pm.clear(pm.Case(n), regime(*(
        entry(name=name, seller=name, share=1.0, price=strike) for name in ("coal", "wind")
    )))  # fmt: skip
    assert run.prices["A"].tolist() == pytest.approx([300, 301 + cost])
    earned = balances(run.ledger)
    for name in ("coal", "wind"):
        assert earned[name] == pytest.approx(strike * run.dispatch[name].sum(), abs=1e-6)


@pytest.mark.parametrize("strike", [250.0, 400.0, 550.0])
def test_a_cap_sold_and_a_floor_bought_at_one_strike_are_a_two_way_contract(
    spot: pm.Run, strike: float
) -> None:
    cap = entry("cap", price=strike)
    floor = entry("floor", price=strike, seller="load", buyer="coal")
    two_way = received(spot, entry(price=strike))
    assert (received(spot, cap, floor) - two_way).abs().max() < 1e-6
    more = received(spot, entry("one_way_cfd", price=strike)) - two_way
    assert more["coal"] >= 0
    assert more["coal"] == pytest.approx(50 * max(500 - strike, 0) + 50 * max(300 - strike, 0))


@pytest.mark.slow
def test_contracts_are_cleared_with_the_market_they_stand_beside(two_province: pm.Case) -> None:
    """One clearing for all three: dispatch and prices are the same objects, bit by bit."""
    names = ["full_market", "market_with_contracts", "reform_2025"]
    result = pm.compare(two_province, names, [0.0])
    market, hedged, reform = result.runs
    assert hedged.outcome is market.outcome and reform.outcome is market.outcome
    pd.testing.assert_frame_equal(hedged.prices, market.prices, check_exact=True)
    assert market.contracts.empty
    # Coal: North 500 and 900 MW at 0 (night) and 300 (day) for 12 h each; 90 % of it, but by day no
    # more than the 800 MW that users take: 12 (450 x 380 + 800 x 80) = 2,820,000.
    table = result.contracts
    assert table is not None
    table = table.set_index("contract")
    north, south = table.loc["quota North"], table.loc["quota South"]
    assert north[["energy_mwh", "strike", "amount"]].tolist() == pytest.approx(
        [15_000, 380, 2_820_000]
    )
    assert north["amount"] == pytest.approx(gain(hedged, market)[["N1", "N2"]].sum())
    assert south["amount"] == pytest.approx(-gain(hedged, market)["South load"])
    # Wind gives 200 MW, at 0 by night and at 300 by day: (400 - mean) x 80 %, from all users.
    wind = table.loc["mechanism price onshore wind North"]
    energy = market.dispatch["wind"].sum()
    worth = (market.dispatch["wind"] * market.prices["North"]).sum()
    assert wind["amount"] == pytest.approx(0.8 * (400 * energy - worth))
    change = gain(reform, market)
    assert change["wind"] == pytest.approx(wind["amount"])
    assert change["North load"] == pytest.approx(-wind["amount"])
    assert change["grid company North"] == pytest.approx(0, abs=1e-6)
    assert pm.Comparison(two_province, [market]).contracts is None


BOOK = [
    {"name": "a", "kind": "cfd", "seller": "quota@*", "buyer": "users@*", "share": 0.5,
     "price": "tariff"},
    {"name": "b", "kind": "forward", "seller": "Bank", "buyer": "P0 load", "mw": 70, "price": 333},
    {"name": "c", "kind": "cap", "seller": "coal", "buyer": "users", "share": 0.9, "of": "load",
     "price": 350, "premium": 20, "reference": "system"},
    {"name": "d", "kind": "floor", "seller": "grid company *", "buyer": "renewables@*",
     "share": 0.7, "price": 450, "premium": 5, "reference": "technology"},
    {"name": "e", "kind": "cfd", "seller": "P0", "buyer": "Bank", "mwh": 900, "price": 280,
     "shape": "output", "reference": "P1"},
    {"name": "f", "kind": "forward", "seller": "PHS", "buyer": "P1", "mw": 5, "price": 400,
     "delivery": "2022-01-03"},
    {"name": "g", "kind": "green_power", "seller": "onshore wind", "buyer": "Fund", "share": 1,
     "premium": 31},
]  # fmt: skip


def test_contracts_sum_to_zero_and_users_pay_what_their_price_says(ring: pm.Run) -> None:
    run = under(ring, *BOOK, financial=["Bank", "Fund"])
    change = gain(run, ring)
    scale = run.ledger["amount"].abs().sum()
    assert abs(change.sum()) < 1e-12 * scale
    for account in ("Bank", "Fund", "grid company P0"):
        assert abs(change[account]) > 1
    # The table and the ledger say the same of those who only sell.
    table = run.contracts.set_index("contract")
    assert (run.case.weights == 2.5).all()
    assert len(table) == 9  # a and d stand for both provinces
    assert change["Fund"] == pytest.approx(-table.loc["g", "amount"] + 0.0)
    assert change["Bank"] == pytest.approx(table.loc["b", "amount"] - table.loc["e", "amount"])
    companies = [change[f"grid company P{i}"] for i in (0, 1)]
    assert companies == pytest.approx(table.loc[["d P0", "d P1"], "amount"].tolist())
    # Users: what the hourly prices come to is what the ledger takes.
    paid = (run.outcome.served(run.case) * run.announced.retail).mul(run.case.weights, axis=0)
    loads = run.case.loads.index
    assert paid.sum().tolist() == pytest.approx((-balances(run.ledger)[loads]).tolist())
    row = run.summary()
    assert row["consumer_payment"] == pytest.approx(paid.to_numpy().sum())
    # A financial party is a group of its own, and welfare changes by money alone.
    assert run.accounts.loc["Bank", "group"] == "Bank"
    assert run.accounts["receipts"].sum() == pytest.approx(0, abs=1e-9 * scale)
    assert row["cost"] == ring.summary()["cost"]
    earned = change[change.index.isin([*run.dispatch.columns, *run.storage.columns])].sum()
    assert row["producer_surplus"] - ring.summary()["producer_surplus"] == pytest.approx(earned)


@pytest.mark.slow
def test_a_retail_rule_stands_on_what_contracts_charge(spot: pm.Run) -> None:
    """Users at a catalogue tariff pay it all the same: their grid company bears the 5,000."""
    n = spot.case.network()
    n.loads["user_class"] = "residential_agricultural"
    n.loads["tariff"] = 600.0
    case = pm.Case(n)
    rules = {"extends": "full_market", "retail": {"rule": "RetailTariff"}}
    plain = pm.clear(case, pm.regime({"name": "plain", **rules}))
    book = [entry("one_way_cfd")]
    both = pm.regime({"name": "b", **rules, "contract": {"rule": "Contracts", "book": book}})
    change = gain(replace(plain, regime=both), plain)
    assert change["load"] == pytest.approx(0, abs=1e-6)
    assert change[["coal", "grid company A"]].tolist() == pytest.approx([5000, -5000])


def test_references_around_a_plant(two_province: pm.Case) -> None:
    """Two buses of one province: the price of the bus, of the other one, and means of both."""
    n = two_province.network()
    n.buses["province"], n.buses["zone"] = "P", "Z"
    run = pm.clear(pm.Case(n), "full_market")
    where = ("own", "South", "zone", "province", "system", "Z")
    book = [entry(name=x, seller="N1", buyer="South load", reference=x) for x in where]
    north, south = run.prices["North"], run.prices["South"]
    load = n.loads_t["p_set"].set_axis(["North", "South"], axis="columns")
    mean = (load * run.prices[["North", "South"]]).sum(axis=1) / load.sum(axis=1)
    assert north.mean() != pytest.approx(mean.mean())
    expected = [north.mean(), south.mean(), *[mean.mean()] * 4]
    assert under(run, *book).contracts["reference"].tolist() == pytest.approx(expected)
    # Users who pay one price for all have that for their own: a full hedge leaves them the strike.
    alike = {"rule": "LocationalPrice", "users_pay": "generation_weighted"}
    hedge = [entry(seller="Bank", buyer="South load", share=1, of="load")]
    book_rule = {"rule": "Contracts", "book": hedge, "financial": ["Bank"]}
    one = {"name": "one", "extends": "full_market", "pricing": alike, "contract": book_rule}
    hedged = replace(run, regime=pm.regime(one))
    paid = hedged.announced.energy["South load"] @ load["South"]
    assert paid != pytest.approx(south @ load["South"])
    change = balances(hedged.ledger)["South load"] + 400 * load["South"].sum()
    fees = (hedged.announced.retail - hedged.announced.energy)["South load"]
    charged = (fees - pm.rules.ContractRule.user_charge(hedged.regime.rules[-1], hedged._cleared)[
        "South load"]) @ load["South"]  # fmt: skip
    assert change == pytest.approx(-charged, abs=1e-6)


def test_the_mechanism_price_is_that_of_the_technology() -> None:
    """Wind blows 40 and 10 MW at 300 and 500, another 0 and 20: mean (12,000 + 15,000)/70 = 385.71.

    At a mechanism price of 400 for half of all output each gets 0.5 x 14.29 a MWh: who blows at
    500 keeps its advantage.
    """
    n = toys.one_bus([60.0, 160.0])
    n.generators_t["p_max_pu"] = pd.DataFrame({"wind": [0.8, 0.2]}, index=n.snapshots)
    late = {"bus": "A", "carrier": "onshore wind", "p_nom": 20, "p_max_pu": np.array([0.0, 1.0])}
    toys.add_rows(n, "Generator", {"late": late})
    n.loads["user_class"] = "energy_intensive"
    toys.add_rows(n, "Load", {"homes": {"bus": "A", "p_set": 1.0}})
    n.loads["user_class"] = ["energy_intensive", "residential_agricultural"]
    plain = pm.clear(pm.Case(n), "full_market")
    assert plain.prices["A"].tolist() == pytest.approx([300, 500])
    rule = {"rule": "MechanismPrice", "price": {"onshore wind": 400.0}, "share": {"A": 0.5}}
    reform = {"name": "r", "extends": "reform_2025", "contract": rule}
    run = replace(plain, regime=pm.regime(reform))
    per_mwh = 0.5 * (400 - 27_000 / 70)
    change = gain(run, plain)
    assert change[["wind", "late"]].tolist() == pytest.approx([50 * per_mwh, 20 * per_mwh])
    assert change["load"] == pytest.approx(-70 * per_mwh)  # homes bear nothing
    assert change.get("homes", 0.0) == 0
    charge = run.announced.retail - plain.announced.retail
    assert charge["load"].tolist() == pytest.approx([70 * per_mwh / 220] * 2)
    # None of the classes is there: all users bear it.
    nobody = {**reform, "contract": {**rule, "users": []}}
    all_of_them = gain(replace(plain, regime=pm.regime(nobody)), plain)
    assert all_of_them["homes"] == pytest.approx(-70 * per_mwh * 2 / 222)  # by what they use


# ---- tenors ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def days() -> pm.Run:
    """Two days of a load that rises, from Monday 3 January 2022 on."""
    return pm.clear(pm.Case(toys.one_bus([60.0 + 2 * h for h in range(48)])), "full_market")


@pytest.mark.parametrize("shape", ["flat", "peak", "off_peak", "load", "output", [*range(24)]])
def test_energy_of_a_tenor_is_kept_whatever_its_shape(days: pm.Run, shape: str | list[int]) -> None:
    """Two days of a week of seven: all of a contract of two days, 2/7 of one of the week."""
    here = {"mwh": 700, "shape": shape}
    run = under(days, entry("forward", delivery="2022-01-03/2022-01-04", **here),
                entry("cfd", delivery="2022-W01", **here))  # fmt: skip
    table = run.contracts
    assert table["energy_mwh"].tolist() == pytest.approx([700, 200])
    hours = run.case.snapshots.hour
    by_name = {
        "flat": np.ones(48),
        "peak": (hours >= 8) & (hours < 22),
        "off_peak": (hours < 8) | (hours > 21),
        "load": run.outcome.served(run.case)["load"],
        "output": run.dispatch["coal"],
    }
    weight = pd.Series(by_name[shape] if isinstance(shape, str) else hours, run.case.snapshots)
    mean = (weight * run.prices["A"]).sum() / weight.sum()
    assert table["reference"].tolist() == pytest.approx([mean, mean])


@pytest.mark.slow
def test_a_month_in_representative_weeks_has_its_own_energy() -> None:
    """Twelve weeks in steps of six hours, two of which stand for 1,008 h each.

    The first seven days of January stand for six weeks, 36 h a snapshot. January at 100 MW is
    74,400 MWh, not 100,800, and at 300 against 350 worth 50 each; a year at 10 MW
    delivers 20,160 MWh in the 2,016 h of the horizon; no week of March was chosen.
    """
    n = toys.one_bus([60.0])
    n.set_snapshots(pd.date_range("2022-01-01", periods=12 * 28, freq="6h"))
    n.snapshot_weightings.loc[:] = 6.0
    n.loads_t["p_set"]["load"] = 60.0
    book = [
        entry("forward", name=delivery, delivery=delivery, mw=mw, price=350)
        for delivery, mw in (("2022-01", 100.0), ("2022", 10.0), ("2022-03", 100.0))
    ]
    run = pm.clear(pm.Case(n), regime(*book), weeks=2)
    assert run.case.weights.tolist() == [36.0] * 56
    table = run.contracts.set_index("contract")
    assert table["energy_mwh"].tolist() == pytest.approx([74_400, 20_160, 0])
    assert table["amount"].tolist() == pytest.approx([50 * 74_400, 50 * 20_160, 0])
    assert any("2022-03: nothing is delivered" in note for note in run.notes)
    # Coal of 100 MW sells 110 MW in January: said, and settled.
    assert any("coal of 100 MW sells up to 110 MW" in note for note in run.notes)


def test_shapes_of_the_day_in_long_snapshots() -> None:
    """Six hours each: 14 hours of peak lie 0, 4, 6 and 4 in them; a day holds all of its 1,000."""
    n = toys.one_bus([60.0] * 4)
    n.set_snapshots(pd.date_range("2022-01-03", periods=4, freq="6h"))
    n.snapshot_weightings.loc[:] = 6.0
    n.loads_t["p_set"]["load"] = 60.0
    book = [
        entry("forward", name="mwh", mwh=1000, shape="peak", delivery="2022-01-03"),
        entry("forward", name="mw", mw=10, shape="peak"),
        entry("cfd", name="off", mwh=1000, shape="off_peak", delivery="2022-01-03"),
    ]
    run = pm.clear(pm.Case(n), regime(*book))
    assert run.contracts["energy_mwh"].tolist() == pytest.approx([1000, 140, 1000])
    deal = run.regime.rules[-1].deals(run._cleared)[1]  # type: ignore[attr-defined]
    assert deal.quantity["coal"].tolist() == pytest.approx([0, 40, 60, 40])


# ---- input ----------------------------------------------------------------------------------


@pytest.mark.slow
def test_more_than_the_plant_has_is_said_and_settled(spot: pm.Run) -> None:
    case = pm.Case(spot.case.network(), name="net")
    book = [entry("forward", mw=80, price=420), entry("cfd", mw=60)]
    result = pm.compare(case, [regime(*book)], [0.0, 60.0])
    notes = [note for note in result.notes if "sells up to" in note]
    assert notes == [
        "contracts: coal of 100 MW sells up to 140 MW by contract (forward, cfd): settled all the "
        "same"
    ]
    assert any("140 MW" in note for note in result.record()["notes"]["contracts @ 60"])  # type: ignore[index]
    shown = [item for item in report(result) if isinstance(item, Table)]
    assert any("contracts beside the market" in str(table.title) for table in shown)
    table = result.tables["contracts"]
    assert table["carbon_price"].tolist() == [0, 0, 60, 60]
    assert table["energy_mwh"].tolist() == pytest.approx([160, 120] * 2)


@pytest.mark.parametrize(
    ("first", "second", "clash"),
    [
        ({"delivery": "2022-01"}, {"delivery": "2022-01"}, True),
        ({"delivery": "2022-W01"}, {"delivery": "2022-W02"}, False),
        ({"delivery": "2022"}, {"delivery": "2022-01"}, False),  # a month over a year
        ({"delivery": "2022"}, {}, False),
        ({}, {}, True),
        ({"shape": "peak"}, {}, False),
        ({"delivery": "2022-01-03/2022-01-09"}, {"delivery": "2022-01-09/2022-01-12"}, True),
        ({"delivery": "2022-01-03/2022-01-09"}, {"delivery": "2022-01-10/2022-01-12"}, False),
        ({"delivery": "2022-01"}, {"delivery": "2022-01-01/2022-01-31"}, True),  # spelled otherwise
        ({"delivery": "2022-W05"}, {"delivery": "2022-01"}, True),  # from January into February
        ({"kind": "cap", "price": 400}, {"kind": "cap", "price": 450}, False),
        ({"kind": "cap", "price": 400}, {"kind": "cap", "price": 400}, True),
        ({"buyer": "A"}, {}, False),
    ],
)
def test_tenors_that_overlap(
    spot: pm.Run, first: dict[str, Any], second: dict[str, Any], clash: bool
) -> None:
    book = [entry(name="one", **first), entry(name="two", **second)] if "kind" not in first else [
        {**entry(name="one"), **first}, {**entry(name="two"), **second}]  # fmt: skip
    faults = [str(fault) for fault in regime(*book).faults(spot.case)]
    assert bool(faults) == clash
    assert all("'one' and 'two'" in fault and "overlap" in fault for fault in faults)


def test_everything_wrong_with_parties_is_told_at_once(spot: pm.Run) -> None:
    wrong = [
        entry(name="1", seller="coall"),
        entry(name="2", buyer="Bank"),
        entry(name="3", buyer="grid company B"),
        entry(name="4", seller="coal@B"),
        entry(name="5", seller="A", buyer="gas"),
        entry(name="6", reference="nowhere"),
        entry(name="7", seller="Fund", share=0.5),
        entry(name="8", seller="Fund", buyer="grid company A", price="tariff"),
        {"name": "9", "kind": "green_power", "seller": "coal", "buyer": "A", "share": 1},
        entry(name="10", buyer="Fund", share=0.1, of="load"),
        entry(name="10", seller="gas"),
    ]
    said = "\n".join(map(str, regime(*wrong, financial=["Fund", "coal"]).faults(spot.case)))
    for part in (
        "1: unknown seller 'coall' -> did you mean 'coal'?",
        "2: unknown buyer 'Bank'",
        "or declare it under `financial`",
        "3: unknown buyer 'grid company B' -> did you mean 'grid company A'?",
        "4: unknown seller 'coal@B'",
        "5: gas on both sides",
        "6: unknown reference 'nowhere'",
        "7: a share of output without plant on either side",
        "8: the tariff of no plant",
        "8: the reference 'own' of parties that have none",
        "9: green power of what is no renewable plant: coal",
        "10: a share of load without users on either side",
        "2 contracts are called '10'",
        "financial: 'coal' is somebody else",
    ):
        assert part in said, part


@pytest.mark.parametrize(
    ("contract", "message"),
    [
        (entry(mw=-1), "greater than or equal to 0"),
        (entry(mwh=5, mw=5), "mw and mwh: give one of"),
        ({**entry(), "mw": None}, "no volume: give one of"),
        (entry(buyer="coal"), "seller and buyer are both 'coal'"),
        (entry(price=None), "no price"),
        (entry(kind="swap"), "Input should be 'fixed_price'"),
        (entry(strike=3), "unknown key 'strike'"),
        (entry("forward", share=0.5), "the volume of a forward is fixed"),
        (entry("green_power"), "green power is sold as produced"),
        (entry("green_power", share=1.2), "a share of output up to 1"),
        (entry(premium=5), "a cfd has no premium"),
        (entry(protects="buyer"), "only a one_way_cfd"),
        (entry(share=0.5, shape="peak"), "a share of output has its shape"),
        (entry(shape=[1.0] * 23), "at least 24 items"),
        (entry(shape=[0.0] * 24), "the profile is zero"),
        (entry(delivery="2022-W54"), "'2022-W54' is no week"),
        (entry(delivery="January"), "'January' is no year, quarter, month or day"),
        (entry(delivery="2022-01-05/2022-01-03"), "is no interval"),
    ],
)
def test_contracts_that_contradict_themselves(contract: dict[str, Any], message: str) -> None:
    with pytest.raises(pm.InputError, match=message):
        regime(contract)


def test_no_reference_without_a_market_price(spot: pm.Run) -> None:
    for base in ("fixed_tariff", "priority_dispatch"):
        rule = {"rule": "Contracts", "book": [entry()]}
        plain = pm.regime({"name": "x", "extends": base, "contract": rule})
        with pytest.raises(pm.InputError, match="no market price that contracts could refer to"):
            pm.clear(spot.case, plain)


def test_times_are_needed_for_tenors_and_shapes_of_the_day() -> None:
    n = toys.one_bus([60.0])
    n.set_snapshots(pd.Index([0]))
    n.loads_t["p_set"]["load"] = 60.0
    book = [entry(name="a", delivery="2022"), entry(name="b", shape="peak"), entry(name="c")]
    faults = regime(*book).faults(pm.Case(n))
    assert [fault.where.split(": ")[1] for fault in faults if "no times" in fault.what] == [
        "a",
        "b",
    ]


def test_names_of_others_are_no_financial_parties() -> None:
    case = toys.random_case(22, hours=2, provinces=2)
    taken = ["carbon fund", "market operator", "public funds", "transmission owner", "P0-P1",
             "coal", "users", "producers"]  # fmt: skip
    service = {"rule": "DeviationPenalty", "rate": 1.0}
    rule = {"rule": "Contracts", "financial": ["Bank", *taken, "penalties"]}
    wrong = pm.regime({"name": "x", "extends": "two_settlement", "contract": rule,
                       "ancillary": service})  # fmt: skip
    said = [fault.what for fault in wrong.faults(case) if "financial" in fault.where]
    assert said == [f"{name!r} is somebody else" for name in [*taken, "penalties"]]


def test_years_in_a_table_with_gaps() -> None:
    book = [entry(name="a", delivery=2022), entry(name="b")]
    assert [one.delivery for one in pm.rules.Contracts(book=pd.DataFrame(book)).book] == [
        "2022", None,
    ]  # fmt: skip


def test_a_book_in_a_file_or_a_table(spot: pm.Run, tmp_path: Path) -> None:
    profile = [1.0] * 12 + [2.0] * 12
    book = [entry("forward", shape=profile, delivery="2022"), entry("cap", premium=5.0)]
    plain = under(spot, *book)
    table = pd.DataFrame(book)
    in_table = pm.rules.Contracts(book=table)
    assert in_table == pm.rules.Contracts(book=book)
    table["shape"] = table["shape"].map(
        lambda shape: " ".join(map(str, shape)) if isinstance(shape, list) else ""
    )
    table.to_csv(tmp_path / "contracts.csv", index=False)
    text = regime(*book).to_yaml()
    (tmp_path / "contracts.yaml").write_text(
        text[text.index("  book:") :].replace("\n  ", "\n").strip()
    )
    for name in ("contracts.csv", "contracts.yaml"):
        case = pm.Case(spot.case.network(), folder=tmp_path)
        run = replace(plain, case=case, regime=regime(file=name))
        assert run.regime.faults(case) == []
        pd.testing.assert_frame_equal(run.contracts, plain.contracts)


def test_what_is_wrong_with_a_file(spot: pm.Run, tmp_path: Path) -> None:
    case = pm.Case(spot.case.network(), folder=tmp_path)
    (tmp_path / "a.csv").write_text(
        "name,kind,seller,buyer,mw,price\nx,cfd,coal,load,-5,1\ny,cdf,a,b,1,1\n"
    )
    (tmp_path / "b.yaml").write_text("contracts: 3\n")
    (tmp_path / "c.txt").write_text("")
    for name, parts in (
        ("a.csv", ["contract 1: mw", "contract 2: kind"]),
        ("b.yaml", ["states no list of contracts"]),
        ("c.txt", ["is no file of contracts"]),
        ("d.csv", ["cannot be read"]),
    ):
        said = "\n".join(map(str, regime(file=name).faults(case)))
        for part in parts:
            assert part in said


def test_users_are_not_hedged_twice(two_province: pm.Case) -> None:
    """A retail rule that has users buy at its contract price goes with none of these contracts."""
    regime = pm.regime({"name": "twice", "extends": "market_with_contracts",
                        "retail": {"rule": "RetailTariff"}})  # fmt: skip
    assert "hedged here again" in str(regime.faults(two_province)[0])
    spot = {"rule": "RetailTariff", "contract_share": 0}
    once = {"name": "once", "extends": "market_with_contracts", "retail": spot}
    assert not pm.regime(once).faults(two_province)


def test_users_bear_the_mechanism_by_all_they_use() -> None:
    """Wind blows in the first hour only, when one user takes 20 MW; the other follows with 20.

    Wind gives 20 MWh at a tariff of 500 against a price of 0: 10,000, of which each bears a half.
    """
    n = toys.one_bus([20.0, 0.0])
    n.generators.loc["wind", "p_nom"] = 40.0
    n.generators["tariff"] = 500.0
    n.generators_t["p_max_pu"] = pd.DataFrame({"wind": [1.0, 0.0]}, index=n.snapshots)
    n.add("Load", "late", bus="A", p_set=pd.Series([0.0, 20.0], n.snapshots))
    run = pm.clear(pm.Case(n), "reform_2025")
    paid = run.contracts.set_index("contract")["amount"].sum()
    charge = run.ledger[run.ledger["product"] == "contract for difference"]
    shares = charge[charge["payer"].isin(n.loads.index)].set_index("payer")["amount"]
    assert paid == pytest.approx(0.8 * 20 * (500 - run.prices.iloc[0, 0]))
    assert shares.to_numpy() == pytest.approx([paid / 2, paid / 2])
