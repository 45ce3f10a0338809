"""JSON schemas: valid themselves, they take what powermkt takes and refuse what it refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from conftest import NETWORKS

import powermkt
from powermkt.guide.schemas import FILES, schema

PRESETS = Path(powermkt.__file__).parent / "presets"
# What each YAML file under networks/ is.
KINDS = {
    "market.yaml": "market",
    "services.yaml": "services",
    "overlap.yaml": "overlap",
    "invest.yaml": "invest",
}


def validator(kind: str) -> Any:
    return jsonschema.Draft202012Validator(schema(kind))


def mistakes(checker: Any, content: object) -> list[str]:
    return [f"{error.json_path}: {error.message}" for error in checker.iter_errors(content)]


@pytest.mark.parametrize("kind", FILES)
def test_schemas_are_schemas(kind: str) -> None:
    found = schema(kind)
    jsonschema.Draft202012Validator.check_schema(found)
    assert found["type"] == "object" and found["properties"]


def test_every_file_of_the_networks_and_every_preset_fits() -> None:
    checkers = {kind: validator(kind) for kind in ("regime", *KINDS.values())}
    files = sorted(NETWORKS.rglob("*.yaml"))
    assert len(files) > 10
    for file in (*files, *PRESETS.glob("*.yaml")):
        kind = KINDS.get(file.name, "regime")
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
        assert mistakes(checkers[kind], content) == [], file


def test_rules_are_told_apart_by_name() -> None:
    checker = validator("regime")
    assert not mistakes(checker, {"carbon": {"rule": "CarbonPrice", "price": 60}})
    assert not mistakes(checker, {"carbon": "CarbonPrice", "contract": []})
    assert mistakes(checker, {"carbon": {"rule": "CarbonPrice", "prise": 60}})
    assert mistakes(checker, {"carbon": {"price": 60}})
    assert mistakes(checker, {"carbon": "MeritOrder"})  # a rule of another role
    assert mistakes(checker, {"dispach": "MeritOrder"})


def test_what_files_may_write_shorter() -> None:
    """One number for all, one name for a list of it, a year as a number."""
    regime = validator("regime")
    assert not mistakes(regime, {"renewables": {"rule": "Participation", "share": 0.5}})
    contract = {"name": "c", "kind": "cfd", "seller": "wind", "buyer": "users", "share": 0.5}
    book = validator("contracts")
    assert not mistakes(book, {"book": [{**contract, "delivery": 2022, "price": 400}]})
    assert mistakes(book, {"book": [{**contract, "kind": "hope"}]})
    assert not mistakes(validator("claims"), {"obligations": 0.1})


def test_studies_may_hold_regimes_in_full() -> None:
    checker = validator("study")
    own = {"extends": "full_market", "carbon": {"rule": "CarbonPrice", "allocation": "auction"}}
    assert not mistakes(checker, {"regimes": ["fixed_tariff", own], "carbon_prices": [0, 60]})
    assert mistakes(checker, {"regimes": [{**own, "carbon": {"rule": "CarbonPrise"}}]})
    assert mistakes(checker, {"weeks": 53})


def test_texts_of_docstrings_are_in_them() -> None:
    entry = schema("regime")["$defs"]["CarbonPrice"]
    assert entry["description"] and entry["properties"]["allocation"]["description"]
    assert schema("market")["properties"]["source"]["description"].startswith("builds the network")


def test_unknown_file_names_the_nearest() -> None:
    with pytest.raises(powermkt.InputError, match="did you mean 'market'"):
        schema("markets")
