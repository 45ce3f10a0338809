"""What gives one more MWh of load: the marginal mix of carriers at each bus and hour.

With K the output of a carrier over the horizon, weighted by hours, and B the optimal basis, the
change of K with the load of a bus in an hour is the dual of its balance under the objective K:
``B' y = K_B``. It is what a small change of load would do, found without solving again, as the
marginal emission rate is. The whole system answers: energy that storage moves shows as generation
in other hours, imports show as the carriers that give them elsewhere.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from powermkt.dispatch.demand import CHANGE
from powermkt.dispatch.programme import Adders, Point, Programme
from powermkt.dispatch.results import prices_of
from powermkt.inputs.case import Case
from powermkt.system.slack import EXCESS, SHED

# Columns of the mix that are no carrier.
UNSERVED_LOAD, LESS_EXCESS = "unserved load", "less excess"
LESS_DEMAND = "less demand"

_OBJECTIVE = "output of "


def outputs(case: Case, programme: Programme) -> dict[str, np.ndarray]:
    """Return the net output of each carrier as an objective, [column] in MWh of the horizon.

    Generation, what storage gives less what it takes, unserved load, excess generation as a
    negative output, and what users who react take less. Their sum is load plus what branches lose.

    Parameters
    ----------
    case : Case
        The window.
    programme : Programme
    """
    n, slack = case._n, programme.variables["Generator-p"].columns.to_series()
    members: list[tuple[str, pd.Series, float]] = [
        ("Generator-p", case.generators["carrier"], 1.0),
        ("StorageUnit-p_dispatch", n.storage_units["carrier"], 1.0),
        ("StorageUnit-p_store", n.storage_units["carrier"], -1.0),
        ("Store-p", n.stores["carrier"], 1.0),
        ("Generator-p", slack[slack.str.startswith(SHED)].map(lambda _: UNSERVED_LOAD), 1.0),
        ("Generator-p", slack[slack.str.startswith(EXCESS)].map(lambda _: LESS_EXCESS), 1.0),
    ]
    for name in programme.variables:
        if name.startswith(CHANGE):
            loads = pd.Series(LESS_DEMAND, programme.variables[name].columns)
            members.append((name, loads, -1.0))
    found: dict[str, np.ndarray] = {}
    for variable, carriers, sign in members:
        if variable not in programme.variables:
            continue
        for carrier, group in carriers.groupby(carriers):
            part: Adders = {variable: pd.Series(sign, group.index)}
            key = _OBJECTIVE + str(carrier)
            found[key] = found.get(key, 0.0) + programme.spread(part, case.weights)
    return found


def mix_of(case: Case, programme: Programme, point: Point) -> pd.DataFrame:
    """Return what gives one more MWh of load, [snapshot x (bus, carrier)] in MWh/MWh.

    Parameters
    ----------
    case : Case
        The window.
    programme : Programme
    point : Point
        Solved with the objectives of `outputs`; without them there are no columns.
    """
    names = [name for name in point.row_duals if name.startswith(_OBJECTIVE)]
    if not names:
        return pd.DataFrame()
    parts = {name.removeprefix(_OBJECTIVE): prices_of(case, programme, point, name)
             for name in names}  # fmt: skip
    mix = pd.concat(parts, axis=1, names=["carrier", "bus"]).swaplevel(axis=1)
    return mix.sort_index(axis="columns")
