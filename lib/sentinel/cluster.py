"""Whether Pacemaker may be told of a failure, as its own CIB says, and how it is told."""

from __future__ import annotations

from xml.etree import ElementTree

from quorate.lib.attributes import ENVIRONMENT
from quorate.lib.sentinel.command import Running, run

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from xml.etree.ElementTree import Element

QUERY_TIMEOUT, TELL_TIMEOUT, NAME_TIMEOUT = 5.0, 10.0, 5.0

TRUE = ("true", "on", "yes", "y", "1")
FALSE = ("false", "off", "no", "n", "0")

PENDING_STATUS, CANCELLED_STATUS = "-1", "1"
PENDING_RC = ("-1", "193")
GOOD_RC = ("0", "8", "190", "191")
# After these it does not run there any more.
STOPS = ("stop", "migrate_to")
# These say nothing of whether it runs.
SILENT = ("notify", "meta-data", "delete", "cancel")


class Permission(str):
    """Empty: it may be told; else why not. *again*: the reason may pass, so asking later makes sense."""

    again: bool

    def __new__(cls, reason: str = "", *, again: bool = False) -> Permission:
        self = super().__new__(cls, reason)
        self.again = again
        return self


class Cluster:
    """This node's cluster, through Pacemaker's commands. *path* is where they are looked for."""

    __slots__ = ("_env", "_node")

    def __init__(self, path: str = ENVIRONMENT["PATH"]) -> None:
        # Not our own environment, see quorate.lib.attributes.
        self._env = {**ENVIRONMENT, "PATH": path}
        self._node = ""

    @property
    def known_node(self) -> str:
        """This node's name if it was learnt already, else empty."""
        return self._node

    def node(self) -> str:
        """This node's name. Raises OSError while the cluster does not say it."""
        if not self._node:
            result = run(["crm_node", "--name"], NAME_TIMEOUT, self._env)
            if result.rc != 0 or not result.out.strip():
                raise OSError(result.words())
            self._node = result.out.strip()
        return self._node

    def query(self) -> str:
        """The CIB as this node has it. Raises OSError while the cluster does not answer."""
        result = run(["cibadmin", "--query", "--local"], QUERY_TIMEOUT, self._env)
        if result.rc != 0:
            raise OSError(result.words())
        return result.out

    def tell(self, resource: str) -> Running:
        """Start telling Pacemaker that *resource* has failed on this node."""
        return Running(["crm_resource", "--fail", "-r", resource, "-N", self.node()], TELL_TIMEOUT, self._env)


def permission(text: str, resource: str, node: str) -> Permission:
    """Whether the CIB *text* lets *resource* be called failed on *node*. A CIB that cannot be read forbids it."""
    try:
        cib = ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        return Permission(f"the CIB cannot be read: {error}", again=True)
    return judge(cib, resource, node)


def judge(cib: Element, resource: str, node: str) -> Permission:
    """As ``permission``, for a CIB that was read already."""
    configuration = cib.find("configuration")
    lineage = _lineage(configuration, resource) if configuration is not None else []
    if configuration is None or not lineage:
        return Permission(f"{resource} is not in the cluster's configuration")
    state = next((each for each in cib.iterfind("status/node_state") if each.get("uname") == node), None)
    nodes = [each for each in configuration.iterfind("nodes/node") if each.get("uname") == node]
    if not nodes or state is None:
        return Permission(f"node {node} is not in the cluster")
    if _true(_setting(configuration.iterfind("crm_config/cluster_property_set"), configuration, "maintenance-mode")):
        return Permission("the cluster is in maintenance mode", again=True)
    attributes = (
        *nodes[0].iterfind("instance_attributes"),
        *state.iterfind("transient_attributes/instance_attributes"),
    )
    if any(_true(_setting([each], configuration, "maintenance")) for each in attributes):
        return Permission(f"node {node} is in maintenance", again=True)
    if _true(_meta(configuration, lineage, "maintenance")):
        return Permission(f"{resource} is in maintenance", again=True)
    if _meta(configuration, lineage, "is-managed").lower() in FALSE:
        return Permission(f"{resource} is not managed", again=True)
    return _history(state, resource, node)


def _lineage(configuration: Element, resource: str) -> list[Element]:
    """The primitive, and what encloses it: a group, a clone, a bundle. Empty if there is no such primitive."""
    resources = configuration.find("resources")

    def search(element: Element) -> list[Element]:
        for child in element:
            if child.tag == "primitive":
                if child.get("id") == resource:
                    return [child]
            elif child.tag in ("group", "clone", "master", "bundle") and (found := search(child)):
                return [*found, child]
        return []

    return search(resources) if resources is not None else []


