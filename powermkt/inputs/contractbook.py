"""What a contract of energy is, as data: kind, parties, volume, delivery, price; a book of them.

Kinds, by what the seller receives per MWh (K the price, P the reference, premiums apart):

=============  ==================================================================================
fixed_price    K for energy, whose spot value P goes to the buyer
green_power    the same as produced, and `premium` for the certificate of each MWh
cfd            K - P, two-way
forward        K - P on a volume that is fixed beforehand
one_way_cfd    max(0, K - P) where it protects the seller, min(0, K - P) where the buyer
cap            the seller pays max(0, P - K) and receives `premium`
floor          the seller pays max(0, K - P) and receives `premium`
=============  ==================================================================================
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import pandas as pd
import pydantic

from powermkt.common.files import load_yaml
from powermkt.common.values import NonNegative, Strict
from powermkt.errors import Fault, InputError, collected, validated
from powermkt.inputs.deliveries import Delivery

Kind = Literal["fixed_price", "green_power", "cfd", "forward", "one_way_cfd", "cap", "floor"]
OPTIONS = ("one_way_cfd", "cap", "floor")
Finite = Annotated[float, pydantic.Field(allow_inf_nan=False)]
Profile = Annotated[tuple[NonNegative, ...], pydantic.Field(min_length=24, max_length=24)]


class Contract(Strict):
    """A contract between two parties, settled on top of the spot market.

    Parameters
    ----------
    name : str
    kind : str
        As in the table at the top of this file.
    seller, buyer : str
        A generator, storage unit or load; a group of them: `users` or a user class, a carrier or
        a role of `market.yaml` (`quota`, `renewables`, `wind`, `solar`, `hydro`), each also of one
        province (`coal@North`), or a province (its plant sells, its users buy); `grid company P`;
        or a financial party. `*` in the place of a province, on both sides the same, makes one
        contract for each.
    mw : float, optional
        Volume; with a `profile` or the shape of load or output their mean [MW].
    mwh : float, optional
        Volume of the whole delivery period [MWh].
    share : float, optional
        Volume as a share of `of` [1]. One of mw, mwh, share.
    of : {"output", "capacity", "load"}
        What the share is taken of.
    shape : str or 24 numbers
        flat, peak (hour 8 to 21), off_peak, load or output of the parties, or a profile of the day.
    delivery : str, optional
        As in `Delivery.of`; default: the whole horizon.
    price : float or "tariff"
        Strike; tariff: `generators.tariff` of each plant [money/MWh]. `green_power` may leave it
        away: energy is then left to the spot market.
    multiple : float, default 1
        Of the price [1].
    premium : float, default 0
        Of an option, paid by who is protected, or of a certificate [money/MWh].
    reference : str
        own (at the bus of the plant or the user), province, zone, system (load-weighted means
        around it), technology (mean by output of its carrier in its province and month), or the
        name of a bus, province or zone.
    market : {"day_ahead", "real_time"}
        Whose price is the reference where a day is settled twice.
    protects : {"seller", "buyer"}
        Who is protected by a one_way_cfd.
    up_to_load : bool, default False
        Of a share of output that users buy: in no hour more than they use; what plant sends
        elsewhere is left to the spot market.
    """

    name: str = pydantic.Field(min_length=1)
    kind: Kind
    seller: str = pydantic.Field(min_length=1)
    buyer: str = pydantic.Field(min_length=1)
    mw: NonNegative | None = None
    mwh: NonNegative | None = None
    share: NonNegative | None = None
    of: Literal["output", "capacity", "load"] = "output"
    shape: Literal["flat", "peak", "off_peak", "load", "output"] | Profile = "flat"
    delivery: str | None = None
    price: Finite | Literal["tariff"] | None = None
    multiple: Finite = 1.0
    premium: NonNegative = 0.0
    reference: str = pydantic.Field(default="own", min_length=1)
    market: Literal["day_ahead", "real_time"] = "day_ahead"
    protects: Literal["seller", "buyer"] = "seller"
    up_to_load: bool = False

    @pydantic.field_validator("delivery", mode="before", json_schema_input_type=str | int | None)
    @classmethod
    def _as_text(cls, value: Any) -> Any:
        """YAML reads a year as a number and a day as a date, a table a year as 2022.0."""
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        return value if value is None else str(value)

    @pydantic.field_validator("shape", mode="before")
    @classmethod
    def _as_numbers(cls, value: Any) -> Any:
        """In a CSV file a profile is numbers with blanks between them."""
        return value.split() if isinstance(value, str) and " " in value.strip() else value

    @pydantic.model_validator(mode="after")
    def _consistent(self) -> Contract:
        wrong = list(self._contradictions())
        if self.delivery is not None:
            try:
                Delivery.of(self.delivery)
            except ValueError as error:
                wrong.append(str(error))
        if wrong:
            raise ValueError(f"{self.name}: {'; '.join(wrong)}")
        return self

    def _contradictions(self) -> Iterable[str]:
        given = [name for name in ("mw", "mwh", "share") if getattr(self, name) is not None]
        if len(given) != 1:
            yield f"{' and '.join(given) or 'no volume'}: give one of mw, mwh, share"
        if self.seller == self.buyer:
            yield f"seller and buyer are both {self.seller!r}: name two parties"
        if self.price is None and self.kind != "green_power":
            yield "no price: give money/MWh, or `tariff`"
        if self.kind == "forward" and self.share is not None:
            yield "the volume of a forward is fixed: give mw or mwh, or make it a cfd"
        if self.kind == "green_power" and (
            self.share is None or self.share > 1 or self.of != "output"
        ):
            yield "green power is sold as produced: give a share of output up to 1"
        if self.premium and self.kind not in (*OPTIONS, "green_power"):
            yield f"a {self.kind} has no premium: leave it away, or raise the price"
        if self.protects != "seller" and self.kind != "one_way_cfd":
            yield "only a one_way_cfd `protects` one side: leave it away"
        if self.up_to_load and (self.share is None or self.of != "output"):
            yield "`up_to_load` limits a share of output alone: leave it away"
        if self.shape != "flat" and self.share is not None and self.of != "capacity":
            yield f"a share of {self.of} has its shape: leave `shape` away"
        if not isinstance(self.shape, str) and sum(self.shape) == 0:
            yield "the profile is zero: give 24 numbers that are not all 0"

    @property
    def period(self) -> Delivery | None:
        """When it delivers; None: in the whole horizon."""
        return None if self.delivery is None else Delivery.of(self.delivery)

    @property
    def tenor(self) -> str:
        """Tenor, "all" for the whole horizon."""
        return "all" if self.period is None else self.period.tenor

    def in_each(self, provinces: Iterable[str]) -> list[Contract]:
        """Return the contract of each province where `*` stands for one, else the contract."""
        if not any(_EACH.search(side) for side in (self.seller, self.buyer)):
            return [self]
        return [
            self.model_copy(
                update={
                    "name": f"{self.name} {province}",
                    "seller": _placed(self.seller, province),
                    "buyer": _placed(self.buyer, province),
                }
            )
            for province in provinces
        ]


# `*` in the place of a province.
_EACH = re.compile(r"(^|@|^grid company )\*$")


def _placed(side: str, province: str) -> str:
    return _EACH.sub(lambda found: found[1] + province, side)


def book_faults(contracts: Sequence[Contract], where: str) -> list[Fault]:
    """Name contracts of one name, and such that fix the same twice.

    A month may lie over the year that has all of it, and so may peak and flat volumes or options
    at two strikes; else two contracts of one pair, kind and shape may not overlap in time.
    """
    names = [contract.name for contract in contracts]
    faults = [
        Fault(where, f"{names.count(name)} contracts are called {name!r}", "name them apart")
        for name in sorted({name for name in names if names.count(name) > 1})
    ]
    alike: dict[tuple[object, ...], list[Contract]] = {}
    for contract in contracts:
        alike.setdefault(_sort(contract), []).append(contract)
    for group in alike.values():
        for i, first in enumerate(group):
            for second in group[i + 1 :]:
                if not _twice(first, second):
                    continue
                what = (
                    f"{first.name!r} and {second.name!r}, {first.kind} of {first.seller} to "
                    f"{first.buyer}, overlap: {first.delivery or 'all'}, {second.delivery or 'all'}"
                )
                remedy = "make them one contract, or let one begin where the other ends"
                faults.append(Fault(where, what, remedy))
    return faults


def _twice(first: Contract, second: Contract) -> bool:
    """Whether two contracts of a sort are in force at one time and neither lies over the other."""
    one, two = first.period, second.period
    if one is None or two is None:
        return one is two
    if not one.overlaps(two):
        return False
    return one.tenor == two.tenor or not (one.within(two) or two.within(one))


def _sort(contract: Contract) -> tuple[object, ...]:
    measure = "quantity" if contract.share is None else contract.of
    strike = (contract.price, contract.multiple) if contract.kind in OPTIONS else None
    sort = (contract.kind, contract.seller, contract.buyer, contract.shape)
    return (*sort, measure, strike, contract.protects)


def read_book(path: Path) -> list[Contract]:
    """Read contracts from a CSV file, one a row, or a YAML file, a list `book` of them.

    Raises
    ------
    InputError
        Naming every fault by row.
    """
    if path.suffix in (".yaml", ".yml"):
        rows = load_yaml(path).get("book")
    elif path.suffix == ".csv":
        try:
            rows = pd.read_csv(path, dtype=str, keep_default_na=False).to_dict("records")
        except (OSError, ValueError) as error:
            detail = " ".join(str(error).split())
            raise InputError([Fault(str(path), f"cannot be read: {detail}", "check it")]) from None
    else:
        what = "is no file of contracts"
        raise InputError([Fault(str(path), what, "give a .csv or .yaml file")])
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        remedy = "write `book: [{name: ..., kind: ..., ...}, ...]`"
        raise InputError([Fault(str(path), "states no list of contracts", remedy)])
    faults: list[Fault] = []
    found = []
    for number, row in enumerate(rows, start=1):
        with collected(faults):
            found.append(validated(Contract, stated(row), f"{path}: contract {number}"))
    if faults:
        raise InputError(faults)
    return found


def stated(row: Mapping[Any, Any]) -> dict[str, Any]:
    """Leave away the cells of a row in which nothing stands."""
    return {str(key): value for key, value in row.items() if not _empty(value)}


def _empty(value: Any) -> bool:
    return value is None or value == "" or (isinstance(value, float) and bool(np.isnan(value)))
