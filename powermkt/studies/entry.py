"""The study of entry: what is built under each regime's revenues, for one target year."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from powermkt.analysis.clearall import clear_all, opened
from powermkt.common.values import HOURS_A_YEAR
from powermkt.common.writing import write_results
from powermkt.engine.cells import CellStore
from powermkt.engine.regime import Regime, regime
from powermkt.engine.scheduling import Progress
from powermkt.errors import Fault, InputError, collected
from powermkt.inputs.case import Case
from powermkt.inputs.finance import earnings
from powermkt.run import Run
from powermkt.studies.candidates import EntryPlan, entry_plan, read_entry_plan
from powermkt.studies.comparison import Comparison
from powermkt.studies.entrants import candidate_faults, hand_rows_on, shared_alike, with_entrants
from powermkt.studies.equilibrium import Equilibrium, entrant_accounts, find_entry, first_mw
from powermkt.studies.expansion import expand, why_not
from powermkt.studies.onemore import with_same_energy
from powermkt.system.horizon import Horizon, cut
from powermkt.system.seams import with_seams

# column -> (unit, meaning)
ENTRY: dict[str, tuple[str, str]] = {
    "regime": ("", "name of the regime"),
    "carbon_price": ("money/t", "carbon price tau"),
    "candidate": ("", "what may be built"),
    "kind": ("", "generator, storage or corridor"),
    "carrier": ("", "its carrier"),
    "where": ("", "its province, or the two that it links"),
    "entry_mw": ("MW", "what enters"),
    "potential_mw": ("MW", "the most that could; empty: no limit"),
    "state": ("", "none, interior, potential"),
    "revenue": ("money/(MW a)", "net receipts by the ledger, carbon costs taken off"),
    "variable_cost": ("money/(MW a)", "resource cost of running"),
    "yearly_cost": ("money/(MW a)", "annuity at the hurdle rate and fixed operation"),
    "excess": (
        "money/(MW a)",
        "revenue less both; of what did not enter, of a first MW (empty where not known)",
    ),
    "excess_high": ("money/(MW a)", "where revenue jumps: the largest excess that is mixed"),
    "excess_low": ("money/(MW a)", "and the smallest"),
    "width_mw": ("MW", "how far apart what is mixed lies; 0: nothing is"),
    "irr": ("1/a", "internal rate of return of one MW"),
    "hurdle_rate": ("1/a", "return asked for"),
    "excess_return": ("1/a", "IRR less hurdle rate"),
}
SYSTEM: dict[str, tuple[str, str]] = {
    "regime": ("", "name of the regime"),
    "carbon_price": ("money/t", "carbon price tau"),
    "entry_mw": ("MW", "all that enters, corridors too"),
    "wind_share": ("1", "wind output over all output"),
    "solar_share": ("1", "solar output over all output"),
    "resource_cost": ("money/a", "fuel, operation, starts, unserved load"),
    "entrants_cost": ("money/a", "yearly cost of what enters"),
    "total_cost": ("money/a", "both; what stands already costs the same everywhere"),
    "emissions_t": ("t/a", "direct emissions"),
    "curtailment_mwh": ("MWh/a", "unused wind, sun and water"),
    "curtailment_rate": ("1", "over what is available"),
}
CONVERGENCE: dict[str, tuple[str, str]] = {
    "regime": ("", "name of the regime"),
    "carbon_price": ("money/t", "carbon price tau"),
    "method": ("", "joint: one programme of capacities and dispatch; fixed point"),
    "why": ("", "why the fixed point"),
    "clearings": ("", "how many it took"),
    "converged": ("", "whether the conditions of an equilibrium are met"),
    "largest_excess": ("1", "largest excess over yearly cost, either way, that should be none"),
    "largest_excess_return": ("1/a", "the same as a return"),
    "largest_width_mw": ("MW", "the largest width_mw"),
}


@dataclass(frozen=True)
class EntryStudy:
    """What enters under each regime at each carbon price.

    Attributes
    ----------
    case : Case
        Without what enters.
    plan : EntryPlan
    runs : list of Run
        The clearing with what enters, one for each regime and carbon price.
    entry, convergence : DataFrame
        Columns as in `ENTRY`, `CONVERGENCE`.
    notes : list of str
    """

    case: Case
    plan: EntryPlan
    runs: list[Run]
    entry: pd.DataFrame
    convergence: pd.DataFrame
    notes: list[str]

    @cached_property
    def system(self) -> pd.DataFrame:
        """Penetration, cost, emissions and curtailment; columns as in `SYSTEM`."""
        parts = self.entry.groupby(["regime", "carbon_price"], sort=False)
        rows = [_system(run, part) for run, (_, part) in zip(self.runs, parts, strict=True)]
        return pd.DataFrame(rows, columns=list(SYSTEM))

    @property
    def tables(self) -> dict[str, pd.DataFrame]:
        """Every table by file name."""
        return {
            "entry": self.entry, "entry_system": self.system, "entry_convergence": self.convergence
        }  # fmt: skip

    def record(self) -> dict[str, object]:
        """What was run and assumed."""
        said = self.plan.model_dump(mode="json", exclude_none=True)
        record = Comparison(self.case, self.runs, None, self.notes).record()
        return {**record, "entry": said}

    def to_parquet(self, folder: str | Path) -> Path:
        """Write every table as Parquet and CSV, and the record; errors as `write_results`."""
        return write_results(Path(folder), self.tables, self.record())


def entry(
    case: Case,
    regimes: Sequence[str | Path | Regime],
    plan: EntryPlan | Mapping[str, Any] | str | Path,
    carbon_prices: Sequence[float] = (0.0,),
    *,
    weeks: int | None = None,
    year: bool = False,
    look_ahead: float | None = None,
    start: str | None = None,
    days: int | None = None,
    workers: int | None = None,
    cluster: str | None = None,
    store: str | Path | CellStore | None = None,
    progress: Progress | None = None,
) -> EntryStudy:
    """Say what enters under each regime's revenues: until the return meets the hurdle rate.

    The horizon stands for a year of 8,760 hours, and that year for every year of the lifetime. In a
    market whose prices are marginal values entry is the joint optimum of capacities and dispatch
    (`expansion`); elsewhere it is a fixed point between capacities and what they earn
    (`equilibrium`). Each carbon price begins where the one before ended.

    Parameters
    ----------
    case, regimes, weeks, year, look_ahead, start, days, workers, cluster, store
        As in `compare`.
    plan : EntryPlan, mapping or path
        Candidates, and how their entry is sought.
    carbon_prices : sequence of float
        [money/t]
    progress : callable, optional
        Called with regimes and carbon prices done, how many there are, and what was cleared.

    Returns
    -------
    EntryStudy

    Raises
    ------
    InputError
        Naming every fault of regimes, carbon prices, horizon and candidates at once.
    ClearingError, ExecutionError, StorageError
        As `compare`.
    """
    case = case.with_market(case.market.model_copy(update={"calibration": None}))
    horizon = Horizon(weeks, year, look_ahead, start, days)
    part, chosen, plan = _given(case, regimes, plan, carbon_prices, horizon)
    case = with_seams(part) if year else part
    cells = [(item, float(price)) for item in chosen for price in dict.fromkeys(carbon_prices)]
    runs: list[Run] = []
    entered: list[pd.DataFrame] = []
    lines: list[dict[str, object]] = []
    with opened(store) as kept:
        clear = _Clearer(case, plan, workers, cluster, kept)
        for done, (item, price) in enumerate(cells):
            clear.begin(progress, done, len(cells), f"{item.name} at {price:g}")
            before = None
            if runs and cells[done - 1][0] is item:
                before = entered[-1].set_index("candidate")["entry_mw"]
            run, table, line = _one(case, item.at(price), plan, clear, before)
            runs.append(run)
            entered.append(table)
            lines.append(line)
        clear.begin(progress, len(cells), len(cells), "done")
    whole, convergence = pd.concat(entered, ignore_index=True), pd.DataFrame(lines)
    return EntryStudy(
        case, plan, runs, whole[list(ENTRY)], convergence[list(CONVERGENCE)],
        [*_notes(case, whole, convergence), *clear.notes],
    )  # fmt: skip


class _Clearer:
    """Clears a case with candidates at some capacities; PyPSA's rows are written once."""

    def __init__(
        self, case: Case, plan: EntryPlan, workers: int | None, cluster: str | None,
        store: CellStore | None,
    ) -> None:  # fmt: skip
        self._case, self._plan, self._last = case, plan, case
        self._how = workers, cluster, store
        self._report: Callable[[str], None] = lambda _: None
        self.notes: list[str] = []

    def begin(self, progress: Progress | None, done: int, total: int, what: str) -> None:
        """Tell of the clearings of one cell."""
        if progress is not None:
            self._report = lambda which: progress(done, total, f"{what}{which}")
        self._count = 0
        self._report("")

    def __call__(self, size: pd.Series, item: Regime) -> Run:
        self._count += 1
        self._report(f", clearing {self._count}")
        more = with_entrants(
            self._case, self._plan.candidates, dict(zip(self._plan.candidates, size, strict=True))
        )
        if self._last is not self._case:
            hand_rows_on(self._last, more, self._plan.candidates)
        self._last = more
        planned = with_same_energy(item, self._case, more)
        workers, cluster, store = self._how
        found, said = clear_all(more, [(planned, None)], workers, cluster=cluster, store=store)
        self.notes += [note for note in said if note not in self.notes]
        return shared_alike(found[0])


