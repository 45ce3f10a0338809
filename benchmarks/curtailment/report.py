"""Tables for a terminal, and the one of the README."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

import pandas as pd
from rich.box import SIMPLE_HEAD
from rich.table import Table

from benchmarks.curtailment.answers import Verdict
from benchmarks.curtailment.cases import system
from benchmarks.curtailment.recipe import book
from benchmarks.curtailment.results import KINDS, Results

WIDTH = 112
_PACKAGES = ("powermkt", "pypsa", "linopy", "highspy", "python")
_HEAD = (
    "case", "regime, carbon price", "wind MWh", "solar MWh", "hydro MWh", "rate %",
    "least .. most MWh", "cost", "PyPSA",
)  # fmt: skip
_MOST_ROWS = 40


def lines(results: Results) -> Iterator[tuple[str, ...]]:
    """What a table says of each cell."""
    for _, row in results.cells.iterrows():
        yield (
            str(row["case"]), f"{row['regime']}, {row['carbon_price']:g}",
            *(_mwh(row[f"{kind}_mwh"]) for kind in KINDS),
            f"{100 * row['curtailment_rate']:.3f}",
            f"{_mwh(row['least_mwh'])} .. {_mwh(row['most_mwh'])}",
            f"{system(str(row['case'])).market.currency} {row['cost']:,.0f}".removeprefix("money "),
            _peer(row),
        )  # fmt: skip


def _peer(row: pd.Series) -> str:
    if pd.isna(row["peer_off"]):
        return ""
    where = "inside" if row["peer_inside"] else "OUTSIDE"
    text = f"{where} ({_mwh(row['peer_mwh'])}), objective off {row['peer_off']:.0e}"
    if pd.isna(row["peer_range_off"]):
        return text
    ends = f"{_mwh(row['peer_least_mwh'])} .. {_mwh(row['peer_most_mwh'])}"
    return f"{text}, its ranges off {row['peer_range_off']:.0e} MWh, of all {ends}"


def _mwh(value: float) -> str:
    text = f"{value:,.1f}"
    return "0.0" if text == "-0.0" else text


def shown(results: Results) -> Iterator[Table]:
    """Tables for a terminal: what is curtailed, and what the peer says."""
    table = _plain("curtailed by the declared order", _HEAD[:7], left=2)
    for line in lines(results):
        table.add_row(*line[:7])
    yield table
    table = _plain("cost, and stock PyPSA on the same cells", (*_HEAD[:2], *_HEAD[7:]), left=2)
    for line in lines(results):
        table.add_row(*line[:2], *line[7:])
    yield table


def markdown(results: Results, earlier: str = "") -> str:
    """Return the table of the README, with the versions and the machine that made it.

    Rows of an `earlier` table stay where their case was not run.
    """
    record = results.record()
    rows = [_written(row) for row in lines(results)]
    of_case = {case: [row for row in rows if _case_of(row) == case] for case in book().cases}
    stayed = []
    for case in [case for case, found in of_case.items() if not found]:
        of_case[case] = [row for row in earlier.splitlines() if _case_of(row) == case]
        stayed += [case] if of_case[case] else []
    text = [_written(_HEAD), _written(("---",) * len(_HEAD)), *chain(*of_case.values())]
    versions, machine = record["versions"], record["machine"]
    assert isinstance(versions, dict) and isinstance(machine, dict)
    made = ", ".join(f"{name} {versions[name]}" for name in _PACKAGES)
    spent = results.cells[["seconds", "peer_seconds"]].sum()
    where = f"{machine['cpu']}, {machine['cores']} cores"
    took = f"{spent['seconds']:,.0f} s in powermkt, {spent['peer_seconds']:,.0f} s in PyPSA"
    rest = f"; {', '.join(stayed)}: earlier runs" if stayed else ""
    return "\n".join([*text, "", f"{made}; {where}; {took}{rest}"])


def _written(row: tuple[str, ...]) -> str:
    return "| " + " | ".join(row) + " |"


def _case_of(row: str) -> str:
    return row.removeprefix("| ").partition(" |")[0]


def judged(verdict: Verdict) -> Iterator[Table | str]:
    """Tables of how answers stand: cells, then rows that are not inside."""
    table = _plain(
        "answers", ("case", "regime", "rows", "outside", "missing", "off MWh", "cost", "objective",
                    "dearer", "verdict"), left=2)  # fmt: skip
    for _, row in verdict.cells.iterrows():
        table.add_row(
            row["case"], row["regime"],
            *(str(row[name]) for name in ("rows", "outside", "missing")), _mwh(row["off"]),
            *(_share(row[name]) for name in ("cost_off", "objective_off", "dearer")),
            row["verdict"],
        )  # fmt: skip
    yield table
    wrong = verdict.rows[verdict.rows["verdict"] != "inside"]
    if len(wrong):
        names = ("case", "regime", "province", "carrier", "MWh", "least", "most", "verdict")
        table = _plain("not inside", names, left=4)
        for _, row in wrong.head(_MOST_ROWS).iterrows():
            answer = "" if pd.isna(row["curtailment_mwh"]) else _mwh(row["curtailment_mwh"])
            table.add_row(
                *(str(row[name]) for name in ("case", "regime", "province", "carrier")), answer,
                _mwh(row["min"]), _mwh(row["max"]), row["verdict"],
            )  # fmt: skip
        yield table
        if len(wrong) > _MOST_ROWS:
            yield f"and {len(wrong) - _MOST_ROWS} more"
    if verdict.unanswered:
        yield "not answered: " + ", ".join(" ".join(item) for item in verdict.unanswered)


def _share(value: float) -> str:
    return "" if pd.isna(value) else f"{value:.0e}"


def _plain(title: str, columns: tuple[str, ...], left: int) -> Table:
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for i, name in enumerate(columns):
        table.add_column(name, justify="left" if i < left else "right")
    return table
