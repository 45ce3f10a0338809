"""Figures of the overlap study beside those of Zou, Wang and Sun (2022), untuned."""

from __future__ import annotations

import pandas as pd

from powermkt.studies.overlapcases import CERTIFICATES_CARBON, CREDITED, NONE, SEPARATE, UNIFIED

PUBLISHED: dict[str, tuple[str, str]] = {
    "quantity": ("", "what is compared"),
    "reading": ("", "how a published figure may be read"),
    "low": ("%", "published, lower end"),
    "high": ("%", "published, upper end"),
    "ours": ("%", "of this study; percentage points in that reading"),
    "differs": ("", "what is not the same"),
}
_COST = "cost for the same CO2, {} against separate instruments"
_SHARE = "renewable share, {} against {} alone"
_DIFFERS = {
    "cost": "published: cost of the path to the carbon peak, with plant to build, "
    "from a model that is not documented; ours: dispatch of one horizon with plant that stands, "
    "and savings",
    "policy": "published: of which cost is not said; ours: of what instruments add to the cost of "
    "dispatch without them",
    "offers": "published: of which cost is not said; ours: of offers and fees, which the regime "
    "minimises: only there is it certain that merged targets cost no more",
    "share": "published: plant is built for it, and relative or percentage points is not said; "
    "ours: dispatch alone, so no more than what is curtailed can be gained",
}  # fmt: skip


def published(cases: pd.DataFrame) -> pd.DataFrame:
    """Return our figures beside the published ones, in every reading.

    Parameters
    ----------
    cases : DataFrame
        Columns of `overlapstudy.CASES`.

    Returns
    -------
    DataFrame
        Columns of `PUBLISHED`; cost falls by 1.7 to 2.9 % where certificates join carbon (section
        4.1 of the paper), the renewable share rises by 20 % where green power offsets carbon.
    """
    table = cases.set_index("case")
    rows: list[tuple[object, ...]] = []
    for name in (CERTIFICATES_CARBON, UNIFIED):
        if name not in table.index or SEPARATE not in table.index:
            continue
        for reading, column, less, differs in (
            ("of total cost", "total_cost", 0.0, "cost"),
            ("of the cost of instruments", "total_cost", table["total_cost"][NONE], "policy"),
            ("of what is minimised", "minimised", 0.0, "offers"),
        ):
            cost = table[column]
            change, base = cost[name] - cost[SEPARATE], cost[SEPARATE] - less
            ours = 100 * change / base if base > 1e-9 * abs(cost[SEPARATE]) else float("nan")
            rows.append((_COST.format(name), reading, -2.9, -1.7, ours, _DIFFERS[differs]))
    share = table["renewable_share"]
    base_name = "carbon"  # what may be offset is a carbon target
    for name in (CERTIFICATES_CARBON, CREDITED):
        if name not in table.index or base_name not in table.index:
            continue
        what, before = _SHARE.format(name, base_name), share[base_name]
        relative = 100 * (share[name] / before - 1) if before > 0 else float("nan")
        points = 100 * (share[name] - before)
        for reading, ours in (("relative", relative), ("percentage points", points)):
            rows.append((what, reading, 20.0, 20.0, ours, _DIFFERS["share"]))
    return pd.DataFrame(rows, columns=list(PUBLISHED))
