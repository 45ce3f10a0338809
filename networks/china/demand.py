"""Hourly load in MW: monthly energy exact, shape by season and kind of day, seeded weather."""

from __future__ import annotations

import numpy as np
import pandas as pd
from reading import Tables, random_numbers, smooth_months
from weather import field, red

SEASON_CENTRE = {"winter": 15, "spring": 105, "summer": 198, "autumn": 288}


def day_kinds(t: Tables, days: pd.DatetimeIndex) -> pd.DataFrame:
    """Per day: `free` (weekend shape applies) and `factor` (festival level)."""
    out = pd.DataFrame({"free": days.dayofweek >= 5, "factor": 1.0}, index=days)
    calendar = t.table("calendar")
    calendar.index = pd.DatetimeIndex(calendar.date)
    for day, row in calendar.iterrows():
        out.loc[day, "factor"] = row.load_factor
        if row.kind in ("holiday", "workday", "festival workday"):
            out.loc[day, "free"] = row.kind == "holiday"
    return out


def season_weights(days: pd.DatetimeIndex) -> pd.DataFrame:
    """Weights of the four seasonal shapes, linear between season centres."""
    x = days.dayofyear.to_numpy() - 1.0
    out = {}
    for season, centre in SEASON_CENTRE.items():
        gap = np.abs((x - centre + 182.5) % 365 - 182.5)
        out[season] = np.clip(1 - gap / 91.25, 0, None)
    w = pd.DataFrame(out, index=days)
    return w.div(w.sum(axis=1), axis=0)


def loads(t: Tables, index: pd.DatetimeIndex, year: int = 0) -> pd.DataFrame:
    """Hourly load in MW, one column per bus, rounded to 0.1 MW."""
    days = pd.DatetimeIndex(index[::24])
    kinds, weights = day_kinds(t, days), season_weights(days)
    rng = random_numbers(3, year)
    noise = red(field(t, rng, len(days) + 30, 700.0), 3.0)[30:]
    strength = 0.6 + 0.8 * (weights.summer + 0.5 * weights.winter).to_numpy()
    shape = t.table("load_shape").set_index(["shape", "season", "daytype"])
    hours = [f"h{h:02d}" for h in range(24)]
    energy = t.table("demand_monthly").pivot(index="bus", columns="month", values="energy_gwh")
    length = pd.Series(index.month).value_counts().sort_index()
    month = index.month.to_numpy()
    out = {}
    for k, bus in enumerate(t.buses.index):
        mine = shape.loc[str(t.buses.load_shape[bus])]
        matrix = np.zeros((len(days), 24))
        for season in SEASON_CENTRE:
            work = mine.loc[(season, "weekday"), hours].to_numpy(dtype=float)
            free = mine.loc[(season, "weekend"), hours].to_numpy(dtype=float)
            level = (5 * work.mean() + 2 * free.mean()) / 7
            rows = np.where(kinds.free.to_numpy()[:, None], free, work) / level
            matrix += weights[season].to_numpy()[:, None] * rows
        factor = kinds.factor.to_numpy() * np.exp(t.cal("load_noise") * strength * noise[:, k])
        hourly = pd.Series((matrix * factor[:, None]).ravel(), index=index)
        mean_mw = energy.loc[bus] * 1e3 / length
        hourly = hourly / hourly.groupby(month).transform("mean")
        hourly = hourly * smooth_months(mean_mw, index)
        fix = mean_mw / hourly.groupby(month).mean()
        out[str(bus)] = (hourly * fix.reindex(month).to_numpy()).round(1)
    return pd.DataFrame(out)
