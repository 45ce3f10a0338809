"""Calls that workers of executors run; imports nothing heavy, as every new worker imports it."""

from __future__ import annotations

import os
import signal
from pathlib import Path


def double(value: int) -> int:
    return 2 * value


def die_once(marker: str) -> int:
    """Kill the worker the first time, answer the second."""
    if not Path(marker).exists():
        Path(marker).touch()
        die()
    return 7


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def fail() -> None:
    raise ZeroDivisionError("as it was raised")
