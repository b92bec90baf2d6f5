"""What the audits look at: questions asked on the nodes, all at once, and what came back."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import docker.errors
import requests.exceptions

from quorate.lab import containers
from quorate.lab.checker import INVALID, UNKNOWN, VALID
from quorate.lab.engine import NODE_LABEL, ROLE_LABEL
from quorate.lab.remote import Deadline
from quorate.lib.problem import Failed

if TYPE_CHECKING:
    from quorate.lab.cluster import Lab

RUNNING = "running"
NO_ANSWER = -1
"""The exit code of a command that was not done in time."""
_AT_ONCE = 6
"""Questions under way at the same time: a lab has few processors, and more would only be late together."""


@dataclass(frozen=True)
class Question:
    """A command with its standard input, asked on every node, or *once*: on the first node that can answer it."""

    name: str
    argv: tuple[str, ...]
    stdin: str = ""
    timeout: float = 15.0
    once: bool = False


@dataclass(frozen=True)
class Answer:
    """What *node* said. *trouble* is why it could not be asked; then there is nothing else."""

    node: str
    rc: int = 0
    out: str = ""
    err: str = ""
    trouble: str = ""

    @property
    def complaint(self) -> str:
        """Why a command failed, or that it was late: the first line that speaks of an error, else the last one."""
        lines = [line.strip() for line in (self.err.strip() or self.out.strip()).splitlines() if line.strip()]
        named = next((line for line in lines if "error" in line.lower()), lines[-1] if lines else "(silent)")
        return named[:300] if self.rc == NO_ANSWER else f"{named[:300]} (exit code {self.rc})"


@dataclass(frozen=True)
class Machine:
    """A container as the engine shows it: its *power* (running, paused, exited, ...) and its address in the lab."""

    name: str
    power: str
    address: str


@dataclass(frozen=True)
class Evidence:
    """One look. *services* are those that the cluster has a clone of; *machines* are the nodes and ``gateway``.

    *earlier* is the look before, a second or more ago.
    """

    nodes: tuple[str, ...]
    services: frozenset[str] = frozenset()
    addresses: Mapping[str, str] = field(default_factory=dict)
    machines: Mapping[str, Machine] = field(default_factory=dict)
    answers: Mapping[str, tuple[Answer, ...]] = field(default_factory=dict)
    earlier: Evidence | None = None

    def told(self, question: Question) -> tuple[Answer, ...]:
        """The answers of those nodes that could be asked."""
        return tuple(answer for answer in self.answers.get(question.name, ()) if not answer.trouble)

    def silent(self, question: Question) -> tuple[str, ...]:
        """Why the other nodes could not be asked, one phrase each."""
        return tuple(f"{a.node}: {a.trouble}" for a in self.answers.get(question.name, ()) if a.trouble)


@dataclass(frozen=True)
class Opinion:
    """What an audit makes of a look: what is *wrong*, what was *unseen*, else why all is *fine*."""

    fine: str
    wrong: tuple[str, ...] = ()
    unseen: tuple[str, ...] = ()

    @property
    def value(self) -> str:
        return INVALID if self.wrong else UNKNOWN if self.unseen else VALID

    @property
    def seen(self) -> str:
        """One sentence; what is wrong comes before what could not be looked at."""
        return "; ".join(dict.fromkeys((*self.wrong, *self.unseen))) or self.fine


@dataclass(frozen=True)
class Audit:
    """One thing that must be so. With a *service* it is only asked where the cluster has that service's clone."""

    name: str
    judge: Callable[[Evidence], Opinion]
    questions: tuple[Question, ...] = ()
    service: str = ""


def gather(
    lab: Lab, questions: Iterable[Question], services: frozenset[str] = frozenset(), earlier: Evidence | None = None
) -> Evidence:
    """Ask all *questions*. A node that cannot answer says why; raises :class:`Failed` only when the engine is gone."""
    machines = look_at_machines(lab)
    distinct = list(dict.fromkeys(questions))
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        # The slowest first, so that they do not come last.
        asked = [
            (question, [pool.submit(_first, lab, machines, question)])
            if question.once
            else (question, [pool.submit(_ask, lab, machines, question, node) for node in lab.nodes])
            for question in sorted(distinct, key=lambda question: -question.timeout)
        ]
        answers = {question.name: tuple(future.result() for future in futures) for question, futures in asked}
    addresses = {node: lab.address(node) for node in lab.nodes}
    addresses["gateway"] = lab.layout.gateway
    return Evidence(lab.nodes, services, addresses, machines, answers, earlier)


def look_at_machines(lab: Lab) -> dict[str, Machine]:
    """The lab's containers by node, and ``gateway``. Raises :class:`Failed` when the engine does not tell."""
    try:
        found = containers.of_lab(lab.client, lab.name)
    except (docker.errors.DockerException, requests.exceptions.RequestException, OSError) as error:
        raise Failed(f"the engine does not tell what runs: {type(error).__name__}") from error
    machines = {}
    for container in found:
        name = container.labels.get(NODE_LABEL) or container.labels.get(ROLE_LABEL) or str(container.name)
        link = container.attrs["NetworkSettings"]["Networks"].get(lab.layout.network) or {}
        machines[name] = Machine(name, container.status, str(link.get("IPAddress") or ""))
    return machines


def _first(lab: Lab, machines: Mapping[str, Machine], question: Question) -> Answer:
    said = Answer("no node", trouble="there is no node")
    for said in _each(lab, machines, question):
        if not said.trouble and said.rc == 0:
            break
    return said


def _each(lab: Lab, machines: Mapping[str, Machine], question: Question) -> Iterator[Answer]:
    for node in lab.nodes:
        yield _ask(lab, machines, question, node)


def _ask(lab: Lab, machines: Mapping[str, Machine], question: Question, node: str) -> Answer:
    machine = machines.get(node)
    if machine is None or machine.power != RUNNING:
        return Answer(node, trouble=f"cannot be asked, it is {machine.power if machine else 'not there'}")
    try:
        result = lab.exec(node, question.argv, timeout=question.timeout, check=False, stdin=question.stdin or None)
    except Deadline as late:
        # It could be asked, and had no answer: as good as failed.
        return Answer(node, NO_ANSWER, err=str(late)[:300])
    except Failed as failure:
        return Answer(node, trouble=str(failure)[:300])
    return Answer(node, result.rc, result.out, result.err)