def _one(
    case: Case, item: Regime, plan: EntryPlan, clear: _Clearer, start: pd.Series | None
) -> tuple[Run, pd.DataFrame, dict[str, object]]:  # fmt: skip
    """Entry under one regime at its carbon price: the clearing, the table, how it was found."""
    candidates = plan.candidates
    reason = "it was asked for" if plan.method == "fixed_point" else why_not(case, item)
    if reason:
        found = find_entry(case, plan, partial(clear, item=item), start)
    else:
        optimum = expand(case, item, candidates)
        run = clear(optimum.capacity, item)
        run = replace(run, outcome=replace(run.outcome, offer_price=optimum.price))
        accounts = entrant_accounts(run, candidates, optimum.capacity)
        accounts["excess"] = accounts["excess"].fillna(first_mw(run, plan.candidates))
        found = Equilibrium(
            optimum.capacity, run, accounts, accounts["excess"], accounts["excess"],
            0.0 * optimum.capacity, 1, True,
        )  # fmt: skip
    table = _table(found, plan).assign(regime=item.name, carbon_price=item.carbon_price)
    wrong = table["excess"].abs()  # by how much the conditions of an equilibrium are missed
    wrong = wrong.where(table["state"] != "none", table["excess"].clip(lower=0.0).fillna(0.0))
    wrong = wrong.where(table["state"] != "potential", (-table["excess"]).clip(lower=0.0))
    worst = int((wrong / table["yearly_cost"]).to_numpy().argmax())
    return found.run, table, {
        "regime": item.name,
        "carbon_price": item.carbon_price,
        "method": "fixed point" if reason else "joint",
        "why": reason,
        "clearings": found.clearings,
        "converged": found.converged,
        "largest_excess": float((wrong / table["yearly_cost"]).iloc[worst]),
        "largest_excess_return": float(abs(table["excess_return"].iloc[worst]))
        if wrong.iloc[worst] > 0
        else 0.0,
        "largest_width_mw": float(table["width_mw"].max()),
    }  # fmt: skip


