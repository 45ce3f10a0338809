"""Limits of branches that may be exceeded at a penalty, so that a violated section has a price."""

from __future__ import annotations

import linopy
import pandas as pd

from powermkt.dispatch.programme import Adders
from powermkt.inputs.case import Case
from powermkt.inputs.market import PenaltyLadder
from powermkt.system.slack import EXCESS, EXCESS_COST, SHED, UNSERVED_COST

_FLOWS = {"Line": "s", "Transformer": "s", "Link": "p"}
BRANCHES = tuple(_FLOWS)


def overload(component: str) -> str:
    """Name of the variable by which branches of a component exceed their limits."""
    return f"{component}-overload"


def soften(model: linopy.Model, case: Case) -> None:
    """Let branches exceed the limits that PyPSA wrote, where the market file prices that.

    A link that runs one way does not begin to run the other.
    """
    if case.market.penalties.dispatch.branch is None:
        return
    for component, flow in _FLOWS.items():
        upper = f"{component}-fix-{flow}-upper"
        if upper not in model.constraints:
            continue
        variable = model.variables[f"{component}-{flow}"]
        over = model.add_variables(lower=0, coords=variable.coords, name=overload(component))
        for side, sign in (("upper", -1), ("lower", 1)):
            name = f"{component}-fix-{flow}-{side}"
            limit = model.constraints[name].rhs
            model.remove_constraints(name)
            beyond = sign * over * (limit != 0) if side == "lower" else sign * over
            compared = variable + beyond
            if side == "upper":
                model.add_constraints(compared <= limit, name=name)
            else:
                model.add_constraints(compared >= limit, name=name)


def penalties(case: Case, variables: dict[str, pd.DataFrame], ladder: PenaltyLadder) -> Adders:
    """What violations cost beyond resource cost, by variable [money/MWh]."""
    adders: dict[str, pd.Series | float] = {}
    if ladder.branch is not None:
        for component in _FLOWS:
            if overload(component) in variables:
                adders[overload(component)] = ladder.branch
    market, output = case.market, variables["Generator-p"].columns
    slack = {
        prefix: sign * (price - declared)
        for prefix, sign, price, declared in (
            (SHED, 1.0, ladder.unserved, market.value_of_lost_load or UNSERVED_COST),
            (EXCESS, -1.0, ladder.excess, market.price_of_excess or EXCESS_COST),
        )
        if price is not None
    }
    named = {
        name: value
        for prefix, value in slack.items()
        for name in output[output.str.startswith(prefix)]
    }
    if named:
        adders["Generator-p"] = pd.Series(named)
    return adders
