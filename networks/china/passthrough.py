"""Pass-through of a carbon price in China by rules and allowances, beside published rates.

    python networks/china/passthrough.py [--carbon-price P ...] [--weeks N] [--out DIR] [--readme]

Clears three regimes under three ways of giving out allowances and prints one table; `--readme`
puts it into README.md beside this file. A few minutes on two cores.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import pandas as pd

import powermkt as pm
from powermkt.analysis.passthrough import NATION
from powermkt.analysis.regression import FIXED_EFFECTS, WITHIN_HOUR
from powermkt.common.writing import put_between_marks

FOLDER = Path(__file__).parent
REGIMES = ("fixed_tariff", "priority_dispatch", "full_market")
# The benchmarks of the network are those of 2022.
ALLOCATIONS = {"auction": "auction", "lump_sum": "lump sum", "output_based": "by output, 2022"}
HEAD = (
    "rules, or study", "allowances", "marginal", "net", "kappa, t/MWh", "retail",
    "regression (s.e.)", "within the hour (s.e.)", "what it measures",
)  # fmt: skip
PACKAGES = ("powermkt", "pypsa", "linopy", "highspy", "statsmodels")


@dataclass(frozen=True)
class Published:
    """A published rate, and which of ours it is set beside.

    Attributes
    ----------
    source, allowances : str
    column : str
        Of `HEAD`, in which it stands.
    text : str
        As it was published.
    low, high : float
        The range in which ours would agree.
    allocation : str
        Of our full market.
    provinces : tuple of str
        Whose rates are set beside it; none: the regression or rate of all.
    measures : str
    """

    source: str
    allowances: str
    column: str
    text: str
    low: float
    high: float
    allocation: str
    provinces: tuple[str, ...]
    measures: str


PUBLISHED = (
    Published(
        "Sijm, Neuhoff, Chen 2006, Climate Policy 6(1)", "lump sum, mostly free", "marginal",
        "0.60 - 1.00", 0.6, 1.0, "lump_sum", (),
        "Germany and Netherlands, forward prices and models, share of the carbon cost of the "
        "marginal unit",
    ),
    Published(
        "Fabra, Reguant 2014, doi:10.1257/aer.104.9.2872", "lump sum, mostly free",
        "regression (s.e.)", "> 0.80", 0.8, float("inf"), "lump_sum", (),
        "Spain, hourly prices on the carbon cost of the marginal unit",
    ),
    Published(
        "Hintermann 2016, JAERE 3(4)", "lump sum, mostly free", "regression (s.e.)",
        ">= 0.84, central 0.98 - 1.04", 0.84, float("inf"), "lump_sum", (),
        "Germany, hourly spot prices on the carbon cost of the marginal unit of a supply curve",
    ),
    Published(
        "Woo et al. 2017, Energy Policy 110", "auction and free to utilities", "kappa, t/MWh",
        "0.41 / 0.59 / 0.41 / 0.15", 0.15, 0.59, "auction", (),
        "hubs NP15, SP15, Mid-C and Palo Verde, USD/MWh per USD/t of the Californian price; plants "
        "outside California pay nothing, and gas is marginal there",
    ),
    Published(
        "Wu, Zhang, Zhou 2023, doi:10.2139/ssrn.4604443", "by output", "marginal",
        "not significant", -0.1, 0.1, "output_based", ("Shandong", "Shanxi"),
        "Shandong and Shanxi, effect of the national carbon market on electricity prices; no range "
        "is given, less than a tenth is taken as agreement",
    ),
)  # fmt: skip


def main() -> None:
    """Clear, print the table, put it into the README."""
    options = _options()
    case = pm.read(FOLDER)
    case = case.with_market(case.market.model_copy(update={"calibration": None}))
    study = pm.pass_through_study(
        case, regimes(), options.carbon_price, weeks=options.weeks, progress=_say
    )
    if options.out:
        study.to_parquet(options.out)
    text = table(study)
    print(text)
    if options.readme:
        put_between_marks(text, FOLDER / "README.md", "pass-through")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python networks/china/passthrough.py")
    parser.add_argument(
        "--carbon-price", type=float, nargs="+", default=[0.0, 60.0, 120.0], help="CNY/t"
    )
    parser.add_argument("--weeks", type=int, default=4, help="representative weeks")
    parser.add_argument("--out", help="folder for the tables of the study")
    parser.add_argument("--readme", action="store_true", help="put the table into README.md")
    return parser.parse_args()


def _say(done: int, total: int, what: str) -> None:
    print(f"{done}/{total} {what}", file=sys.stderr)


def regimes() -> list[pm.Regime]:
    """Each of the three regimes under each way of giving out allowances."""
    offered = {"fixed_tariff": False, "priority_dispatch": False, "full_market": True}
    return [
        pm.regime(
            {
                "name": _name(base, allocation),
                "extends": base,
                "carbon": {
                    "rule": "CarbonPrice", "allocation": allocation, "offered": offered[base]
                },
            }
        )
        for base in REGIMES
        for allocation in ALLOCATIONS
    ]  # fmt: skip


def _name(base: str, allocation: str) -> str:
    return f"{base}, {allocation}"


def table(study: pm.PassThroughStudy) -> str:
    """Return the Markdown table, with what the columns are and the versions that made it."""
    rows = [HEAD, ("---",) * len(HEAD)]
    rows += [_ours(study, base, way) for base in REGIMES for way in ALLOCATIONS]
    rows += [_theirs(study, item) for item in PUBLISHED]
    case = study.comparison.case
    taus = " / ".join(f"{price:g}" for price in sorted(study.rates["carbon_price"].unique()))
    lowest = min(run.carbon_price for run in study.comparison.runs)
    below = (
        f"All load, {len(case.windows)} windows standing for {case.weights.sum():,.0f} h; rates at "
        f"{taus} against {lowest:g} CNY/t; regressions over all of these prices, one observation "
        "per province, hour and price, standard errors clustered by day. "
        + ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    )
    return "\n".join(["| " + " | ".join(row) + " |" for row in rows] + ["", below])


def _ours(study: pm.PassThroughStudy, base: str, allocation: str) -> tuple[str, ...]:
    name = _name(base, allocation)
    rates = _rates(study, name, NATION)
    found = study.regression[study.regression["regime"] == name].set_index("specification")
    cells = [
        " / ".join(_number(value) for value in rates[column])
        for column in (
            "pass_through_marginal", "pass_through_net", "pass_through_rate", "pass_through_retail"
        )
    ]  # fmt: skip
    slopes = []
    for specification in (FIXED_EFFECTS, WITHIN_HOUR):
        row = found.loc[specification]
        error = row["standard_error"]
        slopes.append(_number(row["coefficient"]) + (f" ({error:.3f})" if pd.notna(error) else ""))
    return (base, ALLOCATIONS[allocation], *cells, *slopes, "this network")


def _theirs(study: pm.PassThroughStudy, item: Published) -> tuple[str, ...]:
    name = _name("full_market", item.allocation)
    if item.column == "regression (s.e.)":
        found = study.regression.set_index(["regime", "specification"])["coefficient"]
        ours = [float(found[name, FIXED_EFFECTS])]
    else:
        column = "pass_through_rate" if item.column.startswith("kappa") else "pass_through_marginal"
        ours = [
            float(_rates(study, name, province)[column].iloc[-1])
            for province in item.provinces or (NATION,)
        ]
    off = max(max(item.low - value, value - item.high, 0.0) for value in ours)
    verdict = f"outside by {off:.3f}" if off else "inside"
    beside = f"full_market, {ALLOCATIONS[item.allocation]}"
    shown = " and ".join(_number(value) for value in ours)
    cells = ["", *("" for _ in HEAD[1:-1]), f"{item.measures}; {beside}: {shown}, {verdict}"]
    cells[0], cells[1] = item.source, item.allowances
    cells[HEAD.index(item.column)] = item.text
    return tuple(cells)


def _rates(study: pm.PassThroughStudy, regime: str, province: str) -> pd.DataFrame:
    """Rates of a regime and province, by rising carbon price."""
    table = study.rates
    chosen = (table["regime"] == regime) & (table["province"] == province)
    return table[chosen].sort_values("carbon_price")


def _number(value: float) -> str:
    return "-" if pd.isna(value) else f"{round(value, 3) + 0.0:.3f}"


if __name__ == "__main__":
    main()
