"""Seconds, CPU seconds and memory of a block, over this process and all it starts."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from importlib import metadata
from pathlib import Path
from types import TracebackType

import psutil
from rich.console import Console
from rich.table import Table

PACKAGES = ("powermkt", "pypsa", "linopy", "highspy", "pandas", "numpy")
_INTERVAL = 0.1  # s


class Watch:
    """Context manager that measures its block.

    Attributes
    ----------
    wall, cpu : float
        Seconds that passed, and that all processes together computed.
    worker_mb, job_mb : float
        Largest resident memory of one process that did the work, and of the process tree.
    """

    def __init__(self) -> None:
        self.wall = self.cpu = self.worker_mb = self.job_mb = 0.0
        self._root = psutil.Process()
        self._first: dict[int, float] = {}
        self._last: dict[int, float] = {}
        self._workers: set[int] = set()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Watch:
        self._look()
        self._first = dict(self._last)
        self._start = time.perf_counter()
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.wall = time.perf_counter() - self._start
        self._stop.set()
        self._thread.join()
        self._look()
        self.cpu = sum(self._last.values()) - sum(self._first.values())

    def _watch(self) -> None:
        while not self._stop.wait(_INTERVAL):
            self._look()

    def _look(self) -> None:
        sizes = {}
        for process in (self._root, *self._root.children(recursive=True)):
            try:
                times, memory = process.cpu_times(), process.memory_info()
                housekeeps = any("resource_tracker" in part for part in process.cmdline())
            except psutil.Error:  # it has just ended
                continue
            sizes[process.pid] = memory.rss / 2**20
            if process.pid not in self._last and process != self._root and not housekeeps:
                self._workers.add(process.pid)
            self._last[process.pid] = times.user + times.system
        self.job_mb = max(self.job_mb, sum(sizes.values()))
        workers = [size for pid, size in sizes.items() if pid in self._workers]
        self.worker_mb = max(self.worker_mb, *(workers or [sizes[self._root.pid]]))


@contextlib.contextmanager
def silence() -> Iterator[None]:
    """Keep what solvers print, past Python, off the standard output."""
    sys.stdout.flush()
    kept = os.dup(1)
    with open(os.devnull, "w", encoding="utf-8") as nowhere:
        os.dup2(nowhere.fileno(), 1)
    try:
        yield
    finally:
        sys.stdout.flush()
        os.dup2(kept, 1)
        os.close(kept)


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that take part."""
    return {
        "python": sys.version.split()[0],
        **{name: metadata.version(name) for name in PACKAGES},
    }


def machine() -> dict[str, str | int]:
    """Return processor, cores, memory and platform."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        lines = cpuinfo.read_text(encoding="utf-8").splitlines()
        names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
        model = names[0] if names else model
    return {
        "cpu": model,
        "cores": os.cpu_count() or 1,
        "memory_mb": round(psutil.virtual_memory().total / 2**20),
        "platform": platform.platform(),
    }


def show(record: Mapping[str, float], title: str, as_json: bool) -> None:
    """Print a record as a table, and as one JSON object on the last line."""
    table = Table(title=title, width=80)
    table.add_column("")
    table.add_column("value", justify="right")
    for name, value in record.items():
        table.add_row(name, f"{value:,.4g}")
    Console(width=80).print(table)
    if as_json:
        print(json.dumps(record))
