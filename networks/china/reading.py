"""Read the tables of the China network and hold the constants of its calendar."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

YEAR = 2022
SEED = 20220815
MONTHS = [f"m{m:02d}" for m in range(1, 13)]


def random_numbers(stream: int, year: int = 0) -> np.random.Generator:
    """The seeded generator of one kind of series (1 wind, 2 sun, 3 load, 4 water; 5 to 7 what
    differs between years) in one weather year; year 0 is the network's own."""
    return np.random.default_rng([SEED, stream, year] if year else [SEED, stream])


def snapshots() -> pd.DatetimeIndex:
    """The 8760 hours of 2022, Beijing time without a zone, each hour named by its start."""
    return pd.date_range(f"{YEAR}-01-01", f"{YEAR}-12-31 23:00", freq="h", name="snapshot")


@dataclass(frozen=True)
class Tables:
    """All tables of one folder. Units are in the column names or in a `unit` column."""

    folder: Path
    buses: pd.DataFrame
    carriers: pd.DataFrame
    calibration: pd.Series
    technology: pd.Series

    def table(self, name: str) -> pd.DataFrame:
        """The table `<name>.csv`."""
        return pd.read_csv(self.folder / f"{name}.csv")

    def tech(self, carrier: str, parameter: str) -> float:
        """One technology parameter in the unit of technology.csv."""
        return float(self.technology[(carrier, parameter)])

    def cal(self, parameter: str) -> float:
        """One calibration parameter in the unit of calibration.csv."""
        return float(self.calibration[parameter])

    def tariff(self, item: str) -> pd.Series:
        """CNY/MWh without VAT by bus, for one item of tariffs.csv."""
        rows = self.table("tariffs").query("item == @item").set_index("bus")
        return rows.cny_per_mwh_incl_vat / (1 + self.cal("vat_power"))


def read(folder: Path) -> Tables:
    """Read the tables that every module needs; the others are read where they are used."""
    buses = pd.read_csv(folder / "buses.csv").set_index("bus")
    carriers = pd.read_csv(folder / "carriers.csv").set_index("carrier")
    calibration = pd.read_csv(folder / "calibration.csv").set_index("parameter").value
    technology = pd.read_csv(folder / "technology.csv").set_index(["carrier", "parameter"]).value
    return Tables(Path(folder), buses, carriers, calibration, technology)


def scale_to_monthly_mean(
    raw: pd.Series, target: pd.Series, cap: float = 1.0, rounds: int = 200
) -> pd.Series:
    """Scale a series month by month until its monthly means equal `target` (index 1..12),
    clipping at `cap`. Zeros stay zero."""
    out = raw.to_numpy(dtype=float, copy=True)
    month = pd.DatetimeIndex(raw.index).month.to_numpy()
    for m in range(1, 13):
        rows = month == m
        goal = float(target[m])
        for _ in range(rounds):
            mean = out[rows].mean()
            if mean <= 0 or abs(mean / max(goal, 1e-12) - 1) < 1e-10:
                break
            out[rows] = (out[rows] * goal / mean).clip(0, cap)
    return pd.Series(out, index=raw.index)


def smooth_months(values: pd.Series, index: pd.DatetimeIndex, rounds: int = 60) -> pd.Series:
    """An hourly curve without steps at month borders whose monthly means equal `values`
    (index 1..12): cyclic linear interpolation between mid-months, corrected by iteration."""
    day = index.dayofyear.to_numpy() - 1 + index.hour.to_numpy() / 24
    month = index.month.to_numpy()
    middle = [day[month == m].mean() for m in range(1, 13)]
    x = np.array([middle[-1] - 365, *middle, middle[0] + 365])
    goal = values.reindex(range(1, 13)).to_numpy(dtype=float)
    knots = goal.copy()
    for _ in range(rounds):
        curve = np.interp(day, x, np.array([knots[-1], *knots, knots[0]]))
        means = np.array([curve[month == m].mean() for m in range(1, 13)])
        knots = np.maximum(knots + 0.7 * (goal - means), 0.2 * goal)
    return pd.Series(curve * (goal / means)[month - 1], index=index)
