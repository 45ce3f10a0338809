"""The study of responsibility: whose carbon it is under each regime, and who would pay for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from powermkt.analysis.carriage import rate_faults
from powermkt.analysis.principles import (
    SHARE,
    TieredCharge,
    charge_consumers,
    pay_by_principle,
    population,
)
from powermkt.analysis.responsibility import Responsibility, responsibility
from powermkt.common.files import load_yaml
from powermkt.common.writing import write_results
from powermkt.engine.cells import CellStore
from powermkt.engine.regime import regime
from powermkt.engine.scheduling import Progress
from powermkt.errors import Fault, InputError, collected, validated
from powermkt.inputs.case import Case
from powermkt.report.tracefigure import figure_of, rows_of
from powermkt.run import labelled
from powermkt.studies.compare import DEFAULT_REGIMES, compare
from powermkt.studies.comparison import Comparison
from powermkt.system.horizon import Horizon, cut

CARBON_PRICES = (60.0,)


def read_charge(path: str | Path) -> TieredCharge:
    """Read a tiered charge from a YAML file.

    Raises
    ------
    InputError
        Naming every unknown key and every value that cannot be.
    """
    return validated(TieredCharge, load_yaml(Path(path)), str(path))


@dataclass(frozen=True)
class TraceStudy:
    """Responsibility for emissions under each regime.

    Attributes
    ----------
    comparison : Comparison
    found : list of Responsibility
        One for each run of the comparison.
    share : float
        Of the consumer, where responsibility is shared.
    charge : TieredCharge, optional
    notes : list of str
    """

    comparison: Comparison
    found: list[Responsibility]
    share: float = SHARE
    charge: TieredCharge | None = None
    notes: list[str] = field(default_factory=list)

    @cached_property
    def responsibility(self) -> pd.DataFrame:
        """Emissions and factors of provinces by regime; columns as `responsibility.COLUMNS`."""
        return self._stacked(lambda item: item.table)

    @cached_property
    def transfers(self) -> pd.DataFrame:
        """Emissions in one province for what another uses, by regime.

        Columns regime, carbon_price, origin, consumer, emissions_t, change_t (against the first
        regime at the same carbon price; NaN where it has none).
        """
        table = self._stacked(lambda item: rows_of(item.transfers))
        first = table[table["regime"] == self.found[0].run.regime.name]
        keys = ["carbon_price", "origin", "consumer"]
        before = first.set_index(keys)["emissions_t"]
        at = pd.MultiIndex.from_frame(table[keys])
        table["change_t"] = table["emissions_t"] - before.reindex(at).to_numpy()
        return table

    @cached_property
    def mix(self) -> pd.DataFrame:
        """Generation that serves what provinces use, by regime: province, carrier, mwh, share."""
        return self._stacked(lambda item: item.mix)

    @cached_property
    def principles(self) -> pd.DataFrame:
        """Who pays under which principle, by regime; columns as `principles.COLUMNS`."""
        return self._stacked(lambda item: pay_by_principle(item, share=self.share))

    @cached_property
    def consumption_charge(self) -> pd.DataFrame | None:
        """What users of each province pay by the tiered charge, as in a ledger."""
        if (charge := self.charge) is None:
            return None
        return self._stacked(lambda item: charge_consumers(item, charge))

    @cached_property
    def hourly(self) -> pd.DataFrame:
        """Emissions and factors by snapshot and province. Long: written as Parquet alone."""
        return self._stacked(lambda item: item.hourly)

    def _stacked(self, rows: Callable[[Responsibility], pd.DataFrame]) -> pd.DataFrame:
        parts = [labelled(item.run, rows(item)) for item in self.found]
        return pd.concat(parts, ignore_index=True)

    @property
    def tables(self) -> dict[str, pd.DataFrame]:
        """Every table by file name: those of the comparison, and what is of the study alone."""
        found = {
            **self.comparison.tables,
            "responsibility": self.responsibility,
            "carbon_transfers": self.transfers,
            "carbon_mix": self.mix,
            "carbon_principles": self.principles,
            "carbon_hourly": self.hourly,
            "consumption_charge": self.consumption_charge,
        }
        return {name: table for name, table in found.items() if table is not None}

    def figure(self) -> Any:
        """Flows of embodied emissions between provinces, one panel a regime, by plotly."""
        prices = [item.run.carbon_price for item in self.found]
        return figure_of(
            {
                item.run.regime.name
                + (f" at {item.run.carbon_price:g}" if len(set(prices)) > 1 else ""): item.transfers
                for item in self.found
            }
        )

    def record(self) -> dict[str, object]:
        """What was run and assumed."""
        said = None if self.charge is None else self.charge.model_dump(mode="json")
        shared = {"consumers_share": self.share, "consumption_charge": said}
        return {**self.comparison.record(), **shared, "trace": self.notes}

    def to_parquet(self, folder: str | Path) -> Path:
        """Write every table, the record, and the figure as `trace.html`.

        Raises
        ------
        InputError, StorageError
            As `Comparison.to_parquet`.
        """
        page = self.figure().to_html(include_plotlyjs=True)
        return write_results(Path(folder), self.tables, self.record(), {"trace.html": page})


def trace_regimes(
    case: Case,
    regimes: Sequence[Any] = DEFAULT_REGIMES,
    carbon_prices: Sequence[float] = CARBON_PRICES,
    *,
    share: float = SHARE,
    charge: TieredCharge | Mapping[str, Any] | None = None,
    weeks: int | None = None,
    year: bool = False,
    look_ahead: float | None = None,
    start: str | None = None,
    days: int | None = None,
    workers: int | None = None,
    cluster: str | None = None,
    store: str | Path | CellStore | None = None,
    progress: Progress | None = None,
) -> TraceStudy:
    """Say under each regime where emissions arise, whose use they serve, and who would pay.

    Parameters
    ----------
    case, regimes, carbon_prices : as in `compare`
        The carbon price of a run is also what its emissions are valued at. Differences are
        against the first regime.
    share : float, default 0.5
        Of the consumer, where responsibility is shared.
    charge : TieredCharge or mapping of its fields, optional
        A charge on what provinces consume.
    weeks, year, look_ahead, start, days, workers, cluster, store, progress
        As in `compare`.

    Returns
    -------
    TraceStudy

    Raises
    ------
    InputError
        Naming every fault of regimes, carbon prices, horizon, share, charge and population at once.
    ClearingError, ExecutionError, StorageError
        As `compare`.
    """
    case = case.with_market(case.market.model_copy(update={"calibration": None}))
    faults = rate_faults(case)
    for item in regimes:
        with collected(faults):
            regime(item)
    if not 0 <= share <= 1:
        faults.append(Fault("share", f"{share} is no share", "give a number from 0 to 1"))
    tiers = charge if isinstance(charge, TieredCharge) else None
    if isinstance(charge, Mapping):
        with collected(faults):
            tiers = validated(TieredCharge, dict(charge), "charge")
    persons = pd.Series(dtype=float)
    for check in (lambda: cut(case, Horizon(weeks, year, look_ahead, start, days)),
                  lambda: population(case)):  # fmt: skip
        with collected(faults):
            answer = check()
            persons = answer if isinstance(answer, pd.Series) else persons
    lacking = persons.index[persons.isna()]
    if tiers is not None and tiers.basis == "head" and len(lacking):
        names = ", ".join(map(str, lacking))
        remedy = "give `population` in market.yaml or buses, or charge per MWh"
        faults.append(Fault("charge.basis", f"the population of {names} is not known", remedy))
    if faults:
        raise InputError(faults)
    result = compare(
        case, regimes, carbon_prices, weeks=weeks, year=year, look_ahead=look_ahead, start=start,
        days=days, workers=workers, cluster=cluster, store=store, progress=progress,
    )  # fmt: skip
    found = [responsibility(run) for run in result.runs]
    notes = [*result.notes]
    if len(lacking):
        which = "no province" if len(lacking) == len(persons) else "not all provinces"
        notes.append(f"population: {which} known, figures per head where it is")
    return TraceStudy(result, found, share, tiers, notes)
