"""Build weather years of the China network: other wind, sun, water and load in the same calendar.

Load differs by the hour alone: its energy in a month is the same in every year.

    python networks/china/weather_years.py --years 10 [--out results/weather]

Writes one folder a year, `y01` and so on, as `powermkt risk --weather` reads them. The seed of a
year is that of the network and its number: year 3 is the same among three years and among thirty.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import pandas as pd

HERE = Path(__file__).resolve().parent
if str(HERE) not in sys.path:
    sys.path.insert(0, str(HERE))

import demand  # noqa: E402
import fleets  # noqa: E402
import weather  # noqa: E402
from reading import Tables, random_numbers, read, snapshots  # noqa: E402

RESOURCES = ("wind", "solar", "hydro")
# Highest mean of a month: above it no hour could be left that is not at the ceiling.
CEILING = {"wind": 0.75, "solar": 0.5, "hydro": 0.95}


def factors(t: Tables, year: int) -> dict[str, pd.DataFrame]:
    """What multiplies the monthly means of a mean year, by resource [bus x month].

    The product of a lognormal factor of the year and one of each month, each of mean 1, correlated
    in space by distance. Independent months take v**2 / 12 of the variance of an annual mean, so
    the factor of the year has the rest of what is stated for the annual mean.
    """
    distance = t.cal("year_distance_km")
    out = {}
    for stream, resource in enumerate(RESOURCES, start=5):
        rng = random_numbers(stream, year)
        annual, monthly = t.cal(f"{resource}_year_cv"), t.cal(f"{resource}_month_cv")
        whole = _lognormal(weather.field(t, rng, 1, distance), np.sqrt(annual**2 - monthly**2 / 12))
        months = _lognormal(weather.field(t, rng, 12, distance), monthly)
        out[resource] = pd.DataFrame((whole * months).T, t.buses.index, range(1, 13))
    return out


def _lognormal(noise: np.ndarray, cv: float) -> np.ndarray:
    """Turn standard normal noise into lognormal factors of mean 1 and this variation."""
    sigma = np.sqrt(np.log1p(cv**2))
    return np.asarray(np.exp(sigma * noise - sigma**2 / 2))


def weather_year(t: Tables, year: int) -> dict[str, pd.DataFrame]:
    """Series of one weather year, by file name, [snapshot x component]."""
    index, change = snapshots(), factors(t, year)
    goal = {}
    for (bus, carrier), means in weather.targets(t).items():
        kind = "wind" if "wind" in carrier else "solar"
        goal[(bus, carrier)] = (means * change[kind].loc[bus]).clip(upper=CEILING[kind])
    mean = fleets.hydro_monthly_mw(t)
    water = (mean * change["hydro"].loc[mean.index]).clip(upper=CEILING["hydro"])
    ror, inflow = fleets.water(t, index, year, water)
    renewable = [weather.wind(t, index, goal, year), weather.solar(t, index, goal, year)]
    series = pd.concat(renewable, axis=1)
    series.columns = series.columns.map(" ".join)
    return {
        "generators-p_max_pu": pd.concat([series, ror.add_suffix(" run of river")], axis=1),
        "storage_units-inflow": inflow.add_suffix(" reservoir hydro"),
        "loads-p_set": demand.loads(t, index, year).add_suffix(" load"),
    }


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--years", type=int, default=10)
    parser.add_argument("--out", type=Path, default=Path("results/weather"))
    given = parser.parse_args()
    t = read(HERE / "tables")
    for year in range(1, given.years + 1):
        folder = given.out / f"y{year:02d}"
        folder.mkdir(parents=True, exist_ok=True)
        for name, frame in weather_year(t, year).items():
            frame.to_parquet(folder / f"{name}.parquet", compression="zstd")
        print(folder)


if __name__ == "__main__":
    main()
