"""A YAML file as entries that know their place, so that every complaint can name file, line and key.

Nothing here knows what a topology is. Scalars keep their text as written: ``port: 05672`` asked for as a
string stays ``05672``, and ``1:30`` never becomes 90.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from quorate.lib.problem import Problem

# A topology has some hundreds of entries. The bound stops a small file that aliases expand into millions.
MAX_ENTRIES = 50_000

_TAG = "tag:yaml.org,2002:"
_WORDS = {
    "map": "a mapping",
    "seq": "a list",
    "str": "a string",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "null": "empty",
    "timestamp": "a date",
}


_SCALARS = {"str", "int", "float", "bool", "null", "timestamp"}


@dataclass(frozen=True)
class Place:
    """Where something stands: the file, its line (from 1) and the dotted key."""

    file: str
    line: int
    key: str = ""

    def problem(self, sentence: str) -> Problem:
        """A :class:`Problem` of one sentence that starts with this place."""
        return Problem(f"{self}: {sentence}")

    def below(self, key: str, line: int) -> Place:
        """The place of *key* inside this one."""
        shown = key if key.isprintable() else repr(key)
        dot = "." if self.key and not shown.startswith("[") else ""
        return Place(self.file, line, f"{self.key}{dot}{shown}")

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.key}" if self.key else f"{self.file}:{self.line}"


@dataclass(frozen=True)
class Entry:
    """One value of the file: a scalar (``text``), a mapping (``items``) or a list (``elements``)."""

    place: Place
    kind: str
    text: str = ""
    items: dict[str, Entry] = field(default_factory=dict)
    elements: tuple[Entry, ...] = ()
    content_line: int = 0
    """The line (from 1) on which a scalar's text begins: one below its key for a ``|`` block."""

    def wrong(self, wanted: str) -> Problem:
        """The complaint about a value of the wrong type."""
        if self.kind in ("map", "seq", "null"):
            return self.place.problem(f"must be {wanted}, not {_WORDS[self.kind]}")
        return self.place.problem(f"must be {wanted}, not {self.text!r} ({_WORDS[self.kind]})")

    def mapping(self, allowed: Iterable[str] | None = None, what: str = "key") -> dict[str, Entry]:
        """The items of a mapping (an empty value is an empty mapping); every key must be in *allowed*."""
        if self.kind == "null":
            return {}
        if self.kind != "map":
            raise self.wrong("a mapping")
        if allowed is not None:
            known = list(allowed)
            for key, item in self.items.items():
                if key not in known:
                    raise item.place.problem(f"unknown {what} {key!r}{suggest(key, known)}")
        return self.items

    def sequence(self, wanted: str = "a list") -> tuple[Entry, ...]:
        """The elements of a list."""
        if self.kind != "seq":
            raise self.wrong(wanted)
        return self.elements

    def string(self, wanted: str = "a string") -> str:
        """The text of a string; a number or a boolean is not one."""
        if self.kind != "str":
            raise self.wrong(wanted + self._quote_hint())
        if not self.text:
            raise self.place.problem("must not be empty")
        return self.text

    def scalar(self, wanted: str = "a single value") -> str:
        """The text of any scalar as it was written (``5672``, ``true``, ``10s``)."""
        if self.kind in ("map", "seq", "null"):
            raise self.wrong(wanted)
        return self.text

    def _quote_hint(self) -> str:
        return " (write it in quotes)" if self.kind in ("bool", "int", "float", "timestamp") else ""


def suggest(word: str, known: Iterable[str]) -> str:
    """``; did you mean 'port'?``, or what is known when nothing is close."""
    candidates = list(known)
    lower = {name.lower(): name for name in candidates}
    close = difflib.get_close_matches(word.lower(), list(lower), n=1)
    if close:
        return f"; did you mean {lower[close[0]]!r}?"
    if 0 < len(candidates) <= 12:
        return f"; known here: {', '.join(candidates)}"
    return ""


def load(path: str | Path) -> Entry:
    """The root entry of the YAML file at *path*. Raises what :func:`read_text` and :func:`parse` raise."""
    return parse(read_text(path), str(path))


def read_text(path: str | Path) -> str:
    """The text of the file at *path*. Raises :class:`Problem` when it is missing, unreadable or not UTF-8."""
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise Problem(f"{path}: cannot be read: {error.strerror or error}") from None
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise Problem(f"{path}:{line}: is not UTF-8 text (byte 0x{data[error.start]:02x})") from None


def parse(text: str, file: str) -> Entry:
    """The root entry of YAML *text*; *file* is the name used in complaints.

    Raises :class:`Problem` for text that is not YAML, empty, more than one document, or has a duplicate key.
    """
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        if node is None:
            raise Problem(f"{file}: is empty")
        return _Converter(file).entry(node, Place(file, node.start_mark.line + 1))
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise Problem(f"{file}:{line}: is not YAML: a character that YAML does not allow") from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{file}:{mark.line + 1}" if mark else file
        raise Problem(f"{where}: is not YAML: {error.problem or error.context}") from None
    except RecursionError:
        raise Problem(f"{file}: is nested too deeply") from None


class _Converter:
    """Turns PyYAML's nodes into entries."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._open: set[int] = set()
        self._count = 0

    def entry(self, node: yaml.Node, place: Place) -> Entry:
        self._count += 1
        if self._count > MAX_ENTRIES:
            raise Problem(f"{self._file}: has more than {MAX_ENTRIES} entries")
        if id(node) in self._open:
            raise place.problem("an alias refers to the value that contains it")
        self._open.add(id(node))
        try:
            return self._convert(node, place)
        finally:
            self._open.discard(id(node))

    def _convert(self, node: yaml.Node, place: Place) -> Entry:
        if isinstance(node, yaml.MappingNode):
            return Entry(place, "map", items=dict(self._items(node, place)))
        if isinstance(node, yaml.SequenceNode):
            elements = tuple(
                self.entry(child, place.below(f"[{index}]", child.start_mark.line + 1))
                for index, child in enumerate(node.value)
            )
            return Entry(place, "seq", elements=elements)
        kind = node.tag.removeprefix(_TAG)
        if kind not in _SCALARS:
            raise place.problem(f"has the tag {node.tag!r}, which means nothing here")
        line = node.start_mark.line + (2 if getattr(node, "style", None) in ("|", ">") else 1)
        return Entry(place, kind, text=str(node.value), content_line=line)

    def _items(self, node: yaml.MappingNode, place: Place) -> Iterator[tuple[str, Entry]]:
        seen: dict[str, int] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                raise Place(place.file, line, place.key).problem("a key must be a single word")
            key = str(key_node.value)
            here = place.below(key, line)
            if key in seen:
                raise here.problem(f"duplicate key, first given on line {seen[key]}")
            seen[key] = line
            yield key, self.entry(value_node, here)
