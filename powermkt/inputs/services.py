"""Ancillary services as data: products, requirements, who provides, who pays (`market.yaml`)."""

from __future__ import annotations

from typing import Annotated, Literal

import pydantic

from powermkt.common.values import NonNegative, Strict
from powermkt.inputs.regulation import Area, DeepPeak, Mileage

# kind -> direction, whether providers must be on
KINDS: dict[str, tuple[str, bool]] = {
    "spinning": ("up", True),
    "spinning_down": ("down", True),
    "non_spinning": ("up", False),
    "regulation_up": ("up", True),
    "regulation_down": ("down", True),
    "ramp_up": ("up", True),
    "ramp_down": ("down", True),
}
Kind = Literal[
    "spinning", "spinning_down", "non_spinning", "regulation_up", "regulation_down", "ramp_up",
    "ramp_down",
]  # fmt: skip
# Services beside the products, as `charges` names them.
OTHERS = ("deep_peak", "mileage", "capacity", "deviation")


class Requirement(Strict):
    """What must be held in a zone: the sum of what is stated [MW].

    Several requirements for one zone hold all; a zone within another counts in both.
    """

    zone: str = pydantic.Field(default="all", description="declared zone, province, `all`")
    mw: NonNegative = 0.0
    load_share: NonNegative = pydantic.Field(default=0.0, description="of load in the zone [1]")
    renewable_share: NonNegative = pydantic.Field(
        default=0.0, description="of available wind and solar output in the zone [1]"
    )
    largest_infeed: NonNegative = pydantic.Field(
        default=0.0, description="times the largest unit available in the zone or link into it [1]"
    )
    net_load_ramp: NonNegative = pydantic.Field(
        default=0.0,
        description="times the change of net load (load less available wind and sun) to the next "
        "snapshot, in the direction of the product [1]",
    )


class ShortageStep(Strict):
    """A part of a shortage and its price; the last step has no end."""

    mw: float | None = pydantic.Field(default=None, gt=0, allow_inf_nan=False)
    price: float = pydantic.Field(ge=0, allow_inf_nan=False, description="money/(MW h)")


class Shape(Strict):
    """How much a provider can give at which output: an enablement trapezium [MW]."""

    max: float = pydantic.Field(ge=0, allow_inf_nan=False)
    enablement_min: float = pydantic.Field(default=0.0, ge=0, allow_inf_nan=False)
    low_break: float | None = pydantic.Field(default=None, ge=0, allow_inf_nan=False)
    high_break: float | None = pydantic.Field(default=None, ge=0, allow_inf_nan=False)
    enablement_max: float | None = pydantic.Field(default=None, ge=0, allow_inf_nan=False)

    @pydantic.model_validator(mode="after")
    def _ordered(self) -> Shape:
        if (self.high_break is None) != (self.enablement_max is None):
            raise ValueError("high_break and enablement_max belong together")
        given = (self.enablement_min, self.low_break, self.high_break, self.enablement_max)
        edges = [edge for edge in given if edge is not None]
        if edges != sorted(edges):
            raise ValueError(
                "enablement_min <= low_break <= high_break <= enablement_max does not hold"
            )
        return self


