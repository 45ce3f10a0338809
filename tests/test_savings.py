"""Energy savings that count towards obligations: prices, payments and cost by hand."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_cap import two_buses
from test_obligations import obliged, one_window

import powermkt as pm
from powermkt.common.ledger import balances
from powermkt.rules import Savings

CURVE = [(100.0, 5.0), (200.0, 10.0), (400.0, 10.0)]  # money/tce, tce


def saving(regime: pm.Regime, *measures: dict[str, Any]) -> pm.Regime:
    return pm.Regime("saving", (*regime.rules, Savings(measures=list(measures))))  # type: ignore[arg-type]


def curve(**counts: float) -> list[dict[str, Any]]:
    return [
        {"name": f"step {cost:g}", "potential": most, "cost": cost, "counts": counts}
        for cost, most in CURVE
    ]


def white(**more: Any) -> dict[str, Any]:
    return {"name": "white", "kind": "at_least", "counts": {}, "unit": "tce", **more}


def test_white_certificates_cost_what_the_supply_curve_says() -> None:
    """8 tce are asked for: 5 at 100 and 3 of 10 at 200, which is the price; 8 x 200 are paid."""
    free = pm.clear(one_window(), "full_market")
    run = pm.clear(one_window(), saving(obliged(white(target=8.0)), *curve(white=1.0)))
    assert run.obliged is not None and run.obliged.gap < 1e-9
    line = run.obliged.table.iloc[0]
    assert (line["price"], line["reached"], line["saved"]) == pytest.approx((200, 8, 8))
    table = run.obliged.savings.set_index("measure")
    assert table["saved"].tolist() == pytest.approx([5, 3, 0])
    assert table["rent"].tolist() == pytest.approx([5 * (200 - 100), 0, 0])
    # Cost of measures, 5 x 100 + 3 x 200, is beside that of the power system.
    assert run.objective == pytest.approx(free.objective)
    assert run.outcome.minimised == pytest.approx(free.outcome.minimised + 1100)
    users = run.accounts.loc["energy users"]
    assert (users["receipts"], users["resource_cost"]) == pytest.approx((1600, 1100))
    assert users["welfare"] == pytest.approx(500)
    assert run.accounts["receipts"].sum() == pytest.approx(0, abs=1e-6)
    assert run.accounts["resource_cost"].sum() == pytest.approx(run.objective + 1100)
    # The grid company is obliged and passes it on.
    assert balances(run.ledger)["load"] == pytest.approx(balances(free.ledger)["load"] - 1600)


@pytest.mark.slow
def test_a_measure_is_paid_in_every_obligation_in_which_it_counts() -> None:
    """Coal gives 100 MWh and 90 t; 5 t less are 10 MWh of gas at 200 more a MWh: 400 a t.

    A tce counts 1 in `white` and 2.5 t in `co2`, at 400 a t it is worth 1,000: all 25 tce are
    saved, 62.5 t. 20 t are allowed, so that 90 - 62.5 - 20 = 7.5 t are left to gas, which sets the
    price. The white target is overfulfilled and costs nothing.
    """
    rules = obliged({"name": "co2", "target": 20.0}, white(target=8.0))
    run = pm.clear(one_window(), saving(rules, *curve(white=1.0, co2=2.5)))
    assert run.obliged is not None
    assert run.obliged.prices == pytest.approx({"co2": 400, "white": 0})
    assert run.emissions == pytest.approx(82.5)
    net = balances(run.ledger)
    assert net["energy users"] == pytest.approx(62.5 * 400)
    assert net["public funds"] == pytest.approx(20 * 400)  # what the cap allows
    table = run.obliged.table.set_index("line")
    assert table.loc["co2", "reached"] == pytest.approx(20)
    assert table.loc["co2", "saved"] == pytest.approx(62.5)
    both = obliged({"name": "co2", "target": 50.0}, white(target=8.0))
    run = pm.clear(one_window(), saving(both, *curve(white=1.0, co2=2.5)))
    assert run.obliged is not None
    # 40 t are to be saved: 16 tce, of the third step the last, at 400 / 2.5 a t.
    assert run.obliged.prices == pytest.approx({"co2": 160, "white": 0})
    assert run.obliged.savings["saved"].tolist() == pytest.approx([5, 10, 1])


@pytest.mark.slow
def test_two_lines_that_bind_pay_together() -> None:
    """85 of 90 t are allowed, what is beyond costs 40; 8 tce are asked for, which save 0.8 t too.

    4.2 t are short, a t is worth 40, and a tce of the second step 200 = white + 0.1 x 40.
    """
    cap = {"name": "co2", "target": 85.0, "shortfall_price": 40.0}
    run = pm.clear(one_window(), saving(obliged(cap, white(target=8.0)), *curve(white=1, co2=0.1)))
    assert run.obliged is not None
    assert run.obliged.prices == pytest.approx({"co2": 40, "white": 196})
    table = run.obliged.savings.set_index("measure")
    assert table["unit_worth"].tolist() == pytest.approx([200, 200, 200])
    assert run.obliged.table["shortfall"].tolist() == pytest.approx([4.2, 0])
    assert run.accounts["receipts"].sum() == pytest.approx(0, abs=1e-6)


@pytest.mark.slow
def test_bad_savings_are_told_at_once() -> None:
    rule = Savings(measures=[{"name": "a", "potential": 1, "cost": 1, "province": "Q",
                              "counts": {"whit": 1.0}}] * 2)  # type: ignore[list-item]  # fmt: skip
    base = obliged(white(target=1.0)).rules
    with pytest.raises(pm.InputError, match="3 faults") as told:
        pm.Regime("bad", (*base, rule))
    assert "'white'" in str(told.value) and "'a' stands twice" in str(told.value)
    with pytest.raises(pm.InputError, match="no obligation"):
        pm.Regime("bad", (*base[:3], rule))
    content = {"name": "bad", "extends": "full_market", "obligation": [
        {"rule": "Obligation", **white(target=1.0)},
        {"rule": "Savings", "measures": [{"name": "a", "potential": -1, "cost": -1, "counts": {}}]},
    ]}  # fmt: skip
    with pytest.raises(pm.InputError, match="3 faults"):
        pm.regime(content)
    one = {"name": "a", "potential": 1, "cost": 1, "counts": {"white": 1.0}}
    own = white(target={"A": 1.0}, tradable=False)
    for regime, text in (
        (saving(obliged(own), one), "which has no target"),
        (saving(obliged(own), {**one, "province": "Q"}), "unknown name 'Q'"),
        (obliged(own), "no plant counts"),
    ):
        assert any(text in str(fault) for fault in regime.faults(one_window()))
    with pytest.raises(pm.ClearingError, match="white: 1 tce is what can be reached"):
        pm.clear(one_window(), saving(obliged(white(target=3.0)), one))


@pytest.mark.slow
@settings(max_examples=3, deadline=None)
@given(st.tuples(*[st.floats(1.0, 9.0)] * 2), st.tuples(*[st.floats(50.0, 500.0)] * 4))
def test_one_target_costs_no_more_than_one_for_each_province(
    target: tuple[float, float], costs: tuple[float, ...]
) -> None:
    """The same total of white certificates over A and B, which have two measures of 5 tce each."""
    case = pm.Case(two_buses())
    measures = [
        {"name": f"{i}", "potential": 5.0, "cost": cost, "province": "AB"[i // 2],
         "counts": {"white": 1.0}}
        for i, cost in enumerate(costs)
    ]  # fmt: skip
    one, own = (
        pm.clear(case, saving(obliged(white(target=total, tradable=len(total) == 1)), *measures))
        for total in ({"A": sum(target)}, dict(zip("AB", target, strict=True)))
    )
    assert one.obliged is not None and own.obliged is not None
    cost = [run.obliged.savings["cost"].sum() for run in (one, own)]  # type: ignore[union-attr]
    assert cost[0] <= cost[1] + 1e-6
    for area, part, due in zip("AB", (costs[:2], costs[2:]), target, strict=True):
        cheap, dear = sorted(part)
        assert own.obliged.prices[f"white@{area}"] == pytest.approx(
            cheap if due < 5 else dear, rel=1e-6
        )
