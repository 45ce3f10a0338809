"""Tiny costs that decide among equal offers; never part of a cost or a price."""

from __future__ import annotations

import numpy as np
import pandas as pd

from powermkt.dispatch.demand import SHIFT
from powermkt.dispatch.programme import Adders, Programme
from powermkt.inputs.case import Case
from powermkt.system.branches import losses
from powermkt.system.heat import BOILER
from powermkt.system.ladders import STEP, quadratic_step_names
from powermkt.system.products import AWARDS

# Declared order among equal offers, money/MWh: earlier carriers of `carriers.renewable` are
# curtailed first; storage that moves nothing stays still.
TIE_STEP = 1e-3
# Where costs are curved, no offers tie there, and what decides elsewhere must not move outputs.
TIES_OF_CURVES = 0.01

# Below that order, a cost of its own for each variable and hour makes a canonical optimum the only
# one (see `search`), money/MWh. The seed is part of the declaration.
_GENERIC, _SEED = 1e-4, 2022


def tie_costs(case: Case, programme: Programme, canonical: bool) -> np.ndarray:
    """Return what decides among equal offers, [column] in money of the horizon.

    Parameters
    ----------
    case : Case
        The window.
    programme : Programme
    canonical : bool
        Whether one optimum must be told from all others, by a cost of its own for each variable.
    """
    tie = programme.spread(declared_order(case, programme), case.weights)
    return tie + generic_costs(case, len(tie)) if canonical else tie


def waste_tie(case: Case) -> float:
    """Return what holds energy back from being lost to no use, money/MWh.

    It is above what the order gives for any output: no MWh is generated in order to be lost.
    """
    return TIE_STEP * (len(case.carriers.renewable) + 2)


def generic_costs(case: Case, columns: int) -> np.ndarray:
    """Return a tiny cost of its own for each column, in money of the horizon."""
    rng = np.random.default_rng(_SEED)
    return rng.uniform(0.0, _GENERIC * float(case.weights.mean()), columns)


def declared_order(case: Case, programme: Programme) -> Adders:
    """Return the declared order among equal offers, by variable [money/MWh]."""
    order = {name: -TIE_STEP * (i + 1) for i, name in enumerate(case.carriers.renewable)}
    adders: dict[str, pd.DataFrame | pd.Series | float] = {
        # Boilers take what would be thrown away only where that saves something.
        "Generator-p": case.generators["carrier"]
        .map({**order, BOILER: -waste_tie(case)})
        .fillna(0.0)
    }
    if "StorageUnit-p_store" in programme.variables:
        adders["StorageUnit-p_store"] = waste_tie(case)
    if "Link-p" in programme.variables:
        # Energy sent round in a circle would be output that nobody uses.
        adders["Link-p"] = waste_tie(case) * losses(case)
    if "StorageUnit-spill" in programme.variables:
        adders["StorageUnit-spill"] = TIE_STEP * (len(order) + 1)
    for name in programme.variables:
        if name.startswith(SHIFT):  # load that need not move stays
            adders[name] = TIE_STEP * (len(order) + 3)
        if name.startswith(AWARDS):  # no more is held than is asked for
            adders[name] = 2 * _GENERIC
    if STEP in programme.variables:
        # Above what makes a canonical optimum the only one: the order within a unit is no choice.
        # Steps of quadratic costs never cost the same.
        names = programme.variables[STEP].columns.difference(quadratic_step_names(case), sort=False)
        if len(names):
            adders[STEP] = _fill_order(case, names, 2 * _GENERIC)
    return adders


def _fill_order(case: Case, columns: pd.Index, least: float) -> pd.DataFrame:
    """Tiny costs that fill steps of equal offers in their order, [snapshot x step] in money/MWh.

    A block that was offered at one price may lie on several steps of cost: which of them runs is
    decided by output alone.

    Parameters
    ----------
    case : Case
    columns : Index
        Names of the steps.
    least : float
        What a step adds to the one before it, times the mean weight of the snapshots.
    """
    number = columns.str.extract(r" step (\d+)$", expand=False).astype(int).to_numpy()
    per_mwh = least * float(case.weights.mean()) / case.weights.to_numpy()
    return pd.DataFrame(np.outer(per_mwh, number - 1), case.snapshots, columns)
