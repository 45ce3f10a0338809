"""The command `remedies`: what more of what would be worth against curtailment."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Annotated, Any

import numpy as np
import pandas as pd
import typer
from rich.table import Table

from powermkt.errors import InputError
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
    RegimesOption,
    ServicesOption,
    StartOption,
    StudyOption,
    WeeksOption,
    WorkersOption,
    YearOption,
)
from powermkt.remedies import REMEDIES, chosen_remedies
from powermkt.remedytypes import RemedySettings
from powermkt.remedyvalues import (
    RankBy,
    RemedyStudy,
    RemedyValues,
    number_faults,
    remedies_by_regime,
)
from powermkt.session import collect, compared, err, gather, show, uncalibrated
from powermkt.terminal import rounded, table_of

_SHOWN = 15  # rows


def remedies(
    network: NetworkArgument,
    study: StudyOption = None,
    regime: RegimesOption = None,
    remedy: Annotated[
        list[str] | None,
        typer.Option(help=f"{', '.join(REMEDIES)}; repeat for more", show_default="all"),
    ] = None,
    where: Annotated[
        list[str] | None,
        typer.Option(help="province or branch; repeat for more", show_default="everywhere"),
    ] = None,
    size: Annotated[float, typer.Option(help="MW, of storage hours MWh")] = 1000.0,
    top: Annotated[
        int, typer.Option(min=0, help="how many of each kind are cleared again; 0: all")
    ] = 3,
    by: Annotated[str, typer.Option(help="rank by money or mwh")] = "money",
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
    as_json: Annotated[bool, typer.Option("--json", help="print the table as JSON lines")] = False,
    quiet: QuietOption = False,
) -> None:
    """Value remedies for curtailment: one more GW of each, by dual and by difference."""
    faults: list[Any] = []
    given = collect(
        faults,
        lambda: gather(
            network, study, regime, [carbon_price or 0.0], offers, services,
            Horizon(weeks, year, look_ahead, start, days), out, "-remedies",
        ),
    )  # fmt: skip
    kinds: list[str] = remedy or list(REMEDIES)
    if given is not None:
        found = given.case
        collect(faults, lambda: chosen_remedies(found, kinds, RemedySettings(), where or ()))
    collect(faults, lambda: check_numbers(size, top, by))
    if given is None or faults:
        raise InputError(faults)
    case = uncalibrated(given.case)

    def action(_: Any, regimes: Any, __: Any, **options: Any) -> RemedyStudy:
        return remedies_by_regime(case, regimes, carbon_price, **options)

    result = compared(
        partial(action, remedies=kinds, where=where or (), size_mw=size, top=top, rank_by=by),
        given, fresh, quiet, workers=workers, cluster=cluster,
    )  # fmt: skip
    show(result.tables["remedies"], _report(result), as_json)
    if not quiet:
        err.print(f"results in {given.target}")


def check_numbers(size: float, top: int, by: str) -> RankBy:
    """Refuse a size, a number or an order that is none."""
    faults = number_faults(size, top, by)
    if faults:
        raise InputError(faults)
    return "mwh" if by == "mwh" else "money"


def _report(study: RemedyStudy) -> Iterator[Table | str]:
    """Tables of a study for a terminal of 80 columns."""
    for item in study.found:
        if item.table.empty:
            yield f"{item.run.regime.name}: no remedies, see the notes"
            continue
        yield _ranking(item)
        if len(item.table) > _SHOWN:
            yield f"and {len(item.table) - _SHOWN} more"


def _ranking(item: RemedyValues) -> Table:
    table = item.table.head(_SHOWN)
    energy, mwh = _scale(table[["mwh_by_dual", "mwh_by_difference"]], "MWh", "GWh", "TWh")
    money, unit = _scale(table[["money_by_dual", "money_by_difference"]], "", "thousand", "m")
    currency = item.run.case.market.currency
    shown = table_of(
        f"{item.run.regime.name}: saved by {table['size'].max():,.0f} more, "
        f"{energy} and {f'{money} {currency}'.strip()}",
        ["rank", "remedy", "where", "size", f"{energy}\nby dual", "by dif-\nference",
         "money\nby dual", "by dif-\nference"],
    )  # fmt: skip
    for column in shown.columns[1:3]:
        column.justify, column.no_wrap = "left", False
    for _, row in table.iterrows():
        shown.add_row(
            str(row["rank"]), row["remedy"].replace("_", " "), str(row["where"]),
            f"{row['size']:,.0f}",
            *(rounded(row[f"mwh_{how}"] / mwh, 3) + "*" * (how == "by_dual" and row["one_sided"])
              for how in ("by_dual", "by_difference")),
            *(rounded(row[f"money_{how}"] / unit, 3) for how in ("by_dual", "by_difference")),
        )  # fmt: skip
    if table["one_sided"].any():
        shown.caption = "* limits meet: the dual holds in one direction at most"
        shown.caption_justify = "left"
    return shown


def _scale(values: pd.DataFrame, one: str, thousand: str, million: str) -> tuple[str, float]:
    """Unit that suits the numbers."""
    largest = np.nanmax(values.abs().to_numpy(dtype=float), initial=0.0)
    return (million, 1e6) if largest >= 1e6 else (thousand, 1e3) if largest >= 1e4 else (one, 1.0)
