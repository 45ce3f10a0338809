"""What instruments cost whom, in money and in money a tonne."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from powermkt.accounts.parties import CONSUMERS, PRODUCERS, STORAGE
from powermkt.rules.base import SAVERS
from powermkt.rules.obligation import CARBON, CERTIFICATES, PERMITS
from powermkt.run import Run
from powermkt.studies.overlapcases import Line

PARTIES: dict[str, tuple[str, str]] = {
    "case": ("", "as in `overlapstudy.CASES`"),
    "party": ("", "plant operators, grid companies, electricity users, energy users who save, "
              "public funds; others that lose or gain, as in `parties`: transmission, carbon fund"),
    "province": ("", 'where they are; "" where in none'),
    "line": ("", "what is paid for; `all`: all lines"),
    "paid": ("money", "for permits, certificates, shortfalls and charges for them"),
    "received": ("money", "for them"),
    "net": ("money", "paid less received; over all parties it sums to zero"),
    "avoided_t": ("tCO2", "what the party itself emits less than without instruments"),
    "burden_own": ("money/tCO2", "net over the tonnes of the party itself, where above 0"),
    "burden_system": ("money/tCO2", "net over the tonnes of all parties, measures included"),
    "loss": ("money", "what the party loses against no instruments: payments for energy and its "
             "resource cost included; only in rows of all lines, where it sums to what "
             "instruments cost"),
    "loss_system": ("money/tCO2", "the same over the tonnes that all parties avoid"),
}  # fmt: skip
OPERATORS, USERS = "plant operators", "electricity users"
_CALLED = {PRODUCERS: OPERATORS, STORAGE: OPERATORS, CONSUMERS: USERS}
ALL = "all"
_KEYS = ["party", "province"]


def burdens(run: Run, free: Run, lines: Sequence[Line], saved: pd.Series) -> pd.DataFrame:
    """Return what instruments cost whom.

    Parameters
    ----------
    run, free : Run
        With instruments, and without any.
    lines : sequence of Line
        Those of `run`.
    saved : Series [province], tCO2
        What measures save; "" where a measure is in no province.

    Returns
    -------
    DataFrame
        Columns of `PARTIES` but case.
    """
    who = _who(run)
    paid = _payments(run, lines, who)
    loss = _welfare(free).sub(_welfare(run), fill_value=0.0)
    own = _avoided(run, free, saved)
    system = float(own.sum())
    totals = paid.groupby(_KEYS, sort=False)[["paid", "received"]].sum()
    whole = totals.reindex(totals.index.union(loss.index)).fillna(0.0)
    whole = whole.reset_index().assign(line=ALL)
    table = pd.concat([paid, whole], ignore_index=True)
    table["net"] = table["paid"] - table["received"]
    keys = pd.MultiIndex.from_frame(table[_KEYS])
    table["avoided_t"] = own.reindex(keys).fillna(0.0).to_numpy()
    table["burden_own"] = table["net"] / table["avoided_t"].where(table["avoided_t"] > 1e-6)
    total = system if system > 1e-6 else np.nan
    table["burden_system"] = table["net"] / total
    table["loss"] = (
        loss.reindex(keys).fillna(0.0).where((table["line"] == ALL).to_numpy()).to_numpy()
    )
    table["loss_system"] = table["loss"] / total
    noise = table["loss"].abs() <= 1e-9 * table["paid"].abs().max()
    table["loss"] = table["loss"].mask(noise, 0.0)
    figures = table[["paid", "received", "avoided_t", "loss"]].fillna(0.0)
    table = table[(figures.abs() > 1e-6).any(axis="columns")]
    ordered = table.sort_values(["line", *_KEYS], kind="stable", ignore_index=True)
    return ordered[[name for name in PARTIES if name != "case"]]


def _who(run: Run) -> pd.DataFrame:
    """Party and province of every party of the ledger; "" for markets of certificates."""
    table = run.accounts
    called = table["group"].replace(_CALLED)
    called = called.mask(called.str.startswith(CERTIFICATES), "")  # they only hand on
    return pd.DataFrame({"party": called, "province": table["province"]}, table.index)


def _payments(run: Run, lines: Sequence[Line], who: pd.DataFrame) -> pd.DataFrame:
    products = {
        f"{head}{line.name}": line.name
        for line in lines
        for head in (PERMITS, CARBON + PERMITS, CERTIFICATES, f"charge {CERTIFICATES}")
    }
    entries = run.ledger
    entries = entries[entries["product"].isin(products)]
    line, amount = entries["product"].map(products), entries["amount"]
    parts = []
    for side, way in (("payer", 1.0), ("payee", -1.0)):
        out = way * amount
        parts.append(
            pd.DataFrame({
                "party": entries[side].map(who["party"]).fillna(""),
                "province": entries[side].map(who["province"]).fillna(""), "line": line,
                "paid": out.clip(lower=0.0), "received": -out.clip(upper=0.0),
            })
        )  # fmt: skip
    table = pd.concat(parts)
    table = table[table["party"] != ""]  # a market of certificates hands on what it is paid
    return table.groupby([*_KEYS, "line"], as_index=False)[["paid", "received"]].sum()


def _welfare(run: Run) -> pd.Series:
    """Receipts less resource cost, [(party, province)]."""
    who = _who(run)
    found = run.accounts["welfare"].groupby([who["party"], who["province"]]).sum()
    return found.drop("", level=0, errors="ignore")


def _avoided(run: Run, free: Run, saved: pd.Series) -> pd.Series:
    """What each emits less than without instruments, [(party, province)] in t."""
    case = run.case
    less = free.outcome.emissions(case) - run.outcome.emissions(case)
    tonnes = less.mul(case.weights, axis="index").sum()
    place = case.generators["province"].reindex(tonnes.index)
    parts = {OPERATORS: tonnes.groupby(place).sum(), SAVERS: saved}
    found = pd.concat(parts)
    return found.rename_axis(_KEYS)
