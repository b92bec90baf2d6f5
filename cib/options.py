"""The options of Pacemaker that a topology may set, with their kinds, and the values that we choose.

The kinds serve to catch a slip of the pen (``stonith-timeot``, ``migration-threshold: five``) before it
reaches a cluster, which would ignore it without a word.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from quorate.cib import duration
from quorate.cib.model import Pairs
from quorate.cib.source import Entry

BOOLEAN = ("true", "false", "yes", "no", "on", "off", "y", "n", "1", "0")


@dataclass(frozen=True)
class Kind:
    """What an option's value must look like: a sentence for people and a pattern, or a time."""

    wanted: str
    pattern: str

    def check(self, entry: Entry) -> str:
        """The value of *entry* as text, or a Problem that names its place."""
        text = entry.scalar(self.wanted)
        if re.fullmatch(self.pattern, text) is None:
            raise entry.wrong(self.wanted)
        return text


def one_of(*choices: str) -> Kind:
    """A kind with a few words to choose from."""
    return Kind(f"one of {', '.join(choices)}", "|".join(re.escape(choice) for choice in choices))


class _Time(Kind):
    def check(self, entry: Entry) -> str:
        value = duration.milliseconds(entry.scalar(self.wanted))
        if value is None:
            raise entry.wrong(self.wanted)
        return duration.canonical(value)


class _Boolean(Kind):
    def check(self, entry: Entry) -> str:
        text = entry.scalar(self.wanted).lower()
        if text not in BOOLEAN:
            raise entry.wrong(self.wanted)
        # One spelling, so that 'yes' and 'true' give the same bytes.
        return "true" if text in ("true", "yes", "on", "y", "1") else "false"


TIME = _Time("a time such as 20s, 500ms or 2min", "")
FLAG = _Boolean("true or false", "")
COUNT = Kind("a whole number, 0 or more", r"\d{1,9}")
NUMBER = Kind("a whole number", r"-?\d{1,9}")
SCORE = Kind("a score: a whole number, INFINITY or -INFINITY", r"[+-]?(\d{1,9}|INFINITY)")
PERCENTAGE = Kind("a percentage such as 80%", r"\d{1,3}%")

CLUSTER: Mapping[str, Kind] = {
    "batch-limit": NUMBER,
    "cluster-delay": TIME,
    "cluster-ipc-limit": COUNT,
    "cluster-recheck-interval": TIME,
    "concurrent-fencing": FLAG,
    "dc-deadtime": TIME,
    "election-timeout": TIME,
    "enable-acl": FLAG,
    "enable-startup-probes": FLAG,
    "fence-reaction": one_of("stop", "panic"),
    "join-finalization-timeout": TIME,
    "join-integration-timeout": TIME,
    "load-threshold": PERCENTAGE,
    "maintenance-mode": FLAG,
    "migration-limit": NUMBER,
    "no-quorum-policy": one_of("stop", "freeze", "ignore", "demote", "suicide"),
    "node-action-limit": COUNT,
    "node-health-base": SCORE,
    "node-health-green": SCORE,
    "node-health-red": SCORE,
    "node-health-strategy": one_of("none", "migrate-on-red", "only-green", "progressive", "custom"),
    "node-health-yellow": SCORE,
    "pe-error-series-max": NUMBER,
    "pe-input-series-max": NUMBER,
    "pe-warn-series-max": NUMBER,
    "placement-strategy": one_of("default", "utilization", "minimal", "balanced"),
    "priority-fencing-delay": TIME,
    "shutdown-escalation": TIME,
    "shutdown-lock": FLAG,
    "shutdown-lock-limit": TIME,
    "start-failure-is-fatal": FLAG,
    "startup-fencing": FLAG,
    "stonith-action": one_of("reboot", "off"),
    "stonith-max-attempts": COUNT,
    "stonith-timeout": TIME,
    "stonith-watchdog-timeout": Kind("a time such as 20s, or -1", r"-1|\d{1,9}\s*[a-z]*"),
    "stop-all-resources": FLAG,
    "stop-orphan-actions": FLAG,
    "stop-orphan-resources": FLAG,
    "symmetric-cluster": FLAG,
    "transition-delay": TIME,
}

NOT_YOURS: Mapping[str, str] = {
    "stonith-enabled": "is decided by the key fencing: list devices there, or write 'fencing: none'",
    "cluster-name": "is written from cluster.name",
    "cluster-infrastructure": "is written by pacemaker itself",
    "dc-version": "is written by pacemaker itself",
    "have-watchdog": "is written by pacemaker itself",
    "last-lrm-refresh": "is written by pacemaker itself",
}
"""Cluster properties that a topology must not set, and why."""

RESOURCE_META: Mapping[str, Kind] = {
    "allow-unhealthy-nodes": FLAG,
    "critical": FLAG,
    "failure-timeout": TIME,
    "is-managed": FLAG,
    "maintenance": FLAG,
    "migration-threshold": SCORE,
    "multiple-active": one_of("block", "stop_only", "stop_start", "stop_unexpected"),
    "priority": SCORE,
    "resource-stickiness": SCORE,
    "target-role": one_of("Started", "Stopped", "Promoted", "Unpromoted"),
}

CLONE_META: Mapping[str, Kind] = {
    **RESOURCE_META,
    "clone-max": COUNT,
    "clone-min": COUNT,
    "clone-node-max": COUNT,
    "notify": FLAG,
    "ordered": FLAG,
}

OPERATION: Mapping[str, Kind] = {
    "enabled": FLAG,
    "on-fail": one_of("ignore", "block", "stop", "restart", "standby", "fence", "demote", "restart-container"),
    "record-pending": FLAG,
    "start-delay": TIME,
    "timeout": TIME,
}

CLUSTER_DEFAULTS: Mapping[str, str] = {
    # The scheduler already wakes up when a failure expires; this is only the safety net behind it, and 15
    # minutes (pacemaker's own choice) is a long time to leave a recovered service down.
    "cluster-recheck-interval": "120s",
    # Two nodes lost at once are two powers to cut: the second must not wait for a first that does not answer.
    "concurrent-fencing": "true",
    "no-quorum-policy": "stop",
    # By default ONE failed start bans an instance from its node for good. Here an instance has no other node
    # to go to, and starts fail for passing reasons (a donor busy, a peer not up yet): let a failed start count
    # like any other failure, towards migration-threshold.
    "start-failure-is-fatal": "false",
    "stonith-action": "reboot",
    "stonith-timeout": "60s",
}

RESOURCE_DEFAULTS: Mapping[str, str] = {
    # Five failures in a row give an instance a rest instead of a tight loop of restarts; two minutes after
    # the last one it is forgiven and tried again without an operator. The rest is longer than the slowest
    # monitor's interval (60 s), or a failure that only this monitor sees would be forgiven each time.
    "failure-timeout": "120s",
    "migration-threshold": "5",
    # For what runs in one place only (an address, a fencing device): stay where it is when a node comes back.
    "resource-stickiness": "100",
}

WATCHED_RESOURCE_DEFAULTS: Mapping[str, str] = {
    **RESOURCE_DEFAULTS,
    # Beside a sentinel the monitors come every 30 s. While it is away, five failures that only they see take five
    # times that and as many starts: they must still add up.
    "failure-timeout": "600s",
}


def merge(defaults: Mapping[str, str], given: Pairs) -> Pairs:
    """*defaults* with what is *given* in their place, sorted by name."""
    return tuple(sorted({**defaults, **dict(given)}.items()))
