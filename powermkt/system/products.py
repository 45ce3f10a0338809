"""Reserve products of a case: who may provide what, where how much is required, what is short.

Product k is served by awards of providers of k, or of a better product q that may stand in for it,
under the rules of q: its quality.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from weakref import WeakKeyDictionary

import numpy as np
import pandas as pd

from powermkt.inputs.case import Case
from powermkt.inputs.servicecheck import zone_buses
from powermkt.inputs.services import Product, Requirement
from powermkt.system.fleet import fleets
from powermkt.system.slack import UNSERVED_COST
from powermkt.system.units import units

GENERATOR, STORAGE = "Generator", "StorageUnit"
AWARDS = (f"Reserve {GENERATOR} ", f"Reserve {STORAGE} ")  # how names of their variables begin
_FOUND: WeakKeyDictionary[Case, Book | None] = WeakKeyDictionary()


@dataclass(frozen=True)
class Lot:
    """Awards of one product at one quality by providers of one component.

    Attributes
    ----------
    product, quality : str
        What is served, and the product whose rules the award obeys.
    component : str
    providers : Index
    group : Series [provider]
        Label of those that are awarded together (`_grouped`); who is alone has its own name.
    """

    product: str
    quality: str
    component: str
    providers: pd.Index
    group: pd.Series

    @property
    def variable(self) -> str:
        """Name of its variable, [snapshot x group] in MW."""
        return f"Reserve {self.component} {self.product!r} by {self.quality!r}"

    def summed(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Sum over the providers of each group, [snapshot x group]."""
        return frame[self.providers].T.groupby(self.group, sort=False).sum().T


@dataclass(frozen=True)
class Zone:
    """One requirement of a product.

    Attributes
    ----------
    product, label : str
        The label is the zone, with a number where a zone has several requirements.
    buses, members : Index
        Buses of the zone, and providers at them.
    mw : Series [snapshot]
    """

    product: str
    label: str
    buses: pd.Index
    members: pd.Index
    mw: pd.Series

    @property
    def key(self) -> tuple[str, str]:
        """Product and label, as columns of an outcome have them."""
        return self.product, self.label

    def surrounds(self, other: Zone) -> bool:
        """Whether an award that counts for another requirement always counts for this one."""
        return self.product == other.product and bool(other.buses.isin(self.buses).all())

    @property
    def row(self) -> str:
        """Name of its row, and of the variable of what is short."""
        return f"Reserve {self.product!r} in {self.label!r}"


@dataclass(frozen=True)
class Book:
    """All products of a case: awards that are possible, and what is required."""

    lots: list[Lot]
    zones: list[Zone]

    def procured(self) -> set[str]:
        """Products of which something is required; no row and no variable for the others."""
        return {zone.product for zone in self.zones if (zone.mw > 0).any()}

    def live(self) -> Book:
        """Return what is in the programme."""
        asked = self.procured()
        lots = [lot for lot in self.lots if lot.product in asked]
        return Book(lots, [zone for zone in self.zones if (zone.mw > 0).any()])


def book_of(case: Case) -> Book | None:
    """Return the reserve products of a case, None without any."""
    if case not in _FOUND:
        services = case.market.services
        _FOUND[case] = _book(case) if services.products else None
    return _FOUND[case]


def _book(case: Case) -> Book:
    lots, zones = _lots(case), _zones(case)
    group = _grouped(case, lots, zones)
    return Book([replace(lot, group=group[lot.providers]) for lot in lots], zones)


def _grouped(case: Case, lots: list[Lot], zones: list[Zone]) -> pd.Series:
    """Label of the group in which each provider is awarded, [provider].

    Generators that offer the same for the same products in the same zones, and that no ramp rate,
    no trapezium and no two minima bind, hold together what each of them has left: the sum of their
    awards is limited by the sum of what they have left, which is exactly the set of sums that each
    can give its part of. They share it in proportion to what each has left
    (`powermkt.dispatch.results`). Storage is limited by power and by energy at once and stands
    alone.
    """
    products, table = case.market.services.products, case.generators
    rates = pd.concat([ramp_rates(case, way) for way in ("up", "down")]).notna().any()
    own = pd.Series({name: name for lot in lots for name in lot.providers}, dtype=object)
    sold: dict[str, list[object]] = {}
    alone: set[str] = set()
    kinds = {"fleet": fleets(case).index, "unit": units(case).index}
    driven = must_run_fleets(case)
    for lot in lots:
        product = products[lot.quality]
        offer = offers(product, table) if lot.component == GENERATOR else None
        if offer is None:
            alone.update(lot.providers)
            continue
        for name in lot.providers:
            ramps = product.ramp_minutes is not None and rates[name]
            falls = product.direction == "down" and name in driven
            if name in product.shapes or ramps or falls:
                alone.add(name)
            else:
                sold.setdefault(name, []).append((lot.variable, float(offer[name])))
    for zone in zones:
        for name in zone.members.intersection(list(sold)):
            sold[name].append(zone.row)
    alike: dict[object, list[str]] = {}
    for name in sold:
        if name not in alone:
            kind = next((kind for kind, index in kinds.items() if name in index), "")
            alike.setdefault((kind, *sold[name]), []).append(name)
    for members in alike.values():
        if len(members) > 1:
            own[members] = f"{members[0]} and {len(members) - 1} more"
    return own


