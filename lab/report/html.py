"""HTML and SVG as values: an element is made in one place, and all that is not an element is escaped there."""

from __future__ import annotations

import re
from collections.abc import Iterable

_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;"}
_SPECIAL = re.compile("[&<>\"']")
# Not allowed in a document, and found in logs: control characters (a terminal's colours) and halves of characters.
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
_VOID = frozenset({"meta", "br"})


class Html(str):
    """Text that is already markup."""

    __slots__ = ()


Child = str | Iterable["Child"] | None
"""Markup, plain text (which is escaped), a sequence of both, or nothing."""


def escape(text: str) -> Html:
    """*text* as it may stand between tags and inside a quoted attribute; what no document may hold becomes U+FFFD."""
    return Html(_SPECIAL.sub(lambda match: _ENTITIES[match[0]], _FORBIDDEN.sub("\ufffd", text)))


def join(*children: Child) -> Html:
    """Everything in *children*, one after another."""
    parts: list[str] = []
    for child in children:
        if child is None:
            continue
        if isinstance(child, Html):
            parts.append(child)
        elif isinstance(child, str):
            parts.append(escape(child))
        else:
            parts.append(join(*child))
    return Html("".join(parts))


def tag(name: str, /, *children: Child, **attributes: str | float | None) -> Html:
    """The element *name*: ``class_`` is ``class``, other underscores are dashes; an attribute of None is left out."""
    said = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(_value(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    if name in _VOID:
        return Html(f"<{name}{said}>")
    return Html(f"<{name}{said}>{join(*children)}</{name}>")


def _value(value: str | float) -> str:
    return value if isinstance(value, str) else num(value)


def num(value: float) -> str:
    """A coordinate: one decimal, none when it is zero."""
    text = f"{value:.1f}"
    return text.removesuffix(".0") if text != "-0.0" else "0"
