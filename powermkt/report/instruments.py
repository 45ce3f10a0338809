"""Figures of instruments: certificates, overlapping targets, savings; and of how good data are."""

from __future__ import annotations

from typing import Any

import pandas as pd

from powermkt.report.source import shown_of
from powermkt.report.style import bars

CERTIFICATES = ("obligations by province", "certificates by technology", "counted twice")
OVERLAP = ("cost of instruments", "emissions avoided", "renewable share")
ALL_LINES = "all"  # a row of all instruments
_BURDENS = {"lose": "loss of parties", "pay": "net payments", "avoid": "emissions avoided"}
# Labels of quality, the best first, with their colours.
QUALITY = {
    "sourced": "#0072B2", "sourced (derived)": "#56B4E9", "model input": "#999999",
    "estimated": "#E69F00", "recalled": "#D55E00",
}  # fmt: skip


def certificates(source: Any, what: str = CERTIFICATES[0], *, language: str = "en") -> Any:
    """Green certificates: how obligations are met, what becomes of them, what is claimed twice.

    Parameters
    ----------
    source : Claims, or its folder
    what : one of `CERTIFICATES`
    language : {"en", "zh"}
    """
    shown = shown_of(source, language)
    if what == CERTIFICATES[0]:
        rows = shown.table("certificate_obligations").set_index("province")
        columns = {"bundled_mwh": "bundled", "local_mwh": "local", "bought_mwh": "bought",
                   "short_mwh": "short"}  # fmt: skip
        rows = rows.sort_values("obligation_mwh", ascending=False)
        return bars(shown, rows[[*columns]].rename(columns=columns), shown.words("energy"), "MWh")
    if what == CERTIFICATES[1]:
        columns = {"retired_mwh": "retired", "banked_mwh": "banked", "converted_mwh": "converted"}
        table = shown.table("certificate_balance").groupby("carrier", sort=False)[[*columns]].sum()
        return bars(shown, table.rename(columns=columns), shown.words("certificates"), "MWh")
    table = shown.table("certificate_double_counted").groupby("province")[["double_t"]].sum()
    table = table.sort_values("double_t", ascending=False).rename(
        columns={"double_t": "counted twice"}
    )
    return bars(shown, table, shown.words("emissions"), "t")


def overlap(source: Any, what: str = OVERLAP[0], *, language: str = "en") -> Any:
    """Instruments alone, beside each other, merged: cost above none, emissions, renewable share.

    Parameters
    ----------
    source : OverlapStudy, or its folder
    what : one of `OVERLAP`
    language : {"en", "zh"}
    """
    shown = shown_of(source, language)
    rows = shown.table("overlap_cases").set_index("case")
    none = rows.iloc[0]
    if what == OVERLAP[0]:
        table = pd.DataFrame(
            {"power system": rows["system_cost"] - none["system_cost"],
             "measures": rows["savings_cost"] - none["savings_cost"]}
        )  # fmt: skip
        return bars(shown, table.iloc[1:], shown.words("cost above none"), shown.money)
    if what == OVERLAP[1]:
        table = pd.DataFrame(
            {"plant emits less": none["emissions_t"] - rows["emissions_t"],
             "fuel that measures save": rows["saved_t"] - none["saved_t"]}
        )  # fmt: skip
        return bars(shown, table.iloc[1:], shown.words("emissions avoided"), "t")
    table = 100 * rows[["renewable_share"]].rename(columns={"renewable_share": "renewable share"})
    return bars(shown, table, shown.words("renewable share"), "%", beside=True)


BURDENS = ("lose", "pay", "avoid")  # what `burdens` shows: money, money, tonnes


def burdens(source: Any, what: str = BURDENS[0], *, language: str = "en") -> Any:
    """Who bears instruments, by case: what parties lose against none, pay net, and avoid.

    Parameters
    ----------
    source : OverlapStudy, or its folder
    what : one of `BURDENS`
        `lose` counts what prices of power change, too; below zero: gains or receives.
    language : {"en", "zh"}
    """
    shown = shown_of(source, language)
    column = {"lose": "loss", "pay": "net", "avoid": "avoided_t"}[what]
    rows = shown.table("overlap_parties")
    rows = rows[rows["line"] == ALL_LINES]
    wide = rows.pivot_table(
        index="case", columns="party", values=column, aggfunc="sum", sort=False
    ).fillna(0.0)
    unit = "t" if what == "avoid" else shown.money
    return bars(shown, wide, shown.words(_BURDENS[what]), unit)


def double_counting(source: Any, *, language: str = "en") -> Any:
    """Tonnes that two instruments both claim, without and with a common ledger, by pair."""
    shown = shown_of(source, language)
    rows = shown.table("overlap_double_counted")
    words = shown.words
    names = [
        words("all instruments") if a == b else f"{words(a)} + {words(b)}"
        for a, b in zip(rows["first"], rows["second"], strict=True)
    ]
    columns = {"double_t": "counted twice", "with_ledger_t": "with a common ledger"}
    table = rows[[*columns]].rename(columns=columns).set_axis(names, axis="index")
    return bars(shown, table, words("emissions"), "t", beside=True)


def quality(counts: dict[str, dict[str, int]], *, language: str = "en") -> Any:
    """Share of the rows of each input table by the label of their quality, in per cent.

    Parameters
    ----------
    counts : dict of str to dict of str to int
        As `quality.quality_of`.
    """
    shown = shown_of({}, language)
    table = pd.DataFrame(counts).T.fillna(0.0)
    known = [name for name in QUALITY if name in table]
    table = table[[*known, *(name for name in table if name not in known)]]
    share = 100 * table.div(table.sum(axis=1), axis="index")
    share.index = [
        f"{shown.words(str(name))} ({table.loc[name].sum():,.0f})" for name in share.index
    ]
    figure = bars(shown, share, shown.words("share of rows"), "%", colours=QUALITY)
    figure.update_xaxes(range=[0, 100])
    return figure