def procures(case: Case) -> bool:
    """Whether something of some product is required anywhere."""
    book = book_of(case)
    return book is not None and bool(book.procured())


def _lots(case: Case) -> list[Lot]:
    products = case.market.services.products
    tables = {GENERATOR: case.generators, STORAGE: case.storage_units}
    found = []
    for name, product in products.items():
        for quality in _qualities(products, name):
            for component, table in tables.items():
                members = _eligible(products[quality], table)
                # Who serves as well under the product's own rules, no dearer, does that.
                if quality != name and _as_strict(products[quality], product):
                    own = _eligible(product, table)
                    dearer = offers(products[quality], table) >= offers(product, table)
                    members = members[~(members.isin(own) & dearer[members].to_numpy())]
                if len(members):
                    found.append(Lot(name, quality, component, members, pd.Series(dtype=object)))
    return found


def _qualities(products: dict[str, Product], name: str) -> list[str]:
    """A product and all that may stand in for it, through others as well."""
    found = [name]
    for quality in found:
        found += [other for other in products[quality].substitutes if other not in found]
    return found


def _as_strict(better: Product, product: Product) -> bool:
    """Whether the rules of a product allow all that those of a better one do."""
    ramp = product.ramp_minutes is None or (
        better.ramp_minutes is not None and better.ramp_minutes <= product.ramp_minutes
    )
    lasting = better.sustain_hours >= product.sustain_hours
    return ramp and lasting and (better.online or not product.online) and not product.shapes


def _eligible(product: Product, table: pd.DataFrame) -> pd.Index:
    chosen = pd.Series(product.carriers is None and product.providers is None, table.index)
    chosen |= table["carrier"].isin(product.carriers or [])
    chosen |= table.index.isin(product.providers or [])
    return table.index[chosen & (table["p_nom"] > 0)]


def offers(product: Product, table: pd.DataFrame) -> pd.Series:
    """Offer of each provider of a table [money/(MW h)]: by name, else carrier, else 0."""
    if not isinstance(product.offer, dict):
        return pd.Series(product.offer, table.index, dtype=float)
    by_carrier = table["carrier"].map(product.offer)
    own = pd.Series(table.index.map(product.offer), table.index, dtype=float)
    return own.fillna(by_carrier).fillna(0.0).astype(float)


def _zones(case: Case) -> list[Zone]:
    services = case.market.services
    buses = pd.concat([case.generators["bus"], case.storage_units["bus"]])
    found = []
    for name, product in services.products.items():
        taken = {requirement.zone for requirement in product.requirements}
        seen: set[str] = set()
        for requirement in product.requirements:
            inside = zone_buses(case._n, services, requirement.zone)
            label, number = requirement.zone, 1
            while label in seen or (number > 1 and label in taken):
                number += 1
                label = f"{requirement.zone} ({number})"
            seen.add(label)
            mw = _required(case, requirement, inside, product.direction)
            found.append(Zone(name, label, inside, buses.index[buses.isin(inside)], mw))
    return found


