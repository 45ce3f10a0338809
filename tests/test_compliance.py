"""The allowance account of units, and the payments that follow from it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pypsa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from toys import add_rows, random_case, weigh

import powermkt as pm
from powermkt.common.ledger import balances
from powermkt.dispatch.compliance import COLUMNS
from powermkt.rules import CarbonPrice, Coupled, LocationalPrice, MeritOrder

TAU = 60.0


def market(**rule: object) -> pm.Regime:
    parts = (MeritOrder(), Coupled(), LocationalPrice(), CarbonPrice(price=TAU, **rule))
    return pm.Regime("market", parts)


def plant(load: list[float], snapshots: pd.Index | None = None) -> pypsa.Network:
    """Good coal 100 MW at 200 (e 0.75), bad coal 100 MW at 300 (e 0.90), both b 0.8; 2 h each."""
    n = pypsa.Network()
    index = pd.date_range("2022-06-01", periods=len(load), freq="2h")
    n.set_snapshots(index if snapshots is None else snapshots)
    weigh(n, 2.0)
    n.add("Carrier", ["coal", "onshore wind", "AC"])
    n.add("Bus", "A", carrier="AC")
    both = {"bus": "A", "carrier": "coal", "p_nom": 100.0, "benchmark": 0.8}
    add_rows(n, "Generator", {
        "good": {**both, "marginal_cost": 200.0, "emission_rate": 0.75},
        "bad": {**both, "marginal_cost": 300.0, "emission_rate": 0.9},
        "wind": {"bus": "A", "carrier": "onshore wind", "p_nom": 10.0, "emission_rate": 0.0},
    })  # fmt: skip
    n.add("Load", "load", bus="A", p_set=np.array(load) if len(load) > 1 else load[0])
    return n


@pytest.fixture(scope="module")
def two_hours() -> pm.Case:
    """Load 170 and 130: wind 10, good coal 100 and 100, bad coal 60 and 20."""
    return pm.Case(plant([170.0, 130.0]))


def by_unit(run: pm.Run) -> pd.DataFrame:
    return run.compliance.set_index("generator")


def paid(run: pm.Run) -> pd.Series:
    """Money by payer, payee and product."""
    return run.ledger.groupby(["payer", "payee", "product"])["amount"].sum()


# ---- accounts by hand ------------------------------------------------------------------------


def test_units_trade_and_the_fund_takes_the_rest(two_hours: pm.Case) -> None:
    """Good coal 400 MWh, surplus 20 t; bad coal 160 MWh, deficit 16 t, all from good coal.

    The fund buys back 4 t at 60.
    """
    run = pm.clear(two_hours, market())
    account = by_unit(run)
    assert list(run.compliance) == list(COLUMNS)
    assert list(account.index) == ["good", "bad"]  # wind owes and is given nothing
    good, bad = account.loc["good"], account.loc["bad"]
    assert good[["emissions_t", "allocation_t", "surplus_t"]].tolist() == pytest.approx(
        [300, 320, 20]
    )
    assert good[["sold_to_units_t", "sold_to_fund_t"]].tolist() == pytest.approx([16, 4])
    assert bad[["emissions_t", "allocation_t", "deficit_t"]].tolist() == pytest.approx(
        [144, 128, 16]
    )
    assert bad[["bought_from_units_t", "bought_from_fund_t"]].tolist() == pytest.approx([16, 0])
    assert (account["price"] == TAU).all() and (account["period"] == "2022").all()
    assert account["allowance_cost"].tolist() == pytest.approx([-1200, 960])
    assert run.summary()["carbon_revenue"] == pytest.approx(-240)
    ledger = paid(run)
    assert ledger["bad", "allowance exchange", "allowance purchase"] == pytest.approx(960)
    assert ledger["allowance exchange", "good", "allowance sale"] == pytest.approx(960)
    assert ledger["good", "carbon fund", "allowance auction"] == pytest.approx(-240)


def test_auction_and_lump_sum(two_hours: pm.Case) -> None:
    """Half auctioned, half of it given: 0.5 x 0.5 x e x 100 MW x 4 h = 75 and 90 t.

    Good coal lacks 300 - 75, bad coal 144 - 90: 279 t from the fund at 60.
    """
    run = pm.clear(two_hours, market(allocation={"auction": 0.5, "lump_sum": 0.5}))
    account = by_unit(run)
    assert account["allocation_t"].tolist() == pytest.approx([75, 90])
    assert account["deficit_t"].tolist() == pytest.approx([225, 54])
    assert run.summary()["carbon_revenue"] == pytest.approx(60 * 279)


def test_cap_exemption_and_offsets(two_hours: pm.Case) -> None:
    """Bad coal lacks 0.1 t/MWh; a cap of 0.05 x 0.9 leaves 0.045: 160 x 0.055 = 8.8 t waived.

    Offsets for 10 % of what is to be surrendered: 0.1 x (144 - 8.8) and 0.1 x 300 at 40.
    """
    capped = pm.clear(two_hours, market(deficit_cap=0.05, offsets={"limit": 0.1, "price": 40.0}))
    bad, good = by_unit(capped).loc["bad"], by_unit(capped).loc["good"]
    assert bad["waived_t"] == pytest.approx(8.8) and good["waived_t"] == 0
    assert [bad["offsets_t"], good["offsets_t"]] == pytest.approx([13.52, 30])
    # 16 - 8.8 - 13.52 < 0: left over 6.32, and good coal 20 + 30.
    assert [bad["surplus_t"], good["surplus_t"]] == pytest.approx([6.32, 50])
    ledger = paid(capped)
    assert ledger["good", "offset suppliers", "offsets"] == pytest.approx(1200)
    assert capped.summary()["carbon_revenue"] == pytest.approx(-60 * 56.32)
    exempt = by_unit(pm.clear(two_hours, market(exempt_deficits=["coal"])))
    assert exempt["waived_t"].tolist() == pytest.approx([0, 16])
    assert exempt["surplus_t"].tolist() == pytest.approx([20, 0])


@pytest.fixture(scope="module")
def new_year() -> pm.Case:
    """Load 170 before the turn of the year and 130 after it; bad coal has 5 t in the bank."""
    n = plant([170.0, 130.0], pd.DatetimeIndex(["2022-12-31 22:00", "2023-01-01 00:00"]))
    n.generators["allowance_bank"] = [0.0, 5.0, 0.0]
    return pm.Case(n)


def test_bank_is_carried_over(new_year: pm.Case) -> None:
    """Good coal banks 10 t a year. Bad coal: 120 MWh lack 12 t, 5 from the bank; then 4 t."""
    run = pm.clear(new_year, market(surplus="banked"))
    account = run.compliance.set_index(["generator", "period"])
    good, bad = account.loc["good"], account.loc["bad"]
    assert good["banked_t"].tolist() == pytest.approx([10, 10])
    assert good["bank_opening_t"].tolist() == pytest.approx([0, 10])
    assert good["allowance_cost"].tolist() == pytest.approx([0, 0])
    assert bad["bank_opening_t"].tolist() == pytest.approx([5, 0])
    assert bad["drawn_t"].tolist() == pytest.approx([5, 0])
    assert bad["bought_from_fund_t"].tolist() == pytest.approx([7, 4])
    assert run.summary()["carbon_revenue"] == pytest.approx(60 * 11)


def test_banked_surplus_is_used_before_buying() -> None:
    """Bad coal: 40 MWh and 120 MWh, 36 and 108 t, against 0.4 x 0.9 x 100 x 2 = 72 t a year.

    What is left of the first year, 36 t, is what lacks in the second.
    """
    n = plant([130.0, 170.0], pd.DatetimeIndex(["2022-12-31 22:00", "2023-01-01 00:00"]))
    rule = {"allocation": "lump_sum", "free_share": 0.4, "reference_load_factor": 1.0}
    run = pm.clear(pm.Case(n), market(surplus="banked", **rule))
    bad = run.compliance.set_index(["generator", "period"]).loc["bad"]
    assert bad["banked_t"].tolist() == pytest.approx([36, 0])
    assert bad["drawn_t"].tolist() == pytest.approx([0, 36])
    assert bad["deficit_t"].tolist() == pytest.approx([0, 0], abs=1e-9)
    assert bad["allowance_cost"].tolist() == pytest.approx([0, 0], abs=1e-6)


def test_one_price_a_period_along_a_path(two_hours: pm.Case) -> None:
    """Prices of 60 and 120 on two days; emissions 2 h x (75 + 54) and 2 h x (75 + 18).

    Mean (60 x 258 + 120 x 186) / 444 = 85.135 a tonne, so that the auction raises what each
    tonne costs in its snapshot: 60 x 258 + 120 x 186 = 37,800.
    """
    index = pd.DatetimeIndex(["2022-06-01", "2022-06-02"])
    case = pm.Case(plant([170.0, 130.0], index))
    rule = {"allocation": "auction", "path": {"2022-06-01": 1.0, "2022-06-02": 2.0}}
    run = pm.clear(case, market(**rule))
    assert run.compliance["price"].tolist() == pytest.approx([37_800 / 444] * 2)
    assert run.summary()["carbon_revenue"] == pytest.approx(37_800)


def test_snapshots_that_are_no_times_are_one_period() -> None:
    case = pm.Case(plant([170.0], pd.Index([0])))
    assert pm.clear(case, market()).compliance["period"].tolist() == ["horizon"] * 2


def test_without_a_carbon_rule_there_is_no_account(two_hours: pm.Case) -> None:
    bare = pm.Regime("bare", (MeritOrder(), Coupled(), LocationalPrice()))
    run = pm.clear(two_hours, bare)
    assert run.compliance.empty and list(run.compliance) == list(COLUMNS)


def test_bank_must_not_be_negative() -> None:
    n = plant([170.0])
    n.generators["allowance_bank"] = [0.0, -1.0, 0.0]
    n.generators["own_use"] = [0.0, 2.0, 0.0]
    with pytest.raises(pm.InputError, match="allowance_bank") as caught:
        pm.Case(n)
    assert len(caught.value.faults) == 2


# ---- conservation ----------------------------------------------------------------------------

SHARE = st.floats(0, 1)


@pytest.mark.slow
@given(
    st.integers(0, 10_000),
    st.builds(
        dict,
        allocation=st.sampled_from(
            [{"output_based": 0.9, "auction": 0.1}, {"output_based": 0.6, "lump_sum": 0.4},
             "output_based"]
        ),
        deficit_cap=st.sampled_from([None, 0.02, 0.2]),
        deficit_base=st.sampled_from(["emissions", "allocation"]),
        exempt_deficits=st.sampled_from([[], ["gas"], ["P0 coal 0"]]),
        offsets=st.sampled_from([None, {"limit": 0.1, "price": 20.0}]),
        surplus=st.sampled_from(["sold", "banked"]),
        regions=st.sampled_from([None, {"P0": 1.0, "P1": 1.0}, {"P0": 1.0, "P1": 0.5}]),
        path=st.sampled_from([None, {"2022-01": 1.3}]),
    ),
)  # fmt: skip
def test_every_tonne_and_every_payment(seed: int, rule: dict[str, object]) -> None:
    """Emissions are covered, trade has two sides, and parties' net is what their account says."""
    case = random_case(seed, 2, 3)
    run = pm.clear(case, market(**rule))
    account, net = run.compliance, balances(run.ledger)
    covered = account[["allocation_t", "waived_t", "offsets_t", "drawn_t", "deficit_t"]].sum(axis=1)
    scale = account["emissions_t"].sum()
    np.testing.assert_allclose(
        account["emissions_t"], covered - account["surplus_t"], atol=1e-9 * scale
    )
    inside = case.generators["province"].isin(rule["regions"] or case.provinces)
    rate = run.outcome.emissions(case).mul(case.weights, axis="index")
    assert scale == pytest.approx(rate.loc[:, inside].to_numpy().sum())
    np.testing.assert_allclose(
        account["bought_from_units_t"].sum(), account["sold_to_units_t"].sum(), atol=1e-9 * scale
    )
    turnover = run.ledger["amount"].abs().sum()
    assert abs(net.sum()) < 1e-9 * turnover
    assert abs(net.get("allowance exchange", 0.0)) < 1e-9 * turnover
    bought = account["bought_from_fund_t"] - account["sold_to_fund_t"]
    assert net.get("carbon fund", 0.0) == pytest.approx(
        (bought * account["price"]).sum(), abs=1e-9 * turnover
    )
    assert net.get("offset suppliers", 0.0) == pytest.approx(account["offset_cost"].sum())
    carbon = run.ledger[run.ledger["product"].str.contains("allowance|offsets")]
    cost = account.set_index("generator")[["allowance_cost", "offset_cost"]].sum(axis=1)
    mine = balances(carbon).reindex(cost.index, fill_value=0.0)
    np.testing.assert_allclose(-mine, cost, atol=1e-9 * turnover)


@pytest.mark.slow
def test_windows_add_up_to_the_account() -> None:
    """A lump sum is too much in one window and too little in the other: nets within the year."""
    n = plant([170.0, 130.0])
    windows = {"early": n.snapshots[:1], "late": n.snapshots[1:]}
    case = pm.Case(n, windows=windows)
    rule = {"allocation": "lump_sum", "reference_load_factor": 0.4}
    run = pm.clear(case, market(**rule))
    whole = pm.clear(pm.Case(n), market(**rule))
    pd.testing.assert_frame_equal(run.compliance, whole.compliance)
    # Bad coal: 108 and 36 t against 72 t in each window, 0 in all.
    assert by_unit(run).loc["bad", "deficit_t"] == pytest.approx(0, abs=1e-9)
    pd.testing.assert_series_equal(balances(run.ledger), balances(whole.ledger))
    assert abs(balances(run.ledger).sum()) < 1e-6
