"""How cases, regimes, runs and comparisons look in a notebook: short, escaped, nothing solved."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

_MOST_ROWS = 30


def block(title: str, facts: Mapping[str, object], table: Any = None) -> str:
    """A heading, facts under it as a table of two columns, and a table of results.

    Parameters
    ----------
    title : str
    facts : mapping of str to object
        Name -> value; text, which is escaped.
    table : DataFrame, optional
        Its first 30 rows.
    """
    rows = "".join(
        f"<tr><th style='text-align:left'>{escape(str(name))}</th>"
        f"<td style='text-align:left'>{escape(str(value))}</td></tr>"
        for name, value in facts.items()
    )
    found = f"<p><b>{escape(title)}</b></p>" + (f"<table>{rows}</table>" if rows else "")
    if table is not None:
        found += table.head(_MOST_ROWS).to_html(
            index=False, float_format=lambda value: f"{value:,.4g}", na_rep="", border=0
        )
        if len(table) > _MOST_ROWS:
            found += f"<p>and {len(table) - _MOST_ROWS} more rows</p>"
    return found


class CaseView:
    """What a notebook shows of a case."""

    def _repr_html_(self) -> str:
        case: Any = self
        n, hours = case._n, float(case.weights.sum())
        capacity = case.generators.groupby("carrier")["p_nom"].sum().sort_values(ascending=False)
        facts = {
            "provinces": case.provinces.nunique(), "buses": len(n.buses),
            "generators": len(n.generators), "storage": len(n.storage_units) + len(n.stores),
            "branches": len(n.links) + len(n.lines) + len(n.transformers),
            "windows": f"{len(case.windows)}, {len(n.snapshots):,} snapshots that stand for "
            f"{hours:,.0f} h",
            "capacity (MW)": ", ".join(f"{name} {mw:,.0f}" for name, mw in capacity.items()),
            "money": case.market.currency,
        }  # fmt: skip
        return block(f"Case {case.name}", facts)


class RegimeView:
    """What a notebook shows of a regime."""

    def _repr_html_(self) -> str:
        regime: Any = self
        facts: dict[str, str] = {}
        for rule in regime.rules:
            name = type(rule).__name__
            facts[rule.role] = f"{facts[rule.role]}, {name}" if rule.role in facts else name
        if regime.description:
            facts = {"": regime.description, **facts}
        return block(f"Regime {regime.name}", facts)


class RunView:
    """What a notebook shows of a run."""

    def _repr_html_(self) -> str:
        run: Any = self
        row, currency = run.summary(), run.case.market.currency
        facts = {
            f"resource cost ({currency})": f"{row['cost']:,.0f}",
            "emissions (t)": f"{row['emissions_t']:,.0f}",
            "curtailment (MWh)": f"{row['curtailment_mwh']:,.0f} ({row['curtailment_rate']:.2%})",
            f"wholesale price ({currency}/MWh)": f"{row['wholesale_price']:,.2f}",
            f"retail price ({currency}/MWh)": f"{row['retail_price']:,.2f}",
            f"users pay ({currency})": f"{row['consumer_payment']:,.0f}",
            "unserved load (MWh)": f"{row['load_shed_mwh']:,.0f}",
        }
        title = f"{run.regime.name} at {run.carbon_price:g} {currency}/t on {run.case.name}"
        return block(title, facts)


class ComparisonView:
    """What a notebook shows of a comparison."""

    _SHOWN = (
        "regime", "carbon_price", "cost", "emissions_t", "curtailment_rate", "wholesale_price",
        "retail_price", "consumer_payment",
    )  # fmt: skip

    def _repr_html_(self) -> str:
        result: Any = self
        title = f"Comparison on {result.case.name}, money in {result.case.market.currency}"
        return block(title, {}, result.table[list(self._SHOWN)])
