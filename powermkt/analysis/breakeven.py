"""The carbon price from which a retrofit with capture pays, regime by regime."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from powermkt.analysis.capture import Capture, capture_gain, own_dispatch
from powermkt.analysis.passthrough import NATION
from powermkt.run import Run

ALL = "all"
# column -> (unit, meaning)
GAINS: dict[str, tuple[str, str]] = {
    "regime": ("", "name of the regime"),
    "carbon_price": ("money/t", "carbon price tau"),
    "province": ("", f"where the plant is; {NATION!r} is all of it"),
    "carrier": ("", f"its carrier; {ALL!r} is all of it"),
    "capacity_mw": ("MW", "before the retrofit; weights of the means that follow"),
    "gain": ("money/(MW a)", "of one more MW of retrofit, before its yearly cost"),
    "yearly_cost": ("money/(MW a)", "annuity of capex and fixed cost"),
    "net": ("money/(MW a)", "gain less yearly cost"),
    "hours": ("h/a", "full-load hours, before the penalty, in which capture runs"),
    "captured_t": ("t/(MW a)", "CO2 captured"),
}
BREAK_EVEN: dict[str, tuple[str, str]] = {
    "regime": ("", "name of the regime"),
    "province": GAINS["province"],
    "carrier": GAINS["carrier"],
    "capacity_mw": ("MW", "before the retrofit"),
    "break_even": ("money/t", "lowest carbon price from which the gain covers the yearly cost"),
    "low": ("money/t", "highest carbon price below it that was looked at"),
    "high": ("money/t", "lowest one above it that was looked at; between them it is interpolated"),
    "dispatch": ("", "own: the owner decides when to run and to capture; given: others do"),
    "note": ("", "why there is no number, or more than one carbon price breaks even"),
}
_KEYS = ["province", "carrier"]
_MONEY = ["gain", "yearly_cost", "net", "hours", "captured_t"]
_EXACT = 1e-9  # of the yearly cost: what is left there is rounding


def break_even(
    runs: Sequence[Run], capture: Capture, clear: Callable[[float], Run], refine: int = 3
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Find the carbon price from which one more MW of retrofit pays in one regime.

    The net gain of all plant is looked at in every run, then inside the first two carbon prices
    between which it turns positive, by false position: where a straight line between them crosses
    zero, the gain at the end that stays halved each time (after Illinois; Dowell and Jarratt 1971,
    BIT 11: 168-174). What is left between after so many clearings is interpolated; single provinces
    are, between all carbon prices that were looked at.

    Parameters
    ----------
    runs : sequence of Run
        Of one regime at several carbon prices.
    capture : Capture
    clear : callable
        Gives the run at another carbon price.
    refine : int, default 3
        Most calls of `clear`.

    Returns
    -------
    DataFrame
        Columns as in `BREAK_EVEN`.
    DataFrame
        Columns as in `GAINS`, at all carbon prices that were looked at.
    """
    found = {run.carbon_price: _by_place(run, capture) for run in runs}
    ends = _bracket(_net(pd.concat([table.iloc[:1] for table in found.values()])))
    for _ in range(refine if ends is not None and ends[1][1] > 0 else 0):
        assert ends is not None
        (low, below), (high, above) = ends
        price = _crossing(low, below, high, above)
        found[price] = _by_place(clear(price), capture)
        net = float(_net(found[price].iloc[:1]).iloc[0])
        if net == 0:
            break
        ends = ((low, below / 2), (price, net)) if net > 0 else ((price, net), (high, above / 2))
    gains = pd.concat([found[price] for price in sorted(found)], ignore_index=True)
    dispatch = "own" if own_dispatch(runs[0]) else "given"
    rows = [
        {"regime": runs[0].regime.name, **dict(zip(_KEYS, keys, strict=True)),
         "capacity_mw": part["capacity_mw"].iloc[0], "dispatch": dispatch, **_row(part)}
        for keys, part in gains.groupby(_KEYS, sort=False)
    ]  # fmt: skip
    return pd.DataFrame(rows)[list(BREAK_EVEN)], gains


def _by_place(run: Run, capture: Capture) -> pd.DataFrame:
    """Means of `capture_gain` by capacity: of all plant, then by province and carrier."""
    table, plant = capture_gain(run, capture), run.case.generators
    size = plant.loc[table.index, "p_nom"]
    whole = table[_MONEY].mul(size, axis="index").assign(capacity_mw=size)
    here = whole.groupby([plant.loc[table.index, key] for key in _KEYS]).sum().reset_index()
    total = whole.sum().to_frame().T.assign(province=NATION, carrier=ALL)
    rows = pd.concat([total, here], ignore_index=True)
    rows[_MONEY] = rows[_MONEY].div(rows["capacity_mw"], axis="index")
    return rows.assign(regime=run.regime.name, carbon_price=run.carbon_price)[list(GAINS)]


def _net(part: pd.DataFrame) -> pd.Series:
    """Net gain by carbon price, from the lowest; rounding is nothing."""
    net = part.set_index("carbon_price")["net"].sort_index()
    return net.where(net.abs() > _EXACT * part["yearly_cost"].to_numpy()[0], 0.0)


def _bracket(net: pd.Series) -> tuple[tuple[float, float], tuple[float, float]] | None:
    """The first carbon prices between which the net gain turns positive, and the gains there."""
    values = net.to_numpy()
    turns = np.flatnonzero((values[:-1] < 0) & (values[1:] >= 0))
    if not len(turns):
        return None
    i = turns[0]
    prices = net.index.to_numpy(float)
    return (prices[i], values[i]), (prices[i + 1], values[i + 1])


def _crossing(low: float, below: float, high: float, above: float) -> float:
    return float(low - below * (high - low) / (above - below))


def _row(part: pd.DataFrame) -> dict[str, object]:
    """Break-even of one group of plant from its net gains."""
    net = _net(part)
    nothing = {"break_even": np.nan, "low": np.nan, "high": np.nan}
    ends = _bracket(net)
    if ends is None:
        first, last = net.index[0], net.index[-1]
        said = f"does not pay from {first:g} to {last:g}"
        if net.iloc[0] >= 0:
            said = f"pays at {first:g}" + (" and above" if (net >= 0).all() else ", not everywhere")
        return {**nothing, "note": said}
    (low, below), (high, above) = ends
    at = _crossing(low, below, high, above)
    if above == 0.0:
        at = low = high
    again = int((np.diff(np.sign(net[net != 0])) != 0).sum()) > 1
    note = "breaks even at more than one carbon price" if again else ""
    return {"break_even": at, "low": low, "high": high, "note": note}
