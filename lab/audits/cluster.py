"""Audits of what Pacemaker shows: who is a member, what runs where, and what is left in the configuration."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from lxml import etree

from quorate.lab.audits.evidence import RUNNING, Answer, Audit, Evidence, Opinion, Question
from quorate.lab.health import ACTIVE_ROLES, PROMOTED, Health, clones_of, parse_crm_mon
from quorate.lib.problem import Failed

CRM_MON = Question("crm_mon", ("crm_mon", "-1", "--inactive", "--fence-history=2", "--output-as=xml"))
CIB = Question("cib", ("cibadmin", "--query", "--local"))
VERIFY = Question("crm_verify", ("crm_verify", "--live-check", "--verbose"), once=True)

MOVED = ("cli-ban-", "cli-prefer-", "cli-standby-")
"""What `crm_resource --move` and `--ban` begin the ids of their constraints with."""
INFINITY = 1000000
_SETS = ("instance_attributes", "meta_attributes")


# -- reading ---------------------------------------------------------------------------------------------------------


def configuration(cib: str) -> etree._Element:
    """The configuration in the text of a CIB. Raises :class:`Failed` when there is none."""
    try:
        root = etree.fromstring(cib.encode())
    except etree.XMLSyntaxError as error:
        raise Failed(f"not a CIB: {error}") from None
    found = root if root.tag == "configuration" else root.find("configuration")
    if found is None:
        raise Failed("not a CIB: it has no configuration")
    return found


def first_cib(evidence: Evidence) -> str:
    """The CIB of the first node that has one, or the empty string."""
    return next((answer.out for answer in evidence.told(CIB) if answer.rc == 0), "")


def _views(evidence: Evidence) -> tuple[dict[str, Health], dict[str, etree._Element], list[str], list[str]]:
    """What crm_mon says on each node, parsed twice; then what is wrong, and what could not be seen."""
    views: dict[str, Health] = {}
    trees: dict[str, etree._Element] = {}
    wrong: list[str] = []
    for answer in evidence.told(CRM_MON):
        try:
            if answer.rc:
                raise Failed(answer.complaint)
            views[answer.node] = parse_crm_mon(answer.out)
            trees[answer.node] = etree.fromstring(answer.out.encode())
        except Failed as failure:
            wrong.append(f"{answer.node}: crm_mon does not tell: {failure}")
    return views, trees, wrong, list(evidence.silent(CRM_MON))


def _best(views: dict[str, Health]) -> str:
    """The node whose view counts: one with quorum and a DC if there is any."""
    return next((node for node, view in views.items() if view.quorate and view.dc), next(iter(views), ""))


# -- judging ---------------------------------------------------------------------------------------------------------


def membership(evidence: Evidence) -> Opinion:
    """One cluster: every node is online in every node's eyes, and all name the same DC."""
    views, _, wrong, unseen = _views(evidence)
    for node, view in views.items():
        bare = Health(view.dc, view.quorate, view.nodes, (), ())
        wrong += [f"{node} sees: {phrase}" for phrase in bare.missing(evidence.nodes, {})]
    centers = sorted({view.dc for view in views.values() if view.dc})
    if len(centers) > 1:
        wrong.append(f"more than one DC: {', '.join(centers)}")
    return Opinion(f"{len(views)} nodes online with quorum, DC {', '.join(centers)}", tuple(wrong), tuple(unseen))


def resources(evidence: Evidence) -> Opinion:
    """Everything in the CIB is active exactly where it should be."""
    views, trees, wrong, unseen = _views(evidence)
    cib = first_cib(evidence)
    best = _best(views)
    if not cib or not best:
        return Opinion("", tuple(wrong), (*unseen, "no node tells its CIB and its resources"))
    wanted = clones_of(cib)
    on = [node for node in evidence.nodes if node in evidence.machines and evidence.machines[node].power == RUNNING]
    wrong += misplaced(views[best], wanted, evidence.nodes, on)
    wrong += [
        f"{element.get('id')} is active but not in the CIB"
        for element in trees[best].iterfind("resources//resource")
        if element.get("orphaned") == "true"
    ]
    active = sum(1 for each in views[best].instances if each.role in ACTIVE_ROLES)
    return Opinion(f"{active} instances of {len(wanted)} clones and the rest active where they should be", tuple(wrong))


