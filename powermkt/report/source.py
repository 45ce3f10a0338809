"""Results as figures take them: tables by name, the money they are in, words to say it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from powermkt.analysis.overview import OVERVIEW, overview
from powermkt.errors import Fault, InputError, name_list, nearest
from powermkt.report.folders import of_study, read_results
from powermkt.report.words import LANGUAGES, Words
from powermkt.run import Run, labelled

Tables = Mapping[str, pd.DataFrame]


@dataclass(frozen=True)
class Shown:
    """What figures are made of.

    Attributes
    ----------
    tables : mapping of str to DataFrame
        As `Comparison.tables` or `read_results` have them.
    words : Words
    currency : str
        Empty: not stated.
    template : str or dict
        Of plotly; a page has it once for all figures.
    """

    tables: Tables = field(repr=False)
    words: Words = field(default_factory=lambda: Words("en"), repr=False)
    currency: str = ""
    template: Any = field(default="plotly_white", repr=False)

    @property
    def money(self) -> str:
        """Unit of money, `money` where it is not stated."""
        return self.currency or "money"

    def per(self, unit: str) -> str:
        """Money by a unit, in words."""
        return self.words.unit(f"{self.money}/{unit}")

    def scaled(self, largest: float, unit: str) -> tuple[float, str]:
        """Return the number to divide by, and the unit in thousands, millions or more.

        Yuan in Chinese go by ten thousands and hundred millions.
        """
        if self.words.language == "zh" and unit == "CNY" and largest >= 1e4:
            return (1e8, "亿元") if largest >= 1e8 else (1e4, "万元")
        return scaled(largest, unit)

    def table(self, name: str) -> pd.DataFrame:
        """Return a table.

        Raises
        ------
        InputError
            If these results do not have it.
        """
        try:
            return self.tables[name]
        except KeyError:
            what = f"these results have no table {name!r}"
            raise InputError([Fault("figure", what, "see what makes it in the README")]) from None

    def rows(
        self, name: str, regime: str | None = None, carbon_price: float | None = None
    ) -> pd.DataFrame:
        """Rows of one regime and carbon price: the first, and its lowest, where none is given.

        Raises
        ------
        InputError
            If there is no such table, regime or carbon price in it.
        """
        table = self.table(name)
        if "regime" in table and len(table):
            there = [str(item) for item in table["regime"].unique()]
            chosen = there[0] if regime is None else regime
            if chosen not in there:
                what = f"{name}: no regime {chosen!r}"
                raise InputError([Fault("figure", what, nearest(chosen, there))])
            table = pick(table, regime=chosen)
        return self.at(table, carbon_price)

    def only(self, table: pd.DataFrame, column: str, value: str | None) -> pd.DataFrame:
        """Rows with a value in a column, its first where none is given; errors as `rows`."""
        there = [str(item) for item in table[column].unique()]
        chosen = there[0] if value is None and there else str(value)
        if chosen not in there:
            raise InputError([Fault("figure", f"no {column} {chosen!r}", nearest(chosen, there))])
        return table[table[column].astype(str) == chosen]

    def at(self, table: pd.DataFrame, carbon_price: float | None) -> pd.DataFrame:
        """Rows at one carbon price, the lowest where none is given; errors as `rows`."""
        if "carbon_price" not in table or not len(table):
            return table
        prices = sorted(table["carbon_price"].unique())
        chosen = prices[0] if carbon_price is None else carbon_price
        if chosen not in prices:
            remedy = f"one of {name_list([f'{price:g}' for price in prices])}"
            raise InputError([Fault("figure", f"no carbon price {chosen:g}", remedy)])
        return pick(table, carbon_price=chosen)


def shown_of(source: Any, language: str = "en") -> Shown:
    """Make what figures take of a run, a comparison, a study, a folder, or tables by name.

    Tables of a run and of a comparison are computed when a figure asks for them.

    Raises
    ------
    InputError
        If it is none of them, or there is no such language.
    """
    if isinstance(source, Shown):
        return source
    check_language(language)
    if isinstance(source, str | Path):
        tables, record = read_results(source)
        return named(tables, language, record)
    if isinstance(source, Mapping):
        return named(source, language, {})
    case = getattr(source, "case", None)
    if case is None:
        case = next((run.case for run in _runs(source)), None)
    record = {} if case is None else {"currency": case.market.currency}
    return named(_tables(source), language, record)


def check_language(language: str) -> None:
    """Refuse a language that there is not."""
    if language not in LANGUAGES:
        fault = Fault("language", f"no language {language!r}", f"one of {', '.join(LANGUAGES)}")
        raise InputError([fault])


def named(tables: Tables, language: str, record: Mapping[str, Any]) -> Shown:
    """Tables with words that know the names of provinces, and the currency of their record."""
    names = {str(name): str(said) for name, said in record.get("names_zh", {}).items()}
    currency = str(record.get("currency", ""))
    if language != "en" and not names and "provinces" in tables:
        pairs = tables["provinces"][["province", "name_zh"]]
        names = dict(pairs.itertuples(index=False))
    return Shown(tables, Words(language, names), "" if currency == "money" else currency)


def _runs(source: Any) -> list[Run]:
    if isinstance(source, Run):
        return [source]
    run = getattr(source, "run", None)
    return [run] if isinstance(run, Run) else list(getattr(source, "runs", []))


def _tables(source: Any) -> Tables:
    if isinstance(source, Run):
        return _Lazy(source.case, [source], partial(_of_run, source))
    if hasattr(source, "runs") and hasattr(source, "pass_through"):  # a comparison
        return _Lazy(source.case, source.runs, partial(_of_comparison, source))
    if hasattr(source, "tables"):
        return of_study(source)
    if isinstance(getattr(source, "table", None), pd.DataFrame) and _runs(source):
        name = "causes" if "cause" in source.table else "remedies"
        return {name: source.table.assign(regime=_runs(source)[0].regime.name)}
    what = f"{type(source).__name__} is neither a run nor a comparison, a study, a folder"
    raise InputError([Fault("figure", what, "give one of them, or tables by name")])


class _Lazy(Mapping[str, pd.DataFrame]):
    """Tables that are made when they are asked for."""

    def __init__(
        self, case: Any, runs: list[Run], make: Callable[[str], pd.DataFrame | None]
    ) -> None:
        self._case, self._runs, self._make = case, runs, make
        self._made: dict[str, pd.DataFrame] = {}

    def __getitem__(self, name: str) -> pd.DataFrame:
        if name not in self._made:
            if name in OVERVIEW:
                self._made |= overview(self._case, self._runs)
            else:
                table = self._make(name)
                if table is None:
                    raise KeyError(name)
                self._made[name] = table
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        return (name for name in (*OVERVIEW, *_OF_COMPARISON) if name in self)

    def __len__(self) -> int:
        return sum(1 for _ in self)


_OF_RUN = ("curtailment", "generation", "ledger", "revenue")
_OF_COMPARISON = (
    "comparison", "pass_through", "pass_through_hourly", "incidence", "leakage", "windfall",
    "retail", "curtailment", "generation", "revenue", "reserve_prices", "obligations", "savings",
    "caps", "calibration", "utilisation",
)  # fmt: skip


def _of_run(run: Run, name: str) -> pd.DataFrame | None:
    if name == "reserve_prices":
        return labelled(run, run.reserve_prices) if run.case.market.services.products else None
    return labelled(run, getattr(run, name)) if name in _OF_RUN else None


def _of_comparison(result: Any, name: str) -> pd.DataFrame | None:
    if name == "reserve_prices":
        table: pd.DataFrame | None = result.services.get(name)
        return table
    if name == "pass_through_hourly" and not any(
        len(run.marginal_mix.columns) for run in result.runs
    ):
        return None
    attribute = "table" if name == "comparison" else name
    found: pd.DataFrame | None = getattr(result, attribute) if name in _OF_COMPARISON else None
    return found


def pick(table: pd.DataFrame, **where: object) -> pd.DataFrame:
    """Rows of a table in which columns have the given values."""
    for name, value in where.items():
        table = table[table[name] == value]
    return table


def scaled(largest: float, unit: str) -> tuple[float, str]:
    """Return the number to divide by, and the unit in thousands, millions or more."""
    steps = {"MWh": ("MWh", "GWh", "TWh"), "MW": ("MW", "GW"), "t": ("t", "kt", "Mt"),
             "h": ("h",)}  # fmt: skip
    names = steps.get(unit, (unit, f"k {unit}", f"m {unit}", f"bn {unit}"))
    if not np.isfinite(largest) or largest <= 0:
        return 1.0, names[0]
    power = min(max(int(np.log10(largest) // 3), 0), len(names) - 1)
    return 1000.0**power, names[power]