def _table(found: Equilibrium, plan: EntryPlan) -> pd.DataFrame:
    """Rows of `ENTRY` without regime and carbon price."""
    rows, sizes = [], dict(zip(plan.candidates, found.capacity.to_numpy(float), strict=True))
    for name, item in plan.candidates.items():
        size, money = sizes[name], found.accounts.loc[name]
        least = 1e-6 * min(item.most, 1e6)
        at_most = size >= item.most - least
        cash = money["excess"] + item.yearly_cost - item.fixed_om
        rate = earnings(*(np.array([x]) for x in (
            item.capital_cost, cash, item.life, item.hurdle_rate,
        ))).irr  # fmt: skip
        rows.append({
            "candidate": name, "kind": item.kind, "carrier": item.carrier, "where": item.where,
            "entry_mw": size if size > least else 0.0,
            "potential_mw": np.nan if item.potential is None else item.potential,
            "state": "potential" if at_most else "interior" if size > least else "none",
            **money.to_dict(),
            "excess_high": found.high[name], "excess_low": found.low[name],
            "width_mw": found.width[name], "irr": rate, "hurdle_rate": item.hurdle_rate,
            "excess_return": rate - item.hurdle_rate,
        })  # fmt: skip
    return pd.DataFrame(rows)


def _system(run: Run, table: pd.DataFrame) -> dict[str, object]:
    """One row of `SYSTEM`."""
    case, first = run.case, table.iloc[0]
    a_year = HOURS_A_YEAR / float(case.weights.sum())
    output = run.generation.groupby("carrier")["generation_mwh"].sum()
    total = output[output.index.isin(case.generators["carrier"])].sum()
    share = {
        kind: output.reindex(getattr(case.carriers, kind) or []).sum() / total
        for kind in ("wind", "solar")
    }
    unused = run.curtailment[["available_mwh", "curtailment_mwh"]].sum()
    cost, fixed = a_year * run.objective, (table["entry_mw"] * table["yearly_cost"]).sum()
    return {
        "regime": first["regime"], "carbon_price": first["carbon_price"],
        "entry_mw": table["entry_mw"].sum(),
        "wind_share": share["wind"], "solar_share": share["solar"],
        "resource_cost": cost, "entrants_cost": fixed, "total_cost": cost + fixed,
        "emissions_t": a_year * run.emissions,
        "curtailment_mwh": a_year * unused["curtailment_mwh"],
        "curtailment_rate": unused["curtailment_mwh"] / unused["available_mwh"]
        if unused["available_mwh"] > 0
        else np.nan,
    }  # fmt: skip


