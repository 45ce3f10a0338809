"""Write the data dictionary and the register of assumptions as Markdown, from the code itself.

``python -m powermkt.guide.dictionary [FILE]`` writes `DICTIONARY.md` of the folder it is called
in, with what the tables of its `networks` say of the quality of their figures.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from importlib import resources
from pathlib import Path

from powermkt.accounts import metrics
from powermkt.analysis import (
    breakeven,
    claimsaccounts,
    demandeffects,
    incidence,
    leakage,
    overview,
    passthrough,
    principles,
    regression,
    risk,
    storagevalue,
    switching,
    userprices,
    windfall,
)
from powermkt.analysis.arbitrage import StorageKind
from powermkt.analysis.capture import Capture
from powermkt.analysis.responsibility import COLUMNS as RESPONSIBILITY
from powermkt.analysis.returns import COLUMNS as RETURNS
from powermkt.analysis.returns import SPLIT, SUMMARY
from powermkt.common import dictionarycolumns
from powermkt.common.dictionarycolumns import RUN, Columns
from powermkt.dispatch import compliance
from powermkt.engine import capped, obligedprices
from powermkt.engine.remedytypes import RemedySettings
from powermkt.guide.assumptions import constants, inputs, settings, sources
from powermkt.guide.schemas import described
from powermkt.inputs.market import Market
from powermkt.rules import RULES
from powermkt.rules.deals import COLUMNS as CONTRACTS
from powermkt.studies import (
    explain,
    onemore,
    overlapclaims,
    overlapparties,
    published,
    remedyvalues,
)
from powermkt.studies.entry import CONVERGENCE, ENTRY, SYSTEM
from powermkt.studies.overlapstudy import CASES, LINES
from powermkt.system import marketpower

NAME = "DICTIONARY.md"
COMMAND = "python -m powermkt.guide.dictionary"
CARRIER = "(carrier)"  # stands for a column of each carrier
WHAT = "(what)"  # stands for one column whose name depends on the study


def tables() -> dict[str, dict[str, Columns]]:
    """Columns of every table that a command writes, by command and table."""
    own = dictionarycolumns
    hourly = {
        name: said for name, said in RESPONSIBILITY.items()
        if name in ("province", "production_t", "consumption_t", "production_factor",
                    "consumption_factor", "marginal_factor")
    }  # fmt: skip
    hourly |= {name: ("t/h", hourly[name][1]) for name in ("production_t", "consumption_t")}
    split = {**SPLIT, "carrier": ("", "wind, solar, hydro; renewables: all of them")}
    ledger = {**RUN, **own.LEDGER}
    return {
        "compare": {
            "comparison": metrics.COLUMNS,
            "pass_through": passthrough.COLUMNS,
            "incidence": incidence.COLUMNS,
            "windfall": windfall.COLUMNS,
            "retail": userprices.COLUMNS,
            "leakage": leakage.COLUMNS,
            "compliance": {**RUN, **compliance.COLUMNS},
            "curtailment": own.CURTAILMENT,
            "generation": own.GENERATION,
            "ledger": ledger,
            "revenue": own.REVENUE,
            "reserves": own.RESERVES,
            "reserve_prices": own.RESERVE_PRICES,
            "flexibility_value": own.FLEXIBILITY_VALUE,
            "deep_peak": own.DEEP_PEAK,
            "mileage": own.MILEAGE,
            "mileage_prices": own.MILEAGE_PRICES,
            "trade": own.TRADE,
            "demand": own.DEMAND,
            "prices": own.PRICES,
            "caps": capped.COLUMNS,
            "obligations": obligedprices.COLUMNS,
            "savings": obligedprices.SAVINGS,
            "calibration": own.CALIBRATION,
            "utilisation": own.UTILISATION,
            "contracts": {**RUN, **CONTRACTS},
            "mitigated": own.MITIGATED,
            "market_power": marketpower.COLUMNS,
            "hours": overview.HOURS,
            "provinces": overview.PROVINCES,
            "province_days": overview.PROVINCE_DAYS,
            "corridors": overview.CORRIDORS,
            "payments": overview.PAYMENTS,
            "carriers": overview.CARRIERS,
            "seams": own.SEAMS,
        },
        "pass-through": {
            "pass_through_hourly": passthrough.HOURLY,
            "pass_through_quantiles": passthrough.QUANTILES,
            "pass_through_regression": regression.COLUMNS,
            "switching_points": {"regime": RUN["regime"], **switching.COLUMNS},
            "switches": {"regime": RUN["regime"], **switching.SWITCHES},
            "abatement_curve": own.ABATEMENT_CURVE,
        },
        "returns": {
            "returns": RETURNS,
            "returns_summary": {
                **{
                    key: said for key, said in RETURNS.items() if key not in ("province", "carrier")
                },
                **SUMMARY,
            },
            "returns_split": SPLIT,
            "returns_split_summary": split,
            "one_more": onemore.COLUMNS,
        },
        "risk": {
            "yearly": own.YEARLY,
            "risk": {name: ("", said) for name, said in risk.COLUMNS.items()},
            "hedging": {name: ("", said) for name, said in risk.HEDGING.items()},
            "weather": own.WEATHER,
        },
        "explain": {
            "causes": {"regime": RUN["regime"], **explain.COLUMNS},
            "interactions": {"regime": RUN["regime"], **explain.INTERACTIONS},
            "combinations": own.COMBINATIONS,
            "failed": own.FAILED,
        },
        "remedies": {
            "remedies": {"regime": RUN["regime"], **remedyvalues.COLUMNS},
            "failed": own.FAILED,
        },
        "flexibility": {
            "storage": storagevalue.STORAGE,
            "arbitrage": storagevalue.ARBITRAGE,
            "capture_break_even": breakeven.BREAK_EVEN,
            "capture_gain": breakeven.GAINS,
            "capture_assumptions": own.CAPTURE_ASSUMPTIONS,
            "demand_effects": demandeffects.DEMAND_EFFECTS,
            "flexibility": own.FLEXIBILITY,
        },
        "claims": {
            "balance": own.CLAIMS_BALANCE,
            "issued": own.CLAIMS_ISSUED,
            "claims": claimsaccounts.COLUMNS,
            "obligations": claimsaccounts.OBLIGATIONS,
            "offsets": claimsaccounts.OFFSETS,
            "payments": own.LEDGER,
            "double_counted": own.CLAIMS_TWICE,
            "proof": own.PROOF,
        },
        "overlap": {
            "cases": CASES,
            "lines": LINES,
            "parties": overlapparties.PARTIES,
            "claimed": overlapclaims.CLAIMED,
            "double_counted": overlapclaims.PAIRS,
            "proof": own.PROOF,
            "published": published.PUBLISHED,
            "instruments": own.INSTRUMENTS,
        },
        "trace": {
            "responsibility": {**RUN, **RESPONSIBILITY},
            "carbon_transfers": own.TRANSFERS,
            "carbon_mix": own.MIX,
            "carbon_principles": {**RUN, **principles.COLUMNS},
            "carbon_hourly": {**RUN, "snapshot": own.PRICES["snapshot"], **hourly},
            "consumption_charge": ledger,
        },
        "invest": {"entry": ENTRY, "entry_system": SYSTEM, "entry_convergence": CONVERGENCE},
    }


def text(folder: Path) -> str:
    """Return the dictionary and the register.

    Parameters
    ----------
    folder : Path
        That holds `networks`.
    """
    parts = [
        "# Data dictionary and register of assumptions",
        f"Written by `{COMMAND}` from the code and the tables; do not edit it.",
        "`money` is the currency of the market file. Energy, emissions and money are sums over the "
        "horizon that is cleared, where a unit does not say otherwise; a unit of 1 is a ratio, an "
        "empty one a text, a time or yes and no. `unit` is that which the row states.",
        "# What a network may say",
        "Columns beside PyPSA's own, all optional; empty cells have the default.",
        _markdown(["column", "unit", "range", "meaning", "default"], inputs()),
        "# What commands write",
        "Each table is a Parquet file, and a CSV file if it is not long. Those of `compare` are "
        "also written by `pass-through`, `returns`, `flexibility` and `trace`. Tables are absent "
        "where there is nothing for them to say.",
    ]
    for command, found in tables().items():
        parts.append(f"## {command}")
        for name, columns in found.items():
            rows = [[f"`{column}`", *said] for column, said in columns.items()]
            parts += [f"### {name}", _markdown(["column", "unit", "meaning"], rows)]
    parts += [
        "Quantities of `yearly` and `risk`:",
        _markdown(
            ["quantity", "unit", "bad is", "meaning"],
            [[f"`{name}`", *said] for name, said in risk.QUANTITIES.items()],
        ),
        "# What is assumed",
        "## market.yaml",
        _markdown(["key", "default", "meaning"], settings(Market)),
        "## Rules",
        "By role, as a regime file names them; what a rule does stands in its docstring and, for "
        "the presets, in [REGIMES.md](REGIMES.md).",
    ]
    for role in dict.fromkeys(rule.role for rule in RULES.values()):
        for name, rule in RULES.items():
            if rule.role == role:
                rows = list(settings(rule))
                parts += [
                    f"### {role}: {name}",
                    " ".join(described(rule)[0].split("\n\n")[0].split()),
                ]
                parts += [_markdown(["key", "default", "meaning"], rows)] if rows else []
    parts += [
        "## Studies",
        "What remedies are like, all estimated; what capture of CO2 costs, all recalled; kinds of "
        "storage that are valued.",
    ]
    for model in (RemedySettings, Capture, StorageKind):
        parts += [
            f"### {model.__name__}",
            _markdown(["key", "default", "meaning"], settings(model)),
        ]
    parts += [
        "## Constants",
        _markdown(["what", "value", "unit", "meaning"], constants()),
        "## Where figures come from",
        "Rows by label; sources are listed for what was not read in one.",
    ]
    with resources.as_file(resources.files("powermkt") / "data") as shipped:
        places = {"powermkt/data": shipped}
        for path in sorted((folder / "networks").glob("*/tables")):
            places[path.relative_to(folder).as_posix()] = path
        for name, path in places.items():
            rows = list(sources(path))
            parts += [f"### {name}", _markdown(["table", "quality", "rows", "source"], rows)]
    return "\n\n".join(parts) + "\n"


def _markdown(head: list[str], rows: Iterable[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    cells = ([cell.replace("|", "\\|").replace("\n", " ") for cell in line] for line in lines)
    return "\n".join(f"| {' | '.join(line)} |" for line in cells)


def main() -> None:
    """Write the file that is named, or `DICTIONARY.md` of the current folder."""
    target = Path(sys.argv[1] if len(sys.argv) > 1 else NAME)
    target.write_text(text(target.resolve().parent), encoding="utf-8")


if __name__ == "__main__":
    main()
