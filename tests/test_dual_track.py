"""The imbalance account of planned energy beside a market. Arithmetic shown."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
import toys

import powermkt as pm
from powermkt.common.ledger import balances


@cache
def two_hours() -> pm.Case:
    """Wind 80 then 10 MW at a tariff of 420, coal at 380; households 30, industry 60."""
    n = toys.one_bus([60.0, 60.0], weight=2.0)
    n.generators.loc["wind", "p_nom"] = 80.0
    n.generators["tariff"] = [380.0, 600.0, 420.0]
    n.generators_t["p_max_pu"] = pd.DataFrame({"wind": [1.0, 0.125]}, index=n.snapshots)
    n.add("Load", "homes", bus="A", p_set=30.0)
    n.loads["tariff"] = [600.0, 500.0]
    n.loads["user_class"] = ["industrial_commercial", "residential_agricultural"]
    return pm.Case(n)


def with_account(base: str = "priority_dispatch", more: Any = None, **terms: Any) -> pm.Regime:
    rule = {"rule": "DualTrackAccount", **terms}
    return pm.regime({"name": "account", "extends": base, "contract": rule, **(more or {})})


PREMIUM = {"pricing": {"rule": "GuaranteedPurchase", "premium": 0.05}}


@pytest.mark.slow
def test_the_account_by_hand() -> None:
    """Wind gives 80, households take 30: 50 MW for two hours go to industry, 100 MWh.

    Coal gives 10 and 80 MW, all at its contract price of 380, which equals its tariff. The account:
    100 x (420 - 380) = 4,000, borne by 240 MWh of industry: 16.67 a MWh. Wind falls short of
    households in the other two hours, and nothing of it is left over.
    """
    plain, run = pm.clear(two_hours(), "priority_dispatch"), pm.clear(two_hours(), with_account())
    assert run.outcome is plain.outcome or run.dispatch.equals(plain.dispatch)
    row = run.dual_track.iloc[0]
    assert row["period"] == "all" and row["province"] == "A"
    assert row.iloc[2:].tolist() == pytest.approx([180, 120, 100, 420, 380, 4000])
    paid, before = balances(run.ledger), balances(plain.ledger)
    change = (paid - before)[lambda x: x.abs() > 1e-6]
    assert change.to_dict() == pytest.approx({"load": -4000, "grid company A": 4000})
    rise = run.announced.retail - plain.announced.retail
    assert rise["load"].tolist() == pytest.approx([4000 / 240] * 2)
    assert (rise["homes"] == 0).all()
    assert run.summary()["consumer_payment"] == pytest.approx(
        (run.announced.retail * run.outcome.served(run.case)).to_numpy().sum() * 2
    )
    preset = pm.clear(two_hours(), "priority_dispatch_dual_track")
    pd.testing.assert_frame_equal(preset.ledger, run.ledger)
    assert plain.dual_track.empty


@pytest.mark.parametrize(
    ("allocated", "change"),
    [
        pytest.param("market_users", {"load": -1900 - 2100}, marks=pytest.mark.slow),
        ("thermal", {"load": -1900, "coal": -2100}),
        # 180 MWh of wind and 180 of coal.
        pytest.param(
            "generators", {"load": -1900, "coal": -1050, "wind": -1050}, marks=pytest.mark.slow
        ),
    ],
)
def test_a_dearer_contract_shrinks_the_account(allocated: str, change: dict[str, float]) -> None:
    """Contracts 5 % dearer, at 399: 100 x (420 - 399) = 2,100 are left to be borne.

    The 100 MWh are sold at 399 and were in bills at 380: 1,900, whoever bears the rest. All of it
    reaches the grid company, 4,000 as before: what it pays wind has not changed.
    """
    base = pm.regime({"name": "dearer", "extends": "priority_dispatch", **PREMIUM})
    plain = balances(pm.clear(two_hours(), base).ledger)
    run = pm.clear(two_hours(), with_account(more=PREMIUM, allocated_to=allocated))
    moved = (balances(run.ledger) - plain)[lambda x: x.abs() > 1e-6]
    assert moved.to_dict() == pytest.approx({**change, "grid company A": 4000})
    assert balances(run.ledger).sum() == pytest.approx(0, abs=1e-6)


def test_all_of_planned_energy() -> None:
    """180 MWh of wind, of which industry's 60 MW take 60 and 10 in an hour: 140 x 40 = 5,600."""
    run = pm.clear(two_hours(), with_account(volume="all"))
    assert run.dual_track[["volume_mwh", "amount"]].iloc[0].tolist() == pytest.approx([140, 5600])


