"""The study file of entry."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from powermkt.common.files import load_yaml
from powermkt.engine.regime import Regime, regime
from powermkt.errors import Fault, InputError, collected, validated
from powermkt.studies.candidates import EntryPlan
from powermkt.studies.entry import EntryStudy, entry
from powermkt.studies.studyfile import Study


class EntryFile(Study, EntryPlan):
    """A study file of entry: candidates, and what is varied."""

    @property
    def plan(self) -> EntryPlan:
        """The candidates, and how what enters is found."""
        return EntryPlan(**{key: getattr(self, key) for key in EntryPlan.model_fields})

    def beside(self, study: Path) -> list[Regime] | None:
        """Regimes of the file; those in files stand beside it."""
        faults: list[Fault] = []
        found = []
        for item in self.regimes or []:
            with collected(faults):
                found.append(regime(item, within=study.parent))
        if faults:
            raise InputError(faults)
        return found or None


def read_entry_file(path: Path) -> EntryFile:
    """Read a study file of entry; all its faults at once."""
    return validated(EntryFile, load_yaml(path), str(path))


def entry_of(
    case: Any, regimes: Any, prices: Any, *, plan: EntryPlan, **options: Any
) -> EntryStudy:
    """Find what enters, with what is cleared in the order of `compare`."""
    return entry(case, regimes, plan, prices, **options)
