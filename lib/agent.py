"""The base class of every agent: ONE declaration that metadata, dispatch, validation and the CIB generator read."""

from __future__ import annotations

from quorate.lib.declare import Action, Parameter


class Agent:
    """One OCF resource agent. (skeleton: being written)"""

    name: str
    shortdesc: str
    longdesc: str
    parameters: tuple[Parameter, ...] = ()
    actions: tuple[Action, ...] = ()
