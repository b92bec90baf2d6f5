"""Typed reading of ``OCF_RESKEY_*``: a bad value is refused with one sentence that names the parameter."""

from __future__ import annotations

from quorate.lib.declare import Parameter
from quorate.lib.rc import ERR_CONFIGURED, OcfError

TRUE = ("true", "yes", "on", "1", "y")
FALSE = ("false", "no", "off", "0", "n")
UNITS = {
    "": 1.0,
    "s": 1.0,
    "sec": 1.0,
    "ms": 0.001,
    "msec": 0.001,
    "m": 60.0,
    "min": 60.0,
    "h": 3600.0,
    "hr": 3600.0,
}


def parse_time(text: str) -> float:
    """Seconds of ``10``, ``10s``, ``500ms``, ``2m``, ``1h``; ValueError if it is none of these."""
    digits = text.rstrip("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ ")
    unit = text[len(digits) :].strip().lower()
    # float() would also take 'nan', '1e3' or '1_0'; none of these is a duration that an operator means.
    if unit not in UNITS or not digits.replace(".", "", 1).isdecimal():
        raise ValueError(text)
    return float(digits) * UNITS[unit]


def problem_with(parameter: Parameter, text: str) -> str:
    """What is wrong with *text* as a value of *parameter*, or the empty string."""
    kind = parameter.type
    if kind == "integer":
        body = text[1:] if text[:1] in ("+", "-") else text
        # Python itself refuses to read thousands of digits; no parameter has more than a few.
        if not (body.isascii() and body.isdecimal() and len(body) < 20):
            return f"must be an integer, not '{text[:40]}'"
        return _out_of_range(parameter, int(text), text)
    if kind == "time":
        try:
            seconds = parse_time(text)
        except ValueError:
            return f"must be a time such as 10s, 500ms or 2m, not '{text}'"
        return _out_of_range(parameter, seconds, text, "s")
    if kind == "boolean" and text.lower() not in TRUE + FALSE:
        return f"must be true or false, not '{text}'"
    if kind == "select" and text not in parameter.choices:
        return f"must be one of {', '.join(parameter.choices)}, not '{text}'"
    return ""


def _out_of_range(parameter: Parameter, value: float, text: str, unit: str = "") -> str:
    low, high = parameter.minimum, parameter.maximum
    if (low is None or value >= low) and (high is None or value <= high):
        return ""
    if low is not None and high is not None:
        return f"must be between {low}{unit} and {high}{unit}, not {text}"
    bound = f"at least {low}" if low is not None else f"at most {high}"
    return f"must be {bound}{unit}, not {text}"


class Params:
    """The instance's parameters: the given values, else the defaults; typed on reading."""

    __slots__ = ("_declared", "_values", "given")

    def __init__(self, declared: tuple[Parameter, ...], given: dict[str, str], *, lenient: bool = False) -> None:
        """*lenient* (stop and probes) falls back to the default where a given value cannot be used.

        What was given and could be used stays in *given*. Raises OcfError(ERR_CONFIGURED) for a bad or missing value
        otherwise.
        """
        self._declared = {p.name: p for p in declared}
        self._values: dict[str, str] = {}
        self.given: dict[str, str] = {}
        for parameter in declared:
            text = given.get(parameter.name, "")
            problem = problem_with(parameter, text) if text else ""
            if problem and not lenient:
                raise OcfError(ERR_CONFIGURED, f"parameter {parameter.name} {problem}")
            if not text or problem:
                if parameter.required and not lenient:
                    raise OcfError(ERR_CONFIGURED, f"parameter {parameter.name} is required and has no value")
                text = parameter.default or ""
            else:
                self.given[parameter.name] = text
            self._values[parameter.name] = text

    def text(self, name: str) -> str:
        return self._values[name]

    def number(self, name: str) -> int:
        return int(self._values[name] or 0)

    def seconds(self, name: str) -> float:
        return parse_time(self._values[name] or "0")

    def flag(self, name: str) -> bool:
        return self._values[name].lower() in TRUE
