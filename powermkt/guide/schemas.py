"""JSON schemas of the files that users write, for editors that complete and check them."""

from __future__ import annotations

import copy
import inspect
import json
import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import pydantic
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue, models_json_schema

from powermkt.analysis.principles import TieredCharge
from powermkt.engine.regime import presets
from powermkt.errors import Fault, InputError, nearest
from powermkt.inputs.claimsplan import ClaimsPlan
from powermkt.inputs.contractbook import Contract
from powermkt.inputs.instruments import Instrument
from powermkt.inputs.market import Market
from powermkt.inputs.overlapplan import OverlapPlan
from powermkt.inputs.services import Services
from powermkt.rules import RULES
from powermkt.studies.entryfile import EntryFile
from powermkt.studies.flexibilitystudy import Assumptions
from powermkt.studies.studyfile import Study

_WHOLE: dict[str, type[pydantic.BaseModel]] = {
    "market": Market,
    "study": Study,
    "services": Services,
    "invest": EntryFile,
    "overlap": OverlapPlan,
    "claims": ClaimsPlan,
    "flexibility": Assumptions,
    "charge": TieredCharge,
}
_LISTS: dict[str, tuple[str, type[pydantic.BaseModel]]] = {
    "contracts": ("book", Contract),
    "instruments": ("instruments", Instrument),
}
FILES = {
    "market": "market.yaml beside a network",
    "study": "--study of compare, returns, explain, ...: what is varied",
    "regime": "--regime: the rules of a market",
    "services": "--services: ancillary services",
    "invest": "--study of invest: what may be built",
    "overlap": "--study of overlap: instruments and their targets",
    "claims": "--plan of claims: who claims which certificates",
    "flexibility": "--assumptions of flexibility: kinds of storage, capture of CO2",
    "charge": "--charge of trace: tiers of a charge on consumption",
    "contracts": "a file of contracts, `file` of the rule Contracts",
    "instruments": "--file of instruments",
}
_REGIME = "Regime"
_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schema(kind: str) -> dict[str, Any]:
    """Return the JSON schema of a kind of file.

    Parameters
    ----------
    kind : str
        A key of `FILES`.

    Returns
    -------
    dict
        A schema of draft 2020-12, whole in itself. Descriptions are those of the docstrings. What
        parts of a file say of each other is no part of it: `powermkt check` finds that.

    Raises
    ------
    InputError
        If there is no such kind.
    """
    if kind not in FILES:
        raise InputError([Fault("schema", f"unknown file {kind!r}", nearest(kind, FILES))])
    defined, by_model = _definitions()
    if kind in _WHOLE:
        whole = defined[by_model[_WHOLE[kind]]]
    elif kind in _LISTS:
        key, model = _LISTS[kind]
        items = {"type": "array", "items": {"$ref": f"#/$defs/{by_model[model]}"}}
        whole = {"type": "object", "properties": {key: items}, "required": [key]}
    else:
        whole = defined[_REGIME]
    used = {name: defined[name] for name in sorted(_reached(whole, defined))}
    whole = {key: value for key, value in whole.items() if key != "title"}
    found = {"$schema": _DIALECT, "title": f"powermkt: {FILES[kind]}", **whole}
    return copy.deepcopy(found | ({"$defs": used} if used else {}))


@cache
def _definitions() -> tuple[dict[str, Any], dict[type[pydantic.BaseModel], str]]:
    """Schemas of everything by name, and under which name each model stands."""
    models: list[type[pydantic.BaseModel]] = list(_WHOLE.values()) + list(RULES.values())
    models += [model for _, model in _LISTS.values()]
    found, content = models_json_schema(
        [(model, "validation") for model in models], schema_generator=_Described
    )
    defined = content["$defs"]
    by_model = {model: found[model, "validation"]["$ref"].split("/")[-1] for model in models}
    for name, rule in RULES.items():
        entry = defined[by_model[rule]]
        entry["properties"] = {"rule": {"const": name}} | entry.get("properties", {})
        entry["required"] = ["rule", *entry.get("required", [])]
    defined[_REGIME] = _regime({name: by_model[rule] for name, rule in RULES.items()})
    for model in (Study, EntryFile):
        listed = {"anyOf": [{"type": "string"}, {"$ref": f"#/$defs/{_REGIME}"}]}
        regimes = defined[by_model[model]]["properties"]["regimes"]
        regimes["anyOf"][0]["items"] = listed
    return defined, by_model


