"""What a section of a page holds, and how its views are made of tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from powermkt.report.source import Shown, pick
from powermkt.report.style import with_unit

Record = Mapping[str, Any]
_MOST_PRICES = 4  # carbon prices that can be switched
MONEY = " in money"  # at the end of a heading


@dataclass(frozen=True)
class View:
    """One figure of a section.

    Attributes
    ----------
    choice : dict of str to str
        What was switched, by what is switched: regime, carbon price, week.
    figure : plotly Figure, or dict
        In plain data, where there are many.
    data : DataFrame
        What it shows.
    """

    choice: dict[str, str]
    figure: Any
    data: pd.DataFrame


@dataclass
class Content:
    """What a section holds: views that can be switched, a table, or texts to be unfolded."""

    views: list[View] = field(default_factory=list)
    table: pd.DataFrame | None = None
    texts: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Section:
    """A section of the page.

    Attributes
    ----------
    name : str
    heading : str
    needs : tuple of str
        Tables; without them there is no section.
    make : callable
    by : str
        Command that writes them; empty where the input decides.
    """

    name: str
    heading: str
    needs: tuple[str, ...]
    make: Callable[[Shown, Record], Content]
    by: str = "compare"


def few(prices: Sequence[float]) -> list[float]:
    """The first, the last, and some between."""
    if len(prices) <= _MOST_PRICES:
        return list(prices)
    step = (len(prices) - 1) / (_MOST_PRICES - 1)
    return [prices[round(step * k)] for k in range(_MOST_PRICES)]


def said(values: pd.Series, form: str) -> list[str]:
    """Numbers as text, nothing where there is none."""
    return ["" if pd.isna(value) else format(value, form) for value in values]


def carbon_price(shown: Shown, price: float) -> str:
    """A carbon price with its unit, as a switch says it."""
    return f"{price:g} {shown.per('t')}"


def by_price(
    shown: Shown, name: str, make: Callable[[float], Any],
    data: Callable[[float], pd.DataFrame] | None = None,
) -> Content:  # fmt: skip
    """A view for each of a few carbon prices."""
    table = shown.table(name)
    found = []
    for price in few(sorted(set(table["carbon_price"].dropna()))):
        rows = pick(table, carbon_price=price) if data is None else data(price)
        found.append(View({"carbon price": carbon_price(shown, price)}, make(price), rows))
    return Content(found)


def by_cell(shown: Shown, name: str, make: Callable[..., Any]) -> Content:
    """A view for each regime and a few carbon prices; all of a regime that has but one."""
    table = shown.table(name)
    pairs = table[["regime", "carbon_price"]].drop_duplicates()
    every = [(str(a), float(b)) for a, b in pairs.itertuples(index=False)]
    chosen = set(few(sorted({price for _, price in every})))
    found = []
    for regime, price in every:
        if price in chosen or sum(other == regime for other, _ in every) == 1:
            choice = {"regime": shown.words(regime), "carbon price": carbon_price(shown, price)}
            rows = pick(table, regime=regime, carbon_price=price)
            found.append(View(choice, make(shown, regime, price), rows))
    return Content(found)


def by_regime(shown: Shown, name: str, make: Callable[..., Any]) -> Content:
    """A view for each regime."""
    table = shown.table(name)
    regimes = [str(regime) for regime in dict.fromkeys(table["regime"])]
    return Content(
        [View({"regime": shown.words(r)}, make(shown, r), pick(table, regime=r)) for r in regimes]
    )


def by_value(
    shown: Shown, table: pd.DataFrame, column: str, make: Callable[[str], Any], what: str = "what"
) -> Content:
    """A view for each value of a column."""
    values = list(dict.fromkeys(map(str, table[column])))
    return Content(
        [View({what: shown.words(value)}, make(value), table[table[column].astype(str) == value])
         for value in values]
    )  # fmt: skip


def one(figure: Any, data: pd.DataFrame) -> Content:
    """A figure without switches."""
    return Content([View({}, figure, data)])


def columns(
    shown: Shown, rows: pd.DataFrame, texts: Mapping[str, str], figures: Mapping[str, str]
) -> pd.DataFrame:
    """A table to be read: columns of words, then of numbers, under their headings.

    Parameters
    ----------
    texts, figures : mapping of str to str
        Column -> heading; one that ends with `MONEY`, or `MONEY` and ``/unit``, has the currency.
    """
    words = shown.words
    found = {}
    for name, heading in texts.items():
        priced = name == "carbon_price"
        values = said(rows[name], "g") if priced else map(str, rows[name])
        head = with_unit(words(heading), shown.per("t") if priced else "")
        found[head] = [words(text) for text in values]
    for name, heading in figures.items():
        quantity, _, unit = heading.partition(MONEY)
        if unit or heading.endswith(MONEY):
            head = with_unit(words(quantity), words.unit(f"{shown.money}{unit}"))
        else:
            head = words(heading)
        found[head] = [_number(value) for value in rows[name].astype(float)]
    return pd.DataFrame(found)


def _number(value: float) -> str:
    """A number with four digits or all before the point; nothing where there is none."""
    if pd.isna(value):
        return ""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
