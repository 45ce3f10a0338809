"""Sections of studies: causes, remedies, switching, responsibility, returns, entry, risk, more."""

from __future__ import annotations

from powermkt.report import figures
from powermkt.report.content import (
    Content,
    Record,
    Section,
    View,
    by_cell,
    by_price,
    by_regime,
    by_value,
    columns,
    one,
)
from powermkt.report.instruments import CERTIFICATES, OVERLAP
from powermkt.report.source import Shown, pick

_MOST_STEPS = 25
MARGINS = "pass-through"


def _causes(shown: Shown, record: Record) -> Content:
    return by_regime(shown, "causes", figures.causes)


def _remedies(shown: Shown, record: Record) -> Content:
    views = []
    for regime in dict.fromkeys(map(str, shown.table("remedies")["regime"])):
        for what, label in (("money", "resource cost saved"), ("mwh", "curtailment avoided")):
            choice = {"regime": shown.words(regime), "what": shown.words(label)}
            rows = pick(shown.table("remedies"), regime=regime)
            views.append(View(choice, figures.remedies(shown, regime, what), rows))
    return Content(views)


def _abatement(shown: Shown, record: Record) -> Content:
    found = by_regime(shown, "abatement_curve", figures.abatement)
    return Content([view for view in found.views if len(view.data)])


def _switching(shown: Shown, record: Record) -> Content:
    rows = shown.table("switching_points")
    rows = rows[rows["emissions_change_t"].abs() > 0]
    rows = rows.loc[rows["emissions_change_t"].abs().nlargest(_MOST_STEPS).index].sort_index()
    if not len(rows):
        return Content()
    found = columns(
        shown, rows, {"regime": "regime", "loses": "loses output", "gains": "gains output"},
        {"tau": "carbon price", "emissions_change_t": "change of emissions (t)",
         "abatement_cost": "abatement cost", "switched_mwh": "energy that moves (MWh)"}
    )  # fmt: skip
    return Content(table=found)


def _responsibility(shown: Shown, record: Record) -> Content:
    return by_cell(shown, "responsibility", figures.responsibility)


def _transfers(shown: Shown, record: Record) -> Content:
    return by_cell(shown, "carbon_transfers", figures.carbon_transfers)


def _principles(shown: Shown, record: Record) -> Content:
    return by_cell(shown, "carbon_principles", figures.carbon_principles)


def _certificates(shown: Shown, record: Record) -> Content:
    names = ("certificate_obligations", "certificate_balance", "certificate_double_counted")
    views = []
    for what, name in zip(CERTIFICATES, names, strict=True):
        if name in shown.tables and len(rows := shown.table(name)):
            views.append(View({"what": shown.words(what)}, figures.certificates(shown, what), rows))
    return Content(views)


def _overlap(shown: Shown, record: Record) -> Content:
    rows = shown.table("overlap_cases")
    return Content(
        [View({"what": shown.words(what)}, figures.overlap(shown, what), rows) for what in OVERLAP]
    )


def _overlap_lines(shown: Shown, record: Record) -> Content:
    texts = {"case": "case", "line": "line", "kind": "kind", "unit": "unit"}
    numbers = {"target": "target", "reached": "reached", "shortfall": "shortfall",
               "price": "price of a unit", "price_per_t": "price of a tonne"}  # fmt: skip
    return Content(table=columns(shown, shown.table("overlap_lines"), texts, numbers))


def _double(shown: Shown, record: Record) -> Content:
    return one(figures.double_counting(shown), shown.table("overlap_double_counted"))


def _returns(shown: Shown, record: Record) -> Content:
    found = by_price(shown, "returns_summary", lambda price: figures.returns(shown, price))
    return Content([view for view in found.views if view.data["irr"].notna().any()])


