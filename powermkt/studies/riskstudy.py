"""The same market in many weather years: what renewables earn and users pay, and how surely."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import pandas as pd

from powermkt.accounts.parties import CONSUMERS, PRODUCERS, STORAGE
from powermkt.analysis.clearall import opened
from powermkt.analysis.risk import hedging_table, risk_table
from powermkt.common.writing import write_results
from powermkt.engine.cells import CellStore
from powermkt.engine.regime import Regime, regime
from powermkt.engine.scheduling import Progress, parts_of
from powermkt.errors import Fault, InputError, collected
from powermkt.inputs.case import Case
from powermkt.run import Run
from powermkt.studies.compare import compare
from powermkt.studies.comparison import Comparison
from powermkt.system.horizon import Horizon, cut, with_horizon
from powermkt.system.weather import WeatherYears, read_weather_years, weather_faults, with_weather

RISK_REGIMES = ("full_market", "market_with_contracts", "reform_2025")
ALL = "all"
_OF_ALL = (
    "wholesale_price", "cost", "emissions_t", "curtailment_mwh", "curtailment_rate",
    "load_shed_mwh",
)  # fmt: skip


@dataclass(frozen=True)
class WeatherRisk:
    """What regimes come to in many weather years.

    Attributes
    ----------
    case : Case
        The network in its own weather, cut to the horizon.
    yearly : DataFrame
        Columns weather_year, regime, carbon_price [money/t], quantity (as in `risk.QUANTITIES`),
        detail (carrier or user class; `all`), value.
    weather : DataFrame
        Columns weather_year, series (a renewable carrier, or `load`), energy_mwh (available over
        the horizon, inflow, or demand), relative (to the network's own weather).
    confidence : float
        Of value at risk and conditional value at risk.
    notes : list of str
        What went wrong on the way and was mended, and what the input lacks.
    study : dict
        What was run: rules, versions, notes of every year.
    """

    case: Case
    yearly: pd.DataFrame
    weather: pd.DataFrame
    confidence: float
    notes: list[str] = field(default_factory=list)
    study: dict[str, object] = field(default_factory=dict)

    @cached_property
    def risk(self) -> pd.DataFrame:
        """Distribution of every quantity by regime; columns as in `risk.COLUMNS`."""
        return risk_table(self.yearly, self.confidence)

    @cached_property
    def hedging(self) -> pd.DataFrame:
        """Change of risk against the first regime; columns as in `risk.HEDGING`."""
        return hedging_table(self.risk)

    @property
    def tables(self) -> dict[str, pd.DataFrame]:
        """Every table by file name."""
        return {
            "yearly": self.yearly, "risk": self.risk, "hedging": self.hedging,
            "weather": self.weather,
        }  # fmt: skip

    def to_parquet(self, folder: str | Path) -> Path:
        """Write every table and the record, as `Comparison.to_parquet` does."""
        return write_results(Path(folder), self.tables, self.study)


def weather_risk(
    case: Case,
    weather_years: WeatherYears | str | Path,
    regimes: Sequence[str | Path | Regime] = RISK_REGIMES,
    carbon_price: float = 0.0,
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
    confidence: float = 0.95,
) -> WeatherRisk:
    """Clear a case under each regime in every weather year.

    Regimes that differ in contracts alone are cleared once a year. Representative weeks are chosen
    in the network's own weather and are the same in every year, scaled to the seasons of the year:
    what differs is the weather, not the calendar. The plan of reservoirs (`year`) is made for each
    year, knowing its water; the framework schedule of the ties is not.

    Parameters
    ----------
    case : Case
    weather_years : mapping of str to mapping of str to DataFrame, str or Path
        By year and by series ("generators_t.p_max_pu", ...), [snapshot x component] in the units of
        the network; or a folder, as `powermkt.system.weather` says. All are equally likely.
    regimes : sequence of str, Path or Regime
        The first is what the others are set against.
    carbon_price : float, default 0
        [money/t]; a regime with a `CarbonCap` finds its own in every year.
    weeks, year, look_ahead, start, days, workers, cluster, store
        As in `clear`.
    progress : callable, optional
        As in `compare`, over all years.
    confidence : float, default 0.95
        Of value at risk and conditional value at risk.

    Returns
    -------
    WeatherRisk

    Raises
    ------
    InputError
        Naming everything in which years do not match the case or each other, fewer than two years,
        a confidence outside 0 .. 1, and all faults of the regimes.
    ClearingError, ExecutionError, StorageError
        As `clear`.
    """
    horizon = Horizon(weeks, year, look_ahead, start, days)
    # A run that is set beside observation says nothing of other weather.
    case = case.with_market(case.market.model_copy(update={"calibration": None}))
    years, part, chosen = _checked(
        case, weather_years, regimes, carbon_price, horizon, confidence
    )  # fmt: skip
    rows, weather, notes, records = [], [], {}, {}
    own = available(part)
    with opened(store) as kept:
        told = parts_of(progress, len(years), list(years))
        for part_told, (label, series) in zip(told, years.items(), strict=True):
            there = with_horizon(with_weather(case, series), horizon, model=case)
            result = compare(
                there, chosen, [carbon_price], workers=workers, cluster=cluster, store=kept,
                progress=part_told,
            )  # fmt: skip
            rows += [_quantities(run).assign(weather_year=label) for run in _told(result)]
            energy = available(there)
            weather.append(
                pd.DataFrame(
                    {"weather_year": label, "series": energy.index, "energy_mwh": energy.array,
                     "relative": (energy / own.where(own > 0)).array}
                )
            )  # fmt: skip
            records[label] = result.record()
            notes[label] = result.notes
    yearly = pd.concat(rows, ignore_index=True)
    columns = ["weather_year", "regime", "carbon_price", "quantity", "detail", "value"]
    study = {
        **next(iter(records.values())),
        "confidence": confidence,
        "notes": {label: record["notes"] for label, record in records.items()},
        "weather_years": list(years),
    }
    said = [*_preface(case, years, confidence), *_once(notes)]
    study["mended"] = said
    return WeatherRisk(
        part, yearly[columns], pd.concat(weather, ignore_index=True), confidence, said, study
    )


def _checked(
    case: Case,
    given: WeatherYears | str | Path,
    regimes: Sequence[str | Path | Regime],
    carbon_price: float,
    horizon: Horizon,
    confidence: float,
) -> tuple[dict[str, Mapping[str, pd.DataFrame]], Case, list[Regime]]:
    """Years, the case cut to the horizon, and regimes; all that is wrong is told at once."""
    faults, chosen, part = [], [], case
    years: dict[str, Mapping[str, pd.DataFrame]] = {}
    if not 0 < confidence < 1:
        what = f"{confidence} is no confidence level"
        faults.append(Fault("confidence", what, "give a number between 0 and 1, as 0.95"))
    with collected(faults):
        if isinstance(given, (str, Path)):
            years.update(read_weather_years(given, case))
        else:
            years.update({str(label): series for label, series in given.items()})
            faults += weather_faults(case, years)
        if len(years) < 2:
            remedy = "give two or more, better ten"
            faults.append(Fault("weather years", f"{len(years)} have no distribution", remedy))
    with collected(faults):
        part = cut(case, horizon)
    for item in regimes:
        with collected(faults):
            found = regime(item)
            chosen.append(found)
            faults += found.faults(part)
            found.at(0.0 if found.cap is not None else carbon_price)
    if faults:
        raise InputError({str(fault): fault for fault in faults}.values())
    return years, part, chosen


def _told(result: Comparison) -> list[Run]:
    """One run for each regime: where a limit makes the price, the one at that price."""
    limited = {run.regime.name for run in result.runs if run.cap is not None}
    return [run for run in result.runs if run.cap or run.regime.name not in limited]


def _quantities(run: Run) -> pd.DataFrame:
    """What one run comes to, as rows of `WeatherRisk.yearly` without the year."""
    case, accounts, summary = run.case, run.accounts, run.summary()
    renewable = case.carriers.renewable
    plant = accounts[
        accounts["group"].isin([PRODUCERS, STORAGE]) & accounts["detail"].isin(renewable)
    ]
    users = accounts[(accounts["group"] == CONSUMERS) & accounts.index.isin(case.loads.index)]
    output = run.generation[run.generation["carrier"].isin(renewable)]
    served = run.outcome.served(case).mul(case.weights, axis="index").sum()
    revenue = _with_sum(plant["receipts"].groupby(plant["detail"]).sum())
    energy = _with_sum(output.groupby("carrier")["generation_mwh"].sum())
    bill = _with_sum(-users["receipts"].groupby(users["detail"]).sum())
    load = _with_sum(served.groupby(case.loads["user_class"]).sum())
    found = {
        "renewable_revenue": revenue,
        "renewable_mwh": energy,
        "renewable_price": (revenue / energy.where(energy > 0)).dropna(),
        "consumer_bill": bill,
        "retail_price": (bill / load.where(load > 0)).dropna(),
        **{name: pd.Series({ALL: float(summary[name])}) for name in _OF_ALL},
    }
    table = pd.concat(found, names=["quantity", "detail"]).rename("value").reset_index()
    return table.assign(regime=run.regime.name, carbon_price=run.carbon_price)


def _with_sum(values: pd.Series) -> pd.Series:
    return pd.concat([pd.Series({ALL: values.sum()}), values])


def available(case: Case) -> pd.Series:
    """Energy of the horizon that weather decides, [renewable carrier and `load`] in MWh."""
    weights, kept = case.weights, case.carriers.renewable
    parts = [
        case.availability.mul(weights, axis="index").sum().groupby(case.generators["carrier"]),
        case.dense("StorageUnit", "inflow").mul(weights, axis="index").sum()
        .groupby(case.storage_units["carrier"]),
    ]  # fmt: skip
    found = pd.concat([part.sum() for part in parts]).groupby(level=0).sum()
    load = case.dense("Load", "p_set").mul(weights, axis="index").to_numpy().sum()
    return pd.concat([found[found.index.isin(kept)], pd.Series({"load": float(load)})])


def _preface(case: Case, years: WeatherYears, confidence: float) -> list[str]:
    """What a reader of the tables should know."""
    found = []
    if (tail := (1 - confidence) * len(years)) < 1 - 1e-9:
        found.append(
            f"{len(years)} weather years hold {tail:.2g} of a year in the tail of "
            f"{100 * (1 - confidence):.3g} %: CVaR is the worst year"
        )
    stated = {name for series in years.values() for name in series}
    if moved := stated.intersection(case.forecast):
        said = "err by as much as in the network's own weather at the time"
        found.append(f"forecasts of {', '.join(sorted(moved))} {said}")
    return found


def _once(notes: Mapping[str, list[str]]) -> list[str]:
    """Notes of the years; what is said in every year is said once."""
    years: dict[str, list[str]] = {}
    for label, said in notes.items():
        for note in said:
            years.setdefault(note, []).append(label)
    return [
        note if len(labels) == len(notes) else f"{', '.join(labels)}: {note}"
        for note, labels in years.items()
    ]
