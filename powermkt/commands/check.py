"""The command `check`."""

from __future__ import annotations

import json
from dataclasses import asdict

import typer

from powermkt.commands.options import (
    JsonOption,
    NetworkArgument,
    OffersOption,
    QuietOption,
    RegimesOption,
    ServicesOption,
    StudyOption,
)


def check(
    network: NetworkArgument,
    study: StudyOption = None,
    regime: RegimesOption = None,
    offers: OffersOption = None,
    services: ServicesOption = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Say everything that is wrong with a network, and what is assumed; nothing is solved."""
    from powermkt.commands.checktables import check_report
    from powermkt.commands.session import gather, show
    from powermkt.errors import InputError
    from powermkt.guide.inspection import inspect_case
    from powermkt.inputs.reading import read
    from powermkt.system.horizon import Horizon

    try:
        if study is None and not regime:
            case = read(network, offers, services)
        else:
            case = gather(network, study, regime, None, offers, services, Horizon(), None, "").case
    except InputError as error:
        if as_json:
            for fault in error.faults:
                typer.echo(json.dumps({"table": "faults", **asdict(fault)}, ensure_ascii=False))
            raise typer.Exit(2) from None
        raise
    if quiet and not as_json:
        return
    found = inspect_case(case)
    tables = {
        "counts": found.counts.rename_axis("what").rename("number").reset_index(),
        "carriers": found.carriers,
        "assumed": found.assumed,
        "regimes": found.regimes,
    }
    for name, table in tables.items() if as_json else ():
        show(table.assign(table=name), (), as_json)
    if not as_json:
        show(found.carriers, check_report(found, case.name), as_json)
