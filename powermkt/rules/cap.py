"""A limit on emissions, or on emissions per MWh, whose price the engine finds."""

from __future__ import annotations

from typing import Literal

import pandas as pd
import pydantic

from powermkt.errors import Fault, nearest
from powermkt.inputs.case import Case
from powermkt.rules.carbon import CarbonPrice


class CarbonCap(CarbonPrice):
    """Allowances that are scarce: their price is what makes the limit hold over the horizon.

    Say one of:

    * `cap`: emissions are at most so many tonnes. Under auction and lump-sum allocation the price
      is the shadow price of the limit: one more MWh costs ``e tau``. Where output earns allowances
      it costs ``(e - b F) tau``, while e counts: the price is higher, and no shadow price;
    * `intensity` r: emissions of covered plant are at most r for each MWh of it. One more MWh
      costs ``(e - r) tau``: a tradable performance standard with one benchmark;
    * `balance`: "allowances": no more is emitted than output earns, ``sum (e - b F) q <= 0``: a
      tradable performance standard with a benchmark for every class of plant.

    Parameters
    ----------
    cap : float, optional
        [t of the horizon].
    intensity : float, optional
        [t/MWh].
    balance : {"allowances"}, optional
    covers : {"emitting", "all"} or list of str, default "emitting"
        Whose MWh an intensity counts: carriers that emit, all, or the carriers named.
    ceiling : float, default 10,000
        Price at which the search ends [money/t].
    price : float
        Found by the engine; what is stated plays no part.

    Other parameters are those of `CarbonPrice`. A limit holds for what plant emits where the price
    is: imports that `ImportAdjustment` makes pay are not counted. What loosens an intensity or a
    balance (`deficit_cap`, `exempt_deficits`), or would say an intensity twice (`benchmarks`,
    `correction`), is refused.
    """

    cap: float | None = pydantic.Field(default=None, ge=0, allow_inf_nan=False)
    intensity: float | None = pydantic.Field(default=None, ge=0, allow_inf_nan=False)
    balance: Literal["allowances"] | None = None
    covers: Literal["emitting", "all"] | list[str] = "emitting"
    ceiling: float = pydantic.Field(default=10_000.0, gt=0, allow_inf_nan=False)

    @pydantic.model_validator(mode="after")
    def _one_limit(self) -> CarbonCap:
        said = [name for name in ("cap", "intensity", "balance") if getattr(self, name) is not None]
        if len(said) != 1:
            raise ValueError(f"states {' and '.join(said) or 'no limit'}: say one of cap, "
                             "intensity, balance")  # fmt: skip
        if self.cap is None and self.allocation != "output_based":
            raise ValueError(f"{said[0]} gives allowances by output: allocation is output_based")
        if self.intensity is None and self.covers != "emitting":
            raise ValueError("covers says whose MWh an intensity counts: leave it out")
        if self.cap is None and (self.exempt_deficits or self.deficit_cap is not None):
            raise ValueError(f"deficit_cap and exempt_deficits loosen {said[0]}: leave them out")
        if self.intensity is not None and (self.benchmarks is not None or self.correction != 1):
            raise ValueError("intensity is the benchmark: leave benchmarks and correction out")
        if not self.offered:
            raise ValueError("a price that is not offered moves no emissions: offered is true")
        return self

    def faults(self, case: Case) -> list[Fault]:
        """Name carriers that the case does not have."""
        found, known = super().faults(case), set(case.generators["carrier"])
        for name in self.covers if isinstance(self.covers, list) else ():
            if name not in known:
                remedy = nearest(name, known)
                found.append(Fault("CarbonCap.covers", f"unknown carrier {name!r}", remedy))
        return found

    @property
    def target(self) -> float:
        """What `counted` may add up to over the horizon [t]."""
        return 0.0 if self.cap is None else self.cap

    def counted(self, case: Case) -> pd.Series:
        """What one MWh of each generator adds to the sum that is limited [t/MWh]."""
        table = case.generators
        rate = table["emission_rate"] if self.cap is not None else self._lacking(case)[0]
        return rate.where(table["province"].map(self.multiples(case)) > 0, 0.0)

    def _earned(self, case: Case) -> pd.Series:
        if self.intensity is None:
            return super()._earned(case)
        table = case.generators
        # What is not covered earns what it emits: it neither pays nor gains.
        return table["emission_rate"].mask(self._covered(table), self.intensity)

    def _covered(self, table: pd.DataFrame) -> pd.Series:
        if self.covers == "all":
            return pd.Series(True, index=table.index)
        emitting = table.loc[table["emission_rate"] > 0, "carrier"]
        return table["carrier"].isin(emitting if self.covers == "emitting" else self.covers)
