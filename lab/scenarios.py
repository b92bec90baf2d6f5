"""Every scenario there is, as records. Its name is that of its fault; what is loaded and how long it lasts is here.

The loads are those that the fault can hurt: two cores carry three nodes, their clients and the recorder, and a load
that proves nothing makes everything else slower. Holds are as long as what they are to show takes, and no longer.
"""

from __future__ import annotations

from collections.abc import Sequence

from quorate.lab import faults
from quorate.lab.checker import VALID
from quorate.lab.scenario import ALL_WORKLOADS, Scenario
from quorate.lib.problem import Problem

_APIS = ("keystone", "nova-api", "dashboard")
_QUEUES = ("queue-mirrored", "queue-quorum")
_SQL = ("sql-set", "sql-bank", "sql-register")
_DATABASE = ("keystone", *_SQL)
"""keystone shows what a user of the database sees of it."""
_DATA = (*_QUEUES, "sql-set", "sql-register")
_EVERYTHING = ALL_WORKLOADS

_AT_ONCE = 0.0
_NOTICED = 30.0
"""A stopped process looks alive until its monitor runs (each 10 s) into its timeout, and is then started anew."""
_FENCED = 20.0
"""A lost node is fenced after 6 s; fencing gives it its power back, and it boots."""
_OUTAGE = 5.0
"""Without power everywhere nothing changes any more: long enough for every client to have noticed."""
_SEEN = 5.0
"""Until the cluster has noticed that a daemon of its own is gone: before that it looks whole."""
_CUT = 20.0
"""A minority is fenced after 6 s, boots in front of the cut, and must not do harm there."""
_SUSPECTED = 25.0
"""Galera suspects a silent peer after 5 s and evicts it after 15 s."""
_FULL = 25.0
"""Two monitors run while nothing can be written."""

_ONE = 120.0
"""One instance anew: 10-30 s on an idle machine, up to twice that beside a full load."""
_ALL = 240.0
"""A node's boot with all its services, or everything from nothing: 50-100 s on an idle machine, the starts one after
another; half as fast a machine needs twice that."""


def _scenario(
    name: str, workloads: tuple[str, ...], hold: float, recovery: float = _ONE, expect: str = VALID
) -> Scenario:
    fault = faults.find(name)
    return Scenario(name, fault.about, fault, workloads, hold, recovery, expect)


