"""Whether tables of claims, responsibility and causes add up, from the tables alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from powermkt.auditing.bookscheck import audit_ledger
from powermkt.auditing.physics import run_key
from powermkt.common.findings import AuditReport, Finding, key, number, sums

_SUMS = 1e-9  # of what is added up
_UNIT = ["plant", "vintage"]
_STATUS = ("retired", "banked", "converted")
_RUN = ["regime", "carbon_price"]
_Tables = Mapping[str, pd.DataFrame]
_Record = Mapping[str, Any]


def studied(tables: _Tables) -> list[str]:
    """Return which studies left tables that are known here."""
    return [name for name, needed in _NEEDED.items() if needed <= tables.keys()]


def check_studies(report: AuditReport, tables: _Tables, record: _Record) -> None:
    """Check what tables of studies say about each other.

    Claims: what is issued is retired, banked or converted, each MWh and tonne once; credited no
    more than avoided. Responsibility: what arises anywhere is consumed, lost in excess or stored,
    in all, by province, by origin, and over all hours. Causes: shares add up to what is curtailed,
    within their ranges, and nothing relaxed curtails as much.

    Parameters
    ----------
    report : AuditReport
    tables : mapping of str to DataFrame
        By name.
    record : mapping
    """
    for name in studied(tables):
        for check in _CHECKS[name]:
            try:
                check(report, tables, record)
            except (KeyError, TypeError, ValueError, AttributeError) as error:
                what = f"tables are none of {name} ({type(error).__name__}: {error})"
                report.add([Finding(name, "", what)])


def _same(
    report: AuditReport, table: str, column: str, stored: pd.Series, expected: pd.Series, what: str,
    scale: float | None = None,
) -> None:  # fmt: skip
    size = float(expected.abs().max()) if scale is None and len(expected) else scale
    stored, expected = (
        part.set_axis([", ".join(map(str, at)) if isinstance(at, tuple) else str(at)
                       for at in part.index])
        for part in (stored, expected)
    )  # fmt: skip
    report.add(sums(table, stored, expected, _SUMS, what, size, column), "sums across tables",
               len(expected))  # fmt: skip


# ---- claims --------------------------------------------------------------------------------------


def _of_energy(report: AuditReport, tables: _Tables, record: _Record) -> None:
    """What is issued is claimed from the first MWh to the last, each once."""
    issued = tables["issued"].set_index(_UNIT)["issued_mwh"]
    claims, scale = tables["claims"], float(issued.sum())
    length = claims["last_mwh"] - claims["first_mwh"]
    names = claims["claim"]
    _same(report, "claims", "mwh", claims["mwh"].set_axis(names), length.set_axis(names),
          "length of the interval", scale)  # fmt: skip
    ordered = claims.sort_values([*_UNIT, "first_mwh"], kind="stable")
    before = ordered.groupby(_UNIT)["last_mwh"].shift().fillna(0.0)
    _same(report, "claims", "first_mwh", ordered["first_mwh"].set_axis(ordered["claim"]),
          before.set_axis(ordered["claim"]), "a MWh in two claims or in none", scale)  # fmt: skip
    used = claims.groupby(_UNIT)["mwh"].sum()
    _same(report, "claims", "mwh", used, issued, "issued is retired, banked or converted", scale)
    balance = tables["balance"].set_index(["province", "carrier"])
    made = tables["issued"].groupby(["province", "carrier"])["issued_mwh"].sum()
    _same(report, "balance", "issued_mwh", balance["issued_mwh"], made, "sum of what is issued",
          scale)  # fmt: skip
    for status in _STATUS:
        part = claims[claims["status"] == status].groupby(["province", "carrier"])["mwh"].sum()
        _same(report, "balance", f"{status}_mwh", balance[f"{status}_mwh"],
              part.reindex(balance.index, fill_value=0.0), f"claims that are {status}",
              scale)  # fmt: skip
    for at in np.flatnonzero(~claims["status"].isin(_STATUS)):
        row = claims.iloc[at]
        report.add([Finding("claims", row["claim"], "no status", row["status"], column="status")])
    certificates = claims[claims["unit"] == "MWh"].set_index("claim")
    _same(report, "claims", "amount", certificates["amount"], certificates["mwh"],
          "amount in MWh", scale)  # fmt: skip


def _of_tonnes(report: AuditReport, tables: _Tables, record: _Record) -> None:
    """Each tonne is credited once, for MWh that avoid as much, and surrendered or held."""
    issued, offsets = tables["issued"].set_index(_UNIT), tables["offsets"]
    claims = tables["claims"]
    keys = [*_UNIT, "by"]
    of_carbon = (claims["status"] == "converted") & (claims["instrument"] == "carbon_market")
    converted = claims[of_carbon].groupby(keys)
    held = offsets.groupby(keys)
    scale = float(issued[["avoided_t", "credited_t"]].to_numpy().sum())
    for column, of in (("mwh", "mwh"), ("credited_t", "amount")):
        _same(report, "offsets", column, held[column].sum(), converted[of].sum(),
              "claims that are converted", float(issued["issued_mwh"].sum()) + scale)  # fmt: skip
    at = pd.MultiIndex.from_frame(offsets[_UNIT])
    place = issued.reindex(at)
    for column in ("avoided_t", "credited_t"):
        rate = (place[column] / place["issued_mwh"]).to_numpy(float)
        _same(report, "offsets", column, offsets[column].set_axis(at),
              (offsets["mwh"] * rate).set_axis(at), f"MWh x {column} of those issued",
              scale)  # fmt: skip
    over = (offsets["credited_t"] - offsets["avoided_t"]).set_axis(at)
    _same(report, "offsets", "credited_t", over.clip(lower=0.0), 0.0 * over,
          "no more is credited than is avoided", scale)  # fmt: skip
    whole = (offsets["surrendered_t"] + offsets["held_t"]).set_axis(at)
    _same(report, "offsets", "credited_t", offsets["credited_t"].set_axis(at), whole,
          "credited is surrendered or held", scale)  # fmt: skip
    twice = tables["double_counted"].set_index(_UNIT)
    mwh, energy = twice["double_mwh"], float(issued["issued_mwh"].sum())
    _same(report, "double_counted", "issued_mwh", twice["issued_mwh"], issued["issued_mwh"],
          "what is issued", energy)  # fmt: skip
    _same(report, "double_counted", "double_mwh", mwh,
          (twice["registered_mwh"] - issued["issued_mwh"]).clip(lower=0.0),
          "registered beyond what is issued", energy * 1e3)  # fmt: skip
    _same(report, "double_counted", "double_t", twice["double_t"],
          mwh * (issued["avoided_t"] / issued["issued_mwh"]), "MWh x avoided_t of those issued",
          scale)  # fmt: skip
    told = {"double_counted_t": float(record["double_counted_t"])}
    total = {"double_counted_t": float(twice["double_t"].sum())}
    _same(report, "record.json", "", pd.Series(told), pd.Series(total), "sum of the table", scale)


def _of_payments(report: AuditReport, tables: _Tables, record: _Record) -> None:
    """Obligations are met, bought or short; who claims pays for what it claims."""
    owed, claims = tables["obligations"].set_index("province"), tables["claims"]
    paid = tables["payments"]
    energy = float(tables["issued"]["issued_mwh"].sum() + owed["obligation_mwh"].sum())
    asked = owed["consumption_mwh"] * owed["share"]
    _same(report, "obligations", "obligation_mwh", owed["obligation_mwh"], asked,
          "consumption x share", energy)  # fmt: skip
    met = owed[["bundled_mwh", "local_mwh", "bought_mwh", "short_mwh"]].sum(axis=1)
    _same(report, "obligations", "obligation_mwh", owed["obligation_mwh"], met, "met or short",
          energy)  # fmt: skip
    retired = claims.loc[claims["use"] == "obligation"].groupby("by")["mwh"].sum()
    own = owed["local_mwh"] + owed["bought_mwh"]
    by_company = own.set_axis([f"grid company {name}" for name in own.index])
    _same(report, "obligations", "local_mwh", by_company, retired, "retired for it", energy)
    audit_ledger(report, paid, "claims")
    sold = claims[(claims["use"] != "bundled") & (claims["by"] != claims["plant"])]
    worth = (sold["mwh"] * sold["price"]).groupby([sold["by"], sold["plant"]]).sum()
    of_claims = paid[~paid["product"].isin(["converted offsets", "certificate shortfall"])]
    got = of_claims.groupby(["payer", "payee"])["amount"].sum()
    money = float(paid["amount"].abs().sum())
    _same(report, "payments", "amount", got, worth[worth > 0], "claims x their price", money)
    companies = paid[paid["payer"].isin(by_company.index)].groupby("payer")["amount"].sum()
    _same(report, "obligations", "cost", owed["cost"].set_axis(by_company.index), companies,
          "payments of the grid company", money)  # fmt: skip
    credits = paid[paid["product"] == "converted offsets"].groupby("period")["quantity"].sum()
    surrendered = tables["offsets"].groupby("vintage")["surrendered_t"].sum()
    _same(report, "payments", "quantity", credits, surrendered, "offsets that are surrendered",
          float(tables["offsets"]["credited_t"].sum()))  # fmt: skip


def _of_proof(report: AuditReport, tables: _Tables, record: _Record) -> None:
    """A proof holds, and says so."""
    proof = tables["proof"]
    gap = proof["left"] - proof["right"]
    slack = _SUMS * np.maximum(proof["left"].abs(), proof["right"].abs()) + 1e-6
    holds = (gap <= slack) & ((proof["relation"] == "<=") | (gap >= -slack))
    claims, issued = tables["claims"], tables["issued"]
    lefts = {
        "issued, generated": issued["issued_mwh"].sum(),
        "issued, retired + banked + converted": issued["issued_mwh"].sum(),
        "claimed with green power, delivered": claims.loc[claims["use"] == "bundled", "mwh"].sum(),
        "credited, avoided": tables["offsets"]["credited_t"].sum(),
        "surrendered, in the account of units": tables["offsets"]["surrendered_t"].sum(),
    }
    found = proof.set_index("check")["left"]
    _same(report, "proof", "left", found[list(lefts)], pd.Series(lefts, dtype=float),
          "sum of the tables")  # fmt: skip
    for at in np.flatnonzero(~(holds & proof["holds"])):
        row = proof.iloc[at]
        what = "does not hold" if not holds.iloc[at] else "holds, and is said not to"
        report.add([Finding("proof", row["check"], what, number(row["left"]),
                            number(row["right"]), "holds")])  # fmt: skip


# ---- responsibility ------------------------------------------------------------------------------

_ADDED = (
    "generated_mwh", "used_mwh", "production_t", "consumption_t", "net_import_t", "excess_t",
    "stored_t",
)  # fmt: skip


def _of_responsibility(report: AuditReport, tables: _Tables, record: _Record) -> None:
    """What is produced is consumed, excess or stored; factors are those of the sums."""
    for _, table in tables["responsibility"].groupby(_RUN):
        where = run_key(str(table["regime"].iloc[0]), float(table["carbon_price"].iloc[0]))
        rows = table.set_index("province")
        rows = rows.set_axis([key(province=name) + f", {where}" for name in rows.index])
        tonnes = float(rows["production_t"].abs().sum())
        whole, parts = rows[table["province"].eq("all").to_numpy()], rows[
            table["province"].ne("all").to_numpy()
        ]  # fmt: skip
        for name in _ADDED:
            scale = float(rows["used_mwh"].sum()) if name.endswith("mwh") else tonnes
            _same(report, "responsibility", name, whole[name],
                  pd.Series(parts[name].sum(), whole.index), "sum of provinces", scale)  # fmt: skip
        kept = whole["consumption_t"] + whole["excess_t"] + whole["stored_t"]
        _same(report, "responsibility", "production_t", whole["production_t"], kept,
              "what arises is consumed, excess or stored", tonnes)  # fmt: skip
        _same(report, "responsibility", "net_import_t", rows["net_import_t"],
              rows["consumption_t"] - rows["production_t"], "consumption less production",
              tonnes)  # fmt: skip
        for name, energy in (("production", "generated_mwh"), ("consumption", "used_mwh")):
            told = rows[f"{name}_factor"].dropna()
            _same(report, "responsibility", f"{name}_factor", told * rows[energy][told.index],
                  rows[f"{name}_t"][told.index], f"tonnes over {energy}", tonnes)  # fmt: skip
    if "comparison" in tables:
        emitted = tables["comparison"].set_index(_RUN)["emissions_t"]
        whole = tables["responsibility"].query("province == 'all'").set_index(_RUN)
        _same(report, "responsibility", "production_t", whole["production_t"], emitted,
              "emissions of the comparison")  # fmt: skip


def _of_transfers(report: AuditReport, tables: _Tables, record: _Record) -> None:
    """By who uses it and by where it arises, transfers are what the other tables say."""
    moved, table = tables["carbon_transfers"], tables["responsibility"]
    rows = table[table["province"] != "all"].set_index([*_RUN, "province"])
    tonnes = float(rows["production_t"].abs().sum())
    used = moved.groupby([*_RUN, "consumer"])["emissions_t"].sum()
    _same(report, "carbon_transfers", "emissions_t", used, rows["consumption_t"],
          "consumption of the province", tonnes)  # fmt: skip
    keys = ["carbon_price", "origin", "consumer"]
    first = moved[moved["regime"] == moved["regime"].iloc[0]].set_index(keys)["emissions_t"]
    before = first.reindex(pd.MultiIndex.from_frame(moved[keys])).to_numpy()
    at = pd.MultiIndex.from_frame(moved[[*_RUN, "origin", "consumer"]])
    _same(report, "carbon_transfers", "change_t", moved["change_t"].fillna(0.0).set_axis(at),
          (moved["emissions_t"] - before).fillna(0.0).set_axis(at), "against the first regime",
          tonnes)  # fmt: skip
    by_origin = moved.groupby([*_RUN, "origin"])["emissions_t"].sum()
    by_origin = by_origin.rename_axis(rows.index.names).reindex(rows.index)
    lost = rows["production_t"] - by_origin  # excess, and what storage keeps
    pays = tables["carbon_principles"].set_index([*_RUN, "province"]).reindex(rows.index)
    price = pd.Series(rows.index.get_level_values("carbon_price"), rows.index, dtype=float)
    money = float((price.max() or 0.0) * tonnes)
    share = float(record["consumers_share"])
    for name, expected in (
        ("producer", price * rows["production_t"]),
        ("consumer", price * (rows["consumption_t"] + lost)),
        ("shared", share * pays["consumer"] + (1 - share) * pays["producer"]),
    ):
        _same(report, "carbon_principles", name, pays[name], expected, "price x tonnes", money)
    mix = tables["carbon_mix"]
    part = mix["mwh"] / mix.groupby([*_RUN, "province"])["mwh"].transform("sum")
    at = pd.MultiIndex.from_frame(mix[[*_RUN, "province", "carrier"]])
    _same(report, "carbon_mix", "share", mix["share"].fillna(0.0).set_axis(at),
          part.fillna(0.0).set_axis(at), "of what serves the province", 1.0)  # fmt: skip


def _of_hours(report: AuditReport, tables: _Tables, record: _Record) -> None:
    """Hours add up to the horizon."""
    hourly, keys = tables["carbon_hourly"], [*_RUN, "province"]
    if "hours" not in tables:
        return
    length = tables["hours"].drop_duplicates("snapshot").set_index("snapshot")["hours"]
    weights = hourly["snapshot"].map(length)
    rows = tables["responsibility"].set_index(keys)
    rows = rows[rows.index.get_level_values("province") != "all"]
    tonnes = float(rows["production_t"].abs().sum())
    for name in ("production_t", "consumption_t"):
        summed = (hourly[name] * weights).groupby([hourly[k] for k in keys]).sum()
        _same(report, "carbon_hourly", name, summed, rows[name], "hours sum to the horizon",
              tonnes)  # fmt: skip


# ---- causes --------------------------------------------------------------------------------------


def _of_causes(report: AuditReport, tables: _Tables, record: _Record) -> None:
    """Shares of the causes add up, in all and to what is curtailed with nothing relaxed."""
    causes, keys = tables["causes"], ["regime", "province", "carrier", "month"]
    at = pd.MultiIndex.from_frame(causes[["cause", *keys]])
    groups = causes.groupby(keys, sort=False)
    total = groups["total"].first()
    scale = float(total.abs().sum())
    _same(report, "causes", "mwh", groups["mwh"].sum(), total, "shares sum to the total", scale)
    _same(report, "causes", "total", causes["total"].set_axis(at),
          groups["total"].transform("first").set_axis(at), "of all causes alike",
          scale)  # fmt: skip
    ranged = causes["low"].notna()
    for side, beyond in (("low", causes["low"] - causes["mwh"]),
                         ("high", causes["mwh"] - causes["high"])):  # fmt: skip
        out = beyond.clip(lower=0.0).set_axis(at)[ranged.to_numpy()]
        _same(report, "causes", side, out, 0.0 * out, "the share is in its range", 1e3 * scale)
    rows = tables["combinations"].set_index("regime")
    kinds = rows[["wind_mwh", "solar_mwh", "hydro_mwh"]].sum(axis=1)
    names = [f"{regime}, {name}" for regime, name in rows["relaxed"].items()]
    _same(report, "combinations", "curtailment_mwh", rows["curtailment_mwh"].set_axis(names),
          kinds.set_axis(names), "sum of wind, solar and hydro", scale)  # fmt: skip
    whole = rows.loc[rows["relaxed"] == "nothing", "curtailment_mwh"]
    _same(report, "combinations", "curtailment_mwh", whole.reindex(total.index.unique("regime")),
          total.groupby(level="regime", sort=False).sum(), "what the causes share",
          scale)  # fmt: skip


_Check = Callable[[AuditReport, _Tables, _Record], None]
_NEEDED: dict[str, set[str]] = {
    "claims": {"issued", "claims", "balance"},
    "trace": {"responsibility", "carbon_transfers"},
    "explain": {"causes", "combinations"},
}
_CHECKS: dict[str, Iterable[_Check]] = {
    "claims": (_of_energy, _of_tonnes, _of_payments, _of_proof),
    "trace": (_of_responsibility, _of_transfers, _of_hours),
    "explain": (_of_causes,),
}
