"""Finished cells: what is stored comes back exactly, and is used for its own input only."""

from __future__ import annotations

import importlib.util
import resource
import subprocess
import sys
from collections.abc import Callable
from dataclasses import fields, replace
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pydantic
import pypsa
import pytest
from conftest import NETWORKS
from toys import one_bus, random_network

import powermkt as pm
from powermkt.dispatch.outcome import Outcome
from powermkt.dispatch.packing import DamagedError, canonical, pack, unpack
from powermkt.engine.cells import CellStore, Keys
from powermkt.errors import StorageError

TWO = str(NETWORKS / "two_province")
TABLES = ("comparison", "curtailment", "generation", "ledger", "prices")


def outcome(value: float = 1.0) -> Outcome:
    """An outcome of every kind of table, index and number that a field may hold."""
    hours = pd.date_range("2022-01-03", periods=3, freq="h", name="snapshot", unit="us")
    numbers = np.array([[0.1 + 0.2, -0.0], [np.nan, np.inf], [5e-324, value]])
    frame = pd.DataFrame(numbers, hours, pd.Index(["b", "a"], dtype=object, name="name"))
    flags = pd.DataFrame({"x": [True, False, True]}, index=hours[[0, 1, 2]])
    mixed = pd.DataFrame({"n": [1, 2], "t": ["ä", "z"], "f": [0.5, 1.5]}, index=["p", "q"])
    pairs = pd.MultiIndex.from_tuples([("A", "wind"), ("B", "sun")], names=["province", "carrier"])
    return Outcome(
        dispatch=frame, online=frame.T.copy().T, started=flags, status=frame, start_up=frame,
        shut_down=flags, overload=pd.DataFrame(index=hours),
        commitment_cost=pd.Series([1.0, 1 / 3], index=pd.Index(["b", "a"], name="name"), name="c"),
        flows=pd.DataFrame(index=hours), storage=pd.DataFrame(index=pd.RangeIndex(3)),
        state_of_charge=mixed, spill=frame.set_axis([1, 2], axis="columns"),
        shed=frame.set_axis(["now", "then", "late"], axis="index"),
        excess=frame.set_axis(frame.columns.astype("str"), axis="columns"), offer_price=frame,
        reserve=pd.DataFrame(np.eye(3, 2), hours, pairs), reserve_price=pd.DataFrame(index=hours),
        reserve_required=flags, reserve_short=frame.iloc[:0], cost_price=frame[["a"]],
        marginal_emission=frame.astype("float32"),
        marginal_exposure=frame, price_unique=flags, cost=0.1 + 0.2, notes=["week 01: ä"],
        curtailment_range=pd.DataFrame({"min": [0.0, 1.0], "max": [2.0, np.nan]}, index=pairs),
    )  # fmt: skip


def assert_same(left: Outcome, right: Outcome) -> None:
    for item in fields(Outcome):
        a, b = getattr(left, item.name), getattr(right, item.name)
        if isinstance(a, pd.DataFrame):
            pd.testing.assert_frame_equal(a, b, check_exact=True, check_freq=True)
            assert a.to_numpy().tobytes() == b.to_numpy().tobytes() or len(set(a.dtypes)) > 1
        elif isinstance(a, pd.Series):
            pd.testing.assert_series_equal(a, b, check_exact=True, check_freq=True)
        else:
            assert a == b and type(a) is type(b), item.name


def test_outcomes_come_back_to_the_last_bit() -> None:
    given = outcome()
    packed = pack(given)
    assert_same(given, unpack(packed))
    assert_same(given, canonical(given))
    without = replace(given, curtailment_range=None, cost=float("inf"))
    assert_same(without, unpack(pack(without)))
    # The order in memory decides the last bit of a sum.
    for name in ("dispatch", "online", "cost_price"):
        read, taken = getattr(unpack(packed), name), getattr(canonical(given), name)
        assert read.to_numpy().strides == taken.to_numpy().strides, name
    with pytest.raises(TypeError, match="cannot store"):
        pack(replace(given, notes=[1]))  # type: ignore[list-item]


@pytest.mark.parametrize("at", [0, 40, -1])
def test_every_flipped_bit_and_every_cut_is_seen(at: int) -> None:
    packed = bytearray(pack(outcome()))
    packed[at] ^= 1
    for data in (bytes(packed), bytes(packed[:-7]), b"", bytes(packed[:33])):
        with pytest.raises(DamagedError):
            unpack(data)


# ---- names of cells --------------------------------------------------------------------------


@cache
def network() -> pypsa.Network:
    return random_network(5, hours=12)


