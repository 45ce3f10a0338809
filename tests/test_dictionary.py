"""The data dictionary and the register of assumptions say what the code says."""

from __future__ import annotations

import importlib
import pkgutil
import re
from pathlib import Path

import pandas as pd
import pytest
from conftest import NETWORKS

import powermkt
import powermkt as pm
from powermkt.common.dictionarycolumns import INPUTS
from powermkt.guide.dictionary import CARRIER, COMMAND, NAME, WHAT, tables, text
from powermkt.inputs.check import OWN
from powermkt.inputs.mapping import _TEXTS
from powermkt.rules import RULES

ROOT = NETWORKS.parent
# Declared columns of what is no table of a results folder.
NO_TABLES = {("report.leads", "LEADS"), ("common.findings", "COLUMNS")}


def undeclared(command: str, name: str, table: pd.DataFrame) -> set[str]:
    """Columns of a table that the dictionary does not have."""
    declared = tables()
    columns = declared.get(command, {}).get(name) or declared["compare"].get(name)
    assert columns is not None, f"{command}: table {name} is in no dictionary"
    beyond = {str(column) for column in table.columns} - set(columns)
    if CARRIER in columns:
        beyond = set()
    return set(list(beyond)[1:]) if WHAT in columns else beyond


def test_the_file_is_up_to_date() -> None:
    stored = (ROOT / NAME).read_text(encoding="utf-8")
    assert stored == text(ROOT), f"{NAME} is not what the code says: run `{COMMAND}` and commit it"


def test_every_column_that_is_declared_is_in_it() -> None:
    """Whatever a module declares as column -> (unit, meaning) stands under some table."""
    known = [set(columns) for found in tables().values() for columns in found.values()]
    for item in pkgutil.walk_packages(powermkt.__path__, "powermkt."):
        if item.name.endswith("__main__"):
            continue
        module = importlib.import_module(item.name)
        for name, value in vars(module).items():
            if not name.isupper() or (item.name.removeprefix("powermkt."), name) in NO_TABLES:
                continue
            pairs = isinstance(value, dict) and all(
                isinstance(said, tuple) and [type(part) for part in said] == [str, str]
                for said in value.values()
            )
            if pairs and value and "regime" in value:
                columns = set(value)
                assert any(columns <= table for table in known), f"{item.name}.{name}"


@pytest.mark.slow
def test_tables_of_studies_have_no_other_columns(two_province: pm.Case) -> None:
    """The first two hold the tables of a comparison as well."""
    free, priced = ["full_market"], [0.0, 60.0]
    found = {
        "pass-through": pm.pass_through_study(two_province, free, priced, switching_to=60.0),
        "explain": pm.explain_curtailment(two_province, "fixed_tariff", interactions=True),
        "trace": pm.trace_regimes(two_province, free),
    }
    for command, study in found.items():
        tables_of = study.tables if hasattr(study, "tables") else {"causes": study.table}
        for name, table in tables_of.items():
            if command == "explain":
                table = table.drop(columns="regime", errors="ignore")
            assert not undeclared(command, name, table), (command, name)


def test_every_own_column_of_a_network_is_in_it() -> None:
    own = {f"{table}.{column}" for table, columns in OWN.items() for column in columns}
    own |= {f"{table}.{column}" for table, columns in _TEXTS.items() for column in columns}
    assert own <= set(INPUTS)


def test_rules_and_their_defaults_are_in_it() -> None:
    stored = (ROOT / NAME).read_text(encoding="utf-8")
    for name, rule in RULES.items():
        head = f"### {rule.role}: {name}\n"
        assert head in stored
        part = stored.partition(head)[2].partition("\n### ")[0]
        for key in rule.model_fields:
            assert re.search(rf"^\| `{key}[`.\[]", part, re.M), (name, key)
    assert "| `weight` | 1000 |" in stored and "| `quota.band` | 0.03 |" in stored
    assert "| `trade.hurdle_rate` | .inf |" in stored


def test_every_preset_has_its_equations() -> None:
    heads = re.findall(r"^## `(\w+)`$", Path(ROOT / "REGIMES.md").read_text("utf-8"), re.M)
    assert heads == sorted(heads, key=heads.index) and set(heads) == set(pm.presets())
