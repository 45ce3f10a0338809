"""Outcomes as bytes: every number, index and name comes back as it was, to the last bit.

The layout is a SHA-256 digest, then a compressed block: the length of a JSON header, the header,
and the raw arrays it points into. Nothing in it is executed when it is read.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import fields
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from powermkt.dispatch.outcome import Outcome
from powermkt.methods.certificate import Certificate

_CODEC = "zstd"
_DIGEST, _LENGTH = 32, 8  # bytes
_MOST_BYTES = 2**33  # of an outcome that is believed; China for a week has 0.1 GB
_RAW = "biufmM"  # numpy kinds that are stored as raw bytes; everything else must be text


class DamagedError(Exception):
    """Bytes are not what was packed."""


def pack(outcome: Outcome | list[Certificate]) -> bytes:
    """Return an outcome, or the certificates of one, as bytes.

    Raises
    ------
    TypeError
        If a field holds something else than tables of numbers, texts or flags, numbers, lists of
        str, or None.
    """
    content, arrays = _taken_apart(outcome)
    header = json.dumps(content).encode()
    raw = b"".join([len(header).to_bytes(_LENGTH, "little"), header, arrays])
    packed: bytes = pa.compress(raw, codec=_CODEC, asbytes=True)
    block = len(raw).to_bytes(_LENGTH, "little") + packed
    return hashlib.sha256(block).digest() + block


def unpack(data: bytes) -> Outcome:
    """Return the outcome that `pack` packed.

    Raises
    ------
    DamagedError
        If the bytes are not complete or not what was written.
    """
    outcome = _unpacked(data)
    if not isinstance(outcome, Outcome):
        raise DamagedError
    return outcome


def unpack_certificates(data: bytes) -> list[Certificate]:
    """Return the certificates that `pack` packed; errors as `unpack`."""
    found = _unpacked(data)
    if not isinstance(found, list) or not all(isinstance(item, Certificate) for item in found):
        raise DamagedError
    return found


def _unpacked(data: bytes) -> Any:
    digest, block = data[:_DIGEST], data[_DIGEST:]
    if hashlib.sha256(block).digest() != digest:
        raise DamagedError
    size = int.from_bytes(block[:_LENGTH], "little")
    if size > _MOST_BYTES:
        raise DamagedError
    try:  # a digest that is right does not say who made it
        raw = pa.decompress(block[_LENGTH:], size, codec=_CODEC, asbytes=True)
        start = _LENGTH + int.from_bytes(raw[:_LENGTH], "little")
        return _put_together(json.loads(raw[_LENGTH:start]), raw[start:])
    except Exception as error:  # whatever Arrow, JSON, NumPy and pandas raise at what is no outcome
        raise DamagedError from error


def canonical(outcome: Outcome) -> Outcome:
    """Return an outcome laid out in memory as `unpack` does.

    The order in which numbers lie decides the last bit of their sum: outcomes that come from
    this process, from another, and from a file are laid out alike before they are used. Snapshots
    of a kind that no file can hold (periods, mixed objects) never come from one.
    """
    try:
        same: Outcome = _put_together(*_taken_apart(outcome))
        return same
    except TypeError:
        return outcome


def _taken_apart(outcome: Outcome | list[Certificate]) -> tuple[dict[str, Any], bytes]:
    writer = _Writer()
    content = writer.value(outcome)
    return {"outcome": content, "indexes": writer.indexes}, b"".join(writer.arrays)


def _put_together(header: dict[str, Any], arrays: bytes) -> Any:
    reader = _Reader(header["indexes"], arrays)
    return reader.value(header["outcome"])


class _Writer:
    """Turns values into JSON entries; arrays and repeated indexes are kept beside them."""

    def __init__(self) -> None:
        self.arrays: list[bytes] = []
        self.indexes: list[dict[str, Any]] = []
        self._size = 0
        self._known: list[pd.Index] = []

    def value(self, value: Any) -> dict[str, Any]:
        if isinstance(value, pd.DataFrame):
            kinds = set(value.dtypes)
            one = len(kinds) == 1 and next(iter(kinds)).kind in _RAW
            return {
                "kind": "frame",
                "index": self._index(value.index),
                "columns": self._index(value.columns),
                "block": self._array(value.to_numpy()) if one else None,
                "parts": None if one else [self._array(part) for _, part in value.items()],
            }
        if isinstance(value, Outcome):
            parts = {item.name: self.value(getattr(value, item.name)) for item in fields(value)}
            return {"kind": "outcome", "fields": parts}
        if isinstance(value, pd.Series):
            return {
                "kind": "series",
                "index": self._index(value.index),
                "values": self._array(value),
                "name": value.name,
            }
        if isinstance(value, Certificate):
            parts = {item.name: getattr(value, item.name) for item in fields(value)}
            packed = self._array(np.frombuffer(value.packed, np.uint8))
            return {"kind": "certificate", "fields": {**parts, "packed": packed}}
        if isinstance(value, list) and value and isinstance(value[0], Certificate):
            return {"kind": "list", "items": [self.value(item) for item in value]}
        if isinstance(value, np.generic):
            value = value.item()
        plain = value is None or isinstance(value, (bool, int, float, str))
        if plain or (isinstance(value, list) and all(isinstance(item, str) for item in value)):
            # JSON writes a float so that it reads back as the same bits.
            return {"kind": "plain", "value": value}
        raise TypeError(f"cannot store {type(value).__name__}")

    def _index(self, index: pd.Index) -> int:
        """Position of an index in the list of indexes; frames share most of theirs."""
        for i, known in enumerate(self._known):
            if known is index or (known.identical(index) and _kind(known) == _kind(index)):
                return i
        self._known.append(index)
        self.indexes.append(self._index_entry(index))
        return len(self._known) - 1

    def _index_entry(self, index: pd.Index) -> dict[str, Any]:
        if isinstance(index, pd.MultiIndex):
            levels = [index.get_level_values(i) for i in range(index.nlevels)]
            return {"levels": [self._array(level) for level in levels],
                    "names": list(index.names)}  # fmt: skip
        if isinstance(index, pd.RangeIndex):
            return {"range": [index.start, index.stop, index.step], "name": index.name}
        return {
            "values": self._array(index),
            "freq": getattr(index, "freqstr", None),
            "name": index.name,
        }

    def _array(self, values: Any) -> dict[str, Any]:
        if isinstance(values.dtype, np.dtype) and values.dtype.kind in _RAW:
            array = np.ascontiguousarray(values)
            at = self._size
            self.arrays.append(array.tobytes())
            self._size += array.nbytes
            return {"dtype": array.dtype.str, "shape": np.shape(values), "at": at}
        texts = list(values)
        if not all(isinstance(text, str) for text in texts):
            raise TypeError(f"cannot store values of type {values.dtype}")
        return {"dtype": str(values.dtype), "texts": texts}


class _Reader:
    """Turns the entries of a `_Writer` back into values."""

    def __init__(self, indexes: list[dict[str, Any]], arrays: bytes) -> None:
        self._arrays = arrays
        self._indexes = [self._index(entry) for entry in indexes]

    def value(self, entry: dict[str, Any]) -> Any:
        if entry["kind"] == "plain":
            return entry["value"]
        if entry["kind"] == "outcome":
            return Outcome(**{name: self.value(part) for name, part in entry["fields"].items()})
        if entry["kind"] == "list":
            return [self.value(item) for item in entry["items"]]
        if entry["kind"] == "certificate":
            said = entry["fields"]
            packed, names = self._array(said["packed"]).tobytes(), tuple(said["names"])
            return Certificate(**{**said, "packed": packed, "names": names})
        index = self._indexes[entry["index"]]
        if entry["kind"] == "series":
            return self._series(entry["values"], index).rename(entry["name"])
        columns = self._indexes[entry["columns"]]
        if entry["block"] is not None:
            return pd.DataFrame(self._array(entry["block"]), index=index, columns=columns)
        parts = {i: self._series(part, index) for i, part in enumerate(entry["parts"])}
        return pd.DataFrame(parts, index=index).set_axis(columns, axis="columns")

    def _series(self, entry: dict[str, Any], index: pd.Index) -> pd.Series:
        values = self._array(entry)
        return pd.Series(values, index=index, dtype=values.dtype)

    def _index(self, entry: dict[str, Any]) -> pd.Index:
        if "levels" in entry:
            levels = [_typed(self._array(level)) for level in entry["levels"]]
            return pd.MultiIndex.from_arrays(levels, names=entry["names"])
        if "range" in entry:
            start, stop, step = entry["range"]
            return pd.RangeIndex(start, stop, step, name=entry["name"])
        index = _typed(self._array(entry["values"]), entry["name"])
        if entry["freq"] is not None:
            if isinstance(index, pd.TimedeltaIndex):
                return pd.TimedeltaIndex(index, freq=entry["freq"])
            return pd.DatetimeIndex(index, freq=entry["freq"])
        return index

    def _array(self, entry: dict[str, Any]) -> Any:
        if "texts" in entry:
            return pd.array(entry["texts"], dtype=entry["dtype"])
        count = int(np.prod(entry["shape"]))
        array = np.frombuffer(self._arrays, np.dtype(entry["dtype"]), count, entry["at"])
        return array.reshape(entry["shape"]).copy()


def _kind(index: pd.Index) -> tuple[object, ...]:
    """What `Index.identical` leaves out."""
    levels = index.levels if isinstance(index, pd.MultiIndex) else [index]
    return type(index), getattr(index, "freqstr", None), [level.dtype for level in levels]


def _typed(values: Any, name: Any = None) -> pd.Index:
    """An index that keeps the type of its values; pandas would make str of object."""
    return pd.Index(values, dtype=values.dtype, name=name)
