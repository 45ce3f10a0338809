"""Two runs of one regime at different carbon prices, side by side by hour and province."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from powermkt.rules import ImportAdjustment
from powermkt.run import Run
from powermkt.system.weighting import load_weighted

# Hours whose marginal emission rate is below this have no fossil marginal unit [t/MWh].
FOSSIL_MARGINAL = 0.05
_ROUNDING = 1e-6  # likewise, that bear no carbon price


@dataclass(frozen=True)
class Pair:
    """A run and the run of its regime at the lowest carbon price; frames [snapshot x province].

    Only provinces with load are in it. What one more MWh of load emits and bears is the mean of
    the two runs, the trapezoid between their carbon prices; net allowances, where offsets become
    cheaper between them, each by the part of the step on its side of the price of offsets.

    Parameters
    ----------
    base, run : Run
        On the same case.
    """

    base: Run
    run: Run

    @property
    def step(self) -> float:
        """How much higher the carbon price is [money/t]."""
        return self.run.carbon_price - self.base.carbon_price

    @cached_property
    def load(self) -> pd.DataFrame:
        """Load [MW]."""
        return load_of(self.run)

    @cached_property
    def energy(self) -> pd.DataFrame:
        """Load times the hours that each snapshot stands for [MWh]."""
        return self.load.mul(self.run.case.weights, axis="index")

    @cached_property
    def price_change(self) -> pd.DataFrame:
        """Change of the wholesale price [money/MWh]."""
        return (signal(self.run) - signal(self.base))[self.load.columns]

    @cached_property
    def emission(self) -> pd.DataFrame:
        """Emissions of one more MWh of load [t/MWh]."""
        return self._between([item.outcome.marginal_emission for item in (self.base, self.run)])

    @cached_property
    def priced(self) -> pd.DataFrame:
        """Emissions of one more MWh times the multiple of the carbon price on them [t/MWh]."""
        return self._between([priced_emission(self.base), priced_emission(self.run)])

    @cached_property
    def exposure(self) -> pd.DataFrame:
        """Net allowances that one more MWh of load takes [t/MWh]."""
        found = [item.outcome.marginal_exposure for item in (self.base, self.run)]
        return self._between(found, self._late)

    @cached_property
    def multiple(self) -> pd.DataFrame:
        """Multiple of the carbon price that holds in each province and hour [1]."""
        return multiple_of(self.run)[self.load.columns]

    @cached_property
    def fossil(self) -> pd.DataFrame:
        """Whether the marginal unit is fossil."""
        return self.emission > FOSSIL_MARGINAL

    @cached_property
    def bearing(self) -> pd.DataFrame:
        """Whether the marginal unit is fossil and where the carbon price holds."""
        return self.fossil & (self.priced.abs() > _ROUNDING)

    @cached_property
    def retail(self) -> tuple[tuple[pd.DataFrame, pd.DataFrame], ...]:
        """What users pay [money] and the energy they are served [MWh], in base and run."""
        return tuple(
            (bill[self.load.columns], served[self.load.columns])
            for bill, served in (_bill(self.base), _bill(self.run))
        )

    @cached_property
    def technology(self) -> pd.DataFrame | None:
        """Carrier that gives most of one more MWh of load in the run; None if nobody asked."""
        mix = self.run.marginal_mix
        if mix.columns.empty:
            return None
        shares = {
            carrier: by_province(self.run, pd.DataFrame(mix.xs(carrier, axis=1, level="carrier")))
            for carrier in mix.columns.unique("carrier")
        }
        most = np.argmax([frame[self.load.columns].to_numpy() for frame in shares.values()], axis=0)
        names = np.array(list(shares), dtype=object)
        return pd.DataFrame(names[most], self.load.index, self.load.columns)

    def _between(self, found: list[pd.DataFrame], late: pd.DataFrame | float = 0.5) -> pd.DataFrame:
        """Mean of a marginal quantity in base and run; `late` is the weight of the run [1]."""
        before, after = (by_province(self.run, frame)[self.load.columns] for frame in found)
        return before + late * (after - before)

    @property
    def _late(self) -> pd.DataFrame | float:
        """Part of the step above the price of offsets, if it lies in the step; else half [1].

        A province without the carbon price has that of the provinces it may buy from.
        """
        carbon = self.run.regime.carbon
        if carbon is None or carbon.offsets is None or carbon.offsets.use is not None:
            return 0.5
        multiple = multiple_of(self.run)
        highest = multiple.max(axis=1)
        multiple = multiple.apply(lambda column: column.where(column > 0, highest))
        first, last = (item.carbon_price * multiple for item in (self.base, self.run))
        part = (last - carbon.offsets.price) / (last - first)
        crossed = (first <= carbon.offsets.price) & (carbon.offsets.price < last)
        return part.where(crossed, 0.5)[self.load.columns]


def pairs_of(runs: Sequence[Run]) -> list[Pair]:
    """Pair each run with the run of its regime at the lowest carbon price."""
    return [Pair(base, run) for base, run in against_lowest(runs)]


def against_lowest(runs: Sequence[Run]) -> list[tuple[Run, Run]]:
    """Pair each run with the run of its regime at the lowest carbon price, which comes first.

    In the order of regimes, then of carbon prices; the runs at the lowest price make no pair.
    """
    found = []
    for members in by_regime(runs).values():
        base, *others = sorted(members, key=lambda run: run.carbon_price)
        found += [(base, run) for run in others]
    return found


def by_regime(runs: Sequence[Run]) -> dict[str, list[Run]]:
    """Runs by the name of their regime."""
    found: dict[str, list[Run]] = {}
    for run in runs:
        found.setdefault(run.regime.name, []).append(run)
    return found


def load_of(run: Run) -> pd.DataFrame:
    """Load of the provinces that have some, [snapshot x province] in MW."""
    case = run.case
    load = case.dense("Load", "p_set").T.groupby(case.loads["province"]).sum().T
    return load.loc[:, load.mul(case.weights, axis="index").sum() > 0]


def multiple_of(run: Run) -> pd.DataFrame:
    """Multiple of the carbon price that holds, [snapshot x province]; 1 without a carbon rule."""
    carbon, case = run.regime.carbon, run.case
    if carbon is None:
        return pd.DataFrame(1.0, case.snapshots, pd.Index(case.provinces.unique()))
    return carbon.by_province(case)


def priced_emission(run: Run) -> pd.DataFrame:
    """Emissions of one more MWh times the multiple of the carbon price on them, [snapshot x bus].

    Imports that pay for a default rate count by what is emitted for them [t/MWh].
    """
    priced = run.outcome.marginal_priced
    if not any(isinstance(rule, ImportAdjustment) for rule in run.regime.rules):
        return priced
    multiple = multiple_of(run).max(axis=1)  # the one that there is
    emitted = run.outcome.marginal_emission.mul(multiple, axis="index")
    return emitted.where(priced.abs() > _ROUNDING, 0.0)


def signal(run: Run) -> pd.DataFrame:
    """Wholesale price that marginal rates belong to, [snapshot x province]: of real time."""
    if run.outcome.day_ahead is None:
        return run.announced.wholesale
    return by_province(run, run.announced.nodal)


def by_province(run: Run, frame: pd.DataFrame) -> pd.DataFrame:
    """Load-weighted mean over the buses of each province, [snapshot x province]."""
    return load_weighted(frame, run.case, run.case.provinces)


def _bill(run: Run) -> tuple[pd.DataFrame, pd.DataFrame]:
    """What users pay [money] and are served [MWh], each [snapshot x province]."""
    served = run.outcome.served(run.case).mul(run.case.weights, axis="index")
    bill, energy = (
        frame.T.groupby(run.case.loads["province"]).sum().T
        for frame in (served * run.announced.retail, served)
    )
    return bill, energy