def _regime(rules: dict[str, str]) -> dict[str, Any]:
    """Schema of a regime file, given where each rule is defined."""
    roles: dict[str, list[str]] = {}
    for name in rules:
        roles.setdefault(RULES[name].role, []).append(name)
    properties: dict[str, Any] = {
        "name": {"type": "string", "description": "default: the name of the file"},
        "extends": {
            "description": "a preset, or a regime file beside this one, whose rules hold for every "
            "role that is not stated here",
            "anyOf": [{"enum": presets()}, {"type": "string"}],
        },
        "description": {"type": "string"},
    }
    for role, names in roles.items():
        one = [{"enum": names}, *({"$ref": f"#/$defs/{rules[name]}"} for name in names)]
        entry = {"oneOf": one}
        properties[role] = {"oneOf": [*one, {"type": "array", "items": entry}]}
    return {
        "description": "Rules by role; dispatch, trade and pricing are needed, here or in what is "
        "extended.",
        "type": "object",
        "properties": properties,
        "additionalProperties": False,
    }


def _reached(part: Any, defined: dict[str, Any]) -> set[str]:
    """Names of definitions that a part of a schema needs."""
    found: set[str] = set()
    waiting = [part]
    while waiting:
        for name in set(_references(waiting.pop())) - found:
            found.add(name)
            waiting.append(defined[name])
    return found


def _references(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        if isinstance(target := part.get("$ref"), str):
            yield target.split("/")[-1]
        for item in part.values():
            yield from _references(item)
    elif isinstance(part, list):
        for item in part:
            yield from _references(item)


class _Described(GenerateJsonSchema):
    """Schemas with the texts of numpy docstrings, and without defaults that JSON cannot write."""

    def model_schema(self, schema: Any) -> JsonSchemaValue:
        found = super().model_schema(schema)
        text, parameters = described(schema["cls"])
        if text:
            found["description"] = text
        for name, item in found.get("properties", {}).items():
            if name in parameters:
                item.setdefault("description", parameters[name])
        return found

    def default_schema(self, schema: Any) -> JsonSchemaValue:
        found = super().default_schema(schema)
        try:
            json.dumps(found.get("default"), allow_nan=False)
        except ValueError:
            del found["default"]
        return found


def described(model: type) -> tuple[str, dict[str, str]]:
    """Return what a class says of itself, and of each of its parameters."""
    texts: dict[str, str] = {}
    for base in reversed(model.__mro__):  # what a base says of a parameter holds for it, too
        text = inspect.cleandoc(base.__dict__.get("__doc__") or "")
        parameters = re.search(r"^Parameters\n-+\n(.*?)(?=^\w[^\n]*\n---+$|\Z)", text, re.M | re.S)
        for head, body in re.findall(
            r"^(\w[^\n]*)\n((?:[ ]+[^\n]*\n?|\n)*)", parameters[1] if parameters else "", re.M
        ):
            names, _, kind = head.partition(" : ")
            body = " ".join(body.split())
            says = ": ".join(part for part in (kind.strip(), body) if part)
            texts |= {name.strip(): says for name in names.split(",")}
    own = inspect.cleandoc(model.__doc__ or "")
    head = re.split(r"^\w[^\n]*\n---+$", own, maxsplit=1, flags=re.M)[0]
    return "\n\n".join(" ".join(part.split()) for part in head.split("\n\n")).strip(), texts
