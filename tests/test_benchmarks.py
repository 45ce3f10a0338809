"""The benchmark runs and both sides agree; speeds belong to a machine and are not asserted."""

from __future__ import annotations

import importlib
import json
import pkgutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

import benchmarks
import powermkt as pm
from benchmarks.networks import china, cut

ROOT = Path(__file__).parents[1]
KEYS = {
    "ratio_vs_pypsa",
    "ratio_without_reuse",
    "ratio_same_workers",
    "overhead_vs_highs",
    "objective_rel_diff",
    "peak_rss_mb",
    "worker_rss_mb",
    "machine",
    "versions",
    "date",
}
PACKAGES = {"python", "powermkt", "pypsa", "linopy", "highspy", "pandas", "numpy"}


def test_every_benchmark_is_imported() -> None:
    names = [item.name for item in pkgutil.walk_packages(benchmarks.__path__, "benchmarks.")]
    assert "benchmarks.obligations" in names
    for name in names:
        if not name.endswith("__main__"):
            try:
                importlib.import_module(name)
            except ModuleNotFoundError as error:
                assert error.name in ("egret", "pyomo"), name


@pytest.mark.long
def test_smoke(tmp_path: Path) -> None:
    out = tmp_path / "benchmarks.json"
    command = [sys.executable, "-m", "benchmarks", "--smoke", "--json", "--out", str(out)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    *table, last = done.stdout.splitlines()
    assert all(len(line) <= 80 for line in table)
    record = json.loads(last)
    assert record == json.loads(out.read_text(encoding="utf-8"))
    assert record.keys() >= KEYS
    assert record["versions"].keys() == PACKAGES
    assert 0 <= record["objective_rel_diff"] <= 1e-6
    assert 0 < record["worker_rss_mb"] <= record["peak_rss_mb"]


@pytest.mark.slow
def test_egret_agrees() -> None:
    pytest.importorskip("egret", reason="pip install 'powermkt[validation]'")
    command = [sys.executable, "-m", "benchmarks.egret", "--date", "2020-04-12", "--gap", "0.01"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "overlap: yes" in done.stdout


@pytest.mark.slow
def test_a_cut_keeps_what_lies_within() -> None:
    case = china()
    hours = case.snapshots[:6]
    small = cut(case, 5, {"morning": hours})
    assert small.provinces.nunique() == 5
    assert small.snapshots.equals(hours)
    assert small.schedule is not None
    assert set(small.schedule) == set(small.corridors.index)
    ends = small.corridors[["province0", "province1"]].to_numpy()
    assert set(ends.ravel()) == set(small.provinces)
    load = case.dense("Load", "p_set").loc[hours, small.loads.index]
    pd.testing.assert_frame_equal(
        small.dense("Load", "p_set"), load, check_freq=False, check_names=False
    )
    run = pm.clear(small, "fixed_tariff")
    assert (run.outcome.served(small) >= 0).all().all()
