"""A regime: rules by role, as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from powermkt.common.files import beside, is_file, load_yaml
from powermkt.common.notebook import RegimeView
from powermkt.dispatch.programme import Adders
from powermkt.errors import Fault, InputError, collected, nearest, validated
from powermkt.inputs.case import Case
from powermkt.methods.mip import UnitCommitment
from powermkt.rules import (
    RULES,
    CarbonCap,
    CarbonPrice,
    DemandRule,
    DispatchRule,
    Obligation,
    PricingRule,
    RetailTariff,
    Rule,
    Savings,
    TwoSettlement,
)
from powermkt.rules.ancillary import Procurement
from powermkt.rules.clashes import clashes
from powermkt.rules.dispatch import MITIGATED
from powermkt.rules.interprovincial import InterprovincialSpot
from powermkt.system.products import procures

_ONE = ("dispatch", "trade", "pricing")
_MANY = ("settlement", "renewables", "retail")  # at most one each
_ANY = (
    "carbon", "ancillary", "settlement", "renewables", "contract", "retail", "demand", "obligation",
)  # fmt: skip
_PAY = ("ancillary", "contract", "retail")  # may leave the clearing alone
_MOST_PARENTS = 20
_KEYS = ("name", "extends", "description", *_ONE, *_ANY)


@dataclass(frozen=True)
class Regime(RegimeView):
    """An ordered list of rules: one each of dispatch, trade, pricing; others if any.

    Parameters
    ----------
    name : str
    rules : tuple of Rule
    description : str, optional

    Raises
    ------
    InputError
        If a role is missing or filled twice, or rules do not go together.
    """

    name: str
    rules: tuple[Rule, ...]
    description: str = ""

    def __post_init__(self) -> None:
        faults = []
        for role in _ONE:
            found = [type(rule).__name__ for rule in self.rules if rule.role == role]
            if len(found) != 1:
                faults.append(
                    Fault(
                        f"regime {self.name!r}",
                        f"{len(found)} rules of {role}" + (f" ({', '.join(found)})" * bool(found)),
                        f"state exactly one; there are {', '.join(_names(role))}",
                    )
                )
        for role in _MANY:
            if sum(rule.role == role for rule in self.rules) > 1:
                what = f"more than one rule of {role}"
                faults.append(Fault(f"regime {self.name!r}", what, "state one"))
        ways = [type(rule).__name__ for rule in self.rules if isinstance(rule, Procurement)]
        if len(ways) > 1:
            what = f"reserves are procured in {len(ways)} ways ({', '.join(ways)})"
            faults.append(Fault(f"regime {self.name!r}: ancillary", what, "state one of them"))
        faults += clashes(self.name, self.rules)
        if not faults and self.two_settlement is not None and not self.pricing.locational:
            what = f"TwoSettlement with {type(self.pricing).__name__}"
            faults.append(Fault(f"regime {self.name!r}", what, "price by LocationalPrice"))
        if not faults and self.retail is not None and self.pricing.contracts:
            name = type(self.pricing).__name__
            what = f"RetailTariff with {name}, which states contracts in a band itself"
            remedy = "price by LocationalPrice or BenchmarkTariff, or leave the retail rule away"
            faults.append(Fault(f"regime {self.name!r}: retail", what, remedy))
        if faults:
            raise InputError(faults)
        told = tuple(rule.among(self.rules) for rule in self.rules)
        object.__setattr__(self, "rules", told)

    @property
    def carbon_price(self) -> float:
        """Price that the carbon rule states, 0 without one [money/t]."""
        return 0.0 if self.carbon is None else self.carbon.price

    @property
    def carbon(self) -> CarbonPrice | None:
        """The rule of the carbon price, if there is one."""
        return next((rule for rule in self.rules if isinstance(rule, CarbonPrice)), None)

    @property
    def cap(self) -> CarbonCap | None:
        """The limit on emissions that makes the carbon price, if there is one."""
        return next((rule for rule in self.rules if isinstance(rule, CarbonCap)), None)

    @property
    def obligations(self) -> list[Obligation]:
        """Obligations over the horizon, whose prices the engine finds."""
        return [rule for rule in self.rules if isinstance(rule, Obligation)]

    @property
    def savings(self) -> Savings | None:
        """The measures of saving that count towards obligations, if there are any."""
        return next((rule for rule in self.rules if isinstance(rule, Savings)), None)

    def priced(self, prices: Mapping[str, float], saved: Mapping[str, float]) -> Regime:
        """Return the regime with prices of obligations, by line, and what measures save."""
        rules: list[Rule] = []
        for rule in self.rules:
            if isinstance(rule, Obligation):
                rule = rule.model_copy(update={"prices": dict(prices)})
            elif isinstance(rule, Savings):
                rule = rule.model_copy(update={"saved": dict(saved)})
            rules.append(rule)
        return replace(self, rules=tuple(rules))

    @property
    def two_settlement(self) -> TwoSettlement | None:
        """The rule of settling twice, if there is one."""
        return next((rule for rule in self.rules if isinstance(rule, TwoSettlement)), None)

    @property
    def tiers(self) -> InterprovincialSpot | None:
        """The rule of trade by which provinces trade before they clear, if it is that."""
        return next((rule for rule in self.rules if isinstance(rule, InterprovincialSpot)), None)

    @property
    def procurement(self) -> Procurement | None:
        """The rule that procures reserves, if there is one."""
        return next((rule for rule in self.rules if isinstance(rule, Procurement)), None)

    @property
    def units(self) -> UnitCommitment:
        """How units are committed: as the dispatch rule says."""
        said = (rule.units for rule in self.rules if isinstance(rule, DispatchRule))
        return next(said, UnitCommitment())

    @property
    def pricing(self) -> PricingRule:
        """The pricing rule."""
        rule = next(rule for rule in self.rules if rule.role == "pricing")
        assert isinstance(rule, PricingRule)
        return rule

    @property
    def retail(self) -> RetailTariff | None:
        """The rule of what users pay, if there is one beside the pricing rule."""
        return next((rule for rule in self.rules if isinstance(rule, RetailTariff)), None)

    @property
    def structure(self) -> str:
        """Key of the programme's rows: regimes with the same key share one live solver."""
        return repr([rule.rows for rule in self.rules if rule.structural and not rule.inert])

    @property
    def canonical(self) -> bool:
        """Whether one optimum must be told from others that cost the same.

        So where marginal values are paid, and where the carbon price enters offers, so that
        clearings of a sweep start from each other. Elsewhere every clearing starts from scratch.
        """
        return self.pricing.locational or (self.carbon is not None and self.carbon.offered)

    @property
    def clearing_key(self) -> str:
        """Key of what is cleared: regimes with the same key have the same outcome.

        The name is not in it. Neither are services, contracts and retail rules that only pay, nor
        what of a carbon price is settled alone (`CarbonPrice.cleared_as`): they are paid after the
        clearing and change nothing in it, so that a fixed tariff is cleared once for all carbon
        prices. A class derived from `CarbonPrice` may do more with what it states, and keeps it.
        """
        parts = []
        for rule in self.rules:
            if rule.inert or (rule.role in _PAY and rule.only_settles()):
                continue
            if isinstance(rule, DemandRule) or type(rule) is CarbonPrice:
                content = rule.cleared_as()
            else:
                content = rule.model_dump()
            parts.append((type(rule).__module__, type(rule).__qualname__, content))
        return repr(parts)

    def at(self, carbon_price: float) -> Regime:
        """Return the regime at a carbon price.

        Raises
        ------
        InputError
            If the price is not finite, negative though the carbon rule does not allow that, or
            not zero without a carbon rule.
        """
        where = f"regime {self.name!r}: carbon_price"
        if not np.isfinite(carbon_price):
            raise InputError([Fault(where, f"{carbon_price} is no price", "give a finite number")])
        if carbon_price < 0 and not (self.carbon and self.carbon.allow_negative):
            remedy = "give a number >= 0, or state `allow_negative: true` in the carbon rule"
            raise InputError([Fault(where, f"{carbon_price} is negative", remedy)])
        if carbon_price != 0 and self.carbon is None:
            raise InputError(
                [Fault(where, "the regime has no carbon rule", "add `carbon: {rule: CarbonPrice}`")]
            )
        rules = tuple(
            rule.model_copy(update={"price": float(carbon_price)})
            if isinstance(rule, CarbonPrice)
            else rule
            for rule in self.rules
        )
        return replace(self, rules=rules)

    def faults(self, case: Case) -> list[Fault]:
        """Return everything that a case lacks for the rules of this regime."""
        found = [fault for rule in self.rules for fault in rule.faults(case)]
        if not self.buys_after_energy(case):
            return found
        where = f"regime {self.name!r}: ancillary"
        if self.two_settlement is not None:
            what = "Sequential with TwoSettlement: reserves are bought after energy only once"
            found.append(Fault(where, what, "procure by CoOptimised, or settle once"))
        if not self.pricing.locational:
            what = f"Sequential with {type(self.pricing).__name__}, which pays no price of energy"
            found.append(Fault(where, what, "price by LocationalPrice, or procure otherwise"))
        return found

    def buys_after_energy(self, case: Case) -> bool:
        """Whether reserves are required and bought once energy is cleared."""
        rule = self.procurement
        return rule is not None and rule.after_energy and procures(case)

    @property
    def energy_alone(self) -> Regime:
        """The regime without the rule that procures reserves."""
        return replace(self, rules=tuple(r for r in self.rules if r is not self.procurement))

    def mitigated(self, case: Case) -> pd.DataFrame:
        """Return the offers that the dispatch rule replaced, as `DispatchRule.mitigated`."""
        said = (rule.mitigated(case) for rule in self.rules if isinstance(rule, DispatchRule))
        return next(said, pd.DataFrame(columns=MITIGATED))

    def exposure(self, case: Case) -> list[Adders]:
        """What one MWh adds to the net demand for allowances, by rule and variable [t/MWh]."""
        return [rule.exposures(case) for rule in self.rules]

    def priced_emission(self, case: Case) -> list[Adders]:
        """Emissions of one MWh times the multiple of the carbon price on them, by rule [t/MWh].

        What imports and specified sources pay for, of the others what they emit.
        """
        # Allowances are the carbon rule's; what imports take is without any.
        found = [rule.exposures(case) for rule in self.rules if rule is not self.carbon]
        if self.carbon is not None:
            by_unit = self.carbon.by_generator(case) * case.generators["emission_rate"]
            found.append({"Generator-p": by_unit})
        return found

    def carbon_adder(self, case: Case) -> pd.DataFrame:
        """Carbon cost of one more MWh of each generator, [snapshot x generator] in money/MWh."""
        if self.carbon is None:
            return pd.DataFrame(0.0, case.snapshots, case.generators.index)
        return self.carbon.adder(case)

    # ---- files -------------------------------------------------------------------------------

    def to_yaml(self) -> str:
        """Return the regime as the text of a regime file."""
        content: dict[str, Any] = {"name": self.name, "description": self.description}
        for rule in self.rules:
            entry = {
                "rule": type(rule).__name__, **rule.model_dump(mode="json", exclude_defaults=True)
            }  # fmt: skip
            if rule.role in _ONE:
                content[rule.role] = entry
            else:
                content.setdefault(rule.role, []).append(entry)
        return yaml.safe_dump(content, sort_keys=False, allow_unicode=True)


