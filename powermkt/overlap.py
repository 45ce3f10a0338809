"""The overlap study: instruments alone, separate, merged; cost, burden, double counting."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from powermkt.case import Case
from powermkt.clearall import clear_all
from powermkt.engine import Progress
from powermkt.errors import Fault, InputError
from powermkt.horizon import Horizon, cut
from powermkt.obliged import obliged_faults
from powermkt.overlapcases import CREDITED, MERGED, NONE, ONCE, SEPARATE, Accounting, Line
from powermkt.overlapclaims import claimed, double_counted_pairs, proof
from powermkt.overlapparties import burdens
from powermkt.overlapplan import REGISTERED, Measure, OverlapPlan, overlap_plan
from powermkt.published import published
from powermkt.regime import Regime
from powermkt.regime import regime as as_regime
from powermkt.rules import CarbonCap, Obligation, Rule, Savings
from powermkt.rules.plant import own_output_of, plant_of
from powermkt.run import Run
from powermkt.writing import write_results

CASES: dict[str, tuple[str, str]] = {
    "case": ("", "instruments alone, separate (all beside each other), or merged"),
    "system_cost": ("money", "resource cost of the power system"),
    "savings_cost": ("money", "resource cost of measures"),
    "total_cost": ("money", "both"),
    "minimised": ("money", "what the regime minimises, without what is paid for shortfalls"),
    "emissions_t": ("tCO2", "of plant"),
    "saved_t": ("tCO2", "of fuel that measures save"),
    "credited_t": ("tCO2", "credited for certificates in carbon, beyond what plant emits less"),
    "fuel_tce": ("tce", "burnt by plant; empty where the study does not state fuel"),
    "saved_tce": ("tce", "saved by measures"),
    "renewable_share": ("1", "renewable output over energy served"),
    "cost_per_t": (
        "money/tCO2",
        "total cost above the case without instruments over tonnes avoided",
    ),
    "slack": ("", "lines that do not bind: their price is 0"),
    "rounds": ("", "times that every window was cleared"),
    "gap": ("1", "between what is minimised and its lower bound, relative"),
}
LINES: dict[str, tuple[str, str]] = {
    "case": ("", "as in `CASES`"),
    "line": ("", "one price; a merged line is named after its instruments"),
    "unit": ("", "what it counts"),
    "kind": ("", "at_most or at_least"),
    "target": ("unit", "what is asked for over the horizon"),
    "reached": ("unit", "what plant and measures add up to"),
    "saved": ("unit", "what measures count in it"),
    "shortfall": ("unit", "what is paid for instead"),
    "price": ("money/unit", "what one more unit costs"),
    "price_per_t": ("money/tCO2", "the same for a tonne, at the factor of the unit"),
    "slack": ("", "whether it does not bind"),
}  # fmt: skip
_ENOUGH = 1e-4  # of a gap: a larger one is said
_NOTHING = 1e-6  # of money a unit: a price below is none


@dataclass(frozen=True)
class Cleared:
    """One case of a study.

    Attributes
    ----------
    name : str
    run : Run
    lines : list of Line
    savings : Series [measure]
        What measures save [tce].
    """

    name: str
    run: Run
    lines: list[Line]
    savings: pd.Series


@dataclass(frozen=True)
class OverlapStudy:
    """Instruments alone, beside each other and merged, under one regime.

    Attributes
    ----------
    case : Case
    plan : OverlapPlan
    regime : Regime
    cleared : dict of str to Cleared
        By case.
    credit : float
        What one certificate is credited in carbon, where it is [tCO2/MWh].
    notes : list of str
    """

    case: Case
    plan: OverlapPlan
    regime: Regime
    cleared: dict[str, Cleared]
    credit: float
    notes: list[str] = field(default_factory=list)

    @cached_property
    def accounting(self) -> Accounting:
        """What instruments count."""
        return Accounting(self.case, self.plan)

    @cached_property
    def cases(self) -> pd.DataFrame:
        """One row a case; columns of `CASES`."""
        rows = [self._case_row(item) for item in self.cleared.values()]
        return pd.DataFrame(rows, columns=list(CASES))

    def _case_row(self, item: Cleared) -> dict[str, Any]:
        run, free = item.run, self.cleared[NONE]
        lines = self.lines[self.lines["case"] == item.name]
        cost, saved_t = self._savings_cost(item), self._saved_t(item)
        total = run.objective + cost
        avoided = free.run.emissions - run.emissions + saved_t
        own = own_output_of(self.case, run.outcome).mul(self.case.weights, axis="index").sum()
        renewable = plant_of(self.case)["carrier"].isin(self.case.carriers.renewable)
        served = run.outcome.served(self.case).mul(self.case.weights, axis="index").to_numpy().sum()
        fuel = pd.Series(self.accounting.fuel_rate if self.plan.fuel else {}, dtype=float)
        energy = run.dispatch[fuel.index].mul(self.case.weights, axis="index").sum()
        obliged = run.obliged
        return {
            "case": item.name,
            "system_cost": run.objective,
            "savings_cost": cost,
            "total_cost": total,
            "minimised": minimised(item),
            "emissions_t": run.emissions,
            "saved_t": saved_t,
            "credited_t": self._credited_t(item),
            "fuel_tce": float((energy * fuel).sum()) if len(fuel) else np.nan,
            "saved_tce": float(item.savings.sum()),
            "renewable_share": float(own[own.index.intersection(renewable.index[renewable])].sum())
            / served,
            "cost_per_t": (total - free.run.objective) / avoided if avoided > 1e-6 else np.nan,
            "slack": ", ".join(lines.loc[lines["slack"], "line"]),
            "rounds": 1 if obliged is None else obliged.rounds,
            "gap": 0.0 if obliged is None else obliged.gap,
        }

    def _saved_t(self, item: Cleared) -> float:
        return float((item.savings * self.accounting.factors).sum())

    def _credited_t(self, item: Cleared) -> float:
        if item.name != CREDITED:
            return 0.0
        return self.credit * float(self.accounting.line("green").by_plant(item.run).sum())

    def _savings_cost(self, item: Cleared) -> float:
        cost = pd.Series({m.name: m.cost for m in self.plan.measures}, dtype=float)
        return float((item.savings * cost).sum())

    @cached_property
    def lines(self) -> pd.DataFrame:
        """One row a case and line; columns of `LINES`."""
        rows = []
        for item in self.cleared.values():
            if item.run.obliged is None:
                continue
            known = {line.name: line for line in item.lines}
            for row in item.run.obliged.table.to_dict("records"):
                line = known[str(row["line"]).partition("@")[0]]
                rows.append({
                    **row, "case": item.name, "price_per_t": self._per_tonne(line, row["price"]),
                    "slack": row["price"] <= _NOTHING,
                })  # fmt: skip
        return pd.DataFrame(rows, columns=list(LINES))

    def _per_tonne(self, line: Line, price: float) -> float:
        """Price of a tonne, at the mean factor of what the line counts."""
        unit = line.counts["unit"]
        if unit == "tCO2":
            return price
        if unit == "MWh":
            return price / self.credit if self.credit > 0 else np.nan
        factor = self.tce_factor
        return price / factor if factor > 0 else np.nan

    @cached_property
    def tce_factor(self) -> float:
        """Emissions of a tce without instruments: of plant's fuel, else of measures [tCO2/tce]."""
        free = self.cleared[NONE]
        if self.plan.fuel:
            fuel = pd.Series(self.accounting.fuel_rate)
            energy = free.run.dispatch[fuel.index].mul(self.case.weights, axis="index").sum()
            if (used := float((energy * fuel).sum())) > 0:
                return free.run.emissions / used
        return float(self.accounting.factors.mean()) if len(self.accounting.factors) else np.nan

    @cached_property
    def parties(self) -> pd.DataFrame:
        """What instruments cost whom; columns of `overlapparties.PARTIES`."""
        parts = [self.burdens(name).assign(case=name) for name in self.cleared if name != NONE]
        table = pd.concat(parts, ignore_index=True)
        return table[["case", *table.columns.drop("case")]]

    def burdens(self, name: str) -> pd.DataFrame:
        """What the instruments of one case cost whom; as `overlapparties.burdens`."""
        item, free = self.cleared[name], self.cleared[NONE].run
        return burdens(item.run, free, item.lines, self._by_province(item))

    def _by_province(self, item: Cleared) -> pd.Series:
        """Tonnes that measures save, [province]; "" where a measure is in none."""
        place = {m.name: m.province or "" for m in self.plan.measures}
        tonnes = item.savings * self.accounting.factors
        return tonnes.groupby(pd.Series(place, dtype=object).reindex(tonnes.index)).sum()

    @cached_property
    def claimed(self) -> pd.DataFrame:
        """Tonnes that each instrument claims of each source; as `overlapclaims.CLAIMED`."""
        last = self.cleared.get(SEPARATE, list(self.cleared.values())[-1])
        free = self.cleared[NONE].run
        return claimed(free, last.run, last.savings, self.credit, self.accounting)

    @cached_property
    def double_counted(self) -> pd.DataFrame:
        """Tonnes that pairs of instruments claim twice; as `overlapclaims.PAIRS`."""
        return double_counted_pairs(self.claimed)

    def proof(self) -> pd.DataFrame:
        """Check from the claims ledger alone that each tonne is claimed once, as `Claims.proof`."""
        return proof(self.claimed)

    @cached_property
    def published(self) -> pd.DataFrame:
        """Our figures beside those of Zou, Wang and Sun (2022); as `published.PUBLISHED`."""
        return published(self.cases)

    @cached_property
    def instruments(self) -> pd.DataFrame:
        """The registry, with what the study uses of it."""
        table = self.accounting.registry.reset_index()
        used = {REGISTERED[key]: key for key in self.accounting.active}
        table.insert(1, "key", table["instrument"].map(used).fillna(""))
        return table

    @property
    def tables(self) -> dict[str, pd.DataFrame]:
        """Every table by file name."""
        return {
            "cases": self.cases, "lines": self.lines, "parties": self.parties,
            "claimed": self.claimed, "double_counted": self.double_counted,
            "proof": self.proof(), "published": self.published, "instruments": self.instruments,
        }  # fmt: skip

    def record(self) -> dict[str, object]:
        """What was cleared."""
        return {
            "network": self.case.name, "regime": self.regime.name,
            "carbon_price": self.regime.carbon_price, "windows": len(self.case.windows),
            "credit": self.credit, "study": self.plan.model_dump(mode="json"),
            "notes": self.notes,
        }  # fmt: skip

    def to_parquet(self, folder: str | Path) -> Path:
        """Write every table and the record, as `Comparison.to_parquet` does."""
        return write_results(Path(folder), self.tables, self.record())


