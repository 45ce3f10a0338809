"""A case: one PyPSA network and the institutional data beside it, never changed."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pypsa

from powermkt.common.notebook import CaseView
from powermkt.errors import Fault, InputError, expect, nearest, validated
from powermkt.inputs.check import provinces_of
from powermkt.inputs.curves import curve_tops, mean_costs, take_ladders
from powermkt.inputs.intake import (
    after,
    column,
    prepared,
    present_forecasts,
    series_faults,
    still_on,
    substituted,
    take_schedule,
    texts,
    working_copy,
)
from powermkt.inputs.levels import Seams, bind_levels
from powermkt.inputs.market import Carriers, Market
from powermkt.inputs.offers import offers_of
from powermkt.inputs.servicecheck import service_faults


class Case(CaseView):
    """A physical system with the columns that market rules need.

    Parameters
    ----------
    network : pypsa.Network
        Copied, never changed.
    market : Market or mapping, optional
        Institutional data as in `market.yaml`, with its defaults.
    name : str, optional
        Used in messages and file names.
    windows : dict of str to pandas.Index, optional
        Label and snapshots of each part that is cleared on its own; one window by default.
    folder : Path, optional
        Where files that the market data name are found.
    offers : DataFrame, str or Path, optional
        Offers that were submitted, or the CSV or Parquet file they stand in: columns generator,
        snapshot (may be left away or empty: every snapshot), quantity_mw, price [money/MWh], one
        row for each block, the blocks of a generator and snapshot in the order of their prices.
    forecast : dict of str to DataFrame, optional
        What was expected a day ahead of series that turned out as in the network, [snapshot x
        name] in the same unit, by "generators_t.p_max_pu", "generators_t.p_min_pu",
        "loads_t.p_set" or "storage_units_t.inflow".

    Attributes
    ----------
    seams : Seams or None
        Levels of storage at the edges of the windows, where they hang together.
    initial_online : Series [fleet] or None, MW
        What was online before the first snapshot; None: the windows repeat themselves.
    initial_output : Series [generator] or None, MW
        Output before the first snapshot, where it is known.
    after : tuple of Series or None, MW
        Load, and available output of generators, in the snapshot that follows the last one.
    still_on : dict of str to int
        Snapshots that units must stay on since they have not been on for long.
    ladders : DataFrame
        Costs that rise in steps: generator, step, width_mw, price [money/MWh].
    offers : DataFrame or None
        Offers by generator, snapshot (absent: every one that has none of its own) and step
        (0, 1, ..): top_mw (all blocks so far), price [money/MWh].
    look_ahead : float or None
        Hours of the next window that each window sees, where they are cleared one after another.

    Raises
    ------
    InputError
        Listing every fault of the network and of the offers.
    """

    def __init__(
        self,
        network: pypsa.Network,
        market: Market | Mapping[str, Any] | None = None,
        *,
        name: str = "",
        windows: dict[str, pd.Index] | None = None,
        folder: Path | None = None,
        offers: pd.DataFrame | str | Path | None = None,
        forecast: Mapping[str, pd.DataFrame] | None = None,
    ) -> None:
        expect("network", network, pypsa.Network, "files are read by pm.read(path)")
        if not isinstance(market, Market):
            market = validated(Market, dict(market or {}), "market")
        label = name or market.name or network.name or "network"
        network, market, faults = prepared(network, market, label)
        faults += series_faults(network, forecast or {}, label, "forecast")
        faults += service_faults(network, market)
        tops = curve_tops(network)
        book, wrong = offers_of(offers, network, tops, f"{label}: offers")
        if faults or wrong:
            raise InputError([*faults, *wrong])
        n = working_copy(network)
        self.name = label
        self.schedule = take_schedule(n)
        self.ladders = take_ladders(n)
        self.offers = book
        self.forecast = present_forecasts(n, forecast or {})
        present = sorted({*n.generators["carrier"], *n.storage_units["carrier"]} - {""})
        self.market = market.model_copy(update={"carriers": market.carriers.resolved(present)})
        self._n = n
        self.windows = windows or {"all": n.snapshots}
        self.folder = folder
        self.seams: Seams | None = None
        self.initial_online: pd.Series | None = None
        self.initial_output: pd.Series | None = None
        self.still_on = still_on(n)
        self.after: tuple[pd.Series, pd.Series] | None = None
        self.look_ahead: float | None = None

    def __repr__(self) -> str:
        n = self._n
        return (
            f"Case({self.name!r}: {self.provinces.nunique()} provinces, {len(n.generators)} "
            f"generators, {len(n.links)} links, {len(n.snapshots)} snapshots, "
            f"{len(self.windows)} window{'s' if len(self.windows) != 1 else ''})"
        )

    # ---- the physical system -----------------------------------------------------------------

    def network(self) -> pypsa.Network:
        """Return a fresh copy of the network, without the framework schedule."""
        return self._n.copy()

    @property
    def snapshots(self) -> pd.Index:
        """Snapshots of all windows."""
        return self._n.snapshots

    @cached_property
    def weights(self) -> pd.Series:
        """Hours of the horizon that each snapshot stands for [h]."""
        return self._n.snapshot_weightings["objective"]

    @property
    def carriers(self) -> Carriers:
        """Carriers by role."""
        return self.market.carriers

    @cached_property
    def provinces(self) -> pd.Series:
        """Province of each bus."""
        return provinces_of(self._n)

    @cached_property
    def zones(self) -> pd.Series:
        """Pricing zone of each bus: `buses.zone`, by default its province."""
        if "zone" not in self._n.buses:
            return self.provinces
        given = self._n.buses["zone"].astype(object).replace("", np.nan)
        return given.where(given.notna(), self.provinces)

    @cached_property
    def generators(self) -> pd.DataFrame:
        """Static generator data with every default filled in.

        Columns: bus, province, carrier, p_nom [MW], units [1], emission_rate [t/MWh electric],
        benchmark [t/MWh], benchmark_class, own_use [1], allowance_bank [t], tariff [money/MWh],
        min_stable_pu [1], start_cost [money per MW of capacity started], no_load_cost [money/h
        per MW online], ramp_up, ramp_down [1/h], committable.
        """
        g = self._n.generators
        n_carriers = self._n.carriers
        fuel = n_carriers["co2_emissions"] if "co2_emissions" in n_carriers else pd.Series(0.0)
        by_carrier = g["carrier"].map(fuel).fillna(0.0) / g["efficiency"].replace(0, np.nan)
        units = column(g, "units", 1.0)
        per_mw = units / g["p_nom"].where(g["p_nom"] > 0)
        table = pd.DataFrame(
            {
                "bus": g["bus"],
                "province": g["bus"].map(self.provinces),
                "carrier": g["carrier"],
                "p_nom": g["p_nom"],
                "units": units,
                "emission_rate": column(g, "emission_rate", by_carrier.fillna(0.0)),
                "benchmark": column(g, "benchmark", 0.0),
                "benchmark_class": texts(g, "benchmark_class"),
                "own_use": column(g, "own_use", 0.0),
                "allowance_bank": column(g, "allowance_bank", 0.0),
                "tariff": column(g, "tariff", self.default_tariff),
                "min_stable_pu": column(g, "min_stable_pu", 0.0),
                "start_cost": (g["start_up_cost"] * per_mw).fillna(0.0),
                "no_load_cost": (g["stand_by_cost"] * per_mw).fillna(0.0),
                "committable": g["committable"].astype(bool),
                "ramp_up": g["ramp_limit_up"],
                "ramp_down": g["ramp_limit_down"],
                "min_up_time": g["min_up_time"],
                "min_down_time": g["min_down_time"],
            }
        )
        return table.rename_axis("name")

    @cached_property
    def default_tariff(self) -> float:
        """Tariff where none is given [money/MWh].

        The capacity-weighted mean marginal cost of the generators that are not renewable: one
        number for the network, so that it does not depend on dispatch or on a carbon price.
        """
        g = self._n.generators
        thermal = g[~g["carrier"].isin(self.carriers.renewable) & (g["p_nom"] > 0)]
        if thermal.empty:
            return 0.0
        cost = mean_costs(self._n)[thermal.index].mean()
        capacity = thermal["p_nom"].clip(upper=1e7)
        return float((cost * capacity).sum() / capacity.sum())

    @cached_property
    def loads(self) -> pd.DataFrame:
        """Static load data: bus, province, tariff, network_charge [money/MWh], user_class."""
        loads = self._n.loads
        charge = column(loads, "network_charge", 0.0)
        given = loads["user_class"] if "user_class" in loads else pd.Series("", loads.index)
        return pd.DataFrame(
            {
                "bus": loads["bus"],
                "province": loads["bus"].map(self.provinces),
                "tariff": column(loads, "tariff", self.default_tariff + charge),
                "network_charge": charge,
                "user_class": given.fillna("").replace("", "industrial_commercial"),
            }
        )

    @cached_property
    def storage_units(self) -> pd.DataFrame:
        """Static storage data: bus, province, carrier, p_nom [MW], tariff [money/MWh]."""
        storage = self._n.storage_units
        inflow = self.dense("StorageUnit", "inflow").sum() > 0
        return pd.DataFrame(
            {
                "bus": storage["bus"],
                "province": storage["bus"].map(self.provinces),
                "carrier": storage["carrier"],
                "p_nom": storage["p_nom"],
                # Plant without inflow is an asset of the grid: a tariff pays it nothing.
                "tariff": column(storage, "tariff", inflow * self.default_tariff),
            }
        )

    @cached_property
    def corridors(self) -> pd.DataFrame:
        """Links between provinces: province0, province1, p_nom [MW], wheeling_fee [money/MWh]."""
        links = self._n.links
        table = pd.DataFrame(
            {
                "province0": links["bus0"].map(self.provinces),
                "province1": links["bus1"].map(self.provinces),
                "p_nom": links["p_nom"],
                "efficiency": self.dense("Link", "efficiency").mean(),
                "wheeling_fee": column(links, "wheeling_fee", 0.0),
            }
        )
        return table[table["province0"] != table["province1"]]

    @cached_property
    def free_lines(self) -> list[str]:
        """Lines and transformers between provinces, which no schedule governs."""
        names = []
        for table in (self._n.lines, self._n.transformers):
            ends = [table[end].map(self.provinces) for end in ("bus0", "bus1")]
            names += table.index[ends[0] != ends[1]].tolist()
        return names

    def dense(self, component: str, attribute: str) -> pd.DataFrame:
        """Attribute of a component as [snapshot x name], static values repeated."""
        frame: pd.DataFrame = self._n.get_switchable_as_dense(component, attribute)
        return frame

    @cached_property
    def availability(self) -> pd.DataFrame:
        """Available output of each generator [MW], [snapshot x generator]."""
        return self.dense("Generator", "p_max_pu") * self._n.generators["p_nom"]

    @cached_property
    def must_run(self) -> pd.DataFrame:
        """Lowest allowed output of each generator [MW], [snapshot x generator]; 0 for units.

        `p_min_pu` of a committable unit is what it must give while it is on.
        """
        always = self._n.generators["p_nom"] * ~self.generators["committable"]
        return self.dense("Generator", "p_min_pu") * always

    # ---- parts -------------------------------------------------------------------------------

    def window(self, label: str) -> Case:
        """Return the part of the case that one window covers.

        Storage that follows the plan of the year begins and ends it at the levels of `seams`.
        """
        snapshots = self.windows[label]
        if len(snapshots) == len(self.snapshots):
            return self
        case = self.part(snapshots, label)
        if self.seams is not None:
            bind_levels(case._n, *self.seams.edges(label))
        return case

    def part(self, snapshots: pd.Index, label: str) -> Case:
        """Return the case at some of its snapshots, as one window."""
        n = self._n.copy()
        n.set_snapshots(snapshots)  # as n.copy(snapshots=...) does, which takes 200 times longer
        case = self._with(n, {label: snapshots}, self.seams)
        case.after = after(self._n, snapshots) or self.after
        if self.offers is not None:
            here = self.offers["snapshot"].isna() | self.offers["snapshot"].isin(snapshots)
            case.offers = self.offers[here]
        return case

    def _with(
        self, n: pypsa.Network, windows: dict[str, pd.Index], seams: Seams | None = None
    ) -> Case:
        """Return a case on another network of the same structure; nothing is checked again."""
        case = object.__new__(Case)
        case.name, case.market, case._n, case.windows = self.name, self.market, n, windows
        case.folder, case.seams, case.initial_online = self.folder, seams, self.initial_online
        case.initial_output, case.still_on = self.initial_output, self.still_on
        case.after = self.after
        case.look_ahead, case.ladders, case.offers = self.look_ahead, self.ladders, self.offers
        case.schedule = None if self.schedule is None else self.schedule.loc[n.snapshots]
        case.forecast = {name: frame.loc[n.snapshots] for name, frame in self.forecast.items()}
        return case

    def forecasted(self) -> Case:
        """Return the case as it was expected a day ahead: with forecasts for actual series."""
        case = self.with_series(self.forecast)
        case.forecast, case.after = {}, None  # the day ahead looks no further than its last hour
        return case

    def with_series(self, series: Mapping[str, pd.DataFrame]) -> Case:
        """Return the case with other series, named as forecasts are; nothing is checked."""
        return self._with(substituted(self._n, series), self.windows, self.seams)

    def with_seams(self, seams: Seams) -> Case:
        """Return the case with levels of storage at the seams of its windows."""
        return self._with(self._n, self.windows, seams)

    def with_market(self, market: Market) -> Case:
        """Return the case with other institutional data."""
        case = self._with(self._n, self.windows, self.seams)
        case.market = market
        return case

    def with_offers(self, offers: pd.DataFrame | str | Path | None) -> Case:
        """Return the case with other submitted offers, or with none.

        Raises
        ------
        InputError
            Listing every fault of the offers.
        """
        tops = self.ladders.groupby("generator")["width_mw"].sum()
        book, faults = offers_of(offers, self._n, tops, f"{self.name}: offers")
        if faults:
            raise InputError(faults)
        case = self._with(self._n, self.windows, self.seams)
        case.offers = book
        return case

    def with_schedule(self, schedule: pd.DataFrame) -> Case:
        """Return the case with a framework schedule of its ties, [snapshot x link] in MW.

        Raises
        ------
        InputError
            If a snapshot lacks a value, or a column is no link between provinces.
        """
        known = self.corridors.index
        faults = [
            Fault(f"schedule[{name!r}]", "is no link between provinces", nearest(name, known))
            for name in schedule.columns.difference(known)
        ]
        full = schedule.reindex(self.snapshots)
        gaps = full.index[full.isna().any(axis=1)]
        if len(gaps):
            faults.append(
                Fault("schedule", f"no value in {len(gaps)} snapshots from {gaps[0]}", "fill them")
            )
        if faults:
            raise InputError(faults)
        case = self._with(self._n, self.windows, self.seams)
        case.schedule = full.astype(float)
        return case


def summed(case: Case) -> pd.Index:
    """Generators whose energy over all snapshots is limited."""
    g = case._n.generators
    return g.index[np.isfinite(g["e_sum_max"]) | np.isfinite(g["e_sum_min"])]
