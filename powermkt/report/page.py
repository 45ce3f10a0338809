"""One HTML file of results, which works without a network and without powermkt."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from powermkt.errors import Fault, InputError, StorageError
from powermkt.report.sections import SECTIONS, Content, View
from powermkt.report.words import LANGUAGES, Words

_RECORD = "record.json"


@dataclass(frozen=True)
class Report:
    """A page.

    Attributes
    ----------
    html : str
    sections : list of str
        Names of what it holds.
    missing : list of str
        Names of tables that the folder does not have and a section would need.
    """

    html: str = field(repr=False)
    sections: list[str]
    missing: list[str]

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


def read_results(folder: str | Path) -> tuple[dict[str, pd.DataFrame], dict[str, Any]]:
    """Read the tables and the record of a results folder.

    Raises
    ------
    InputError
        If it holds no results, results of another version, or tables that cannot be read: all that
        is wrong at once.
    """
    where = Path(folder)
    if not (where / _RECORD).is_file():
        what = "holds no results" if where.is_dir() else "is no folder"
        remedy = "name the folder that `powermkt compare` wrote (--out)"
        raise InputError([Fault(str(folder), what, remedy)])
    try:
        record = json.loads((where / _RECORD).read_text(encoding="utf-8"))
        version = str(record["versions"]["powermkt"])
    except (ValueError, KeyError, TypeError, UnicodeDecodeError) as error:
        fault = Fault(str(where / _RECORD), f"cannot be read: {error!r}", "make the results anew")
        if isinstance(error, KeyError):  # a study that compares no runs
            remedy = "name the folder of a comparison, or a study with one"
            fault = Fault(str(folder), "holds results that the page has no part for", remedy)
        raise InputError([fault]) from None
    here = metadata.version("powermkt")
    faults, tables = [], {}
    if version.split(".")[:2] != here.split(".")[:2]:
        what = f"is of powermkt {version}, this is {here}"
        faults.append(Fault(str(folder), what, "make the results anew, or use that version"))
    for file in sorted(where.glob("*.parquet")):
        try:
            tables[file.stem] = pd.read_parquet(file)
        except (OSError, ValueError) as error:
            faults.append(Fault(str(file), f"cannot be read: {error}", "make the results anew"))
    if faults:
        raise InputError(faults)
    return tables, record


def report_of(folder: str | Path, language: str = "en") -> Report:
    """Make a page of a results folder.

    Parameters
    ----------
    folder : str or Path
        What `powermkt compare` or `Comparison.to_parquet` wrote.
    language : {"en", "zh"}

    Raises
    ------
    InputError
        As `read_results`, and for a language that there is not.
    """
    if language not in LANGUAGES:
        fault = Fault("lang", f"no language {language!r}", f"one of {', '.join(LANGUAGES)}")
        raise InputError([fault])
    tables, record = read_results(folder)
    names: dict[str, str] = {}
    if "provinces" in tables:
        names = dict(tables["provinces"][["province", "name_zh"]].itertuples(index=False))
    words = Words(language, names)
    shown: list[dict[str, Any]] = []
    missing: list[str] = []
    for section in SECTIONS:
        lacking = [name for name in section.needs if name not in tables]
        missing += [name for name in lacking if name not in missing]
        content = Content() if lacking else section.make(tables, record, words)
        if content.views or content.table is not None or content.texts:
            shown.append(
                {"name": section.name, "heading": words(section.heading),
                 "lead": words.lead(section.name), "table": content.table, "texts": content.texts,
                 "switches": _switches(content.views), "views": _embedded(content.views),
                 "title": words(section.heading)}
            )  # fmt: skip
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("powermkt.report", "."), autoescape=True,
        trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined,
    )  # fmt: skip
    html = environment.get_template("page.html.j2").render(
        language="zh-CN" if language == "zh" else "en", title=str(record.get("case", "powermkt")),
        words=words, sections=shown, plotly=get_plotlyjs(), version=record["versions"]["powermkt"],
    )  # fmt: skip
    return Report(html, [item["name"] for item in shown], missing)


def _switches(views: list[View]) -> dict[str, list[str]]:
    """What can be switched, with its values in their order; only where there are several."""
    found: dict[str, list[str]] = {}
    for view in views:
        for name, value in view.choice.items():
            if value not in found.setdefault(name, []):
                found[name].append(value)
    return {name: values for name, values in found.items() if len(values) > 1}


def _embedded(views: list[View]) -> list[dict[str, str]]:
    return [
        {
            "choice": _plain(json.dumps(view.choice, ensure_ascii=False)),
            "figure": _plain(view.figure.to_json()),
            "csv": _safe(view.data.to_csv(index=False, float_format="%.9g")),
        }
        for view in views
    ]


def _plain(text: str) -> Markup:
    """JSON for the inside of a script element: there `<` stands in strings alone."""
    return Markup(text.replace("<", "\\u003c"))


def _safe(text: str) -> Markup:
    """Text for the inside of a script element, which no text in it can close."""
    return Markup(text.replace("</", "<\\/").replace("<!--", "<\\!--"))
