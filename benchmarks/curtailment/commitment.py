"""Units whose commitment is a datum: what is left to decide is a linear programme.

    python -m benchmarks.curtailment.commitment

makes `rts_commitment.csv` anew: the best commitment of the day found within 0.5 %. Other versions
of the solver may find another; the file, not the search, belongs to the recipe.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

import powermkt as pm
from powermkt.dispatch.programme import Limits
from powermkt.errors import Fault, name_list
from powermkt.rules import MeritOrder
from powermkt.system.units import STATUS

FILE = Path(__file__).parent / "rts_commitment.csv"


class GivenCommitment(MeritOrder):
    """Merit order among units that are on in given hours.

    Parameters
    ----------
    on : dict of str to str
        By unit, one digit for each snapshot: 1 on, 0 off.
    """

    on: dict[str, str]

    def faults(self, case: pm.Case) -> list[Fault]:
        """Name units without a commitment, and digits that do not fit the snapshots."""
        known = case.generators.index[case.generators["committable"]]
        found = super().faults(case)
        if len(missing := known.symmetric_difference(list(self.on))):
            what = f"units of the case and of the commitment differ: {name_list(missing)}"
            found.append(Fault("GivenCommitment.on", what, "give each unit of the case a row"))
        wrong = [k for k, v in self.on.items() if len(v) != len(case.snapshots) or set(v) - {*"01"}]
        if wrong:
            what = f"not {len(case.snapshots)} digits 0 or 1: {name_list(wrong)}"
            found.append(Fault("GivenCommitment.on", what, "give one for each snapshot"))
        return found

    def limit(self, case: pm.Case) -> Limits:
        """Hold the status of every unit."""
        digits = np.array([[float(digit) for digit in text] for text in self.on.values()]).T
        status = pd.DataFrame(digits, case.snapshots, list(self.on))
        return {**super().limit(case), STATUS: (status, status)}


def given() -> dict[str, str]:
    """Return the commitment of the RTS day, by unit."""
    table = pd.read_csv(FILE, dtype=str, index_col="unit")
    return {str(unit): str(digits) for unit, digits in table["on"].items()}


def main() -> None:
    """Search for the commitment of the RTS day and write it."""
    from benchmarks.curtailment.cases import system  # which reads what is written here

    run = pm.clear(system("rts_april"), "networks/rts_gmlc/quick.yaml")
    status = run.outcome.status.round().astype(int).astype(str)
    table = status.agg("".join).rename("on").rename_axis("unit")
    table.to_csv(FILE)


if __name__ == "__main__":
    main()
