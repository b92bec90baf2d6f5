"""Figures as a person reads them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

NONE = "\u2013"
"""Stands where there is no figure."""


def seconds(value: float | None) -> str:
    """A duration: three digits that mean something, ``0.41 s`` or ``12.3 s`` or ``287 s``."""
    if value is None:
        return NONE
    if abs(value) < 0.005:
        return "0 s"
    if abs(value) < 10:
        return f"{value:.2f} s"
    return f"{value:.1f} s" if abs(value) < 100 else f"{value:.0f} s"


def latency(value: float | None) -> str:
    """A response time given in seconds: ``3.4 ms``, ``240 ms``, ``1.20 s``."""
    if value is None:
        return NONE
    if value < 0.01:
        return f"{value * 1000:.1f} ms"
    return f"{value * 1000:.0f} ms" if value < 1 else seconds(value)


def since(value: float) -> str:
    """A moment, in seconds since the fault."""
    return f"{value:+.2f} s" if abs(value) < 10 else f"{value:+.1f} s"


def count(number: int, one: str, many: str = "") -> str:
    """``1 request``, ``12,000 requests``."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def listed(parts: Sequence[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}" if parts else ""


def ratio(value: float | None) -> str:
    """A factor: ``0.43`` after the sign of multiplication."""
    if value is None:
        return NONE
    return f"\u00d7{value:.2f}" if value < 10 else f"\u00d7{value:.0f}"


def figure(value: Any) -> str:
    """A checker's figure, whatever shape it has."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {figure(inner)}" for key, inner in value.items())
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(figure(inner) for inner in value) or NONE
    return NONE if value is None else str(value)


def figures(values: Mapping[str, Any]) -> str:
    """All of a checker's figures in one line."""
    return " · ".join(f"{key} {figure(value)}" for key, value in values.items())
