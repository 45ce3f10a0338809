"""Electric boilers that take heat off plant that must run for it."""

from __future__ import annotations

from typing import ClassVar

import linopy
import pydantic

from powermkt.common.arrays import grid
from powermkt.errors import Fault
from powermkt.inputs.case import Case
from powermkt.rules.base import Role, Rule
from powermkt.system.heat import boilers, heat_of


class ElectricBoilers(Rule):
    """Boilers of a network (`heat.with_boilers`) run at will, and heat plant may give less then.

    In every hour, with q_i what plant i must run at without boilers, b what the boilers at its bus
    take, and k `replaced`: ``p_i >= q_i - k b q_i / sum_j q_j``. What boilers take is settled as
    the output of a generator is, with its sign.

    Parameters
    ----------
    replaced : float
        By how much the must-run of heat plant falls per MW of boiler that runs [MW/MW].
    """

    role: ClassVar[Role] = "demand"
    structural: ClassVar[bool] = True
    replaced: float = pydantic.Field(gt=0, allow_inf_nan=False)

    def faults(self, case: Case) -> list[Fault]:
        """Say that there are no boilers."""
        if len(boilers(case)):
            return []
        what = "the network has no electric boilers"
        return [Fault("ElectricBoilers", what, "add them by `powermkt.system.heat.with_boilers`")]

    def constrain(self, model: linopy.Model, case: Case) -> None:
        """Let boilers lower the must-run of the plant at their bus."""
        output = model.variables["Generator-p"]
        for name, bus in boilers(case).items():
            heat = heat_of(case, bus)
            if heat.empty:  # what plant must run for heat may have been relaxed
                continue
            total = heat.sum(axis=1)
            share = heat.div(total.where(total > 0), axis="index").fillna(0.0)
            taken = output.sel(name=name, drop=True)  # below 0
            row = output.sel(name=heat.columns) - self.replaced * grid(share) * taken
            model.add_constraints(row >= grid(heat), name=f"Boiler-{bus}")
