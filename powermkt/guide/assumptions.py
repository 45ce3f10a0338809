"""What the code assumes: defaults of files and rules, constants, quality of figures."""

from __future__ import annotations

import csv
import math
import types
import typing
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pydantic

from powermkt.common.dictionarycolumns import INPUTS
from powermkt.common.values import HOURS_A_YEAR, NOISE_MW
from powermkt.guide.schemas import described
from powermkt.inputs.check import OWN
from powermkt.inputs.regulation import TYPICAL
from powermkt.rules.trade import PEAK_HOURS
from powermkt.system.slack import EXCESS_COST, UNSERVED_COST

_SOUND = ("sourced", "sourced (derived)", "defined")  # labels that say where a figure was read
_MOST_SOURCES = 6


def inputs() -> list[list[str]]:
    """Columns of a network that are powermkt's own: name, unit, range, meaning, default."""
    rows = []
    for name, (unit, meaning, default) in INPUTS.items():
        table, _, column = name.partition(".")
        low, high = OWN.get(table, {}).get(column, (math.nan, math.nan))
        span = (
            ""
            if math.isnan(low)
            else f"> 0, to {high:g}"
            if 0 < low < 1e-6
            else f"{low:g} to {high:g}"
        )
        rows.append([f"`{name}`", unit, span, meaning, default])
    return rows


def settings(model: type[pydantic.BaseModel], prefix: str = "") -> Iterator[list[str]]:
    """Yield every key of a data file or rule: name, default, meaning with unit and bounds."""
    _, texts = described(model)
    for name, field in model.model_fields.items():
        key, inner = f"{prefix}{name}", list(_models(field.annotation))
        default = field.get_default(call_default_factory=True)
        meaning = field.description or _without_type(texts.get(name, ""))
        if inner and isinstance(default, pydantic.BaseModel):
            yield from settings(type(default), f"{key}.")
            continue
        said = "needed" if field.is_required() else _told(default)
        yield [
            f"`{key}`",
            said,
            " ".join(filter(None, (meaning, _choices(field.annotation), _bounds(field.metadata)))),
        ]
        origins = (list, tuple, dict)
        several = any(origin in origins for origin in _origins(field.annotation))
        for part in inner:
            yield from settings(part, f"{key}[]." if several else f"{key}.")


def _origins(annotation: Any) -> Iterator[Any]:
    yield typing.get_origin(annotation)
    for part in typing.get_args(annotation):
        yield from _origins(part)


def _models(annotation: Any) -> Iterator[type[pydantic.BaseModel]]:
    """Yield the models within an annotation."""
    if isinstance(annotation, type) and issubclass(annotation, pydantic.BaseModel):
        yield annotation
    for part in typing.get_args(annotation):
        yield from _models(part)


def _without_type(text: str) -> str:
    """Take off what a docstring says of the type of a parameter; choices are told besides."""
    _, colon, meaning = text.partition(": ")
    return meaning if colon else text if "[" in text else ""


def _choices(annotation: Any) -> str:
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        annotation = next((part for part in typing.get_args(annotation) if _choices(part)), None)
    if typing.get_origin(annotation) is not typing.Literal:
        return ""
    return "One of " + ", ".join(f"`{item}`" for item in typing.get_args(annotation)) + "."


def _bounds(metadata: Iterable[Any]) -> str:
    signs = {"ge": ">=", "gt": ">", "le": "<=", "lt": "<"}
    found = [
        f"{sign} {getattr(item, key):g}"
        for item in metadata
        for key, sign in signs.items()
        if isinstance(getattr(item, key, None), int | float)
    ]
    return f"({', '.join(found)})" if found else ""


def _told(value: Any) -> str:
    """A default as it would stand in a file."""
    if value is None:
        return "absent"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return ".inf" if math.isinf(value) else f"{value:g}"
    if isinstance(value, list | tuple | dict | str) and not len(value):
        return "empty"
    if isinstance(value, list | tuple):
        return ", ".join(_told(item) for item in value)
    return str(value)


def constants() -> list[list[str]]:
    """Figures that no file changes, or that hold where no file says otherwise."""
    silent = "where `{}` is absent: leads to where {} is, and is then refused"
    rows = [
        ["unserved load", f"{UNSERVED_COST:g}", "money/MWh",
         silent.format("value_of_lost_load", "load lacks")],
        ["excess generation", f"{EXCESS_COST:g}", "money/MWh",
         silent.format("price_of_excess", "too much")],
        ["year", f"{HOURS_A_YEAR:g}", "h", "to which rates per year refer"],
        ["noise", f"{NOISE_MW:g}", "MW", "what is smaller counts as nothing"],
        ["peak hours", f"{PEAK_HOURS.start} to {PEAK_HOURS.stop - 1}", "hour of the day",
         "of framework schedules by day and night, both included"],
    ]  # fmt: skip
    for carrier, (typical, quality) in TYPICAL.items():
        for name, unit in (
            ("speed", "%/min"),
            ("standard", "%/min"),
            ("response", "s"),
            ("error", "%"),
        ):
            value = f"{getattr(typical, name):g}"
            rows.append([f"regulation by {carrier}: {name}", value, unit, quality])
    return rows


def sources(folder: Path) -> Iterator[list[str]]:
    """Yield, by table and quality label, how many rows there are and where they come from.

    Parameters
    ----------
    folder : Path
        With CSV files; those without a column `quality` are left out.
    """
    for file in sorted(folder.glob("*.csv")):
        with file.open(encoding="utf-8", newline="") as lines:
            rows = [row for row in csv.DictReader(lines) if row.get("quality")]
        labels = Counter(row["quality"] for row in rows)
        for label, count in labels.items():
            said = Counter(_named(row) for row in rows if row["quality"] == label)
            text = (
                "see the file"
                if label in _SOUND
                else "; ".join(f"{source}" for source, _ in said.most_common(_MOST_SOURCES))
            )
            more = len(said) - _MOST_SOURCES
            text += f"; {more} more in the file" if more > 0 and label not in _SOUND else ""
            yield [f"`{file.stem}`", label, str(count), text]


def _named(row: Mapping[str, str]) -> str:
    name = row.get("parameter")
    source = " ".join((row.get("source") or "").split())
    return f"{name}: {source}" if name else source
