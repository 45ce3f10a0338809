"""What a network says about its institutions: the `market.yaml` beside it."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated, Literal

import pydantic

from powermkt.common.files import load_yaml
from powermkt.common.values import NonNegative, Share, Strict
from powermkt.errors import Fault, InputError, faults_of, validated
from powermkt.inputs.conversion import Factor
from powermkt.inputs.instruments import Instrument
from powermkt.inputs.services import Services

# Name fragments by which carriers are recognised where market.yaml does not list them
# (PyPSA, PyPSA-Eur and PyPSA-China spellings).
_FRAGMENTS = {
    "wind": ("wind",),
    "solar": ("solar", "pv"),
    "hydro": ("hydro", "ror", "run of river"),
    "quota": ("coal", "lignite"),
    "heat": ("chp",),
}
_NOT_HYDRO = ("pumped", "phs", "hydrogen")


def _as_text(value: object) -> object:
    """Write a date as it stood in the file: YAML reads 2020-07-10 as one."""
    return value.isoformat() if isinstance(value, date) else value


Finite = Annotated[float, pydantic.Field(allow_inf_nan=False)]
Day = Annotated[str, pydantic.BeforeValidator(_as_text)]


class Carriers(Strict):
    """Which carriers the rules mean; each list defaults to a match by name."""

    wind: list[str] | None = None
    solar: list[str] | None = None
    hydro: list[str] | None = None
    quota: list[str] | None = pydantic.Field(
        default=None, description="thermal units that get equal shares and annual contracts"
    )
    heat: list[str] | None = pydantic.Field(
        default=None, description="units whose p_min_pu is heat must-run, outside the quota"
    )

    def resolved(self, present: list[str]) -> Carriers:
        """Fill the lists that are not given from the carriers `present` in a network."""
        lists = {}
        for kind, fragments in _FRAGMENTS.items():
            given = getattr(self, kind)
            if given is None:
                given = [
                    name
                    for name in present
                    if any(part in name.lower() for part in fragments)
                    and not (kind == "hydro" and any(part in name.lower() for part in _NOT_HYDRO))
                ]
            lists[kind] = given
        return Carriers(**lists)

    @property
    def renewable(self) -> list[str]:
        """Carriers whose unused output is curtailment, in curtailment order (first cut first).

        The order is the declared tie-break among resources with equal offers.
        """
        return [*(self.solar or []), *(self.wind or []), *(self.hydro or [])]


class Quota(Strict):
    """The annual plan of thermal units under equal shares."""

    band: float = pydantic.Field(default=0.03, ge=0, le=1, description="tolerance, share of H")
    load_factor: dict[str, Share] = pydantic.Field(
        default_factory=dict,
        description="planned load factor by province; found by least cost if absent",
    )


class Trade(Strict):
    """The framework schedule of the ties and what may deviate from it."""

    schedule_band: float = pydantic.Field(default=0.0, ge=0, description="free deviation, share")
    hurdle_rate: float = pydantic.Field(
        default=float("inf"), ge=0, description="money/MWh on exchange beyond the band; .inf: none"
    )


class ForecastErrors(Strict):
    """Day-ahead forecasts that are drawn around what happens (`forecasts`)."""

    seed: int = pydantic.Field(ge=0)
    std: dict[str, NonNegative] = pydantic.Field(
        min_length=1,
        description="standard deviation by carrier, share of capacity; of `load`, share of load",
    )
    autocorrelation: Share = pydantic.Field(default=0.9, description="of errors an hour apart")
    correlation: Share = pydantic.Field(
        default=0.5, description="of errors of two plants of one carrier, or of two loads"
    )


class PenaltyLadder(Strict):
    """Prices of violated limits [money/MWh]; absent: as declared, branches not to be exceeded."""

    branch: float | None = pydantic.Field(default=None, gt=0)
    unserved: float | None = pydantic.Field(default=None, gt=0)
    excess: float | None = pydantic.Field(default=None, gt=0)


class Penalties(Strict):
    """What violations cost in dispatch, and what they set as a price in the run for prices."""

    dispatch: PenaltyLadder = PenaltyLadder()
    pricing: PenaltyLadder | None = pydantic.Field(
        default=None, description="absent: the prices of dispatch"
    )

    @pydantic.model_validator(mode="after")
    def _priced_limits(self) -> Penalties:
        if self.pricing and self.pricing.branch and not self.dispatch.branch:
            raise ValueError("pricing.branch needs dispatch.branch")
        return self


class SeamSettings(Strict):
    """Which storage carries energy from week to week when every week of a year is cleared."""

    min_hours: float = pydantic.Field(
        default=48.0,
        ge=0,
        description="`max_hours` from which storage units follow the plan of the year; shorter "
        "ones end each week where they began",
    )
    block_hours: float = pydantic.Field(
        default=12.0, gt=0, description="hours over which that plan averages the network"
    )


class Calibration(Strict):
    """The run that is set beside observed figures."""

    regime: str = pydantic.Field(description="a preset, or a file in the network's folder")
    observed: str = pydantic.Field(description="CSV of observed figures in the network's folder")
    carbon_price: float = pydantic.Field(default=0.0, ge=0, description="money/t")
    groups: dict[str, list[str]] = pydantic.Field(
        default_factory=dict, description="carriers behind each observed fuel"
    )
    own_use: float = pydantic.Field(default=0.0, ge=0, lt=1, description="plants' own use, share")
    utilisation_range: tuple[float, float] = pydantic.Field(
        default=(0.0, 8784.0), description="plausible hours of quota units by province"
    )


class Finance(Strict):
    """What plant of a carrier costs to build and to keep; what is absent says the key `default`."""

    capex: float | None = pydantic.Field(
        default=None, ge=0, allow_inf_nan=False, description="money/kW, at once before year 1"
    )
    fixed_om: float | None = pydantic.Field(
        default=None, ge=0, allow_inf_nan=False, description="money/kW a year; absent: 0"
    )
    lifetime: float | None = pydantic.Field(default=None, gt=0, le=200, description="years")
    discount_rate: float | None = pydantic.Field(
        default=None, gt=-1, allow_inf_nan=False, description="a year, share"
    )


class Mapping(Strict):
    """What a network of another project calls what powermkt needs (`powermkt.inputs.mapping`)."""

    carriers: dict[str, str] = pydantic.Field(
        default_factory=dict, description="name of a carrier here, by its name in the network"
    )
    columns: dict[str, str | Finite | dict[str, str | Finite]] = pydantic.Field(
        default_factory=dict,
        description="by one of powermkt's own columns (`buses.province`): a column of the same "
        "table, a value for all, or values by carrier, `default` for the rest",
    )
    capacities: Literal["given", "optimal"] | None = pydantic.Field(
        default=None, description="what extendable capacities are fixed at; absent: refused"
    )
    drop: tuple[str, ...] = pydantic.Field(
        default=(), description="carriers whose plant, links and stores are left away"
    )
    global_constraints: Literal["keep", "drop"] = "keep"


class Market(Strict):
    """Contents of a `market.yaml`; every key is optional."""

    name: str = pydantic.Field(default="", pattern=r"^[^/\\.][^/\\]*$|^$")
    source: Literal["rts_gmlc"] | None = pydantic.Field(
        default=None, description="builds the network, where the folder holds none"
    )
    currency: str = "money"
    price_year: int | None = None
    carriers: Carriers = Carriers()
    value_of_lost_load: float | None = pydantic.Field(
        default=None, gt=0, description="money/MWh; absent: unserved load is an error"
    )
    price_of_excess: float | None = pydantic.Field(
        default=None, gt=0, description="money/MWh of generation nobody can use; absent: an error"
    )
    weeks: int | None = pydantic.Field(
        default=None, ge=1, le=52, description="default horizon; absent: all snapshots at once"
    )
    start: Day | None = pydantic.Field(default=None, description="default horizon: first day")
    days: int | None = pydantic.Field(default=None, ge=1, description="default horizon: days")
    mapping: Mapping | None = None
    quota: Quota = Quota()
    trade: Trade = Trade()
    seams: SeamSettings = SeamSettings()
    penalties: Penalties = Penalties()
    services: Services = Services()
    forecast_errors: ForecastErrors | None = None
    finance: dict[str, Finance] = pydantic.Field(
        default_factory=dict, description="by carrier; `default` for what a carrier does not state"
    )
    population: dict[str, Annotated[float, pydantic.Field(gt=0, allow_inf_nan=False)]] = (
        pydantic.Field(default_factory=dict, description="persons by province")
    )
    calibration: Calibration | None = None
    conversions: tuple[Factor, ...] = pydantic.Field(
        default=(), description="between units, in the place of those that come with powermkt"
    )
    instruments: tuple[Instrument, ...] = pydantic.Field(
        default=(), description="beside those that come with powermkt"
    )

    @pydantic.model_validator(mode="after")
    def _declared(self) -> Market:
        ladders = (self.penalties.dispatch, self.penalties.pricing or PenaltyLadder())
        for name, value in (("unserved", self.value_of_lost_load),
                            ("excess", self.price_of_excess)):  # fmt: skip
            if value is None and any(getattr(ladder, name) is not None for ladder in ladders):
                key = "value_of_lost_load" if name == "unserved" else "price_of_excess"
                raise ValueError(f"penalties: {name} needs {key}")
        return self


def read_services(path: Path) -> Services:
    """Read a YAML file of ancillary services, as they stand under `services` in a market file."""
    content = load_yaml(path)
    if not content:
        valid = ", ".join(Services.model_fields)
        raise InputError([Fault(str(path), "states no services", f"state some of {valid}")])
    return validated(Services, content, str(path))


def read_market(path: Path, faults: list[Fault] | None = None) -> Market:
    """Read a `market.yaml`.

    Parameters
    ----------
    path : Path
    faults : list of Fault, optional
        Takes what is wrong; what is left of the file is returned then, for it may contradict the
        network as well.

    Raises
    ------
    InputError
        Without such a list.
    """
    try:
        content = load_yaml(path)
    except InputError as error:
        if faults is None:
            raise
        faults += error.faults
        return Market()
    try:
        return Market.model_validate(content)
    except pydantic.ValidationError as error:
        found = faults_of(error, str(path), Market)
        if faults is None:
            raise InputError(found) from None
        faults += found
        wrong = {item["loc"][0] for item in error.errors() if item["loc"]}
    try:
        return Market.model_validate({key: content[key] for key in content if key not in wrong})
    except pydantic.ValidationError:  # what is left does not go together
        return Market()
