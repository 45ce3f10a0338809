"""Set a run beside observed figures: energy by fuel, coal rate, utilisation hours."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from powermkt.common.files import beside
from powermkt.errors import Fault, InputError, name_list
from powermkt.inputs.case import Case
from powermkt.inputs.market import Calibration
from powermkt.run import Run

# Coal equivalent: 29.307 MJ/kgce x 94.6 kgCO2/GJ (IPCC 2006, bituminous coal).
TONNES_CO2_PER_TCE = 29.307 * 94.6 / 1000
_COLUMNS = ("quantity", "carrier", "unit", "model", "observed", "difference_pct", "quality")
_NEEDED = ("quantity", "carrier", "value", "unit", "comparable")


def observed_table(case: Case, settings: Calibration) -> pd.DataFrame:
    """Read the observed figures that the network declares.

    Raises
    ------
    InputError
        If the file is missing, lacks columns, or lies outside the network's folder.
    """
    path = beside(case.folder or Path(), settings.observed, "market.yaml: calibration.observed")
    try:
        table = pd.read_csv(path)
    except (OSError, ValueError) as error:
        raise InputError(
            [Fault(str(path), f"cannot be read ({error})", "correct calibration.observed")]
        ) from None
    missing = [column for column in _NEEDED if column not in table]
    if missing:
        raise InputError([Fault(str(path), f"lacks columns {name_list(missing)}", "add them")])
    value = pd.to_numeric(table["value"], errors="coerce")
    wrong = table.index[~(value > 0)]
    if len(wrong) or table.empty:
        what = f"no number above zero in rows {name_list(wrong + 2)}" if len(wrong) else "is empty"
        raise InputError([Fault(f"{path}: value", what, "give observed figures")])
    return table[table["comparable"].astype(str).str.lower() == "true"]


def calibration(run: Run, settings: Calibration) -> pd.DataFrame:
    """Compare a run with observed national figures, like with like.

    Returns
    -------
    DataFrame
        Columns quantity, carrier, unit, model, observed, difference_pct, quality. Energy and
        hours are gross generation; the coal rate is per net kWh.
    """
    observed = observed_table(run.case, settings)
    groups = settings.groups
    energy = run.generation.groupby("carrier")[
        ["generation_mwh", "emissions_t", "capacity_mw"]
    ].sum()
    lost = run.curtailment.groupby("carrier")[["available_mwh", "curtailment_mwh"]].sum()
    load = run.outcome.demanded(run.case)
    rows = []
    for _, row in observed.iterrows():
        members = groups.get(str(row["carrier"]), [str(row["carrier"])])
        part = energy.reindex(members).fillna(0.0).sum()
        quantity = row["quantity"]
        if quantity == "generation_twh":
            model = part["generation_mwh"] / 1e6
        elif quantity == "capacity_gw":
            model = part["capacity_mw"] / 1e3
        elif quantity == "utilisation_hours":
            model = part["generation_mwh"] / max(part["capacity_mw"], 1e-9)
        elif quantity == "curtailment_pct":
            total = lost.reindex(members).fillna(0.0).sum()
            model = 100 * total["curtailment_mwh"] / max(total["available_mwh"], 1e-9)
        elif quantity == "coal_rate_gce_per_kwh_net":
            rate = part["emissions_t"] / max(part["generation_mwh"], 1e-9)
            model = 1000 * rate / (1 - settings.own_use) / TONNES_CO2_PER_TCE
        elif quantity == "consumption_twh":
            model = load.mul(run.case.weights, axis="index").to_numpy().sum() / 1e6
        elif quantity == "peak_load_gw":
            model = load.sum(axis=1).max() / 1e3
        else:
            continue
        rows.append(
            {
                "quantity": quantity,
                "carrier": row["carrier"],
                "unit": row["unit"],
                "model": float(model),
                "observed": float(row["value"]),
                "difference_pct": 100 * (float(model) / float(row["value"]) - 1),
                "quality": row.get("quality", ""),
            }
        )
    result = pd.DataFrame(rows, columns=list(_COLUMNS))
    fuels = result.loc[result["quantity"] == "generation_twh", "carrier"].tolist()
    share = [_share(result, "coal")] if "coal" in fuels else []
    return pd.concat([result, *share], ignore_index=True)


def _share(result: pd.DataFrame, fuel: str) -> pd.DataFrame:
    """Share of one fuel in the generation of all fuels listed, in model and observation."""
    energy = result[result["quantity"] == "generation_twh"].set_index("carrier")
    parts = energy.drop(index="thermal", errors="ignore")
    model = 100 * parts["model"].get(fuel, 0.0) / parts["model"].sum()
    seen = 100 * parts["observed"].get(fuel, 0.0) / parts["observed"].sum()
    return pd.DataFrame(
        [
            {
                "quantity": "generation_share_pct",
                "carrier": fuel,
                "unit": "% of the fuels listed",
                "model": model,
                "observed": seen,
                "difference_pct": 100 * (model / seen - 1),
                "quality": "derived",
            }
        ]
    )


def utilisation(run: Run, settings: Calibration) -> pd.DataFrame:
    """Utilisation hours of the quota (coal) units by province, outliers marked.

    Returns
    -------
    DataFrame
        Columns province, capacity_mw, generation_mwh, utilisation_h, outlier (True outside
        `calibration.utilisation_range`), sorted by hours.
    """
    table = run.generation
    coal = table[table["carrier"].isin(run.case.carriers.quota or [])]
    total = coal.groupby("province")[["capacity_mw", "generation_mwh"]].sum()
    total["utilisation_h"] = total["generation_mwh"] / total["capacity_mw"]
    low, high = settings.utilisation_range
    total["outlier"] = ~total["utilisation_h"].between(low, high)
    return total.sort_values("utilisation_h").reset_index()
