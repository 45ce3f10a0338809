"""What is wrong with ancillary services, given the network they are meant for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import pandas as pd
import pypsa

from powermkt.errors import Fault, name_list, nearest
from powermkt.inputs.check import USER_CLASSES, provinces_of, sound
from powermkt.inputs.market import Market
from powermkt.inputs.regulation import TYPICAL, Mileage
from powermkt.inputs.services import OTHERS, Charge, Product, Services

WHERE = "market.yaml: services"


def zone_buses(n: pypsa.Network, services: Services, zone: str) -> pd.Index:
    """Buses of a zone: a declared one, a province, a pricing zone, a bus, or `all`.

    Raises
    ------
    KeyError
        If the name is none of these.
    """
    if zone == "all" and zone not in services.zones:
        return n.buses.index
    members = services.zones.get(zone, [zone])
    parts = [_members(n, member) for member in members]
    return n.buses.index[n.buses.index.isin(np.concatenate(parts))]


def _members(n: pypsa.Network, name: str) -> pd.Index:
    provinces = provinces_of(n)
    if (provinces == name).any():
        return n.buses.index[provinces == name]
    if "zone" in n.buses and (n.buses["zone"] == name).any():
        return n.buses.index[n.buses["zone"] == name]
    if name in n.buses.index:
        return pd.Index([name])
    raise KeyError(name)


def service_faults(n: pypsa.Network, market: Market) -> list[Fault]:
    """Return every name in `services` that means nothing in a network, and what contradicts."""
    services = market.services
    if not sound(n):
        return []
    return [
        *_zones(n, services),
        *_products(n, services),
        *_charges(n, services),
        *_deep_peak(n, market),
        *_mileage(n, services),
        *_providers_apart(n, services),
    ]


def _providers_apart(n: pypsa.Network, services: Services) -> Iterator[Fault]:
    both = n.generators.index.intersection(n.storage_units.index)
    if (services.products or services.mileage) and len(both):
        what = f"generators and storage units of one name: {name_list(both)}"
        yield Fault(WHERE, what, "rename one of them: awards are listed by name")


def _zones(n: pypsa.Network, services: Services) -> Iterator[Fault]:
    places = {*provinces_of(n), *n.buses.get("zone", pd.Series(dtype=str)), *n.buses.index} - {""}
    for zone, members in services.zones.items():
        for member in members:
            if member not in places:
                what = f"unknown province, pricing zone or bus {member!r}"
                yield Fault(f"{WHERE}.zones.{zone}", what, nearest(member, places))
        if not members:
            yield Fault(f"{WHERE}.zones.{zone}", "has no members", "name provinces or buses")
    known = {*services.zones, *places, "all"}
    for name, product in services.products.items():
        for i, requirement in enumerate(product.requirements):
            if requirement.zone not in known:
                where = f"{WHERE}.products.{name}.requirements.{i}.zone"
                what = f"unknown zone {requirement.zone!r}"
                yield Fault(where, what, nearest(requirement.zone, known))


def _products(n: pypsa.Network, services: Services) -> Iterator[Fault]:
    names = {*n.generators.index, *n.storage_units.index}
    carriers = {*n.generators["carrier"], *n.storage_units["carrier"]} - {""}
    for name, product in services.products.items():
        where = f"{WHERE}.products.{name}"
        offers = product.offer if isinstance(product.offer, dict) else {}
        for key, given, known in (
            ("carriers", product.carriers or [], carriers),
            ("providers", product.providers or [], names),
            ("offer", offers, carriers | names),
            ("shapes", product.shapes, names),
        ):
            yield from _unknown(f"{where}.{key}", given, known)
        yield from _shapes(n, where, product)
        yield from _unknown(f"{where}.substitutes", product.substitutes, {*services.products})
        for better in product.substitutes:
            other = services.products.get(better)
            if other is not None and (better == name or other.direction != product.direction):
                what = f"{better!r} cannot serve {name!r}: {other.kind} for {product.kind}"
                yield Fault(f"{where}.substitutes", what, "name products of the same direction")
    yield from _unknown(f"{WHERE}.ramp_rates", services.ramp_rates, carriers | names)
    if "ramp_rate" in n.generators:
        given = n.generators["ramp_rate"].replace("", np.nan)
        rate = pd.to_numeric(given, errors="coerce")
        wrong = n.generators.index[(rate < 0) | np.isinf(rate) | (rate.isna() & given.notna())]
        if len(wrong):
            yield Fault("generators.ramp_rate", f"no rate >= 0: {name_list(wrong)}", "correct it")


def _shapes(n: pypsa.Network, where: str, product: Product) -> Iterator[Fault]:
    """Name trapeziums that mean nothing."""
    carrier = pd.concat([n.generators["carrier"], n.storage_units["carrier"]])
    everybody = product.carriers is None and product.providers is None
    for name, shape in product.shapes.items():
        place = f"{where}.shapes.{name}"
        able = name in (product.providers or []) or carrier.get(name) in (product.carriers or [])
        if name in carrier and not (everybody or able):
            yield Fault(place, "is no provider of the product", "name it there, or leave it out")
        edges = shape.model_fields_set - {"max"}
        if name in n.storage_units.index and edges:
            what = f"storage has no trapezium: {', '.join(sorted(edges))}"
            yield Fault(place, what, "state `max` alone")


def _charges(n: pypsa.Network, services: Services) -> Iterator[Fault]:
    parties = {*n.generators.index, *n.storage_units.index, *n.loads.index}
    carriers = {*n.generators["carrier"], *n.storage_units["carrier"]} - {""}
    known = parties | carriers | {*USER_CLASSES} | {*provinces_of(n)}
    kinds = {*services.products, *OTHERS, "default"}
    yield from _unknown(f"{WHERE}.charges", services.charges, kinds)
    for name in services.products:
        if name in (*OTHERS, "default"):
            what = f"{name!r} is the name of another service"
            yield Fault(f"{WHERE}.products.{name}", what, "name the product otherwise")
    for service, charges in services.charges.items():
        for i, charge in enumerate(charges):
            where = f"{WHERE}.charges.{service}.{i}"
            for key, named in (("weights", charge.weights), ("exempt", charge.exempt)):
                stores = n.stores.index[n.stores.index.isin(named) & ~n.stores.index.isin(known)]
                yield from _unknown(f"{where}.{key}", named, known | {*stores})
                if len(stores):
                    what = f"stores pay no charge: {name_list(stores)}"
                    yield Fault(f"{where}.{key}", what, "leave them out")
            yield from _unknown(f"{where}.carriers", charge.carriers or [], carriers)
            if charge.above_base and services.deep_peak is None:
                what = "above_base needs a base load rate"
                yield Fault(f"{where}.above_base", what, "state services.deep_peak, or drop it")
            if not _some_weight(n, charge):
                what = "weights and exemptions leave nobody who pays"
                yield Fault(where, what, "give somebody a weight above 0")
        if not charges:
            yield Fault(f"{WHERE}.charges.{service}", "is empty", "state who pays, or leave it out")


def _deep_peak(n: pypsa.Network, market: Market) -> Iterator[Fault]:
    data, where = market.services.deep_peak, f"{WHERE}.deep_peak"
    if data is None:
        return
    present = {*n.generators["carrier"]} - {""}
    yield from _unknown(f"{where}.carriers", data.carriers or [], present)
    carriers = market.carriers.resolved(sorted(present)).quota
    carriers = carriers if data.carriers is None else data.carriers
    members = n.generators.index[n.generators["carrier"].isin(carriers or [])]
    if members.empty and data.carriers is None:
        what = "there is no quota carrier: nobody regulates"
        yield Fault(where, what, "name who does: deep_peak.carriers")
    yield from _unknown(f"{where}.offers", data.offers, {*members, *(carriers or [])})


def _mileage(n: pypsa.Network, services: Services) -> Iterator[Fault]:
    data, where = services.mileage, f"{WHERE}.mileage"
    if data is None:
        return
    table = pd.concat([n.generators["carrier"], n.storage_units["carrier"]])
    carriers, names = {*table} - {""}, {*table.index}
    for key, given, known in (
        ("carriers", data.carriers or [], carriers),
        ("providers", data.providers or [], names),
        ("bids", data.bids, carriers | names),
        ("performance", data.performance, carriers | names),
    ):
        yield from _unknown(f"{where}.{key}", given, known)
    serving = table[table.isin(data.carriers or []) | table.index.isin(data.providers or [])]
    for carrier, members in serving.groupby(serving):
        lacking = [name for name in members.index if not _known_performance(data, name, carrier)]
        if lacking:
            what = f"nothing is known of {carrier!r}: {name_list(lacking)}"
            remedy = "give speed, standard, response and error"
            yield Fault(f"{where}.performance", what, remedy)
    yield from _needs(n, services, data)


def _known_performance(data: Mileage, name: str, carrier: str) -> bool:
    if any(part in carrier.lower() for part in TYPICAL):
        return True
    stated = [data.performance[key] for key in (name, carrier) if key in data.performance]
    figures = ("speed", "standard", "response", "error")
    return all(any(getattr(item, key) is not None for item in stated) for key in figures)


def _needs(n: pypsa.Network, services: Services, data: Mileage) -> Iterator[Fault]:
    places = {*provinces_of(n), *n.buses.get("zone", pd.Series(dtype=str)), *n.buses.index} - {""}
    known = {*services.zones, *places, "all"}
    regulated = {
        requirement.zone
        for product in services.products.values()
        if product.kind.startswith("regulation")
        for requirement in product.requirements
    }
    taken: dict[str, str] = {}  # buses and the zone that they are in
    for i, need in enumerate(data.needs):
        where = f"{WHERE}.mileage.needs.{i}"
        if need.zone not in known:
            what = f"unknown zone {need.zone!r}"
            yield Fault(f"{where}.zone", what, nearest(need.zone, known))
            continue
        if need.per_regulation and need.zone not in regulated:
            what = f"no regulation product requires anything in {need.zone!r}"
            yield Fault(f"{where}.per_regulation", what, "add it to the product, or state mw")
        try:
            inside = zone_buses(n, services, need.zone)
        except KeyError:
            continue  # a zone with an unknown member is named already
        both = [bus for bus in inside if bus in taken]
        if both:
            what = f"{need.zone!r} and {taken[both[0]]!r} share {name_list(both)}"
            yield Fault(
                f"{where}.zone", what, "give zones that do not overlap: nobody serves twice"
            )
        taken |= dict.fromkeys(inside, need.zone)


def party_weights(n: pypsa.Network, charge: Charge) -> pd.Series:
    """Weight of everybody whom a charge may meet, by name [1]."""
    provinces = provinces_of(n)
    tables = {
        "load": [n.loads],
        "energy": [n.generators, n.storage_units],
        "deviation": [n.generators, n.storage_units, n.loads],
    }[charge.by]
    found = {}
    for table in tables:
        kind = table.get("carrier", pd.Series("", table.index)).astype(object)
        if table is n.loads:
            given = table.get("user_class", pd.Series("", table.index)).fillna("")
            kind = given.replace("", USER_CLASSES[0])
        for name, group, bus in zip(table.index, kind, table["bus"], strict=True):
            if charge.carriers is not None and (table is n.loads or group not in charge.carriers):
                continue
            keys = (name, group, provinces[bus])
            weight = next((charge.weights[key] for key in keys if key in charge.weights), 1.0)
            found[name] = 0.0 if any(key in charge.exempt for key in keys) else weight
    return pd.Series(found, dtype=float)


def _some_weight(n: pypsa.Network, charge: Charge) -> bool:
    return bool((party_weights(n, charge) > 0).any())


def _unknown(where: str, given: Iterable[str], known: set[str]) -> Iterator[Fault]:
    for name in given:
        if name not in known:
            yield Fault(where, f"unknown name {name!r}", nearest(name, known))
