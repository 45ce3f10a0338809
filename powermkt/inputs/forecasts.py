"""Day-ahead forecasts drawn around what happens: seeded errors that persist and spread."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import numpy as np
import pandas as pd
import pypsa

from powermkt.errors import Fault, InputError, nearest
from powermkt.inputs.case import Case

LOAD = "load"


def with_forecast_errors(
    case: Case,
    seed: int,
    std: Mapping[str, float],
    autocorrelation: float = 0.9,
    correlation: float = 0.5,
) -> Case:
    """Return the case with forecasts that err; what happens stays what the network says.

    ``forecast = actual + std z``, z a stationary first-order autoregressive series of standard
    normal numbers, ``z_t = a^h z_(t-1) + sqrt(1 - a^(2 h)) e_t`` after h hours (Box and Jenkins,
    Time Series Analysis, ch. 3). The shock of a generator is ``sqrt(c)`` times that of its carrier
    and ``sqrt(1 - c)`` times one of its own, so that errors of one carrier, or of all loads,
    have correlation c. Each name has a stream of its own under the seed: a series depends neither
    on the order of the others nor on which of them there are. Forecasts are cut to 0 .. 1 and not
    below must-run, loads at 0, which makes errors there smaller and no longer of mean 0. Where sun
    gives nothing, none is expected.

    Parameters
    ----------
    case : Case
        Its other forecasts (inflow, other plant) are kept.
    seed : int
    std : mapping of str to float
        Standard deviation by carrier, as a share of capacity, and of "load", as a share of the
        load at the time [1].
    autocorrelation : float, default 0.9
        Correlation of errors an hour apart [1].
    correlation : float, default 0.5
        Correlation of errors of two plants of one carrier, or of two loads [1].

    Returns
    -------
    Case

    Raises
    ------
    InputError
        If a carrier is unknown or has no generators, or a number is outside its range.
    """
    faults = _faults(case, seed, std, autocorrelation, correlation)
    if faults:
        raise InputError(faults)
    decay = autocorrelation ** _hours_since(case)
    forecast = dict(case.forecast)
    plant, loads = case.generators, case.loads

    def errors(kind: str, names: pd.Index) -> pd.DataFrame:
        common = _series(seed, kind, "", decay)
        own = {name: _series(seed, kind, str(name), decay) for name in names}
        mixed = {
            name: np.sqrt(correlation) * common + np.sqrt(1 - correlation) * series
            for name, series in own.items()
        }
        return std[kind] * pd.DataFrame(mixed, index=case.snapshots, columns=names)

    parts = []
    share, least = (case.dense("Generator", name) for name in ("p_max_pu", "p_min_pu"))
    for carrier in std:
        names = plant.index[plant["carrier"] == carrier]
        if carrier == LOAD or names.empty:
            continue
        actual = share[names]
        drawn = (actual + errors(carrier, names)).clip(0.0, 1.0)
        drawn = drawn.where(drawn > least[names], least[names])
        dark = (actual <= 0) if carrier in (case.carriers.solar or []) else actual < 0
        parts.append(drawn.where(~dark, actual))
    if parts:
        _put(forecast, "generators_t.p_max_pu", pd.concat(parts, axis=1))
    if LOAD in std:
        actual = case.dense("Load", "p_set")
        # A negative load is generation: its sign stays.
        factor = (1 + errors(LOAD, loads.index)).clip(lower=0.0)
        _put(forecast, "loads_t.p_set", actual * factor)
    changed = case.with_market(case.market)
    changed.forecast = forecast
    return changed


def shifted(case: Case, n: pypsa.Network) -> dict[str, pd.DataFrame]:
    """Return the forecasts of a case around the series of another network, errors kept.

    Parameters
    ----------
    case : Case
    n : pypsa.Network
        Some snapshots of the case, whose series have been scaled.

    Returns
    -------
    dict of str to DataFrame [snapshot x name]
    """
    found = {}
    for name, frame in case.forecast.items():
        table, attribute = name.split("_t.")
        kind = {"generators": "Generator", "loads": "Load"}.get(table, "StorageUnit")
        now = n.get_switchable_as_dense(kind, attribute)[frame.columns]
        before = case.dense(kind, attribute).loc[n.snapshots, frame.columns]
        drawn = frame.loc[n.snapshots] + (now - before)
        if table == "loads":
            found[name] = drawn.where(now < 0, drawn.clip(lower=0.0))
        elif attribute != "p_max_pu":
            found[name] = drawn.clip(lower=0.0)
        else:
            least = n.get_switchable_as_dense("Generator", "p_min_pu")[frame.columns]
            most = np.maximum(1.0, np.maximum(now, frame.loc[n.snapshots]))
            found[name] = drawn.clip(lower=least.clip(lower=0.0), upper=most)
    return found


def _faults(
    case: Case, seed: int, std: Mapping[str, float], autocorrelation: float, correlation: float
) -> list[Fault]:
    known = {*case.generators["carrier"], LOAD} - {""}
    found = [
        Fault(f"forecast errors: std[{name!r}]", "unknown carrier", nearest(name, known))
        for name in std
        if name not in known
    ]
    numbers = {f"std[{name!r}]": (value, np.inf) for name, value in std.items()}
    numbers |= {"autocorrelation": (autocorrelation, 1.0), "correlation": (correlation, 1.0)}
    numbers |= {"seed": (seed, np.inf)}
    for name, (value, most) in numbers.items():
        if not (np.isfinite(value) and 0 <= value <= most):
            span = "a number >= 0" if most > 1 else "a number from 0 to 1"
            found.append(Fault(f"forecast errors: {name}", f"{value} is none", f"give {span}"))
    if not std:
        found.append(Fault("forecast errors: std", "nothing errs", nearest("", known)))
    return found


def _hours_since(case: Case) -> np.ndarray:
    """Hours from each snapshot to the next one, gaps between weeks included [h]."""
    index = case.snapshots
    if isinstance(index, pd.DatetimeIndex):
        return np.asarray(np.diff(index) / pd.Timedelta(hours=1), dtype=float)
    return case._n.snapshot_weightings["stores"].to_numpy(float)[:-1]


def _series(seed: int, kind: str, name: str, decay: np.ndarray) -> np.ndarray:
    """A stationary series of standard normal numbers of one name, [snapshot]."""
    digest = hashlib.sha256(f"{kind}\0{name}".encode()).digest()
    words = np.frombuffer(digest, dtype="<u4").tolist()
    shocks = np.random.default_rng([int(seed), *words]).standard_normal(len(decay) + 1)
    scale = np.sqrt(1 - decay**2)
    series = np.empty_like(shocks)
    series[0] = shocks[0]
    for t, kept in enumerate(decay):
        series[t + 1] = kept * series[t] + scale[t] * shocks[t + 1]
    return series


def _put(forecast: dict[str, pd.DataFrame], name: str, drawn: pd.DataFrame) -> None:
    """Put drawn series in the place of what was forecast of them."""
    known = forecast.get(name)
    if known is not None:
        drawn = pd.concat([known.drop(columns=drawn.columns, errors="ignore"), drawn], axis=1)
    forecast[name] = drawn
