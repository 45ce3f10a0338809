"""The command `invest`: what enters under each regime's revenues."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
import pydantic
import typer
from rich.table import Table

from powermkt.candidates import EntryPlan
from powermkt.compare import DEFAULT_REGIMES
from powermkt.entrants import candidate_faults
from powermkt.entry import EntryStudy, entry
from powermkt.errors import Fault, InputError, faults_of
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
    PricesOption,
    QuietOption,
    RegimesOption,
    ServicesOption,
    StartOption,
    Study,
    WeeksOption,
    WorkersOption,
    YearOption,
)
from powermkt.reading import read
from powermkt.regime import regime as as_regime
from powermkt.session import collect, compared, err, gather, show, uncalibrated
from powermkt.terminal import rounded, table_of


class EntryFile(Study, EntryPlan):
    """A study file of entry: candidates, and what is varied."""


def invest(
    network: NetworkArgument,
    study: Annotated[Path, typer.Option(help="YAML file of candidates and of what is varied")],
    regime: RegimesOption = None,
    carbon_price: PricesOption = None,
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
        bool, typer.Option("--json", help="print what enters as JSON lines")
    ] = False,
    quiet: QuietOption = False,
) -> None:
    """Say what enters under each regime: until the return meets the hurdle rate."""
    faults: list[Fault] = []
    plan = collect(faults, lambda: read_entry_file(study))
    said = plan or EntryFile.model_construct(candidates={})
    given = collect(
        faults,
        lambda: gather(
            network, None, regime or _beside(said, study), carbon_price or said.carbon_prices,
            offers, services, said.horizon(Horizon(weeks, year, look_ahead, start, days)), out,
            "-invest", DEFAULT_REGIMES, (0.0,),
        ),
    )  # fmt: skip
    # Candidates are looked at even where something else is wrong.
    case = given.case if given else collect([], lambda: read(network, offers, services))
    if case is not None and plan is not None:
        faults += candidate_faults(case, plan.candidates)
    if faults or given is None or plan is None:
        raise InputError(faults)
    given = replace(given, case=uncalibrated(given.case))
    own = EntryPlan(**{key: getattr(plan, key) for key in EntryPlan.model_fields})
    action = partial(_entry, plan=own)
    result = compared(action, given, fresh, quiet, workers=workers, cluster=cluster)
    show(result.entry, _report(result), as_json)
    if not quiet:
        err.print(f"results in {given.target}")


def read_entry_file(path: Path) -> EntryFile:
    """Read a study file of entry; all its faults at once."""
    try:
        return EntryFile.model_validate(load_yaml(path))
    except pydantic.ValidationError as error:
        raise InputError(faults_of(error, str(path), EntryFile)) from None


def _beside(said: Study, study: Path) -> list[Any] | None:
    """Regimes of a study file; those in files stand beside it."""
    faults: list[Fault] = []
    found = [
        collect(faults, partial(as_regime, item, within=study.parent))
        for item in said.regimes or []
    ]
    if faults:
        raise InputError(faults)
    return found or None


def _entry(case: Any, regimes: Any, prices: Any, *, plan: EntryPlan, **options: Any) -> EntryStudy:
    return entry(case, regimes, plan, prices, **options)


def _report(study: EntryStudy) -> Iterator[Table]:
    """Tables of a study for a terminal of 80 columns."""
    currency = study.case.market.currency
    names = list(study.plan.candidates)
    shown = table_of("what enters, MW (* all that is possible)", ["regime", "tau", *names])
    for (name, price), part in _cells(study.entry):
        full = part["state"].eq("potential").map({True: "*", False: ""})
        shown.add_row(name, price, *(part["entry_mw"].map(lambda x: f"{x:,.0f}") + full))
    yield shown
    shown = table_of(
        "return over the hurdle rate, % points; of what did not enter, of a first MW",
        ["regime", "tau", *names],
    )
    for (name, price), part in _cells(study.entry):
        shown.add_row(name, price, *(100 * part["excess_return"]).map(lambda x: rounded(x, 2)))
    yield shown
    shown = table_of(
        f"the year with what enters; cost in m {currency}: dispatch, what enters, both",
        ["regime", "tau", "wind\n%", "sun\n%", "cut\n%", "CO2\nkt", "dispatch", "entrants", "both"],
    )
    for (name, price), part in _cells(study.system):
        row = part.iloc[0]
        shown.add_row(
            name, price,
            *(rounded(100 * row[key], 1) for key in ("wind_share", "solar_share",
                                                     "curtailment_rate")),
            f"{row['emissions_t'] / 1e3:,.1f}",
            *(f"{row[key] / 1e6:,.1f}" for key in ("resource_cost", "entrants_cost",
                                                   "total_cost")),
        )  # fmt: skip
    yield shown
    shown = table_of(
        "how it was found; what conditions of an equilibrium are missed by, % of yearly cost",
        ["regime", "tau", "method", "clearings", "converged", "missed by", "within MW"],
    )
    for (name, price), part in _cells(study.convergence):
        row = part.iloc[0]
        shown.add_row(
            name, price, row["method"], str(row["clearings"]), "yes" if row["converged"] else "NO",
            rounded(100 * row["largest_excess"], 2), rounded(row["largest_width_mw"], 1),
        )  # fmt: skip
    yield shown


def _cells(table: pd.DataFrame) -> Iterator[tuple[tuple[str, str], pd.DataFrame]]:
    for (name, price), part in table.groupby(["regime", "carbon_price"], sort=False):
        yield (str(name), f"{price:g}"), part
