"""The study of flexibility: what storage, capture and flexible demand are worth by regime."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
import pydantic

from powermkt.analysis.arbitrage import StorageKind
from powermkt.analysis.breakeven import ALL, BREAK_EVEN, GAINS, break_even
from powermkt.analysis.capture import Capture
from powermkt.analysis.clearall import clear_all, opened
from powermkt.analysis.demandeffects import demand_effects, without_demand
from powermkt.analysis.passthrough import NATION
from powermkt.analysis.storagevalue import arbitrage_value, rechargeable, storage_account
from powermkt.common.files import load_yaml
from powermkt.common.values import Strict
from powermkt.common.writing import write_results
from powermkt.engine.cells import CellStore
from powermkt.engine.regime import Regime, regime
from powermkt.engine.scheduling import Progress, parts_of
from powermkt.errors import Fault, InputError, collected, validated
from powermkt.inputs.case import Case
from powermkt.run import Run
from powermkt.studies.compare import DEFAULT_REGIMES, compare
from powermkt.studies.comparison import Comparison
from powermkt.system.horizon import Horizon, cut

CARBON_PRICES = (0.0, 300.0, 600.0)


class Assumptions(Strict):
    """What a study of flexibility assumes beyond the network.

    Parameters
    ----------
    storage : dict of str to StorageKind
        Kinds of storage by name that are valued wherever there is load.
    capture : Capture, optional
        The retrofit; default: `Capture` as it stands, where it fits the network.
    """

    storage: dict[str, StorageKind] = pydantic.Field(default_factory=dict)
    capture: Capture | None = None


def read_assumptions(path: str | Path) -> Assumptions:
    """Read assumptions from a YAML file.

    Raises
    ------
    InputError
        Naming every unknown key and every value that cannot be.
    """
    return validated(Assumptions, load_yaml(Path(path)), str(path))


@dataclass(frozen=True)
class FlexibilityStudy:
    """What flexibility earns under each regime.

    Attributes
    ----------
    comparison : Comparison
        The runs; those of rules without flexible demand are in it where a regime has such demand.
    assumptions : Assumptions
    break_even : DataFrame
        Carbon price from which capture pays; see `breakeven.BREAK_EVEN`.
    capture : DataFrame
        Its gain at every carbon price looked at; see `breakeven.GAINS`.
    notes : list of str
    """

    comparison: Comparison
    assumptions: Assumptions
    break_even: pd.DataFrame
    capture: pd.DataFrame
    notes: list[str] = field(default_factory=list)

    @cached_property
    def storage(self) -> pd.DataFrame:
        """What storage sells, buys and receives; see `storagevalue.STORAGE`."""
        return _stacked([storage_account(run) for run in self.comparison.runs])

    @cached_property
    def arbitrage(self) -> pd.DataFrame:
        """What a price taker could earn; see `storagevalue.ARBITRAGE`."""
        kinds = self.assumptions.storage
        return _stacked([arbitrage_value(run, kinds) for run in self.comparison.runs])

    @cached_property
    def demand(self) -> pd.DataFrame | None:
        """What flexible demand changes, where there is any; see `demandeffects.DEMAND_EFFECTS`."""
        runs = {(run.regime.name, run.carbon_price): run for run in self.comparison.runs}
        pairs = [
            (runs[without.name, run.carbon_price], run)
            for run in self.comparison.runs
            if (without := without_demand(run.regime)) is not None
            # Under a limit each finds a carbon price of its own.
            and (without.name, run.carbon_price) in runs
        ]
        return _stacked([demand_effects(*pair) for pair in pairs]) if pairs else None

    @cached_property
    def summary(self) -> pd.DataFrame:
        """Figures of all provinces in one table.

        Columns regime, carbon_price [money/t; empty for a break-even], quantity, detail (carrier or
        kind, of arbitrage after the side), value: `storage_per_mw` and `arbitrage_per_mw`
        [money/(MW a)], `capture_break_even` [money/t], and those of `DEMAND_EFFECTS`.
        """
        keys = ["regime", "carbon_price", "detail"]
        net = self.storage.assign(
            detail=self.storage["carrier"], money=self.storage["revenue"]
        )  # fmt: skip
        net["money"] -= net["variable_cost"]
        most = self.arbitrage.assign(
            detail=self.arbitrage["side"] + " " + self.arbitrage["carrier"],
            money=self.arbitrage["per_mw"] * self.arbitrage["weight"],
        )
        parts = []
        for table, size, quantity in (
            (net, "capacity_mw", "storage_per_mw"), (most, "weight", "arbitrage_per_mw"),
        ):  # fmt: skip
            total = table.groupby(keys, sort=False)[["money", size]].sum()
            value = total["money"] / total[size].where(total[size] > 0)
            parts.append(value.rename("value").reset_index().assign(quantity=quantity))
        whole = self.break_even[self.break_even["carrier"] == ALL]
        parts.append(
            whole.rename(columns={"carrier": "detail", "break_even": "value"}).assign(
                quantity="capture_break_even", carbon_price=float("nan")
            )
        )
        if self.demand is not None:
            everywhere = self.demand[self.demand["province"] == NATION]
            named = everywhere.rename(columns={"province": "detail"})
            parts.append(named.melt(keys, var_name="quantity"))
        columns = ["regime", "carbon_price", "quantity", "detail", "value"]
        return pd.concat([part[columns] for part in parts if len(part)], ignore_index=True)

    @property
    def tables(self) -> dict[str, pd.DataFrame]:
        """Every table by file name: those of the comparison, and what is of the study alone."""
        found = {
            **self.comparison.tables,
            "storage": self.storage,
            "arbitrage": self.arbitrage,
            "capture_break_even": self.break_even,
            "capture_gain": self.capture,
            "flexibility": self.summary,
        }
        if self.assumptions.capture is not None and len(self.break_even):
            found["capture_assumptions"] = self.assumptions.capture.parameters(self.comparison.case)
        return found if self.demand is None else {**found, "demand_effects": self.demand}

    def record(self) -> dict[str, object]:
        """What was run and assumed."""
        said = self.assumptions.model_dump(mode="json")
        return {**self.comparison.record(), "assumptions": said, "flexibility": self.notes}

    def to_parquet(self, folder: str | Path) -> Path:
        """Write every table and the record, as `Comparison.to_parquet` does."""
        return write_results(Path(folder), self.tables, self.record())


def value_flexibility(
    case: Case,
    regimes: Sequence[str | Path | Regime] = DEFAULT_REGIMES,
    carbon_prices: Sequence[float] = CARBON_PRICES,
    *,
    storage: Mapping[str, StorageKind | Mapping[str, float]] | None = None,
    capture: Capture | Mapping[str, Any] | None = None,
    refine: int = 3,
    weeks: int | None = None,
    year: bool = False,
    look_ahead: float | None = None,
    start: str | None = None,
    days: int | None = None,
    workers: int | None = None,
    cluster: str | None = None,
    store: str | Path | CellStore | None = None,
    progress: Progress | None = None,
) -> FlexibilityStudy:
    """Say what storage, capture of CO2 and flexible demand earn under each regime.

    Storage: what the ledger pays it, and the most a price taker could earn by arbitrage
    (`storagevalue`). Capture: the carbon price from which one more MW of retrofit pays (`capture`,
    `breakeven`). Flexible demand, where a regime has rules of it: what they change against the same
    regime without them, which is cleared as well.

    Parameters
    ----------
    case, regimes : as in `compare`
    carbon_prices : sequence of float
        [money/t]; the break-even is sought between them.
    storage : mapping of str to StorageKind, optional
        Kinds of storage that are valued beside those of the network.
    capture : Capture or mapping of its fields, optional
        The retrofit; default: its defaults, where they fit the network.
    refine : int, default 3
        Most clearings a regime that look for the break-even between the carbon prices; regimes
        whose clearing does not see the carbon price need none.
    weeks, year, look_ahead, start, days, workers, cluster, store, progress
        As in `compare`.

    Returns
    -------
    FlexibilityStudy

    Raises
    ------
    InputError
        Naming every fault of regimes, carbon prices, horizon, storage and capture at once.
    ClearingError, ExecutionError, StorageError
        As `compare`.
    """
    case = case.with_market(case.market.model_copy(update={"calibration": None}))
    horizon = Horizon(weeks, year, look_ahead, start, days)
    assumed, chosen, notes = _given(
        case, regimes, carbon_prices, storage, capture, refine, horizon
    )  # fmt: skip
    plain = [without for item in chosen if (without := without_demand(item)) is not None]
    with opened(store) as kept:
        result = compare(
            case, [*chosen, *plain], carbon_prices, weeks=weeks, year=year, look_ahead=look_ahead,
            start=start, days=days, workers=workers, cluster=cluster, store=kept,
            progress=progress,
        )  # fmt: skip
        parts = []
        for item in chosen if assumed.capture is not None else ():
            runs = [run for run in result.runs if run.regime.name == item.name]
            if said := _unsought(item, runs):
                notes.append(said)
                continue

            def clear(price: float, runs: list[Run] = runs) -> Run:
                at = runs[0].regime.at(price)
                same = (r for r in runs if r.regime.clearing_key == at.clearing_key)
                if (known := next(same, None)) is not None:
                    return replace(known, regime=at, carbon_price=price)
                found, said = clear_all(
                    result.case, [(at, price)], workers,
                    parts_of(progress, 1, [f"where capture pays, CO2 at {price:.1f}"])[0],
                    cluster=cluster, store=kept,
                )  # fmt: skip
                notes.extend(said)
                return found[0]

            assert assumed.capture is not None
            parts.append(break_even(runs, assumed.capture, clear, refine))
    rows, gains = zip(*parts, strict=True) if parts else ((), ())
    return FlexibilityStudy(
        result, assumed, _stacked(rows, BREAK_EVEN), _stacked(gains, GAINS),
        [*result.notes, *dict.fromkeys(notes)],
    )  # fmt: skip


def _given(
    case: Case,
    regimes: Sequence[str | Path | Regime],
    carbon_prices: Sequence[float],
    storage: Mapping[str, StorageKind | Mapping[str, float]] | None,
    capture: Capture | Mapping[str, Any] | None,
    refine: int,
    horizon: Horizon,
) -> tuple[Assumptions, list[Regime], list[str]]:
    """Check what was given, all faults at once; say what will not be looked at."""
    faults: list[Fault] = []
    notes, chosen, part = [], [], case
    with collected(faults):
        part = cut(case, horizon)
    for item in regimes:
        with collected(faults):
            chosen.append(regime(item))
            faults += chosen[-1].faults(part)
            for price in carbon_prices if chosen[-1].cap is None else ():
                chosen[-1].at(price)
    if refine < 0:
        faults.append(Fault("refine", f"{refine} is no number of clearings", "give 0 or more"))
    kinds = {
        name: dict(kind) if isinstance(kind, Mapping) else kind
        for name, kind in (storage or {}).items()
    }
    said = dict(capture) if isinstance(capture, Mapping) else capture
    assumed = Assumptions()
    with collected(faults):
        assumed = validated(Assumptions, {"storage": kinds, "capture": said}, "flexibility")
    known = set(case.storage_units["carrier"])
    faults += [
        Fault(f"storage.{name}", "is a carrier of the network as well", "give it another name")
        for name in assumed.storage
        if name in known
    ]
    wanted = assumed.capture or Capture()
    lacking = wanted.faults(case)
    if assumed.capture is not None:
        faults += lacking
    elif lacking:
        notes += [f"no break-even of capture: {fault}" for fault in lacking]
    else:
        assumed = assumed.model_copy(update={"capture": wanted})
        notes.append("capture: parameters are recalled, not sourced; state your own")
    if faults:
        raise InputError({str(fault): fault for fault in faults}.values())
    return assumed, chosen, [*_of_storage(case, assumed), *notes]


def _of_storage(case: Case, assumed: Assumptions) -> list[str]:
    """Say which storage is in no table."""
    n, found = case._n, []
    none = rechargeable(case).empty
    if none and n.stores.empty:
        kept = "" if assumed.storage else "; name a kind under `storage` to value one"
        found.append(f"{case.name} has no storage that can be charged{kept}")
    if len(n.stores):
        found.append("stores have no power of their own: no arbitrage of a price taker is given")
    return found


def _unsought(item: Regime, runs: Sequence[Run]) -> str | None:
    """Say why no break-even is sought in a regime."""
    if item.cap is not None:
        return f"{item.name}: a limit makes the carbon price, no break-even is sought"
    if len(runs) < 2:
        return f"{item.name}: one carbon price only, no break-even is sought"
    return None


def _stacked(
    parts: Sequence[pd.DataFrame], columns: Mapping[str, object] | None = None
) -> pd.DataFrame:
    full = [part for part in parts if len(part)] or list(parts[:1])
    return pd.concat(full, ignore_index=True) if full else pd.DataFrame(columns=list(columns or {}))
