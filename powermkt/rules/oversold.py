"""Plant of whose output more than all is under contract, or whose certificates are sold twice."""

from __future__ import annotations

from collections.abc import Sequence

from powermkt.errors import Fault, name_list
from powermkt.inputs.contractbook import Contract
from powermkt.rules.counterparties import Side
from powermkt.rules.deals import Agreed, Deal

_TOLERANCE = 1e-6


def oversold(sold: Sequence[Deal]) -> list[str]:
    """Say of whose output more than all is sold at one time; certificates alone are no energy."""
    shares = [
        (deal.contract, deal.anchor)
        for deal in sold
        if deal.contract.share and deal.contract.of == "output" and deal.contract.price is not None
    ]
    return [
        f"{size:.4g} times the output of {name_list(plant)} is sold by contract "
        f"({name_list(by)}): settled all the same"
        for plant, size, by in _beyond_all(shares)
    ]


def certificate_faults(agreed: Sequence[Agreed], where: str) -> list[Fault]:
    """Name plant that sells more than one certificate for a MWh."""
    green = [(one.contract, one.seller) for one in agreed if one.contract.kind == "green_power"]
    remedy = "let the shares that are in force at one time sum to 1 at most"
    return [
        Fault(
            where,
            f"{size:.4g} certificates for each MWh of {name_list(plant)} ({name_list(by)})",
            remedy,
        )
        for plant, size, by in _beyond_all(green)
    ]


def _beyond_all(
    shares: Sequence[tuple[Contract, Side]],
) -> list[tuple[list[str], float, list[str]]]:
    """Plant whose shares sum to more than 1 at some time, the largest sum, and its contracts."""
    mine: dict[str, tuple[int, ...]] = {}
    for number, (_, side) in enumerate(shares):
        for name in side.members:
            mine[name] = (*mine.get(name, ()), number)
    found = []
    for numbers in dict.fromkeys(mine.values()):
        together = [shares[number][0] for number in numbers]
        # The sum rises only where a contract begins.
        sets = [_at_start(first, together) for first in together]
        sums = [sum(one.share or 0.0 for one in held) for held in sets]
        size = max(sums)
        if size > 1 + _TOLERANCE:
            plant = [name for name in mine if mine[name] == numbers]
            found.append((plant, size, [one.name for one in sets[sums.index(size)]]))
    return found


def _at_start(first: Contract, contracts: Sequence[Contract]) -> list[Contract]:
    """Contracts that deliver when one begins."""
    held = [one for one in contracts if one.period is None]
    if first.period is not None:
        start = first.period.start
        held += [
            one for one in contracts if one.period and one.period.start <= start < one.period.end
        ]
    return held
