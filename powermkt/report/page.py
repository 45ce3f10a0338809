"""One HTML file of results, which works without a network and without powermkt."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from importlib import metadata
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd
import plotly.io
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from powermkt.errors import Fault, InputError, StorageError
from powermkt.report.content import Content, Section, View
from powermkt.report.folders import Folders, of_study, read_folders
from powermkt.report.sections import SECTIONS
from powermkt.report.source import Shown, check_language, named

_UNIT = re.compile(r"\([^()]*\)$")
_NUMBER = re.compile(r"[+-]?[\d,.]*(e[+-]\d+)?%?")
_RADIOS = 8  # values of a switch; of more there is a list


@dataclass(frozen=True)
class Report:
    """A page.

    Attributes
    ----------
    html : str
    sections : list of str
        Names of what it holds.
    missing : list of str
        Tables that these results should have and do not; the page says so.
    repeated : dict of str to list of str
        Tables of a folder that the page does not show since another folder before it has them.
    """

    html: str = field(repr=False)
    sections: list[str]
    missing: list[str]
    repeated: dict[str, list[str]]

    def write(self, file: str | Path) -> Path:
        """Write it into a file, which appears complete or not at all.

        Raises
        ------
        InputError
            If it is a folder.
        StorageError
            If it cannot be written.
        """
        target = Path(file)
        if target.is_dir():
            raise InputError([Fault(str(file), "is a folder", "name a file for the page")])
        work = target.with_name(f".{target.name}-part")
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            work.write_text(self.html, encoding="utf-8")
            work.replace(target)
        except OSError as error:
            with suppress(OSError):
                work.unlink(missing_ok=True)
            raise StorageError(f"{target}: cannot be written: {error.strerror or error}") from error
        return target


def report_of(source: Any, language: str = "en") -> Report:
    """Make a page of results.

    Parameters
    ----------
    source : str or Path, sequence of them, or a comparison or study
        Folders that commands, or `to_parquet`, wrote; the first that has a table gives it.
    language : {"en", "zh"}

    Raises
    ------
    InputError
        As `read_folders`, and for a language that there is not.
    """
    check_language(language)
    if isinstance(source, str | Path):
        found = read_folders([source])
    elif isinstance(source, Sequence):
        found = read_folders(source)
    else:
        found = Folders(of_study(source), _record_of(source))
    return _page(found, language)


def _record_of(source: Any) -> dict[str, Any]:
    for part in (source, getattr(source, "comparison", None)):
        if callable(record := getattr(part, "record", None)):
            found: dict[str, Any] = record()
            return found
    return {"versions": {"powermkt": metadata.version("powermkt")}}


def _page(found: Folders, language: str) -> Report:
    record = found.record
    shown = named(found.tables, language, record)
    shown = replace(shown, template={})
    words = shown.words
    there: list[dict[str, Any]] = []
    absent: dict[str, list[str]] = {}
    missing = [name for names in found.incomplete.values() for name in names]
    for section in SECTIONS:
        lacking = [name for name in section.needs if name not in found.tables]
        content = Content() if lacking else section.make(shown, record)
        if content.views or content.table is not None or content.texts:
            there.append(_laid_out(section, content, shown, _horizon(section, found)))
        elif lacking and section.by:
            absent.setdefault(section.by, []).append(words(section.heading))
            if section.by == "compare" and "comparison" in found.tables:
                missing += [name for name in lacking if name not in missing]
    if "comparison" not in found.tables:
        absent.pop("compare", None)
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("powermkt.report", "."), autoescape=True,
        trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined,
    )  # fmt: skip
    template = plotly.io.templates["plotly_white"].to_plotly_json()
    html = environment.get_template("page.html.j2").render(
        language="zh-CN" if language == "zh" else "en", words=words, sections=there,
        title=str(record.get("case", record.get("network", "powermkt"))), missing=missing,
        absent=absent, repeated=found.repeated, plotly=get_plotlyjs(), radios=_RADIOS,
        template=_plain(json.dumps(template)), version=metadata.version("powermkt"),
    )  # fmt: skip
    return Report(html, [item["name"] for item in there], missing, found.repeated)


def _laid_out(section: Section, content: Content, shown: Shown, note: str) -> dict[str, Any]:
    words = shown.words
    return {
        "name": section.name, "heading": words(section.heading), "lead": words.lead(section.name),
        "note": note and f"{words('comes from')} {note}", "table": _headed(content.table),
        "texts": content.texts, "switches": _switches(content.views),
        "settled": _settled(content.views),
        "views": _embedded(content.views),
        "height": _height(content.views), "numeric": _numeric(content.table),
    }  # fmt: skip


def _height(views: list[View]) -> int:
    """Height of the first figure, so that nothing moves when it is drawn."""
    return int(views[0].figure["layout"]["height"]) if views else 0


def _numeric(table: pd.DataFrame | None) -> list[bool]:
    """Columns of numbers stand to the right."""
    if table is None:
        return []
    return [all(_NUMBER.fullmatch(str(value)) for value in table[name]) for name in table]


def _horizon(section: Section, found: Folders) -> str:
    """Folder and horizon of a section, where the horizon is not the first folder's."""
    if not section.needs or not found.origin:
        return ""
    folder, first = found.origin[section.needs[0]], next(iter(found.horizons))
    mine, others = (_spans(found.horizons[name]) for name in (folder, first))
    if mine == others:
        return ""
    return f"{folder}: {', '.join(mine) or '-'}"


def _spans(windows: Mapping[str, Any]) -> list[str]:
    return [f"{str(item['from'])[:10]} - {str(item['to'])[:10]}" for item in windows.values()]


def _settled(views: list[View]) -> dict[str, str]:
    """What all views of a section have in common, so that no switch says it."""
    first = views[0].choice if views else {}
    return {name: value for name, value in first.items()
            if all(view.choice.get(name) == value for view in views)}  # fmt: skip


def _headed(table: pd.DataFrame | None) -> pd.DataFrame | None:
    """A table whose units do not break where its headings do."""
    if table is None:
        return None
    return table.rename(
        columns=lambda name: _UNIT.sub(lambda it: it[0].replace(" ", "\u00a0"), name)
    )


def _switches(views: list[View]) -> dict[str, list[str]]:
    """What can be switched, with its values in their order; only where there are several."""
    found: dict[str, list[str]] = {}
    for view in views:
        for name, value in view.choice.items():
            if value not in found.setdefault(name, []):
                found[name].append(value)
    return {name: values for name, values in found.items() if len(values) > 1}


def _embedded(views: list[View]) -> list[dict[str, Markup]]:
    found = []
    for view in views:
        plot = view.figure if isinstance(view.figure, dict) else view.figure.to_plotly_json()
        plot["layout"].pop("template", None)  # once for the page
        found.append(
            {"choice": _plain(json.dumps(view.choice, ensure_ascii=False)),
             "figure": _plain(plotly.io.json.to_json_plotly(plot)),
             "csv": _safe(view.data.to_csv(index=False, float_format="%.7g"))}
        )  # fmt: skip
    return found


def _plain(text: str) -> Markup:
    """JSON for the inside of a script element: there `<` stands in strings alone."""
    return Markup(text.replace("<", "\\u003c"))


def _safe(text: str) -> Markup:
    """Text for the inside of a script element, which no text in it can close."""
    return Markup(text.replace("</", "<\\/").replace("<!--", "<\\!--"))
