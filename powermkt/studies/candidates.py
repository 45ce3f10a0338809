"""Plant and corridors that may be built, and how their entry is sought."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pydantic

from powermkt.common.files import load_yaml
from powermkt.common.values import NonNegative, Share, Strict
from powermkt.errors import validated
from powermkt.inputs.finance import annuity

Kind = Literal["generator", "storage", "corridor"]


class Candidate(Strict):
    """What may be built: a generator, storage (`hours`) or a corridor (`origin`, `destination`).

    A generator is like plant of its carrier in its province, or like the generator named: its
    available output by snapshot, marginal cost, emission rate, benchmark and tariff are means
    weighted by capacity, unless they are stated. It has no minimum, no starts and no ramps.

    Parameters
    ----------
    capital_cost : float
        Cost to build [money/MW].
    life : float
        Years of service [a].
    hurdle_rate : float
        Return that investors ask for [1/a].
    fixed_om : float
        Fixed operation and maintenance [money/(MW a)].
    potential : float, optional
        Most that can be built [MW]; default: no limit.
    carrier : str
        Needed of generators and storage.
    province : str, optional
        Where a generator or storage is built; at the bus of the plant that it is like, else at the
        one with most load.
    origin, destination : str, optional
        Provinces that a corridor links.
    like : str, optional
        Generator whose data are taken.
    availability : float, optional
        Available output in every snapshot [1], in the place of a profile.
    marginal_cost : float, optional
        [money/MWh]; of storage for what it discharges, of a corridor for what it carries (0).
    emission_rate, benchmark : float, optional
        [t/MWh]
    tariff : float, optional
        On-grid tariff [money/MWh].
    efficiency : float
        Of storage: round trip; of a corridor: what arrives of what is sent [1].
    hours : float, optional
        Hours of discharge at full output [h].
    both_ways : bool, default True
        Whether a corridor runs both ways; with losses or a marginal cost it runs one way.
    """

    capital_cost: float = pydantic.Field(gt=0, allow_inf_nan=False)
    life: float = pydantic.Field(gt=0, le=200)
    hurdle_rate: float = pydantic.Field(gt=-1, allow_inf_nan=False)
    fixed_om: NonNegative = 0.0
    potential: float | None = pydantic.Field(default=None, gt=0, allow_inf_nan=False)
    carrier: str = ""
    province: str | None = None
    origin: str | None = None
    destination: str | None = None
    like: str | None = None
    availability: Share | None = None
    marginal_cost: NonNegative | None = None
    emission_rate: NonNegative | None = None
    benchmark: NonNegative | None = None
    tariff: NonNegative | None = None
    efficiency: float = pydantic.Field(default=1.0, gt=0, le=1)
    hours: float | None = pydantic.Field(default=None, gt=0, allow_inf_nan=False)
    both_ways: bool = True

    @pydantic.model_validator(mode="after")
    def _one_kind(self) -> Candidate:
        said = {name for name in self.model_fields_set if getattr(self, name) is not None}
        plant = {"like", "availability", "emission_rate", "benchmark", "tariff"}
        wrong = {
            "corridor": {"province", "hours", *plant},
            "storage": {"origin", "destination", "both_ways", *plant} - {"tariff"},
            "generator": {"both_ways", "efficiency"},
        }[self.kind]
        if given := sorted(said & wrong):
            raise ValueError(f"a {self.kind} has no {', '.join(given)}")
        if self.kind == "corridor":
            lacking = [end for end in ("origin", "destination") if getattr(self, end) is None]
        else:
            lacking = [key for key in ("carrier", "province") if not getattr(self, key)]
        if lacking:
            raise ValueError(f"a {self.kind} needs {' and '.join(lacking)}")
        if self.kind == "corridor" and self.origin == self.destination:
            raise ValueError("origin and destination are the same province")
        return self

    @property
    def kind(self) -> Kind:
        """What it is, by what is stated of it."""
        if self.origin is not None or self.destination is not None:
            return "corridor"
        return "generator" if self.hours is None else "storage"

    @property
    def two_way(self) -> bool:
        """Whether it is a corridor that runs both ways: PyPSA lets flow back earn its cost."""
        free = self.efficiency == 1 and not self.marginal_cost
        return self.kind == "corridor" and self.both_ways and free

    @property
    def where(self) -> str:
        """Its province, or the two that it links."""
        return self.province or f"{self.origin} - {self.destination}"

    @property
    def yearly_cost(self) -> float:
        """Annuity and fixed operation, what it must earn [money/(MW a)]."""
        return annuity(self.capital_cost, self.life, self.hurdle_rate) + self.fixed_om

    @property
    def most(self) -> float:
        """Most that can be built [MW]; infinite where nothing says."""
        return float("inf") if self.potential is None else self.potential


class EntryPlan(Strict):
    """Candidates, and how their entry is sought.

    Parameters
    ----------
    candidates : dict of str to Candidate
    method : {"auto", "fixed_point"}
        "auto": one joint programme of capacities and dispatch where what plant earns are the
        marginal values of the clearing (`expansion.why_not`), a fixed point elsewhere;
        "fixed_point": everywhere.
    tolerance : float, default 0.002
        Capacity within which a fixed point is located, as a share of the potential, without one of
        the peak load [1].
    accuracy : float, default 0.001
        Excess return that counts as nothing, as a share of the yearly cost [1].
    iterations : int, default 120
        Most clearings of a fixed point.
    """

    candidates: dict[str, Candidate] = pydantic.Field(min_length=1)
    method: Literal["auto", "fixed_point"] = "auto"
    tolerance: float = pydantic.Field(default=2e-3, gt=0, lt=0.5)
    accuracy: float = pydantic.Field(default=1e-3, gt=0, lt=1)
    iterations: int = pydantic.Field(default=120, ge=1)


# What a study file says beside a plan: the command line reads it (`studyfile.Study`).
_VARIED = (
    "regimes", "carbon_prices", "weeks", "year", "start", "days", "look_ahead", "forecast_errors",
)  # fmt: skip


def read_entry_plan(path: str | Path) -> EntryPlan:
    """Read a plan from a YAML file; what it says of regimes, prices and horizon is left alone.

    Raises
    ------
    InputError
        Naming every unknown key and every value that cannot be.
    """
    content = load_yaml(Path(path))
    return entry_plan({key: content[key] for key in content if key not in _VARIED}, str(path))


def entry_plan(content: object, where: str = "plan") -> EntryPlan:
    """Return a plan from a mapping; errors as `read_entry_plan`."""
    return validated(EntryPlan, content, where)
