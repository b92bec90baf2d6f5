"""Every fault there is."""

from __future__ import annotations

from quorate.lab.fault import Fault
from quorate.lab.faults.daemons import KillDaemon
from quorate.lab.faults.disk import DiskFull
from quorate.lab.faults.fencing import LostFencing
from quorate.lab.faults.firewall import Port
from quorate.lab.faults.mending import ALL
from quorate.lab.faults.network import Loss, Partition
from quorate.lab.faults.operations import Ban, Maintenance, Move, Refresh, Restart, RollingRestart
from quorate.lab.faults.power import Power
from quorate.lab.faults.process import Signal
from quorate.lab.faults.shapes import BRIDGE, DEAF, HALVES, ISOLATE, MUTE, SHATTER
from quorate.lib.problem import Problem

_DISTRIBUTION = Port("tcp", 25672)
_REPLICATION = Port("tcp", 4567)
_COROSYNC = Port("udp", 5405)
_APART = 4.0
"""Seconds from one node to the next: longer than the cluster needs to see that one is gone, shorter than fencing."""

FAULTS: tuple[Fault, ...] = (
    Signal("KILL", "keystone"),
    Signal("TERM", "keystone"),
    Signal("STOP", "keystone"),
    Signal("KILL", "nova-api"),
    Signal("TERM", "nova-api"),
    Signal("STOP", "nova-api"),
    Signal("KILL", "dashboard"),
    Signal("TERM", "dashboard"),
    Signal("STOP", "dashboard"),
    Signal("KILL", "rabbitmq"),
    Signal("TERM", "rabbitmq"),
    Signal("STOP", "rabbitmq"),
    Signal("KILL", "galera"),
    Signal("TERM", "galera"),
    Signal("STOP", "galera"),
    Signal("KILL", "rabbitmq", 2),
    Signal("KILL", "rabbitmq", ALL),
    Signal("KILL", "galera", 2),
    Signal("KILL", "galera", ALL),
    Power("power-off"),
    Power("power-off", 2),
    Power("power-off", ALL),
    Power("power-off", ALL, _APART),
    Power("pause"),
    Power("pause", 2),
    Power("pause", ALL),
    Power("pause", ALL, _APART),
    Power("reset"),
    Power("reset", 2),
    Power("reset", ALL),
    Power("reset", ALL, _APART),
    Power("reboot"),
    Power("reboot", 2),
    Power("reboot", ALL),
    Power("reboot", ALL, _APART),
    Partition(ISOLATE),
    Partition(HALVES, lead=True),
    Partition(DEAF),
    Partition(MUTE),
    Partition(BRIDGE),
    Partition(SHATTER),
    Partition(ISOLATE, _DISTRIBUTION),
    Partition(BRIDGE, _DISTRIBUTION),
    Partition(ISOLATE, _REPLICATION),
    Partition(BRIDGE, _REPLICATION),
    Partition(ISOLATE, _COROSYNC),
    Loss(0.1),
    DiskFull("rabbitmq"),
    DiskFull("galera"),
    KillDaemon("corosync"),
    KillDaemon("pacemakerd"),
    KillDaemon("pacemaker-based"),
    KillDaemon("pacemaker-fenced"),
    KillDaemon("pacemaker-execd"),
    KillDaemon("pacemaker-attrd"),
    KillDaemon("pacemaker-schedulerd", dc=True),
    KillDaemon("pacemaker-controld"),
    LostFencing(),
    RollingRestart(),
    Move("galera"),
    Ban("rabbitmq"),
    Refresh("galera"),
    Maintenance(),
    Restart("rabbitmq"),
    Restart("galera"),
)


def find(name: str) -> Fault:
    """The fault called *name*. Raises :class:`Problem`."""
    for fault in FAULTS:
        if fault.name == name:
            return fault
    raise Problem(f"there is no fault {name!r}: `quorate chaos list` shows them")
