"""Capture of CO2 at plant that stands: what one more MW of a retrofit would gain in a year.

Per MWh that a unit would give without capture, with it the same fuel gives ``1 - phi`` MWh, emits
``e (1 - kappa)`` and has ``kappa e`` taken away at v + s money/t, where phi is the energy penalty,
kappa the capture rate, v the variable cost and s transport and storage. At a price p and carbon
costs per MWh given a and a' (`CarbonPrice.adder` at the emission rates e and
``e (1 - kappa) / (1 - phi)``),

    margin without  m0 = p - c - a
    margin with     m1 = (1 - phi) (p - a') - c - (v + s) kappa e

so that, where allowances are auctioned, tau pays for every tonne captured, and where a benchmark b
is given for every MWh,

    m1 - m0 = tau kappa e - phi (p + tau b) - (v + s) kappa e:

captured tonnes free allowances all the same, but the MWh that capture uses earn none. Prices of
obligations count in the same way: of emissions those that are left, of output what is left of it,
of rates of its own per MWh (fuel) all, since capture saves no fuel.

Where others dispatch the unit (`own_dispatch` False), it runs as it was cleared and captures
whenever it runs: the gain is ``u (m1 - m0)`` at load factor u. Where it is the owner's choice, hour
by hour within must-run and what is available, the gain is that of the best of idle, running without
and running with capture over the best of the first two. Prices and the dispatch of others stay
what they are; starts, minimum output of units that are committed, and services are left out.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pydantic

from powermkt.common.values import HOURS_A_YEAR, NonNegative, Share, Strict
from powermkt.errors import Fault, InputError, nearest
from powermkt.inputs.case import Case
from powermkt.inputs.curves import mean_costs
from powermkt.inputs.finance import DEFAULT
from powermkt.rules.merit import MeritOrder
from powermkt.run import Run

_KW = 1000.0  # kW per MW
_CURRENCY = "CNY"  # of the defaults
_COSTS = ("variable_cost", "transport_storage", "capex", "fixed_om")
_LAST_RATE = 0.08
UNITS = {
    "carriers": "",
    "capture_rate": "1",
    "energy_penalty": "1",
    "variable_cost": "money/t",
    "transport_storage": "money/t",
    "capex": "money/kW",
    "fixed_om": "money/(kW a)",
    "lifetime": "a",
    "discount_rate": "1/a",
}


class Capture(Strict):
    """A retrofit with post-combustion capture.

    All defaults are recalled from the literature on retrofits of coal units, not sourced; those in
    money are CNY. Capacity is that of the unit before the retrofit.

    Parameters
    ----------
    carriers : list of str, optional
        What is retrofitted; default: the carriers of quota (coal) units.
    capture_rate : float, default 0.9
        Share of emissions that is captured while capture runs [1].
    energy_penalty : float, default 0.22
        Share of output that it uses [1].
    variable_cost : float, default 30
        Solvent and other operation [money per t captured].
    transport_storage : float, default 100
        [money per t captured].
    capex : float, default 3500
        [money/kW].
    fixed_om : float, default 100
        [money/kW a year].
    lifetime : float, default 20
        [a].
    discount_rate : float, optional
        [1/a]; default: what the market file says of the carrier or of all plant, else 0.08.
    """

    carriers: list[str] | None = pydantic.Field(default=None, min_length=1)
    capture_rate: float = pydantic.Field(default=0.9, gt=0, le=1)
    energy_penalty: Share = pydantic.Field(default=0.22, lt=1)
    variable_cost: NonNegative = 30.0
    transport_storage: NonNegative = 100.0
    capex: NonNegative = 3500.0
    fixed_om: NonNegative = 100.0
    lifetime: float = pydantic.Field(default=20.0, gt=0, le=200)
    discount_rate: float | None = pydantic.Field(default=None, gt=-1, allow_inf_nan=False)

    def faults(self, case: Case) -> list[Fault]:
        """Name carriers that emit nothing here, and costs in a currency that nobody stated."""
        found = []
        table = case.generators
        known = sorted(set(table.loc[table["emission_rate"] > 0, "carrier"]))
        for name in self.carriers or []:
            if name not in known:
                what = f"no plant of carrier {name!r} emits CO2"
                found.append(Fault("capture.carriers", what, nearest(name, known)))
        if not found and not len(retrofitted(case, self)):
            what = f"{case.name} has no plant of quota carriers with emissions"
            remedy = f"state `carriers` of the retrofit: {', '.join(known) or 'none emits'}"
            found.append(Fault("capture.carriers", what, remedy))
        silent = [name for name in _COSTS if name not in self.model_fields_set]
        if case.market.currency != _CURRENCY and silent:
            what = f"defaults are {_CURRENCY}, the network counts in {case.market.currency}"
            found.append(Fault("capture", what, f"state {', '.join(silent)}"))
        return found

    def yearly_cost(self, case: Case) -> pd.Series:
        """Annuity of capex and fixed cost, [retrofitted generator] in money per MW and year."""
        carriers = case.generators.loc[retrofitted(case, self), "carrier"]
        rates = {name: self._rate(case, name) for name in carriers.unique()}
        per_kw = {
            name: self.capex * annuity(rate, self.lifetime) + self.fixed_om
            for name, rate in rates.items()
        }
        return _KW * carriers.map(per_kw).astype(float)

    def _rate(self, case: Case, carrier: str) -> float:
        stated = [case.market.finance.get(name) for name in (carrier, DEFAULT)]
        known = [item.discount_rate for item in stated if item is not None]
        given = [rate for rate in (self.discount_rate, *known) if rate is not None]
        return given[0] if given else _LAST_RATE

    def parameters(self, case: Case) -> pd.DataFrame:
        """What was assumed: parameter, value, unit, source (recalled, given, market file)."""
        carriers = case.generators.loc[retrofitted(case, self), "carrier"].unique()
        rates = sorted({self._rate(case, str(name)) for name in carriers})
        values: dict[str, Any] = {
            **self.model_dump(),
            "carriers": ", ".join(carriers),
            "discount_rate": ", ".join(f"{rate:g}" for rate in rates),
        }
        source = dict.fromkeys(self.model_fields_set, "given")
        source.setdefault("carriers", "market file")
        if case.market.finance:
            source.setdefault("discount_rate", "market file")
        rows = [(k, str(values[k]), unit, source.get(k, "recalled")) for k, unit in UNITS.items()]
        return pd.DataFrame(rows, columns=["parameter", "value", "unit", "source"])


def annuity(rate: float, years: float) -> float:
    """Return the yearly payment for 1 at the end of each of so many years [1/a]."""
    return 1 / years if rate == 0 else rate / (1 - (1 + rate) ** -years)


def retrofitted(case: Case, capture: Capture) -> pd.Index:
    """Return generators that are retrofitted: of the carriers, with emissions and a capacity."""
    table = case.generators
    carriers = capture.carriers or case.carriers.quota or []
    sized = (table["p_nom"] > 0) & np.isfinite(table["p_nom"])
    return table.index[table["carrier"].isin(carriers) & sized & (table["emission_rate"] > 0)]


def own_dispatch(run: Run) -> bool:
    """Whether plant decides when it runs: it offers, carbon cost included, and is paid by place."""
    regime = run.regime
    merit = any(isinstance(rule, MeritOrder) for rule in regime.rules)
    offered = regime.carbon is None or regime.carbon.offered
    return regime.pricing.locational and merit and offered


def capture_gain(run: Run, capture: Capture) -> pd.DataFrame:
    """What one more MW of retrofit gains in a year at the prices of a run.

    Parameters
    ----------
    run : Run
    capture : Capture

    Returns
    -------
    DataFrame [retrofitted generator]
        gain, yearly_cost, net (the difference) [money per MW and year]; captured_t [t per MW and
        year], hours of output before the penalty in which capture runs [h/a].

    Raises
    ------
    InputError
        As `Capture.faults`.
    """
    case = run.case
    if faults := capture.faults(case):
        raise InputError(faults)
    names = retrofitted(case, capture)
    emitted = case.generators.loc[names, "emission_rate"]
    left = 1 - capture.energy_penalty
    captured = capture.capture_rate * emitted
    price = run.sales[-1].price[names]
    caught = _with_capture(case, capture)
    carbon = [run.regime.carbon_adder(at)[names] for at in (case, caught)]
    cost = mean_costs(case._n)[names]
    without = price - cost - carbon[0]
    work = (capture.variable_cost + capture.transport_storage) * captured
    with_it = left * (price - carbon[1]) - cost - work
    for rule in run.regime.obligations:
        due, after = (
            pd.Series(rule.offer(at).get("Generator-p", 0.0), names).fillna(0.0)
            for at in (case, caught)
        )
        without = without - due
        with_it = with_it - (due if isinstance(rule.counts, dict) else left * after)
    if own_dispatch(run):
        size = case.generators.loc[names, "p_nom"]
        least, most = (
            frame[names].clip(lower=0.0) / size for frame in (case.must_run, case.availability)
        )
        worth = [(m * most).where(m > 0, m * least) for m in (without, with_it)]
        gain = (worth[1] - worth[0]).clip(lower=0.0)
        on = most.where(with_it > 0, least).where(worth[1] > worth[0], 0.0)
    else:
        on = run.dispatch[names].clip(lower=0.0) / case.generators.loc[names, "p_nom"]
        gain = on * (with_it - without)
    hours = case.weights * (HOURS_A_YEAR / float(case.weights.sum()))
    table = pd.DataFrame(
        {
            "gain": gain.mul(hours, axis="index").sum(),
            "yearly_cost": capture.yearly_cost(case),
            "hours": on.mul(hours, axis="index").sum(),
        }
    )
    return table.assign(
        net=table["gain"] - table["yearly_cost"], captured_t=table["hours"] * captured
    )


def _with_capture(case: Case, capture: Capture) -> Case:
    """Return the case with the emission rates of units that capture."""
    n, names = case._n.copy(), retrofitted(case, capture)
    left = (1 - capture.capture_rate) / (1 - capture.energy_penalty)
    rate = case.generators["emission_rate"].copy()
    rate[names] *= left
    n.generators["emission_rate"] = rate
    return case._with(n, case.windows, case.seams)
