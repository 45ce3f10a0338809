"""Exceptions of powermkt.

PowermktError
├── InputError      what was given is wrong: all faults at once        (exit code 2)
├── ClearingError   a window has no accepted solution                  (exit code 1)
├── ExecutionError  what runs the tasks failed: workers, scheduler     (exit code 1)
└── StorageError    a file cannot be written: disk full, read-only     (exit code 1)
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar, get_args

if TYPE_CHECKING:
    import pydantic

_M = TypeVar("_M", bound="pydantic.BaseModel")

# What pydantic calls the kinds of a choice, in the place of an error.
_KIND = re.compile(
    r"str|int|float|bool|none|(dict|list|tuple|set|literal|function|constrained).*[\[-].*"
)
_LONGEST = 300  # letters of a name in a message


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong with an input.

    Parameters
    ----------
    where : str
        File, component or key.
    what : str
        What is wrong there.
    remedy : str
        What to do about it.
    """

    where: str
    what: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what} -> {self.remedy}"


class PowermktError(Exception):
    """Base class of every error that powermkt raises on purpose."""


class InputError(PowermktError):
    """The input cannot be used; `faults` lists everything that is wrong with it."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = list(faults)
        count = len(self.faults)
        head = f"{count} fault{'s' if count != 1 else ''} in the input"
        super().__init__("\n  - ".join([head, *map(str, self.faults)]))

    def __reduce__(self) -> tuple[type[InputError], tuple[list[Fault]]]:
        return type(self), (self.faults,)


@contextmanager
def collected(faults: list[Fault]) -> Iterator[None]:
    """Add the faults of an `InputError` raised in here to a list, and go on after the block.

    So that what is wrong is told at once; whoever collects raises what came together.
    """
    try:
        yield
    except InputError as error:
        faults += error.faults


class ClearingError(PowermktError):
    """A window could not be cleared; the message names province, hours and rule."""


class ExecutionError(PowermktError):
    """Workers or the scheduler of a cluster were lost for good."""


class StorageError(PowermktError):
    """Results or finished cells cannot be written."""


def in_one_line(error: ClearingError | InputError) -> str:
    """What an error says, in one line."""
    return "; ".join(map(str, error.faults)) if isinstance(error, InputError) else str(error)


def nearest(name: str, valid: Iterable[str]) -> str:
    """Say which valid name is meant: ``did you mean 'x'? valid: ...``."""
    options = sorted(str(option)[:_LONGEST] for option in valid)
    close = difflib.get_close_matches(str(name)[:_LONGEST], options, n=1, cutoff=0.5)
    listed = ", ".join(options[:20]) + (", ..." if len(options) > 20 else "")
    hint = f"did you mean {close[0]!r}? " if close else ""
    return f"{hint}valid: {listed}"


def short(value: object, most: int = 200) -> str:
    """How a value is written, cut after `most` letters."""
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # a number of thousands of digits
        text = f"some {type(value).__name__}"
    return text if len(text) <= most else f"{text[:most]} ..."


def name_list(names: Iterable[object], most: int = 5) -> str:
    """Join names for a message, cut after `most`."""
    items = [str(name)[:_LONGEST] for name in names]
    more = f" and {len(items) - most} more" if len(items) > most else ""
    return ", ".join(items[:most]) + more


def faults_of(
    error: pydantic.ValidationError, where: str, model: type[pydantic.BaseModel]
) -> list[Fault]:
    """Translate a pydantic error into faults, naming the nearest valid key."""
    found: dict[tuple[str, ...], list[Any]] = {}
    for item in error.errors():
        path = tuple(str(part) for part in item["loc"])
        # Of a choice of kinds each says what it would need, at a place of its own.
        whole = item["type"] in ("extra_forbidden", "missing")
        choice = not whole and path and _KIND.fullmatch(path[-1])
        found.setdefault(path[:-1] if choice else path, []).append(item)
    faults = []
    for at, items in found.items():
        place, kind = (f"{where}: {'.'.join(at)}" if at else where), items[0]["type"]
        if kind == "extra_forbidden":
            known = _model_at(model, list(at[:-1])).model_fields
            faults.append(Fault(place, f"unknown key {at[-1]!r}", nearest(at[-1], known)))
        elif kind == "missing":
            faults.append(Fault(place, "is missing", "state it"))
        elif kind != "too_short" or not any(
            len(other) > len(at) and other[: len(at)] == at for other in found
        ):  # what is wrong within is told, and is why there is too little
            what = "; or ".join(dict.fromkeys(item["msg"] for item in items))
            given = short(items[0]["input"])
            faults.append(Fault(place, f"{what} (given {given})", "correct the value"))
    return faults


def expect(what: str, value: object, kind: type, remedy: str) -> None:
    """Refuse a value of another type than is meant."""
    if not isinstance(value, kind):
        told = f"is of type {type(value).__name__}, not {kind.__name__}"
        raise InputError([Fault(what, told, remedy)])


def validated(model: type[_M], content: object, where: str) -> _M:
    """Make a model of what a file or a call states.

    Raises
    ------
    InputError
        Naming every unknown key and every value that cannot be.
    """
    import pydantic

    try:
        return model.model_validate(content)
    except pydantic.ValidationError as error:
        raise InputError(faults_of(error, where, model)) from None


def _model_at(model: type[pydantic.BaseModel], path: list[str]) -> type[pydantic.BaseModel]:
    """Return the nested model that the key path points into."""
    import pydantic  # what raises no error of it needs none of it

    for key in path:
        field = model.model_fields.get(key)
        annotation = field.annotation if field else None
        for item in (annotation, *get_args(annotation)):  # a model, or a model or None
            if isinstance(item, type) and issubclass(item, pydantic.BaseModel):
                model = item
    return model