class Product(Strict):
    """A reserve product; a new one of these kinds is an entry under `services.products`."""

    kind: Kind
    requirements: list[Requirement] = pydantic.Field(min_length=1)
    carriers: list[str] | None = pydantic.Field(
        default=None, description="who may provide; absent, with `providers` absent: everybody"
    )
    providers: list[str] | None = pydantic.Field(
        default=None, description="generators and storage units that may provide, beside carriers"
    )
    ramp_minutes: float | None = pydantic.Field(
        default=None, gt=0, allow_inf_nan=False, description="awards are reached within them"
    )
    sustain_hours: float = pydantic.Field(
        default=1.0, ge=0, allow_inf_nan=False, description="storage gives its award that long"
    )
    offer: NonNegative | dict[str, NonNegative] = pydantic.Field(
        default=0.0, description="money/(MW h), one for all or by carrier or provider"
    )
    shortage: list[ShortageStep] | NonNegative | None = pydantic.Field(
        default=None, description="price of what is short; absent: half the value of lost load"
    )
    substitutes: list[str] = pydantic.Field(
        default_factory=list, description="better products whose providers may serve this one"
    )
    shapes: dict[str, Shape] = pydantic.Field(
        default_factory=dict, description="enablement trapeziums by provider"
    )
    regulated_price: NonNegative = pydantic.Field(
        default=0.0, description="money/(MW h) where providers are paid by administration"
    )

    @pydantic.model_validator(mode="after")
    def _complete(self) -> Product:
        if self.kind == "non_spinning" and self.carriers is None and self.providers is None:
            raise ValueError("non_spinning: name who starts in time (carriers, providers)")
        if isinstance(self.shortage, list):
            prices = [step.price for step in self.shortage]
            if not prices or any(step.mw is None for step in self.shortage[:-1]):
                raise ValueError("shortage: each step but the last needs `mw`")
            if self.shortage[-1].mw is not None:
                raise ValueError("shortage: the last step has no end; leave its `mw` away")
            if prices != sorted(prices):
                raise ValueError("shortage: prices must not fall from step to step")
        return self

    @property
    def direction(self) -> str:
        """Whether it is output that can rise (`up`) or fall (`down`)."""
        return KINDS[self.kind][0]

    @property
    def online(self) -> bool:
        """Whether providers must be on."""
        return KINDS[self.kind][1]


class Charge(Strict):
    """Who pays a service: a share of its cost, by a measure times a weight.

    A party is known by its name, its carrier or user class, and its province. The weight given for
    the most special of these counts, 1 where there is none; who is exempt by any of them pays
    nothing.

    Where nobody is measured by anything, others pay, and weights and exemptions hold for them: load
    of the province, all load, energy of generators and storage in the province, all energy. Only
    where none of these is left does all load pay, whoever is exempt.
    """

    by: Literal["load", "energy", "deviation"] = pydantic.Field(
        default="load",
        description="load served; energy of generators and storage; deviation of real time from "
        "the day ahead, of generators, storage and loads",
    )
    carriers: list[str] | None = pydantic.Field(
        default=None, description="generators and storage that pay; absent: all"
    )
    above_base: bool = pydantic.Field(
        default=False,
        description="plant that gives deep peak regulation in a snapshot pays nothing in it",
    )
    area: Area = pydantic.Field(
        default="all", description="`province`: who pays is in the province of who is paid"
    )
    share: float = pydantic.Field(default=1.0, gt=0, allow_inf_nan=False)
    weights: dict[str, NonNegative] = pydantic.Field(default_factory=dict)
    exempt: list[str] = pydantic.Field(default_factory=list)
    period: Literal["snapshot", "day", "horizon"] = pydantic.Field(
        default="snapshot", description="within which a cost is shared"
    )

    @pydantic.model_validator(mode="after")
    def _measured(self) -> Charge:
        if self.by == "load" and (self.carriers is not None or self.above_base):
            raise ValueError("carriers and above_base are of plant: charge by energy or deviation")
        return self


class Services(Strict):
    """Contents of `services` in a `market.yaml`; every key is optional."""

    zones: dict[str, list[str]] = pydantic.Field(
        default_factory=dict, description="zones by provinces, pricing zones or buses"
    )
    products: dict[str, Product] = pydantic.Field(default_factory=dict)
    ramp_rates: dict[str, Annotated[float, pydantic.Field(gt=0, allow_inf_nan=False)]] = (
        pydantic.Field(
            default_factory=dict,
            description="share of capacity a minute, by carrier or generator, where the network "
            "states none (`generators.ramp_rate`, else its ramp limits) [1/min]",
        )
    )
    deep_peak: DeepPeak | None = None
    mileage: Mileage | None = None
    charges: dict[str, list[Charge]] = pydantic.Field(
        default_factory=dict,
        description="who pays, by service (products, deep_peak, mileage, capacity, deviation); "
        "`default` for the others; absent: load, and for deep_peak other plant by energy",
    )

    def charge(self, service: str, usual: list[Charge] | None = None) -> list[Charge]:
        """Return who pays a service: as stated for it, by `default`, as usual, by load."""
        return self.charges.get(service) or self.charges.get("default") or usual or [Charge()]
