"""In which steps a day is cleared: a day ahead on forecasts, in real time on what comes."""

from __future__ import annotations

from typing import ClassVar

import pydantic

from powermkt.case import Case, summed
from powermkt.errors import Fault, name_list
from powermkt.rules.base import Role, Rule


class TwoSettlement(Rule):
    """A day-ahead market on forecasts, then real-time dispatch on actual load and output.

    Day ahead, units are committed and the whole window is cleared on `Case.forecast`. In real
    time it is dispatched interval by interval, each together with a look-ahead, from where the one
    before ended. Units stay as committed, but fast-start ones may be started and stopped again;
    fleets keep their online capacity; storage is led back to its day-ahead level at the end of each
    look-ahead. Day-ahead quantities settle at day-ahead prices, deviations at real-time prices:
    ``R = Q_da P_da + (Q_rt - Q_da) P_rt``.

    Parameters
    ----------
    interval : float, default 1
        Hours that each real-time dispatch decides [h].
    look_ahead : float, default 3
        Hours that it sees beyond them [h].
    fast_start_hours : float, default 1
        Units whose minimum up time is no longer may be recommitted in real time [h]; a column
        `generators.fast_start` decides instead where there is one.
    """

    role: ClassVar[Role] = "settlement"
    interval: float = pydantic.Field(default=1.0, gt=0)
    look_ahead: float = pydantic.Field(default=3.0, ge=0)
    fast_start_hours: float = pydantic.Field(default=1.0, ge=0)

    def faults(self, case: Case) -> list[Fault]:
        """Name what is missing, forecasts, and sums that no interval could keep by itself."""
        found = []
        if not case.forecast:
            remedy = "put CSVs into NETWORK/forecast (loads-p_set.csv), or give Case(forecast=...)"
            found.append(Fault("TwoSettlement", "the network has no forecasts", remedy))
        for where, names in (
            ("generators.e_sum_max, e_sum_min", summed(case)),
            ("global_constraints", case._n.global_constraints.index),
        ):
            if len(names):
                what = f"{name_list(names)}: would apply to each interval of real time anew"
                found.append(Fault(f"TwoSettlement: {where}", what, "remove it, or clear once"))
        return found
