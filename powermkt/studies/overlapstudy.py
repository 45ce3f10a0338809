"""What comes out where instruments overlap: cost, prices, burden, double counting."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from powermkt.common.writing import write_results
from powermkt.engine.regime import Regime
from powermkt.inputs.case import Case
from powermkt.inputs.overlapplan import REGISTERED, OverlapPlan
from powermkt.rules.plant import own_output_of, plant_of
from powermkt.run import Run
from powermkt.studies.comparison import Comparison
from powermkt.studies.overlapcases import CREDITED, NONE, SEPARATE, Accounting, Line
from powermkt.studies.overlapclaims import claimed, double_counted_pairs, proof
from powermkt.studies.overlapparties import burdens
from powermkt.studies.published import published

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
        if not line.counts["counts"]:  # measures alone
            factor = float(self.accounting.factors[list(line.measures)].mean())
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
        """What was cleared: as `Comparison.record`, with what is of the study."""
        runs = [item.run for item in self.cleared.values()]
        study = {
            "network": self.case.name, "regime": self.regime.name,
            "carbon_price": self.regime.carbon_price, "credit": self.credit,
            "study": self.plan.model_dump(mode="json"), "overlap": self.notes,
        }  # fmt: skip
        return {**Comparison(self.case, runs).record(), **study}

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
