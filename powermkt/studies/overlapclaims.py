"""Tonnes that overlapping instruments claim, and a ledger by which each is claimed once.

What lowers CO2 is plant, which emits less than without instruments, and measures, whose fuel is not
burnt. The carbon market and energy-use rights claim what plant emits less; green certificates claim
what their further MWh are credited; every instrument that registers a measure claims what it saves.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import pandas as pd

from powermkt.analysis.registration import TOLERANCE
from powermkt.run import Run
from powermkt.studies.claims import PROOF
from powermkt.studies.overlapcases import Accounting, Line

CLAIMED: dict[str, tuple[str, str]] = {
    "source": ("", "plant, or the name of a measure"),
    "instrument": ("", "who claims"),
    "physical_t": ("tCO2", "what the source emits less than without instruments"),
    "claimed_t": ("tCO2", "what the instrument claims without seeing the others"),
    "once_t": ("tCO2", "what the claims ledger leaves it"),
}
PAIRS: dict[str, tuple[str, str]] = {
    "first": ("", "instrument"),
    "second": ("", "another; `all` in the last row: all instruments together"),
    "claimed_first_t": ("tCO2", "claimed by the first, of sources that both claim"),
    "claimed_second_t": ("tCO2", "claimed by the second"),
    "physical_t": ("tCO2", "physical reduction of these sources"),
    "double_t": ("tCO2", "claimed beyond it, without a claims ledger"),
    "with_ledger_t": ("tCO2", "the same by the claims ledger"),
}
PLANT = "plant"
_ORDER = ("white", "green", "carbon", "energy_use")  # who claims first, by the ledger


def claimed(
    free: Run, run: Run, savings: pd.Series, credit: float, accounting: Accounting
) -> pd.DataFrame:
    """Return what each instrument claims of each source when all are beside each other.

    By the ledger instruments claim one after another, those nearest to a deed first: white
    certificates what they are issued for, green certificates what they are credited, the carbon
    market what is left of that, energy-use rights what is left then.

    Parameters
    ----------
    free, run : Run
        Without instruments, and with all beside each other.
    savings : Series [measure], tce
    credit : float
        What a MWh of a green certificate is credited [tCO2/MWh].
    accounting : Accounting

    Returns
    -------
    DataFrame
        Columns of `CLAIMED`.
    """
    active = accounting.active
    sources = {
        PLANT: (max(free.emissions - run.emissions, 0.0), _by_plant(free, run, credit, accounting))
    }
    for item in accounting.plan.measures:
        tonnes = float(savings.get(item.name, 0.0) * accounting.factors[item.name])
        sources[item.name] = (tonnes, dict.fromkeys(accounting.registering(item), tonnes))
    rows = []
    for source, (physical, claims) in sources.items():
        left = physical
        for key in _ORDER:
            if key not in active or key not in claims:
                continue
            once = min(claims[key], left)
            left -= once
            rows.append((source, key, physical, claims[key], once))
    return pd.DataFrame(rows, columns=list(CLAIMED))


def _by_plant(free: Run, run: Run, credit: float, accounting: Accounting) -> dict[str, float]:
    """What instruments claim of what plant emits less [tCO2]."""
    less = max(free.emissions - run.emissions, 0.0)
    claims: dict[str, float] = {
        key: less for key in ("carbon", "energy_use") if key in accounting.active
    }
    if "green" in accounting.active:
        line: Line = accounting.line("green")
        more = line.by_plant(run).sum() - line.by_plant(free).sum()
        claims["green"] = credit * max(float(more), 0.0)
    return claims


def double_counted_pairs(table: pd.DataFrame) -> pd.DataFrame:
    """Return what pairs of instruments claim beyond what is physical.

    Parameters
    ----------
    table : DataFrame
        As `claimed`.

    Returns
    -------
    DataFrame
        Columns of `PAIRS`. In the last row all instruments: what they claim of all sources.
    """
    keys = [key for key in _ORDER if key in set(table["instrument"])]
    rows = [(a, b, *_of_pair(table, a, b)) for a, b in combinations(keys, 2)]
    if len(keys) > 1:
        total = table.groupby("source")[["claimed_t", "once_t"]].sum()
        physical = table.groupby("source")["physical_t"].first()
        beyond = total.sub(physical, axis="index").clip(lower=0.0).sum()
        rows.append(("all", "all", total["claimed_t"].sum(), np.nan, physical.sum(),
                     beyond["claimed_t"], beyond["once_t"]))  # fmt: skip
    return pd.DataFrame(rows, columns=list(PAIRS))


def _of_pair(table: pd.DataFrame, first: str, second: str) -> Sequence[float]:
    a, b = (table[table["instrument"] == key].set_index("source") for key in (first, second))
    both = a.index.intersection(b.index)
    a, b = a.loc[both], b.loc[both]
    physical = a["physical_t"]

    def beyond(kind: str) -> float:
        return float((a[kind] + b[kind] - physical).clip(lower=0.0).sum())

    return (a["claimed_t"].sum(), b["claimed_t"].sum(), physical.sum(),
            beyond("claimed_t"), beyond("once_t"))  # fmt: skip


def proof(table: pd.DataFrame) -> pd.DataFrame:
    """Check that by the ledger every tonne is claimed once.

    Returns
    -------
    DataFrame
        Columns as of `Claims.proof`: check, left, relation, right, unit, holds.
    """
    by = table.groupby("source", sort=False)
    rows = [
        (f"{source}: claimed by the ledger, physical", part["once_t"].sum(), "<=",
         part["physical_t"].iloc[0], "tCO2")
        for source, part in by
    ]  # fmt: skip
    over = (table["once_t"] - table["claimed_t"]).clip(lower=0.0).sum()
    rows.append(("granted beyond what is asked for", over, "=", 0.0, "tCO2"))
    pairs = double_counted_pairs(table)["with_ledger_t"]
    rows.append(("claimed twice by any pair", float(pairs.sum()), "=", 0.0, "tCO2"))
    found = pd.DataFrame(rows, columns=PROOF[:-1])
    slack = TOLERANCE * np.maximum(found["left"].abs(), found["right"].abs()) + 1e-6
    gap = found["left"] - found["right"]
    found["holds"] = (gap <= slack) & ((found["relation"] == "<=") | (gap >= -slack))
    return found
