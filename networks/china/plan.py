"""Derive the framework schedule of the ties and write `tables/framework_schedule.csv`.

Run after `build.py`, and run `build.py` again afterwards:

    python networks/china/build.py
    python networks/china/plan.py
    python networks/china/build.py

The recipe is `powermkt.analysis.plan.plan_table`: for each calendar month one typical week is
cleared at least cost, with commitment and must-run, each corridor carrying one flow in peak and
one in off-peak hours.
"""

from __future__ import annotations

from pathlib import Path

import powermkt as pm
from powermkt.analysis.plan import plan_table

FOLDER = Path(__file__).parent


def main() -> None:
    """Write the schedule, one row per link, month and block."""
    table = plan_table(
        pm.read(FOLDER), progress=lambda done, total, what: print(f"{done}/{total} {what}")
    )
    table["p_set_mw"] = table["p_set_mw"].clip(lower=0.0).round(1)
    table["source"] = "planned at least cost by plan.py"
    table["quality"] = "model input"
    table.to_csv(FOLDER / "tables" / "framework_schedule.csv", index=False)


if __name__ == "__main__":
    main()
