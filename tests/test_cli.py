"""The command line as a user meets it: its streams, its exit code, its files."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
from conftest import NETWORKS
from shell import inside, process
from toys import one_bus

TWO = str(NETWORKS / "two_province")


@pytest.mark.slow
def test_compare_writes_tables_and_record(tmp_path: Path) -> None:
    done = process("compare", TWO, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "priority_dispatch" in done.stdout and "13.9" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80
    folder = tmp_path / "results" / "two_province"
    table = pd.read_parquet(folder / "comparison.parquet")
    assert len(table) == 9
    pd.testing.assert_frame_equal(table, pd.read_csv(folder / "comparison.csv"), check_dtype=False)
    for name in ("pass_through", "curtailment", "generation", "ledger", "prices"):
        assert len(pd.read_parquet(folder / f"{name}.parquet")), name
    record = json.loads((folder / "record.json").read_text())
    assert record["carbon_prices"] == [0, 60, 120] and "highspy" in record["versions"]
    beside = sorted(path.name for path in (tmp_path / "results").iterdir())
    assert beside == [".two_province.cells", "two_province"]
    again = inside("compare", TWO, "--carbon-price", "0", "--quiet", cwd=tmp_path)
    assert again.returncode == 0 and again.stderr == ""
    assert len(pd.read_parquet(folder / "comparison.parquet")) == 3


def test_json_and_study(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(
        "extends: full_market\ndispatch: {rule: MeritOrder, mark_up: 0.1}\n"
    )
    (tmp_path / "study.yaml").write_text("regimes: [full_market, mine.yaml]\ncarbon_prices: [0]\n")
    done = inside("compare", TWO, "--study", "study.yaml", "--json", "--quiet", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [row["regime"] for row in rows] == ["full_market", "mine"]
    assert rows[0]["cost"] == pytest.approx(12_036_000)


def test_bad_input_is_told_at_once_without_traceback(tmp_path: Path) -> None:
    (tmp_path / "study.yaml").write_text("carbon_price: [0]\n")
    bad = one_bus([50.0])
    bad.generators.loc["coal", "p_nom"] = -1.0
    bad.export_to_netcdf(str(tmp_path / "bad.nc"))
    done = process(
        "compare", "bad.nc", "--regime", "ful_market", "--study", "study.yaml", cwd=tmp_path
    )
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    for part in ("'carbon_prices'", "'full_market'", "generators.p_nom"):
        assert part in done.stderr
    assert not (tmp_path / "results").exists()


def test_unsolved_is_exit_1_and_leaves_nothing(tmp_path: Path) -> None:
    one_bus([50.0, 260.0]).export_to_netcdf(str(tmp_path / "short.nc"))
    done = inside("compare", "short.nc", "--regime", "full_market", cwd=tmp_path)
    assert done.returncode == 1
    assert "A: 2022-01-03 01:00:00" in done.stderr and "Traceback" not in done.stderr
    assert not (tmp_path / "results").exists() or not list((tmp_path / "results").iterdir())


def test_out_that_holds_something_else_is_kept(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("all of it")
    done = inside("compare", TWO, "--out", "mine", cwd=tmp_path)
    assert done.returncode == 2 and "no results" in done.stderr
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "all of it"


@pytest.mark.slow
def test_pass_through_prints_and_writes(tmp_path: Path) -> None:
    (tmp_path / "cap.yaml").write_text(
        "extends: full_market_auction\ncarbon: {rule: CarbonCap, allocation: auction, cap: 28000}\n"
    )
    command = ["pass-through", TWO, "--regime", "full_market_auction", "--regime", "cap.yaml"]
    done = inside(*command, "--carbon-price", "0", "--carbon-price", "60",
                  "--switching-to", "400", cwd=tmp_path)  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "rows sum to zero" in done.stdout and "363.636" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80
    folder = tmp_path / "results" / "two_province-pass-through"
    steps = pd.read_csv(folder / "switching_points.csv")
    # Gas of South takes the place of its coal at 160 / (0.82 - 0.38).
    auction = steps[steps["regime"] == "full_market_auction"]
    assert auction["tau"].tolist() == pytest.approx([0, 160 / 0.44], abs=1e-3)
    for name in ("pass_through_hourly", "pass_through_regression", "incidence", "windfall", "caps"):
        assert len(pd.read_parquet(folder / f"{name}.parquet")), name
    done = inside("clear", TWO, "--regime", "cap.yaml", "--carbon-price", "30", cwd=tmp_path)
    assert done.returncode == 2 and "finds the price of its limit" in done.stderr


@pytest.mark.slow
def test_clear_check_and_plan(tmp_path: Path) -> None:
    done = inside("clear", TWO, "--regime", "full_market", "--json", cwd=tmp_path)
    assert done.returncode == 0
    assert json.loads(done.stdout)["emissions_t"] == pytest.approx(30_810)
    done = inside("check", TWO, cwd=tmp_path)
    assert done.returncode == 0 and "ready for: fixed_tariff" in done.stdout
    done = inside("plan", TWO, "--out", "planned.nc", "--quiet", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    done = inside("clear", "planned.nc", "--regime", "priority_dispatch", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "emissions_t" in done.stdout
