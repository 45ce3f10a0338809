"""Where cells are cleared and what interrupts them must not show in the tables."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import loky
import numpy as np
import pandas as pd
import pytest
from calls import die, die_once, double, fail
from distributed import Client
from shell import inside
from toys import one_bus, random_network

import powermkt as pm
from powermkt.common.executor import open_executor
from powermkt.engine.scheduling import clear_cells
from powermkt.errors import ExecutionError

TESTS = Path(__file__).parent


@contextmanager
def dask_cluster(folder: Path) -> Iterator[tuple[str, list[subprocess.Popen[bytes]]]]:
    """A Dask scheduler and two worker processes on the loopback interface: address, processes."""
    found = folder / "scheduler.json"
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(TESTS.parent), str(TESTS)])}
    local = ["--scheduler-file", str(found), "--host", "127.0.0.1"]
    commands = (
        ["dask_scheduler", *local, "--port", "0", "--no-dashboard"],
        ["dask_worker", *local, "--nworkers", "2", "--nthreads", "1", "--no-dashboard"],
    )
    processes = []
    try:
        for name, *options in commands:
            log = (folder / f"{name}.log").open("w")
            processes.append(
                subprocess.Popen(
                    [sys.executable, "-m", f"distributed.cli.{name}", *options],
                    cwd=folder, env=env, stdout=log, stderr=log, start_new_session=True,
                )
            )  # fmt: skip
        wait_for(found.exists)
        address = json.loads(found.read_text())["address"]
        with Client(address, timeout=60) as client:
            client.wait_for_workers(2, timeout=60)  # studies give them 10 s: not on a busy machine
        yield address, processes
    finally:
        for process in processes:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with dask_cluster(tmp_path_factory.mktemp("dask")) as (address, _):
        yield address


def wait_for(condition: object, seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


# ---- executors -------------------------------------------------------------------------------


@pytest.mark.parametrize("where", ["here", "processes", "dask"])
def test_executors_answer_alike(where: str, request: pytest.FixtureRequest) -> None:
    address = request.getfixturevalue("cluster") if where == "dask" else None
    with open_executor(1 if where == "here" else 2, address) as executor:
        asked = {executor.submit(double, i): 2 * i for i in range(5)}
        answered = {future: future.result() for future in executor.as_completed()}
        assert answered == asked and executor.notes == []
    with (
        pytest.raises(ZeroDivisionError, match=r"^as it was raised$"),
        open_executor(1 if where == "here" else 2, address) as executor,
    ):
        executor.submit(fail)
        [future.result() for future in executor.as_completed()]


@pytest.mark.slow
@pytest.mark.parametrize("where", ["processes", "dask"])
def test_a_lost_worker_costs_its_task(
    where: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    address = request.getfixturevalue("cluster") if where == "dask" else None
    with open_executor(2, address) as executor:
        executor.submit(die_once, str(tmp_path / "marker"))
        for i in range(3):
            executor.submit(double, i)
        answers = sorted(future.result() for future in executor.as_completed())
        assert answers == [0, 2, 4, 7]
        assert len(executor.notes) == 1 and "lost" in executor.notes[0]
    with pytest.raises(ExecutionError, match="lost its worker"), open_executor(2, address) as ex:
        ex.submit(die)
        [future.result() for future in ex.as_completed()]


def test_no_scheduler_is_one_message_and_exit_2(tmp_path: Path) -> None:
    one_bus([50.0]).export_to_netcdf(str(tmp_path / "toy.nc"))
    done = inside("compare", "toy.nc", "--cluster", "nonsense", cwd=tmp_path)
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert "cluster 'nonsense': no Dask scheduler answers" in done.stderr
    assert not list((tmp_path / "results").iterdir())


# ---- studies ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def case() -> pm.Case:
    n = random_network(3, hours=24)
    parts = np.array_split(n.snapshots, 4)
    return pm.Case(n, windows={f"part {i}": n.snapshots[n.snapshots.isin(part)]
                               for i, part in enumerate(parts)})  # fmt: skip


def study(case: pm.Case, **options: object) -> pm.Comparison:
    return pm.compare(case, ["joint_dispatch", "full_market"], [0, 60], **options)


@pytest.fixture(scope="module")
def undisturbed(case: pm.Case) -> pm.Comparison:
    return study(case, workers=1)


def assert_same(left: pm.Comparison, right: pm.Comparison) -> None:
    for name, table in left.tables.items():
        pd.testing.assert_frame_equal(table, right.tables[name], check_exact=True)


@pytest.mark.slow
def test_processes_and_cluster_give_the_same_and_losing_workers_too(
    case: pm.Case, undisturbed: pm.Comparison, cluster: str
) -> None:
    loky.get_reusable_executor(max_workers=2).shutdown(kill_workers=True)  # only ours run
    assert_same(undisturbed, study(case, cluster=cluster))
    killed: list[int] = []

    def kill(done: int, total: int, what: str) -> None:
        if done and not killed:
            killed.append(loky_workers()[0])
            os.kill(killed[0], signal.SIGKILL)

    disturbed = study(case, workers=2, progress=kill)
    assert_same(undisturbed, disturbed)
    assert killed and len(disturbed.notes) == 1


@pytest.mark.long
def test_a_lost_scheduler_ends_the_study_and_keeps_what_is_done(
    case: pm.Case, undisturbed: pm.Comparison, tmp_path: Path
) -> None:
    store = tmp_path / "cells"
    with dask_cluster(tmp_path) as (address, processes):

        def kill(done: int, total: int, what: str) -> None:
            if done:
                os.killpg(processes[0].pid, signal.SIGKILL)
                processes[0].wait()

        with pytest.raises(ExecutionError, match="scheduler is gone; what was finished is kept"):
            study(case, cluster=address, store=store, progress=kill)
    kept = {path.name: path.stat().st_mtime_ns for path in store.glob("*.cell")}
    assert 1 <= len(kept) < 12
    assert_same(undisturbed, study(case, store=store, workers=1))
    now = {path.name: path.stat().st_mtime_ns for path in store.glob("*.cell")}
    assert kept.items() <= now.items()


def loky_workers() -> list[int]:
    """Process ids of the workers of this process, as the system lists them."""
    listed = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    threads = Path("/proc/self/task").iterdir()
    listed += [pid for t in threads for pid in (t / "children").read_text().split()]
    names = {int(pid): Path(f"/proc/{pid}/cmdline").read_bytes() for pid in listed}
    return [pid for pid, name in names.items() if b"popen_loky" in name]


@pytest.mark.slow
def test_what_clears_alike_is_cleared_once(case: pm.Case) -> None:
    case, tariff = case.window("part 0"), pm.regime("joint_dispatch")
    calls: list[tuple[int, int, str]] = []
    regimes = [tariff.at(price) for price in (0, 60, 120)]
    found, notes = clear_cells(case, regimes, progress=lambda *call: calls.append(call))
    assert len(found) == len(case.windows) == calls[-1][0] == calls[-1][1] and notes == []
    result = pm.compare(case, [tariff], [0, 60, 120])
    assert result.runs[0].outcome is result.runs[2].outcome
    assert result.runs[2].carbon_price == 120 and result.table["carbon_revenue"].nunique() == 3


def stopped(folder: Path, stop: signal.Signals, workers: int, *options: str) -> tuple[int, str]:
    """Start a study of four weeks and stop it when a few cells are finished."""
    load = np.random.default_rng(1).uniform(50, 220, 4 * 168)
    one_bus(load.tolist()).export_to_netcdf(str(folder / "toy.nc"))
    process = subprocess.Popen(
        [sys.executable, "-m", "powermkt.cli", *STUDY, *options, "--workers", str(workers)],
        cwd=folder, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    wait_for(lambda: len(cells(folder)) >= 3)
    os.killpg(process.pid, stop)
    said = process.communicate(timeout=60)[1]
    assert not (folder / "results" / "toy").exists()
    return process.returncode, said


STUDY = ["compare", "toy.nc", "--year", "--regime", "full_market", "--quiet"]


def cells(folder: Path) -> dict[str, int]:
    """Finished cells and when they were written."""
    store = folder / "results" / ".toy.cells"
    return {path.name: path.stat().st_mtime_ns for path in store.glob("*.cell")}


@pytest.mark.long  # an explanation that is killed is in `test_interruptions`
@pytest.mark.parametrize("look_ahead", [None, 24.0])
def test_a_killed_study_goes_on_and_ends_alike(tmp_path: Path, look_ahead: float | None) -> None:
    options = [] if look_ahead is None else ["--look-ahead", str(look_ahead)]
    stopped(tmp_path, signal.SIGKILL, 1, *options)
    kept = cells(tmp_path)
    assert 3 <= len(kept) < 12
    again = inside(*STUDY, *options, cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    assert len(cells(tmp_path)) == 12 and kept.items() <= cells(tmp_path).items()
    case = pm.read(tmp_path / "toy.nc")
    whole = pm.compare(case, ["full_market"], year=True, workers=1, look_ahead=look_ahead)
    folder = whole.to_parquet(tmp_path / "whole")
    for path in folder.glob("*.parquet"):
        assert path.read_bytes() == (tmp_path / "results" / "toy" / path.name).read_bytes()


@pytest.mark.slow
def test_ctrl_c_keeps_cells_and_says_how_to_go_on(tmp_path: Path) -> None:
    code, said = stopped(tmp_path, signal.SIGINT, workers=2)
    store = tmp_path / "results" / ".toy.cells"
    assert code == 130
    assert said == f"interrupted; run the same again to go on from {store}\n"
    assert 3 <= len(cells(tmp_path)) < 12
