"""A lab that exists: its nodes, commands in them, their power, and the health of the cluster they form."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import docker
import docker.errors
from lxml import etree

from quorate.cib.topology import Topology
from quorate.lab import archive, containers, engine, record, remote
from quorate.lab import secrets as secret_store
from quorate.lab.config import File
from quorate.lab.health import Health, clones_of, parse_crm_mon
from quorate.lab.layout import Layout, make_layout, read_topology
from quorate.lab.remote import ExecResult
from quorate.lib.problem import Failed, Problem

if TYPE_CHECKING:
    from docker.models.containers import Container

CIB_FILE = "/var/lib/pacemaker/lab-cib.xml"
_LOOK = 0.5
"""Seconds between two looks at the cluster."""


class Lab:
    """One lab, by name. It may be up, down, or half way: :mod:`quorate.lab.bringup` makes and removes it."""

    def __init__(self, name: str, topology: Topology, client: docker.DockerClient) -> None:
        self.name = name
        self.topology = topology
        self.client = client
        self.layout: Layout = make_layout(name, topology.nodes)
        self.folder: Path = record.folder(name)

    # -- who is there ------------------------------------------------------------------------------------

    @property
    def nodes(self) -> tuple[str, ...]:
        """The names of the nodes, in the topology's order."""
        return tuple(node.name for node in self.topology.nodes)

    @property
    def secrets(self) -> secret_store.Secrets:
        """The lab's secrets, made at the first use."""
        return secret_store.load_or_generate(self.folder)

    def address(self, node: str) -> str:
        """The address of *node*."""
        return self.layout.address(node)

    def container(self, node: str) -> Container:
        """The container of *node*. Raises :class:`Failed` when the lab is not up."""
        self.address(node)
        try:
            return self.client.containers.get(self.layout.container(node))
        except docker.errors.NotFound:
            raise Failed(f"node {node} of the lab {self.name!r} does not exist: run `quorate lab up`") from None

    def running(self) -> tuple[str, ...]:
        """The nodes whose power is on."""
        found = containers.of_lab(self.client, self.name, "node")
        up = {container.labels.get(engine.NODE_LABEL) for container in found if container.status == "running"}
        return tuple(node for node in self.nodes if node in up)

    # -- commands ----------------------------------------------------------------------------------------

    def exec(
        self,
        node: str,
        argv: Sequence[str],
        *,
        timeout: float = 60.0,
        check: bool = True,
        stdin: str | bytes | None = None,
        env: Mapping[str, str] | None = None,
        user: str = "root",
    ) -> ExecResult:
        """Run *argv* on *node* within *timeout* seconds.

        With *check*, an exit code other than 0 is a :class:`Failed` that quotes the command's last words. A
        command that is not done in time is a :class:`Failed` in any case, even when the node is frozen.
        """
        self.address(node)
        data = stdin.encode() if isinstance(stdin, str) else stdin
        result = remote.run(
            self.client, self.layout.container(node), argv, timeout=timeout, stdin=data, env=env, user=user
        )
        if check and result.rc:
            said = (result.err.strip() or result.out.strip())[-600:]
            raise Failed(f"node {node}: `{' '.join(argv)[:160]}` ended with {result.rc}: {said or '(silent)'}")
        return result

    def put(self, node: str, files: Iterable[File]) -> None:
        """Write *files* on *node*, whose power may be off."""
        container = self.container(node)
        archive.put_files(container, files, archive.read_accounts(container))

    # -- power -------------------------------------------------------------------------------------------

    def power_off(self, node: str) -> None:
        """Cut the power of *node*, as pulling its plug does. It is off on return; off already is fine."""
        container = self.container(node)
        try:
            container.kill()
        except docker.errors.APIError as error:
            if error.status_code != 409:
                raise Failed(f"node {node} cannot be powered off: {error.explanation}") from error

    def power_on(self, node: str) -> None:
        """Give *node* its power back; it boots by itself. On already is fine."""
        try:
            self.container(node).start()
        except docker.errors.APIError as error:
            raise Failed(f"node {node} cannot be powered on: {error.explanation}") from error

    # -- the cluster -------------------------------------------------------------------------------------

    def health(self, timeout: float = 10.0) -> Health:
        """The cluster as the first node sees it that is in a quorate partition (else: as any node sees it).

        Raises :class:`Failed` when no node tells within *timeout* seconds each.
        """
        seen: Health | None = None
        trouble = "no node is running"
        for node in self.running():
            try:
                result = self.exec(
                    node, ["crm_mon", "-1", "--inactive", "--output-as=xml"], timeout=timeout, check=False
                )
                health = parse_crm_mon(result.out) if result.rc == 0 else None
            except Failed as failure:
                trouble = str(failure)
                continue
            if health is None:
                trouble = f"node {node}: {(result.err or result.out).strip()[-200:]}"
            elif health.quorate and health.dc:
                return health
            else:
                seen = seen or health
        if seen is None:
            raise Failed(f"the cluster of the lab {self.name!r} does not tell its state: {trouble}")
        return seen

    def clones(self) -> dict[str, int]:
        """The clones that the loaded CIB holds, each with the number of instances that are to be promoted."""
        return clones_of(self._cib_section(next(iter(self.running()), self.nodes[0]), "resources"))

    def missing(self) -> tuple[str, ...]:
        """What keeps the lab from being healthy just now, one phrase each; nothing when all is well."""
        try:
            return self.health().missing(self.nodes, self.clones())
        except Failed as failure:
            return (str(failure),)

    def wait_healthy(self, deadline: float = 120.0) -> float:
        """Wait until every node is online and every clone of the CIB is active on every node; the seconds it took.

        Raises :class:`Failed` after *deadline* seconds, saying what is missing, with the failed operations and
        the last lines of the logs.
        """
        return self._wait(deadline, self.missing)

    def wait_online(self, deadline: float = 60.0) -> float:
        """Wait until every node is a member, with quorum and a DC, whatever the resources do; the seconds it took."""

        def missing() -> tuple[str, ...]:
            try:
                health = self.health()
            except Failed as failure:
                return (str(failure),)
            return Health(health.dc, health.quorate, health.nodes, (), ()).missing(self.nodes, {})

        return self._wait(deadline, missing)

    def _wait(self, deadline: float, look: Callable[[], tuple[str, ...]]) -> float:
        begun = time.monotonic()
        while missing := look():
            if time.monotonic() - begun > deadline:
                raise Failed(
                    f"the lab {self.name!r} is not healthy after {deadline:.0f} s: {'; '.join(missing)}{self._why()}"
                )
            time.sleep(_LOOK)
        return time.monotonic() - begun

    def _why(self) -> str:
        """The failed operations and the last log lines, for an error message."""
        lines: list[str] = []
        try:
            lines += [f"  failed: {failure}" for failure in self.health().failures]
        except Failed:
            pass
        for node in self.nodes:
            try:
                lines += [f"  {node}: {line}" for line in self.last_words(node)]
            except Failed as failure:
                lines.append(f"  {failure}")
        return "".join(f"\n{line}" for line in lines)

    def last_words(self, node: str, lines: int = 4) -> list[str]:
        """The last *lines* warnings and errors of Pacemaker on *node*; of its boot when it is off."""
        if node not in self.running():
            text = self.container(node).logs(tail=lines).decode("utf-8", "replace")
            return [f"(power is off) {line}" for line in text.splitlines()]
        pattern = r"(error|warning|crit|notice: Result of .*:.*(error|fail|not))"
        command = f"grep -aE '{pattern}' /var/log/pacemaker/pacemaker.log | tail -n {lines}"
        return self.exec(node, ["sh", "-c", command], timeout=10, check=False).out.splitlines()

    def load_cib(self, xml: str) -> None:
        """Replace the cluster's configuration by *xml*, whatever it was.

        Into an empty cluster it goes by the command that an operator would use, `crm configure load xml
        replace`. That command cannot be used again: crmsh empties the CIB first, which it refuses while a
        resource runs, and what it then merges nests a second ``rsc_defaults`` in the first (crmsh 4.4). From then
        on it is `cibadmin --replace`, one atomic change.
        """
        node = next(iter(self.running()), self.nodes[0])
        self.put(node, [File(CIB_FILE, xml.encode(), "hacluster", "haclient", 0o600)])
        if len(etree.fromstring(self._cib_section(node, "resources"))) == 0:
            self.exec(node, ["crm", "-F", "configure", "load", "xml", "replace", CIB_FILE])
            return
        root = etree.fromstring(xml.encode())
        configuration = root if root.tag == "configuration" else root.find("configuration")
        assert configuration is not None, "a rendered CIB has a configuration"
        self.exec(
            node,
            ["cibadmin", "--replace", "--scope", "configuration", "--xml-pipe"],
            stdin=etree.tostring(configuration),
        )

    def cib(self) -> str:
        """The CIB that the cluster holds now, with its status."""
        return self.exec(next(iter(self.running()), self.nodes[0]), ["cibadmin", "--query"], timeout=20).out

    def cleanup(self) -> None:
        """Forget failed operations, so that the cluster tries again at once what it had given up."""
        self.exec(next(iter(self.running()), self.nodes[0]), ["crm_resource", "--cleanup"], timeout=60)

    def _cib_section(self, node: str, name: str) -> bytes:
        return self.exec(node, ["cibadmin", "--query", "--scope", name], timeout=20).out.encode()


def open_lab(
    name: str,
    client: docker.DockerClient,
    topology: Path | None = None,
    subnet: str | None = None,
) -> Lab:
    """The lab *name*: from *topology* (moved to *subnet*) when given, else from what its folder remembers.

    Raises :class:`Problem` when there is neither.
    """
    if topology is not None:
        return Lab(name, read_topology(topology, subnet), client)
    kept = record.topology_file(name)
    if not kept.exists():
        known = ", ".join(containers.names(client))
        raise Problem(f"there is no lab {name!r} here{f' (there is {known})' if known else ''}: run `quorate lab up`")
    return Lab(name, read_topology(kept), client)