def test_beside_a_market_it_is_what_the_grid_company_lost() -> None:
    """Wind bought at 420 and sold at coal's 300; 100 MWh are beyond households: 12,000.

    The grid company loses 180 x 120 = 21,600 in all and keeps what serves households: 9,600.
    """
    own = {"renewables": {"rule": "Participation", "share": 0, "passed_on": "grid_company"}}
    run = pm.clear(two_hours(), with_account("full_market", own))
    row = run.dual_track.iloc[0]
    assert row.iloc[2:].tolist() == pytest.approx([180, 120, 100, 420, 300, 12000])
    net = balances(run.ledger)
    assert net["grid company A"] == pytest.approx(-9600)
    assert net["load"] == pytest.approx(-240 * 300 - 12000)


@pytest.mark.slow
def test_beside_a_market_energy_is_sold_at_its_plant() -> None:
    """Wind behind a full line: 40 MWh bought at 420 for 2 h and sold at 0, all of it lost.

    The load-weighted price of the province is near 300.
    """
    n = two_hours().network()
    n.remove("Load", "homes")
    n.add("Bus", "B", carrier="AC")
    n.buses["province"] = "P"
    n.generators.loc["wind", "bus"] = "B"
    n.add("Link", "out", bus0="B", bus1="A", p_nom=5, carrier="AC")
    own = {"renewables": {"rule": "Participation", "share": 0, "passed_on": "grid_company"}}
    run = pm.clear(pm.Case(n), with_account("full_market", own))
    assert (run.prices["B"] == 0).all()
    row = run.dual_track.iloc[0]
    assert row.iloc[4:].tolist() == pytest.approx([20, 420, 0, 20 * 420], abs=1e-6)
    assert balances(run.ledger).get("grid company P", 0.0) == pytest.approx(0, abs=1e-6)


def test_money_is_not_counted_twice() -> None:
    users = {"renewables": {"rule": "Participation", "share": 0}}
    with pytest.raises(pm.InputError, match="users pay for guaranteed purchase already"):
        pm.clear(two_hours(), with_account("full_market", users))
    for base in ("full_market", "fixed_tariff"):
        with pytest.raises(pm.InputError, match="knows no planned energy beside a market"):
            pm.clear(two_hours(), with_account(base))
    with pytest.raises(pm.InputError, match="did you mean 'onshore wind'"):
        pm.clear(two_hours(), with_account(carriers=["onshore wnd"]))


def test_what_is_sent_elsewhere_is_paid_there(two_province: pm.Case) -> None:
    """North gives 600 MW by night (wind 100) and 900 by day (wind 200), 100 of each go South.

    5/6 of 1,200 and 8/9 of 2,400 MWh stay, 3,133 MWh, at a tariff of 400 against contracts at 380.
    """
    run = pm.clear(two_province, "priority_dispatch_dual_track")
    account = run.dual_track.set_index("province")
    assert account.loc["North", "volume_mwh"] == pytest.approx(1000 + 2400 * 8 / 9)
    assert account["amount"].sum() == pytest.approx(20 * (1000 + 2400 * 8 / 9))


def test_what_is_stored_at_home_is_not_sent_elsewhere() -> None:
    """One province without ties: whatever storage takes in, all planned energy stays."""
    n = two_hours().network()
    n.add("StorageUnit", "store", bus="A", p_nom=20.0, max_hours=4, cyclic_state_of_charge=True)
    # Wind 40 and 10 MW; coal of 100 is stored against gas in the second hour.
    n.generators_t["p_max_pu"]["wind"] = [0.5, 0.125]
    n.loads_t["p_set"]["load"] = [60.0, 150.0]
    run = pm.clear(pm.Case(n), with_account())
    assert run.storage["store"].min() < -1
    beyond = (run.dispatch["wind"] - 30.0).clip(lower=0.0)
    volume = (np.minimum(beyond, n.loads_t["p_set"]["load"]) * 2).sum()
    assert run.dual_track["volume_mwh"].sum() == pytest.approx(volume)
