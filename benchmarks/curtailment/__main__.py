"""Clear the cells of the recipe, or hold another tool's answers against them.

    python -m benchmarks.curtailment [--case NAME] [--quick] [--out DIR] [--json] [--readme]
    python -m benchmarks.curtailment --export DIR
    python -m benchmarks.curtailment --against ANSWERS.csv [--results DIR] [--each]

Exit code 1 where stock PyPSA or the answers do not agree, 2 where the input is wrong.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import pandas as pd
from rich.console import Console

from benchmarks.curtailment.answers import hold, read_answers, table_in
from benchmarks.curtailment.export import export
from benchmarks.curtailment.recipe import Cell, book, cells
from benchmarks.curtailment.report import WIDTH, judged, markdown, shown
from benchmarks.curtailment.results import CELL, Results, growing, names_of, read_results, run
from benchmarks.measure import silence
from benchmarks.study import quieten
from powermkt.common.writing import between_marks, check_marks, check_target, put_between_marks
from powermkt.errors import ClearingError, InputError, StorageError

_README, _MARK = Path(__file__).parents[2] / "README.md", "curtailment benchmark"


def main() -> None:
    """Do what was asked for."""
    options = _options()
    quieten()
    try:
        chosen = cells(options.case, options.quick)
        if options.export is not None:
            with silence():
                export(chosen, options.export)
        elif options.against is not None:
            _against(options, chosen)
        else:
            _run(options, chosen)
    except InputError as error:
        print(error, file=sys.stderr)
        sys.exit(2)
    except (ClearingError, StorageError) as error:
        print(error, file=sys.stderr)
        sys.exit(1)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.curtailment")
    names = ", ".join(book().cases)
    parser.add_argument("--case", action="append", help=f"repeat for more: {names}; default: all")
    parser.add_argument("--quick", action="store_true", help="without the large cases")
    parser.add_argument("--no-peer", action="store_true", help="without stock PyPSA")
    parser.add_argument("--out", type=Path, default=Path("results/curtailment"))
    parser.add_argument("--json", action="store_true", help="one JSON object a cell on stdout")
    what = parser.add_mutually_exclusive_group()
    what.add_argument(
        "--readme", action="store_true", help="put its rows into the table of README.md"
    )
    what.add_argument("--export", type=Path, metavar="DIR", help="write networks and rules")
    what.add_argument("--against", type=Path, metavar="CSV", help="answers of another tool")
    parser.add_argument("--results", type=Path, metavar="DIR",
                        help="hold them against an earlier run; default: cleared now")  # fmt: skip
    parser.add_argument("--each", action="store_true",
                        help="each number for itself: look for no optimum of all")  # fmt: skip
    options = parser.parse_args()
    if options.against is None and (options.results is not None or options.each):
        parser.error("--results and --each go with --against")
    return options


def _run(options: argparse.Namespace, chosen: list[Cell]) -> None:
    check_target(options.out)
    if options.readme:
        check_marks(_README, _MARK)
    with silence():
        for results in growing(chosen, peers=not options.no_peer):
            results.write(options.out)  # what is done stays, should the rest be stopped
            done = results.cells.iloc[-1]
            print(f"{done['case']}, {done['regime']}: {done['seconds']:.1f} s", file=sys.stderr)
    if options.json:
        print(results.cells.to_json(orient="records", lines=True), end="")
    else:
        for table in shown(results):
            Console(width=WIDTH).print(table)
    if options.readme:
        put_between_marks(markdown(results, between_marks(_README, _MARK)), _README, _MARK)
    if not results.agreed:
        sys.exit("stock PyPSA does not agree")


def _against(options: argparse.Namespace, chosen: list[Cell]) -> None:
    if options.results is not None:
        kept = read_results(options.results)
        answers = read_answers(options.against, kept.detail)
    else:
        answers, kept = _cleared_for(options.against, chosen)
    with silence():
        verdict = hold(answers, kept, jointly=not options.each)
    if options.json:
        print(verdict.rows.to_json(orient="records", lines=True), end="")
    else:
        for item in judged(verdict):
            Console(width=WIDTH).print(item)
    if not verdict.met:
        sys.exit("answers are not met")


def _cleared_for(file: Path, chosen: list[Cell]) -> tuple[pd.DataFrame, Results]:
    """Read a file, all its faults at once, and clear what it answers."""
    answers = read_answers(file, names_of(chosen, _cases_in(file)))
    answered = {(case, regime) for case, regime in answers[CELL].to_numpy()}
    with silence():
        return answers, run([c for c in chosen if c[:2] in answered], peers=False)


def _cases_in(file: Path) -> set[str]:
    """Cases that a file names; none, where it cannot be read as it should."""
    try:
        return set(table_in(file)["case"])
    except (InputError, KeyError):
        return set()


if __name__ == "__main__":
    main()
