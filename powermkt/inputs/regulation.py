"""Deep peak regulation and AGC mileage as data (`services.deep_peak`, `services.mileage`)."""

from __future__ import annotations

from itertools import pairwise
from typing import Literal

import pydantic

from powermkt.common.values import NonNegative, Share, Strict

Area = Literal["province", "all"]
Quality = Literal["given", "recalled", "estimated"]


class Tier(Strict):
    """A part of the range below the base load rate; it begins where the one before ends."""

    to: Share = pydantic.Field(description="load rate at its lower edge, share of what is on [1]")
    cap: NonNegative = pydantic.Field(description="highest offer and price [money/MWh]")


class DeepPeak(Strict):
    """Output below the base load rate, which plant must reach unpaid.

    A load rate is output as a share of the capacity that is on. Below the lower edge of the last
    tier nothing is paid, and where tiers are offered in the joint clearing output stays above it.
    """

    base: float = pydantic.Field(
        default=0.5, gt=0, le=1, description="load rate that is obligatory and unpaid [1]"
    )
    tiers: list[Tier] = pydantic.Field(min_length=1)
    carriers: list[str] | None = pydantic.Field(
        default=None, description="who regulates; absent: the quota carriers"
    )
    offers: dict[str, list[NonNegative]] = pydantic.Field(
        default_factory=dict,
        description="money/MWh, one for each tier, by carrier or generator; absent: the caps",
    )
    area: Area = pydantic.Field(
        default="province", description="within which there is one price for each tier"
    )

    @pydantic.model_validator(mode="after")
    def _ladder(self) -> DeepPeak:
        edge, cap = self.base, 0.0
        for number, tier in enumerate(self.tiers, start=1):
            if tier.to >= edge:
                raise ValueError(
                    f"tiers overlap: tier {number} ends at {tier.to:g}, not below {edge:g}, "
                    "where it begins"
                )
            if tier.cap < cap:
                raise ValueError(
                    f"caps fall: {tier.cap:g} in tier {number} after {cap:g}; deeper must not be "
                    "cheaper"
                )
            edge, cap = tier.to, tier.cap
        for name, offers in self.offers.items():
            if len(offers) != len(self.tiers):
                raise ValueError(f"offers.{name}: {len(offers)} prices for {len(self.tiers)} tiers")
            if offers != sorted(offers):
                raise ValueError(f"offers.{name}: prices fall from tier to tier")
            for number, (offer, tier) in enumerate(zip(offers, self.tiers, strict=True), start=1):
                if offer > tier.cap:
                    raise ValueError(
                        f"offers.{name}: {offer:g} is above the cap {tier.cap:g} of tier {number}"
                    )
        return self

    @property
    def widths(self) -> list[float]:
        """Width of each tier, share of what is on [1]."""
        edges = [self.base, *(tier.to for tier in self.tiers)]
        return [upper - lower for upper, lower in pairwise(edges)]


class Performance(Strict):
    """How well a provider follows a signal; what is absent: as its carrier, or typical."""

    speed: float | None = pydantic.Field(
        default=None, gt=0, allow_inf_nan=False, description="%/min of its capacity"
    )
    standard: float | None = pydantic.Field(
        default=None, gt=0, allow_inf_nan=False, description="%/min that its kind should reach"
    )
    response: NonNegative | None = pydantic.Field(default=None, description="s until it responds")
    error: NonNegative | None = pydantic.Field(default=None, description="% of its capacity")
    capability: NonNegative | None = pydantic.Field(
        default=None,
        description="MW of mileage it can give in an hour; absent: 60 minutes at its speed",
    )


