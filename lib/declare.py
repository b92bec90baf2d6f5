"""What an agent declares about itself: parameters and actions.

One declaration is read by the metadata renderer, the dispatcher, the validation and the CIB generator.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal

    ParameterType = Literal["string", "integer", "boolean", "time", "select"]

SHALLOW_BESIDE_SENTINEL, DEEP_BESIDE_SENTINEL = 30, 60


class Parameter:
    """One instance attribute of an agent.

    ``type`` is ``string``, ``integer``, ``boolean``, ``time`` (seconds, or with a unit: ``10s``, ``500ms``,
    ``2m``) or ``select`` (one of ``choices``). ``minimum`` and ``maximum`` bound an integer, or a time in
    seconds. A ``reloadable`` parameter can be changed by ``reload-agent`` without a restart. Parameters that
    share a ``unique_group`` must together be unique among the instances of a node.

    ``fill`` names what the CIB generator writes when the topology does not give a value:
    ``"peers"`` is the list of the cluster nodes, ``"n1=10.0.0.1 n2=10.0.0.2"``.
    """

    __slots__ = (
        "choices",
        "default",
        "fill",
        "longdesc",
        "maximum",
        "minimum",
        "name",
        "reloadable",
        "required",
        "shortdesc",
        "type",
        "unique_group",
    )

    def __init__(
        self,
        name: str,
        type: ParameterType = "string",
        default: str | None = None,
        *,
        shortdesc: str,
        longdesc: str = "",
        required: bool = False,
        unique_group: str = "",
        reloadable: bool = False,
        choices: tuple[str, ...] = (),
        minimum: int | None = None,
        maximum: int | None = None,
        fill: str = "",
    ) -> None:
        self.name = name
        self.type: ParameterType = type
        self.default = default
        self.required = required
        self.unique_group = unique_group
        self.reloadable = reloadable
        self.shortdesc = shortdesc
        self.longdesc = longdesc or shortdesc
        self.choices = choices
        self.minimum = minimum
        self.maximum = maximum
        self.fill = fill


class Action:
    """One action of an agent, with the least timeout that the agent advises (seconds).

    Only ``monitor`` has an ``interval`` (seconds) and a ``depth`` (``OCF_CHECK_LEVEL``). ``watched_interval`` is the
    interval (seconds) on a node whose sentinel notices failures by itself, so that polling is only the net below it:
    30 for a shallow monitor and 60 for a deep one unless the agent says otherwise, and never more often than without.
    ``on_fail`` is what Pacemaker shall do when the action fails, where its own choice would be too much.
    """

    __slots__ = ("depth", "interval", "name", "on_fail", "role", "timeout", "watched_interval")

    def __init__(
        self,
        name: str,
        timeout: int,
        interval: int | None = None,
        depth: int | None = None,
        role: str = "",
        *,
        watched_interval: int | None = None,
        on_fail: str = "",
    ) -> None:
        self.name = name
        self.timeout = timeout
        self.interval = interval
        self.depth = depth
        self.role = role
        self.on_fail = on_fail
        if interval is not None and watched_interval is None:
            watched_interval = max(interval, DEEP_BESIDE_SENTINEL if depth else SHALLOW_BESIDE_SENTINEL)
        self.watched_interval = watched_interval
