"""Rules that do not go together in one regime."""

from __future__ import annotations

from collections.abc import Sequence

from powermkt.errors import Fault, nearest
from powermkt.rules.base import Rule
from powermkt.rules.carbon import CarbonPrice
from powermkt.rules.deeppeak import DeepPeakMarket, DeepPeakOffers, ObligatoryMinimum
from powermkt.rules.imports import ImportAdjustment
from powermkt.rules.obligation import Obligation
from powermkt.rules.savings import Savings


def clashes(name: str, rules: Sequence[Rule]) -> list[Fault]:
    """Return rules that stand twice, or pay for the same or contradict or need each other."""
    found = []
    for role in ("ancillary", "carbon"):
        kinds = [type(rule) for rule in rules if rule.role == role]
        found += [
            Fault(f"regime {name!r}: {role}", f"{kind} stands twice", "state it once")
            for kind in sorted({kind.__name__ for kind in kinds if kinds.count(kind) > 1})
        ]
    prices = [type(rule).__name__ for rule in rules if isinstance(rule, CarbonPrice)]
    where = f"regime {name!r}: carbon"
    if len(set(prices)) > 1:
        found.append(Fault(where, f"{len(prices)} carbon prices", "state one"))
    if not prices and any(isinstance(rule, ImportAdjustment) for rule in rules):
        what = "ImportAdjustment without a carbon price"
        found.append(Fault(where, what, "add `{rule: CarbonPrice, regions: ...}`"))
    where = f"regime {name!r}: ancillary"
    kinds = [type(rule) for rule in rules if rule.role == "ancillary"]
    for other, what in (
        (DeepPeakMarket, "depth would be paid for twice"),
        (ObligatoryMinimum, "nothing is left to be offered"),
    ):
        if any(issubclass(kind, other) for kind in kinds) and any(
            issubclass(kind, DeepPeakOffers) for kind in kinds
        ):
            said = f"DeepPeakOffers with {other.__name__}: {what}"
            found.append(Fault(where, said, "state one of them"))
    return found + _of_savings(name, rules)


def _of_savings(name: str, rules: Sequence[Rule]) -> list[Fault]:
    """Return measures that stand twice, and that count in obligations which are not there."""
    stated = [rule for rule in rules if isinstance(rule, Savings)]
    measures = [item for rule in stated for item in rule.measures]
    known = [rule.name for rule in rules if isinstance(rule, Obligation)]
    where = f"regime {name!r}: Savings"
    if measures and not known:
        return [Fault(where, "there is no obligation", "add a rule `Obligation`, or leave it out")]
    names = [item.name for item in measures]
    found = [Fault(where, "stands twice", "put all measures in one")] if stated[1:] else []
    found += [
        Fault(where, f"measure {twice!r} stands twice", "give each measure its own name")
        for twice in sorted({item for item in names if names.count(item) > 1})
    ]
    return found + [
        Fault(f"{where}: measure {item.name!r}", f"unknown obligation {other!r}",
              nearest(other, known))
        for item in measures
        for other in item.counts
        if other not in known
    ]  # fmt: skip
