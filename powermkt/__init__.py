"""powermkt: what an electricity market's rules do to cost, emissions, curtailment and prices.

What it offers is listed in `powermkt.api` and loaded when something of it is first used, so that
the command line answers at once. Its parts, each built on those before it: `errors`, `common`,
`methods`, `inputs`, `system`, `dispatch`, `rules`, `engine`, `accounts`, `auditing`, `run`,
`analysis`, `report`, `studies`, `api`, `guide`, `commands`, `cli`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from powermkt.api import *  # noqa: F403

__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    # Modules ask for names like `__path__` while they are being loaded.
    if not name.startswith("__") or name == "__all__":
        api = importlib.import_module(f"{__name__}.api")
        if name == "__all__":
            return api.__all__
        globals().update({public: getattr(api, public) for public in api.__all__})
        if name in globals():  # what is public, and packages that came with it
            return globals()[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *importlib.import_module(f"{__name__}.api").__all__})
