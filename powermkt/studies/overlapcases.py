"""What instruments count, and the lines of each case: alone, separate, merged.

A line is an obligation with one price. With x the dispatch and the measures of the separate case,
every merged case replaces lines by one whose target is what x adds up to in it; lines that stay ask
for what x reaches where it falls short. So x can be had in the merged case too, with no shortfall,
and what a regime minimises is there at most what it is in the separate case, without what that pays
for shortfalls.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import pandas as pd

from powermkt.errors import Fault, InputError, nearest
from powermkt.inputs.case import Case
from powermkt.inputs.conversion import Conversions
from powermkt.inputs.instruments import Instrument, instruments, instruments_of
from powermkt.inputs.overlapplan import REGISTERED, UNITS, Measure, OverlapPlan
from powermkt.rules.obligation import Obligation
from powermkt.rules.plant import plant_of
from powermkt.run import Run
from powermkt.system.heat import BOILER

NONE, SEPARATE, ONCE = "none", "separate", "separate, claims once"
CERTIFICATES_CARBON = "certificates with carbon"
CREDITED = "certificates credited in carbon"
RIGHTS_WHITE = "energy-use rights with white certificates"
UNIFIED = "unified"
MERGED = (CERTIFICATES_CARBON, CREDITED, RIGHTS_WHITE, UNIFIED)
_MERGES: dict[str, tuple[str, ...]] = {  # what one line stands for; the unified one for all
    CERTIFICATES_CARBON: ("carbon", "green"), CREDITED: ("carbon", "green"),
    RIGHTS_WHITE: ("energy_use", "white"),
}  # fmt: skip


@dataclass(frozen=True)
class Line:
    """One price: an obligation without its target, and what a tce of each measure counts in it.

    Attributes
    ----------
    name : str
    instruments : tuple of str
        Which it stands for.
    counts : dict
        Arguments of `Obligation`: kind, counts, carriers, unit.
    measures : dict of str to float
        [unit/tce] by measure.
    """

    name: str
    instruments: tuple[str, ...]
    counts: Mapping[str, Any]
    measures: Mapping[str, float] = field(default_factory=dict)

    @property
    def at_most(self) -> bool:
        """Whether measures take off it."""
        return self.counts["kind"] == "at_most"

    def obligation(self, **target: Any) -> Obligation:
        """Return the rule with a target."""
        return Obligation(name=self.name, **self.counts, **target)

    def by_plant(self, run: Run) -> pd.Series:
        """What each plant adds to it [unit of the horizon]."""
        if self.counts["counts"] == {}:
            return pd.Series(dtype=float)
        activity = self.obligation(target=0.0).activity(run.case, run.outcome)
        return activity.mul(run.case.weights, axis="index").sum()

    def saved(self, savings: pd.Series) -> float:
        """What measures count in it [unit of the horizon]; savings are by measure in tce."""
        return float(sum(savings.get(name, 0.0) * rate for name, rate in self.measures.items()))

    def total(self, run: Run, savings: pd.Series) -> float:
        """What plant and measures add up to [unit of the horizon]."""
        sign = -1.0 if self.at_most else 1.0
        return float(self.by_plant(run).sum()) + sign * self.saved(savings)


@dataclass(frozen=True)
class Accounting:
    """What the instruments of a study count in a case.

    Attributes
    ----------
    case : Case
    plan : OverlapPlan
    """

    case: Case
    plan: OverlapPlan

    @cached_property
    def _own(self) -> tuple[list[Instrument], list[Any]]:
        plan, market = self.plan, self.case.market
        named = {item.instrument for item in plan.instruments}
        keys = {item.key for item in plan.conversions}
        return (
            [*plan.instruments, *(i for i in market.instruments if i.instrument not in named)],
            [*plan.conversions, *(f for f in market.conversions if f.key not in keys)],
        )

    @cached_property
    def _conversions(self) -> Conversions:
        return Conversions(self._own[1])

    @cached_property
    def registry(self) -> pd.DataFrame:
        """As `instruments.instruments`, of the year if the study has one."""
        if self.plan.year is None:
            return instruments(*self._own)
        return instruments_of(self.plan.year, *self._own)

    @property
    def active(self) -> list[str]:
        """Keys of the instruments that the study states and that exist."""
        return [key for key in self.plan.stated if REGISTERED[key] in self.registry.index]

    @cached_property
    def left_out(self) -> list[str]:
        """What is said of instruments that do not exist yet."""
        table = instruments(*self._own)
        return [
            f"{REGISTERED[key]} began in {table['launch_year'][REGISTERED[key]]}: left out in "
            f"{self.plan.year}"
            for key in self.plan.stated
            if key not in self.active
        ]

    def carbon_of(self, fuel: str | float) -> float:
        """Factor of a fuel [tCO2/tce]."""
        if isinstance(fuel, str):
            return self._conversions.factor("tce", "tCO2", fuel)
        return float(fuel)

    @cached_property
    def factors(self) -> pd.Series:
        """What a tce saved emits, [measure] in tCO2/tce."""
        found = {item.name: self.carbon_of(item.fuel) for item in self.plan.measures}
        return pd.Series(found, dtype=float)

    @cached_property
    def fuel_rate(self) -> dict[str, float]:
        """Fuel of plant, by plant [tce/MWh]; 0 where it emits nothing.

        None is left out: a plant may be called as its carrier is, which would stand for all of it.
        """
        table = self.case.generators
        factor = {carrier: self.carbon_of(fuel) for carrier, fuel in self.plan.fuel.items()}
        rate = table["emission_rate"] / table["carrier"].map(factor)
        rate = rate.where(table["emission_rate"] > 0, 0.0)
        return {str(name): float(value) for name, value in rate.items()}

    # ---- lines -------------------------------------------------------------------------------

    def line(self, key: str, once: bool = False) -> Line:
        """The line of one instrument; with `once` a measure counts in the first that registers."""
        counts: dict[str, Any] = {"kind": "at_most", "unit": UNITS[key]}
        if key == "carbon":
            counts["counts"] = "emissions"
        elif key == "energy_use":
            counts["counts"] = self.fuel_rate
        elif key == "white":
            counts |= {"kind": "at_least", "counts": {}}
        else:
            assert self.plan.green is not None
            carriers = list(self.plan.green.carriers)
            counts |= {"kind": "at_least", "counts": "output", "carriers": carriers}
        registered = [
            item for item in self.plan.measures
            if key in ((self.registering(item)[:1]) if once else self.registering(item))
        ]  # fmt: skip
        rate = {item.name: self.factors[item.name] if key == "carbon" else 1.0
                for item in registered}  # fmt: skip
        return Line(key, (key,), counts, rate)

    def registering(self, measure: Measure) -> list[str]:
        """Instruments that register what a measure saves; white certificates come first."""
        active = self.active
        return [
            key for key in ("white", "energy_use", "carbon")
            if key in active and (measure.counts is None or key in measure.counts)
        ]  # fmt: skip

    def separate(self, once: bool = False) -> list[Line]:
        """The lines of all instruments beside each other."""
        return [self.line(key, once) for key in self.active]

    def merged(self, name: str, credit: float) -> list[Line] | None:
        """The lines of a merged case; none where an instrument of it lacks.

        Parameters
        ----------
        name : str
            One of `MERGED`.
        credit : float
            What a certificate is credited in carbon [tCO2/MWh].
        """
        active = self.active
        gone = _MERGES.get(name, tuple(active))
        if len(gone) < 2 or not set(gone) <= set(active):
            return None
        counts: Mapping[str, Any] = self.line("carbon").counts
        measures: Mapping[str, float] = {str(key): rate for key, rate in self.factors.items()}
        if name == RIGHTS_WHITE:
            counts, measures = self.line("energy_use").counts, dict.fromkeys(measures, 1.0)
        elif name in (CERTIFICATES_CARBON, CREDITED):
            measures = self.line("carbon").measures
            if name == CREDITED:
                counts = {**counts, "counts": self.credited_rate(credit)}
        one = Line("+".join(gone), gone, counts, measures)
        return [one, *(self.line(key) for key in active if key not in gone)]

    def credited_rate(self, credit: float) -> dict[str, float]:
        """Emissions less what certificates are credited, by plant [tCO2/MWh]."""
        green = self.line("green").obligation(target=0.0).counted(self.case)
        rate = self.case.generators["emission_rate"]  # of all, as in `fuel_rate`
        net = rate.sub(pd.Series(credit, green), fill_value=0.0)
        return {str(name): float(value) for name, value in net.items()}

    # ---- what cannot be ----------------------------------------------------------------------

    def faults(self) -> list[Fault]:
        """Name what the study asks for and there is none of."""
        plan, found = self.plan, []
        try:
            self.registry  # noqa: B018
        except InputError as error:
            return error.faults
        if not self.active:
            what = f"none of {', '.join(plan.stated)} exists in {plan.year}"
            began = instruments(*self._own)["launch_year"]
            first = min(int(began[REGISTERED[key]]) for key in plan.stated)
            found.append(Fault("study: year", what, f"state {first} or later"))
        provinces = {str(name) for name in self.case.provinces}
        for key in plan.stated:
            found += [
                Fault(f"study: {key}", f"unknown province {name!r}", nearest(name, provinces))
                for name in plan.provinces(key) if name not in provinces
            ]  # fmt: skip
        emits = self.case.generators[self.case.generators["emission_rate"] > 0]
        emitting = emits["carrier"]
        for key in ("carbon", "energy_use"):
            unnamed = set(emits["province"]) - set(plan.provinces(key) or emits["province"])
            if key in plan.stated and plan.target(key).tradable and unnamed:
                what = f"names no figure for {', '.join(sorted(unnamed))}, where plant counts too"
                found.append(Fault(f"study: {key}", what, "state one, or `tradable: false`"))
        carriers = set(plant_of(self.case)["carrier"]) - {BOILER}
        for name in plan.fuel:
            if name not in carriers:
                what = f"unknown carrier {name!r}"
                found.append(Fault("study: fuel", what, nearest(name, carriers)))
        needs = plan.energy_use is not None or (
            plan.white is not None and plan.white.share is not None
        )
        lacking = sorted(set(emitting) - set(plan.fuel)) if needs or plan.fuel else []
        if lacking:
            what = f"the fuel of {', '.join(lacking)} is not stated"
            remedy = "state a basis, such as raw coal, or its factor [tCO2/tce]"
            found.append(Fault("study: fuel", what, remedy))
        if plan.green is not None:
            known = {*carriers, "renewable"}
            found += [
                Fault("study: green.carriers", f"unknown carrier {name!r}", nearest(name, known))
                for name in plan.green.carriers if name not in known
            ]  # fmt: skip
        fuels = [(f"fuel.{key}", fuel) for key, fuel in plan.fuel.items()]
        fuels += [(f"measure {item.name}", item.fuel) for item in plan.measures]
        for where, fuel in fuels:
            found += _told(lambda fuel=fuel: self.carbon_of(fuel), f"study: {where}")  # type: ignore[misc]
        for item in plan.measures:
            where = f"study: measure {item.name}"
            if item.province is not None and item.province not in provinces:
                what = f"unknown province {item.province!r}"
                found.append(Fault(where, what, nearest(item.province, provinces)))
            for key in item.counts or ():
                if key not in plan.stated:
                    what = f"counts in {key!r}, which the study does not state"
                    found.append(Fault(where, what, f"state {key}, or leave it away"))
            local = [key for key in item.counts or ("white", "energy_use", "carbon")
                     if key in plan.stated and not plan.target(key).tradable]  # fmt: skip
            found += [
                Fault(where, f"counts in {key}, which has no target in {item.province!r}",
                      f"state one, or place it in one of {', '.join(plan.provinces(key))}")
                for key in local
                if item.province in provinces and item.province not in plan.provinces(key)
            ]  # fmt: skip
            if item.province is None and local:
                what = f"counts in {', '.join(local)} by province and is in none"
                found.append(Fault(where, what, "state its `province`"))
        return found


def _told(action: Callable[[], object], where: str) -> list[Fault]:
    try:
        action()
    except InputError as error:
        return [Fault(f"{where}: {f.where}", f.what, f.remedy) for f in error.faults]
    return []