def _given(
    case: Case,
    regimes: Sequence[str | Path | Regime],
    plan: EntryPlan | Mapping[str, Any] | str | Path,
    carbon_prices: Sequence[float],
    horizon: Horizon,
) -> tuple[Case, list[Regime], EntryPlan]:
    """Check what was given, all faults at once."""
    faults: list[Fault] = []
    chosen, part, found = [], case, None
    with collected(faults):
        part = cut(case, horizon)
    for item in regimes:
        with collected(faults):
            chosen.append(regime(item))
            faults += chosen[-1].faults(part)
            for price in carbon_prices:
                chosen[-1].at(price)
    names = [item.name for item in chosen]
    faults += [
        Fault(f"regime {name!r}", "given twice", "give each regime its own name")
        for name in sorted({name for name in names if names.count(name) > 1})
    ]
    faults += [
        Fault(
            f"regime {item.name!r}", "a limit on emissions makes its carbon price", "leave it away"
        )
        for item in chosen
        if item.cap is not None
    ]
    if not chosen and not faults:
        faults.append(Fault("regimes", "none given", "name at least one"))
    if not len(carbon_prices):
        faults.append(Fault("carbon_prices", "none given", "give at least one number >= 0"))
    with collected(faults):
        if isinstance(plan, EntryPlan):
            found = plan
        else:
            found = entry_plan(dict(plan)) if isinstance(plan, Mapping) else read_entry_plan(plan)
        faults += candidate_faults(part, found.candidates)
    if faults or found is None:
        raise InputError({str(fault): fault for fault in faults}.values())
    return part, chosen, found


def _notes(case: Case, table: pd.DataFrame, lines: pd.DataFrame) -> list[str]:
    """What looks odd."""
    hours, found = float(case.weights.sum()), []
    if abs(hours - HOURS_A_YEAR) > 0.01 * HOURS_A_YEAR:
        found.append(f"{hours:,.0f} h stand for a year of 8,760")
    if case.market.value_of_lost_load is None:
        found.append(
            "no value of lost load is declared: load is always served, and where that takes what "
            "is built last, its cost alone sets the scarcity price"
        )
    for _, row in lines[~lines["converged"]].iterrows():
        found.append(
            f"{row['regime']} at {row['carbon_price']:g}: no fixed point in {row['clearings']} "
            f"clearings: excess up to {100 * row['largest_excess']:.1f} % of yearly cost, "
            f"of what lies up to {row['largest_width_mw']:,.1f} MW apart"
        )
    for (name, price), part in table.groupby(["regime", "carbon_price"], sort=False):
        full = part.loc[part["state"] == "potential", "candidate"]
        if len(full):
            found.append(f"{name} at {price:g}: all that is possible of {', '.join(full)}")
        rent = part["kind"].eq("corridor") & part["revenue"].fillna(0.0).abs().lt(1e-9)
        if rent.any() and (lines.loc[lines["regime"] == name, "method"] != "joint").all():
            found.append(f"{name} at {price:g}: pays corridors no congestion rent")
    return found
