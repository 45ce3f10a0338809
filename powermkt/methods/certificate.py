"""What shows that a point is an optimum: its values and its duals, packed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa

DISPATCH, PRICES = "dispatch", "prices"  # stages of a clearing
MINIMISED = "minimised"  # offers, ranks and tiny costs
OBJECTIVES = (MINIMISED, "offer", "cost", "emission", "exposure", "priced")
_CODEC = "zstd"


@dataclass(frozen=True)
class Certificate:
    """Primal values and row duals of the linear programme of a window that was solved last.

    Whoever builds the programme can tell without a solver that nothing is better (linear
    programming duality): values within all limits, duals of the right signs, and both of one
    objective.

    Attributes
    ----------
    window : str
        Label.
    stage : str
        `DISPATCH`, or `PRICES` for a run that gives prices only.
    count : int
        Columns.
    names : tuple of str
        Objectives with duals, of `OBJECTIVES`.
    packed : bytes
        All numbers, float64, compressed.
    """

    window: str
    stage: str
    count: int
    names: tuple[str, ...]
    size: int
    packed: bytes

    @classmethod
    def of(
        cls, window: str, stage: str, columns: np.ndarray, duals: Mapping[str, np.ndarray]
    ) -> Certificate:
        """Pack the values of columns and the duals of rows by objective."""
        raw = np.concatenate([columns, *duals.values()]).tobytes()
        packed = pa.compress(raw, codec=_CODEC, asbytes=True)
        return cls(window, stage, len(columns), tuple(duals), len(raw), packed)

    @cached_property
    def _numbers(self) -> np.ndarray:
        return np.frombuffer(pa.decompress(self.packed, self.size, codec=_CODEC, asbytes=True))

    @property
    def columns(self) -> np.ndarray:
        """Values of all columns."""
        return self._numbers[: self.count]

    @property
    def duals(self) -> dict[str, np.ndarray]:
        """Duals of all rows by objective."""
        parts = np.split(self._numbers[self.count :], max(len(self.names), 1))
        return dict(zip(self.names, parts, strict=True))
