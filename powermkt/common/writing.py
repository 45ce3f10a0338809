"""Write results into a folder, whole or not at all; tables into documents."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from powermkt.errors import Fault, InputError, StorageError

_RECORD = "record.json"
FILES, SEAL = "files", "sha256"  # in the record: digest of each file, and of the record itself
# Tables with a row for every snapshot are written as Parquet alone.
_LONG = (
    "prices", "demand", "ledger", "mitigated", "market_power", "reserves", "reserve_prices",
    "hours", "province_days", "deep_peak", "mileage", "mileage_prices", "pass_through_hourly",
    "carbon_hourly",
)  # fmt: skip


def write_results(
    target: Path,
    tables: Mapping[str, pd.DataFrame],
    record: Mapping[str, object],
    texts: Mapping[str, str] | None = None,
    beside: Callable[[Path], None] | None = None,
) -> Path:
    """Write every table as Parquet and CSV, the record, and texts by file name, into a folder.

    The folder appears complete or not at all; earlier results in it are replaced. What else
    `beside` writes into it belongs to it. The record holds a SHA-256 digest of each file.

    Raises
    ------
    InputError
        If the folder holds something else than results.
    StorageError
        If it cannot be written; what it held is still there.
    """
    check_target(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
        try:
            for name, text in (texts or {}).items():
                (work / name).write_text(text, encoding="utf-8")
            if beside is not None:
                beside(work)
            _write(work, tables, record)
            _put_in_place(work, target)
        finally:
            shutil.rmtree(work, ignore_errors=True)
    except OSError as error:
        raise StorageError(f"{target}: cannot be written: {error.strerror or error}") from error
    return target


def _write(folder: Path, tables: Mapping[str, pd.DataFrame], record: Mapping[str, object]) -> None:
    for name, table in tables.items():
        table.to_parquet(folder / f"{name}.parquet", index=False)
        if name not in _LONG:
            table.to_csv(folder / f"{name}.csv", index=False)
    record = sealed({**record, FILES: digests(folder)})
    text = json.dumps(record, indent=2, ensure_ascii=False)
    (folder / _RECORD).write_text(text + "\n", encoding="utf-8")
    folder.chmod(0o755)


def digests(folder: Path) -> dict[str, str]:
    """SHA-256 of every file of a results folder but its record, by path in it."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and name != _RECORD:
            with path.open("rb") as file:
                found[name] = hashlib.file_digest(file, "sha256").hexdigest()
    return found


def sealed(record: Mapping[str, object]) -> dict[str, object]:
    """Return a record with a digest of all it holds."""
    content = {name: value for name, value in record.items() if name != SEAL}
    text = json.dumps(content, ensure_ascii=False, sort_keys=True)
    return {**content, SEAL: hashlib.sha256(text.encode()).hexdigest()}


def read_record(folder: Path) -> dict[str, Any]:
    """Read the record of a results folder.

    Raises
    ------
    InputError
        If it is no such folder.
    """
    path, remedy = folder / _RECORD, "name a folder that powermkt wrote"
    if not folder.is_dir():
        raise InputError([Fault(str(folder), "is no folder", remedy)])
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError([Fault(str(folder), f"holds no {_RECORD}", remedy)]) from None
    except (OSError, ValueError, RecursionError) as error:
        raise InputError([Fault(str(path), f"cannot be read ({error})", remedy)]) from None
    if not isinstance(content, dict):
        raise InputError([Fault(str(path), "is no mapping", remedy)])
    return content


def _put_in_place(work: Path, target: Path) -> None:
    if not target.exists():
        os.replace(work, target)
        return
    old = Path(tempfile.mkdtemp(prefix=f".{target.name}-old-", dir=target.parent))
    os.replace(target, old / "results")
    try:
        os.replace(work, target)
    except OSError:
        os.replace(old / "results", target)
        raise
    finally:
        shutil.rmtree(old, ignore_errors=True)


def check_target(folder: Path) -> None:
    """Refuse a results folder that holds something else or cannot be written."""
    if folder.is_dir() and any(folder.iterdir()) and not (folder / _RECORD).is_file():
        raise InputError(
            [Fault(str(folder), "holds files that are no results", "name another --out")]
        )
    parent = folder
    while not parent.exists():
        parent = parent.parent
    if (folder.exists() and not folder.is_dir()) or not parent.is_dir():
        raise InputError([Fault(str(folder), "is no folder", "name another --out")])
    if not os.access(parent, os.W_OK):
        raise InputError([Fault(str(folder), "cannot be written", "name another --out")])


def put_between_marks(text: str, file: Path, mark: str) -> None:
    """Put a text between `<!-- mark -->` and `<!-- /mark -->` in a file, in place of what is there.

    Raises
    ------
    InputError
        As `check_marks`.
    """
    check_marks(file, mark)
    begin, end = _marks(mark)
    before, _, rest = file.read_text(encoding="utf-8").partition(begin)
    after = rest.partition(end)[2]
    file.write_text(f"{before}{begin}\n{text}\n{end}{after}", encoding="utf-8")


def between_marks(file: Path, mark: str) -> str:
    """Return what stands between the marks of `put_between_marks`."""
    begin, end = _marks(mark)
    return file.read_text(encoding="utf-8").partition(begin)[2].partition(end)[0]


def check_marks(file: Path, mark: str) -> None:
    """Refuse a file that `put_between_marks` could not write into.

    Raises
    ------
    InputError
        If the marks are missing.
    """
    begin, end = _marks(mark)
    if end not in file.read_text(encoding="utf-8").partition(begin)[2]:
        raise InputError([Fault(str(file), f"has no {begin} ... {end}", "put them there")])


def _marks(mark: str) -> tuple[str, str]:
    return f"<!-- {mark} -->", f"<!-- /{mark} -->"
