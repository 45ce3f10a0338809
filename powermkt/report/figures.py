"""Figures of results, each a function that returns a plotly figure.

Each takes a run, a comparison, a study, a results folder, or tables by name, then what is to be
shown, and `language`. The page of results is made by the same functions.
"""

from powermkt.report.instruments import (
    burdens,
    certificates,
    double_counting,
    overlap,
    quality,
)
from powermkt.report.money import (
    abatement,
    carbon_principles,
    carbon_transfers,
    entry,
    flexibility,
    incidence,
    pass_through,
    pass_through_by_hour,
    payments,
    responsibility,
    retail,
    returns,
    revenue,
    risk,
    windfall,
)
from powermkt.report.operation import (
    calibration,
    causes,
    dispatch,
    duration,
    generation,
    provinces_map,
    remedies,
    reserve_prices,
    utilisation,
)

__all__ = [
    "abatement",
    "burdens",
    "calibration",
    "carbon_principles",
    "carbon_transfers",
    "causes",
    "certificates",
    "dispatch",
    "double_counting",
    "duration",
    "entry",
    "flexibility",
    "generation",
    "incidence",
    "overlap",
    "pass_through",
    "pass_through_by_hour",
    "payments",
    "provinces_map",
    "quality",
    "remedies",
    "reserve_prices",
    "responsibility",
    "retail",
    "returns",
    "revenue",
    "risk",
    "utilisation",
    "windfall",
]
