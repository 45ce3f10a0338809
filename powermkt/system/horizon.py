"""The horizon of a study: all snapshots, days, every week, or a few weeks for the year."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from powermkt.errors import Fault, InputError, expect, name_list
from powermkt.inputs.case import Case, summed
from powermkt.inputs.forecasts import shifted
from powermkt.inputs.market import Market
from powermkt.system.seams import followers, with_seams

WEEK = pd.Timedelta(days=7)


@dataclass(frozen=True)
class Horizon:
    """What of a case is cleared; where nothing is said, what the market file says.

    Parameters
    ----------
    weeks : int, optional
        This many representative weeks.
    year : bool, default False
        Every week. Storage of many hours then begins and ends each week at the levels of a plan of
        the whole year (`powermkt.system.seams`).
    look_ahead : float, optional
        Weeks or days one after another: each sees this many hours of what comes next [h] and
        hands on its state (`powermkt.engine.chained`). Days always do, by default with 0 h.
    start : str, optional
        First day or snapshot; default: the first snapshot.
    days : int, optional
        Days from there, one window each; 1 where only `start` is given.
    """

    weeks: int | None = None
    year: bool = False
    look_ahead: float | None = None
    start: str | None = None
    days: int | None = None

    def of(self, market: Market) -> Horizon:
        """Return the horizon with what the market file says where nothing is said here."""
        if self.weeks is not None or self.year or self.by_days:
            return self
        return replace(self, weeks=market.weeks, start=market.start, days=market.days)

    @property
    def by_days(self) -> bool:
        """Whether days are cleared."""
        return self.start is not None or self.days is not None

    def faults(self) -> list[Fault]:
        """Return what contradicts itself."""
        found = []
        said = [name for name, is_said in (("weeks", self.weeks is not None), ("year", self.year),
                                           ("start, days", self.by_days)) if is_said]  # fmt: skip
        if len(said) > 1:
            found.append(Fault("horizon", f"{' and '.join(said)} at once", "say one of them"))
        if self.look_ahead is not None and not (self.look_ahead >= 0):
            found.append(Fault("look_ahead", f"{self.look_ahead} is no time", "give hours >= 0"))
        elif self.look_ahead is not None and not (self.year or self.by_days):
            remedy = "clear every week (year, --year) or days in a row (start, days)"
            found.append(Fault("look_ahead", "there is nothing in a row to look at", remedy))
        for name, value, most in (("weeks", self.weeks, 53), ("days", self.days, 100_000)):
            if value is not None and not 1 <= value <= most:
                found.append(Fault(name, f"{value} is no number of {name}", f"give 1 to {most:,}"))
        return found


def window_of(case: Case) -> pd.Series:
    """Label of the window that each snapshot belongs to."""
    labels = {t: label for label, index in case.windows.items() for t in index}
    return pd.Series(case.snapshots.map(labels), index=case.snapshots)


def with_horizon(case: Case, horizon: Horizon, model: Case | None = None) -> Case:
    """Return the case cut to the windows of a study, with its reservoir plan; `model` as in `cut`.

    Raises
    ------
    InputError
        If the horizon contradicts itself, or the snapshots cannot be cut so.
    """
    year = horizon.year
    case = cut(case, horizon, model)
    return with_seams(case) if year else case


def check_case(case: object) -> None:
    """Refuse what is no case, as networks and paths are none yet."""
    expect("case", case, Case, "pm.Case(network) or pm.read(path) makes one")


def cut(case: Case, horizon: Horizon, model: Case | None = None) -> Case:
    """Return the case cut to the windows of a study; errors as `with_horizon`.

    What the market file says of the horizon is then done, and not done again. Representative weeks
    are those of `model` where it is given: a case of the same snapshots with other series.
    """
    check_case(case)
    found = _cut(case, horizon.of(case.market), model)
    if found is case:
        return case
    done = {"weeks": None, "start": None, "days": None}
    return found.with_market(case.market.model_copy(update=done))


def _cut(case: Case, horizon: Horizon, model: Case | None = None) -> Case:
    if faults := horizon.faults():
        raise InputError(faults)
    if horizon.by_days:
        return days_in_a_row(case, horizon.start, horizon.days or 1, horizon.look_ahead)
    if not horizon.year and horizon.weeks is None:
        return case
    faults = _coupling(case, horizon.year)
    if faults:
        raise InputError(faults)
    if not horizon.year:
        return representative_weeks(case, horizon.weeks or 1, model)
    case = every_week(case)
    case.look_ahead = horizon.look_ahead
    return case


def days_in_a_row(case: Case, start: str | None, days: int, look_ahead: float | None) -> Case:
    """Return the case cut to some days, each of 24 hours, one window each.

    Several are cleared one after another; what each hands on is its state.
    """
    index = _times(case, "days")
    try:
        first = index[0] if start is None else pd.Timestamp(start)
        end = first + pd.Timedelta(days=days)
    except (ValueError, OverflowError):
        raise InputError([Fault("start", f"{start!r} is no time", "write 2020-07-10")]) from None
    last = index[-1] + (index[1] - index[0])
    if first not in index or end > last:
        what = f"{days} days from {first} are not in the snapshots {index[0]} .. {index[-1]}"
        raise InputError([Fault("start, days", what, "choose others")])
    if sums := _sums(case):
        remedy = "remove it, or clear all snapshots at once"
        raise InputError(
            [Fault(f"{case.name}: {at}", f"{what}: would apply to each day anew", remedy)
             for at, what in sums]
        )  # fmt: skip
    chosen = index[(index >= first) & (index < end)]
    number = np.asarray((chosen - first) // pd.Timedelta(days=1))
    windows = {f"{chosen[number == i][0]:%Y-%m-%d}": chosen[number == i] for i in range(days)}
    part = case.part(chosen, "all")
    part.windows = windows
    part.look_ahead = look_ahead if days == 1 else look_ahead or 0.0
    return part


def _coupling(case: Case, year: bool) -> list[Fault]:
    """What couples the weeks of a horizon, so that clearing them apart would repeat it.

    In a year of weeks, storage units that follow the plan of the year may be open-ended.
    """
    n, found = case._n, _sums(case)
    planned = followers(case) if year else pd.Index([])
    for name, cyclic in (("storage_units", "cyclic_state_of_charge"), ("stores", "e_cyclic")):
        table = getattr(n, name)
        open_ended = table.index[~table[cyclic].astype(bool)].difference(planned)
        if len(open_ended):
            found.append((f"{name}.{cyclic}", f"false for {name_list(open_ended)}"))
    remedy = "clear all snapshots at once (no --weeks, no --year), or change it"
    return [
        Fault(f"{case.name}: {where}", f"{what}: would apply to each week anew", remedy)
        for where, what in found
    ]


def _sums(case: Case) -> list[tuple[str, str]]:
    """Limits on sums over all snapshots: where, and of what."""
    n, found = case._n, []
    if len(n.global_constraints):
        found.append(("global_constraints", name_list(n.global_constraints.index)))
    if len(names := summed(case)):
        found.append(("generators.e_sum_max, e_sum_min", name_list(names)))
    return found


def every_week(case: Case) -> Case:
    """Return the case with one window for every seven days from the first snapshot on.

    A rest of the horizon shorter than two days joins the last week.
    """
    index = _times(case)
    number = np.asarray((index - index[0]) // WEEK)
    if len(index) and (index[-1] - index[0]) - number[-1] * WEEK < pd.Timedelta(days=2):
        number = np.minimum(number, max(number[-1] - 1, 0))
    labels = [f"week {1 + i:02d}" for i in range(number[-1] + 1)]
    return case._with(case._n, {label: index[number == i] for i, label in enumerate(labels)})


def representative_weeks(case: Case, weeks: int, model: Case | None = None) -> Case:
    """Return a case of a few whole weeks that stand for all snapshots.

    The horizon is cut into as many seasons of equal length. In each, the seven days (from each
    midnight) are taken whose mean load and mean available energy of each renewable carrier and of
    inflow are nearest to the season's (root of summed squared relative deviations). Each hour of
    the week then stands for `season hours / week hours`, and load, availability, must-run and
    inflow of the week are scaled to the season's mean, so that annual energies are kept; where
    an availability would pass 1 it is clipped and the other hours are raised.

    Parameters
    ----------
    case : Case
        Snapshots are regular points in time.
    weeks : int
        Number of seasons.
    model : Case, optional
        Take the weeks that are nearest to the seasons of this case instead, and scale to the own.

    Raises
    ------
    InputError
        If the snapshots are no regular times or too few.
    """
    index = _times(case)
    per_week = int(WEEK / (index[1] - index[0]))
    if len(index) < weeks * per_week:
        raise InputError(
            [
                Fault(
                    case.name,
                    f"{len(index)} snapshots do not hold {weeks} weeks",
                    "ask for fewer weeks, or leave --weeks away to clear all snapshots at once",
                )
            ]
        )
    if weeks * per_week > 0.98 * len(index):
        return every_week(case)
    return _typical_weeks(case, np.array_split(np.arange(len(index)), weeks), model)


def typical_months(case: Case) -> Case:
    """Return a case of one whole week for every calendar month, chosen and scaled likewise."""
    index = _times(case)
    month = np.asarray(index.year * 12 + index.month)
    parts = [np.flatnonzero(month == key) for key in np.unique(month)]
    per_week = int(WEEK / (index[1] - index[0]))
    seasons = [part for part in parts if len(part) >= per_week]  # shorter ones are left out
    return _typical_weeks(case, seasons or [np.arange(len(index))])


def _typical_weeks(
    case: Case, seasons: list[np.ndarray], model: Case | None = None
) -> Case:  # fmt: skip
    """Choose one week for each set of consecutive snapshots and scale it to the set's mean."""
    index = _times(case)
    step = index[1] - index[0]
    per_week, per_day = int(WEEK / step), max(int(pd.Timedelta(days=1) / step), 1)
    features = _features(model or case)
    windows: dict[str, pd.Index] = {}
    members: dict[str, np.ndarray] = {}
    for season in seasons:
        rows = features[season]
        mean = rows.mean(axis=0)
        starts = np.arange(0, len(season) - per_week + 1)
        midnight = index[season[starts]] == index[season[starts]].normalize()
        starts = starts[midnight] if midnight.any() else starts[::per_day]
        sums = np.vstack([np.zeros(rows.shape[1]), rows.cumsum(axis=0)])
        deviation = (sums[starts + per_week] - sums[starts]) / per_week / np.maximum(mean, 1e-9) - 1
        start = int(starts[np.argmin((deviation**2).sum(axis=1))])
        chosen = season[start : start + per_week]
        label = f"{index[chosen[0]]:%Y-%m-%d}"
        windows[label], members[label] = index[chosen], season
    return _scaled(case, windows, members)


