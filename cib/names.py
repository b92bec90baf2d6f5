"""Which names may stand in a topology: ids, node names, agents, parameters."""

from __future__ import annotations

import re

from quorate.cib.source import Entry

_ID = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_NODE = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?")
_PARAMETER = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_AGENT = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_VALUE = re.compile(r"[ -~]+")


def valid_id(text: str) -> bool:
    """Whether *text* can be an id in the CIB and a word in crmsh's text."""
    return _ID.fullmatch(text) is not None


def identifier(entry: Entry) -> str:
    """An id of the CIB."""
    text = entry.string("an id")
    if not valid_id(text):
        raise entry.place.problem(
            f"{text!r} cannot be an id: letters, digits, '_', '-' and '.', the first a letter or '_'"
        )
    return text


def node_name(entry: Entry) -> str:
    """A node's name, as ``uname -n`` prints it."""
    text = entry.string("a node name")
    if _NODE.fullmatch(text) is None or len(text) > 64:
        raise entry.place.problem(f"{text!r} cannot be a node name: letters, digits, '-' and '.', at most 64")
    return text


def fence_agent(entry: Entry) -> str:
    """The name of a fence agent, without ``stonith:``."""
    text = entry.string("the name of a fence agent")
    if _AGENT.fullmatch(text) is None:
        raise entry.place.problem(f"{text!r} cannot be a fence agent: write its bare name, such as fence_ipmilan")
    return text


def parameter_name(entry: Entry, key: str) -> str:
    """A fence agent's parameter; *entry* is its value."""
    if _PARAMETER.fullmatch(key) is None:
        raise entry.place.problem(f"{key!r} cannot be a parameter: letters, digits, '_', '-' and '.'")
    return key


def plain_value(entry: Entry) -> str:
    """A value that both forms of the CIB can carry: one line of printable ASCII."""
    text = entry.scalar()
    if _VALUE.fullmatch(text) is None:
        # crmsh writes other characters as XML references and would store the reference itself.
        raise entry.place.problem("must be one line of printable ASCII characters, and not empty")
    return text
