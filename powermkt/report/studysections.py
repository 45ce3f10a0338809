"""Sections of studies: causes, remedies, switching, responsibility, returns, entry, risk, more."""

from __future__ import annotations

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
    by_regime,
    by_value,
    columns,
    one,
)
from powermkt.report.instruments import ALL_LINES, BURDENS, CERTIFICATES, OVERLAP
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
            figure = figures.remedies(shown, regime, what)
            views += [View(choice, figure, rows)] if figure.data else []
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
        {"tau": f"carbon price{MONEY}/t", "emissions_change_t": "change of emissions (t)",
         "abatement_cost": f"abatement cost{MONEY}/t", "switched_mwh": "energy that moves (MWh)"}
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
    table = _checks(shown, "certificate_proof") if "certificate_proof" in shown.tables else None
    return Content(views, table)


def _overlap(shown: Shown, record: Record) -> Content:
    rows = shown.table("overlap_cases")
    return Content(
        [View({"what": shown.words(what)}, figures.overlap(shown, what), rows) for what in OVERLAP]
    )


def _overlap_lines(shown: Shown, record: Record) -> Content:
    texts = {"case": "case", "line": "line", "kind": "kind", "unit": "unit"}
    numbers = {"target": "target", "reached": "reached", "shortfall": "shortfall",
               "price": f"price of a unit{MONEY}",
               "price_per_t": f"price of a tonne{MONEY}"}  # fmt: skip
    return Content(table=columns(shown, shown.table("overlap_lines"), texts, numbers))


def _double(shown: Shown, record: Record) -> Content:
    return one(figures.double_counting(shown), shown.table("overlap_double_counted"))


def _burdens(shown: Shown, record: Record) -> Content:
    rows = shown.table("overlap_parties")
    rows = rows[rows["line"] == ALL_LINES]
    names = {"lose": "loss of parties", "pay": "net payments", "avoid": "emissions avoided"}
    return Content(
        [View({"what": shown.words(names[what])}, figures.burdens(shown, what), rows)
         for what in BURDENS]
    )  # fmt: skip


def _ledger_proof(shown: Shown, record: Record) -> Content:
    return Content(table=_checks(shown, "overlap_proof"))


def _checks(shown: Shown, name: str) -> pd.DataFrame:
    """Checks of a claims ledger, each with both its sides."""
    rows = shown.table(name)
    rows = rows.assign(holds=rows["holds"].map({True: "yes", False: "no"}))
    sides = columns(shown, rows, {}, {"left": "left side", "right": "right side"})
    texts = columns(
        shown, rows, {"check": "check", "relation": "is", "unit": "unit", "holds": "holds"}, {}
    )
    check, relation, unit, holds = (texts[name] for name in texts)
    left, right = (sides[name] for name in sides)
    return pd.concat([check, left, relation, right, unit, holds], axis="columns")


def _claimed(shown: Shown, record: Record) -> Content:
    rows = shown.table("overlap_claimed")
    found = columns(
        shown, rows, {"source": "source", "instrument": "instrument"},
        {"physical_t": "physical (t)", "claimed_t": "claimed (t)",
         "once_t": "with a common ledger (t)"},
    )  # fmt: skip
    return Content(table=found)


def _published(shown: Shown, record: Record) -> Content:
    rows = shown.table("overlap_published")
    found = columns(
        shown, rows, {"quantity": "quantity", "reading": "reading"},
        {"low": "published, from (%)", "high": "published, to (%)", "ours": "here (%)"},
    )  # fmt: skip
    why = list(dict.fromkeys(map(str, rows["differs"])))
    return Content(table=found, texts={shown.words("why they differ"): "\n".join(why)})


def _returns(shown: Shown, record: Record) -> Content:
    found = by_price(shown, "returns_summary", lambda price: figures.returns(shown, price))
    return Content([view for view in found.views if view.data["irr"].notna().any()])


def _one_more(shown: Shown, record: Record) -> Content:
    rows = shown.table("one_more")
    rows = rows.assign(irr=100 * rows["irr"])
    texts = {name: name.replace("_", " ") for name in
             ("regime", "carbon_price", "province", "carrier")}  # fmt: skip
    numbers = {"capacity_mw": "capacity (MW)", "full_load_hours": "full load hours",
               "received_price": f"price received{MONEY}/MWh",
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
    Section("claimed", "Tonnes that instruments claim", ("overlap_claimed",), _claimed, ""),
    Section("ledger_proof", "What the claims ledger proves", ("overlap_proof",), _ledger_proof,
            ""),
    Section("burdens", "Who bears instruments", ("overlap_parties",), _burdens, ""),
    Section("published", "Beside published figures", ("overlap_published",), _published, ""),
    Section("returns", "What plant earns", ("returns_summary",), _returns, "returns"),
    Section("one_more", "One more plant", ("one_more",), _one_more, "returns --one-more CARRIER"),
    Section("entry", "What enters", ("entry",), _entry, "invest"),
    Section("entry_system", "What entry changes", ("entry_system",), _entry_system, "invest"),
    Section("risk", "Risk over weather years", ("risk",), _risk, "risk"),
    Section("flexibility", "What flexibility earns", ("flexibility",), _flexibility,
            "flexibility"),
)  # fmt: skip
