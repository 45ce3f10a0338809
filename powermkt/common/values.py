"""Types and constants that data files, rules and tables share."""

from __future__ import annotations

from typing import Annotated, Any

import pydantic

HOURS_A_YEAR = 8760.0
NOISE_MW = 1e-3  # what is smaller comes from the tolerances of the solver and counts as nothing

NonNegative = Annotated[float, pydantic.Field(ge=0, allow_inf_nan=False)]
Share = Annotated[float, pydantic.Field(ge=0, le=1)]


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


# A list of names; one name stands for a list of it.
Names = Annotated[
    list[str], pydantic.BeforeValidator(_listed, json_schema_input_type=list[str] | str)
]


class Strict(pydantic.BaseModel):
    """A part of a data file: a frozen value; an unknown key is a fault."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)
