"""Carbon prices and how allowances are given out."""

from __future__ import annotations

from datetime import date
from typing import Annotated, ClassVar, Literal

import numpy as np
import pandas as pd
import pydantic

from powermkt.common.ledger import Ledger
from powermkt.common.values import NonNegative, Share, Strict
from powermkt.dispatch import compliance
from powermkt.dispatch.programme import Adders
from powermkt.errors import Fault, name_list, nearest
from powermkt.inputs.case import Case
from powermkt.inputs.classes import benchmark_sets, class_benchmarks
from powermkt.inputs.periods import as_period, cover_faults, over_time
from powermkt.rules.base import Cleared, Role, Rule

ALLOCATIONS = ("auction", "lump_sum", "output_based")


def _text_keys(value: object) -> object:
    """Write keys as they stood in the file: YAML reads 2022 as a number, 2022-01-05 as a date."""
    if not isinstance(value, dict):
        return value
    return {
        key.isoformat() if isinstance(key, date) else str(key): item for key, item in value.items()
    }


def _kind(value: object) -> str:
    """Tell a name from a mapping, so that a fault speaks of the one that was meant."""
    return "name" if isinstance(value, str) else "by name"


_Name = Annotated[str, pydantic.Tag("name")]
_Shares = Annotated[dict[str, Share], pydantic.Tag("by name")]
_Values = Annotated[dict[str, NonNegative], pydantic.Tag("by name")]


class Offsets(Strict):
    """Certificates that obliged units may surrender instead of allowances."""

    limit: Share = pydantic.Field(description="share of what is to be surrendered [1]")
    price: NonNegative = pydantic.Field(description="money/t")
    use: Share | None = pydantic.Field(
        default=None, description="share that is used; absent: up to the limit where it is cheaper"
    )

    @pydantic.model_validator(mode="after")
    def _within_limit(self) -> Offsets:
        if self.use is not None and self.use > self.limit:
            raise ValueError(f"use {self.use:g} is above the limit {self.limit:g}")
        return self


