"""Who pays a service where nobody is measured, what counts as nothing, and tables of services."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pypsa
import pytest
import yaml
from reserve_toys import case_with, spinning, toy
from toys import weigh

import powermkt as pm
from powermkt.accounts.revenue import by_carrier
from powermkt.commands.terminal import report
from powermkt.inputs.services import Charge
from powermkt.rules.charging import charged
from powermkt.studies.comparison import Comparison

PRODUCTS = {
    "spin": spinning(15, providers=["peaker"], offer=5),
    "order": {"kind": "spinning", "requirements": [{"load_share": 0.1}], "carriers": ["gas"],
              "regulated_price": 7},
}  # fmt: skip
DEEP_PEAK = {"tiers": [{"to": 0.0, "cap": 400}], "carriers": ["coal"]}
MILEAGE = {"needs": [{"mw": 1}], "carriers": ["coal"], "cap": 8, "bids": {"coal": 6},
           "performance": {"coal": {"speed": 1.8, "standard": 1.2, "response": 30,
                                    "error": 1}}}  # fmt: skip


def network() -> pypsa.Network:
    """A: 50 MW from coal, gas is idle. B: 80 MW from a peaker at 60. Nothing in the second hour."""
    n = toy(0, hours=2)
    n.add("Bus", "B")
    n.add("Load", "far", bus="B")
    n.add("Generator", "peaker", bus="B", carrier="gas", p_nom=100, marginal_cost=60)
    n.loads_t.p_set = pd.DataFrame({"load": [50.0, 0.0], "far": [80.0, 0.0]}, n.snapshots)
    return n


@pytest.fixture(scope="module")
def run() -> pm.Run:
    return pm.clear(case_with(network(), PRODUCTS), "full_market")


def variant(run: pm.Run, *rules: str, **services: object) -> pm.Run:
    """The same clearing under other rules and data of what is only paid."""
    listed = [{"rule": name} for name in rules or ("CoOptimised",)]
    regime = pm.regime({"name": "v", "extends": "full_market", "ancillary": listed})
    return pm.Run(case_with(network(), PRODUCTS, **services), regime, 0.0, run.outcome)


def payers(run: pm.Run, product: str = "reserve spin charge") -> dict[str, float]:
    rows = run.ledger[run.ledger["product"] == product]
    return rows.groupby("payer")["amount"].sum().to_dict()


@pytest.mark.parametrize(
    ("charge", "expected"),
    [
        # The only load where the peaker is paid is exempt: other load.
        ({"exempt": ["far"], "area": "province"}, {"load": 75}),
        # Nothing was planned, nobody deviates: load that is not exempt, by its weight.
        ({"by": "deviation", "weights": {"far": 0.5}}, {"load": 75 * 50 / 90, "far": 75 * 40 / 90}),
        # No load is left: plant by energy.
        ({"by": "deviation", "exempt": ["load", "far"]},
         {"coal": 75 * 50 / 130, "peaker": 75 * 80 / 130}),
        # Nobody is left who has any energy: all load.
        ({"by": "deviation", "exempt": ["load", "far", "coal", "peaker"]},
         {"load": 75 * 50 / 130, "far": 75 * 80 / 130}),
    ],
)  # fmt: skip
def test_exemptions_hold_as_long_as_anybody_else_is_there(
    run: pm.Run, charge: dict[str, object], expected: dict[str, float]
) -> None:
    """15 MW for 5 in the one hour that anybody is there, 15 for 5 in the other: 150."""
    found = payers(variant(run, charges={"spin": [charge]}))
    assert found == pytest.approx({name: 2 * money for name, money in expected.items()})


def test_payments_that_cancel_out_charge_nobody(run: pm.Run) -> None:
    amounts = pd.DataFrame({"coal": [20.0, 0.0], "gas": [-20.0, 0.0]}, run.case.snapshots)
    assert charged(run._cleared, amounts, [Charge(area="province")]).empty


def test_noise_of_the_solver_is_no_deviation(run: pm.Run) -> None:
    """Half a kilowatt off the plan everywhere: load pays, nobody is penalised."""
    ahead = replace(run.outcome, dispatch=run.outcome.dispatch + 5e-4)
    noisy = replace(run._cleared, outcome=replace(run.outcome, day_ahead=ahead))
    amounts = pd.DataFrame({"coal": [130.0, 0.0]}, run.case.snapshots)
    paid = charged(noisy, amounts, [Charge(by="deviation")])
    assert paid.sum().to_dict() == pytest.approx({"load": 50, "far": 80})
    (penalty,) = pm.rules.DeviationPenalty(rate=10, tolerance=0).payments(noisy)
    assert (penalty.amount == 0).all(axis=None)


def test_uplift_does_not_return_what_poor_performance_costs(run: pm.Run) -> None:
    """A bid of 6 at K 0.9 that sets the price is paid 5.4."""
    bad = variant(run, "CoOptimised", "MileageMarket", mileage=MILEAGE)
    assert bad.mileage["amount"].tolist() == pytest.approx([5.4])
    margin = pm.rules.MileageMarket().margin(bad._cleared)
    assert margin["coal"].tolist() == [0, 0]


def test_quantities_are_of_all_hours_that_a_snapshot_stands_for(run: pm.Run) -> None:
    """3 h each: spin 2 x 15 MW at 5 is 90 MW h and 450; mileage 1 MW at 6 x K 0.9 is 3 and 16.2."""
    regime = variant(run, "CoOptimised", "MileageMarket").regime
    n = network()
    weigh(n, 3.0)
    case = case_with(n, PRODUCTS, mileage=MILEAGE)
    ledger = pm.Run(case, regime, 0.0, run.outcome).ledger.set_index("product")
    for product, quantity, amount in (("reserve spin", 90, 450), ("AGC mileage", 3, 16.2)):
        row = ledger.loc[product, ["quantity", "price", "amount"]]
        assert row.tolist() == pytest.approx([quantity, amount / quantity, amount]), product


def test_revenue_is_per_mw_of_all_plant_idle_provinces_too(run: pm.Run) -> None:
    """80 MWh x 60 from 200 MW of gas in an hour: 4,800 / 200 x 8,760 = 210,240."""
    rows = by_carrier(run.revenue, 1.0).set_index(["carrier", "service"])
    assert rows.loc[("gas", "energy"), "capacity_mw"] == 200
    assert rows.loc[("gas", "energy"), "per_mw_year"] == pytest.approx(210_240)


def test_a_regulated_price_is_paid_when_something_is_required(run: pm.Run) -> None:
    """A tenth of load in the first hour, nothing in the second."""
    held = variant(run, "Administered")
    table = held.reserve_prices
    assert table.loc[table["product"] == "order", "price"].tolist() == [7, 0]
    value = held.flexibility_value.set_index(["province", "direction"])["value"]
    assert value["A", "up"] == pytest.approx(7 * 8760 / 2)
    paid = held.ledger[held.ledger["product"] == "reserve order"]
    assert paid["amount"].sum() == pytest.approx(7 * 13)


def test_tables_hold_deep_peak_and_mileage(run: pm.Run, tmp_path: Path) -> None:
    data = {"deep_peak": DEEP_PEAK, "mileage": {**MILEAGE, "carriers": ["gas", "coal"]}}
    case = case_with(network(), {}, **data)
    listed = [{"rule": "DeepPeakMarket"}, {"rule": "MileageMarket"}]
    regime = pm.regime({"name": "v", "extends": "full_market", "ancillary": listed})
    none = pd.DataFrame(index=case.snapshots)
    outcome = replace(run.outcome, reserve=none, reserve_price=none, reserve_short=none)
    result = Comparison(case, [pm.Run(case, regime, 0.0, outcome)])
    assert set(result.services) == {"deep_peak", "mileage", "mileage_prices"}
    assert any("revenue" in str(getattr(table, "title", "")) for table in report(result))
    folder = result.to_parquet(tmp_path / "out")
    for name in result.services:
        assert (folder / f"{name}.parquet").is_file()
        assert not (folder / f"{name}.csv").exists()


# ---- bad input -------------------------------------------------------------------------------


def test_plant_that_is_never_off_has_no_base_load_rate() -> None:
    case = case_with(toy(), {}, deep_peak=DEEP_PEAK)
    for rule in (pm.rules.DeepPeakOffers(), pm.rules.ObligatoryMinimum()):
        (fault,) = rule.faults(case)
        assert "coal" in fault.what and "min_stable_pu" in fault.remedy
        assert rule.faults(case_with(toy(), {})) == []
    assert pm.regime("priority_dispatch").faults(case) == []
    n = toy()
    n.generators.loc["coal", "committable"] = True
    assert pm.regime("full_market").faults(case_with(n, {}, deep_peak=DEEP_PEAK)) == []


def test_stores_pay_no_charge_and_ramp_rates_are_numbers() -> None:
    n = toy()
    n.add("Store", "cavern", bus="A", e_nom=10)
    n.generators["ramp_rate"] = ["x", ""]
    charges = {"spin": [{"exempt": ["cavern"]}]}
    with pytest.raises(pm.InputError) as caught:
        case_with(n, {"spin": spinning(3)}, charges=charges)
    text = str(caught.value)
    assert "stores pay no charge: cavern" in text
    assert "generators.ramp_rate: no rate >= 0: coal ->" in text


def test_faults_name_the_file_of_services(tmp_path: Path) -> None:
    toy().export_to_netcdf(tmp_path / "n.nc")
    file = tmp_path / "mine.yaml"
    wrong = {"products": {"spin": spinning(3)}, "charges": {"spin": [{"exempt": ["lod"]}]}}
    for content, words in (
        (yaml.safe_dump(wrong), "mine.yaml: charges.spin.0.exempt: unknown"),
        ("", "mine.yaml: states no services"),
    ):
        file.write_text(content)
        with pytest.raises(pm.InputError) as caught:
            pm.read(tmp_path / "n.nc", services=file)
        assert words in str(caught.value) and "market.yaml" not in str(caught.value)