def _times(case: Case, parts: str = "weeks") -> pd.DatetimeIndex:
    index = case.snapshots
    regular = isinstance(index, pd.DatetimeIndex) and len(index) > 1
    if regular:
        steps = index[1:] - index[:-1]
        regular = bool((steps == steps[0]).all()) and WEEK % steps[0] == pd.Timedelta(0)
    if not regular or not np.allclose(case.weights, case.weights.iloc[0]):
        raise InputError(
            [
                Fault(
                    f"{case.name}: snapshots",
                    f"{parts} need equally spaced times of equal weight, two or more",
                    "give hourly (or n-hourly) times, or clear all snapshots at once",
                )
            ]
        )
    assert isinstance(index, pd.DatetimeIndex)
    return index


def _features(case: Case) -> np.ndarray:
    """Series a representative week must resemble: load, each renewable carrier, inflow [MW]."""
    columns = [case.dense("Load", "p_set").sum(axis=1)]
    carrier = case.generators["carrier"]
    for name in case.carriers.renewable:
        available = case.availability.loc[:, carrier == name]
        if available.to_numpy().sum() > 0:
            columns.append(available.sum(axis=1))
    inflow = case.dense("StorageUnit", "inflow").sum(axis=1)
    if inflow.sum() > 0:
        columns.append(inflow)
    return np.column_stack(columns)


