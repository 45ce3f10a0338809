"""Clear one window of a case under several regimes."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from itertools import groupby

from powermkt import clearing
from powermkt.case import Case
from powermkt.outcome import Outcome
from powermkt.regime import Regime


def clear_window(case: Case, regimes: Sequence[Regime], ranges: bool = False) -> list[Outcome]:
    """Clear one window; neighbours of one structure each start from the basis of the last."""
    found: list[Outcome] = []
    for _, alike in groupby(regimes, key=lambda item: item.structure):
        found += _clear_structure(case, list(alike), ranges)
    return found


def _clear_structure(case: Case, regimes: list[Regime], ranges: bool) -> list[Outcome]:
    with warnings.catch_warnings():
        # PyPSA announces its next string type at every copy, in every process.
        warnings.simplefilter("ignore", FutureWarning)
        programme = clearing.build(case, [rule.constrain for rule in regimes[0].rules])
    return [
        clearing.clear(
            case,
            programme,
            [rule.offer(case) for rule in item.rules],
            [rule.rank_by(case) for rule in item.rules],
            [rule.limit(case) for rule in item.rules],
            item.exposure(case),
            ranges,
        )
        for item in regimes
    ]