def _meta(configuration: Element, lineage: list[Element], name: str) -> str:
    """A meta attribute as Pacemaker inherits it: own, template's, the enclosing ones', the defaults'."""
    for element in lineage:
        value = _setting(element.iterfind("meta_attributes"), configuration, name)
        if value:
            return value
        template = element.get("template")
        if template:
            for each in configuration.iterfind("resources/template"):
                if each.get("id") == template:
                    value = _setting(each.iterfind("meta_attributes"), configuration, name)
                    if value:
                        return value
    return _setting(configuration.iterfind("rsc_defaults/meta_attributes"), configuration, name)


def _setting(sets: Iterator[Element] | list[Element], configuration: Element, name: str) -> str:
    """The value of *name* in attribute sets: the first in the order of their scores.

    Rules are not evaluated: a set that has one counts where it would forbid (and where it would allow, another may
    forbid); in doubt nothing is told, and the monitors find it.
    """
    resolved = [_by_id(configuration, each) for each in sets]
    for each in sorted(resolved, key=_rank):
        for pair in each.iterfind("nvpair"):
            pair = _by_id(configuration, pair)
            if pair.get("name") == name and pair.get("value"):
                value = str(pair.get("value"))
                if each.find("rule") is None or _forbids(name, value):
                    return value
    return ""


def _forbids(name: str, value: str) -> bool:
    return value.lower() in (FALSE if name == "is-managed" else TRUE)


def _rank(attributes: Element) -> tuple[bool, float]:
    """Smaller is first: the cluster's own bootstrap options, then the highest score."""
    score = attributes.get("score", "0").lower().replace("infinity", "1000000")
    try:
        return attributes.get("id") != "cib-bootstrap-options", -int(score)
    except ValueError:
        return True, 0.0


def _by_id(configuration: Element, element: Element) -> Element:
    wanted = element.get("id-ref")
    if not wanted:
        return element
    return next((each for each in configuration.iter(element.tag) if each.get("id") == wanted), element)


def _true(value: str) -> bool:
    return value.lower() in TRUE


def _history(state: Element, resource: str, node: str) -> Permission:
    """Whether Pacemaker believes the resource to run there, with nothing being done to it just now."""
    active = False
    for each in state.iterfind("lrm/lrm_resources/lrm_resource"):
        name, colon, number = (each.get("id") or "").partition(":")
        if name != resource or (colon and not number.isdecimal()):
            continue
        completed = []
        for operation in each.iterfind("lrm_rsc_op"):
            what = operation.get("operation")
            if operation.get("op-status") == PENDING_STATUS or operation.get("rc-code") in PENDING_RC:
                # A recurring monitor is pending from its scheduling to its first answer: that is no reason to wait.
                if what == "monitor" and _recurring(operation):
                    continue
                return Permission(f"a {what} of {resource} is in flight on {node}", again=True)
            if what not in SILENT and operation.get("op-status") != CANCELLED_STATUS:
                completed.append(operation)
        if any(_outstanding(operation, completed) for operation in completed):
            return Permission(f"Pacemaker knows of a failure of {resource} on {node} already")
        if completed and max(completed, key=_order).get("operation") not in STOPS:
            active = True
    return Permission() if active else Permission(f"Pacemaker does not believe {resource} to run on {node}")


def _outstanding(failure: Element, completed: list[Element]) -> bool:
    """Whether *failure* is one, and nothing came after it: no start, stop or probe, and no good answer to the same.

    A failed recurring monitor is kept beside that monitor's last good answer, under the same call.
    """
    if failure.get("rc-code") in GOOD_RC:
        return False
    for other in completed:
        if other is failure or _order(other) <= _order(failure):
            continue
        same = all(other.get(name) == failure.get(name) for name in ("operation", "interval"))
        if not _recurring(other) or (same and other.get("rc-code") in GOOD_RC):
            return False
    return True


def _recurring(operation: Element) -> bool:
    return operation.get("interval", "0") != "0"


def _order(operation: Element) -> tuple[int, int]:
    return _number(operation, "call-id"), _number(operation, "last-rc-change")


def _number(operation: Element, name: str) -> int:
    text = operation.get(name, "")
    return int(text) if text.isdecimal() else -1
