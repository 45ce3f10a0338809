"""Answers of another tool, held against the range of powermkt."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.curtailment.peer import GROUP, peer_of
from benchmarks.curtailment.recipe import Cell, book
from benchmarks.curtailment.results import CELL, Results, relative, slack, within
from powermkt.errors import Fault, InputError, nearest

NAMES = [*CELL, *GROUP]
AMOUNT = "curtailment_mwh"
MONEY = ("cost", "objective")  # which an answer may give as well, the same in every row of a cell


@dataclass(frozen=True)
class Verdict:
    """How answers stand.

    Attributes
    ----------
    rows : DataFrame
        Columns case, regime, province, carrier, curtailment_mwh (answer), min, max, ours [MWh],
        off (answer less ours) [MWh], verdict: "inside", "outside" or "missing".
    cells : DataFrame
        Columns case, regime, rows, outside, missing, off (total, answer less ours) [MWh], cost_off,
        objective_off (relative; empty where not given), dearer (least objective at which just the
        answer is curtailed, beyond the optimum, relative; empty where not looked for), verdict:
        "met" or what is wrong.
    unanswered : list of (case, regime)
    """

    rows: pd.DataFrame
    cells: pd.DataFrame
    unanswered: list[tuple[str, str]]

    @property
    def met(self) -> bool:
        """Whether every cell that was answered is met."""
        return bool((self.cells["verdict"] == "met").all())


def hold(answers: pd.DataFrame, results: Results, jointly: bool = True) -> Verdict:
    """Hold answers against results.

    Numbers may each be in their range and yet not belong to one optimum: so it is looked for, by
    stock PyPSA, which least objective a dispatch has that curtails just as answered.

    Parameters
    ----------
    answers : DataFrame
        As `read_answers` gives it.
    results : Results
        With the cells that are answered.
    jointly : bool, default True
        Whether that is looked for.
    """
    rows, found = [], []
    for (case, regime), ours in results.detail.groupby(CELL, sort=False):
        given = answers[(answers["case"] == case) & (answers["regime"] == regime)]
        if given.empty:
            continue
        same = (results.cells["case"] == case) & (results.cells["regime"] == regime)
        row = results.cells[same].iloc[0]
        cell = Cell(str(case), str(regime), float(row["carbon_price"]))
        table = _rows(ours.set_index(GROUP), given.set_index(GROUP)[AMOUNT])
        found.append(_cell(cell, row, table, given, jointly))
        rows.append(table.reset_index().assign(case=cell.case, regime=cell.regime))
    answered = {(item["case"], item["regime"]) for item in found}
    every = [(str(case), str(regime)) for case, regime in results.cells[CELL].to_numpy()]
    columns = [*NAMES, AMOUNT, "min", "max", "ours", "off", "verdict"]
    return Verdict(
        pd.concat(rows, ignore_index=True)[columns],
        pd.DataFrame(found),
        [item for item in every if item not in answered],
    )


def _rows(ours: pd.DataFrame, given: pd.Series) -> pd.DataFrame:
    answer = given.reindex(ours.index)
    inside = within(ours, answer)
    verdict = np.where(answer.isna(), "missing", np.where(inside, "inside", "outside"))
    return ours[["min", "max", "available_mwh"]].assign(
        curtailment_mwh=answer, ours=ours[AMOUNT], off=answer - ours[AMOUNT], verdict=verdict
    )


def _cell(
    cell: Cell, row: pd.Series, table: pd.DataFrame, given: pd.DataFrame, jointly: bool
) -> dict[str, object]:
    limits = book().tolerances
    count = table["verdict"].value_counts()
    off = {
        f"{name}_off": relative(float(given[name].iloc[0]), float(row[name]))
        if name in given and given[name].notna().any()
        else float("nan")
        for name in MONEY
    }
    # Where offers or ranks are not cost, dispatches of one objective may differ in cost.
    only_cost = relative(float(row["cost"]), float(row["objective"])) <= limits.objective
    wrong = [f"{count[name]} {name}" for name in ("outside", "missing") if name in count]
    if off["cost_off"] > limits.objective and only_cost:
        wrong.append("cost differs")
    if off["objective_off"] > limits.objective:
        wrong.append("objective differs")
    dearer = float("nan")
    if jointly and not {"outside", "missing"} & set(count.index):
        about = slack(table["available_mwh"], limits)
        best, least = float(row["objective"]), peer_of(cell).objective_at(table[AMOUNT], about)
        dearer = (least - best) / max(abs(best), 1.0)
        if dearer > limits.objective:
            wrong.append("no optimum curtails all this")
    return {
        "case": cell.case,
        "regime": cell.regime,
        "rows": len(table),
        "outside": int(count.get("outside", 0)),
        "missing": int(count.get("missing", 0)),
        "off": float(table["off"].sum()),
        **off,
        "dearer": dearer,
        "verdict": ", ".join(wrong) or "met",
    }


def read_answers(file: Path, names: pd.DataFrame) -> pd.DataFrame:
    """Read a CSV file of answers.

    Parameters
    ----------
    file : Path
        Columns case, regime, province, carrier, curtailment_mwh [MWh] and, if known, cost and
        objective [money], the same in all rows of a case and regime.
    names : DataFrame
        What may be answered: columns case, regime, province, carrier, others play no part.

    Raises
    ------
    InputError
        Naming everything that is wrong: columns, unknown names, numbers that are none or negative,
        rows that stand twice.
    """
    table = table_in(file)
    faults = list(_column_faults(file, table))
    if faults:
        raise InputError(faults)
    if table.empty:
        raise InputError([Fault(str(file), "holds no answers", "fill in answers.csv")])
    faults += _name_faults(file, table, names)
    faults += _twice(file, table)
    for name in (AMOUNT, *(name for name in MONEY if name in table)):
        numbers = pd.to_numeric(table[name], errors="coerce")
        faults += _number_faults(file, table[name], numbers)
        table[name] = numbers
    faults += _money_faults(file, table)
    if faults:
        raise InputError(faults)
    return table


def table_in(file: Path) -> pd.DataFrame:
    """Read a CSV file as texts without spaces around them.

    Raises
    ------
    InputError
        If it cannot be read.
    """
    try:
        table = pd.read_csv(file, dtype=str, keep_default_na=False, skipinitialspace=True)
    except (OSError, UnicodeDecodeError, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        what = f"cannot be read: {' '.join(str(error).split())}"
        raise InputError([Fault(str(file), what, "give a CSV file of answers")]) from None
    return table.rename(columns=str.strip).apply(lambda column: column.str.strip())


def _column_faults(file: Path, table: pd.DataFrame) -> Iterator[Fault]:
    known = [*NAMES, AMOUNT, *MONEY]
    if missing := [name for name in [*NAMES, AMOUNT] if name not in table]:
        yield Fault(str(file), f"lacks {', '.join(missing)}", f"columns are {', '.join(known)}")
    for name in table.columns:
        if name not in known:
            yield Fault(f"{file}: {name}", "unknown column", nearest(name, known))


def _name_faults(file: Path, table: pd.DataFrame, known: pd.DataFrame) -> Iterator[Fault]:
    """Name the first part of each row that does not exist; what follows it cannot be known."""
    for line, *names in table[NAMES].itertuples(name=None):
        left = known
        for column, value in zip(NAMES, names, strict=True):
            valid = left[column].unique()
            left = left[left[column] == value]
            if left.empty:
                where = f"{file}, line {line + 2}: {column} {value!r}"
                before = " ".join(names[: NAMES.index(column)])
                what = f"unknown in {before}" if before else "is not among the cases"
                yield Fault(where, what, nearest(value, valid))
                break


def _twice(file: Path, table: pd.DataFrame) -> Iterator[Fault]:
    again = table.duplicated(NAMES)
    for line, *names in table.loc[again, NAMES].itertuples(name=None):
        yield Fault(f"{file}, line {line + 2}", f"{' '.join(names)} stands twice", "give it once")


def _number_faults(file: Path, texts: pd.Series, numbers: pd.Series) -> Iterator[Fault]:
    amount = texts.name == AMOUNT
    given = (texts != "") | amount
    for line in texts.index[given & ~np.isfinite(numbers)]:
        where = f"{file}, line {line + 2}: {texts.name}"
        yield Fault(where, f"{texts[line]!r} is no number", "give a finite one")
    for line in texts.index[amount & (numbers < 0)]:
        where = f"{file}, line {line + 2}: {texts.name}"
        yield Fault(where, f"{texts[line]} is negative", "curtailed is available less used, >= 0")


def _money_faults(file: Path, table: pd.DataFrame) -> Iterator[Fault]:
    for name in MONEY:
        if name not in table:
            continue
        for (case, regime), values in table.groupby(CELL, sort=False)[name]:
            if len(values.dropna().unique()) > 1:
                what = f"{name} of {case} {regime} differs between rows"
                yield Fault(str(file), what, "give one for the case and regime")
