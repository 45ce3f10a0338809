"""What one window hands on to the next: what is on and for how long, and output for ramps."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from powermkt.dispatch.outcome import Outcome
from powermkt.inputs.case import Case
from powermkt.inputs.check import was_off


def continue_from(part: Case, case: Case, done: Sequence[Outcome]) -> None:
    """Let a window begin where those before it ended; storage levels are bound elsewhere.

    Parameters
    ----------
    part : Case
        The window; its network is changed in place.
    case : Case
        All windows, with what was on before the first.
    done : sequence of Outcome
        Of all windows before.
    """
    last = done[-1]
    if len(last.online.columns):
        part.initial_online = last.online.iloc[-1]
    part.initial_output = last.dispatch.iloc[-1].copy()
    n = part._n
    n.generators["p_init"] = last.dispatch.iloc[-1].reindex(n.generators.index)
    n.links["p_init"] = last.flows.iloc[-1].reindex(n.links.index)
    if len(last.status.columns):
        _hand_on_units(part, case, pd.concat([item.status for item in done]))


def _hand_on_units(part: Case, case: Case, status: pd.DataFrame) -> None:
    """For how long units have been on or off, and must stay on."""
    known, table = case._n.generators, part._n.generators
    off_before = was_off(known)
    part.still_on = {}
    for name in status.columns:
        on = (status[name] > 0.5).to_numpy()
        changes = np.flatnonzero(on != on[-1])
        since = len(on) - (changes[-1] + 1 if len(changes) else 0)
        kind, other = ("up", "down") if on[-1] else ("down", "up")
        if not len(changes) and off_before[name] != on[-1]:  # as it was before the first window
            before = int(known.loc[name, f"{kind}_time_before"])
            since = 0 if kind == "down" and before == 0 else since + before  # 0: off since ever
        if on[-1]:
            left = int(known.loc[name, "min_up_time"]) - since
            if left > 0:
                part.still_on[str(name)] = left
        table.loc[name, f"{kind}_time_before"] = since
        table.loc[name, f"{other}_time_before"] = 0
