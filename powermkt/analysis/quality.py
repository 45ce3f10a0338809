"""How good the figures are that a network is made of, and what its market file assumes."""

from __future__ import annotations

import csv
from typing import Any

from powermkt.inputs.case import Case

_LABEL = "quality"


def quality_of(case: Case) -> dict[str, dict[str, int]]:
    """Count the quality labels of a network's tables.

    Returns
    -------
    dict of str to dict of str to int
        By table (a CSV in `tables` of the network's folder that has a column `quality`), the rows
        with each label; empty where there is none, and for networks from no folder.
    """
    found: dict[str, dict[str, int]] = {}
    if case.folder is None:
        return found
    for file in sorted((case.folder / "tables").glob("*.csv")):
        try:
            with file.open(encoding="utf-8", newline="") as lines:
                labels = [row.get(_LABEL) or "" for row in csv.DictReader(lines)]
        except (OSError, UnicodeDecodeError, csv.Error):
            continue  # beside the network, no part of it
        counts = {label: labels.count(label) for label in dict.fromkeys(labels) if label}
        if counts:
            found[file.stem] = counts
    return found


def assumptions_of(case: Case) -> dict[str, Any]:
    """What the market file states beside the network, without names and defaults."""
    return case.market.model_dump(
        mode="json", exclude_defaults=True, exclude={"name", "source", "currency"}
    )
