"""Clear a case under a regime, or under several at several carbon prices."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

from powermkt.dispatch.outcome import join
from powermkt.engine.capped import clear_capped
from powermkt.engine.cells import CellStore
from powermkt.engine.obliged import clear_obliged, obliged_faults
from powermkt.engine.regime import Regime, regime
from powermkt.engine.scheduling import Progress, clear_cells
from powermkt.errors import Fault, InputError
from powermkt.inputs.case import Case
from powermkt.run import Run
from powermkt.system.horizon import Horizon, with_horizon


def clear(
    case: Case,
    regime: str | Path | Regime,
    carbon_price: float | None = None,
    *,
    weeks: int | None = None,
    year: bool = False,
    look_ahead: float | None = None,
    start: str | None = None,
    days: int | None = None,
    workers: int | None = None,
    cluster: str | None = None,
    store: str | Path | CellStore | None = None,
    ranges: bool = False,
    margins: bool = False,
) -> Run:
    """Clear a case under one regime at one carbon price.

    Parameters
    ----------
    case : Case
    regime : str, Path or Regime
        A preset's name, a YAML file, or a regime.
    carbon_price : float, optional
        [money/t]; default: what the regime's carbon rule states, in the presets 0, or what a
        `CarbonCap` comes to. A limit plays no part at a price that is given.
    weeks, year, look_ahead, start, days
        What of the case is cleared, as in `Horizon`. A look-ahead takes no `ranges`.
    workers : int, optional
        Processes; default: one per core where it pays.
    cluster : str, optional
        Address of a Dask scheduler, "tcp://host:port", whose workers clear the windows.
    store : str, Path or CellStore, optional
        Folder where finished windows are kept and found again; default: nothing is kept. A folder
        only grows; `CellStore.prune` removes what a run did not use.
    ranges : bool, default False
        Give curtailment with its range over all optima; a few more solves per province and carrier.
    margins : bool, default False
        Find `Run.marginal_mix`; no more solves.

    Returns
    -------
    Run

    Raises
    ------
    InputError
        If the regime or the case lacks something.
    ClearingError
        If a window has no optimum, or unserved load or excess generation that nobody declared.
    ExecutionError, StorageError
        If workers are lost for good, or a finished window cannot be written.
    """
    case = with_horizon(case, Horizon(weeks, year, look_ahead, start, days))
    with opened(store) as kept:
        runs, _ = clear_all(
            case, [(regime, carbon_price)], workers, None, ranges, cluster, kept, margins
        )
    return runs[0]


def opened(
    store: str | Path | CellStore | None,
) -> CellStore | nullcontext[CellStore | None]:
    """Open a store named by its folder; one that is open already stays so."""
    if isinstance(store, (str, Path)):
        return CellStore(store)
    return nullcontext(store)


def clear_all(
    case: Case,
    cells: Sequence[tuple[str | Path | Regime, float | None]],
    workers: int | None = None,
    progress: Progress | None = None,
    ranges: bool = False,
    cluster: str | None = None,
    store: CellStore | None = None,
    margins: bool = False,
) -> tuple[list[Run], list[str]]:
    """Clear the windows of a case under several regimes and carbon prices.

    Parameters
    ----------
    case : Case
        With the windows to clear.
    cells : sequence of (regime, carbon price)
    workers, progress, ranges, cluster, store, margins
        As in `scheduling.clear_cells`.

    Returns
    -------
    list of Run, one for each regime and carbon price
    list of str
        What went wrong on the way and was mended.
    """
    chosen = [regime(name) if price is None else regime(name).at(price) for name, price in cells]
    faults = {
        str(fault): fault
        for item in chosen
        for fault in item.faults(case) or obliged_faults(case, item)
    }
    for item in chosen if ranges else []:
        if item.two_settlement is not None:
            what = "no ranges of curtailment are found in real time"
            fault = Fault(f"regime {item.name!r}: settlement", what, "leave ranges away")
            faults[str(fault)] = fault
    for item in chosen:
        in_steps = case.look_ahead is not None or item.two_settlement is not None
        if item.units.relaxed and in_steps and case.generators["committable"].any():
            what = "units that are on in part cannot be handed on from window to window"
            fault = Fault(f"regime {item.name!r}: units.relaxed", what, "clear at once, or drop it")
            faults[str(fault)] = fault
    if case.look_ahead is not None and ranges:
        fault = Fault("look_ahead", "gives no ranges of curtailment", "leave one away")
        faults[str(fault)] = fault
    limited = [
        price is None and item.cap is not None
        for item, (_, price) in zip(chosen, cells, strict=True)
    ]
    for name, there, remedy in (
        ("CarbonCap", any(limited), "leave one away, or give its price"),
        ("Obligation", any(item.obligations for item in chosen), "leave one away"),
    ):
        if ranges and there:
            what = "gives no ranges of curtailment: clearings are mixed"
            fault = Fault(name, what, remedy)
            faults[str(fault)] = fault
    if faults:
        raise InputError(faults.values())
    plain = [
        item
        for item, wanted in zip(chosen, limited, strict=True)
        if not wanted and not item.obligations
    ]
    outcomes, notes = clear_cells(
        case, plain, ranges=ranges, margins=margins, workers=workers, cluster=cluster,
        store=store, progress=progress,
    )  # fmt: skip
    # Joined once for each clearing: carbon prices that change nothing share one outcome.
    joined = {
        key: join([outcomes[label, key] for label in case.windows])
        for key in {item.clearing_key for item in plain}
    }
    runs = []
    for item, wanted in zip(chosen, limited, strict=True):
        if item.obligations:
            outcome, obliged = clear_obliged(case, item, workers, progress, margins)
            priced = item.priced(obliged.prices, obliged.saved)
            runs.append(Run(case, priced, item.carbon_price, outcome, obliged=obliged))
            continue
        if not wanted:
            runs.append(Run(case, item, item.carbon_price, joined[item.clearing_key]))
            continue
        outcome, cap, said = clear_capped(
            case, item, workers=workers, cluster=cluster, store=store, progress=progress,
            margins=margins,
        )  # fmt: skip
        runs.append(Run(case, item.at(cap.price), cap.price, outcome, cap))
        notes += said
    return runs, notes
