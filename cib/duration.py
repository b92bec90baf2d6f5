"""Times as Pacemaker and the agents write them: ``20``, ``20s``, ``500ms``, ``2m``, ``2min``, ``1h``."""

from __future__ import annotations

import re

_UNITS = {"": 1000, "s": 1000, "sec": 1000, "ms": 1, "msec": 1, "m": 60_000, "min": 60_000, "h": 3_600_000}
_TIME = re.compile(r"(\d{1,9})\s*([a-z]*)", re.ASCII)


def milliseconds(text: str) -> int | None:
    """*text* in milliseconds (a bare number is seconds), or None when it is not a time."""
    match = _TIME.fullmatch(text.strip().lower())
    if match is None or match[2] not in _UNITS:
        return None
    return int(match[1]) * _UNITS[match[2]]


def canonical(value: int) -> str:
    """*value* milliseconds in the one way we write it: ``90s``, or ``1500ms`` when it is no whole second."""
    return f"{value // 1000}s" if value % 1000 == 0 else f"{value}ms"
