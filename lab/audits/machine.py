"""Audits of the machines: power, processes, packet filter, disks. They know services, not the agents that run them."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from quorate.lab.audits.evidence import RUNNING, Audit, Evidence, Opinion, Question
from quorate.lab.gateway import PORT
from quorate.lab.services import SERVICES, Service

# Runs on the node: what /proc, /run/quorate and the file systems show.
_SCRIPT = r"""
import json, os, pwd, sys
want = json.loads(sys.argv[1])
users = {entry.pw_uid: entry.pw_name for entry in pwd.getpwall()}
processes = []
for pid in filter(str.isdigit, os.listdir("/proc")):
    try:
        with open(f"/proc/{pid}/stat") as file:
            head, _, tail = file.read().rpartition(")")
        owner = os.stat(f"/proc/{pid}").st_uid
    except OSError:
        continue
    f = tail.split()
    processes.append([int(pid), int(f[1]), int(f[3]), int(f[19]), f[0], int(f[17]), head.partition(" (")[2],
                      users.get(owner, str(owner))])
records = {}
for name in want["records"]:
    try:
        with open(f"/run/quorate/{name}.pid") as file:
            pid, start = file.read().split()
        records[name] = [int(pid), int(start)]
    except (OSError, ValueError):
        pass
disks = {}
for path in want["folders"]:
    try:
        at = os.statvfs(path)
    except OSError:
        continue
    disks[path] = [at.f_blocks * at.f_frsize, at.f_bavail * at.f_frsize]