def regime(
    value: str | Path | Regime | dict[str, Any],
    _parents: tuple[Path, ...] = (),
    *,
    within: Path | None = None,
) -> Regime:
    """Return a regime from a preset's name, a YAML path, a mapping, or a regime itself.

    `within` is the folder of the file that names it: another file lies there, or below.

    Raises
    ------
    InputError
        Naming every unknown key, rule or value, with the nearest valid one.
    """
    if isinstance(value, Regime):
        return value
    if isinstance(value, dict):
        return _from_mapping(value, "regime", within, _parents)
    text = str(value)
    if text in presets():
        source = resources.files("powermkt") / "presets" / f"{text}.yaml"
        content = yaml.safe_load(source.read_text(encoding="utf-8"))
        return _from_mapping({"name": text, **content}, f"preset {text}", None, _parents)
    where = f"regime {text[:200]!r}"
    path = Path(text) if within is None else beside(within, text, where)
    if path.suffix in (".yaml", ".yml") or is_file(path):
        content = load_yaml(path)
        if path.resolve() in _parents or len(_parents) >= _MOST_PARENTS:
            what = "extends itself, or a long row of others"
            raise InputError([Fault(f"{path}: extends", what, "name another regime")])
        parents = (*_parents, path.resolve())
        return _from_mapping({"name": path.stem, **content}, str(path), path.parent, parents)
    raise InputError([Fault(where, "unknown regime", nearest(text, presets()))])


