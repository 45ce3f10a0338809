"""What each kind of product asks of its providers, who may stand in for it, and bad input."""

from __future__ import annotations

import hypothesis
import numpy as np
import pandas as pd
import pypsa
import pytest
from hypothesis import strategies as st
from reserve_toys import awards_of, case_with, price_of, spinning, toy

import powermkt as pm
from powermkt.common.ledger import balances
from powermkt.inputs.market import Market


@pytest.mark.slow
def test_awards_due_within_minutes_share_the_ramp_rate() -> None:
    # Coal changes 1 % of 100 MW a minute: 10 MW within 10 minutes, 30 within 30, both together.
    n = toy(20)
    n.generators["ramp_rate"] = [0.01, np.nan]
    fast = {"spin": spinning(15, carriers=["coal"], ramp_minutes=10, shortage=50),
            "slow": spinning(40, carriers=["coal"], ramp_minutes=30, shortage=70)}  # fmt: skip
    run = pm.clear(case_with(n, fast), "full_market")
    # A MW of the fast product takes a MW from the slow one, which is dearer to lack: all 30 slow.
    assert awards_of(run) == {("slow", "coal"): pytest.approx(30)}
    fast["spin"]["shortage"] = 90  # type: ignore[index]
    run = pm.clear(case_with(n, fast), "full_market")
    assert awards_of(run) == pytest.approx({("spin", "coal"): 10, ("slow", "coal"): 20})


@pytest.mark.slow
def test_units_hold_spinning_reserve_while_they_are_on_and_start_for_non_spinning() -> None:
    n = toy(80)
    n.generators["committable"] = [True, True]
    n.generators["p_min_pu"] = [0.3, 0.4]
    n.generators["start_up_cost"] = [0.0, 1000.0]
    spin = {"spin": spinning(30)}
    run = pm.clear(case_with(n, spin), "full_market")
    # Coal alone has 20 MW left; it keeps 30 MW if gas gives its minimum of 40: 40 x 20 + 40 x 50.
    assert run.outcome.status.iloc[0].to_dict() == {"coal": 1, "gas": 1}
    assert run.dispatch.iloc[0].to_dict() == pytest.approx({"coal": 40, "gas": 40})
    idle = {"idle": {"kind": "non_spinning", "requirements": [{"mw": 30}], "carriers": ["gas"]}}
    run = pm.clear(case_with(n, idle), "full_market")
    assert run.outcome.status.iloc[0].to_dict() == {"coal": 1, "gas": 0}
    assert awards_of(run) == {("idle", "gas"): pytest.approx(30)}


@pytest.mark.slow
def test_fleets_hold_reserve_on_their_online_capacity_under_every_commitment() -> None:
    # All of 100 MW of coal is on for 80 MW of load and 20 MW of reserve; nothing starts for it.
    n = toy(80)
    n.generators["min_stable_pu"] = [0.5, 0.0]
    for commitment in ("hourly", "fixed", "all"):
        regime = pm.regime(
            {"extends": "full_market", "dispatch": {"rule": "MeritOrder", "commitment": commitment}}
        )
        case = case_with(n, {"spin": spinning(30, carriers=["coal"])})
        run = pm.clear(case, regime)
        assert run.dispatch.iloc[0]["coal"] == pytest.approx(70)
        assert price_of(run, "spin") == pytest.approx(30)


def test_down_regulation_keeps_fleets_above_their_minimum() -> None:
    # 60 MW of load, 20 MW down from coal: it must give m y + 20 = 50 + 20 with all on, or less
    # online: y = 60 has minimum 30 and gives 60: 30 down. Nothing is forgone: the price is 0.
    n = toy(60)
    n.generators["min_stable_pu"] = [0.5, 0.0]
    down = {"kind": "regulation_down", "requirements": [{"mw": 40}], "carriers": ["coal"],
            "shortage": 7}  # fmt: skip
    run = pm.clear(case_with(n, {"down": down}), "full_market")
    assert awards_of(run) == {("down", "coal"): pytest.approx(30)}  # 60 - 0.5 x 60
    assert run.reserve_prices["short_mw"].iloc[0] == pytest.approx(10)