def _scaled(case: Case, windows: dict[str, pd.Index], members: dict[str, np.ndarray]) -> Case:
    """Cut the case to its windows, weight them and scale their series to their seasons."""
    chosen = case.snapshots[
        np.sort(np.concatenate([case.snapshots.get_indexer(part) for part in windows.values()]))
    ]
    full, n = case._n, case._n.copy(snapshots=chosen)
    for label, snapshots in windows.items():
        hours = float(case.weights.iloc[members[label]].sum())
        for column in ("objective", "generators"):
            weight = n.snapshot_weightings[column].astype(float).copy()
            weight.loc[snapshots] = hours / len(snapshots)
            n.snapshot_weightings[column] = weight
    series = [
        ("loads_t", "p_set", None),
        ("storage_units_t", "inflow", None),
        ("generators_t", "p_max_pu", 1.0),  # or what the series itself reaches
        ("generators_t", "p_min_pu", None),
    ]
    for table, attribute, ceiling in series:
        source = getattr(full, table)[attribute]
        if source.empty:
            continue
        target = getattr(n, table)[attribute].astype(float).copy()
        for label, snapshots in windows.items():
            goal = source.iloc[members[label]].mean()
            target.loc[snapshots] = scaled_to_mean(source.loc[snapshots], goal, ceiling)
        if attribute == "p_min_pu":
            ceiling_frame = n.get_switchable_as_dense("Generator", "p_max_pu")[target.columns]
            target = target.clip(upper=ceiling_frame)
        getattr(n, table)[attribute] = target
    found = case._with(n, windows)
    found.forecast = shifted(case, n)
    return found