def misplaced(health: Health, wanted: Mapping[str, int], nodes: Sequence[str], on: Sequence[str]) -> list[str]:
    """What is not where it should be, or is there twice, or on a node that is not *on*.

    *wanted* has the clones, each with the number of its promoted instances.
    """
    found = list(health.missing(nodes, wanted))
    active = [each for each in health.instances if each.node and each.role in ACTIVE_ROLES]
    for clone, most in wanted.items():
        promoted = [each.node for each in active if each.clone == clone and each.role == PROMOTED]
        if len(promoted) > most:
            found.append(f"{clone} is promoted on {', '.join(promoted)}: more than {most}")
    for (resource, node), count in Counter((each.resource, each.node) for each in active).items():
        if count > 1:
            found.append(f"{resource} is active {count} times on {node}")
        if node not in on:
            found.append(f"{resource} is shown active on {node}, whose power is off")
    for resource in dict.fromkeys(each.resource for each in active if not each.clone):
        where = [each.node for each in active if each.resource == resource]
        if len(where) > 1:
            found.append(f"{resource} is active on {', '.join(where)} at once")
    return list(dict.fromkeys(found))


def failures(evidence: Evidence) -> Opinion:
    """No failure keeps the cluster from trying again, and no fencing waits. One that is over is only mentioned."""
    views, trees, wrong, unseen = _views(evidence)
    best = _best(views)
    if not best:
        return Opinion("", tuple(wrong), (*unseen, "no node tells its failures"))
    wrong += lingering(trees[best])
    wrong += [f"{e.resource} is blocked on {e.node or 'no node'}" for e in views[best].instances if e.blocked]
    past = [str(failure) for failure in views[best].failures]
    fine = f"{len(past)} failures that are over are recorded: {'; '.join(past)[:300]}" if past else "none recorded"
    return Opinion(fine, tuple(wrong))


def lingering(root: etree._Element) -> list[str]:
    """The failures in crm_mon's XML that still decide where something may run, and fencing that is not done."""
    found = []
    for history in root.iterfind("node_history/node/resource_history"):
        count = _number(history.get("fail-count"))
        threshold = _number(history.get("migration-threshold")) or INFINITY
        if count >= threshold:
            node = history.getparent().get("name")  # type: ignore[union-attr]
            many = "INFINITY" if count >= INFINITY else str(count)
            found.append(f"{history.get('id')} has failed {many} times on {node}: it may not run there any more")
    for event in root.iterfind("fence_history/fence_event"):
        if event.get("status") == "pending":
            found.append(f"fencing ({event.get('action')}) of {event.get('target')} is not done")
    return found


def _number(text: str | None) -> int:
    if not text:
        return 0
    return INFINITY if text.upper().lstrip("+") == "INFINITY" else int(text)


def maintenance(evidence: Evidence) -> Opinion:
    """Nothing is in maintenance, in standby, unmanaged, or told to stop."""
    views, trees, wrong, unseen = _views(evidence)
    best = _best(views)
    if not best:
        return Opinion("", tuple(wrong), (*unseen, "no node tells its state"))
    return Opinion("everything is managed", (*wrong, *unmanaged(trees[best])))


def unmanaged(root: etree._Element) -> list[str]:
    """What in crm_mon's XML the cluster does not take care of."""
    found = []
    options = root.find("summary/cluster_options")
    for flag in ("maintenance-mode", "stop-all-resources"):
        if options is not None and options.get(flag) == "true":
            found.append(f"the cluster has {flag} set")
    if options is not None and options.get("stonith-enabled") == "false":
        found.append("the cluster has fencing disabled")
    for node in root.iterfind("nodes/node"):
        for flag in ("maintenance", "standby", "standby_onfail"):
            if node.get(flag) == "true":
                found.append(f"{node.get('name')} is in {flag.replace('_', ' ')}")
    for resource in root.iterfind("resources//resource"):
        if resource.get("managed") == "false":
            found.append(f"{resource.get('id')} is not managed")
        if (resource.get("target_role") or "").lower() in ("stopped", "slave", "unpromoted"):
            found.append(f"{resource.get('id')} is told to be {resource.get('target_role')}")
    return list(dict.fromkeys(found))


def constraints(evidence: Evidence) -> Opinion:
    """No constraint of a move or a ban is left."""
    cib = first_cib(evidence)
    if not cib:
        return Opinion("", (), (*evidence.silent(CIB), "no node tells its CIB"))
    left = [f"the constraint {name} of a move or ban is left" for name in moved(cib)]
    return Opinion("none of a move or a ban", tuple(left))


def moved(cib: str) -> list[str]:
    """The ids of the constraints that moves and bans left in a CIB."""
    section = configuration(cib).find("constraints")
    ids = [element.get("id") or "" for element in section] if section is not None else []
    return [name for name in ids if name.startswith(MOVED)]