@pytest.mark.slow
def test_wind_holds_upward_what_is_curtailed_and_downward_what_it_gives() -> None:
    n = toy(30)
    n.add("Generator", "wind", bus="A", carrier="wind", p_nom=50, p_max_pu=0.8)
    up, down = (
        {"kind": kind, "requirements": [{"mw": mw}], "carriers": ["wind"]}
        for kind, mw in (("regulation_up", 8), ("regulation_down", 25))
    )
    run = pm.clear(case_with(n, {"up": up, "down": down}), "full_market")
    assert run.dispatch.iloc[0]["wind"] == pytest.approx(30)  # 10 MW of 40 are curtailed anyway
    assert awards_of(run) == pytest.approx({("up", "wind"): 8, ("down", "wind"): 25})
    assert price_of(run, "up") == pytest.approx(0)
    up["requirements"] = [{"mw": 15}]
    run = pm.clear(case_with(n, {"up": up}), "full_market")
    assert run.dispatch.iloc[0]["wind"] == pytest.approx(25)  # 5 MW more are kept back, for coal
    assert price_of(run, "up") == pytest.approx(20)


@pytest.mark.slow
def test_a_better_product_stands_in_for_a_worse_and_is_never_cheaper() -> None:
    # Gas offers regulation at 2 and spinning at 9; coal offers spinning at 6. With substitution
    # spinning comes from gas at its regulation offer.
    products = {
        "reg": {"kind": "regulation_up", "requirements": [{"mw": 10}], "carriers": ["gas"],
                "offer": 2},
        "spin": spinning(20, offer={"coal": 6, "gas": 9}),
    }  # fmt: skip
    run = pm.clear(case_with(toy(60), products), "full_market")
    assert price_of(run, "spin") == pytest.approx(6)
    assert price_of(run, "reg") == pytest.approx(2)
    products["spin"]["substitutes"] = ["reg"]
    run = pm.clear(case_with(toy(60), products), "full_market")
    assert awards_of(run) == pytest.approx({("reg", "gas"): 10, ("spin", "gas"): 20})
    assert price_of(run, "spin") == pytest.approx(2)
    assert price_of(run, "reg") == pytest.approx(2)


def test_requirements_by_share_of_load_of_wind_and_by_the_largest_infeed() -> None:
    n = toy(80, hours=2)
    n.generators["units"] = [2, 1]
    n.add("Generator", "wind", bus="A", carrier="wind", p_nom=40, p_max_pu=0.5)
    n.loads_t["p_set"] = pd.DataFrame({"load": [80.0, 100.0]}, index=n.snapshots)
    products = {
        "spin": spinning(3) | {"requirements": [{"mw": 3, "load_share": 0.1,
                                                 "renewable_share": 0.05}]},
        "largest": spinning(0) | {"requirements": [{"largest_infeed": 1}, {"mw": 20}]},
        "ramp": {"kind": "ramp_up", "requirements": [{"net_load_ramp": 1.5}]},
        "fall": {"kind": "ramp_down", "requirements": [{"net_load_ramp": 1.5}]},
    }  # fmt: skip
    run = pm.clear(case_with(n, products), "full_market")
    table = run.reserve_prices.set_index(["product", "zone", "snapshot"])[
        "required_mw"
    ].sort_index()
    assert table["spin", "all"].tolist() == pytest.approx([3 + 8 + 1, 3 + 10 + 1])
    assert table["largest", "all"].tolist() == pytest.approx([100, 100])  # gas; coal is 2 x 50
    assert table["largest", "all (2)"].tolist() == pytest.approx([20, 20])
    assert table["ramp", "all"].tolist() == pytest.approx([30, 0])  # 1.5 x (100 - 80), then no end
    assert "fall" not in table.index.get_level_values("product")


def test_held_by_order_nobody_offers_and_the_regulated_price_is_paid() -> None:
    case = case_with(
        toy(), {"spin": spinning(30, carriers=["coal"], offer=99, regulated_price=4)},
        charges={"spin": [{"by": "energy", "weights": {"gas": 3}}]},
    )  # fmt: skip
    run = pm.clear(case, "fixed_tariff")
    assert run.dispatch.iloc[0].to_dict() == pytest.approx({"coal": 70, "gas": 80})
    assert price_of(run, "spin") == pytest.approx(4)
    paid = run.ledger.set_index(["product", "payer"])["amount"]
    # 30 x 4 = 120 over weights 70 x 1 and 80 x 3: 120 x 70 / 310 and 120 x 240 / 310.
    assert paid["reserve spin charge", "coal"] == pytest.approx(120 * 70 / 310)
    assert paid["reserve spin charge", "gas"] == pytest.approx(120 * 240 / 310)
    assert balances(run.ledger)["ancillary services"] == pytest.approx(0, abs=1e-9)


