"""Transient node attributes and membership, through Pacemaker's own commands.

Attributes are kept *private* in attrd (``attrd_updater --private``): every node sees them, they vanish with the
node that set them, and changing one starts no transition.
"""

from __future__ import annotations

from quorate.lib.rc import ERR_GENERIC, OcfError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from quorate.lib.host import Host, Result

COMMAND_TIMEOUT = 10.0
# Not the agent's own environment: attrd_updater takes OCF_RESKEY_CRM_meta_on_node for the node that is asked about,
# even with --all, and so an agent would see nobody's attributes but its own (seen with Pacemaker 2.1.5).
ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"}


class ClusterAttributes:
    """The attributes of a running cluster. Every call may raise OcfError(ERR_GENERIC) when attrd is away."""

    __slots__ = ("_host", "_node")

    def __init__(self, host: Host) -> None:
        self._host = host
        self._node = ""

    def set(self, name: str, value: str) -> None:
        self._attrd("-n", name, "-U", value, "--private", "-d", "0")

    def clear(self, name: str) -> None:
        self._attrd("-n", name, "-D")

    def all(self, name: str) -> dict[str, str]:
        result = self._run(["attrd_updater", "-n", name, "-Q", "-A"])
        # attrd answers 'no such attribute' (rc 105, ENXIO text) until some node has set it.
        if result.rc != 0 and "does not exist" in result.err + result.out:
            return {}
        self._check(result)
        return parse_query(result.out)

    def members(self) -> frozenset[str]:
        result = self._run(["crm_node", "--partition"])
        self._check(result)
        return frozenset(result.out.split())

    def quorate(self) -> bool:
        result = self._run(["crm_node", "--quorum"])
        self._check(result)
        return result.out.strip() == "1"

    def node(self) -> str:
        if not self._node:
            result = self._run(["crm_node", "--name"])
            self._check(result)
            self._node = result.out.strip()
        return self._node

    def _attrd(self, *arguments: str) -> None:
        self._check(self._run(["attrd_updater", *arguments]))

    def _run(self, argv: list[str]) -> Result:
        return self._host.run(argv, timeout=COMMAND_TIMEOUT, env=ENVIRONMENT)

    @staticmethod
    def _check(result: Result) -> None:
        if result.rc != 0:
            raise OcfError(ERR_GENERIC, f"the cluster does not answer: {result.words()}")


def parse_query(text: str) -> dict[str, str]:
    """``{node: value}`` of the lines ``name="x" host="n1" value="v"`` that ``attrd_updater -Q -A`` prints."""
    values = {}
    for line in text.splitlines():
        fields = dict(part.split("=", 1) for part in line.split('" ') if "=" in part)
        host, value = fields.get("host", "").strip('"'), fields.get("value", "").strip('"')
        if host and value:
            values[host] = value
    return values
