"""In which steps a day is cleared: a day ahead on forecasts, in real time on what comes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import pydantic

from powermkt.errors import Fault, InputError, name_list
from powermkt.inputs.case import Case, summed
from powermkt.rules.base import Role, Rule
from powermkt.rules.trade import TradeRule


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

    def among(self, rules: Sequence[Rule]) -> TwoSettlement:
        """Return the rule; refuse trade that takes a window as a whole.

        Raises
        ------
        InputError
            Naming the rule of trade.
        """
        found = []
        for rule in rules:
            if isinstance(rule, TradeRule) and rule.settles:
                what = f"{type(rule).__name__} with TwoSettlement: tiers are cleared and paid once"
                found.append(Fault("regime: trade", what, "settle once, or trade otherwise"))
            elif getattr(rule, "shape", "own") != "own":
                what = "a shape with TwoSettlement: it would be of each interval, not of the window"
                remedy = "give links_t.p_set in that shape, and take `own`"
                found.append(Fault("regime: trade.shape", what, remedy))
        if found:
            raise InputError(found)
        return self

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
