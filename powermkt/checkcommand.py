"""The command `check`."""

from __future__ import annotations

from powermkt.options import NetworkArgument, ServicesOption


def check(network: NetworkArgument, services: ServicesOption = None) -> None:
    """Say everything that is wrong with a network, and what is assumed; nothing is solved."""
    import typer

    from powermkt.horizon import Horizon, cut
    from powermkt.reading import read
    from powermkt.regime import presets
    from powermkt.regime import regime as as_regime

    case = read(network, services=services)
    typer.echo(repr(cut(case, Horizon())))
    for name in presets():
        lacking = as_regime(name).faults(case)
        typer.echo(f"{name}: " + ("ready" if not lacking else "; ".join(map(str, lacking))))
