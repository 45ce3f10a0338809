"""Sections of every comparison, and the order of all sections of a page."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pandas as pd

from powermkt.report import figures
from powermkt.report.content import (
    MONEY,
    Content,
    Record,
    Section,
    View,
    by_cell,
    by_price,
    columns,
    one,
    said,
)
from powermkt.report.money import hourly_rates
from powermkt.report.operation import dispatch_plot, dispatch_rows, price_table
from powermkt.report.source import Shown, pick
from powermkt.report.studysections import MARGINS, OF_CURTAILMENT, OF_STUDIES
from powermkt.report.style import carriers_of

_MOST_WINDOWS = 4
_MOST_PROVINCES = 40  # that can be switched in dispatch
_SMALL = 1e-6  # of a rate
_CELL = {"regime": "regime", "carbon_price": "carbon price"}


def _headline(shown: Shown, record: Record) -> Content:
    words, rows = shown.words, shown.table("comparison")
    scale, unit = shown.scaled(float(rows["cost"].abs().max()), shown.money)
    paid_by, paid_unit = shown.scaled(float(rows["consumer_payment"].abs().max()), shown.money)
    mass, mass_unit = shown.scaled(float(rows["emissions_t"].max()), "t")
    found = {
        words("regime"): [words(str(name)) for name in rows["regime"]],
        f"{words('carbon price')} ({shown.per('t')})": said(rows["carbon_price"], "g"),
        f"{words('cost')} ({words.unit(unit)})": said(rows["cost"] / scale, ",.2f"),
        f"{words('CO2')} ({mass_unit})": said(rows["emissions_t"] / mass, ",.2f"),
    }
    for kind in ("wind", "solar", "hydro"):
        rate = rows.get(f"{kind}_curtailment_rate")
        if rate is not None and rate.notna().any():
            found[f"{words(f'{kind} cut')} (%)"] = said(100 * rate, ".2f")
    for name, text in (("wholesale_price", "wholesale price"), ("retail_price", "retail price")):
        found[f"{words(text)} ({shown.per('MWh')})"] = said(rows[name], ",.1f")
    found[f"{words('users pay')} ({words.unit(paid_unit)})"] = said(
        rows["consumer_payment"] / paid_by, ",.2f"
    )
    if (rows["load_shed_mwh"] > 0).any():
        found[f"{words('load shed')} (MWh)"] = said(rows["load_shed_mwh"], ",.1f")
    return Content(table=pd.DataFrame(found))


def _dispatch(shown: Shown, record: Record) -> Content:
    words, hours = shown.words, shown.table("hours")
    windows = [str(window) for window in hours["window"].unique()]
    step = max(1.0, len(windows) / _MOST_WINDOWS)
    chosen = [windows[int(step * k)] for k in range(min(len(windows), _MOST_WINDOWS))]
    lowest = hours.groupby("regime", sort=False)["carbon_price"].min()
    cells = [(window, str(regime), float(price)) for window in chosen
             for regime, price in lowest.items()]  # fmt: skip
    parts = [(words("all provinces"), window, regime, price, False,
              dispatch_rows(shown, regime, price, window))
             for window, regime, price in cells]  # fmt: skip
    places = _days(shown)
    parts += [(f"{words(place)}, {words('mean day')}", *cell, True, by_cell[cell])
              for place, by_cell in places.items() for cell in cells]  # fmt: skip
    views = []
    for place, window, regime, _, day, rows in parts:
        choice = {"regime": words(regime)}
        if len(chosen) > 1:
            choice["week"] = window
        if places:
            choice["province"] = place
        carriers = carriers_of(rows)
        kept = [name for name in carriers if rows[name].to_numpy().any()]
        head = rows.columns[: -len(carriers)]
        views.append(View(choice, dispatch_plot(shown, rows, day), rows[[*head, *kept]]))
    return Content(views)


def _days(shown: Shown) -> dict[str, dict[tuple[str, str, float], pd.DataFrame]]:
    """Mean days by province, then by window, regime and carbon price; none of a few or many."""
    if "province_days" not in shown.tables:
        return {}
    table = shown.table("province_days")
    if not 1 < table["province"].nunique() <= _MOST_PROVINCES:
        return {}
    found: dict[str, dict[tuple[str, str, float], pd.DataFrame]] = {}
    keys = ["province", "window", "regime", "carbon_price"]
    for key, rows in table.groupby(keys, sort=False):
        place, window, regime = map(str, key[:3])
        price = float(rows["carbon_price"].iloc[0])
        found.setdefault(place, {})[window, regime, price] = rows
    return found


def _generation(shown: Shown, record: Record) -> Content:
    return by_cell(shown, "generation", figures.generation)


def _duration(shown: Shown, record: Record) -> Content:
    return by_price(
        shown, "hours", lambda price: figures.duration(shown, price),
        lambda price: price_table(shown, price),
    )  # fmt: skip


def _map(shown: Shown, record: Record) -> Content:
    if not shown.table("provinces")[["x", "y"]].to_numpy().any():
        return Content()  # a network without coordinates
    return by_cell(shown, "provinces", figures.provinces_map)


def _pass_through(shown: Shown, record: Record) -> Content:
    return by_price(shown, "pass_through", lambda price: figures.pass_through(shown, price))


def _pass_through_by_hour(shown: Shown, record: Record) -> Content:
    found = by_cell(shown, "pass_through_hourly", figures.pass_through_by_hour)
    keys = [(view.data["regime"].iloc[0], view.data["carbon_price"].iloc[0])
            for view in found.views]  # fmt: skip
    rates = [hourly_rates(shown, *key) for key in keys]
    pairs = [
        pair for pair in zip(found.views, rates, strict=True) if pair[1].notna().any(axis=None)
    ]
    pairs.sort(key=lambda pair: not (pair[1].abs() > _SMALL).any(axis=None))  # what moves is first
    return Content([View(view.choice, view.figure, rate.reset_index()) for view, rate in pairs])


def _incidence(shown: Shown, record: Record) -> Content:
    return by_cell(shown, "incidence", figures.incidence)


def _retail(shown: Shown, record: Record) -> Content:
    table = shown.table("retail")
    classes = list(dict.fromkeys(map(str, table["user_class"])))
    views = []
    for name in classes:
        part = pick(table, user_class=name)
        narrowed = replace(shown, tables={"retail": part})
        found = by_price(
            narrowed, "retail",
            lambda price, at=narrowed, of=name: figures.retail(at, price, of),  # type: ignore[misc]
        )  # fmt: skip
        more = {"user class": shown.words(name)} if len(classes) > 1 else {}
        views += [View({**more, **view.choice}, view.figure, view.data) for view in found.views]
    return Content(views)


def _reserve_prices(shown: Shown, record: Record) -> Content:
    return by_price(shown, "reserve_prices", lambda price: figures.reserve_prices(shown, price))


def _payments(shown: Shown, record: Record) -> Content:
    return by_cell(shown, "payments", figures.payments)


def _obligations(shown: Shown, record: Record) -> Content:
    texts = {name: name.replace("_", " ") for name in
             ("regime", "carbon_price", "line", "kind", "unit")}  # fmt: skip
    numbers = {"target": "target", "reached": "reached", "shortfall": "shortfall",
               "price": f"price of a unit{MONEY}"}  # fmt: skip
    return Content(table=columns(shown, shown.table("obligations"), texts, numbers))


def _savings(shown: Shown, record: Record) -> Content:
    texts = {name: name.replace("_", " ") for name in
             ("regime", "carbon_price", "measure", "province")}  # fmt: skip
    rows = shown.table("savings")
    found = columns(
        shown, rows, texts,
        {"potential": "potential (tce)", "saved": "saved (tce)", "unit_cost": f"cost{MONEY}/tce",
         "unit_worth": f"worth{MONEY}/tce", "cost": f"cost in all{MONEY}",
         "rent": f"rent{MONEY}"},
    )  # fmt: skip
    return Content(table=found)


def _calibration(shown: Shown, record: Record) -> Content:
    rows = shown.table("calibration")
    names = ("quantity", "carrier", "unit", "quality")
    found = columns(
        shown, rows, {name: name for name in names},
        {"model": "model", "observed": "observed", "difference_pct": "difference (%)"},
    )  # fmt: skip
    found = found.iloc[:, [0, 1, 4, 5, 6, 2, 3]]  # numbers before unit and quality: narrow screens
    return Content(one(figures.calibration(shown), rows).views, table=found)


def _utilisation(shown: Shown, record: Record) -> Content:
    return one(figures.utilisation(shown), shown.table("utilisation"))


def _windfall(shown: Shown, record: Record) -> Content:
    return by_cell(shown, "windfall", figures.windfall)


def _revenue(shown: Shown, record: Record) -> Content:
    return by_cell(shown, "revenue", figures.revenue)


def _leakage(shown: Shown, record: Record) -> Content:
    rows = shown.table("leakage")
    found = columns(
        shown, rows.assign(leakage_rate=100 * rows["leakage_rate"]), _CELL,
        {"priced_change_t": "change where the price holds (t)",
         "elsewhere_change_t": "change elsewhere (t)", "leakage_rate": "leakage (%)"},
    )  # fmt: skip
    return Content(table=found)


def _caps(shown: Shown, record: Record) -> Content:
    rows = shown.table("caps")
    found = columns(
        shown, rows.assign(cap_gap=100 * rows["cap_gap"]), _CELL,
        {"limit_t": "limit (t)", "counted_t": "counted (t)",
         "cap_gap": "cost above its lower bound (%)"},
    )  # fmt: skip
    return Content(table=found)


def _quality(shown: Shown, record: Record) -> Content:
    counts = record.get("quality") or {}
    rows = [(table, label, number) for table, part in counts.items()
            for label, number in part.items()]  # fmt: skip
    if not rows:
        return Content()
    figure = figures.quality(counts, language=shown.words.language)
    return one(figure, pd.DataFrame(rows, columns=["table", "quality", "rows"]))


# Key of a record -> the study that states what is under it.
_STUDIES = {"market": "what the market file states", "assumptions": "flexibility",
            "study": "overlap", "entry": "entry", "remedies": "remedies",
            "claims": "claims"}  # fmt: skip


def _assumptions(shown: Shown, record: Record) -> Content:
    stated = {name: record[key] for key, name in _STUDIES.items()
              if isinstance(record.get(key), dict) and record[key]}  # fmt: skip
    return Content(texts={shown.words(name): _listed(value) for name, value in stated.items()})


def _listed(stated: Any, indent: str = "") -> str:
    """Nested keys and values as lines; a mapping of plain values on one of them."""
    lines = []
    for key, value in stated.items():
        if isinstance(value, dict) and any(
            isinstance(item, dict | list) for item in value.values()
        ):
            lines += [f"{indent}{key}:", _listed(value, indent + "  ")]
        elif isinstance(value, dict):
            inside = ", ".join(f"{name} {item}" for name, item in value.items() if item is not None)
            lines.append(f"{indent}{key}: {inside}")
        elif isinstance(value, list) and any(isinstance(item, dict) for item in value):
            lines.append(f"{indent}{key}:")
            lines += [f"{indent}  - " + ", ".join(f"{k} {v}" for k, v in item.items() if v)
                      for item in value if isinstance(item, dict)]  # fmt: skip
        elif value not in (None, [], {}):
            shown = ", ".join(map(str, value)) if isinstance(value, list) else value
            lines.append(f"{indent}{key}: {shown}")
    return "\n".join(line for line in lines if line)


def _record(shown: Shown, record: Record) -> Content:
    words = shown.words
    windows = pd.DataFrame(
        [
            {words("week"): label, words("from"): w["from"], words("to"): w["to"],
             words("hours"): f"{w['hours']:,.0f}"}
            for label, w in record.get("windows", {}).items()
        ]
        if isinstance(record.get("windows"), dict)
        else []
    )  # fmt: skip
    versions = ", ".join(f"{name} {number}" for name, number in record.get("versions", {}).items())
    notes = [*_noted(record.get("notes"))]
    for key in ("mended", "trace", "flexibility", "overlap"):
        notes += _noted(record.get(key)) if isinstance(record.get(key), list) else []
    texts = {words("versions"): f"{versions}\nPython {record.get('python', '')}"}
    if notes:
        texts[words("notes")] = "\n".join(notes)
    for name, rules in record.get("regimes", {}).items():
        texts[f"{words('rules of')} {words(name)}"] = str(rules)
    return Content(table=windows if len(windows) else None, texts=texts)


def _noted(given: object, where: str = "") -> Iterator[str]:
    """Notes, after the names of what they are in: a run, or a weather year and a run."""
    if isinstance(given, dict):
        for name, found in given.items():
            yield from _noted(found, f"{where}{name}: ")
    elif isinstance(given, list):
        yield from (f"{where}{note}" for note in given)


SECTIONS = (
    Section("headline", "Rules compared", ("comparison",), _headline),
    Section("dispatch", "Dispatch", ("hours", "carriers"), _dispatch),
    Section("generation", "Energy by province", ("generation",), _generation),
    Section("duration", "Prices", ("hours",), _duration),
    Section("map", "Curtailment, flows and prices", ("provinces", "corridors"), _map),
    *OF_CURTAILMENT,
    Section("pass_through", "Pass-through of the carbon price", ("pass_through",), _pass_through),
    Section("pass_through_by_hour", "Pass-through by hour", ("pass_through_hourly",),
            _pass_through_by_hour, MARGINS),
    Section("incidence", "Who gains and who loses by the carbon price", ("incidence",), _incidence),
    Section("leakage", "Emissions that move elsewhere", ("leakage",), _leakage, ""),
    Section("windfall", "What plant gains by the carbon price", ("windfall",), _windfall, ""),
    Section("retail", "What users pay", ("retail",), _retail),
    Section("revenue", "What plant is paid for", ("revenue",), _revenue, ""),
    *OF_STUDIES,
    Section("reserve_prices", "Reserve prices", ("reserve_prices",), _reserve_prices,
            "compare --services FILE"),
    Section("payments", "Who pays whom", ("payments",), _payments),
    Section("obligations", "Obligations", ("obligations",), _obligations, ""),
    Section("caps", "Limits on emissions", ("caps",), _caps, ""),
    Section("savings", "Savings", ("savings",), _savings, ""),
    Section("calibration", "Model and observation", ("calibration",), _calibration, ""),
    Section("utilisation", "How much coal plant runs", ("utilisation",), _utilisation, ""),
    Section("quality", "Quality of data", (), _quality),
    Section("assumptions", "Assumptions", (), _assumptions),
    Section("record", "How it was made", (), _record),
)  # fmt: skip
