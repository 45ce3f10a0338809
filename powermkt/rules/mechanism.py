"""The price that renewables are assured of outside the market they sell in."""

from __future__ import annotations

from typing import Any, Literal

import pandas as pd
import pydantic

from powermkt.common.values import Share
from powermkt.errors import Fault, nearest
from powermkt.inputs.case import Case
from powermkt.inputs.check import USER_CLASSES
from powermkt.inputs.contractbook import Contract, Finite
from powermkt.rules.base import grid_company
from powermkt.rules.contract import ContractRule
from powermkt.rules.counterparties import Parties, Side
from powermkt.rules.deals import Agreed
from powermkt.rules.plant import all_plant


class MechanismPrice(ContractRule):
    """A two-way contract for difference outside the market, with the grid company for users.

    A plant sells all it gives in the market. For a share of its output the grid company of its
    province pays it the mechanism price less the mean market price of its carrier in the
    province and month, weighted by output, or takes what that is above; users of the province bear
    it per MWh they use. This is how wind and solar plant is settled in China since 2025
    (the mechanism of price settlement for sustainable development, document 136/2025: recalled).

    Parameters
    ----------
    price : float or "tariff", or a dict of them
        Mechanism price, or the tariff of each plant [money/MWh].
    share : float or dict
        Share of output that it holds for [1]. As in `price`, a dict states it by
        `carrier@province`, province or carrier, the first of these that is found counting.
    carriers : list of str, optional
        Whose plant has it; default: wind and solar.
    users : list of str
        Classes of users who bear it; all users of a province where none of these is in it.
    market : {"day_ahead", "real_time"}
        Whose price counts where a day is settled twice.
    """

    price: Finite | Literal["tariff"] | dict[str, Finite | Literal["tariff"]] = "tariff"
    share: Share | dict[str, Share] = 1.0
    carriers: list[str] | None = None
    users: list[str] = pydantic.Field(
        default_factory=lambda: ["industrial_commercial", "energy_intensive"]
    )
    market: Literal["day_ahead", "real_time"] = "day_ahead"

    def faults(self, case: Case) -> list[Fault]:
        """Name carriers, provinces and classes that there are none of."""
        parties = Parties(case)
        carriers = {*parties.plant["carrier"]} - {""}
        keys = {*carriers, *parties.provinces}
        keys |= {f"{carrier}@{place}" for carrier in carriers for place in parties.provinces}
        said = [
            ("carriers", self.carriers or [], carriers),
            ("users", self.users, set(USER_CLASSES)),
            ("price", self.price if isinstance(self.price, dict) else {}, keys),
            ("share", self.share if isinstance(self.share, dict) else {}, keys),
        ]
        return super().faults(case) + [
            Fault(f"MechanismPrice.{key}", f"unknown name {name!r}", nearest(name, valid))
            for key, given, valid in said
            for name in given
            if name not in valid
        ]

    def agreed(self, case: Case) -> list[Agreed]:
        """Return one contract for each carrier of a province."""
        plant, users = all_plant(case), case.loads
        chosen = self.carriers
        if chosen is None:
            chosen = [*(case.carriers.wind or []), *(case.carriers.solar or [])]
        found = []
        kinds = plant.loc[plant["carrier"].isin(chosen), ["province", "carrier"]]
        for province, carrier in kinds.drop_duplicates().itertuples(index=False):
            company = grid_company(province)
            contract = Contract(
                name=f"mechanism price {carrier} {province}",
                kind="cfd",
                seller=f"{carrier}@{province}",
                buyer=company,
                share=_stated(self.share, province, carrier, 0.0),
                price=_stated(self.price, province, carrier, "tariff"),
                reference="technology",
                market=self.market,
            )
            seller = Side(kinds.index[(kinds == [province, carrier]).all(axis=1)], "plant")
            here = users[users["province"] == province]
            bearing = here[here["user_class"].isin(self.users)]
            bearing = here if bearing.empty else bearing
            if bearing.empty:  # nobody uses anything here: the company bears it
                found.append(Agreed(contract, seller, Side(pd.Index([company]), "account")))
            else:
                found.append(Agreed(contract, seller, Side(bearing.index, "users"), company))
        return found


def _stated(given: Any, province: str, carrier: str, absent: Any) -> Any:
    """What is stated for a carrier of a province."""
    if not isinstance(given, dict):
        return given
    keys = (f"{carrier}@{province}", province, carrier)
    return next((given[key] for key in keys if key in given), absent)
