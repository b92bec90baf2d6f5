"""What a cluster looks like from ``crm_mon --output-as=xml``, and what it lacks. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from lxml import etree

from quorate.lib.problem import Failed

PROMOTED = "Promoted"
ACTIVE_ROLES = ("Started", PROMOTED, "Unpromoted")


@dataclass(frozen=True)
class NodeState:
    """A node as the cluster sees it."""

    name: str
    online: bool
    standby: bool
    maintenance: bool
    pending: bool
    unclean: bool


@dataclass(frozen=True)
class Instance:
    """One instance of a resource. *clone* is empty for a resource that is not cloned; *node* when it is nowhere."""

    resource: str
    clone: str
    node: str
    role: str
    failed: bool
    blocked: bool
    pending: str

    @property
    def healthy(self) -> bool:
        """Active, not failed, and nothing on its way."""
        return self.role in ACTIVE_ROLES and not (self.failed or self.blocked or self.pending)


@dataclass(frozen=True)
class Failure:
    """A failed operation that the cluster still remembers."""

    operation: str
    node: str
    status: str
    reason: str

    def __str__(self) -> str:
        return f"{self.operation} on {self.node}: {self.status}{f' ({self.reason})' if self.reason else ''}"


@dataclass(frozen=True)
class Health:
    """One look at the cluster."""

    dc: str
    quorate: bool
    nodes: tuple[NodeState, ...]
    instances: tuple[Instance, ...]
    failures: tuple[Failure, ...]

    def missing(self, nodes: Iterable[str], clones: Mapping[str, int]) -> tuple[str, ...]:
        """What keeps this from being healthy, one phrase each.

        Healthy is: each of *nodes* online, a DC, quorum, an active instance of each of *clones* on each node, as many
        of them promoted as *clones* says (0 for a clone that knows no roles), and every resource there is active.
        """
        wanted = tuple(nodes)
        states = {state.name: state for state in self.nodes}
        found = [f"node {name} is {_trouble(states.get(name))}" for name in wanted if _trouble(states.get(name))]
        found += [] if self.dc else ["no DC"]
        found += [] if self.quorate else ["no quorum"]
        for clone, promoted in clones.items():
            running = {each.node: each.role for each in self.instances if each.clone == clone and each.healthy}
            absent = [name for name in wanted if name not in running]
            if absent:
                found.append(f"{clone} is not Started on {', '.join(absent)}")
            there = sum(running.get(name) == PROMOTED for name in wanted)
            if there < min(promoted, len(wanted)):
                found.append(f"{clone} is {PROMOTED} on {there} of {min(promoted, len(wanted))} nodes")
        for each in self.instances:
            if not each.clone and not each.healthy:
                found.append(f"{each.resource} is {each.role}{' (failed)' if each.failed else ''}")
            elif each.failed or each.blocked:
                found.append(f"{each.resource} is {'blocked' if each.blocked else 'failed'} on {each.node or '?'}")
        return tuple(dict.fromkeys(found))


def _trouble(state: NodeState | None) -> str:
    if state is None:
        return "unknown to the cluster"
    flags = {
        "unclean": state.unclean,
        "offline": not state.online,
        "pending": state.pending,
        "in standby": state.standby,
        "in maintenance": state.maintenance,
    }
    return next((word for word, raised in flags.items() if raised), "")


def clones_of(xml: str | bytes) -> dict[str, int]:
    """The clones in the CIB *xml* (or in its section of resources), each with the number of its promoted instances."""
    root = etree.fromstring(xml.encode() if isinstance(xml, str) else xml)
    return {clone.get("id") or "": _promoted(clone) for clone in root.iterfind(".//clone")}


def under_way(cib: str | bytes) -> tuple[str, ...]:
    """What Pacemaker does to resources, from the status in *cib*, as ``NAME_monitor_10000 on NODE``.

    That is every operation without a result yet, and every recurring one, of which the next may come at any moment: in
    maintenance mode they are cancelled, and leave the status when the last of them has ended. Fencing devices are left
    out, and operations from before the resource's last start or stop, which are only history.
    """
    root = etree.fromstring(cib.encode() if isinstance(cib, str) else cib)
    found = []
    for state in root.iterfind("status/node_state"):
        for resource in state.iterfind("lrm/lrm_resources/lrm_resource"):
            if resource.get("class") == "stonith":
                continue
            calls = {op.get("id") or "": int(op.get("call-id") or 0) for op in resource.iterfind("lrm_rsc_op")}
            last = calls.get(f"{resource.get('id')}_last_0", 0)
            for op in resource.iterfind("lrm_rsc_op"):
                name = op.get("id") or ""
                pending = op.get("op-status") == "-1"
                recurring = op.get("interval", "0") != "0" and calls[name] > last and "_last_failure_" not in name
                if pending or recurring:
                    found.append(f"{op.get('operation_key') or name} on {state.get('uname')}")
    return tuple(found)


def _promoted(clone: etree._Element) -> int:
    pairs = clone.iterfind("meta_attributes/nvpair")
    meta = {pair.get("name", ""): pair.get("value", "") for pair in pairs}
    if meta.get("promotable", "").lower() not in ("true", "on", "yes", "y", "1"):
        return 0
    # The older name is still understood by Pacemaker; one instance is its default.
    most = meta.get("promoted-max") or meta.get("master-max") or "1"
    return int(most) if most.isdigit() else 1


def parse_crm_mon(text: str) -> Health:
    """The :class:`Health` in the XML that ``crm_mon -1 --output-as=xml --inactive`` prints."""
    try:
        root = etree.fromstring(text.encode())
    except etree.XMLSyntaxError as error:
        raise Failed(f"crm_mon did not print XML: {error}") from None
    dc = root.find("summary/current_dc")
    return Health(
        dc=(dc.get("name") or "") if dc is not None and dc.get("present") == "true" else "",
        quorate=dc is not None and dc.get("with_quorum") == "true",
        nodes=tuple(_node(element) for element in root.iterfind("nodes/node")),
        instances=tuple(_instances(root)),
        failures=tuple(_failure(element) for element in root.iterfind("failures/failure")),
    )


def _node(element: etree._Element) -> NodeState:
    return NodeState(
        name=element.get("name") or "",
        online=_true(element, "online"),
        standby=_true(element, "standby"),
        maintenance=_true(element, "maintenance"),
        pending=_true(element, "pending"),
        unclean=_true(element, "unclean"),
    )


def _instances(root: etree._Element) -> Iterable[Instance]:
    for element in root.iterfind("resources//resource"):
        parent = element.getparent()
        while parent is not None and parent.tag not in ("clone", "resources"):
            parent = parent.getparent()
        clone = (parent.get("id") or "") if parent is not None and parent.tag == "clone" else ""
        for node in [node.get("name") or "" for node in element.iterfind("node")] or [""]:
            yield Instance(
                resource=(element.get("id") or "").split(":")[0],
                clone=clone,
                node=node,
                role=element.get("role") or "",
                failed=_true(element, "failed"),
                blocked=_true(element, "blocked"),
                pending=element.get("pending") or "",
            )


def _failure(element: etree._Element) -> Failure:
    return Failure(
        operation=element.get("op_key") or element.get("id") or "",
        node=element.get("node") or "",
        status=element.get("exitstatus") or element.get("status") or "",
        reason=element.get("exitreason") or "",
    )


def _true(element: etree._Element, name: str) -> bool:
    return element.get(name) == "true"
