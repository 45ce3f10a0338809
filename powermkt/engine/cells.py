"""Finished cells on disk: one regime at one carbon price in one window, by content.

The name of a cell is a hash of everything its outcome depends on, so that a changed input finds
nothing and an unchanged one is never cleared twice.
"""

from __future__ import annotations

import hashlib
import inspect
import os
import shutil
import tempfile
import uuid
from collections.abc import Iterable, Mapping
from contextlib import suppress
from functools import cache
from importlib import metadata
from pathlib import Path
from types import TracebackType

import filelock
import numpy as np
import pandas as pd

from powermkt.dispatch.outcome import Outcome
from powermkt.dispatch.packing import DamagedError, pack, unpack
from powermkt.engine.regime import Regime
from powermkt.errors import Fault, InputError, StorageError
from powermkt.inputs.case import Case

_PACKAGES = ("powermkt", "pypsa", "linopy", "highspy")
_SUFFIX, _LOCK = ".cell", "lock"
_STAGED, _COMMITTED = ".powermkt-staged-", ".powermkt-task-"


def store_of(folder: Path) -> Path:
    """Where the cells of a results folder are kept: beside it, since results are replaced."""
    target = folder.resolve()
    return target.parent / f".{target.name}.cells"


class CellStore:
    """A folder of finished cells that one run at a time uses.

    Parameters
    ----------
    folder : Path
        Made if it does not exist.
    fresh : bool, default False
        Remove what is stored.

    Raises
    ------
    InputError
        If another run uses the folder, or it cannot be made.
    """

    def __init__(self, folder: str | Path, fresh: bool = False) -> None:
        self.folder = Path(folder)
        self._used: set[str] = set()
        # The system drops the lock of a process that was killed.
        self._lock = filelock.FileLock(self.folder / _LOCK, blocking=False)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._lock.acquire()
        except filelock.Timeout:
            remedy = "wait until it ends, or name another results folder"
            raise InputError([Fault(str(folder), "is in use by another run", remedy)]) from None
        except OSError as error:
            what = f"cannot be written: {error.strerror or error}"
            raise InputError([Fault(str(folder), what, "name another folder")]) from None
        try:
            self._recover()
            if fresh:
                self.prune()
        except OSError as error:
            self._lock.release()
            what = f"cannot be written: {error.strerror or error}"
            raise InputError([Fault(str(folder), what, "name another folder")]) from None

    def __enter__(self) -> CellStore:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def load(self, key: str) -> Outcome | None:
        """Return a stored outcome, None where there is none.

        Raises
        ------
        DamagedError
            If the file is not what was written.
        """
        self._used.add(key)
        try:
            return unpack(self._path(key).read_bytes())
        except FileNotFoundError:
            return None
        except OSError as error:
            raise DamagedError from error

    def save(self, outcomes: Mapping[str, Outcome]) -> None:
        """Store the outcomes of one task, all or none of them.

        Each was solved from the basis of the one before. A part of them would let a continued
        run start elsewhere and stop at another of several equal optima.

        Raises
        ------
        StorageError
            If they cannot be written; nothing of them is left.
        """
        self._used |= outcomes.keys()
        stage = Path("")
        try:
            stage = Path(tempfile.mkdtemp(prefix=_STAGED, dir=self.folder))
            for key, outcome in outcomes.items():
                with (stage / f"{key}{_SUFFIX}").open("wb") as file:
                    file.write(pack(outcome))
                    file.flush()
                    os.fsync(file.fileno())
            os.replace(stage, self.folder / stage.name.replace(_STAGED, _COMMITTED))
            self._recover()
        except TypeError as error:  # snapshots that are no times, numbers or names
            shutil.rmtree(stage, ignore_errors=True)
            raise StorageError(f"{self.folder}: {error}; clear without a store") from error
        except OSError as error:
            if stage.name:
                shutil.rmtree(stage, ignore_errors=True)
            raise StorageError(
                f"{self.folder}: cannot be written: {error.strerror or error}; "
                "what was finished is kept: make room and run the same again"
            ) from error

    def prune(self) -> None:
        """Remove the cells that this run neither used nor stored."""
        for path in self.folder.glob(f"*{_SUFFIX}"):
            if path.name.removesuffix(_SUFFIX) not in self._used:
                path.unlink(missing_ok=True)

    def close(self) -> None:
        """Let other runs in; a folder with nothing in it is removed."""
        with suppress(OSError):
            if [path.name for path in self.folder.iterdir()] == [_LOCK]:
                (self.folder / _LOCK).unlink()  # still held: nobody else can be in here
                self.folder.rmdir()
        self._lock.release()

    def _path(self, key: str) -> Path:
        return self.folder / f"{key}{_SUFFIX}"

    def _recover(self) -> None:
        """Move the cells of complete tasks to their names, drop what was cut off."""
        for stage in self.folder.glob(f"{_STAGED}*"):
            shutil.rmtree(stage, ignore_errors=True)
        for task in self.folder.glob(f"{_COMMITTED}*"):
            for path in task.iterdir():
                os.replace(path, self.folder / path.name)
            task.rmdir()


