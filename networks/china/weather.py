"""Synthetic hourly wind and solar availability: seeded, spatially correlated, monthly means exact.

Wind is a Gaussian field in time and space passed through a beta distribution; solar is
pvlib's sun, clear sky, decomposition and plane-of-array irradiance under seeded cloudiness.
Units: availability in MW per MW of capacity before curtailment.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pvlib
from reading import MONTHS, Tables, random_numbers, scale_to_monthly_mean
from scipy.signal import lfilter
from scipy.stats import beta, norm

DECIMALS = 4
Array = np.ndarray
Goals = dict[tuple[str, str], pd.Series]


def month_table(row: pd.Series) -> pd.Series:
    """The twelve monthly values of a wide row, index 1..12."""
    return pd.Series(row[MONTHS].to_numpy(dtype=float), index=range(1, 13))


def targets(t: Tables) -> Goals:
    """Monthly mean availability by (bus, carrier): capacity factor after curtailment, scaled to
    the utilisation hours of 2022, over one minus curtailment, split between the two carriers of a
    resource by a fixed ratio of their capacity factors."""
    cap = t.table("capacity").set_index(["bus", "carrier"]).mean_mw
    days = pd.Series({m: pd.Period(f"2022-{m:02d}").days_in_month for m in range(1, 13)})
    pairs = {
        "wind": ("onshore wind", "offshore wind", t.cal("offshore_ratio")),
        "solar": ("solar utility", "solar distributed", t.cal("distributed_ratio")),
    }
    out: dict[tuple[str, str], pd.Series] = {}
    for _, row in t.table("renewables").iterrows():
        cf = month_table(row)
        cf = cf * row.hours_2022 / float((cf * days * 24).sum())
        available = cf / (1 - row.curtailment_pct / 100)
        first, second, ratio = pairs[str(row.resource)]
        a, b = cap.get((row.bus, first), 0.0), cap.get((row.bus, second), 0.0)
        if a + b == 0:
            continue
        base = available * (a + b) / (a + ratio * b)
        if a > 0:
            out[(str(row.bus), first)] = base
        if b > 0:
            out[(str(row.bus), second)] = base * ratio
    return out


def distances_km(t: Tables) -> Array:
    """Great-circle distances between buses."""
    lon = np.radians(t.buses.lon_deg.to_numpy())
    lat = np.radians(t.buses.lat_deg.to_numpy())
    cos = np.sin(lat)[:, None] * np.sin(lat) + np.cos(lat)[:, None] * np.cos(lat) * np.cos(
        lon[:, None] - lon
    )
    return np.asarray(6371 * np.arccos(cos.clip(-1, 1)))


def field(t: Tables, rng: np.random.Generator, hours: int, distance_km: float) -> Array:
    """White noise (hours x buses), correlated in space with an exponential decay."""
    corr = np.exp(-distances_km(t) / distance_km) + 1e-9 * np.eye(len(t.buses))
    return np.asarray(rng.standard_normal((hours, len(t.buses))) @ np.linalg.cholesky(corr).T)


def red(noise: Array, hours: float, order: int = 1) -> Array:
    """Pass noise `order` times through a first-order filter of this time constant (hours);
    the result has unit variance."""
    phi = float(np.exp(-1 / hours))
    out = noise
    for _ in range(order):
        out = lfilter([1.0], [1.0, -phi], out, axis=0)
    return np.asarray(out / out.std(axis=0))


def wind(t: Tables, index: pd.DatetimeIndex, goal: Goals, year: int = 0) -> pd.DataFrame:
    """Hourly onshore and offshore availability, columns (bus, carrier)."""
    rng = random_numbers(1, year)
    spin, n = 400, len(index)
    d = t.cal("wind_distance_km")
    slow = red(field(t, rng, n + spin, d), 11.0, 2)[spin:]
    fast = red(field(t, rng, n + spin, d), 9.0)[spin:]
    shared = np.sqrt(0.72) * slow + np.sqrt(0.28) * fast
    own_noise = red(field(t, rng, n + spin, d), 11.0, 2)[spin:]
    own = np.sqrt(0.8) * shared + np.sqrt(0.2) * own_noise
    diurnal = t.table("wind_diurnal").set_index("hour").relative_output
    out: dict[tuple[str, str], pd.Series] = {}
    for (bus, carrier), means in goal.items():
        if "wind" not in carrier:
            continue
        k = list(t.buses.index).index(bus)
        z = shared[:, k] if carrier == "onshore wind" else own[:, k]
        z = (z - z.mean()) / z.std()
        shift = round((float(t.buses.lon_deg[bus]) - 124.0) / 15)
        wave = diurnal.reindex((index.hour + shift) % 24).to_numpy()
        wave = wave if carrier == "onshore wind" else 1 + 0.4 * (wave - 1)
        mean = means.reindex(index.month).to_numpy(dtype=float)
        raw = _beta(norm.cdf(z), mean, t.cal("wind_cv") * float(means.mean())) * wave
        series = scale_to_monthly_mean(pd.Series(raw, index=index), means, cap=0.90)
        out[(bus, carrier)] = series.round(DECIMALS)
    return pd.DataFrame(out)


def _beta(u: Array, mean: Array, std: float, top: float = 0.88) -> Array:
    """Quantiles of a beta distribution on (0, top) with this mean and standard deviation; the
    latter is limited so that the density has no second peak at the top."""
    m = mean / top
    var = np.minimum((std / top) ** 2, m * (1 - m) / 2.6)
    k = m * (1 - m) / var - 1
    return np.asarray(top * beta.ppf(u.clip(1e-6, 1 - 1e-6), m * k, (1 - m) * k))


def solar(t: Tables, index: pd.DatetimeIndex, goal: Goals, year: int = 0) -> pd.DataFrame:
    """Hourly utility and rooftop availability, columns (bus, carrier)."""
    rng = random_numbers(2, year)
    n, d = len(index), t.cal("cloud_distance_km")
    daily = red(field(t, rng, n // 24 + 20, d), 1.2)[20:]
    hourly = red(field(t, rng, n + 100, 0.5 * d), 4.0)[100:]
    latent = 0.85 * np.repeat(daily, 24, axis=0) + 0.4 * hourly
    clearness = 0.12 + 0.92 * norm.cdf(0.55 + 1.25 * latent / latent.std(axis=0)) ** 0.9
    middle = pd.DatetimeIndex(index + pd.Timedelta("30min")).tz_localize("Etc/GMT-8")
    out: dict[tuple[str, str], pd.Series] = {}
    for k, bus in enumerate(t.buses.index):
        carriers = [c for b, c in goal if b == bus and c.startswith("solar")]
        if not carriers:
            continue
        place = t.buses.loc[bus]
        sun = pvlib.solarposition.get_solarposition(middle, place.lat_deg, place.lon_deg)
        clear = pvlib.clearsky.haurwitz(sun.apparent_zenith).ghi
        ghi = (clear * clearness[:, k]).clip(lower=0)
        parts = pvlib.irradiance.erbs(ghi, sun.zenith, middle)
        season = np.cos(2 * np.pi * (middle.dayofyear.to_numpy() - 200) / 365)
        air = 26 - 0.45 * (place.lat_deg - 20) + (2 + 0.45 * (place.lat_deg - 18)) * season
        for carrier in carriers:
            power = sum(
                share * _panel(sun, ghi, parts, air, tilt, azimuth)
                for share, tilt, azimuth in _faces(carrier, float(place.lat_deg))
            )
            raw = pd.Series(np.asarray(power), index=index)
            series = scale_to_monthly_mean(raw, goal[(str(bus), carrier)], cap=0.86)
            out[(str(bus), carrier)] = series.round(DECIMALS)
    return pd.DataFrame(out)


def _faces(carrier: str, lat: float) -> list[tuple[float, float, float]]:
    """Share, tilt and azimuth (degrees) of the panel groups of a fleet."""
    if carrier == "solar utility":
        return [(1.0, max(lat - 4, 10), 180.0)]
    return [(0.5, 18.0, 180.0), (0.2, 15.0, 100.0), (0.2, 15.0, 260.0), (0.1, 5.0, 180.0)]


def _panel(
    sun: pd.DataFrame, ghi: pd.Series, parts: pd.DataFrame, air: Array, tilt: float, azimuth: float
) -> Array:
    """DC power per MW of panels of one tilt, by pvlib's PVWatts and Faiman models."""
    plane = pvlib.irradiance.get_total_irradiance(
        tilt, azimuth, sun.apparent_zenith, sun.azimuth, parts.dni, ghi, parts.dhi
    ).poa_global.fillna(0)
    cell = pvlib.temperature.faiman(plane, air, wind_speed=2.5)
    return np.asarray(pvlib.pvsystem.pvwatts_dc(plane, cell, 1.0, -0.0035).clip(lower=0))