def minimised(item: Cleared) -> float:
    """What a regime minimises, without what is paid for shortfalls [money].

    It holds the cost of measures. In a merged case it is at most what it is in the separate case.
    """
    value, obliged = item.run.outcome.minimised, item.run.obliged
    if obliged is None:
        return value
    return value - float((obliged.table["shortfall"] * obliged.table["price"]).sum())


def overlap(
    case: Case,
    study: OverlapPlan | Mapping[str, Any] | str | Path,
    regime: str | Path | Regime = "full_market",
    carbon_price: float | None = None,
    *,
    weeks: int | None = None,
    year: bool = False,
    start: str | None = None,
    days: int | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
) -> OverlapStudy:
    """Clear instruments alone, all beside each other, and merged, under one regime.

    Merged cases reach what the separate case reached, in one sum at one price: the emissions of
    plant (certificates with carbon), those less what certificates are credited (certificates
    credited in carbon), fuel of plant less savings in tce (energy-use rights with white
    certificates), emissions of plant less those of saved fuel (unified). The separate case can be
    had in each of them, so what the regime minimises is no more than there (`overlapcases`).

    Parameters
    ----------
    case : Case
    study : OverlapPlan, mapping or path of a YAML file
    regime : str, Path or Regime, default "full_market"
        Without obligations of its own.
    carbon_price : float, optional
        [money/t], beside the instruments; default: what the regime states.
    weeks, year, start, days
        As in `clear`.
    workers : int, optional
        Windows that are cleared at a time.
    progress : callable, optional
        Told how many cases are done, of how many, and which.

    Returns
    -------
    OverlapStudy

    Raises
    ------
    InputError
        Naming every fault of study, regime and horizon.
    ClearingError
        If a target without a shortfall price cannot be met; it names the case, and how much there
        is.
    """
    plan, base, part = _given(
        case, study, regime, carbon_price, Horizon(weeks, year, None, start, days)
    )
    accounting = Accounting(part, plan)
    alone, together = accounting.active, len(accounting.active) > 1
    often = any(len(accounting.registering(item)) > 1 for item in plan.measures)
    merged = [name for name in MERGED if accounting.merged(name, 0.0) is not None]
    total = 1 + len(alone) + together * (1 + often + len(merged))
    work = _Work(part, base, accounting, workers, progress, total)
    free = work.run(NONE, [], {})
    credit, notes = _credit(accounting, free.run), list(accounting.left_out)
    targets = {key: _target(accounting, key, free.run) for key in alone}
    for key in alone:
        work.run(key, [accounting.line(key)], targets)
    if together:
        both = work.run(SEPARATE, accounting.separate(), targets)
        if often:
            work.run(ONCE, accounting.separate(once=True), targets)
        for name in merged:
            lines = accounting.merged(name, credit) or []
            reached = lines[0].total(both.run, both.savings)
            if reached < 0:
                what = "what is credited is above what plant adds up to"
                notes.append(f"{name}: not cleared, {what} ({reached:,.6g})")
                continue
            work.run(name, lines, {**targets, lines[0].name: {"target": reached}})
    notes += [
        f"{name}: {note}" for name, item in work.done.items() if item.run.obliged is not None
        for note in item.run.obliged.notes
        if "are short of" in note or item.run.obliged.gap > _ENOUGH
    ]  # fmt: skip
    return OverlapStudy(part, plan, base, work.done, credit, notes)