def valid(evidence: Evidence) -> Opinion:
    """The CIB passes crm_verify."""
    wrong = [f"crm_verify on {a.node}: {a.complaint}" for a in evidence.told(VERIFY) if a.rc]
    return Opinion("crm_verify has no complaint", tuple(wrong), evidence.silent(VERIFY))


def copies(evidence: Evidence) -> Opinion:
    """Every node holds the same CIB. One that is being changed may be a moment behind on some, but not for longer.

    Only mentioned is a node that stays behind by nothing but ``num_updates``, which counts changes of the status: a DC
    that is elected when partitions meet may have a lower one than others, who then refuse its copy until the next
    change (Pacemaker 2.1.5). The configuration, and the versions that count its changes, have to agree in any case.
    """
    told, unseen = evidence.told(CIB), list(evidence.silent(CIB))
    wrong = [f"{answer.node} does not tell its CIB: {answer.complaint}" for answer in told if answer.rc]
    held = {answer.node: _identity(answer) for answer in told if answer.rc == 0}
    versions = {node: version for node, (version, _) in held.items()}
    shown = ", ".join(f"{node} has {'.'.join(map(str, version))}" for node, version in versions.items())
    fine = f"the same on {len(held)} nodes ({shown})"
    contents = {(_changes(version), content) for version, content in held.values()}
    if len(contents) > len({changes for changes, _ in contents}):
        wrong.append(f"the copies differ, though {shown}")
    elif len(set(versions.values())) > 1:
        if evidence.earlier is None:
            unseen.append(f"the CIB is being changed: {shown}")
        else:
            reached = max((_identity(a)[0] for a in evidence.earlier.told(CIB) if a.rc == 0), default=(0, 0, 0))
            if any(_changes(version) < _changes(reached) for version in versions.values()):
                wrong.append(f"the copies differ for long: {shown}")
            elif any(version < reached for version in versions.values()):
                fine = f"the same configuration on {len(held)} nodes, whose num_updates stay apart ({shown})"
    return Opinion(fine, tuple(wrong), tuple(unseen))


def _changes(version: tuple[int, ...]) -> tuple[int, ...]:
    """The part of a CIB's *version* that every change of the configuration raises: admin_epoch and epoch."""
    return version[:2]


def _identity(answer: Answer) -> tuple[tuple[int, ...], bytes]:
    """Version and configuration of a node's copy. The status that follows is compared by its version alone."""
    root = etree.fromstring(answer.out.encode())
    version = tuple(int(root.get(part) or 0) for part in ("admin_epoch", "epoch", "num_updates"))
    return version, etree.tostring(configuration(answer.out), method="c14n")


def unchanged(before: str) -> Audit:
    """The audit that the configuration is what it was in the CIB *before*."""

    def judge(evidence: Evidence) -> Opinion:
        now = first_cib(evidence)
        if not now:
            return Opinion("", (), (*evidence.silent(CIB), "no node tells its CIB"))
        return Opinion("the same as before the run", tuple(changes(before, now)))

    return Audit("configuration", judge, (CIB,))


def changes(before: str, after: str) -> list[str]:
    """What differs between the configurations of two CIBs, one phrase for each element that has an id."""
    old, new = dict(_elements(before)), dict(_elements(after))
    gone = [f"{name} is gone" for name in old if name not in new]
    came = [f"{name} is new" for name in new if name not in old]
    other = [f"{name} was {old[name]}, is {new[name]}" for name in old if name in new and old[name] != new[name]]
    return gone + came + other


def _elements(cib: str) -> Iterator[tuple[str, str]]:
    for element in configuration(cib).iter("*"):
        # A set of attributes is what it contains, and may stay empty.
        if element.get("id") and element.get("name") not in _PACEMAKERS_OWN and element.tag not in _SETS:
            shown = [f"{key}={element.get(key)}" for key in sorted(map(str, element.keys())) if key != "id"]
            yield f"{element.tag!s} {element.get('id')}", " ".join(shown) or "empty"


_PACEMAKERS_OWN = ("last-lrm-refresh", "have-watchdog", "dc-version", "cluster-infrastructure", "cluster-name")
"""Properties that a clean-up, or a DC that was elected, writes."""

AUDITS = (
    Audit("membership", membership, (CRM_MON,)),
    Audit("resources", resources, (CRM_MON, CIB)),
    Audit("failures", failures, (CRM_MON,)),
    Audit("maintenance", maintenance, (CRM_MON,)),
    Audit("constraints", constraints, (CIB,)),
    Audit("cib", valid, (VERIFY,)),
    Audit("cib copies", copies, (CIB,)),
)
