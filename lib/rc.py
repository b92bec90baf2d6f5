"""OCF return codes and the one failure a handler raises.

Codes are those of the OCF resource-agent API 1.1 and Pacemaker's extensions (190/191).
Plain ints instead of ``enum``: importing ``enum`` alone costs more than half an interpreter start,
and this module is on the path of every monitor.
"""

from __future__ import annotations


class Rc(int):
    """An OCF return code: an ``int`` that knows its name."""

    name: str

    def __new__(cls, value: int, name: str) -> Rc:
        self = super().__new__(cls, value)
        self.name = name
        return self

    def __repr__(self) -> str:
        return f"{self.name} ({int(self)})"


SUCCESS = Rc(0, "OCF_SUCCESS")
ERR_GENERIC = Rc(1, "OCF_ERR_GENERIC")
ERR_ARGS = Rc(2, "OCF_ERR_ARGS")
ERR_UNIMPLEMENTED = Rc(3, "OCF_ERR_UNIMPLEMENTED")
ERR_PERM = Rc(4, "OCF_ERR_PERM")
ERR_INSTALLED = Rc(5, "OCF_ERR_INSTALLED")
ERR_CONFIGURED = Rc(6, "OCF_ERR_CONFIGURED")
NOT_RUNNING = Rc(7, "OCF_NOT_RUNNING")
RUNNING_PROMOTED = Rc(8, "OCF_RUNNING_PROMOTED")
FAILED_PROMOTED = Rc(9, "OCF_FAILED_PROMOTED")
DEGRADED = Rc(190, "OCF_DEGRADED")
DEGRADED_PROMOTED = Rc(191, "OCF_DEGRADED_PROMOTED")


class OcfError(Exception):
    """A handler's only failure: *rc* is the action's exit code, *reason* one sentence for the operator."""

    def __init__(self, rc: Rc, reason: str) -> None:
        super().__init__(reason)
        self.rc = rc
        self.reason = reason