@pytest.mark.slow
def test_two_settlements_pay_the_day_ahead_and_the_change() -> None:
    n = toy(150, hours=2)
    forecast = {"loads_t.p_set": pd.DataFrame({"load": [150.0, 150.0]}, index=n.snapshots)}
    n.loads_t["p_set"] = pd.DataFrame({"load": [150.0, 195.0]}, index=n.snapshots)
    services = {"products": {"spin": spinning(30, shortage=300)}}
    market = Market.model_validate({"value_of_lost_load": 5000, "services": services})
    run = pm.clear(pm.Case(n, market, forecast=forecast), "two_settlement")
    amounts = run.ledger.groupby("product")["amount"].sum()
    # Day ahead 30 MW are free of charge in both hours. In the second hour only 5 MW are left:
    # 25 MW are bought back at 300.
    assert amounts["real-time reserve spin"] == pytest.approx(-25 * 300)
    assert "day-ahead reserve spin" not in amounts
    assert balances(run.ledger)["ancillary services"] == pytest.approx(0, abs=1e-9)


@pytest.mark.slow
@hypothesis.given(seed=st.integers(0, 10_000))
def test_prices_support_awards_and_are_what_a_requirement_costs(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = pypsa.Network()
    n.set_snapshots(range(3))
    n.add("Bus", ["A", "B"])
    n.add("Carrier", ["coal", "battery"])
    for bus in ("A", "B"):
        n.add("Load", f"load {bus}", bus=bus, p_set=rng.uniform(50, 120, 3))
        for k in range(3):
            n.add("Generator", f"{bus}{k}", bus=bus, carrier="coal", p_nom=rng.uniform(30, 80),
                  marginal_cost=rng.uniform(10, 60), ramp_limit_up=rng.uniform(0.3, 1.0),
                  min_stable_pu=0.4 * (k == 0))  # fmt: skip
    n.add("StorageUnit", "S", bus="A", carrier="battery", p_nom=20, max_hours=2,
          efficiency_store=0.9, efficiency_dispatch=0.9, cyclic_state_of_charge=True)  # fmt: skip
    n.add("Link", "tie", bus0="A", bus1="B", p_nom=30, p_min_pu=-1)
    offers = {name: float(rng.uniform(0, 8)) for name in [*n.generators.index, "S"]}

    def cleared(more: float) -> pm.Run:
        products = {
            "spin": spinning(0, offer=offers, ramp_minutes=30, shortage=400.0)
            | {"requirements": [{"mw": 15 + more, "zone": "A"}, {"load_share": 0.15}]},
            "down": {"kind": "regulation_down", "requirements": [{"mw": 10}], "shortage": 100.0},
        }
        return pm.clear(case_with(n, products), "full_market")

    run = cleared(0.0)
    table = run.reserve_prices.set_index(["product", "zone", "snapshot"]).sort_index()
    spin = run.reserves[run.reserves["product"] == "spin"]
    for zone, names in (("A", ["A0", "A1", "A2", "S"]), ("all", [*n.generators.index, "S"])):
        held = spin[spin["provider"].isin(names)].groupby("snapshot")["reserve_mw"].sum()
        rest = table.loc[("spin", zone)]
        assert (
            held.reindex(range(3)).fillna(0) + rest["short_mw"] >= rest["required_mw"] - 1e-5
        ).all()
    # Nobody is awarded below its offer, and a shortage has its price.
    for _, row in spin.iterrows():
        price = table.loc[("spin", "A" if row["provider"][0] in "AS" else "all", row["snapshot"])]
        assert price["price"] >= offers[row["provider"]] - 1e-6
    short = run.reserve_prices[run.reserve_prices["short_mw"] > 1e-4]
    ladder = short["product"].map({"spin": 400.0, "down": 100.0}).astype(float)
    assert (short["price"] >= ladder - 1e-6).all()
    assert balances(run.ledger)["ancillary services"] == pytest.approx(0, abs=1e-6)
    # Envelope: a MW more in A, in all three hours, costs the duals of A's own requirement.
    own = table.loc[("spin", "A"), "price"] - table.loc[("spin", "all"), "price"]
    step = 1e-3

    def offered(item: pm.Run) -> float:
        mine = item.reserves[item.reserves["product"] == "spin"]
        return item.objective + float((mine["reserve_mw"] * mine["provider"].map(offers)).sum())

    slopes = [(offered(cleared(sign * step)) - offered(run)) / (sign * step) for sign in (-1, 1)]
    assert slopes[0] - 1e-2 <= own.sum() <= slopes[1] + 1e-2


def test_everything_that_is_wrong_is_named_at_once() -> None:
    products = {
        "spin": spinning(30) | {"requirements": [{"zone": "Nowhere", "mw": 3}],
                                "offer": {"cole": 3}, "substitutes": ["reg"]},
        "down": {"kind": "spinning_down", "requirements": [{"mw": 1}], "carriers": ["nuclear"],
                 "substitutes": ["spin"]},
    }  # fmt: skip
    charges = {"default": [{"by": "load", "exempt": ["industrial_commercial"]}]}
    with pytest.raises(pm.InputError) as error:
        case_with(toy(), products, charges=charges, zones={"east": ["B"]})
    text = str(error.value)
    assert len(error.value.faults) == 7
    for words in ("unknown zone 'Nowhere'", "did you mean 'coal'", "unknown name 'reg'",
                  "unknown name 'nuclear'", "'spin' cannot serve 'down'", "nobody who pays",
                  "unknown province, pricing zone or bus 'B'"):  # fmt: skip
        assert words in text


@pytest.mark.parametrize(
    ("product", "words"),
    [
        ({"requirements": [{"mw": -1}]}, "greater than or equal to 0"),
        ({"requirements": []}, "at least 1 item"),
        ({"kind": "spining"}, "spinning"),
        ({"shortage": [{"mw": 5, "price": 9}, {"price": 3}]}, "must not fall"),
        ({"shortage": [{"price": 9}, {"price": 30}]}, "each step but the last needs `mw`"),
        ({"kind": "non_spinning"}, "name who starts in time"),
        ({"shapes": {"coal": {"max": 5, "enablement_min": 60, "low_break": 50}}}, "does not hold"),
        ({"offers": 3}, "did you mean 'offer'"),
    ],
)
def test_a_product_that_contradicts_itself_is_refused(
    product: dict[str, object], words: str, tmp_path: object
) -> None:
    from pathlib import Path

    import yaml

    folder = Path(str(tmp_path))
    toy().export_to_netcdf(folder / "n.nc")
    content = {"services": {"products": {"spin": spinning(3) | product}}}
    (folder / "market.yaml").write_text(yaml.safe_dump(content))
    with pytest.raises(pm.InputError, match=words):
        pm.read(folder)


def test_two_ways_of_procuring_are_refused() -> None:
    both = [{"rule": "CoOptimised"}, {"rule": "Administered"}]
    with pytest.raises(pm.InputError, match="procured in 2 ways"):
        pm.regime({"extends": "full_market", "ancillary": both})


@pytest.mark.slow
@hypothesis.given(seed=st.integers(0, 10_000))
def test_generators_that_are_alike_hold_together_what_each_could_alone(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = toy(hours=3)
    n.loads_t["p_set"] = pd.DataFrame({"load": rng.uniform(150, 240, 3)}, index=n.snapshots)
    for k in range(4):
        n.add("Generator", f"coal {k}", bus="A", carrier="coal", p_nom=rng.uniform(50, 90),
              marginal_cost=rng.uniform(15, 45), min_stable_pu=rng.uniform(0.3, 0.6),
              start_up_cost=rng.uniform(0, 2000))  # fmt: skip
    products = {
        "up": spinning(60, offer={"coal": 2, "gas": 5}),
        "down": {"kind": "regulation_down", "requirements": [{"mw": 50}], "carriers": ["coal"]},
        "idle": {"kind": "non_spinning", "requirements": [{"mw": 70}], "carriers": ["coal", "gas"]},
    }
    together = pm.clear(case_with(n, products), "full_market")
    for product in products.values():
        product["ramp_minutes"] = 1000  # type: ignore[index]
    n.generators["ramp_rate"] = 1.0  # never binds, and lets everybody stand alone
    alone = pm.clear(case_with(n, products), "full_market")
    assert together.objective == pytest.approx(alone.objective, rel=1e-9)
    pd.testing.assert_frame_equal(together.prices, alone.prices, atol=1e-6)
    left, right = (
        run.reserve_prices.set_index(["product", "snapshot"])["price"] for run in (together, alone)
    )
    pd.testing.assert_series_equal(left, right, atol=1e-6)
    # Each holds no more than it has left, and all of them what is required.
    on, output = together.outcome.online, together.dispatch
    held = together.outcome.reserve.T.groupby(level=["product", "provider"]).sum().T
    for name in on.columns:
        assert (held["up"][name] <= on[name] - output[name] + 1e-5).all()
        minimum = together.case.generators.loc[name, "min_stable_pu"] * on[name]
        assert (held["down"][name] <= output[name] - minimum + 1e-5).all()
        most = together.case.availability[name] - output[name]
        assert (held["up"][name] + held["idle"][name] <= most + 1e-5).all()
    for product, mw in (("up", 60), ("down", 50), ("idle", 70)):
        assert held[product].sum(axis=1).to_numpy() == pytest.approx(mw, abs=1e-4)
    fleets = [name for name in held["up"] if name.startswith("coal ")]
    room = (on - output)[fleets]
    share = held["up"][fleets].div(room.where(room > 1e-3))
    assert ((share.max(axis=1) - share.min(axis=1)).dropna() < 1e-6).all()  # pro rata