def _regime(
    base: Regime, name: str, lines: Sequence[Line], targets: Mapping[str, Mapping[str, Any]],
    measures: Sequence[Measure],
) -> Regime:  # fmt: skip
    """Return a regime with lines, and the measures that count in them."""
    rules: list[Rule] = [line.obligation(**targets[line.name]) for line in lines]
    counted = [
        {"name": item.name, "potential": item.potential, "cost": item.cost,
         "province": item.province or "", "counts": counts}
        for item in measures
        if (counts := {line.name: line.measures[item.name] for line in lines
                       if line.measures.get(item.name, 0.0) > 0})
    ]  # fmt: skip
    if counted:
        rules.append(Savings.model_validate({"measures": counted}))
    named = base.name if name == NONE else f"{base.name}: {name}"
    return Regime(named, (*base.rules, *rules), base.description)


@dataclass
class _Work:
    """Clears one case after another."""

    case: Case
    regime: Regime
    accounting: Accounting
    workers: int | None
    progress: Progress | None
    total: int
    done: dict[str, Cleared] = field(default_factory=dict)

    def run(
        self, name: str, lines: list[Line], targets: Mapping[str, Mapping[str, Any]]
    ) -> Cleared:
        item = _regime(self.regime, name, lines, targets, self.accounting.plan.measures)
        if self.progress is not None:
            self.progress(len(self.done), self.total, name)
        run = clear_all(self.case, [(item, None)], self.workers)[0][0]
        obliged = run.obliged
        saved = pd.Series({} if obliged is None else obliged.saved, dtype=float)
        saved = saved.reindex([m.name for m in self.accounting.plan.measures]).fillna(0.0)
        self.done[name] = Cleared(name, run, lines, saved)
        return self.done[name]


