"""Studies that are killed, that find no room on the disk, or a damaged cell: nothing is lost."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import NETWORKS
from shell import inside

TWO = NETWORKS / "two_province"
STUDIES = {
    "explain": ["--regime", "full_market", "--regime", "fixed_tariff"],
    "overlap": ["--study", str(TWO / "overlap.yaml")],
    "trace": ["--regime", "full_market"],
    "pass-through": ["--regime", "full_market_auction", "--switching-to", "100"],
    "remedies": ["--regime", "full_market"],
}

pytestmark = pytest.mark.slow


def arguments(command: str) -> list[str]:
    return [command, str(TWO), *STUDIES[command], "--out", "out", "--quiet"]


def files(folder: Path) -> dict[str, bytes]:
    """Results that do not depend on the clock: all tables."""
    found = {path.name: path.read_bytes() for path in sorted(folder.glob("*.parquet"))}
    assert found
    return found


def cells(folder: Path) -> list[Path]:
    return sorted(folder.glob(".out.cells/*.cell"))


def killed(folder: Path, *command: str, after: int) -> None:
    """Start a command and kill it, with all its workers, when so many cells are finished."""
    started = subprocess.Popen(
        [sys.executable, "-m", "powermkt.cli", *command], cwd=folder, start_new_session=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    end = time.monotonic() + 120
    while len(cells(folder)) < after and started.poll() is None and time.monotonic() < end:
        time.sleep(0.01)
    assert started.poll() is None, "it was over before it could be killed"
    os.killpg(started.pid, signal.SIGKILL)
    started.wait()


@pytest.mark.parametrize("command", ["explain", pytest.param("remedies", marks=pytest.mark.long)])
def test_a_killed_study_goes_on_from_its_cells(command: str, tmp_path: Path) -> None:
    (tmp_path / "whole").mkdir()
    assert inside(*arguments(command), cwd=tmp_path / "whole").returncode == 0
    killed(tmp_path, *arguments(command), after=2)
    assert not (tmp_path / "out").exists()
    kept = {path.name: path.stat().st_mtime_ns for path in cells(tmp_path)}
    assert len(kept) >= 2
    again = inside(*arguments(command), cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    now = {path.name: path.stat().st_mtime_ns for path in cells(tmp_path)}
    assert kept.items() <= now.items() and len(now) > len(kept)
    assert files(tmp_path / "out") == files(tmp_path / "whole" / "out")


def test_a_damaged_cell_of_an_explanation_is_made_anew_and_told(tmp_path: Path) -> None:
    assert inside(*arguments("explain"), cwd=tmp_path).returncode == 0
    before, damaged = files(tmp_path / "out"), cells(tmp_path)[1]
    content = bytearray(damaged.read_bytes())
    content[len(content) // 2] ^= 1
    damaged.write_bytes(content)
    again = inside(*arguments("explain"), cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    record = json.loads((tmp_path / "out" / "record.json").read_text())
    assert any("a stored cell was damaged; solved again" in note for note in record["mended"])
    assert files(tmp_path / "out") == before


@pytest.mark.parametrize(
    "command",
    ["explain", *(pytest.param(name, marks=pytest.mark.long)
                  for name in ("overlap", "trace", "pass-through", "remedies"))],
)  # fmt: skip
def test_a_full_disk_leaves_the_results_that_were_there(command: str, tmp_path: Path) -> None:
    """A limit on file size stands for the disk: no table fits, cells of before are read."""
    assert inside(*arguments(command), cwd=tmp_path).returncode == 0
    before = files(tmp_path / "out")
    full = subprocess.run(
        [sys.executable, "-m", "powermkt.cli", *arguments(command)],
        cwd=tmp_path, capture_output=True, text=True, timeout=300,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1500, 1500)),
    )  # fmt: skip
    assert full.returncode == 1 and "Traceback" not in full.stderr, full.stderr
    assert "cannot be written" in full.stderr
    assert files(tmp_path / "out") == before
    left = {path.name for path in tmp_path.iterdir()} - {"out", ".out.cells"}
    assert left == set()


def test_a_full_disk_leaves_the_page_that_was_there(tmp_path: Path) -> None:
    assert inside(*arguments("trace"), cwd=tmp_path).returncode == 0
    assert inside("report", "out", cwd=tmp_path).returncode == 0
    page = tmp_path / "out" / "report.html"
    before = page.read_bytes()
    full = subprocess.run(
        [sys.executable, "-m", "powermkt.cli", "report", "out", "--lang", "zh"],
        cwd=tmp_path, capture_output=True, text=True, timeout=300,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000)),
    )  # fmt: skip
    assert full.returncode == 1 and "cannot be written" in full.stderr, full.stderr
    assert page.read_bytes() == before
    assert {path.name for path in (tmp_path / "out").glob("*.html")} == {
        "report.html",
        "trace.html",
    }
