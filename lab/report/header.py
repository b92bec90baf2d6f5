"""What a report says about the machine, the lab and the software: asked once, and never a reason for a run to fail."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import docker.errors
import requests.exceptions
from lxml import etree

import quorate
from quorate.lab.cluster import Lab
from quorate.lab.report.model import Entry, Header, Machine
from quorate.lab.run import CIB_BEFORE, Outcome
from quorate.lib.problem import Failed

PACKAGES = {
    "pacemaker": "pacemaker",
    "corosync": "corosync",
    "RabbitMQ": "rabbitmq-server",
    "MariaDB": "mariadb-server",
    "Galera": "galera-4",
    "keystone": "keystone",
    "nova": "nova-api",
    "dashboard": "openstack-dashboard",
    "resource-agents": "resource-agents",
}
"""What is told of a node's software, and the package that it is."""
UNKNOWN = "unknown"


def header(lab: Lab, outcomes: Sequence[Outcome]) -> Header:
    """What can be said now; what nobody answers is left out or said to be unknown."""
    cibs = [outcome.folder / CIB_BEFORE for outcome in outcomes]
    return Header(
        date=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        quorate=quorate.__version__,
        commit=commit(Path(__file__).resolve().parent),
        machine=machine(lab),
        versions=versions(lab),
        topology=lab.topology.name,
        agents=next((found for cib in cibs if (found := agents(cib))), {}),
        seed=seed(outcomes),
    )


def seed(runs: Sequence[Outcome | Entry]) -> int | None:
    """The seed that all of them had; None when each had its own."""
    seeds = {run.seed for run in runs}
    return seeds.pop() if len(seeds) == 1 else None


def machine(lab: Lab) -> Machine:
    try:
        engine = f"{lab.client.version()['Version']}"
    except (docker.errors.DockerException, requests.exceptions.RequestException, KeyError, OSError):
        engine = UNKNOWN
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return Machine(os.cpu_count() or 0, round(memory, 1), platform.release(), engine)


def versions(lab: Lab) -> dict[str, str]:
    """The versions of :data:`PACKAGES` on the first node that answers."""
    asked = ["dpkg-query", "-W", "-f", "${Package} ${Version}\\n", *PACKAGES.values()]
    try:
        node = next(iter(lab.running()), lab.nodes[0])
        # It ends with 1 when one of them is not installed, and tells of the others.
        said = lab.exec(node, asked, timeout=20, check=False).out
    except (Failed, docker.errors.DockerException, requests.exceptions.RequestException, OSError):
        return {}
    found = dict(line.split(" ", 1) for line in said.splitlines() if " " in line)
    return {name: found[package] for name, package in PACKAGES.items() if found.get(package)}


def agents(cib: Path) -> dict[str, str]:
    """The agent of each cloned resource in the file *cib*, as ``class:provider:type``."""
    try:
        root = etree.parse(str(cib)).getroot()
    except (OSError, etree.XMLSyntaxError):
        return {}
    found: dict[str, str] = {}
    for clone in root.iterfind("configuration/resources//clone"):
        for primitive in clone.iter("primitive"):
            said = (primitive.get("class"), primitive.get("provider"), primitive.get("type"))
            found[primitive.get("id") or ""] = ":".join(part for part in said if part)
    return found


def commit(folder: Path) -> str:
    """The commit that the code in *folder* is of, with a plus when it was changed since; empty outside a checkout."""

    def git(*argv: str) -> str:
        done = subprocess.run(
            ["git", "-C", str(folder), *argv],
            capture_output=True,
            text=True,
            timeout=20,
            check=True,
            stdin=subprocess.DEVNULL,
        )
        return done.stdout.strip()

    try:
        return git("rev-parse", "--short=12", "HEAD") + (
            "+" if git("status", "--porcelain", "--untracked-files=no") else ""
        )
    except (OSError, subprocess.SubprocessError):
        return ""
