"""The base class of every agent: ONE declaration that metadata, dispatch, validation and the CIB generator read."""

from __future__ import annotations

from quorate.lib.deadline import Deadline
from quorate.lib.declare import Action, Parameter
from quorate.lib.params import Params

TYPE_CHECKING = False
if TYPE_CHECKING:
    from quorate.lib.host import Host
    from quorate.lib.log import Log
    from quorate.lib.rc import Rc


class Context:
    """One call of one action on one instance: what Pacemaker said, and the machine it is said on.

    *timeout* is the action's own, in seconds. *probe* is a monitor with interval 0: Pacemaker asks what is there,
    on a node that may never have been meant to run it. *node* is this node's cluster name, or empty when the caller
    did not say.
    """

    __slots__ = ("action", "depth", "depth_given", "host", "instance", "log", "node", "probe", "timeout")

    def __init__(
        self,
        host: Host,
        log: Log,
        *,
        instance: str,
        action: str,
        timeout: float,
        depth: int = 0,
        depth_given: bool = False,
        probe: bool = False,
        node: str = "",
    ) -> None:
        self.host = host
        self.log = log
        self.instance = instance
        self.action = action
        self.timeout = timeout
        self.depth = depth
        self.depth_given = depth_given
        self.probe = probe
        self.node = node


class Agent:
    """One OCF resource agent. A handler returns, or raises OcfError; it never prints and never exits.

    An agent that reloads parameters declares the action ``reload-agent`` and defines ``reload``; one that wants
    notifications declares ``notify`` and defines it.
    """

    name: str
    shortdesc: str
    longdesc: str
    parameters: tuple[Parameter, ...] = ()
    actions: tuple[Action, ...] = ()
    # Meta attributes that the agent advises for its clone; a topology's own come before them.
    meta: tuple[tuple[str, str], ...] = ()

    def __init__(self, context: Context, params: Params) -> None:
        self.context = context
        self.host = context.host
        self.log = context.log
        self.params = params
        self.deadline = Deadline.of_action(context.host.clock, context.timeout)

    def start(self) -> None:
        raise NotImplementedError

    def stop(self) -> None:
        raise NotImplementedError

    def monitor(self, depth: int) -> Rc:
        raise NotImplementedError

    def validate(self) -> None:
        """Raise OcfError for what is wrong on *this* host: ERR_INSTALLED, ERR_ARGS or ERR_PERM."""

    def reload(self) -> None:
        """Apply reloadable parameters to the running service. Those that only our own actions read need nothing."""

    def reloaded(self) -> None:
        """After a reload that succeeded. Must not raise."""

    def notify(self, event: str) -> None:
        """*event* is 'pre-start', 'post-stop' and so on; the result is ignored by Pacemaker."""

    def node(self) -> str:
        """This node's name in the cluster."""
        return self.context.node or self.host.attributes.node()

    @classmethod
    def action_timeout(cls, name: str, depth: int) -> float:
        """Seconds the declaration advises for an action; 20 for one it does not name."""
        for action in cls.actions:
            if action.name == name and (action.depth or 0) == depth:
                return action.timeout
        return next((action.timeout for action in cls.actions if action.name == name), 20)