@cache
def study() -> pm.Case:
    n = network()
    windows = {"early": n.snapshots[:6], "late": n.snapshots[6:]}
    return pm.Case(n, pm.Market(value_of_lost_load=9000.0), windows=windows, name="study")


def changed(change: Callable[[pypsa.Network], None]) -> pm.Case:
    case = study()
    n = network().copy()
    change(n)
    return pm.Case(n, case.market, windows=case.windows, name="study")


def keys(case: pm.Case, regime: str | pm.Regime = "full_market", tau: float = 60.0) -> list[str]:
    item = pm.regime(regime).at(tau)
    return [Keys(case, ranges=False).key(label, item) for label in case.windows]


def test_a_cell_is_named_by_all_that_its_outcome_depends_on() -> None:
    base = keys(study())
    assert keys(study()) == base and len(set(base)) == 2

    def load(n):  # one MW more in one hour of the late window
        n.loads_t["p_set"].iloc[8, 0] += 1.0

    def cost(n):
        n.generators.loc["P0 gas", "marginal_cost"] += 1e-9

    def weight(n):
        n.snapshot_weightings.loc[n.snapshots[0], ["objective", "generators"]] *= 2

    def plan(n):
        n.links_t["p_set"].iloc[0, 0] += 1.0

    def emission(n):
        n.generators.loc["P0 gas", "benchmark"] = 0.1

    now = [keys(changed(edit)) for edit in (load, cost, weight, plan, emission)]
    differs = [[a != b for a, b in zip(base, other, strict=True)] for other in now]
    assert differs == [[False, True], [True, True], [True, False], [True, False], [True, True]]

    case = study()
    dearer = case.with_market(case.market.model_copy(update={"value_of_lost_load": 9001.0}))
    assert not set(keys(dearer)) & set(base)
    assert not set(keys(case, tau=61.0)) & set(base)
    assert not set(keys(case, "full_market_auction")) & set(base)
    label = next(iter(case.windows))
    for asked in ({"ranges": True}, {"ranges": False, "margins": True}):
        assert Keys(case, **asked).key(label, pm.regime("full_market").at(60)) not in base


def test_names_and_unoffered_carbon_prices_are_not_in_it() -> None:
    case, market = study(), pm.regime("full_market")
    assert keys(case, replace(market, name="mine", description="x")) == keys(case)
    assert keys(case, "fixed_tariff", 0.0) == keys(case, "fixed_tariff", 120.0)
    assert keys(case, "full_market", 0.0) != keys(case, "full_market", 120.0)

    class Capped(pm.rules.CarbonPrice):  # type: ignore[misc]
        """Does something with its price that nobody knows of here."""

        cap: float = pydantic.Field(default=0.0)

    rules = [rule for rule in market.rules if rule.role != "carbon"]
    own = pm.Regime("own", (*rules, Capped(offered=False)))
    assert keys(case, own, 0.0) != keys(case, own, 120.0)


def test_who_edits_a_rule_gets_new_cells(tmp_path: Path) -> None:
    """A rule of one's own counts with its code: class and parameters alone would not tell."""
    case, market = study(), pm.regime("full_market")
    rules = [rule for rule in market.rules if rule.role != "dispatch"]
    found = []
    for text in ("a", "a", "b"):
        path = tmp_path / "mine_for_test.py"
        path.write_text(
            f"from powermkt.rules import MeritOrder\nclass Mine(MeritOrder):\n    pass  # {text}\n"
        )
        spec = importlib.util.spec_from_file_location("mine_for_test", path)
        assert spec is not None and spec.loader is not None
        sys.modules["mine_for_test"] = module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        found.append(keys(case, pm.Regime("r", (module.Mine(), *rules))))
    assert found[0] == found[1] != found[2]


# ---- the store -------------------------------------------------------------------------------