def presets() -> list[str]:
    """Names of the regimes that come with powermkt."""
    folder = resources.files("powermkt") / "presets"
    names = (item.name for item in folder.iterdir())
    return sorted(name.removesuffix(".yaml") for name in names if name.endswith(".yaml"))


def _from_mapping(
    content: dict[str, Any], where: str, folder: Path | None, parents: tuple[Path, ...]
) -> Regime:
    faults = [
        Fault(f"{where}: {key}", f"unknown key {key!r}", nearest(key, _KEYS))
        for key in content
        if key not in _KEYS
    ]
    inherited: dict[str, list[Rule]] = {}
    if (base := content.get("extends")) is not None:
        parent = regime(str(base), parents, within=folder)
        for rule in parent.rules:
            inherited.setdefault(rule.role, []).append(rule)
    rules: list[Rule] = []
    for role in (*_ONE, *_ANY):
        if role not in content:
            rules += inherited.get(role, [])
            continue
        entries = content[role] if isinstance(content[role], list) else [content[role]]
        for entry in entries:
            rules += _rule(entry, role, f"{where}: {role}", faults)
    if faults:
        raise InputError(faults)
    return Regime(
        str(content.get("name", where)), tuple(rules), str(content.get("description", ""))
    )


def _rule(entry: Any, role: str, where: str, faults: list[Fault]) -> list[Rule]:
    """Return the rule of one entry, or add what is wrong with it to `faults`."""
    if isinstance(entry, str):
        entry = {"rule": entry}
    if not isinstance(entry, dict) or "rule" not in entry:
        remedy = f"write {{rule: NAME, ...}} with one of {', '.join(_names(role))}"
        faults.append(Fault(where, "names no rule", remedy))
        return []
    name = str(entry["rule"])
    if name not in _names(role):
        faults.append(
            Fault(f"{where}.rule", f"unknown rule {name!r} of {role}", nearest(name, _names(role)))
        )
        return []
    values = {key: value for key, value in entry.items() if key != "rule"}
    with collected(faults):
        return [validated(RULES[name], values, f"{where} ({name})")]
    return []


def _names(role: str) -> list[str]:
    return [name for name, rule in RULES.items() if rule.role == role]