class CarbonPrice(Rule):
    """A price on emissions, with allowances auctioned, given as a lump sum, or by output.

    With emission rate e, benchmark b [t/MWh], price tau and a share k of allowances given by
    output, one more MWh emits e and earns ``a = k b F``. Auctioned and lump-sum allowances move
    with nothing a unit does: an allowance used is an allowance not sold. It lacks ``d = e - a``,
    of which ``w`` is waived:

    * with a cap on deficits c, what exceeds ``c e`` (or ``c a``): ``d - w = min(d, c e)``;
    * where deficits are exempt, all that is above zero: ``d - w = min(d, 0)``, surplus is kept.

    Both act on what remains after the allowances earned, so that in a mixture they relieve the
    auctioned part as well. Of what is to be surrendered, ``e - w``, a share s may be met with
    offsets at price p: s is the limit where p is below tau, else 0, or what `use` says. In all

        adder = tau (d - w - s (e - w)) + s p (e - w),

    with offsets and nothing waived ``tau ((1 - s) e - a) + s p e``.

    Parameters
    ----------
    price : float, default 0
        tau [money/t].
    allow_negative : bool, default False
        Whether tau may be below zero.
    allocation : str or dict of str to float
        "output_based" (default), "auction" or "lump_sum"; or shares of these that add up to 1.
    offered : bool, default True
        Whether generators may put the carbon cost into their offers.
    correction : float, default 1
        Correction factor F on the benchmark [1].
    free_share : float, default 1
        Lump-sum allowances as a share of reference emissions [1].
    reference_load_factor : float, default 0.5
        Output that reference emissions assume, as a share of capacity [1]; a constant, so that a
        lump sum depends on nothing a unit does.
    benchmarks : str or dict of str to float, optional
        Benchmarks by class of unit [t per net MWh]: a set that comes with powermkt
        ("china_2019_2020", "china_2021", "china_2022", `classes.benchmark_table`), or a mapping.
        `generators.benchmark_class` says the class, `generators.own_use` what a plant uses
        itself. Default: `generators.benchmark`.
    deficit_cap : float, optional
        Largest deficit, as a share of the base [1].
    deficit_base : {"emissions", "allocation"}
        What the cap is a share of: emissions e, or allowances earned a.
    exempt_deficits : list of str
        Carriers or generators that need not buy allowances.
    offsets : Offsets, optional
        limit [1], price [money/t], use [1].
    path : dict of str to float, optional
        Multiple of the price by year, quarter, month or day ("2022", "2022Q1", "2022-01",
        "2022-01-31"); every snapshot lies in exactly one of them.
    regions : dict of str to float, optional
        Multiple of the price by province; others pay nothing and are given nothing. Default: 1
        everywhere.
    surplus : {"sold", "banked"}
        What becomes of allowances left over at the end of a compliance period; in the ledger a bank
        is worth nothing until it is drawn.
    """

    role: ClassVar[Role] = "carbon"
    price: float = pydantic.Field(default=0.0, allow_inf_nan=False)
    allow_negative: bool = False
    allocation: Annotated[_Name | _Shares, pydantic.Discriminator(_kind)] = "output_based"
    offered: bool = True
    correction: float = pydantic.Field(default=1.0, ge=0, allow_inf_nan=False)
    free_share: Share = 1.0
    reference_load_factor: Share = 0.5
    benchmarks: Annotated[_Name | _Values, pydantic.Discriminator(_kind)] | None = None
    deficit_cap: NonNegative | None = None
    deficit_base: Literal["emissions", "allocation"] = "emissions"
    exempt_deficits: list[str] = pydantic.Field(default_factory=list)
    offsets: Offsets | None = None
    path: Annotated[dict[str, NonNegative] | None, pydantic.BeforeValidator(_text_keys)] = (
        pydantic.Field(default=None, min_length=1)
    )
    regions: dict[str, NonNegative] | None = pydantic.Field(default=None, min_length=1)
    surplus: Literal["sold", "banked"] = "sold"

    @pydantic.field_validator("allocation")
    @classmethod
    def _known_shares(cls, value: str | dict[str, float]) -> str | dict[str, float]:
        names = [value] if isinstance(value, str) else list(value)
        for name in names:
            if name not in ALLOCATIONS:
                raise ValueError(f"unknown allocation {name!r}: {nearest(name, ALLOCATIONS)}")
        if isinstance(value, dict) and abs(sum(value.values()) - 1) > 1e-9:
            raise ValueError(f"shares add up to {sum(value.values()):g}, not to 1")
        return value

    @pydantic.field_validator("benchmarks")
    @classmethod
    def _known_set(cls, value: str | dict[str, float] | None) -> str | dict[str, float] | None:
        if isinstance(value, str) and value not in benchmark_sets():
            raise ValueError(f"unknown set {value!r}: {nearest(value, benchmark_sets())}")
        return value

    @pydantic.field_validator("path")
    @classmethod
    def _known_periods(cls, value: dict[str, float] | None) -> dict[str, float] | None:
        for key in value or {}:
            as_period(key)
        return value

    @pydantic.model_validator(mode="after")
    def _consistent(self) -> CarbonPrice:
        if self.price < 0 and not self.allow_negative:
            raise ValueError(
                f"price {self.price:g} should be greater than or equal to 0, "
                "or allow_negative should be true"
            )
        relief = self.deficit_cap is not None or bool(self.exempt_deficits)
        if relief and not self.share("output_based"):
            raise ValueError(
                "deficit_cap and exempt_deficits are of output_based allocation, "
                f"which {self.allocation!r} has none of"
            )
        return self

    def share(self, kind: str) -> float:
        """Share of allowances that is given out in one way [1]."""
        if isinstance(self.allocation, str):
            return float(self.allocation == kind)
        return self.allocation.get(kind, 0.0)

    # ---- what a case lacks -------------------------------------------------------------------

    def faults(self, case: Case) -> list[Fault]:
        """Name classes, provinces, carriers, units and snapshots that do not match the case."""
        table, where = case.generators, f"{case.name}: CarbonPrice"
        found = []
        if self.benchmarks is not None and self.share("output_based"):
            found += class_benchmarks(self._obliged(case), self._values, case.name)[1]
        known = {*table["carrier"], *table.index}
        found += [
            Fault(f"{where}.exempt_deficits", f"{name!r} is no carrier or generator",
                  nearest(name, known))
            for name in self.exempt_deficits if name not in known
        ]  # fmt: skip
        provinces = set(case.provinces)
        found += [
            Fault(f"{where}.regions", f"unknown province {name!r}", nearest(name, provinces))
            for name in self.regions or {} if name not in provinces
        ]  # fmt: skip
        if self.path is not None:
            found += cover_faults(self.path, case.snapshots, f"{where}.path")
        endless = table.index[np.isinf(table["p_nom"]) & (table["emission_rate"] > 0)]
        if self.share("lump_sum") and len(endless):
            what = f"infinite p_nom of {name_list(endless)}: a lump sum is a share of capacity"
            found.append(Fault(f"{where}.allocation", what, "give capacities"))
        return found

    @property
    def _values(self) -> dict[str, float]:
        """Benchmarks by class [t per net MWh]."""
        if isinstance(self.benchmarks, str):
            return benchmark_sets()[self.benchmarks]
        return self.benchmarks or {}

    # ---- who pays how much of the price ------------------------------------------------------

    def multiples(self, case: Case) -> pd.Series:
        """Multiple of the price in each province, 0 outside the scheme [1]."""
        names = pd.Index(case.provinces.unique())
        if self.regions is None:
            return pd.Series(1.0, index=names)
        return pd.Series(self.regions, dtype=float).reindex(names, fill_value=0.0)

    def over_time(self, case: Case) -> pd.Series:
        """Multiple of the price in each snapshot [1]."""
        if self.path is None:
            return pd.Series(1.0, index=case.snapshots)
        assert isinstance(case.snapshots, pd.DatetimeIndex)  # as `faults` asks for
        return over_time(self.path, case.snapshots)

    def by_province(self, case: Case) -> pd.DataFrame:
        """Multiple of the price, [snapshot x province]."""
        regional = self.multiples(case)
        outer = np.outer(self.over_time(case), regional)
        return pd.DataFrame(outer, index=case.snapshots, columns=regional.index)

    def by_generator(self, case: Case) -> pd.DataFrame:
        """Multiple of the price, [snapshot x generator]."""
        provinces = case.generators["province"]
        outer = np.outer(self.over_time(case), self.multiples(case).loc[provinces])
        return pd.DataFrame(outer, index=case.snapshots, columns=provinces.index)

    def _obliged(self, case: Case) -> pd.DataFrame:
        """Generators in provinces that have the price."""
        table = case.generators
        return table[table["province"].map(self.multiples(case)) > 0]

    # ---- what one more MWh takes -------------------------------------------------------------

    def _earned(self, case: Case) -> pd.Series:
        """Allowances that one more MWh earns [t/MWh]."""
        share, table = self.share("output_based"), case.generators
        if not share:
            return pd.Series(0.0, index=table.index)
        benchmark = table["benchmark"]
        if self.benchmarks is not None:
            benchmark = class_benchmarks(table, self._values, case.name)[0]
        return share * self.correction * benchmark

    def _waived(self, case: Case, earned: pd.Series) -> pd.Series:
        """What of the emissions of one more MWh need not be covered [t/MWh]."""
        table = case.generators
        emitted = table["emission_rate"]
        lacking = emitted - earned
        left = lacking
        if self.deficit_cap is not None:
            base = emitted if self.deficit_base == "emissions" else earned
            left = left.clip(upper=self.deficit_cap * base)
        exempt = table["carrier"].isin(self.exempt_deficits)
        exempt |= table.index.isin(self.exempt_deficits)
        left = left.mask(exempt, left.clip(upper=0.0))
        return lacking - left

    def _offset_share(self, case: Case) -> pd.DataFrame:
        """Share of what is to be surrendered that offsets meet, [snapshot x generator]."""
        multiple = self.by_generator(case)
        if self.offsets is None:
            return 0.0 * multiple
        if self.offsets.use is None:
            return self.offsets.limit * (self.offsets.price < self.price * multiple)
        obliged = case.generators.index.isin(self._obliged(case).index)
        return 0.0 * multiple + self.offsets.use * obliged

    def exposure(self, case: Case) -> pd.DataFrame:
        """Net allowances that one more MWh takes, times the multiples of path and regions.

        The derivative of the adder by the price, at offsets that stay what they are.

        Returns
        -------
        DataFrame [snapshot x generator], t/MWh
        """
        lacking, surrendered = self._lacking(case)
        if self.offsets is None:
            return self.by_generator(case) * lacking
        return self.by_generator(case) * (lacking - self._offset_share(case) * surrendered)

    def adder(self, case: Case) -> pd.DataFrame:
        """Carbon cost of one more MWh, [snapshot x generator] in money/MWh."""
        cost = self.price * self.exposure(case)
        if self.offsets is None:
            return cost
        _, surrendered = self._lacking(case)
        return cost + self.offsets.price * (self._offset_share(case) * surrendered)

    def _lacking(self, case: Case) -> tuple[pd.Series, pd.Series]:
        """Allowances that one more MWh lacks, and those to be surrendered for it [t/MWh]."""
        emitted, earned = case.generators["emission_rate"], self._earned(case)
        waived = self._waived(case, earned)
        return emitted - earned - waived, emitted - waived

    def exposures(self, case: Case) -> Adders:
        """Return the exposure of generators."""
        return {"Generator-p": self.exposure(case)}

    def offer(self, case: Case) -> Adders:
        """Add the carbon cost to offers, if the regime lets it in."""
        if not self.offered or (self.price == 0 and self.offsets is None):
            return {}
        return {"Generator-p": self.adder(case)}

    def cleared_as(self) -> dict[str, object]:
        """Return what of the rule a clearing depends on.

        Auctioned and lump-sum allowances are offered alike, and a price that nobody may offer moves
        nothing, unless it says whether offsets take the place of allowances.
        """
        content = self.model_dump()
        content["allocation"] = self.share("output_based")
        for name in ("free_share", "reference_load_factor", "surplus"):
            del content[name]
        if not self.offered and self.offsets is None:
            del content["price"]
        return content

    # ---- compliance --------------------------------------------------------------------------

    def position(self, cleared: Cleared) -> compliance.Position:
        """What units owe and hold, of those that emit or are given allowances."""
        case = cleared.case
        dispatch, table = cleared.outcome.dispatch, self._obliged(case)
        earned = self._earned(case)
        waived = self._waived(case, earned)
        held = (table["emission_rate"] > 0) | (earned[table.index] > 0)
        names = table.index[held | (table["allowance_bank"] > 0)]
        table, dispatch = table.loc[names], dispatch[names]
        emitted = table["emission_rate"]
        # A capacity without end has no share that could be given away.
        reference = (emitted * table["p_nom"]).where(np.isfinite(table["p_nom"]), 0.0)
        lump = self.share("lump_sum") * self.free_share * self.reference_load_factor
        return compliance.Position(
            emissions=dispatch * emitted,
            allocation=dispatch * earned[names] + lump * reference,
            waived=dispatch * waived[names],
            offsets=dispatch * (emitted - waived[names]) * self._offset_share(case)[names],
            price=self.price * self.by_generator(case)[names],
            market=table["province"].map(self.multiples(case)),
            offset_price=0.0 if self.offsets is None else self.offsets.price,
            banked=self.surplus == "banked",
        )

    def account(self, cleared: Cleared) -> pd.DataFrame:
        """What units surrender, bank, buy and sell, as `compliance.account`."""
        return compliance.account(cleared.case, self.position(cleared))

    def settle(self, ledger: Ledger, cleared: Cleared) -> None:
        """Units trade allowances with each other and the carbon fund, and buy offsets."""
        if self.price == 0 and self.offsets is None:
            return
        held = self.position(cleared)
        table = compliance.account(cleared.case, held)
        compliance.settle(ledger, cleared.case, held, table)
