"""The commands `claims`, what becomes of green certificates, and `instruments`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
import typer
from rich.table import Table

from powermkt import instruments as registry
from powermkt.claims import Claims
from powermkt.claims import claims as claims_of
from powermkt.claimsplan import claims_plan
from powermkt.compare import compare
from powermkt.errors import Fault, InputError
from powermkt.files import load_yaml
from powermkt.horizon import Horizon
from powermkt.options import (
    ClusterOption,
    DaysOption,
    FreshOption,
    LookAheadOption,
    NetworkArgument,
    OffersOption,
    OutOption,
    QuietOption,
    ServicesOption,
    StartOption,
    WeeksOption,
    WorkersOption,
    YearOption,
)
from powermkt.regime import Regime
from powermkt.regime import regime as as_regime
from powermkt.session import Given, collect, compared, err, gather, show, uncalibrated
from powermkt.terminal import rounded, table_of

_PROVINCES = 8  # shown


def claims(
    network: NetworkArgument,
    regime: Annotated[str, typer.Option(help="preset or YAML file")],
    plan: Annotated[Path, typer.Option(help="YAML file: who claims which certificates")],
    carbon_price: Annotated[
        float | None,
        typer.Option(help="money/t; default: what the regime states", show_default=False),
    ] = None,
    offers: OffersOption = None,
    services: ServicesOption = None,
    weeks: WeeksOption = None,
    year: YearOption = False,
    start: StartOption = None,
    days: DaysOption = None,
    look_ahead: LookAheadOption = None,
    out: OutOption = None,
    workers: WorkersOption = None,
    cluster: ClusterOption = None,
    fresh: FreshOption = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="print the balance as JSON lines")
    ] = False,
    quiet: QuietOption = False,
) -> None:
    """Issue green certificates in one regime and claim each of them once."""
    faults: list[Fault] = []
    stated = collect(faults, lambda: claims_plan(plan))
    chosen = collect(faults, lambda: as_regime(regime))
    price = carbon_price
    if price is None:
        price = 0.0 if chosen is None else chosen.carbon_price
    elif chosen is not None and chosen.cap is not None:
        what = "the regime finds the price of its limit"
        faults.append(Fault("--carbon-price", what, "leave it away, or state CarbonPrice"))
    given = collect(
        faults,
        lambda: gather(
            network, None, [regime], [price], offers, services,
            Horizon(weeks, year, look_ahead, start, days), out, "-claims",
        ),
    )  # fmt: skip
    if faults or given is None or stated is None:
        raise InputError({str(fault): fault for fault in faults}.values())
    given = Given(
        uncalibrated(given.case), given.regimes, given.prices, given.horizon, given.target
    )
    found = stated

    def study(
        case: Any, regimes: Sequence[Regime], prices: Sequence[float], **options: Any
    ) -> Claims:
        return claims_of(compare(case, regimes, prices, **options).runs[-1], found)

    result = compared(study, given, fresh, quiet, workers=workers, cluster=cluster)
    show(result.balance, claims_report(result), as_json)
    if not quiet:
        err.print(f"results in {given.target}")


def claims_report(result: Claims) -> Iterator[Table | str]:
    """Tables of a claims ledger for a terminal of 80 columns."""
    run, currency = result.run, result.run.case.market.currency
    unit, scale = _scale(result.balance["issued_mwh"].sum())
    shown = table_of(
        f"{run.regime.name} at {run.carbon_price:g} {currency}/t: certificates, {unit}",
        ["carrier", "issued", "retired", "banked", "converted"],
    )
    columns = ["issued_mwh", "retired_mwh", "banked_mwh", "converted_mwh"]
    table = result.balance.groupby("carrier", sort=False)[columns].sum()
    for name, row in pd.concat([table, table.sum().rename("all").to_frame().T]).iterrows():
        shown.add_row(str(name), *(rounded(row[column] / scale, 3) for column in columns))
    yield shown
    yield _uses(result, unit, scale)
    if len(result.obligations):
        yield _obliged(result, unit, scale)
    offsets = result.offsets[["credited_t", "surrendered_t", "avoided_t"]].sum()
    if len(result.offsets):
        yield (
            f"offsets: {offsets['credited_t']:,.1f} t credited of {offsets['avoided_t']:,.1f} t "
            f"avoided, {offsets['surrendered_t']:,.1f} t surrendered"
        )
    yield (
        f"counted twice without this ledger, at least: "
        f"{result.double_counted['double_mwh'].sum():,.1f} MWh, {result.double_counted_t:,.1f} t"
    )
    yield _proof(result.proof())


def _scale(energy: float) -> tuple[str, float]:
    """Unit of energy that suits the numbers."""
    return ("TWh", 1e6) if energy >= 1e7 else ("GWh", 1e3) if energy >= 1e4 else ("MWh", 1.0)


def _uses(result: Claims, unit: str, scale: float) -> Table:
    """What certificates are claimed for."""
    shown = table_of("claimed", ["use", "instrument", unit, "amount", "in"])
    shown.columns[1].justify = "left"
    keys = ["use", "instrument", "unit"]
    for key, row in result.claims.groupby(keys, sort=False)[["mwh", "amount"]].sum().iterrows():
        use, instrument, of = key if isinstance(key, tuple) else (key, "", "")
        shown.add_row(use, instrument, rounded(row["mwh"] / scale, 3), f"{row['amount']:,.1f}", of)
    return shown


def _obliged(result: Claims, unit: str, scale: float) -> Table:
    """The largest obligations."""
    shown = table_of(
        f"obligations, {unit}", ["province", "share %", "owed", "bundled", "own", "bought", "short"]
    )
    columns = ["obligation_mwh", "bundled_mwh", "local_mwh", "bought_mwh", "short_mwh"]
    for _, row in result.obligations.nlargest(_PROVINCES, "obligation_mwh").iterrows():
        shown.add_row(
            row["province"], rounded(100 * row["share"], 1),
            *(rounded(row[column] / scale, 3) for column in columns),
        )  # fmt: skip
    total = result.obligations[columns].sum()
    shown.add_row("all", "", *(rounded(total[column] / scale, 3) for column in columns))
    return shown


def _proof(proof: pd.DataFrame) -> Table:
    shown = table_of("proof", ["", "left", "", "right", "", "holds"])
    for _, row in proof.iterrows():
        shown.add_row(
            row["check"], f"{row['left']:,.1f}", row["relation"], f"{row['right']:,.1f}",
            row["unit"], "yes" if row["holds"] else "NO",
        )  # fmt: skip
    return shown


def instruments(
    year: Annotated[
        int | None, typer.Option(help="those that exist in it", show_default=False)
    ] = None,
    file: Annotated[
        Path | None,
        typer.Option(help="YAML with more of them under `instruments`", show_default=False),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print them as JSON lines")] = False,
) -> None:
    """List instruments of energy and climate policy: since when, in which unit, for whom."""
    own = [] if file is None else registry.stated_instruments(load_yaml(file), str(file))
    table = registry.instruments(own) if year is None else registry.instruments_of(year, own)
    show(table.reset_index(), _listed(table, year), as_json)


def _listed(table: pd.DataFrame, year: int | None) -> Iterator[Table | str]:
    when = "" if year is None else f" in {year}"
    shown = table_of(f"{len(table)} instruments{when}", ["since", "instrument", "unit", "obliges"])
    for column in shown.columns[1:]:
        column.justify, column.no_wrap = "left", False
    for name, row in table.iterrows():
        mark = "" if row["details"] == "sourced" else f" ({row['details']})"
        shown.add_row(
            str(row["launch_year"]), str(name), row["unit"], f"{row['obligated']}{mark}".strip()
        )
    yield shown
