"""What the sentinel says of itself: a JSON document, a table for people, and Prometheus' text. Values in, text out."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from quorate.lib.sentinel.judgement import Incident, Judgement

VERSION = 1
# How many reports are kept to be shown.
KEPT = 20


class Entry:
    """A report and what became of it; *at* is in seconds of the wall clock."""

    __slots__ = ("at", "incident", "told")

    def __init__(self, at: float, incident: Incident) -> None:
        self.at = at
        self.incident = incident
        self.told = "under way"


def document(
    judgement: Judgement,
    agents: dict[str, str],
    entries: Sequence[Entry],
    *,
    now: float,
    pid: int,
    node: str,
    since: float,
) -> dict[str, Any]:
    """The JSON document. *agents* names the agent of each instance, empty for another provider's."""
    watched = []
    for instance, subject in sorted(judgement.subjects.items()):
        watched.append(
            {
                "instance": instance,
                "agent": agents.get(instance, ""),
                "pid": subject.key[1],
                "state": judgement.state(instance, now),
                "misses": subject.misses,
                "seen": subject.seen,
                "last_look": None if subject.looked is None else round(max(0.0, now - subject.looked), 3),
                "reports": judgement.counts.get(instance, 0),
            }
        )
    return {
        "version": VERSION,
        "pid": pid,
        "node": node,
        "since": round(since, 3),
        "late": judgement.late_count,
        "watched": watched,
        "reports": [
            {"at": round(entry.at, 3), "instance": entry.incident.key[0], "why": entry.incident.why, "told": entry.told}
            for entry in list(entries)[-KEPT:]
        ],
        "reported": sum(judgement.counts.values()),
    }


def table(status: dict[str, Any]) -> str:
    """The document as a person reads it."""
    import time

    def moment(seconds: float) -> str:
        return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))

    lines = [
        f"sentinel on {status['node'] or 'a node whose name the cluster does not say'}: pid {status['pid']}, since "
        f"{moment(status['since'])}, {status['reported']} reported, late {status['late']} times"
    ]
    rows = [("INSTANCE", "AGENT", "PID", "STATE", "MISSES", "LAST LOOK", "REPORTS", "SEEN")]
    for each in status["watched"]:
        ago = "-" if each["last_look"] is None else f"{each['last_look']:.1f} s ago"
        agent, misses = each["agent"] or "-", str(each["misses"])
        row = (
            each["instance"],
            agent,
            str(each["pid"]),
            each["state"],
            misses,
            ago,
            str(each["reports"]),
            each["seen"],
        )
        rows.append(row)
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    if len(rows) > 1:
        lines += [
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
        ]
    else:
        lines.append("nothing is watched")
    if status["reports"]:
        lines.append("reports:")
        lines += [
            f"  {moment(each['at'])}  {each['instance']}: {each['why']} ({each['told']})" for each in status["reports"]
        ]
    return "\n".join(lines) + "\n"


def metrics(status: dict[str, Any], counts: dict[str, int]) -> str:
    """The document in Prometheus' text format; *counts* are the reports of each instance ever watched."""
    lines = ["# TYPE quorate_sentinel_watched gauge"]
    for each in status["watched"]:
        lines.append(
            f"quorate_sentinel_watched{{{_label('instance', each['instance'])},{_label('state', each['state'])}}} 1"
        )
    lines.append("# TYPE quorate_sentinel_reports_total counter")
    for instance in sorted({*counts, *(each["instance"] for each in status["watched"])}):
        lines.append(f"quorate_sentinel_reports_total{{{_label('instance', instance)}}} {counts.get(instance, 0)}")
    lines += ["# TYPE quorate_sentinel_late_total counter", f"quorate_sentinel_late_total {status['late']}"]
    lines.append("# TYPE quorate_sentinel_last_look_seconds gauge")
    for each in status["watched"]:
        if each["last_look"] is not None:
            label = _label("instance", each["instance"])
            lines.append(f"quorate_sentinel_last_look_seconds{{{label}}} {each['last_look']}")
    return "\n".join(lines) + "\n"


def _label(name: str, value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'{name}="{escaped}"'
