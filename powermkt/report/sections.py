"""What a page may hold: each section with the tables that it needs, and what it makes of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from powermkt.report import figures
from powermkt.report.figures import Tables, pick, scaled
from powermkt.report.words import Words

_MOST_WINDOWS = 4
_MOST_PRICES = 4  # carbon prices that can be switched


@dataclass(frozen=True)
class View:
    """One figure of a section.

    Attributes
    ----------
    choice : dict of str to str
        What was switched, by what is switched: regime, carbon price, week.
    figure : plotly Figure
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
    """

    name: str
    heading: str
    needs: tuple[str, ...]
    make: Callable[[Tables, Mapping[str, Any], Words], Content]


def _cells(table: pd.DataFrame) -> list[tuple[str, float]]:
    pairs = table[["regime", "carbon_price"]].drop_duplicates()
    return [(str(a), float(b)) for a, b in pairs.itertuples(index=False)]


def _few(prices: list[float]) -> list[float]:
    """The first, the last, and some between."""
    if len(prices) <= _MOST_PRICES:
        return prices
    step = (len(prices) - 1) / (_MOST_PRICES - 1)
    return [prices[round(step * k)] for k in range(_MOST_PRICES)]


def _shown(table: pd.DataFrame) -> Iterator[tuple[str, float]]:
    """Regimes and carbon prices to switch between."""
    few = set(_few(sorted(set(table["carbon_price"]))))
    every = _cells(table)
    for regime, price in every:
        if price in few or sum(name == regime for name, _ in every) == 1:
            yield regime, price


def _money(record: Mapping[str, Any]) -> str:
    currency = str(record.get("currency", ""))
    return "" if currency == "money" else currency


def _per(record: Mapping[str, Any], unit: str) -> str:
    return f"{_money(record) or 'money'}/{unit}"


def _headline(tables: Tables, record: Mapping[str, Any], words: Words) -> Content:
    rows = tables["comparison"]
    scale, unit = scaled(float(rows["cost"].abs().max()), _money(record))
    paid_by, paid_unit = scaled(float(rows["consumer_payment"].abs().max()), _money(record))
    mass, mass_unit = scaled(float(rows["emissions_t"].max()), "t")
    found = {
        words("regime"): [words(str(name)) for name in rows["regime"]],
        f"{words('carbon price')} ({words.unit(_per(record, 't'))})": _said(
            rows["carbon_price"], "g"
        ),
        f"{words('cost')} ({words.unit(unit)})": _said(rows["cost"] / scale, ",.2f"),
        f"{words('CO2')} ({mass_unit})": _said(rows["emissions_t"] / mass, ",.2f"),
    }
    for kind in ("wind", "solar", "hydro"):
        rate = rows.get(f"{kind}_curtailment_rate")
        if rate is not None and rate.notna().any():
            found[f"{words(f'{kind} cut')} (%)"] = _said(100 * rate, ".2f")
    for name, text in (("wholesale_price", "wholesale price"), ("retail_price", "retail price")):
        found[f"{words(text)} ({words.unit(_per(record, 'MWh'))})"] = _said(rows[name], ",.1f")
    found[f"{words('users pay')} ({words.unit(paid_unit)})"] = _said(
        rows["consumer_payment"] / paid_by, ",.2f"
    )
    if (rows["load_shed_mwh"] > 0).any():
        found[f"{words('load shed')} (MWh)"] = _said(rows["load_shed_mwh"], ",.1f")
    return Content(table=pd.DataFrame(found))


def _said(values: pd.Series, form: str) -> list[str]:
    return ["" if pd.isna(value) else format(value, form) for value in values]


def _dispatch(tables: Tables, record: Mapping[str, Any], words: Words) -> Content:
    hours = tables["hours"]
    windows = list(dict.fromkeys(hours["window"]))
    step = max(1.0, len(windows) / _MOST_WINDOWS)
    chosen = [windows[int(step * k)] for k in range(min(len(windows), _MOST_WINDOWS))]
    lowest = hours.groupby("regime", sort=False)["carbon_price"].min()
    views = []
    for window in chosen:
        for regime, price in lowest.items():
            choice = {"regime": words(str(regime))}
            if len(chosen) > 1:
                choice["week"] = str(window)
            rows = pick(hours, regime=regime, carbon_price=price, window=window).head(168)
            figure = figures.dispatch(tables, str(regime), float(price), str(window), words)
            views.append(View(choice, figure, rows))
    return Content(views)


def _by_price(
    tables: Tables, record: Mapping[str, Any], words: Words, name: str,
    make: Callable[[float], Any], data: Callable[[float], pd.DataFrame],
) -> Content:  # fmt: skip
    prices = _few(sorted(set(tables[name]["carbon_price"])))
    unit = words.unit(_per(record, "t"))
    return Content(
        [View({"carbon price": f"{price:g} {unit}"}, make(price), data(price)) for price in prices]
    )


def _duration(tables: Tables, record: Mapping[str, Any], words: Words) -> Content:
    columns = ["regime", "carbon_price", "window", "snapshot", "hours", "price"]
    return _by_price(
        tables, record, words, "hours",
        lambda price: figures.duration(tables, price, words, _per(record, "MWh")),
        lambda price: pick(tables["hours"], carbon_price=price)[columns],
    )  # fmt: skip


def _by_cell(
    tables: Tables, record: Mapping[str, Any], words: Words, name: str,
    make: Callable[..., Any], unit: str,
) -> Content:  # fmt: skip
    found = []
    for regime, price in _shown(tables[name]):
        choice = {
            "regime": words(regime),
            "carbon price": f"{price:g} {words.unit(_per(record, 't'))}",
        }
        figure = make(tables, regime, price, words, unit)
        rows = pick(tables[name], regime=regime, carbon_price=price)
        found.append(View(choice, figure, rows))
    return Content(found)


def _map(tables: Tables, record: Mapping[str, Any], words: Words) -> Content:
    unit = _per(record, "MWh")
    if not tables["provinces"][["x", "y"]].to_numpy().any():
        return Content()  # a network without coordinates
    return _by_cell(tables, record, words, "provinces", figures.provinces_map, unit)


def _by_regime(
    tables: Tables, words: Words, name: str, make: Callable[[str], Any]
) -> Content:  # fmt: skip
    regimes = [str(regime) for regime in dict.fromkeys(tables[name]["regime"])]
    rows = {regime: pick(tables[name], regime=regime) for regime in regimes}
    return Content([View({"regime": words(r)}, make(r), rows[r]) for r in regimes])


def _causes(tables: Tables, record: Mapping[str, Any], words: Words) -> Content:
    return _by_regime(tables, words, "causes", lambda name: figures.causes(tables, name, words))


def _abatement(tables: Tables, record: Mapping[str, Any], words: Words) -> Content:
    unit = _per(record, "t")
    return _by_regime(
        tables, words, "abatement_curve",
        lambda name: figures.abatement(tables, name, words, unit),
    )  # fmt: skip


def _pass_through(tables: Tables, record: Mapping[str, Any], words: Words) -> Content:
    if not len(tables["pass_through"]):
        return Content()
    return _by_price(
        tables, record, words, "pass_through",
        lambda price: figures.pass_through(tables, price, words),
        lambda price: pick(tables["pass_through"], carbon_price=price),
    )  # fmt: skip


def _incidence(tables: Tables, record: Mapping[str, Any], words: Words) -> Content:
    return _by_cell(tables, record, words, "incidence", figures.incidence, _money(record))


def _reserve_prices(tables: Tables, record: Mapping[str, Any], words: Words) -> Content:
    unit = _per(record, "(MW h)")
    return _by_price(
        tables, record, words, "reserve_prices",
        lambda price: figures.reserve_prices(tables, price, words, unit),
        lambda price: pick(tables["reserve_prices"], carbon_price=price),
    )  # fmt: skip


def _payments(tables: Tables, record: Mapping[str, Any], words: Words) -> Content:
    return _by_cell(tables, record, words, "payments", figures.payments, _money(record))


def _obligations(tables: Tables, record: Mapping[str, Any], words: Words) -> Content:
    rows = tables["obligations"]
    found = {}
    for name in ("regime", "carbon_price", "line", "kind", "unit"):
        values = _said(rows[name], "g") if name == "carbon_price" else map(str, rows[name])
        found[words(name.replace("_", " "))] = [words(text) for text in values]
    for name in ("target", "reached", "shortfall"):
        found[words(name)] = _said(rows[name], ",.6g")
    found[words("price of a unit")] = _said(rows["price"], ",.6g")
    return Content(table=pd.DataFrame(found))


def _record(tables: Tables, record: Mapping[str, Any], words: Words) -> Content:
    windows = pd.DataFrame(
        [
            {words("week"): label, words("from"): w["from"], words("to"): w["to"],
             words("hours"): f"{w['hours']:,.0f}"}
            for label, w in record.get("windows", {}).items()
        ]
    )  # fmt: skip
    versions = ", ".join(f"{name} {number}" for name, number in record.get("versions", {}).items())
    notes = [f"{cell}: {note}" for cell, found in record.get("notes", {}).items() for note in found]
    texts = {words("versions"): f"{versions}\nPython {record.get('python', '')}"}
    if notes or record.get("mended"):
        texts[words("notes")] = "\n".join([*notes, *map(str, record.get("mended", []))])
    for name, rules in record.get("regimes", {}).items():
        texts[f"{words('rules of')} {words(name)}"] = str(rules)
    return Content(table=windows, texts=texts)


SECTIONS = (
    Section("headline", "Rules compared", ("comparison",), _headline),
    Section("dispatch", "Dispatch", ("hours", "carriers"), _dispatch),
    Section("duration", "Prices", ("hours",), _duration),
    Section("map", "Curtailment, flows and prices", ("provinces", "corridors"), _map),
    Section("causes", "Curtailment by cause", ("causes",), _causes),
    Section("pass_through", "Pass-through of the carbon price", ("pass_through",), _pass_through),
    Section("incidence", "Who gains and who loses by the carbon price", ("incidence",), _incidence),
    Section("abatement", "Abatement", ("abatement_curve",), _abatement),
    Section("reserve_prices", "Reserve prices", ("reserve_prices",), _reserve_prices),
    Section("payments", "Who pays whom", ("payments",), _payments),
    Section("obligations", "Obligations", ("obligations",), _obligations),
    Section("record", "How it was made", (), _record),
)
