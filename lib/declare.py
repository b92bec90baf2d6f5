"""What an agent declares about itself: parameters and actions.

One declaration is read by the metadata renderer, the dispatcher, the validation and the CIB generator.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal

    ParameterType = Literal["string", "integer", "boolean", "time", "select"]


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

    Only ``monitor`` has an ``interval`` (seconds) and a ``depth`` (``OCF_CHECK_LEVEL``).
    """

    __slots__ = ("depth", "interval", "name", "role", "timeout")

    def __init__(
        self, name: str, timeout: int, interval: int | None = None, depth: int | None = None, role: str = ""
    ) -> None:
        self.name = name
        self.timeout = timeout
        self.interval = interval
        self.depth = depth
        self.role = role
