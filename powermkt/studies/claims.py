"""The claims ledger: what becomes of every certificate, and the proof that it is claimed once.

Certificates of a plant and month are numbered by MWh from 0; a claim is to an interval of them. A
MWh is retired, banked or converted to what another instrument counts, never two of these.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from powermkt.analysis.certificates import VINTAGE, vintages
from powermkt.analysis.claimsaccounts import (
    OFFSETS,
    numbered,
    obligations_of,
    offset_faults,
    offset_rule,
    offsets_of,
    payments_of,
    shortfall_faults,
    to_surrender,
)
from powermkt.analysis.registration import CARBON, TOLERANCE, Register
from powermkt.common.writing import write_results
from powermkt.errors import InputError
from powermkt.inputs.claimsplan import ClaimsPlan, claims_plan
from powermkt.run import Run
from powermkt.studies.comparison import Comparison

PROOF = ["check", "left", "relation", "right", "unit", "holds"]


@dataclass(frozen=True)
class Claims:
    """What becomes of the certificates of a run.

    Columns and their units stand in `claimsaccounts`.

    Attributes
    ----------
    run : Run
    plan : ClaimsPlan
    issued : DataFrame
        Columns plant, vintage, province, carrier, issued_mwh [MWh], avoided_t, credited_t [t].
    claims, obligations, offsets : DataFrame
        Columns as in `COLUMNS`, `OBLIGATIONS`, `OFFSETS`.
    payments : DataFrame
        Columns of a ledger; what is paid beyond the ledger of the run.
    double_counted : DataFrame
        What would be counted twice without the ledger, as `Register.twice`.
    notes : list of str
    """

    run: Run
    plan: ClaimsPlan
    issued: pd.DataFrame
    claims: pd.DataFrame
    obligations: pd.DataFrame
    offsets: pd.DataFrame
    payments: pd.DataFrame
    double_counted: pd.DataFrame
    notes: list[str] = field(default_factory=list)

    @property
    def retired(self) -> pd.DataFrame:
        """Claims of certificates that are retired; columns as in `COLUMNS`."""
        return self.claims[self.claims["status"] == "retired"]

    @property
    def banked(self) -> pd.DataFrame:
        """Claims of certificates that are kept; columns as in `COLUMNS`."""
        return self.claims[self.claims["status"] == "banked"]

    @property
    def converted(self) -> pd.DataFrame:
        """Claims of certificates that other instruments count; columns as in `COLUMNS`."""
        return self.claims[self.claims["status"] == "converted"]

    @cached_property
    def ledger(self) -> pd.DataFrame:
        """Payments of the run and those for claims."""
        return pd.concat([self.run.ledger, self.payments], ignore_index=True)

    @property
    def double_counted_t(self) -> float:
        """Tonnes that would be counted twice, at least, without the ledger [t]."""
        return float(self.double_counted["double_t"].sum())

    @cached_property
    def balance(self) -> pd.DataFrame:
        """Columns province, carrier, issued_mwh, retired_mwh, banked_mwh, converted_mwh."""
        keys = ["province", "carrier"]
        total = self.issued.groupby(keys, sort=False)["issued_mwh"].sum()
        by = self.claims.pivot_table(
            index=keys, columns="status", values="mwh", aggfunc="sum", observed=True
        )
        by = by.reindex(index=total.index, columns=["retired", "banked", "converted"]).fillna(0.0)
        return total.to_frame().join(by.add_suffix("_mwh")).reset_index()

    def proof(self) -> pd.DataFrame:
        """Check from the tables alone that every MWh and every tonne is claimed once.

        Returns
        -------
        DataFrame
            Columns check, left, relation (= or <=), right, unit, holds; to 1e-9 relative.
        """
        rows = [*self._of_energy(), *self._of_obligations(), *self._of_tonnes()]
        table = pd.DataFrame(rows, columns=PROOF[:-1])
        slack = TOLERANCE * np.maximum(table["left"].abs(), table["right"].abs()) + 1e-6
        gap = table["left"] - table["right"]
        table["holds"] = (gap <= slack) & ((table["relation"] == "<=") | (gap >= -slack))
        return table

    @property
    def proven(self) -> bool:
        """Whether every check of the proof holds."""
        return bool(self.proof()["holds"].all())

    def _of_energy(self) -> list[tuple[str, float, str, float, str]]:
        claims, plan = self.claims, self.plan
        size = self.issued.set_index(VINTAGE)["issued_mwh"]
        carriers = self.run.case.carriers
        green = [*(carriers.wind or []), *(carriers.solar or [])]
        green += (carriers.hydro or []) * plan.hydro
        made = self.run.generation
        made_mwh = made.loc[made["carrier"].isin(green), "generation_mwh"].sum()
        total = {kind: claims.loc[claims["status"] == kind, "mwh"].sum()
                 for kind in ("retired", "banked", "converted")}  # fmt: skip
        used = claims.groupby(VINTAGE)["mwh"].sum()
        gap = used.sub(size, fill_value=0.0).abs()
        length = (claims["last_mwh"] - claims["first_mwh"] - claims["mwh"]).abs()
        # In order of where claims begin, one begins before another ends where two are to one MWh.
        ordered = claims.sort_values([*VINTAGE, "first_mwh"])
        until = ordered.groupby(VINTAGE)["last_mwh"].cummax().groupby(
            [ordered[key] for key in VINTAGE]
        ).shift()  # fmt: skip
        both = (np.minimum(until, ordered["last_mwh"]) - ordered["first_mwh"]).clip(lower=0.0)
        end = claims["last_mwh"].to_numpy() - size.reindex(
            vintages(claims)
        ).fillna(0.0).to_numpy()  # fmt: skip
        sold = self.run.contracts["certificates_mwh"].sum()
        bundled = claims.loc[claims["use"] == "bundled", "mwh"].sum()
        return [
            ("issued, generated", size.sum(), "<=", made_mwh, "MWh"),
            ("issued, retired + banked + converted", size.sum(), "=", sum(total.values()), "MWh"),
            ("the same by plant and month: largest difference", gap.max(), "=", 0.0, "MWh"),
            ("MWh in two claims", both[both > 1e-6].sum(), "=", 0.0, "MWh"),
            ("MWh claimed beyond what is issued", end[end > 1e-6].sum(), "=", 0.0, "MWh"),
            ("intervals, energy of claims: largest difference", length.max(), "=", 0.0, "MWh"),
            ("claimed with green power, delivered", bundled, "=", float(sold), "MWh"),
        ]

    def _of_obligations(self) -> list[tuple[str, float, str, float, str]]:
        owed, claims = self.obligations, self.claims
        met = owed[["bundled_mwh", "local_mwh", "bought_mwh", "short_mwh"]].to_numpy().sum()
        retired = claims.loc[claims["use"] == "obligation", "mwh"].sum()
        own = owed["local_mwh"].sum() + owed["bought_mwh"].sum()
        return [
            ("obligations, met + short", owed["obligation_mwh"].sum(), "=", float(met), "MWh"),
            ("retired for obligations, in their account", retired, "=", own, "MWh"),
        ]

    def _of_tonnes(self) -> list[tuple[str, float, str, float, str]]:
        offsets, account = self.offsets[list(OFFSETS)[3:]].sum(), self.run.compliance
        counted = self.converted.loc[self.converted["instrument"] == CARBON, "amount"].sum()
        rule = offset_rule(self.run)
        limit = 0.0 if rule is None else rule.limit * to_surrender(self.run)
        used = float(account["offsets_t"].sum())
        rate = self.issued["avoided_t"] / self.issued["issued_mwh"]
        rate.index = vintages(self.issued)
        energy = self.offsets.set_index(VINTAGE)["mwh"]
        avoided = float((energy * rate.reindex(energy.index).to_numpy()).sum())
        return [
            ("credited, avoided", offsets["credited_t"], "<=", avoided, "tCO2"),
            ("credited, in the claims", offsets["credited_t"], "=", counted, "tCO2"),
            ("credited, surrendered + held", offsets["credited_t"], "=",
             offsets["surrendered_t"] + offsets["held_t"], "tCO2"),
            ("credited, limit on offsets", offsets["credited_t"], "<=", limit, "tCO2"),
            ("surrendered, in the account of units", offsets["surrendered_t"], "<=", used, "tCO2"),
        ]  # fmt: skip

    @property
    def tables(self) -> dict[str, pd.DataFrame]:
        """Every table by file name."""
        return {
            "balance": self.balance, "issued": self.issued, "claims": self.claims,
            "obligations": self.obligations, "offsets": self.offsets, "payments": self.payments,
            "double_counted": self.double_counted, "proof": self.proof(),
        }  # fmt: skip

    def to_parquet(self, folder: str | Path) -> Path:
        """Write every table and the record, as `Comparison.to_parquet` does."""
        record = {
            **Comparison(self.run.case, [self.run]).record(),
            "claims": self.plan.model_dump(mode="json"),
            "double_counted_t": self.double_counted_t,
        }
        return write_results(Path(folder), self.tables, record)


def claims(run: Run, plan: ClaimsPlan | Mapping[str, Any] | str | Path) -> Claims:
    """Issue certificates for the renewable output of a run and register every claim to them.

    Green power contracts take theirs first, then the plan's registrations; obligations are met from
    what is left, which is banked in the end. Converted for the carbon market, MWh become
    offsets at what they avoid, as far as the regime's offsets allow. Nothing of the run changes.

    Parameters
    ----------
    run : Run
    plan : ClaimsPlan, mapping, str or Path
        A plan, its content, or a YAML file.

    Returns
    -------
    Claims

    Raises
    ------
    InputError
        Naming unknown plant, provinces and instruments, instruments that do not exist in the
        year, units that do not convert, MWh that two instruments register with their
        amounts, tonnes credited beyond what is avoided or beyond the limit on offsets, and
        obligations above what exists without a shortfall price.
    """
    plan = claims_plan(plan)
    register = Register(run, plan)
    if faults := register.faults():
        raise InputError(faults)
    if faults := register.double_faults():
        raise InputError(faults)
    table = numbered(register)
    offsets, notes = offsets_of(register, table)
    if faults := [*offset_faults(register, offsets), *shortfall_faults(register)]:
        raise InputError(faults)
    owed = obligations_of(register)
    return Claims(
        run, plan, register.issued.reset_index(), table, owed, offsets,
        payments_of(register, table, offsets, owed), register.twice.reset_index(), notes,
    )  # fmt: skip


def double_counted(run: Run, plan: ClaimsPlan | Mapping[str, Any] | str | Path) -> pd.DataFrame:
    """Return what a plan would count twice without the ledger, whether or not `claims` takes it.

    Returns
    -------
    DataFrame
        Columns plant, vintage, province, carrier, issued_mwh, registered_mwh, double_mwh [MWh],
        double_t [t]; as `Register.twice`.

    Raises
    ------
    InputError
        As `claims`, but for what is registered twice or beyond what exists.
    """
    register = Register(run, claims_plan(plan))
    if faults := register.faults():
        raise InputError(faults)
    return register.twice.reset_index()