class Keys:
    """Names of the cells of one case.

    Parameters
    ----------
    case : Case
    ranges : bool
        Whether outcomes have their range of curtailment.
    margins : bool, default False
        Whether outcomes have their marginal mix.
    """

    def __init__(self, case: Case, ranges: bool, margins: bool = False) -> None:
        self._case = case
        self._windows: dict[str, str] = {}
        self._chained = case.look_ahead is not None
        digest = hashlib.sha256()
        _feed(digest, version(), repr((ranges, margins)), repr(case.look_ahead), repr(case.market))
        for component in case._n.components:
            _feed(digest, component.name)
            _feed_frame(digest, component.static)
        _feed_frame(digest, case.ladders)
        self._static = digest.hexdigest()

    def key(self, label: str, regime: Regime) -> str:
        """Name of the cell of a regime in a window."""
        digest = hashlib.sha256()
        _feed(digest, self._window(label), regime.clearing_key, *_own_code(regime))
        return digest.hexdigest()

    def _window(self, label: str) -> str:
        """Hash of everything about a window but the regime; the label stands in notes."""
        if label not in self._windows:
            n, seams = self._case._n, self._case.seams
            # In a chain all windows before and the look-ahead matter: take all of the case.
            snapshots = self._case.snapshots if self._chained else self._case.windows[label]
            digest = hashlib.sha256()
            _feed(digest, self._static, label)
            _feed_frame(digest, n.snapshot_weightings.loc[snapshots])
            for component in n.components:
                for attribute, frame in component.dynamic.items():
                    if frame.shape[1]:
                        _feed(digest, component.name, attribute)
                        _feed_frame(digest, frame.loc[snapshots])
            if self._case.schedule is not None:
                _feed_frame(digest, self._case.schedule.loc[snapshots])
            offers = self._case.offers
            if offers is not None:
                here = offers["snapshot"].isna() | offers["snapshot"].isin(snapshots)
                # By content: rows of other windows must not count by their number.
                _feed_frame(digest, offers[here].reset_index(drop=True))
            for name, frame in self._case.forecast.items():
                _feed(digest, name)
                _feed_frame(digest, frame.loc[snapshots])
            if seams is not None:
                for levels in (seams.start, seams.end):
                    _feed_frame(digest, levels if self._chained else levels.loc[[label]])
            self._windows[label] = digest.hexdigest()
        return self._windows[label]


@cache
def version() -> str:
    """What solves: versions of the packages, and a hash of powermkt's code and data files."""
    code, folder = hashlib.sha256(), Path(__file__).parents[1]
    for path in sorted([*folder.rglob("*.py"), *folder.rglob("data/*.csv")]):
        code.update(path.read_bytes())
    return repr([(name, metadata.version(name)) for name in _PACKAGES]) + code.hexdigest()


def _own_code(regime: Regime) -> Iterable[str]:
    """Code of the rules that are not powermkt's: who changes a rule gets new cells."""
    for rule in regime.rules:
        for cls in type(rule).__mro__:
            if cls.__module__.split(".")[0] not in ("powermkt", "pydantic", "builtins"):
                yield _code(cls)


@cache
def _code(cls: type) -> str:
    """Text of the module of a class; a class without one is its own in every process."""
    try:
        return Path(inspect.getfile(cls)).read_text(encoding="utf-8")
    except (OSError, TypeError):
        return uuid.uuid4().hex


def _feed(digest: hashlib._Hash, *parts: str | bytes) -> None:
    """Add parts with their lengths, so that no two lists of parts look alike."""
    for part in parts:
        raw = part.encode() if isinstance(part, str) else part
        digest.update(f"{len(raw)}:".encode())
        digest.update(raw)


def _feed_frame(digest: hashlib._Hash, frame: pd.DataFrame) -> None:
    """Add a table: labels, types and values."""
    _feed_values(digest, frame.index)
    _feed_values(digest, frame.columns)
    kinds = set(frame.dtypes)
    if len(kinds) == 1 and isinstance(next(iter(kinds)), np.dtype):
        _feed_values(digest, frame)
        return
    for i in range(frame.shape[1]):
        _feed_values(digest, frame.iloc[:, i])


def _feed_values(digest: hashlib._Hash, values: pd.DataFrame | pd.Series | pd.Index) -> None:
    array = values.to_numpy()
    _feed(digest, str(array.dtype), repr(array.shape))
    plain = array.dtype.kind in "biufmM"
    _feed(digest, np.ascontiguousarray(array).tobytes() if plain else repr(array.tolist()))
