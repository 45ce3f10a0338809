"""What is printed fits 80 columns, whole; streams are what they should be."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path
from typing import Any

import hypothesis
import hypothesis.strategies as st
import pandas as pd
import pytest
from conftest import NETWORKS
from rich.console import Console
from shell import inside
from toys import one_bus

import powermkt as pm
from powermkt.cli import COMMANDS, command
from powermkt.commands import session, terminal
from powermkt.commands.fitting import fitted
from powermkt.commands.terminal import table_of

TWO = str(NETWORKS / "two_province")


def printed(tables: Any) -> list[str]:
    """Lines as `session.show` prints them where stdout is no terminal."""
    console = Console(file=io.StringIO(), width=80, markup=False, highlight=False)
    for item in tables:
        for part in [item] if isinstance(item, str) else fitted(item, 80):
            console.print(part)
    return console.file.getvalue().splitlines()  # type: ignore[attr-defined]


_NUMBERS = st.floats(-1e15, 1e15).map(lambda value: f"{value:,.2f}")
_NAMES = st.text("abcdefghij _省", min_size=1, max_size=60).map(str.strip)


@hypothesis.given(st.data())
@hypothesis.settings(max_examples=20)
def test_no_number_is_cut_and_no_column_lost(data: st.DataObject) -> None:
    count = data.draw(st.integers(1, 14))
    heads = [f"head {i}\nunit {i}" for i in range(count)]
    rows = data.draw(
        st.lists(st.tuples(_NAMES, *[_NUMBERS] * count), min_size=1, max_size=4), label="rows"
    )
    table = table_of("a title", ["regime", "tau", *heads])
    for name, *numbers in rows:
        table.add_row(name, "60", *numbers)
    lines = printed([table])
    assert max(map(len, lines)) <= 80
    text = "\n".join(lines)
    assert "…" not in text
    words = re.findall(r"-?[\d,]+\.\d\d", text)
    assert sorted(words) == sorted(number for _, *numbers in rows for number in numbers)
    for head in heads:
        assert head.split("\n")[1] in text or " ".join(head.split("\n")) in text, head


def test_what_fits_stays_one_table() -> None:
    table = table_of("t", ["regime", "tau", "a", "b"])
    table.add_row("x" * 200, "0", "1.0", "2.0")
    assert len(list(fitted(table, 80))) == 1
    lines = printed([table])
    assert max(map(len, lines)) <= 80 and sum(line.count("x") for line in lines) == 200


def test_a_split_table_repeats_what_names_its_rows() -> None:
    table = table_of("t", ["regime", "tau", "carrier", *"abcdef"])
    table.columns[2].justify = "left"
    table.add_row("full_market", "60", "coal", *["1,234,567,890.12"] * 6)
    parts = list(fitted(table, 80))
    assert [[column.header for column in part.columns][:3] for part in parts] == [
        ["regime", "tau", "carrier"]
    ] * len(parts)
    assert [part.title for part in parts] == ["t"] + [None] * (len(parts) - 1)


@pytest.mark.slow
def test_tables_of_a_comparison_hold_what_is_wide() -> None:
    """Prices of a billion times as much, and a regime with a long name."""
    result = pm.compare(pm.Case(one_bus([50.0, 120.0])), ["full_market"], [0, 60])
    long = "a_regime_whose_name_is_longer_than_any_that_comes_with_powermkt"
    for table in (result.table, result.pass_through):
        table["regime"] = long
        money = table.select_dtypes("float").columns.drop("carbon_price")
        table[money] *= 1e9
    lines = printed(terminal.report(result))
    assert max(map(len, lines)) <= 80
    text = "\n".join(lines)
    assert "…" not in text
    for name in ("wholesale_price", "retail_price"):
        for value in result.table[name]:
            assert f"{value:.1f}" in text
    assert long in "".join(line.split(" ")[0] for line in lines)  # folded


@pytest.mark.parametrize("name", sorted(set(COMMANDS) - {"new", "schema", "report", "plan"}))
def test_commands_that_print_tables_take_json_and_quiet(name: str) -> None:
    options = {text for item in command(name).params for text in item.opts}
    assert {"--json", "--quiet"} <= options


def test_json_lines_are_all_there_is_on_stdout(tmp_path: Path) -> None:
    done = inside("instruments", "--json", "--quiet", cwd=tmp_path)
    assert done.returncode == 0 and done.stderr == ""
    assert all(json.loads(line)["unit"] for line in done.stdout.splitlines())
    done = inside("check", TWO, "--json", "--quiet", cwd=tmp_path)
    assert {json.loads(line)["table"] for line in done.stdout.splitlines()} == {
        "counts", "carriers", "assumed", "regimes",
    }  # fmt: skip


def test_names_in_brackets_are_no_markup(capsys: pytest.CaptureFixture[str]) -> None:
    table = table_of("[bold]t", ["", "MW"])
    table.add_row("unit [red] 1", "5")
    session.show(pd.DataFrame(), [table, "a [blue] note"], False)
    said = capsys.readouterr().out
    assert "unit [red] 1" in said and "a [blue] note" in said and "\x1b" not in said


def test_errors_have_colour_only_on_a_terminal(tmp_path: Path) -> None:
    done = inside("check", "nothing.nc", cwd=tmp_path)
    assert done.returncode == 2 and "no such file" in done.stderr and "\x1b" not in done.stderr


def test_progress_without_a_total_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=True, width=80, color_system=None)
    monkeypatch.setattr(session, "err", console)
    with session.progress_bar(False, "clearing x") as progress:
        assert progress is not None
        progress(1, 4, "one of [four]")
        console.file.flush()
        progress(2, 0, "full_market, obligations")
    said = stream.getvalue()
    assert "2/?" in said and "full_market, obligations" in said and "left" in said
    with session.progress_bar(True, "clearing x") as progress:
        assert progress is None
