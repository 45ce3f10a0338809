"""Tables of instruments that overlap for a terminal of 80 columns."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd
from rich.table import Table

from powermkt.commands.terminal import rounded, table_of
from powermkt.studies.overlapcases import SEPARATE, UNIFIED
from powermkt.studies.overlapparties import ALL
from powermkt.studies.overlapstudy import OverlapStudy


def overlap_report(study: OverlapStudy) -> Iterator[Table | str]:
    """Tables of a study for a terminal of 80 columns."""
    currency = study.case.market.currency
    yield _case_table(study, currency)
    yield _line_table(study.lines, currency)
    yield from _party_table(study, currency)
    if len(study.double_counted):
        yield _claim_table(study)
    if len(study.published):
        yield _published_table(study.published)
        yield from dict.fromkeys(study.published["differs"])


def _case_table(study: OverlapStudy, currency: str) -> Table:
    table = study.cases
    money, scale = ("bn", 1e9) if table["total_cost"].abs().max() >= 1e9 else ("m", 1e6)
    tonnes, t_scale = ("Mt", 1e6) if table["emissions_t"].max() >= 1e7 else ("kt", 1e3)
    shown = table_of(
        f"{study.case.name}, {study.regime.name}: cost in {money} {currency}, CO2 in {tonnes}",
        ["case", "power\nsystem", "meas-\nures", "total", "CO2", "saved\nCO2", "renew-\nable %",
         "per t", "slack"],
    )  # fmt: skip
    shown.columns[-1].justify = "left"
    for row in table.to_dict("records"):
        shown.add_row(
            row["case"], rounded(row["system_cost"] / scale, 3),
            rounded(row["savings_cost"] / scale, 3), rounded(row["total_cost"] / scale, 3),
            rounded(row["emissions_t"] / t_scale, 2), rounded(row["saved_t"] / t_scale, 2),
            rounded(100 * row["renewable_share"], 2), rounded(row["cost_per_t"], 1), row["slack"],
        )  # fmt: skip
    return shown


def _line_table(table: pd.DataFrame, currency: str) -> Table:
    shown = table_of(
        f"prices in {currency} a unit, and a tonne of CO2",
        ["case", "line", "unit", "target", "reached", "price", "per t"],
    )
    shown.columns[1].justify = shown.columns[2].justify = "left"
    for row in table.to_dict("records"):
        shown.add_row(
            row["case"], row["line"], row["unit"], f"{row['target']:,.0f}",
            f"{row['reached']:,.0f}", rounded(row["price"], 1), rounded(row["price_per_t"], 1),
        )  # fmt: skip
    return shown


def _party_table(study: OverlapStudy, currency: str) -> Iterator[Table]:
    """Who pays in the separate and the unified case, or in the last one; provinces together."""
    table = study.parties[study.parties["line"] == ALL]
    wanted = [name for name in (SEPARATE, UNIFIED) if name in study.cleared]
    scale, money = (1e9, "bn") if table["paid"].abs().max() >= 1e9 else (1e6, "m")
    for case in wanted or [list(study.cleared)[-1]]:
        shown = table_of(
            f"{case}: who pays, {money} {currency}; {currency} a tonne that all, or itself, avoid",
            ["party", "paid", "received", "loss", "own CO2\nless, t", "paid net\nper t all",
             "paid net\nper t own", "loss\nper t all"],
        )  # fmt: skip
        part = table[table["case"] == case]
        sums = part.groupby("party", sort=False)[
            ["paid", "received", "net", "loss", "avoided_t", "burden_system", "loss_system"]
        ].sum()
        for party, row in sums.iterrows():
            own = row["net"] / row["avoided_t"] if row["avoided_t"] > 1 else float("nan")
            shown.add_row(
                str(party), *(rounded(row[key] / scale, 3) for key in ("paid", "received", "loss")),
                rounded(row["avoided_t"], 0), rounded(row["burden_system"], 1), rounded(own, 1),
                rounded(row["loss_system"], 1),
            )  # fmt: skip
        yield shown


def _claim_table(study: OverlapStudy) -> Table:
    proven = "proven" if bool(study.proof()["holds"].all()) else "NOT PROVEN"
    shown = table_of(
        f"tonnes of CO2 claimed by instruments beside each other; with a claims ledger: {proven}",
        ["first", "second", "by first", "by second", "physical", "double", "with\nledger"],
    )
    shown.columns[1].justify = "left"
    for row in study.double_counted.to_dict("records"):
        shown.add_row(
            row["first"], row["second"],
            *(rounded(row[key], 0) for key in ("claimed_first_t", "claimed_second_t",
              "physical_t", "double_t", "with_ledger_t")),
        )  # fmt: skip
    return shown


def _published_table(table: pd.DataFrame) -> Table:
    shown = table_of(
        "beside Zou, Wang and Sun (2022), %, untuned",
        ["quantity", "reading", "published", "ours"],
    )
    shown.columns[1].justify = "left"
    for row in table.to_dict("records"):
        low, high = (f"{row[key]:g}" for key in ("low", "high"))
        said = low if low == high else f"{high} .. {low}"
        shown.add_row(row["quantity"], row["reading"], said, rounded(row["ours"], 3))
    return shown
