"""What plant earns by service, what one more MW would, and services given on the command line."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pypsa
import pytest
import yaml
from reserve_toys import case_with, spinning, toy
from shell import inside

import powermkt as pm
from powermkt.accounts.revenue import by_carrier


@pytest.fixture(scope="module")
def run() -> pm.Run:
    """Coal holds 30 MW in two hours that stand for 10 h each: 30 x 30 x 20 h = 18,000."""
    n = toy(150, hours=2)
    n.snapshot_weightings.loc[:, :] = 10.0
    n.add("Generator", "wind", bus="A", carrier="wind", p_nom=0)
    products = {"spin": spinning(30, carriers=["coal"])}
    charges = {"spin": [{"by": "energy", "exempt": ["coal"]}]}
    return pm.clear(case_with(n, products, charges=charges), "full_market")


def test_revenue_by_carrier_and_service_per_mw_and_year(run: pm.Run) -> None:
    table = run.revenue.set_index(["carrier", "service"])
    assert table.loc[("coal", "energy"), "amount"] == pytest.approx(70 * 50 * 20)
    assert table.loc[("coal", "reserve spin"), "amount"] == pytest.approx(18_000)
    assert table.loc[("coal", "reserve spin"), "per_mw_year"] == pytest.approx(
        18_000 / 100 * 8760 / 20
    )
    assert table.loc[("gas", "reserve spin charge"), "amount"] == pytest.approx(-18_000)
    assert set(table.index.get_level_values("carrier")) == {"coal", "gas"}
    # Sums over carriers are the net receipts of plant in the ledger.
    plant = run.case.generators.index
    entries = run.ledger
    net = entries.loc[entries["payee"].isin(plant), "amount"].sum()
    net -= entries.loc[entries["payer"].isin(plant), "amount"].sum()
    assert table["amount"].sum() == pytest.approx(net)
    pd.testing.assert_series_equal(
        by_carrier(run.revenue, 20.0).set_index(["carrier", "service"])["per_mw_year"].sort_index(),
        table["per_mw_year"].sort_index(),
    )


def test_one_more_flexible_mw_is_worth_what_it_saves(run: pm.Run) -> None:
    value = run.flexibility_value.set_index("direction")["value"]
    assert value["up"] == pytest.approx(30 * 8760)
    assert value["down"] == 0
    # A MW that holds reserve and gives no energy: cost falls by 30 an hour.
    n: pypsa.Network = run.case.network()
    n.add("Generator", "extra", bus="A", carrier="gas", p_nom=1, marginal_cost=1000)
    products = {"spin": spinning(30, carriers=["coal"], providers=["extra"])}
    more = pm.clear(case_with(n, products), "full_market")
    assert (run.objective - more.objective) * 8760 / 20 == pytest.approx(value["up"])


@pytest.mark.slow
def test_services_from_a_file_of_their_own(tmp_path: Path) -> None:
    toy().export_to_netcdf(tmp_path / "n.nc")
    file = tmp_path / "services.yaml"
    file.write_text(yaml.safe_dump({"products": {"spin": spinning(30, carriers=["coal"])}}))
    done = inside(
        "compare",
        str(tmp_path / "n.nc"),
        "--services",
        str(file),
        "--regime",
        "full_market",
        "--carbon-price",
        "0",
        "--out",
        str(tmp_path / "out"),
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert "revenue" in done.stdout and "spin" in done.stdout
    awards = pd.read_parquet(tmp_path / "out" / "reserves.parquet")
    assert awards["reserve_mw"].tolist() == pytest.approx([30])
    assert (tmp_path / "out" / "flexibility_value.csv").is_file()
    file.write_text("products: {spin: {kind: spinning, requirments: []}}")
    done = inside("check", str(tmp_path / "n.nc"), "--services", str(file), cwd=tmp_path)
    assert done.returncode == 2
    assert "did you mean 'requirements'" in done.stderr
