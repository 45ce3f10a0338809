"""The overlap study: instruments alone, separate, merged under one regime."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from powermkt.analysis.clearall import clear_all
from powermkt.engine.obliged import obliged_faults
from powermkt.engine.obligedprices import ENOUGH
from powermkt.engine.regime import Regime
from powermkt.engine.regime import regime as as_regime
from powermkt.engine.scheduling import Progress
from powermkt.errors import ClearingError, Fault, InputError, collected
from powermkt.inputs.case import Case
from powermkt.inputs.overlapplan import Measure, OverlapPlan, overlap_plan
from powermkt.rules import CarbonCap, Obligation, Rule, Savings
from powermkt.rules.plant import plant_of
from powermkt.run import Run
from powermkt.studies.overlapcases import MERGED, NONE, ONCE, SEPARATE, Accounting, Line
from powermkt.studies.overlapstudy import Cleared, OverlapStudy
from powermkt.system.horizon import Horizon, cut


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
        is. Of *separate, claims once* that is a note.
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
            try:
                work.run(ONCE, accounting.separate(once=True), targets)
            except ClearingError as error:  # with every saving in one instrument alone
                notes.append(f"{ONCE}: not cleared: {error}")
        for name in merged:
            lines = accounting.merged(name, credit) or []
            reached = lines[0].total(both.run, both.savings)
            if reached < 0:
                what = "what is credited is above what plant adds up to"
                notes.append(f"{name}: not cleared, {what} ({reached:,.6g})")
                continue
            beside = {line.name: _as_reached(targets[line.name], both, line) for line in lines[1:]}
            work.run(name, lines, {**beside, lines[0].name: {"target": reached}})
    notes += [
        f"{name}: {note}" for name, item in work.done.items() if item.run.obliged is not None
        for note in item.run.obliged.notes
        if "are short of" in note or item.run.obliged.gap_of_added > ENOUGH
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


def _as_reached(given: dict[str, Any], both: Cleared, line: Line) -> dict[str, Any]:
    """Arguments of `Obligation` of a line that stays: where it fell short, what it reached."""
    assert both.run.obliged is not None
    table = both.run.obliged.table
    short = table[table["shortfall"] > 0]
    reached = dict(zip(short["line"], short["reached"].astype(float), strict=True))
    target = given["target"]
    if not given["tradable"]:
        found = {k: reached.get(f"{line.name}@{k}", amount) for k, amount in target.items()}
        return {**given, "target": found}
    if line.name not in reached:
        return given
    whole = reached[line.name]
    if line.at_most or not isinstance(target, dict):
        return {**given, "target": whole}
    part = whole / sum(target.values())
    return {**given, "target": {k: amount * part for k, amount in target.items()}}


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
    with collected(faults):
        plan = overlap_plan(study)
    with collected(faults):
        part = cut(case, horizon)
    with collected(faults):
        base = as_regime(regime)
        base = base if carbon_price is None else base.at(carbon_price)
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
    none = {
        line.name: {
            "target": 0.0, "shortfall_price": accounting.plan.target(line.name).shortfall_price
        }
        for line in lines
    }  # fmt: skip
    full = _regime(base, SEPARATE, lines, none, accounting.plan.measures)
    return full.faults(case) or obliged_faults(case, full)