@pytest.mark.slow
def test_stored_cells_are_used_damaged_ones_are_not(tmp_path: Path) -> None:
    case = study()
    calls: list[tuple[int, int, str]] = []

    def run(**options: object) -> pm.Comparison:
        calls.clear()
        return pm.compare(
            case, ["full_market", "joint_dispatch"], [0, 60], store=tmp_path,
            progress=lambda *call: calls.append(call), **options,
        )  # fmt: skip

    first = run(workers=1)
    cells = sorted(tmp_path.glob("*.cell"))
    # Two windows, two carbon prices in the market, one clearing of joint dispatch for both.
    assert len(cells) == 6 and calls[-1][:2] == (6, 6) and len(calls) == 3
    again = run(workers=1)
    assert calls == [(6, 6, "stored before")] and again.notes == []

    before = {path: path.stat().st_mtime_ns for path in cells}
    cells[0].write_bytes(cells[0].read_bytes()[:-100])
    data = bytearray(cells[1].read_bytes())
    data[len(data) // 2] ^= 4
    cells[1].write_bytes(data)
    mended = run(workers=1)
    assert len(mended.notes) == 2 and all("damaged" in note for note in mended.notes)
    assert mended.record()["mended"] == mended.notes
    assert cells[0].stat().st_mtime_ns != before[cells[0]]
    assert run(workers=1).notes == []  # they are whole again
    for other in (again, mended):
        for name in TABLES:
            pd.testing.assert_frame_equal(first.tables[name], other.tables[name], check_exact=True)

    one = pm.clear(case, "full_market", 60, store=tmp_path, workers=1)
    pd.testing.assert_series_equal(one.summary(), first.runs[1].summary(), check_exact=True)
    assert len(list(tmp_path.glob("*.cell"))) == 6


def test_a_task_is_stored_as_a_whole(tmp_path: Path) -> None:
    with CellStore(tmp_path / "s") as store:
        store.save({"a": outcome(1.0), "b": outcome(2.0)})
        store.load("a"), store.load("b")
    staged, done = (tmp_path / "s" / f".powermkt-{kind}-x" for kind in ("staged", "task"))
    for folder, key in ((staged, "c"), (done, "d")):  # as a killed process leaves them
        folder.mkdir()
        (folder / f"{key}.cell").write_bytes(pack(outcome(3.0)))
    with CellStore(tmp_path / "s") as store:
        assert store.load("c") is None and store.load("b") is not None
        found = store.load("d")
        assert found is not None
        assert_same(found, outcome(3.0))
        assert not staged.exists() and not done.exists()
        store.prune()  # neither used nor stored by this run: a
        assert sorted(p.stem for p in (tmp_path / "s").glob("*.cell")) == ["b", "d"]
    with CellStore(tmp_path / "s", fresh=True) as store:
        assert store.load("b") is None
    assert not (tmp_path / "s").exists()


def test_a_folder_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("all of it")
    with CellStore(tmp_path, fresh=True) as store:
        store.prune()
    assert (tmp_path / "thesis.txt").read_text() == "all of it"


@pytest.mark.slow
def test_one_run_at_a_time(tmp_path: Path) -> None:
    folder = tmp_path / "results" / ".two_province.cells"
    command = [sys.executable, "-m", "powermkt.cli", "compare", TWO, "--quiet"]
    with CellStore(folder):
        second = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
        assert second.returncode == 2 and "in use by another run" in second.stderr
        assert str(folder) in second.stderr and "Traceback" not in second.stderr
        with pytest.raises(pm.InputError, match="in use"):
            pm.clear(pm.Case(one_bus([50.0])), "full_market", store=folder)
    assert not folder.exists()


def test_a_killed_run_holds_no_lock(tmp_path: Path) -> None:
    folder = tmp_path / "s"
    folder.mkdir()
    hold = f"import filelock, time; a = filelock.FileLock({str(folder / 'lock')!r}); a.acquire(); "
    other = subprocess.Popen(
        [sys.executable, "-c", hold + "print(flush=True); time.sleep(100)"], stdout=subprocess.PIPE
    )
    assert other.stdout is not None and other.stdout.readline()
    with pytest.raises(pm.InputError, match="in use"):
        CellStore(folder)
    other.kill()
    other.communicate()
    with CellStore(tmp_path / "s"):
        pass


def test_a_store_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for folder in (tmp_path / "file", tmp_path / "file" / "cells", Path("/proc/cells")):
        with pytest.raises(pm.InputError, match="cannot be written"):
            CellStore(folder)


@pytest.mark.slow
def test_a_full_disk_is_one_message_and_no_partial_table(tmp_path: Path) -> None:
    """A limit on file size stands for the disk: the cell fits, the tables do not."""
    one_bus([50.0, 120.0]).export_to_netcdf(str(tmp_path / "toy.nc"))
    command = [sys.executable, "-m", "powermkt.cli", "compare", "toy.nc", "--regime"]
    command += ["full_market", "--carbon-price", "0", "--quiet"]
    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, timeout=60,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (8000, 8000)),
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    assert "toy: cannot be written" in done.stderr and "Traceback" not in done.stderr
    results = tmp_path / "results"
    assert len(list(results.glob(".toy.cells/*.cell"))) == 1
    assert [path.name for path in results.iterdir()] == [".toy.cells"]


def test_an_error_while_storing_leaves_nothing_of_the_task(tmp_path: Path) -> None:
    store = CellStore(tmp_path / "s")
    store.save({"a": outcome()})
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
    try:
        with pytest.raises(StorageError, match="make room"):
            store.save({"b": outcome()})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert sorted(p.name for p in store.folder.iterdir()) == ["a.cell", "lock"]
    store.close()
