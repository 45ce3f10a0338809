"""Files that users give: YAML read safely and within bounds, and files that a file names.

A file may come from somebody else, so nothing in it is executed, and it opens nothing outside its
own folder. Paths on the command line and in Python calls are the user's own and lead anywhere.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from powermkt.errors import Fault, InputError, name_list

_MOST_BYTES = 2_000_000
_MOST_VALUES = 100_000  # with aliases written out: nine lines of them may stand for a billion
_DEEPEST = 50
_TAGS = {f"tag:yaml.org,2002:{kind}" for kind in (
    "map", "seq", "str", "int", "float", "bool", "null", "timestamp", "merge", "value",
)}  # fmt: skip
_DIGITS = 40  # of a whole number


class _Loader(yaml.SafeLoader):
    """Gives up at once on what is too deep or too long, however much is still to come."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._depth = self._count = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        self._depth += 1
        self._count += 1
        if self._depth > _DEEPEST or self._count > _MOST_VALUES:
            raise RecursionError
        node: yaml.Node | None = super().compose_node(parent, index)
        self._depth -= 1
        return node


def load_yaml(path: Path) -> dict[str, Any]:
    """Read a YAML mapping safely.

    Raises
    ------
    InputError
        If there is no such file, it is no mapping of texts to values, is larger or deeper than
        such files are (2 MB, 100,000 values, 50 levels), states a key twice, or refers to itself.
    """
    text = _text(path)
    faults: list[Fault] = []
    content = None
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        if node is not None:
            faults = _faults(node, str(path))
            content = None if faults else loader.construct_document(node)
    except RecursionError:
        what = f"is deeper than {_DEEPEST} levels, or states more than {_MOST_VALUES:,} values"
        remedy = "keep series and long tables in CSV files"
        raise InputError([Fault(str(path), what, remedy)]) from None
    except (yaml.YAMLError, ValueError, OverflowError, TypeError, AttributeError) as error:
        # PyYAML's own, and whatever its making of values raises
        detail = " ".join(str(error).split())[:300]
        raise InputError([Fault(str(path), f"is no valid YAML: {detail}", "mend it")]) from None
    if faults:
        raise InputError(faults)
    if content is None:
        return {}
    if not isinstance(content, dict) or not all(isinstance(key, str) for key in content):
        raise InputError([Fault(str(path), "is no mapping of keys", "write `key: value` lines")])
    return content


def read_parquet(path: Path) -> pd.DataFrame:
    """Read a table.

    Raises
    ------
    OSError, ValueError
        If it cannot be read. What else Arrow and pandas raise, as KeyError where metadata make no
        sense, is a ValueError here.
    """
    try:
        return pd.read_parquet(path)
    except (OSError, ValueError, MemoryError):
        raise
    except Exception as error:
        raise ValueError(f"{type(error).__name__}: {error}") from None


def _text(path: Path) -> str:
    """Text of a file that is not larger than such files are."""
    try:
        if path.exists() and not path.is_file():  # a pipe or a device may never end
            raise InputError([Fault(str(path), "is no file", "name a YAML file")])
        with path.open("rb") as file:
            data = file.read(_MOST_BYTES + 1)
        if len(data) > _MOST_BYTES:
            what = f"is larger than {_MOST_BYTES / 1e6:g} MB"
            raise InputError([Fault(str(path), what, "keep series and long tables in CSV files")])
        return data.decode("utf-8")
    except (OSError, ValueError) as error:  # names that no file can have are ValueErrors
        place, detail = str(path)[:300], str(error)[:300]
        raise InputError([Fault(place, f"cannot be read: {detail}", "check the file")]) from None


def _faults(root: yaml.Node, where: str) -> list[Fault]:
    """Return what is wrong with a document before it is built: size, depth, keys that repeat."""
    sizes: dict[int, int] = {}
    open_nodes: set[int] = set()
    faults: list[Fault] = []

    def size(node: yaml.Node, depth: int) -> int:
        known = sizes.get(id(node))
        if known is not None:
            return known
        line = node.start_mark.line + 1
        if id(node) in open_nodes:
            raise InputError([Fault(f"{where}: line {line}", "refers to itself", "write it out")])
        if depth > _DEEPEST:
            raise RecursionError
        kind = node.tag.rpartition(":")[2]
        if node.tag not in _TAGS:
            faults.append(
                Fault(f"{where}: line {line}", f"tag {node.tag[:80]!r}", "write plain values")
            )
        elif kind == "int" and len(node.value) > _DIGITS:
            what = f"a number of {len(node.value)} digits"
            faults.append(Fault(f"{where}: line {line}", what, "write a smaller one"))
        open_nodes.add(id(node))
        total = 1
        if isinstance(node, yaml.MappingNode):
            seen: set[tuple[str, str]] = set()
            for key, value in node.value:
                if isinstance(key, yaml.ScalarNode):
                    if (key.tag, key.value) in seen:
                        at = f"{where}: line {key.start_mark.line + 1}"
                        faults.append(Fault(at, f"key {key.value[:80]!r} stands twice", "keep one"))
                    seen.add((key.tag, key.value))
                total += size(key, depth + 1) + size(value, depth + 1)
        elif isinstance(node, yaml.SequenceNode):
            total += sum(size(item, depth + 1) for item in node.value)
        open_nodes.discard(id(node))
        sizes[id(node)] = total
        return total

    if size(root, 0) > _MOST_VALUES:
        what = f"states more than {_MOST_VALUES:,} values"
        faults.append(Fault(where, what, "keep series and long tables in CSV files"))
    return faults


def is_file(path: Path) -> bool:
    """Whether there is such a file; False for names that no file can have."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def beside(folder: Path, name: str, where: str) -> Path:
    """Path of a file that another file names: in the folder of that one, or below it.

    Parameters
    ----------
    folder : Path
        Of the file that names it.
    name : str
        Relative to that folder.
    where : str
        What names it, for the message.

    Raises
    ------
    InputError
        If it leads out of the folder, also by a symbolic link.
    """
    try:
        path = folder / name
        if path.resolve().is_relative_to(folder.resolve()):
            return path
    except (OSError, ValueError, RuntimeError):  # no name of a file, or links in a circle
        raise InputError(
            [Fault(where, f"{name[:80]!r} is no name of a file", "name a file in the folder")]
        ) from None
    what = f"{name[:200]!r} lies outside {name_list([folder.resolve()])}"
    remedy = "files name files in their own folder: put it there, or name it on the command line"
    raise InputError([Fault(where, what, remedy)])
