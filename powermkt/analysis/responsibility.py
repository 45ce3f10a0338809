"""Who causes the emissions of a run: where they arise, and whose consumption they serve."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from powermkt.analysis.carriage import carried_by, rate_faults
from powermkt.common.values import NOISE_MW
from powermkt.errors import InputError
from powermkt.methods.carbonflow import follow
from powermkt.run import Run
from powermkt.system.weighting import load_weighted

# column -> (unit, meaning)
COLUMNS: dict[str, tuple[str, str]] = {
    "province": ("", "province, or `all`"),
    "generated_mwh": ("MWh", "generation; what storage gives back is not counted again"),
    "used_mwh": ("MWh", "load served, and what electric boilers and the like take"),
    "production_t": ("t", "emissions where they arise"),
    "consumption_t": ("t", "emissions anywhere for what is used here, losses on the way included"),
    "net_import_t": ("t", "consumption less production"),
    "excess_t": ("t", "emissions for generation here that nobody could use"),
    "stored_t": ("t", "emissions of what storage here took less what it gave back"),
    "production_factor": ("t/MWh", "of a MWh generated"),
    "consumption_factor": ("t/MWh", "of a MWh used"),
    "marginal_factor": ("t/MWh", "of one more MWh of load, weighted by load"),
}


@dataclass(frozen=True)
class Responsibility:
    """Emissions of a run by where they arise and by where they are consumed.

    Traced at every bus and hour by proportional sharing (`carbonflow`), then summed by province.
    Consumption is load as it is served: with what flexible users do, without what is unserved; what
    generators take (electric boilers: output below 0) is consumption too. Load below 0 is
    generation without emissions. Excess generation is nobody's consumption and stands apart.
    Storage that is never charged is plant; other storage carries its content in time: over a window
    that repeats itself to its own beginning, from window to window where levels are handed on; what
    it held at first, if nothing says of what, counts as free of emissions. Production is
    consumption, excess and what is stored, in every hour.

    Attributes
    ----------
    run : Run
    production, consumption, excess, stored : DataFrame [snapshot x province], t/h
    generated, used : DataFrame [snapshot x province], MW
    marginal : DataFrame [snapshot x province], t/MWh
        Emissions of one more MWh of load.
    intensity : DataFrame [snapshot x bus], t/MWh
        Of a MWh that leaves the bus; NaN where nothing passes.
    energy : DataFrame [snapshot x (province, carrier)], MW
        Generation by carrier that serves what is used in a province, losses included.
    transfers : DataFrame [province x province], t
        Emissions in the province of the row for what is used in that of the column.
    unconsumed : Series [province], t
        Emissions in a province for excess generation, and for what storage keeps.
    """

    run: Run
    production: pd.DataFrame
    consumption: pd.DataFrame
    excess: pd.DataFrame
    stored: pd.DataFrame
    generated: pd.DataFrame
    used: pd.DataFrame
    marginal: pd.DataFrame
    intensity: pd.DataFrame
    energy: pd.DataFrame
    transfers: pd.DataFrame
    unconsumed: pd.Series

    @cached_property
    def table(self) -> pd.DataFrame:
        """One row a province, and one of all; columns as in `COLUMNS`."""
        weights = self.run.case.weights
        one_more = self.marginal * self.used
        frames = {
            "generated_mwh": self.generated, "used_mwh": self.used,
            "production_t": self.production, "consumption_t": self.consumption,
            "excess_t": self.excess, "stored_t": self.stored, "marginal": one_more,
        }  # fmt: skip
        sums = {name: frame.mul(weights, axis="index").sum() for name, frame in frames.items()}
        table = pd.DataFrame(sums)
        table.loc["all"] = table.sum()
        table["net_import_t"] = table["consumption_t"] - table["production_t"]
        used = table["used_mwh"].where(table["used_mwh"] > NOISE_MW)
        made = table["generated_mwh"].where(table["generated_mwh"] > NOISE_MW)
        table["production_factor"] = table["production_t"] / made
        table["consumption_factor"] = table["consumption_t"] / used
        table["marginal_factor"] = table["marginal"] / used
        return table.rename_axis("province").reset_index()[list(COLUMNS)]

    @cached_property
    def mix(self) -> pd.DataFrame:
        """Generation that serves a province: province, carrier, mwh, share of what serves it."""
        mwh = self.energy.mul(self.run.case.weights, axis="index").sum()
        share = mwh / mwh.groupby(level=0).transform("sum").where(lambda total: total > 0)
        table = pd.DataFrame({"mwh": mwh, "share": share})
        return table.rename_axis(["province", "carrier"]).reset_index()

    @cached_property
    def hourly(self) -> pd.DataFrame:
        """By snapshot and province: emissions [t/h] and factors [t/MWh], as columns of `table`."""
        found = {
            "production_t": self.production,
            "consumption_t": self.consumption,
            "production_factor": self.production / self.generated.where(self.generated > NOISE_MW),
            "consumption_factor": self.consumption / self.used.where(self.used > NOISE_MW),
            "marginal_factor": self.marginal,
        }
        rows = {
            name: frame.rename_axis(index="snapshot", columns="province").unstack()
            for name, frame in found.items()
        }
        table = pd.DataFrame(rows).reset_index()
        return table[["snapshot", "province", *found]]


def responsibility(run: Run) -> Responsibility:
    """Trace the emissions of a run from plant to users.

    Kang et al. 2012 (doi:10.1038/srep00479), Tranberg et al. 2019
    (doi:10.1016/j.esr.2019.100367).

    Parameters
    ----------
    run : Run

    Returns
    -------
    Responsibility

    Raises
    ------
    InputError
        Naming every carrier whose emissions nobody states.
    """
    if faults := rate_faults(run.case):
        raise InputError(faults)
    case, at = run.case, carried_by(run.case, run.outcome)
    provinces, weights = at.provinces, case.weights.to_numpy(dtype=float)
    hours, count, kinds = len(weights), len(provinces), len(at.carriers)
    generated = at.by_province(at.generated())
    used = at.by_province(at.used)
    consumption, energy = np.zeros((hours, count)), np.zeros((hours, count, kinds))
    excess, stored, intensity = np.zeros((3, hours, len(at.buses)))
    transfers, lost = np.zeros((count, count)), np.zeros(count)
    for part in follow(at.grid, at.supply, count + kinds, at.stores):
        here, w = part.hours, weights[part.hours]
        emitted = part.content[..., :count]
        intensity[here] = emitted.sum(axis=2)
        served = at.by_province(at.used[here, :, None] * part.content)
        consumption[here] = served[..., :count].sum(axis=2)
        energy[here] = served[..., count:]
        transfers += np.einsum("t,tco->oc", w, served[..., :count])
        left = at.excess[here, :, None] * emitted
        excess[here] = left.sum(axis=2)
        kept = at.stores.charge[here, :, None] * emitted[:, at.stores.node]
        kept = kept - part.discharged[..., :count]
        for column, node in enumerate(at.stores.node):
            stored[here, node] += kept[:, column].sum(axis=1)
        lost += np.einsum("t,tno->o", w, left) + np.einsum("t,tso->o", w, kept)
    passing = at.grid.reached() & (at.grid.out() > NOISE_MW)

    def frame(values: np.ndarray) -> pd.DataFrame:
        return pd.DataFrame(values, case.snapshots, provinces)

    columns = pd.MultiIndex.from_product([provinces, at.carriers], names=["province", "carrier"])
    return Responsibility(
        run=run,
        production=frame(at.by_province(at.emitted)),
        consumption=frame(consumption),
        excess=frame(at.by_province(excess)),
        stored=frame(at.by_province(stored)),
        generated=frame(generated),
        used=frame(used),
        marginal=load_weighted(
            run.outcome.marginal_emission, case, case.provinces, run.outcome.demanded(case)
        )[provinces],
        intensity=pd.DataFrame(np.where(passing, intensity, np.nan), case.snapshots, at.buses),
        energy=pd.DataFrame(energy.reshape(hours, -1), case.snapshots, columns),
        transfers=pd.DataFrame(transfers, provinces, provinces),
        unconsumed=pd.Series(lost, provinces),
    )
