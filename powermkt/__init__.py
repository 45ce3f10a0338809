"""powermkt: what an electricity market's rules do to cost, emissions, curtailment and prices."""

from powermkt.case import Case
from powermkt.errors import ClearingError, Fault, InputError, PowermktError
from powermkt.market import Market
from powermkt.metrics import COLUMNS
from powermkt.reading import read
from powermkt.regime import Regime, presets, regime
from powermkt.run import Run, clear

__version__ = "0.1.0"

__all__ = [
    "COLUMNS",
    "Case",
    "ClearingError",
    "Fault",
    "InputError",
    "Market",
    "PowermktError",
    "Regime",
    "Run",
    "clear",
    "presets",
    "read",
    "regime",
]
