"""Tables of a comparison for a terminal of 80 columns."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
import rich.box
from rich.table import Table

from powermkt.accounts.revenue import by_carrier
from powermkt.analysis.passthrough import NATION
from powermkt.analysis.switching import SwitchingPoints
from powermkt.studies.comparison import Comparison
from powermkt.studies.passthroughstudy import PassThroughStudy


def report(result: Comparison) -> Iterator[Table | str]:
    """Tables of a comparison for a terminal of 80 columns."""
    case, currency = result.case, result.case.market.currency
    top = result.table["cost"].abs().max()
    money, scale = ("bn", 1e9) if top >= 1e9 else ("m", 1e6)
    tonnes, t_scale = ("Mt", 1e6) if result.table["emissions_t"].max() >= 1e7 else ("kt", 1e3)
    hours = case.weights.sum()
    windows = f"{len(case.windows)} window" + "s" * (len(case.windows) != 1)
    caption = f"{case.name}: {windows}, {hours:,.0f} h; money in {currency}"
    table = table_of(
        caption,
        ["regime", "tau", f"cost\n{money}", f"CO2\n{tonnes}", "wind\ncut %", "sun\ncut %",
         "hydro\ncut %", "whole-\nsale", "retail", f"users\npay {money}"],
    )  # fmt: skip
    for _, row in result.table.iterrows():
        table.add_row(
            row["regime"], f"{row['carbon_price']:g}",
            f"{row['cost'] / scale:,.1f}", f"{row['emissions_t'] / t_scale:,.1f}",
            *(rounded(100 * row[f"{kind}_curtailment_rate"], 2)
              for kind in ("wind", "solar", "hydro")),
            f"{row['wholesale_price']:.1f}", f"{row['retail_price']:.1f}",
            f"{row['consumer_payment'] / scale:,.1f}",
        )  # fmt: skip
    yield table
    for column, what in (("load_shed_mwh", "unserved load"), ("excess_mwh", "excess generation")):
        amount = float(result.table[column].max())
        if amount > 1:
            yield f"{what}: up to {amount:,.0f} MWh in a run"
    yield from obligation_tables(result)
    if result.services:
        yield from _service_tables(result)
    if len(result.pass_through):
        yield _pass_through_table(result.pass_through)
    if result.contracts is not None:
        yield _contract_table(result.contracts, currency)
    if result.calibration is not None:
        yield from _calibration_tables(result)


def run_report(result: Comparison) -> Iterator[Table | str]:
    """Tables of a comparison of one run."""
    row = result.table.iloc[-1]
    table = Table(box=rich.box.SIMPLE_HEAD)
    table.add_column(str(row["regime"]), overflow="fold")
    at = f"at {row['carbon_price']:g} {result.case.market.currency}/t"
    table.add_column(at, justify="right", overflow="fold")
    for name, value in row.drop(["regime", "carbon_price"]).items():
        table.add_row(str(name), f"{value:,.4f}" if abs(value) < 10 else f"{value:,.1f}")
    yield table
    yield from obligation_tables(result)


def _contract_table(table: pd.DataFrame, currency: str) -> Table:
    """Contracts by kind: volume, mean prices by volume, what sellers receive."""
    shown = table_of(
        f"contracts beside the market, prices in {currency}/MWh, to sellers in m {currency}",
        ["regime", "tau", "kind", "number", "GWh", "strike", "reference", "to sellers"],
    )
    keys = ["regime", "carbon_price", "kind"]
    for (regime, tau, kind), part in table.groupby(keys, sort=False):
        energy = part["energy_mwh"].sum()
        strike, reference = (
            (part[name] * part["energy_mwh"]).sum() / energy if energy else float("nan")
            for name in ("strike", "reference")
        )
        shown.add_row(
            str(regime), f"{tau:g}", str(kind), str(len(part)), f"{energy / 1000:,.1f}",
            rounded(strike, 1), rounded(reference, 1), f"{part['amount'].sum() / 1e6:,.1f}",
        )  # fmt: skip
    return shown


def obligation_tables(result: Comparison) -> Iterator[Table]:
    """Obligations, and what is saved for them, where there are any."""
    if result.obligations is not None:
        yield obligation_table(result.obligations)
    if result.savings is not None:
        yield _savings_table(result.savings, result.case.market.currency)


def _savings_table(savings: pd.DataFrame, currency: str) -> Table:
    """What measures save, cost and are worth."""
    found = table_of(
        f"savings, cost and worth in {currency}/tce, money in {currency}",
        ["regime", "tau", "measure", "tce", "of", "cost", "worth", "cost in all", "rent"],
    )
    found.columns[2].justify = "left"
    for _, row in savings.iterrows():
        where = f" ({row['province']})" if row["province"] else ""
        found.add_row(
            row["regime"], f"{row['carbon_price']:g}", f"{row['measure']}{where}",
            *(f"{row[name]:,.1f}" for name in ("saved", "potential", "unit_cost", "unit_worth")),
            *(f"{row[name]:,.0f}" for name in ("cost", "rent")),
        )  # fmt: skip
    return found


def obligation_table(obligations: pd.DataFrame) -> Table:
    """Obligations of all runs, with what they come to."""
    found = table_of(
        "obligations",
        ["regime", "tau", "obligation", "target", "reached", "short", "unit", "price"],
    )
    found.columns[2].justify = "left"
    for _, row in obligations.iterrows():
        sign = "<=" if row["kind"] == "at_most" else ">="
        found.add_row(
            row["regime"], f"{row['carbon_price']:g}", row["line"],
            f"{sign} {row['target']:,.1f}",
            *(f"{row[name]:,.1f}" for name in ("reached", "shortfall")), row["unit"],
            f"{row['price']:,.2f}",
        )  # fmt: skip
    return found


def _service_tables(result: Comparison) -> Iterator[Table]:
    """What carriers earn from energy and services, for each regime at its lowest carbon price."""
    case = result.case
    lowest = result.revenue["carbon_price"].min()
    table = by_carrier(result.revenue, float(case.weights.sum()))
    table = table[table["carbon_price"] == lowest]
    for regime, part in table.groupby("regime", sort=False):
        wide = part.pivot(index="carrier", columns="service", values="per_mw_year").fillna(0.0)
        most = wide.abs().max().sort_values(ascending=False).index[:6]
        wide = wide[most].loc[(wide.abs() > 0.5).any(axis=1)]
        title = f"{regime}: revenue in {case.market.currency} per kW and year, tau {lowest:g}"
        shown = table_of(title, ["carrier", *(str(name).replace(" ", "\n", 2) for name in most)])
        for carrier, row in wide.iterrows():
            shown.add_row(str(carrier), *(f"{value / 1000:,.1f}" for value in row))
        yield shown


def table_of(title: str, heads: list[str]) -> Table:
    """Table of one text column and numbers that fits 80 columns."""
    table = Table(
        box=rich.box.SIMPLE_HEAD, title=title, title_justify="left", padding=(0, 0),
        show_edge=False,
    )  # fmt: skip
    for i, head in enumerate(heads):
        # What does not fit folds the text, never a number.
        table.add_column(head, justify="right" if i else "left", no_wrap=i > 0, overflow="fold")
    return table


def rounded(value: float, digits: int) -> str:
    """A number with so many digits; "-" for none."""
    if pd.isna(value):
        return "-"
    return f"{round(value, digits) + 0.0:.{digits}f}"


def _pass_through_table(rates: pd.DataFrame) -> Table:
    table = table_of(
        "pass-through of the carbon price to all load",
        ["regime", "tau", "dP", "marginal", "net", "dP/dtau\nt/MWh", "retail",
         "dP by province\nlow .. high"],
    )  # fmt: skip
    for _, row in rates[rates["province"] == NATION].iterrows():
        same = (rates["regime"] == row["regime"]) & (rates["carbon_price"] == row["carbon_price"])
        local = rates[same & (rates["province"] != NATION)]["price_change"]
        table.add_row(
            row["regime"], f"{row['carbon_price']:g}", rounded(row["price_change"], 2),
            rounded(row["pass_through_marginal"], 3), rounded(row["pass_through_net"], 3),
            rounded(row["pass_through_rate"], 4), rounded(row["pass_through_retail"], 3),
            f"{rounded(local.min(), 2)} .. {rounded(local.max(), 2)}",
        )  # fmt: skip
    return table


def study_report(study: PassThroughStudy) -> Iterator[Table | str]:
    """Tables of a pass-through study for a terminal of 80 columns."""
    result = study.comparison
    currency = result.case.market.currency
    if study.rates.empty:
        yield "one carbon price only: nothing to set it against"
    else:
        yield _pass_through_table(study.rates)
        yield _load_table(study.quantiles)
        yield _regression_table(study.regression)
        yield _incidence_table(result.incidence_summary, currency)
        yield _windfall_table(result.windfall_summary, currency)
    for part in study.switching:
        yield from _switching_tables(part, currency)


def _load_table(table: pd.DataFrame) -> Table:
    """Pass-through by level of load, at the highest carbon price of each regime."""
    shown = table_of(
        "pass-through by level of load, all provinces (1: lowest load)",
        ["regime", "tau", "level", "dP", "marginal", "net", "dP/dtau\nt/MWh", "no fossil\nmargin %",
         "dP then"],
    )  # fmt: skip
    for _, row in _dearest(table[table["province"] == NATION]).iterrows():
        shown.add_row(
            row["regime"], f"{row['carbon_price']:g}", f"{row['quantile']:g}",
            rounded(row["price_change"], 2),
            rounded(row["pass_through_marginal"], 3), rounded(row["pass_through_net"], 3),
            rounded(row["pass_through_rate"], 4),
            rounded(100 * row["renewable_marginal_share"], 1),
            rounded(row["renewable_price_change"], 2),
        )  # fmt: skip
    return shown


def _regression_table(table: pd.DataFrame) -> Table:
    """Coefficients of the regression beside the structural rate."""
    shown = table_of(
        "regression of hourly prices on marginal carbon cost, s.e. clustered by day",
        ["regime", "specification", "coefficient", "s.e.", "R2", "n", "structural"],
    )
    for _, row in table.iterrows():
        shown.add_row(
            row["regime"], row["specification"].replace("_", " "),
            rounded(row["coefficient"], 3), rounded(row["standard_error"], 3),
            rounded(row["r2"], 3), f"{row['observations']:,}", rounded(row["structural_rate"], 3),
        )  # fmt: skip
    notes = table.loc[table["note"] != "", ["regime", "specification", "note"]]
    if len(notes):
        shown.caption = "\n".join(
            f"{regime}, {kind.replace('_', ' ')}: {note}"
            for regime, kind, note in notes.itertuples(index=False)
        )
        shown.caption_justify = "left"
    return shown


def _incidence_table(table: pd.DataFrame, currency: str) -> Table:
    """Who gains and who loses by the carbon price."""
    groups = [name for name in table.columns if name not in ("regime", "carbon_price")]
    money, scale = money_unit(table[groups])
    shown = table_of(
        f"change in welfare by the carbon price, {money} {currency}; rows sum to zero",
        [
            "regime",
            "tau",
            *(
                name.replace("transmission", "trans-\nmission").replace(" ", "\n")
                for name in groups
            ),
        ],
    )
    for _, row in table.iterrows():
        shown.add_row(
            row["regime"], f"{row['carbon_price']:g}",
            *(rounded(row[name] / scale, 2) for name in groups),
        )  # fmt: skip
    return shown


def _windfall_table(table: pd.DataFrame, currency: str) -> Table:
    """Windfall of plant by carrier, at the highest carbon price of each regime."""
    chosen = _dearest(table)
    names = ["price_gain", "carbon_cost", "free_allowances", "windfall"]
    money, scale = money_unit(chosen[names])
    shown = table_of(
        f"windfall, {money} {currency}",
        ["regime", "tau", "carrier", "gain by\nprice", "carbon\ncost", "free\nallow.",
         "wind-\nfall", "per\nMWh"],
    )  # fmt: skip
    for _, row in chosen.iterrows():
        if row[names].abs().max() < scale / 2000:
            continue
        shown.add_row(
            row["regime"], f"{row['carbon_price']:g}", row["carrier"],
            *(rounded(row[name] / scale, 3) for name in names),
            rounded(row["per_mwh"], 2),
        )  # fmt: skip
    return shown


def _dearest(table: pd.DataFrame) -> pd.DataFrame:
    """Rows at the highest carbon price of each regime."""
    highest = table.groupby("regime")["carbon_price"].transform("max")
    return table[table["carbon_price"] == highest]


_MOST_STEPS = 12


def _switching_tables(part: SwitchingPoints, currency: str) -> Iterator[Table | str]:
    """The largest steps of dispatch."""
    table = part.table[part.table["switched_mwh"] > 0]
    found = f"{part.regime}: {len(table)} switching points up to {part.carbon_price_max:g}"
    sure = "each within its width" if part.complete else "not all told apart"
    if table.empty:
        yield f"{found}: the carbon price moves no output"
        return
    largest = table.loc[table["switched_mwh"].nlargest(_MOST_STEPS).index].sort_index()
    shown = table_of(
        f"{found} {currency}/t, {sure}"
        + (f"; the largest {len(largest)}" if len(largest) < len(table) else ""),
        ["tau", "switched\nMWh", "CO2\nt", "cost per t", "from", "to"],
    )
    for column in shown.columns[4:]:
        column.justify = "left"
    for _, row in largest.iterrows():
        shown.add_row(
            f"{row['tau']:.3f}", f"{row['switched_mwh']:,.0f}",
            f"{row['emissions_change_t']:+,.0f}", rounded(row["abatement_cost"], 2),
            row["loses"], row["gains"],
        )  # fmt: skip
    yield shown


def money_unit(table: pd.DataFrame) -> tuple[str, float]:
    """Unit of money that suits the numbers."""
    return (
        ("bn", 1e9) if np.abs(table.to_numpy(dtype=float)).max(initial=0.0) >= 1e9 else ("m", 1e6)
    )


def _calibration_tables(result: Comparison) -> Iterator[Table | str]:
    assert result.calibration is not None and result.calibration_run is not None
    name = result.calibration_run.regime.name
    table = table_of(
        f"{name} beside observation",
        ["quantity", "fuel", "model", "observed", "diff %", " quality"],
    )
    for _, row in result.calibration.iterrows():
        table.add_row(
            str(row["quantity"]), str(row["carrier"]), f"{row['model']:,.1f}",
            f"{row['observed']:,.1f}", f"{row['difference_pct']:+.1f}", str(row["quality"]),
        )  # fmt: skip
    yield table
    assert result.utilisation is not None
    outliers = result.utilisation[result.utilisation["outlier"]]
    listed = ", ".join(
        f"{row['province']} {row['utilisation_h']:,.0f} h" for _, row in outliers.iterrows()
    )
    yield f"coal hours outside the plausible range: {listed or 'none'}"