def _required(
    case: Case, requirement: Requirement, inside: pd.Index, direction: str
) -> pd.Series:  # fmt: skip
    """What a requirement comes to, [snapshot] in MW."""
    generators = case.generators
    load = case.dense("Load", "p_set").loc[:, case.loads["bus"].isin(inside)].sum(axis=1)
    carriers = [*(case.carriers.wind or []), *(case.carriers.solar or [])]
    green = generators.index[
        generators["bus"].isin(inside) & generators["carrier"].isin(carriers)
    ]  # fmt: skip
    available = case.availability[green].sum(axis=1)
    total = requirement.mw + requirement.load_share * load
    total = total + requirement.renewable_share * available
    if requirement.largest_infeed:
        total = total + requirement.largest_infeed * _largest(case, inside)
    if requirement.net_load_ramp:
        change = (load - available).diff().shift(-1).fillna(0.0)
        if case.after is not None:
            later, then = case.after
            inside_load = case.loads.index[case.loads["bus"].isin(inside)]
            last = later[inside_load].sum() - then[green].sum()
            change.iloc[-1] = last - (load - available).iloc[-1]
        sign = 1.0 if direction == "up" else -1.0
        total = total + requirement.net_load_ramp * (sign * change).clip(lower=0.0)
    return total.clip(lower=0.0)


def _largest(case: Case, inside: pd.Index) -> pd.Series:
    """Largest unit that is available in a zone, or link into it, [snapshot] in MW."""
    table, links = case.generators, case._n.links
    own = table.index[table["bus"].isin(inside)]
    sizes = [case.availability[own] / table.loc[own, "units"]]
    entering = links["bus1"].isin(inside) & ~links["bus0"].isin(inside)
    leaving = links["bus0"].isin(inside) & ~links["bus1"].isin(inside)
    most, least = (case.dense("Link", f"p_{end}_pu") * links["p_nom"] for end in ("max", "min"))
    efficiency = case.dense("Link", "efficiency")
    sizes += [(most * efficiency).loc[:, entering], -least.loc[:, leaving]]
    largest: pd.Series = pd.concat(sizes, axis=1).max(axis=1).clip(lower=0.0).fillna(0.0)
    return largest


def shortage_steps(case: Case, product: str) -> list[tuple[float, float]]:
    """Width [MW] and price [money/(MW h)] of each step of a shortage, the last one endless."""
    said = case.market.services.products[product].shortage
    if said is None:
        # Reserves fail before load, also where a MW counts for several requirements at once.
        said = (case.market.value_of_lost_load or UNSERVED_COST) / (2 * _nested(case, product))
    if isinstance(said, float):
        return [(np.inf, said)]
    return [(np.inf if step.mw is None else step.mw, step.price) for step in said]


def _nested(case: Case, product: str) -> int:
    """Requirements that one MW of a product can count for."""
    book = book_of(case)
    zones = [] if book is None else [zone for zone in book.zones if zone.product == product]
    counts = pd.Series([bus for zone in zones for bus in zone.buses], dtype=object).value_counts()
    return int(counts.max()) if len(counts) else 1


def shortage_cost(case: Case, short: pd.DataFrame) -> pd.Series:
    """What shortages cost at their prices, [snapshot] in money/h.

    Parameters
    ----------
    case : Case
    short : DataFrame [snapshot x (product, zone)], MW
    """
    total = pd.Series(0.0, short.index)
    for column, product in enumerate(short.columns.get_level_values(0)):
        below, missing = 0.0, short.iloc[:, column]
        for width, price in shortage_steps(case, product):
            total += price * (missing - below).clip(lower=0.0, upper=width)
            below += width
    return total


def must_run_fleets(case: Case) -> pd.Index:
    """Fleets that must run beside the minimum of what is on."""
    index = fleets(case).index
    return index[(case.must_run[index] > 0).any().to_numpy()]


def ramp_rates(case: Case, direction: str) -> pd.DataFrame:
    """Share of capacity by which output changes in a minute, [snapshot x generator] in 1/min.

    Column `generators.ramp_rate`, else PyPSA's ramp limit over the minutes of a snapshot, else
    `services.ramp_rates`; NaN where there is none of them: no limit.
    """
    n = case._n
    minutes = 60.0 * n.snapshot_weightings["stores"]
    given = case.dense("Generator", f"ramp_limit_{direction}")
    rate = given.div(minutes, axis="index")
    if "ramp_rate" in n.generators:
        own = pd.to_numeric(n.generators["ramp_rate"], errors="coerce")
        known = own.index[own.notna()]
        rate[known] = np.tile(own[known].to_numpy(float), (len(rate), 1))
    declared = case.market.services.ramp_rates
    carrier = n.generators["carrier"].map(declared)
    said = pd.Series(n.generators.index.map(declared), n.generators.index, dtype=float)
    return rate.fillna(said.fillna(carrier.astype(float)))
