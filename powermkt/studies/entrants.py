"""A case with candidates built: as plant of some capacity, or with capacities to be found."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import linopy
import numpy as np
import pandas as pd
import pypsa

from powermkt.common.positions import aligned
from powermkt.dispatch import clearing
from powermkt.errors import Fault, nearest
from powermkt.inputs.case import Case
from powermkt.inputs.curves import mean_costs
from powermkt.rules import Participation
from powermkt.rules.dispatch import same_energy
from powermkt.run import Run
from powermkt.studies.candidates import Candidate

TABLES = {"generator": "Generator", "storage": "StorageUnit", "corridor": "Link"}
_PROFILE = "generators_t.p_max_pu"
_LIKE = ("marginal_cost", "emission_rate", "benchmark", "tariff")


def candidate_faults(case: Case, candidates: Mapping[str, Candidate]) -> list[Fault]:
    """Name provinces and plant that do not exist, and data that nothing gives."""
    n, known, faults = case._n, set(case.provinces), []
    tables = (n.generators, n.storage_units, n.stores, n.loads, n.links, n.lines, n.transformers)
    for name, item in candidates.items():
        where = f"candidates.{name}"
        if any(name in table.index for table in tables):
            faults.append(Fault(where, "is in the network already", "give it another name"))
        for key in ("province", "origin", "destination"):
            place = getattr(item, key)
            if place is not None and place not in known:
                what = f"unknown province {place!r}"
                faults.append(Fault(f"{where}.{key}", what, nearest(place, known)))
        if item.kind != "generator":
            continue
        if item.like is not None and item.like not in n.generators.index:
            what = f"no generator {item.like!r}"
            faults.append(Fault(f"{where}.like", what, nearest(item.like, n.generators.index)))
            continue
        if item.province not in known or len(_members(case, item)):
            continue
        if item.availability is None:
            there = n.generators["carrier"].unique()
            what = f"no {item.carrier} in {item.province} to take a profile from"
            remedy = "name a generator under `like`, or state availability and costs; carriers: "
            remedy += nearest(item.carrier, there)
            faults.append(Fault(where, what, remedy))
        faults += [
            Fault(
                f"{where}.{key}",
                f"is not stated, and there is no {item.carrier} in {item.province} to be like",
                "state it (0 for none)",
            )
            for key in ("marginal_cost", "emission_rate")
            if getattr(item, key) is None
        ]
    return faults


def with_entrants(
    case: Case, candidates: Mapping[str, Candidate], mw: Mapping[str, float] | None
) -> Case:
    """Return a case with candidates built.

    Corridors have no framework schedule (0). Load factors that the market file plans fall, so that
    the energy planned for quota plant stays; tariffs are those without candidates.

    Parameters
    ----------
    case : Case
    candidates : mapping of str to Candidate
    mw : mapping of str to float, or None
        Capacity of each [MW]; None: to be found, for a joint programme of capacities and dispatch
        (`p_nom_extendable`), at no cost here.
    """
    n = case._n.copy()
    for kind in ("generators", "storage_units", "loads"):  # the default is a mean over plant
        getattr(n, kind)["tariff"] = getattr(case, kind)["tariff"]
    forecast = dict(case.forecast)
    carriers = {item.carrier for item in candidates.values()} - {"", *n.carriers.index}
    if carriers:
        n.add("Carrier", sorted(carriers))
    for name, item in candidates.items():
        size = (
            {"p_nom_extendable": True, "p_nom_max": item.most}
            if mw is None
            else {"p_nom": float(mw[name])}
        )
        if item.kind == "generator":
            expected = forecast.get(_PROFILE)
            profiles = _add_generator(n, case, name, item, size, expected)
            if expected is not None and profiles is not None:
                forecast[_PROFILE] = expected.assign(**{name: profiles})
        elif item.kind == "storage":
            one_way = item.efficiency**0.5
            n.add(
                "StorageUnit", name, bus=_most_load(case, item.province), carrier=item.carrier,
                max_hours=item.hours, efficiency_store=one_way, efficiency_dispatch=one_way,
                marginal_cost=item.marginal_cost or 0.0, cyclic_state_of_charge=True,
                **_stated(item, "tariff"), **size,
            )  # fmt: skip
        else:
            n.add(
                "Link", name, bus0=_most_load(case, item.origin),
                bus1=_most_load(case, item.destination), carrier=item.carrier,
                efficiency=item.efficiency, marginal_cost=item.marginal_cost or 0.0,
                p_min_pu=-1.0 if item.two_way else 0.0, **size,
            )  # fmt: skip
    more = case._with(n, case.windows, case.seams)
    more.forecast = forecast
    built = [name for name, item in candidates.items() if item.kind == "corridor"]
    if built and (case.schedule is not None or case.corridors.empty):
        planned = pd.DataFrame(index=n.snapshots) if case.schedule is None else case.schedule
        more.schedule = planned.assign(**dict.fromkeys(built, 0.0))
    market = case.market
    present = sorted({*n.generators["carrier"], *n.storage_units["carrier"]} - {""})
    new = market.carriers.__class__().resolved([name for name in present if name in carriers])
    groups = {
        kind: [*(getattr(market.carriers, kind) or []), *(getattr(new, kind) or [])]
        for kind in type(new).model_fields
    }
    market = market.model_copy(update={"carriers": type(new)(**groups)})
    more = more.with_market(market)
    if mw is not None and market.quota.load_factor:
        plan = same_energy(market.quota.load_factor, case, more)
        quota = market.quota.model_copy(update={"load_factor": plan})
        more = more.with_market(market.model_copy(update={"quota": quota}))
    return more


def _add_generator(
    n: pypsa.Network, case: Case, name: str, item: Candidate, size: dict[str, Any],
    expected: pd.DataFrame | None,
) -> pd.Series | None:  # fmt: skip
    """Add a generator; return what was forecast of its profile, if there are forecasts."""
    members = _members(case, item)
    share = members["p_nom"] / members["p_nom"].sum()
    data: dict[str, Any] = {"tariff": case.default_tariff}
    ahead = None
    if len(members):
        mean = mean_costs(n)[members.index] @ share
        data = {key: members[key] @ share for key in (*_LIKE[1:], "own_use")}
        data["marginal_cost"] = mean if np.ptp(mean) > 0 else float(mean.to_numpy()[0])
        same = members["benchmark_class"].unique()
        if len(same) == 1 and same[0]:
            data["benchmark_class"] = same[0]
        profile = case.dense("Generator", "p_max_pu")[members.index]
        data["p_max_pu"] = profile @ share
        if expected is not None:
            ahead = expected.reindex(columns=members.index).fillna(profile) @ share
    if item.availability is not None:
        data["p_max_pu"], ahead = item.availability, None
    data |= _stated(item, *_LIKE)
    local = members[members["province"] == item.province]
    bus = local["p_nom"].groupby(local["bus"]).sum().idxmax() if len(local) else None
    bus = bus or _most_load(case, item.province)
    n.add("Generator", name, bus=bus, carrier=item.carrier, **data, **size)
    return ahead


def _members(case: Case, item: Candidate) -> pd.DataFrame:
    """Generators that a candidate is like."""
    table = case.generators[case.generators["p_nom"] > 0]
    if item.like is not None:
        return table[table.index == item.like]
    return table[(table["carrier"] == item.carrier) & (table["province"] == item.province)]


def _stated(item: Candidate, *keys: str) -> dict[str, float]:
    return {key: getattr(item, key) for key in keys if getattr(item, key) is not None}


def _most_load(case: Case, province: str | None) -> str:
    """Bus of a province with most load, the first where there is none."""
    buses = case.provinces.index[case.provinces == province]
    load = case.dense("Load", "p_set").T.groupby(case.loads["bus"]).sum().T
    energy = load.reindex(columns=buses, fill_value=0.0).mul(case.weights, axis="index").sum()
    return str(energy.idxmax())


def hand_rows_on(before: Case, case: Case, candidates: Mapping[str, Candidate]) -> None:
    """Give what PyPSA wrote for a case to one with other capacities of the same candidates.

    Writing it anew takes longest. Of several windows nothing is handed on.
    """
    model = clearing._KEPT.pop(before, None)
    if model is None:
        return
    for kind, component in TABLES.items():
        names = [name for name, item in candidates.items() if item.kind == kind]
        if names:
            _resize(model, case, component, names)
    clearing._KEPT[case] = model


def _resize(model: linopy.Model, case: Case, component: str, names: list[str]) -> None:
    size = case._n.components[component].static.loc[names, "p_nom"]
    if component == "StorageUnit":
        hours = case._n.storage_units.loc[names, "max_hours"]
        upper = {"p_dispatch": size, "p_store": size, "state_of_charge": size * hours}
        frames = {f"{name}-upper": _every(case, value) for name, value in upper.items()}
    else:
        frames = {
            f"p-{side}": case.dense(component, f"p_{end}_pu")[names] * size
            for side, end in (("lower", "min"), ("upper", "max"))
        }
    for row, frame in frames.items():
        rows = model.constraints[f"{component}-fix-{row}"]
        right = rows.rhs.transpose("snapshot", "name").copy()
        right.loc[{"name": names}] = frame.to_numpy()
        rows.rhs = right


def _every(case: Case, value: pd.Series) -> pd.DataFrame:
    return pd.DataFrame(
        np.tile(value.to_numpy(), (len(case.snapshots), 1)), case.snapshots, value.index
    )


def shared_alike(run: Run) -> Run:
    """Return a run in which like plant at one bus shares its output in proportion.

    Which of several generators of one carrier, bus, cost, offer, rank and emission rate runs is no
    result: any share is as good an optimum. What a newcomer earns must not hang on it. Plant that
    is committed, must run, ramps or has limits of energy keeps what it does.
    """
    case, table = run.case, run.case.generators
    g = case._n.generators
    free = (table["min_stable_pu"] == 0) & ~table["committable"] & (table["p_nom"] > 0)
    free &= (case.must_run == 0).all() & table["ramp_up"].isna() & table["ramp_down"].isna()
    free &= ~np.isfinite(g["e_sum_max"]) & ~np.isfinite(g["e_sum_min"])
    free &= ~table.index.isin(case.ladders["generator"])
    for rule in run.regime.rules:
        if isinstance(rule, Participation):  # which plant is guaranteed may be said by its name
            named = (rule.share, rule.guaranteed_hours, rule.subsidy, rule.certificate)
            free &= ~table.index.isin([key for said in named for key in said])
    if case.offers is not None:
        free &= ~table.index.isin(case.offers["generator"])
    kept = table[free].assign(rate=table["emission_rate"])
    keys = ["bus", "carrier", "rate"]
    for what, frame in enumerate(_asked(run)):
        for measure in ("min", "max", "mean"):
            keys.append(f"{what} {measure}")
            kept[keys[-1]] = frame.agg(measure).round(9)
    dispatch, available = run.outcome.dispatch.copy(), case.availability
    for _, like in kept.groupby(keys):
        if len(like) > 1:
            names = like.index
            total = available[names].sum(axis=1)
            share = available[names].div(total.where(total > 0), axis="index").fillna(0.0)
            dispatch[names] = share.mul(dispatch[names].sum(axis=1), axis="index")
    return replace(run, outcome=replace(run.outcome, dispatch=dispatch))


def _asked(run: Run) -> Iterator[pd.DataFrame]:
    """What output costs, and what rules add to its offer and its rank, [snapshot x generator]."""
    case = run.case
    cost = mean_costs(case._n)
    yield cost
    for hook in ("offer", "rank_by"):
        for rule in run.regime.rules:
            added = getattr(rule, hook)(case).get("Generator-p")
            if added is not None:
                yield pd.DataFrame(aligned(added, cost), cost.index, cost.columns)
