"""Audit of one case's runs: programme, physics, money and carbon."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Protocol

import pandas as pd

from powermkt.auditing.bookscheck import audit_books, audit_carbon
from powermkt.auditing.optimality import Kept, audit_certificate
from powermkt.auditing.physics import audit_physics, run_key
from powermkt.common.findings import AuditReport, Finding, sums
from powermkt.dispatch.clearing import Builder
from powermkt.dispatch.outcome import Outcome, cut
from powermkt.engine.capped import Capped
from powermkt.engine.obligedprices import Obliged
from powermkt.engine.regime import Regime
from powermkt.engine.window import numbers_of, rows_of
from powermkt.inputs.case import Case
from powermkt.methods.certificate import Certificate
from powermkt.rules.base import Prices


class Settled(Protocol):
    """A run, as an audit looks at it (`run.Run`)."""

    @property
    def case(self) -> Case: ...  # noqa: D102
    @property
    def regime(self) -> Regime: ...  # noqa: D102
    @property
    def carbon_price(self) -> float: ...  # noqa: D102
    @property
    def outcome(self) -> Outcome: ...  # noqa: D102
    @property
    def cap(self) -> Capped | None: ...  # noqa: D102
    @property
    def obliged(self) -> Obliged | None: ...  # noqa: D102
    @property
    def announced(self) -> Prices: ...  # noqa: D102
    @property
    def ledger(self) -> pd.DataFrame: ...  # noqa: D102
    @property
    def accounts(self) -> pd.DataFrame: ...  # noqa: D102
    @property
    def generation(self) -> pd.DataFrame: ...  # noqa: D102
    @property
    def compliance(self) -> pd.DataFrame: ...  # noqa: D102


def audit_run(run: Settled) -> AuditReport:
    """Audit a run without solving anything.

    Parameters
    ----------
    run : Run

    Returns
    -------
    AuditReport
    """
    report = AuditReport()
    by_window: dict[str, list[Certificate]] = {}
    for item in run.outcome.certificates:
        by_window.setdefault(item.window, []).append(item)
    audit_runs(report, run.case, [(run, iter(by_window.values()))])
    return report


def audit_runs(
    report: AuditReport, case: Case,
    runs: Sequence[tuple[Settled, Iterator[list[Certificate]]]],
) -> None:  # fmt: skip
    """Audit runs on one case, one window at a time.

    Parameters
    ----------
    report : AuditReport
        Takes what is found.
    case : Case
    runs : sequence of (Run, iterator of list of Certificate)
        With the certificates of each window, in their order. Those of one clearing are read once.
    """
    _audit_programmes(report, case, runs)
    done: set[int] = set()
    for run, _ in runs:
        where = run_key(run.regime.name, run.carbon_price)
        outcome = run.outcome
        if id(outcome) not in done:
            done.add(id(outcome))
            chained = case.look_ahead is not None or outcome.day_ahead is not None
            audit_physics(report, case, outcome, where, chained)
        audit_books(
            report, case, outcome, run.regime, run.announced, run.ledger, run.accounts, where
        )
        audit_carbon(report, case, outcome, run.generation, run.compliance, where)


def uncertified(run: Settled) -> str:
    """Why a clearing is not certified by one linear programme; "" if it is."""
    regime, case = run.regime, run.case
    share = None if run.cap is None else run.cap.share
    if run.obliged is not None:
        return "it is a mixture of clearings that meets obligations"
    if share is not None and 0.0 < share < 1.0:
        return "it is a mixture of two clearings that meets a limit on emissions"
    if regime.two_settlement is not None:
        return "it is cleared a day ahead and again in real time"
    if case.look_ahead is not None:
        return "windows hand on their state, and what they saw of the next is not stored"
    if regime.tiers is not None and len(case.corridors):
        return "provinces trade in tiers before they clear"
    if regime.buys_after_energy(case):
        return "reserves are bought after energy"
    return ""


def _audit_programmes(
    report: AuditReport, case: Case,
    runs: Sequence[tuple[Settled, Iterator[list[Certificate]]]],
) -> None:  # fmt: skip
    """Rebuild the programme of each window and check certificates against it."""
    wanted: list[tuple[Settled, Iterator[list[Certificate]]]] = []
    seen: set[int] = set()
    for run, certificates in runs:
        reason = uncertified(run)
        if reason:
            report.leave(f"that {run.regime.name} is cleared at least cost: {reason}")
        elif id(run.outcome) not in seen:
            seen.add(id(run.outcome))
            wanted.append((run, certificates))
    totals: list[dict[str, list[object]]] = [{} for _ in wanted]
    for label in case.windows if wanted else ():
        part = case.window(label)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # PyPSA's next string type
            builder = Builder(part)
            numbered = list(enumerate(wanted))
            for _, alike in groupby(numbered, key=lambda item: item[1][0].regime.structure):
                group = list(alike)
                programme = builder.programme(rows_of(group[0][1][0].regime))
                for i, (run, certificates) in group:
                    where = f"{run_key(run.regime.name, run.carbon_price)}, window {label}"
                    found = next(certificates, [])
                    if any(item.window != next(iter(part.windows)) for item in found):
                        report.add([Finding("evidence", where, "certificate of another window")])
                        continue
                    kept = Kept(cut(run.outcome, part.snapshots), {c.stage: c for c in found})
                    numbers = numbers_of(part, run.regime)
                    said = audit_certificate(report, part, programme, numbers, kept, where)
                    for name, value in said.items():
                        totals[i].setdefault(name, []).append(value)
            builder.close()
    for (run, _), total in zip(wanted, totals, strict=True):
        _compare_totals(report, run, total, len(case.windows))


def _compare_totals(
    report: AuditReport, run: Settled, total: dict[str, list[object]], windows: int
) -> None:
    """Compare sums over windows with what the outcome holds."""
    where = run_key(run.regime.name, run.carbon_price)
    for name, values in total.items():
        if len(values) != windows or any(value is None for value in values):
            continue
        stored = getattr(run.outcome, name)
        summed = sum(values[1:], start=values[0])  # type: ignore[call-overload]
        if isinstance(stored, pd.Series):
            scale = float(stored.abs().max()) if len(stored) else 0.0
            report.add(sums(f"evidence: {name}", stored, summed, 1e-9, f"sum of windows ({where})",
                            scale))  # fmt: skip
        else:
            report.add(sums(f"evidence: {name}", {where: stored}, {where: summed}, 1e-9,
                            "sum of windows"), "sums of windows", 1)  # fmt: skip