def _target(accounting: Accounting, key: str, free: Run) -> dict[str, Any]:
    """Arguments of `Obligation` for the target of an instrument."""
    stated = accounting.plan.target(key)
    found: dict[str, Any] = {"tradable": stated.tradable, "shortfall_price": stated.shortfall_price}
    if stated.target is not None:
        return {**found, "target": stated.target}
    counted = accounting.line("energy_use" if key == "white" else key).by_plant(free)
    if isinstance(stated.share, dict):
        local = counted.groupby(plant_of(free.case)["province"].reindex(counted.index)).sum()
        share = {name: part * float(local.get(name, 0.0)) for name, part in stated.share.items()}
        return {**found, "target": share}
    assert stated.share is not None
    return {**found, "target": stated.share * float(counted.sum())}


def _credit(accounting: Accounting, free: Run) -> float:
    """What one certificate is credited in carbon [tCO2/MWh]."""
    green = accounting.plan.green
    if green is not None and green.credit is not None:
        return green.credit
    table = accounting.case.generators
    emits = table.index[table["emission_rate"] > 0]
    energy = free.dispatch[emits].mul(accounting.case.weights, axis="index").to_numpy().sum()
    return free.emissions / energy if energy > 0 else 0.0


def _given(
    case: Case,
    study: OverlapPlan | Mapping[str, Any] | str | Path,
    regime: str | Path | Regime,
    carbon_price: float | None,
    horizon: Horizon,
) -> tuple[OverlapPlan, Regime, Case]:
    """Check what was given, all faults at once."""
    faults: list[Fault] = []
    plan, base, part = None, None, case
    try:
        plan = overlap_plan(study)
    except InputError as error:
        faults += error.faults
    try:
        part = cut(case, horizon)
    except InputError as error:
        faults += error.faults
    try:
        base = as_regime(regime)
        base = base if carbon_price is None else base.at(carbon_price)
    except InputError as error:
        faults += error.faults
    accounting = None if plan is None else Accounting(part, plan)
    lacking = [] if accounting is None else accounting.faults()
    faults += lacking
    if base is not None:
        faults += _of_regime(base, part, None if lacking else accounting)
    if faults or plan is None or base is None:
        raise InputError({str(fault): fault for fault in faults}.values())
    return plan, base, part


def _of_regime(base: Regime, case: Case, accounting: Accounting | None) -> list[Fault]:
    """Name what stands against instruments in a regime."""
    kinds = Obligation | CarbonCap | Savings
    if own := [type(rule).__name__ for rule in base.rules if isinstance(rule, kinds)]:
        what, remedy = f"has {', '.join(own)} of its own", "leave it out: the study states them"
        return [Fault(f"regime {base.name!r}", what, remedy)]
    if accounting is None:
        return base.faults(case)
    lines = accounting.separate()
    none = {line.name: {"target": 0.0} for line in lines}
    full = _regime(base, SEPARATE, lines, none, accounting.plan.measures)
    return full.faults(case) or obliged_faults(case, full)
