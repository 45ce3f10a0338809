"""The command line: progress on stderr, results on stdout and in a folder."""

from __future__ import annotations

import importlib
import logging
import sys
import warnings
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from powermkt.errors import ClearingError, InputError, PowermktError

# Where each command is found, and what it says of itself: its module is imported when it is called.
COMMANDS = {
    "new": ("new.new", "Lay out a starter study, every line explained."),
    "check": (
        "check.check",
        "Say everything that is wrong with a network, and what is assumed; nothing is solved.",
    ),
    "schema": ("schema.schema", "Print the JSON schema of a file that users write."),
    "compare": (
        "compare.compare", "Compare regimes at several carbon prices on one network.",
    ),
    "pass-through": (
        "passthrough.pass_through",
        "Study who pays a carbon price: rates, regression, incidence, switching points.",
    ),
    "clear": ("clear.clear", "Clear one regime at one carbon price."),
    "plan": (
        "plan.plan",
        "Derive a framework schedule by least cost and write the network with it.",
    ),
    "returns": (
        "returns.returns",
        "Say what plant earns on its investment under each regime, and why.",
    ),
    "explain": (
        "explain.explain",
        "Explain why wind, sun and water are curtailed: shares of causes that add up.",
    ),
    "flexibility": (
        "flexibility.flexibility",
        "Say what storage, capture of CO2 and flexible demand earn under each regime.",
    ),
    "remedies": (
        "remedies.remedies",
        "Value remedies for curtailment: one more GW of each, by dual and by difference.",
    ),
    "invest": (
        "invest.invest",
        "Say what enters under each regime: until the return meets the hurdle rate.",
    ),
    "risk": (
        "risk.risk",
        "Clear regimes in many weather years: what renewables earn and users pay, and how surely.",
    ),
    "claims": (
        "claims.claims",
        "Issue green certificates in one regime and claim each of them once.",
    ),
    "instruments": (
        "claims.instruments",
        "List instruments of energy and climate policy: since when, in which unit, for whom.",
    ),
    "report": (
        "report.write_report",
        "Write results, of one folder or several, as one HTML file that works offline.",
    ),
    "trace": (
        "trace.trace",
        "Say whose carbon it is: production, consumption, transfers between provinces, who pays.",
    ),
    "audit": (
        "audit.audit",
        "Audit results on their files alone; exit 1 if anything is found.",
    ),
    "overlap": (
        "overlap.overlap",
        "Clear instruments alone, beside each other and merged: cost, burden, double counting.",
    ),
}  # fmt: skip


class _Commands(TyperGroup):
    """Commands by name; only the one that is called is imported."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        for name, (_, text) in COMMANDS.items():
            self.commands[name] = TyperCommand(name, help=text)  # enough for the list of them

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        name, found, rest = super().resolve_command(ctx, args)
        return name, found and command(str(found.name)), rest


def command(name: str) -> Any:
    """Import a command by its name."""
    module, _, function = COMMANDS[name][0].partition(".")
    own = typer.Typer(add_completion=False)
    own.command(name)(getattr(importlib.import_module(f"powermkt.commands.{module}"), function))
    return typer.main.get_command(own)


app = typer.Typer(
    cls=_Commands, add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False
)


@app.callback()
def _powermkt() -> None:
    """What an electricity market's rules do to cost, emissions, curtailment and carbon prices."""


def main() -> None:
    """Run the command line; 0 done, 1 not solved or not written, 2 bad input, 130 interrupted."""
    for name, level in (("pypsa", logging.ERROR), ("linopy", logging.ERROR),
                        ("distributed", logging.CRITICAL)):  # fmt: skip
        logging.getLogger(name).setLevel(level)
    warnings.simplefilter("ignore")
    try:
        app(prog_name="powermkt")
    except PowermktError as error:
        from powermkt.commands.session import err

        head = "not solved: " if isinstance(error, ClearingError) else ""
        err.print(f"{head}{error}", style="red", markup=False, highlight=False, soft_wrap=True)
        sys.exit(2 if isinstance(error, InputError) else 1)


if __name__ == "__main__":
    main()