def scaled_to_mean(
    frame: pd.DataFrame, mean: pd.Series, ceiling: float | np.ndarray | None
) -> pd.DataFrame:
    """Scale each column to a given mean, keeping values at or below `ceiling`.

    Parameters
    ----------
    frame : DataFrame [snapshot x name]
        Power or power per capacity.
    mean : Series [name]
        Means to reach; a column that no factor brings there (zero or negative mean) is shifted.
    ceiling : float or None
        Values above it, and above the largest of their column, are clipped and the remaining ones
        raised until the mean is met.

    Returns
    -------
    DataFrame [snapshot x name]
    """
    values = frame.to_numpy(dtype=float, copy=True)
    goal = mean[frame.columns].to_numpy(dtype=float)
    if ceiling is not None:
        ceiling = np.maximum(ceiling, values.max(axis=0))
    # A series that a factor cannot bring to its mean (zero, or of changing sign) is shifted.
    now = values.mean(axis=0)
    shifted = (now <= 0) | (goal < 0)
    values[:, shifted] += (goal - now)[shifted]
    for _ in range(50):
        now = values.mean(axis=0)
        if np.allclose(now[~shifted], goal[~shifted], rtol=1e-12, atol=0):
            break
        free = values < ceiling if ceiling is not None else np.ones_like(values, dtype=bool)
        fixed_sum = np.where(free, 0.0, values).sum(axis=0)
        free_sum = np.where(free, values, 0.0).sum(axis=0)
        factor = (goal * len(values) - fixed_sum) / np.where(free_sum > 0, free_sum, np.inf)
        # Scaling down must also reach the values that stand at the ceiling.
        factor = np.where(now > goal, goal / np.maximum(now, 1e-300), np.maximum(factor, 0.0))
        factor = np.where(shifted, 1.0, factor)
        values = np.where(free | (now > goal), values * factor, values)
        if ceiling is not None:
            values = np.minimum(values, ceiling)
    return pd.DataFrame(values, index=frame.index, columns=frame.columns)
