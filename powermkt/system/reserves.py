"""Reserve products in the programme: who can hold how much, and what must be held.

An award r of a provider is a variable of its own for each product and quality
(`powermkt.system.products`). With g output, y online capacity, d and c discharge and charge, e
stored energy, all up products that need providers on in r_up, those that do not in r_off, and all
down products in r_dn:

    fleets, units  g + r_up <= y,  g + r_up + r_off <= available,
                   g - r_dn >= minimum (y), and must run of fleets
    others         g + r_up + r_off <= available,  g - r_dn >= must run
    storage        d - c + r_up + r_off <= p_max,  d - c - r_dn >= p_min,
                   sum(r hours) <= e efficiency,  sum(r hours) <= (e_max - e) efficiency,
                   of discharge: of whatever way an award is given the one that moves e most
    ramps          sum of awards due within T minutes <= T x ramp rate x what is on, for each T
    requirements   awards in the zone + shortage >= requirement

so that the dual of a requirement is its price and what a provider forgoes for an award is in it.

An enablement trapezium with largest award M, between outputs a <= b <= c <= d, holds where its
provider is enabled (x = 1, a whole number wherever 0 and all output are not both inside),

    r <= M x,   g - r (b - a) / M - other down >= a x,
    g + r (d - c) / M + other up <= d + (available - d) (1 - x),

"other" being awards of regulation beside a product that is none (AEMO, FCAS Model in NEMDE, 6.2).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import linopy
import numpy as np
import pandas as pd
import xarray as xr

from powermkt.common.arrays import by_name, by_snapshot, grid, names
from powermkt.inputs.case import Case
from powermkt.inputs.services import Product, Shape
from powermkt.system.fleet import fleets
from powermkt.system.products import (
    GENERATOR,
    STORAGE,
    Book,
    Lot,
    Zone,
    book_of,
    must_run_fleets,
    ramp_rates,
    shortage_steps,
)
from powermkt.system.units import online_capacity, units


def add_reserves(model: linopy.Model, case: Case) -> None:
    """Add awards, what limits them, and requirements to a model; shortages cost their prices.

    Parameters
    ----------
    model : linopy.Model
        With dispatch, commitment and storage as PyPSA and `powermkt.system.fleet` name them.
    case : Case
    """
    whole = book_of(case)
    if whole is None or not (book := whole.live()).zones:
        return
    awards = _Awards(model, case, book)
    _hold_generators(model, case, awards)
    _hold_storage(model, case, awards)
    _hold_ramps(model, case, awards)
    _hold_shapes(model, case, awards)
    hours = by_snapshot(case.weights)
    for zone in book.zones:
        steps = shortage_steps(case, zone.product)
        index = pd.Index([str(i) for i in range(len(steps))], name="name")
        width = by_name(pd.Series([width for width, _ in steps], index))
        coords = [pd.Index(case.snapshots, name="snapshot"), index]
        short = model.add_variables(lower=0, upper=width, coords=coords, name=zone.row)
        held = awards.inside(zone)
        total = short.sum("name") if held is None else short.sum("name") + held
        model.add_constraints(total >= by_snapshot(zone.mw), name=zone.row)
        price = by_name(pd.Series([price for _, price in steps], index))
        model.objective += (short * price * hours).sum()


class _Awards:
    """Variables of awards, [snapshot x group]; those of a component align, so that sums do.

    `members` holds the providers of each component, `group` the group of each provider.
    """

    def __init__(self, model: linopy.Model, case: Case, book: Book) -> None:
        self.book = book
        self._products = case.market.services.products
        self._variables: dict[str, linopy.Variable] = {}
        snapshots = pd.Index(case.snapshots, name="snapshot")
        self.members: dict[str, pd.Index] = {}
        self.group: dict[str, pd.Series] = {}
        for component, table in ((GENERATOR, case.generators), (STORAGE, case.storage_units)):
            lots = [lot for lot in book.lots if lot.component == component]
            chosen = table.index[table.index.isin([name for lot in lots for name in lot.providers])]
            self.members[component] = chosen
            group = pd.concat([lot.group for lot in lots]) if lots else pd.Series(dtype=object)
            self.group[component] = group[~group.index.duplicated()].reindex(chosen)
            groups = pd.Index(self.group[component].unique())
            for lot in lots:
                shown = groups.isin(lot.group)
                mask = xr.DataArray(shown, {"name": names(groups)}, "name")
                shapes = self._products[lot.quality].shapes
                most = pd.Series(
                    [shapes[name].max if name in shapes else np.inf for name in groups], groups
                )
                self._variables[lot.variable] = model.add_variables(
                    lower=0, upper=by_name(most), coords=[snapshots, names(groups)],
                    name=lot.variable, mask=mask.broadcast_like(_zeros(snapshots, groups)),
                )  # fmt: skip

    def of(
        self, component: str, chosen: Callable[[Lot, Product], bool],
        factor: Callable[[Product], float] = lambda _: 1.0,
    ) -> linopy.LinearExpression | None:  # fmt: skip
        """Sum of the awards of each group under some products, None without any."""
        parts = [
            factor(self._products[lot.quality]) * self._variables[lot.variable]
            for lot in self.book.lots
            if lot.component == component and chosen(lot, self._products[lot.quality])
        ]
        return sum(parts[1:], start=parts[0]) if parts else None

    def total(self, value: linopy.LinearExpression | xr.DataArray, part: pd.Index) -> Any:
        """Sum over the members of each group, of what some generators have."""
        group = self.group[GENERATOR][part]
        if (group == part).all():
            return value
        of_group = xr.DataArray(group.to_numpy(), {"name": names(part)}, "name").rename("group")
        summed = value.groupby(of_group).sum().rename({"group": "name"})
        # linopy puts expressions of one size together by position: groups come sorted.
        return summed.sel(name=names(pd.Index(group.unique())))

    def one(self, lots: list[Lot], name: str) -> linopy.LinearExpression:
        """Sum of some awards of one provider that is alone in its group."""
        parts = [1 * self._variables[lot.variable].sel(name=name) for lot in lots]
        return sum(parts[1:], start=parts[0])

    def inside(self, zone: Zone) -> linopy.LinearExpression | None:
        """Sum of the awards that count for a requirement, None where nobody can give any."""
        parts = []
        for lot in self.book.lots:
            counted = lot.providers[lot.providers.isin(zone.members)]
            if lot.product == zone.product and len(counted):
                groups = lot.group[counted].unique()
                parts.append(self._variables[lot.variable].sel(name=groups).sum("name"))
        return sum(parts[1:], start=parts[0]) if parts else None

    def idle(self, component: str) -> bool:
        """Whether some awards may be given by providers that are off."""
        mine = [lot for lot in self.book.lots if lot.component == component]
        return not all(self._products[lot.quality].online for lot in mine)

    def minutes(self, component: str, direction: str) -> list[float]:
        """Times within which awards are due, rising."""
        due = {
            self._products[lot.quality].ramp_minutes
            for lot in self.book.lots
            if lot.component == component and self._products[lot.quality].direction == direction
        }
        return sorted(time for time in due if time is not None)


def _zeros(snapshots: pd.Index, chosen: pd.Index) -> xr.DataArray:
    return grid(pd.DataFrame(0.0, snapshots, chosen))


def _spinning(_: Lot, product: Product) -> bool:
    return product.direction == "up" and product.online


def _upward(_: Lot, product: Product) -> bool:
    return product.direction == "up"


def _downward(_: Lot, product: Product) -> bool:
    return product.direction == "down"


def _hold_generators(model: linopy.Model, case: Case, awards: _Awards) -> None:
    members = awards.members[GENERATOR]
    if members.empty:
        return
    output = model.variables["Generator-p"]
    spin, up, down = (awards.of(GENERATOR, what) for what in (_spinning, _upward, _downward))
    if spin is not None:
        for number, (part, room) in enumerate(online_capacity(model, case, members)):
            left = awards.total(1 * output.sel(name=part), part) - awards.total(room, part)
            groups = awards.group[GENERATOR][part].unique()
            model.add_constraints(left + spin.sel(name=groups) <= 0, name=f"Reserve up-{number}")
    if up is not None and awards.idle(GENERATOR):
        held = awards.total(1 * output.sel(name=members), members) + up
        available = awards.total(grid(case.availability[members]), members)
        model.add_constraints(held <= available, name="Reserve up")
    if down is not None:
        for number, (part, room) in enumerate(
            online_capacity(model, case, members, least_share(case))
        ):
            left = awards.total(1 * output.sel(name=part), part) - awards.total(room, part)
            groups = awards.group[GENERATOR][part].unique()
            model.add_constraints(left - down.sel(name=groups) >= 0, name=f"Reserve down-{number}")
        driven = must_run_fleets(case)
        driven = driven[driven.isin(members) & driven.isin(awards.group[GENERATOR])]
        if len(driven):
            left = output.sel(name=driven) - down.sel(name=driven)
            least = grid(case.must_run[driven])
            model.add_constraints(left >= least, name="Reserve down to must run")


def least_share(case: Case) -> pd.DataFrame:
    """Least output as a share of what is on, or of what is available, [snapshot x generator]."""
    table, available = case.generators, case.availability
    share = (case.must_run / available.where(available > 0)).fillna(0.0)
    fleet, unit = fleets(case).index, units(case).index
    share[fleet] = np.tile(table.loc[fleet, "min_stable_pu"].to_numpy(), (len(share), 1))
    if len(unit):
        minimum = case.dense("Generator", "p_min_pu")[unit]
        most = case.dense("Generator", "p_max_pu")[unit]
        share[unit] = (minimum / most.where(most > 0)).fillna(0.0)
    return share


def _hold_storage(model: linopy.Model, case: Case, awards: _Awards) -> None:
    members = awards.members[STORAGE]
    if members.empty:
        return
    n = case._n
    nominal = n.storage_units.loc[members, "p_nom"]
    top, bottom = (
        grid(case.dense("StorageUnit", f"p_{end}_pu")[members] * nominal) for end in ("max", "min")
    )
    level = model.variables["StorageUnit-state_of_charge"].sel(name=members)
    net = model.variables["StorageUnit-p_dispatch"].sel(name=members)
    net = net - model.variables["StorageUnit-p_store"].sel(name=members)
    up, down = (awards.of(STORAGE, what) for what in (_upward, _downward))
    if up is not None:
        model.add_constraints(net + up <= top, name="Reserve storage-up")
    if down is not None:
        model.add_constraints(net - down >= bottom, name="Reserve storage-down")

    def sustained(product: Product) -> float:
        return product.sustain_hours

    lasting = awards.of(STORAGE, _upward, sustained)
    if lasting is not None:
        share = grid(case.dense("StorageUnit", "efficiency_dispatch")[members])
        model.add_constraints(lasting - level * share <= 0, name="Reserve storage-energy")
    lasting = awards.of(STORAGE, _downward, sustained)
    if lasting is not None:
        share = grid(case.dense("StorageUnit", "efficiency_dispatch")[members])
        full = by_name(nominal * n.storage_units.loc[members, "max_hours"])
        room = share * full
        model.add_constraints(lasting + level * share <= room, name="Reserve storage-room")


def _hold_ramps(model: linopy.Model, case: Case, awards: _Awards) -> None:
    """Awards that are due within T minutes are reached together, for each T."""
    for direction, within in (("up", _upward), ("down", _downward)):
        rate = ramp_rates(case, direction)
        known = awards.members[GENERATOR]
        alone = (awards.group[GENERATOR] == known).to_numpy()  # as is who has a ramp to keep
        known = known[alone & rate[known].notna().any().to_numpy()]
        if known.empty:
            continue
        rate = rate.fillna(1e3)  # in some hours only: no limit in the others
        for time in awards.minutes(GENERATOR, direction):

            def due(lot: Lot, product: Product, end: float = time, within=within) -> bool:  # type: ignore[no-untyped-def]
                early = product.ramp_minutes is not None and product.ramp_minutes <= end
                return within(lot, product) and early

            total = awards.of(GENERATOR, due)
            on = awards.of(GENERATOR, lambda lot, product: due(lot, product) and product.online)
            name = f"Reserve ramp-{direction}-{time:g}"
            if on is not None:
                for number, (part, room) in enumerate(
                    online_capacity(model, case, known, rate * time)
                ):
                    held = on.sel(name=part)
                    model.add_constraints(held - room <= 0, name=f"{name}-{number}")
            if total is not None and awards.idle(GENERATOR):
                most = grid((rate * time * case._n.generators["p_nom"])[known])
                model.add_constraints(total.sel(name=known) <= most, name=name)


def _hold_shapes(model: linopy.Model, case: Case, awards: _Awards) -> None:
    """Keep awards inside the enablement trapeziums of their providers."""
    products = case.market.services.products
    for component in (GENERATOR, STORAGE):
        for quality in dict.fromkeys(lot.quality for lot in awards.book.lots):
            for name, shape in products[quality].shapes.items():
                mine = [
                    lot for lot in awards.book.lots
                    if (lot.component, lot.quality) == (component, quality)
                    and name in lot.providers
                ]  # fmt: skip
                if not mine:
                    continue
                award = awards.one(mine, name)
                if len(mine) > 1:  # one trapezium for all products that this quality serves
                    row = f"Reserve shape {quality!r} of {name!r}, all"
                    model.add_constraints(award <= shape.max, name=row)
                if component == GENERATOR and shape.max > 0:
                    _hold_shape(model, case, awards, award, quality, name, shape)


def _hold_shape(
    model: linopy.Model, case: Case, awards: _Awards, award: linopy.LinearExpression, quality: str,
    name: str, shape: Shape,
) -> None:  # fmt: skip
    """Add the rows of one trapezium."""
    product = case.market.services.products[quality]
    regulates = product.kind.startswith("regulation")
    output = model.variables["Generator-p"].sel(name=name)
    available = by_snapshot(case.availability[name])
    label = f"Reserve shape {quality!r} of {name!r}"
    least, most = shape.enablement_min, shape.enablement_max
    inside = least <= 0 and (most is None or bool((available <= most).all()))
    snapshots = pd.Index(case.snapshots, name="snapshot")
    enabled: linopy.Variable | float = 1.0
    if not inside:
        enabled = model.add_variables(binary=True, coords=[snapshots], name=f"{label}-enabled")
        model.add_constraints(award - shape.max * enabled <= 0, name=f"{label}-max")

    def beside(direction: str) -> linopy.LinearExpression | None:
        def counted(other: Lot, kind: Product) -> bool:
            return kind.kind == f"regulation_{direction}" and name in other.providers

        found = None if regulates else awards.of(GENERATOR, counted)
        return None if found is None else found.sel(name=name)

    if most is not None and shape.high_break is not None:
        total = output + (most - shape.high_break) / shape.max * award
        other = beside("up")
        total = total if other is None else total + other
        if inside:
            model.add_constraints(total <= most, name=f"{label}-upper")
        else:
            beyond = (available - most).clip(min=0.0)
            model.add_constraints(total + beyond * enabled <= most + beyond, name=f"{label}-upper")
    low = least if shape.low_break is None else shape.low_break
    if low > 0:
        total = output - (low - least) / shape.max * award
        other = beside("down")
        total = total if other is None else total - other
        model.add_constraints(total - least * enabled >= 0, name=f"{label}-lower")