print(json.dumps({"processes": processes, "records": records, "disks": disks}))
"""
FULL = 0.05
"""A disk with less than this share of it left is full: a service on it may stop at any moment."""
_FOLDERS = (
    *("/", "/run", "/tmp", "/var/tmp", "/dev/shm", "/var/log", "/var/lib/pacemaker"),
    *(service.data for service in SERVICES if service.data),
)
_WANT = {"records": [service.name for service in SERVICES], "folders": _FOLDERS}
MACHINE = Question("machine", ("/usr/bin/python3", "-I", "-S", "-", json.dumps(_WANT)), stdin=_SCRIPT)
FIREWALL = Question("firewall", ("sh", "-c", "iptables-save && ip6tables-save"))


@dataclass(frozen=True)
class Process:
    """One line of ``/proc``; *start* in clock ticks since the boot tells two of the same pid apart."""

    pid: int
    parent: int
    session: int
    start: int
    state: str
    threads: int
    comm: str
    user: str

    @property
    def gone(self) -> bool:
        """Only an entry is left of it. A zombie with threads is still ending."""
        return self.state in "Xx" or (self.state == "Z" and self.threads <= 1)

    def __str__(self) -> str:
        return f"{self.comm} (pid {self.pid})"


@dataclass(frozen=True)
class Seen:
    """What one machine told. A record is the pid and start time that an agent of ours wrote down."""

    processes: tuple[Process, ...]
    records: Mapping[str, tuple[int, int]]
    disks: Mapping[str, tuple[int, int]]


def parse(text: str) -> Seen:
    """What :data:`MACHINE` printed."""
    said: dict[str, Any] = json.loads(text)
    return Seen(
        tuple(Process(*line) for line in said["processes"]),
        {name: (pid, start) for name, (pid, start) in said["records"].items()},
        {path: (size, free) for path, (size, free) in said["disks"].items()},
    )


# -- power -----------------------------------------------------------------------------------------------------------


def power(evidence: Evidence) -> Opinion:
    """Every container of the lab runs, unpaused, at its address; the power switch answers."""
    wrong = list(unpowered(evidence))
    gateway = evidence.machines.get("gateway")
    if gateway is not None and gateway.power == RUNNING:
        silence = _silent(evidence.addresses["gateway"])
        wrong += [f"the power switch {silence}"] if silence else []
    return Opinion(f"{len(evidence.machines)} machines run, the power switch answers", tuple(wrong))


def unpowered(evidence: Evidence) -> Iterator[str]:
    """The machines that do not run, or not where they should."""
    for name in (*evidence.nodes, "gateway"):
        machine = evidence.machines.get(name)
        if machine is None:
            yield f"{name} is not there"
        elif machine.power != RUNNING:
            yield f"{name} is {machine.power}"
        elif machine.address != evidence.addresses[name]:
            yield f"{name} has the address {machine.address or '(none)'} in the lab, not {evidence.addresses[name]}"


def _silent(address: str, port: int = PORT, timeout: float = 2.0) -> str:
    """Empty when the gateway greets with its nonce, else what it does instead."""
    try:
        with socket.create_connection((address, port), timeout) as link:
            link.settimeout(timeout)
            return "" if link.recv(64) else "closes the connection"
    except OSError as error:
        return f"does not answer ({error})"


# -- processes -------------------------------------------------------------------------------------------------------


def strays(service: Service, processes: Sequence[Process], record: tuple[int, int] | None) -> list[str]:
    """The processes of *service* that are not of its one instance.

    That is what descends from the recorded process, or is in its session. Where no record is kept (another provider's
    agent), all must be of one tree.
    """
    known = {process.pid: process for process in processes}
    ours = [
        process
        for process in processes
        if process.comm in service.commands
        and (not service.user or process.user == service.user)
        and not process.gone
        and not _under_way(process, known)
    ]
    main = known.get(record[0]) if record else None
    if record and main and main.start == record[1] and not main.gone:
        return [
            f"{process} of {service.name} is not of the instance with pid {main.pid}"
            for process in ours
            if process.session != main.pid and main not in (process, *_ancestors(process, known))
        ]
    pids = {process.pid for process in ours}
    roots = [process for process in ours if not any(each.pid in pids for each in _ancestors(process, known))]
    if len(roots) > 1:
        return [f"{service.name} runs {len(roots)} times: {', '.join(map(str, roots))}"]
    return []


def _ancestors(process: Process, known: Mapping[int, Process]) -> Iterator[Process]:
    seen = {process.pid}
    above = known.get(process.parent)
    while above is not None and above.pid not in seen:
        seen.add(above.pid)
        yield above
        above = known.get(above.parent)


def _under_way(process: Process, known: Mapping[int, Process]) -> bool:
    """Part of a command that will end by itself: an agent's action, or a question of this lab.

    The command line of RubbitMQ is an Erlang VM like its server.
    """
    chain = list(_ancestors(process, known))
    if any(above.comm == "pacemaker-execd" for above in chain):
        return True
    top = chain[-1] if chain else process
    return top.pid != 1 and top.parent == 0 and top.comm == "timeout"


def orphans(evidence: Evidence) -> Opinion:
    """One instance of each service on a node, and no process of it besides."""
    wrong = []
    for node, seen in _told(evidence):
        for service in (each for each in SERVICES if each.name in evidence.services):
            wrong += [f"{node}: {one}" for one in strays(service, seen.processes, seen.records.get(service.name))]
    return Opinion("every service process is of its one instance", tuple(wrong), _untold(evidence))


def stopped(evidence: Evidence) -> Opinion:
    """No process is held by SIGSTOP."""
    wrong = [
        f"{node}: {process} is stopped by a signal"
        for node, seen in _told(evidence)
        for process in seen.processes
        if process.state in "Tt"
    ]
    return Opinion("none", tuple(wrong), _untold(evidence))


# -- packet filter and disks -----------------------------------------------------------------------------------------


def firewall(evidence: Evidence) -> Opinion:
    """No rule is left in a packet filter."""
    wrong = []
    for answer in evidence.told(FIREWALL):
        if answer.rc:
            wrong.append(f"{answer.node} does not tell its rules: {answer.complaint}")
        wrong += [f"{answer.node}: {rule}" for rule in rules(answer.out)]
    return Opinion("no rule on any node", tuple(wrong), evidence.silent(FIREWALL))


def rules(saved: str) -> list[str]:
    """The rules, chains and policies in the text of ``iptables-save`` that a fresh node does not have.

    The engine's own rules for its name server are not counted.
    """
    found = []
    table = ""
    for line in saved.splitlines():
        words = line.split()
        if line.startswith("*"):
            table = line[1:]
        elif not words or "DOCKER_OUTPUT" in words or "DOCKER_POSTROUTING" in words:
            continue
        elif line.startswith("-A"):
            found.append(f"the rule {line} is left")
        elif line.startswith(":") and words[0][1:] not in ("DOCKER_OUTPUT", "DOCKER_POSTROUTING"):
            if words[1] == "-":
                found.append(f"the chain {words[0][1:]} is left in the table {table}")
            elif words[1] != "ACCEPT":
                found.append(f"the policy of {words[0][1:]} is {words[1]}")
    return found


def disks(evidence: Evidence) -> Opinion:
    """No disk is full: nothing that was made to fill one is left."""
    wrong = [
        f"{node}: the disk of {path} is full: {free >> 20} of {size >> 20} MiB are free"
        for node, seen in _told(evidence)
        for path, (size, free) in seen.disks.items()
        if size and free < FULL * size
    ]
    return Opinion("none is full", tuple(wrong), _untold(evidence))


def _told(evidence: Evidence) -> Iterator[tuple[str, Seen]]:
    for answer in evidence.told(MACHINE):
        if answer.rc == 0:
            yield answer.node, parse(answer.out)


def _untold(evidence: Evidence) -> tuple[str, ...]:
    failed = tuple(f"{a.node}: {a.complaint}" for a in evidence.told(MACHINE) if a.rc)
    return (*evidence.silent(MACHINE), *failed)


AUDITS = (
    Audit("power", power),
    Audit("processes", orphans, (MACHINE,)),
    Audit("stopped processes", stopped, (MACHINE,)),
    Audit("firewall", firewall, (FIREWALL,)),
    Audit("disks", disks, (MACHINE,)),
)