def _one_more(shown: Shown, record: Record) -> Content:
    rows = shown.table("one_more")
    rows = rows.assign(irr=100 * rows["irr"])
    texts = {name: name.replace("_", " ") for name in
             ("regime", "carbon_price", "province", "carrier")}  # fmt: skip
    numbers = {"capacity_mw": "capacity (MW)", "full_load_hours": "full load hours",
               "received_price": "price received",
               "irr": "internal rate of return (%)"}  # fmt: skip
    return Content(table=columns(shown, rows, texts, numbers))


def _entry(shown: Shown, record: Record) -> Content:
    rows = shown.table("entry")
    return one(figures.entry(shown), rows) if (rows["entry_mw"] > 0).any() else Content()


def _entry_system(shown: Shown, record: Record) -> Content:
    rows = shown.table("entry_system")
    rows = rows.assign(**{name: 100 * rows[name] for name in
                          ("wind_share", "solar_share", "curtailment_rate")})  # fmt: skip
    divisor, money = shown.scaled(float(rows["total_cost"].abs().max()), shown.money)
    mass, unit = shown.scaled(float(rows["emissions_t"].abs().max()), "t")
    rows["total_cost"], rows["emissions_t"] = (
        rows["total_cost"] / divisor,
        rows["emissions_t"] / mass,
    )
    texts = {"regime": "regime", "carbon_price": "carbon price"}
    cost, emissions = shown.words("cost in all"), shown.words("emissions")
    numbers = {"entry_mw": "enters (MW)", "wind_share": "wind share (%)",
               "solar_share": "solar share (%)",
               "total_cost": f"{cost} ({shown.words.unit(money)})",
               "emissions_t": f"{emissions} ({unit})",
               "curtailment_rate": "curtailment (%)"}  # fmt: skip
    return Content(table=columns(shown, rows, texts, numbers))


def _risk(shown: Shown, record: Record) -> Content:
    rows = shown.table("risk")
    moved = rows.groupby("quantity", sort=False)["max"].max() > 0
    rows = rows[rows["quantity"].map(moved)]
    return by_value(shown, rows, "quantity", lambda name: figures.risk(shown, name))


def _flexibility(shown: Shown, record: Record) -> Content:
    rows = shown.table("flexibility")
    rows = rows[rows["value"].notna()]
    return by_value(shown, rows, "quantity", lambda name: figures.flexibility(shown, name))


OF_CURTAILMENT = (
    Section("causes", "Curtailment by cause", ("causes",), _causes, "explain"),
    Section("remedies", "What remedies are worth", ("remedies",), _remedies, "remedies"),
)
_SWITCHING = "pass-through --switching-to PRICE"
OF_STUDIES = (
    Section("abatement", "Abatement", ("abatement_curve",), _abatement, _SWITCHING),
    Section("switching", "Where dispatch switches", ("switching_points",), _switching, _SWITCHING),
    Section("responsibility", "Whose carbon it is", ("responsibility",), _responsibility, "trace"),
    Section("transfers", "Carbon in what provinces send each other", ("carbon_transfers",),
            _transfers, "trace"),
    Section("principles", "Who would pay for carbon", ("carbon_principles",), _principles, "trace"),
    Section("certificates", "Certificates", ("certificate_obligations",), _certificates, "claims"),
    Section("overlap", "Instruments that overlap", ("overlap_cases",), _overlap, "overlap"),
    Section("overlap_lines", "Prices of instruments", ("overlap_lines",), _overlap_lines,
            "overlap"),
    Section("double_counting", "What two instruments both count", ("overlap_double_counted",),
            _double, "overlap"),
    Section("returns", "What plant earns", ("returns_summary",), _returns, "returns"),
    Section("one_more", "One more plant", ("one_more",), _one_more, "returns --one-more CARRIER"),
    Section("entry", "What enters", ("entry",), _entry, "invest"),
    Section("entry_system", "What entry changes", ("entry_system",), _entry_system, "invest"),
    Section("risk", "Risk over weather years", ("risk",), _risk, "risk"),
    Section("flexibility", "What flexibility earns", ("flexibility",), _flexibility,
            "flexibility"),
)  # fmt: skip