# Where a market file says nothing, by what is in the name of a carrier. No measured figures: the
# standards of coal, gas and hydro are recalled from regional dispatch rules, the rest is estimated.
TYPICAL: dict[str, tuple[Performance, Quality]] = {
    "coal": (Performance(speed=1.5, standard=1.5, response=40, error=1.0), "recalled"),
    "lignite": (Performance(speed=1.0, standard=1.0, response=50, error=1.0), "estimated"),
    "gas": (Performance(speed=4.0, standard=3.0, response=30, error=1.0), "recalled"),
    "hydro": (Performance(speed=30.0, standard=20.0, response=10, error=0.6), "recalled"),
    "battery": (Performance(speed=100.0, standard=20.0, response=2, error=0.2), "estimated"),
}
_SPEED, _RESPONSE_S, _ERROR, _SPEED_MOST = 1.0, 60.0, 2.0, 3.0


def score(
    weights: tuple[float, float, float],
    *,
    speed: float,
    standard: float,
    response: float,
    error: float,
) -> float:
    """Performance K of AGC: ``w1 K1 + w2 K2 + w3 K3``.

    ``K1 = V / V_std``, at most 3, ``K2 = 1 - T / 60 s``, ``K3 = 1 - E / 2 %``, both at least 0
    (rules of Hunan's frequency regulation market of 2025).

    Parameters
    ----------
    weights : tuple of float
        0.4, 0.3, 0.3 in Hunan.
    speed, standard : float
        V and V_std [%/min].
    response : float
        T [s].
    error : float
        E [% of rated capacity].
    """
    parts = (
        min(speed / standard, _SPEED_MOST),
        max(1.0 - response / _RESPONSE_S, 0.0),
        max(1.0 - error / _ERROR, 0.0),
    )
    return sum(weight * part for weight, part in zip(weights, parts, strict=True))


class MileageNeed(Strict):
    """Mileage that one area needs in each hour: the sum of what is stated [MW].

    Mileage is what output moves up and down in an hour, all movements added up.
    """

    zone: str = pydantic.Field(default="all", description="declared zone, province, `all`")
    mw: NonNegative = 0.0
    load_share: NonNegative = pydantic.Field(default=0.0, description="of load in the zone [1]")
    per_regulation: NonNegative = pydantic.Field(
        default=0.0, description="times what regulation products require in the zone [1]"
    )


class Mileage(Strict):
    """A market for AGC mileage."""

    needs: list[MileageNeed] = pydantic.Field(min_length=1)
    carriers: list[str] | None = pydantic.Field(default=None, description="who may serve")
    providers: list[str] | None = pydantic.Field(
        default=None, description="generators and storage units that may serve, beside carriers"
    )
    cap: NonNegative = pydantic.Field(description="highest bid [money/MW]")
    floor: NonNegative = pydantic.Field(default=0.0, description="lowest bid [money/MW]")
    bids: dict[str, NonNegative] = pydantic.Field(
        default_factory=dict, description="money/MW by carrier or provider; absent: the cap"
    )
    performance: dict[str, Performance] = pydantic.Field(
        default_factory=dict, description="by carrier or provider; absent: typical figures"
    )
    weights: tuple[NonNegative, NonNegative, NonNegative] = pydantic.Field(
        default=(0.4, 0.3, 0.3), description="of speed, response and precision in K"
    )
    award_cap: float | None = pydantic.Field(
        default=None, gt=0, le=1, description="most that one unit serves, share of the need [1]"
    )
    paid_k_cap: float = pydantic.Field(
        default=2.0, gt=0, allow_inf_nan=False, description="K beyond it is not paid"
    )

    @pydantic.model_validator(mode="after")
    def _complete(self) -> Mileage:
        if self.carriers is None and self.providers is None:
            raise ValueError("name who may serve (carriers, providers)")
        if self.floor > self.cap:
            raise ValueError(f"floor {self.floor:g} is above cap {self.cap:g}")
        if sum(self.weights) <= 0:
            raise ValueError("weights sum to zero")
        for name, bid in self.bids.items():
            if not self.floor <= bid <= self.cap:
                raise ValueError(f"bids.{name}: {bid:g} is outside {self.floor:g} .. {self.cap:g}")
        return self