SCENARIOS: tuple[Scenario, ...] = (
    # One service on one node: killed, told to end, frozen.
    _scenario("kill-keystone", _APIS, _AT_ONCE),
    _scenario("term-keystone", _APIS, _AT_ONCE),
    _scenario("stop-keystone", _APIS, _NOTICED),
    _scenario("kill-nova-api", _APIS, _AT_ONCE),
    _scenario("term-nova-api", _APIS, _AT_ONCE),
    _scenario("stop-nova-api", _APIS, _NOTICED),
    _scenario("kill-dashboard", _APIS, _AT_ONCE),
    _scenario("term-dashboard", _APIS, _AT_ONCE),
    _scenario("stop-dashboard", _APIS, _NOTICED),
    _scenario("kill-rabbitmq", _QUEUES, _AT_ONCE),
    _scenario("term-rabbitmq", _QUEUES, _AT_ONCE),
    _scenario("stop-rabbitmq", _QUEUES, _NOTICED),
    _scenario("kill-galera", _DATABASE, _AT_ONCE),
    _scenario("term-galera", _DATABASE, _AT_ONCE),
    _scenario("stop-galera", _DATABASE, _NOTICED),
    # The services with a state of their own: on a majority, and everywhere.
    _scenario("kill-rabbitmq-on-two", _QUEUES, _AT_ONCE, _ALL),
    _scenario("kill-rabbitmq-on-all", _QUEUES, _AT_ONCE, _ALL),
    _scenario("kill-galera-on-two", _DATABASE, _AT_ONCE, _ALL),
    _scenario("kill-galera-on-all", _DATABASE, _AT_ONCE, _ALL),
    # Nodes. Without a majority nobody is fenced: healing gives the power back.
    _scenario("power-off", _EVERYTHING, _FENCED, _ALL),
    _scenario("power-off-on-two", _EVERYTHING, _FENCED, _ALL),
    _scenario("power-off-on-all", _EVERYTHING, _OUTAGE, _ALL),
    _scenario("power-off-on-all-staggered", _EVERYTHING, _OUTAGE, _ALL),
    _scenario("pause", _EVERYTHING, _FENCED, _ALL),
    _scenario("pause-on-two", _EVERYTHING, _FENCED, _ALL),
    _scenario("pause-on-all", _EVERYTHING, _OUTAGE, _ALL),
    _scenario("pause-on-all-staggered", _EVERYTHING, _OUTAGE, _ALL),
    _scenario("reset", _EVERYTHING, _AT_ONCE, _ALL),
    _scenario("reset-on-all", _EVERYTHING, _AT_ONCE, _ALL),
    _scenario("reboot", _EVERYTHING, _AT_ONCE, _ALL),
    _scenario("reboot-on-two", _EVERYTHING, _AT_ONCE, _ALL),
    _scenario("reboot-on-all", _EVERYTHING, _AT_ONCE, _ALL),
    _scenario("reboot-on-all-staggered", _EVERYTHING, _AT_ONCE, _ALL),
    # The network between the nodes.
    _scenario("partition-isolate", _DATA, _CUT, _ALL),
    _scenario("partition-halves", _DATA, _CUT, _ALL),
    _scenario("partition-deaf", _DATA, _CUT, _ALL),
    _scenario("partition-mute", _DATA, _CUT, _ALL),
    _scenario("partition-bridge", _DATA, _CUT, _ALL),
    _scenario("partition-shatter", _DATA, _CUT, _ALL),
    _scenario("partition-isolate-tcp-25672", _QUEUES, _SUSPECTED, _ALL),
    _scenario("partition-bridge-tcp-25672", _QUEUES, _SUSPECTED, _ALL),
    _scenario("partition-isolate-tcp-4567", _DATABASE, _SUSPECTED, _ALL),
    _scenario("partition-bridge-tcp-4567", _DATABASE, _SUSPECTED, _ALL),
    _scenario("partition-isolate-udp-5405", _DATA, _CUT, _ALL),
    _scenario("loss-10", _DATA, _CUT, _ALL),
    # Disks.
    _scenario("disk-full-rabbitmq", _QUEUES, _FULL, _ALL),
    _scenario("disk-full-galera", _DATABASE, _FULL, _ALL),
    # The cluster stack and the power switch.
    _scenario("kill-corosync", _EVERYTHING, _FENCED, _ALL),
    _scenario("kill-pacemakerd", _DATA, _SEEN, _ALL),
    _scenario("kill-pacemaker-based", _DATA, _SEEN, _ALL),
    _scenario("kill-pacemaker-fenced", _DATA, _SEEN, _ALL),
    _scenario("kill-pacemaker-execd", _DATA, _SEEN, _ALL),
    _scenario("kill-pacemaker-attrd", _DATA, _SEEN, _ALL),
    _scenario("kill-pacemaker-schedulerd", _DATA, _SEEN, _ALL),
    _scenario("kill-pacemaker-controld", _DATA, _SEEN, _ALL),
    _scenario("lost-fencing", _EVERYTHING, _OUTAGE, _ALL),
    # What operators do. They end by themselves, or with the healing.
    _scenario("rolling-restart", _EVERYTHING, _AT_ONCE, _ONE),
    _scenario("move-galera", _DATABASE, _SEEN, _ONE),
    _scenario("ban-rabbitmq", _QUEUES, _SEEN, _ONE),
    _scenario("cleanup-galera", _DATABASE, _AT_ONCE, _ONE),
    _scenario("maintenance", _EVERYTHING, _SEEN, _ONE),
    _scenario("restart-rabbitmq", _QUEUES, _AT_ONCE, _ALL),
    _scenario("restart-galera", _DATABASE, _AT_ONCE, _ALL),
)

SUBSET = (
    "kill-keystone",
    "stop-rabbitmq",
    "kill-galera-on-all",
    "power-off",
    "partition-isolate",
    "kill-pacemaker-controld",
)
"""The names of those that stand for the others when time is short: one of each kind."""


def find(name: str) -> Scenario:
    """The scenario called *name*. Raises :class:`Problem`."""
    for scenario in SCENARIOS:
        if scenario.name == name:
            return scenario
    raise Problem(f"there is no scenario {name!r}: `quorate chaos list` shows them")


def select(names: Sequence[str]) -> list[Scenario]:
    """The scenarios called *names*, where ``all`` and ``subset`` are several, each once. Raises :class:`Problem`."""
    groups = {"all": [each.name for each in SCENARIOS], "subset": list(SUBSET)}
    wanted = dict.fromkeys(one for name in names for one in groups.get(name, [name]))
    return [find(name) for name in wanted]
