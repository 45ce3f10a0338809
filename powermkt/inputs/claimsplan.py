"""What becomes of green certificates, as data: who claims which MWh, and under which instrument."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import pydantic

from powermkt.common.files import load_yaml
from powermkt.common.values import NonNegative, Share, Strict
from powermkt.errors import validated
from powermkt.inputs.conversion import Factor
from powermkt.inputs.instruments import YEARS, Instrument

ALL = "all"  # key of every province


class Registration(Strict):
    """A claim to some of the certificates of some plant.

    Parameters
    ----------
    of : str
        Plant, ``carrier@province``, province, carrier, or "renewable" for all of it.
    use : {"retire", "bank", "convert"}
        Retire voluntarily, keep for later, or convert to what another instrument counts.
    share, mwh : float
        How much of what is issued to that plant: a share [1], or energy of the horizon [MWh],
        spread by what is issued. One of them.
    to : str, default "carbon_market"
        Instrument that a conversion is for, a key of `instruments`.
    by : str, optional
        Who claims; default: "voluntary buyers" who retire, the plant that banks, "offset suppliers"
        for the carbon market, else the plant.
    price : float, default 0
        What `by` pays the plant [money/MWh].
    """

    of: str = pydantic.Field(min_length=1)
    use: Literal["retire", "bank", "convert"]
    share: Share | None = None
    mwh: NonNegative | None = None
    to: str = pydantic.Field(default="carbon_market", min_length=1)
    by: str = ""
    price: NonNegative = 0.0

    @pydantic.model_validator(mode="after")
    def _consistent(self) -> Registration:
        if (self.share is None) == (self.mwh is None):
            raise ValueError(f"{self.of}: give one of share, mwh")
        if "to" in self.model_fields_set and self.use != "convert":
            raise ValueError(f"{self.of}: `to` is of a conversion: leave it away")
        if self.price and not self.by:
            raise ValueError(f"{self.of}: a price that nobody pays: say `by` whom")
        return self


def _by_province(value: Any) -> Any:
    return {ALL: value} if isinstance(value, int | float) else value


class ClaimsPlan(Strict):
    """What becomes of the certificates of a run.

    Green power contracts take theirs first, then `registrations` in their order, then
    `obligations`; what nobody claims is banked.

    Parameters
    ----------
    hydro : bool, default False
        Whether hydro is issued certificates beside wind and sun.
    year : int, optional
        Whose instruments exist; default: that of the first snapshot.
    bundled : {"retired", "banked"}
        What buyers of green power do with theirs; retired they count for the obligation of the
        buyer's province.
    registrations : list of Registration
    obligations : dict of str to float, or float
        Share of the energy served in a province for which its grid company retires certificates
        [1]; one number, or the key "all", is that of every province not named.
    tradable : bool, default True
        Whether an obligation may be met with certificates of other provinces.
    certificate_price : float, optional
        What an obliged grid company pays the plant [money/MWh]; default: what a rule
        `Participation` says the certificate of the plant is worth, else 0.
    shortfall_price : float, optional
        What it pays public funds for each MWh that lacks [money/MWh]; absent: that is an error.
    avoided : str, float or dict of str to float
        Tonnes that one MWh avoids: "operating_margin" (default: mean emission rate of the output
        of emitting plant of the province, of all where it has none), "marginal" (emission rate of
        one more MWh of load at the bus and hour of the plant), or by province [t/MWh].
    credited : float, optional
        Tonnes that are credited for one MWh; default: what it avoids [t/MWh].
    bases : list of str, optional
        Bases on which MWh convert to the unit of an instrument that counts no CO2; default: "power
        supply" of the year.
    conversions : list of Factor
        Before those of the market file and those that come with powermkt.
    instruments : list of Instrument
        Beside those that come with powermkt.
    """

    hydro: bool = False
    year: int | None = pydantic.Field(default=None, ge=YEARS[0], le=YEARS[1])
    bundled: Literal["retired", "banked"] = "retired"
    registrations: tuple[Registration, ...] = ()
    obligations: Annotated[
        dict[str, Share],
        pydantic.BeforeValidator(_by_province, json_schema_input_type=dict[str, Share] | Share),
    ] = pydantic.Field(default_factory=dict)
    tradable: bool = True
    certificate_price: NonNegative | None = None
    shortfall_price: NonNegative | None = None
    avoided: Literal["operating_margin", "marginal"] | NonNegative | dict[str, NonNegative] = (
        "operating_margin"
    )
    credited: NonNegative | None = None
    bases: tuple[str, ...] | None = None
    conversions: tuple[Factor, ...] = ()
    instruments: tuple[Instrument, ...] = ()


def claims_plan(source: ClaimsPlan | Mapping[str, Any] | str | Path) -> ClaimsPlan:
    """Return a plan, from a mapping or a YAML file where it is none yet.

    Raises
    ------
    InputError
        Naming every fault of it.
    """
    if isinstance(source, ClaimsPlan):
        return source
    where = str(source) if isinstance(source, str | Path) else "plan"
    content = load_yaml(Path(source)) if isinstance(source, str | Path) else source
    return validated(ClaimsPlan, content, where)
