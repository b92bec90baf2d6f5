"""Calling agents in tests: a small daemon agent, a log that keeps what it is told, and one call of one action."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from quorate.lib.agent import Agent, Context
from quorate.lib.daemon import Command, Daemon
from quorate.lib.deadline import Deadline
from quorate.lib.declare import Action, Parameter
from quorate.lib.dispatch import perform
from quorate.lib.log import Log
from quorate.lib.probe import ProbeError, http_status
from quorate.lib.rc import OcfError, Rc

if TYPE_CHECKING:
    from quorate.lib.host import Host


class KeptLog(Log):
    """Writes nowhere; *lines* is what was logged."""

    __slots__ = ("lines",)

    def __init__(self) -> None:
        super().__init__("test", {})
        self.lines: list[str] = []

    def _write(self, level: int, word: str, message: str) -> None:
        self.lines.append(f"{word}: {message}")


class Service(Daemon):
    """The least daemon agent: an HTTP service on a port."""

    name = "service"
    shortdesc = "A service"
    longdesc = "A service of the tests"
    parameters = (
        Parameter("binary", default="/usr/bin/served", shortdesc="Program"),
        Parameter("port", "integer", "8080", shortdesc="Port", minimum=1, maximum=65535),
        Parameter("probe_timeout", "time", "2s", shortdesc="Patience", minimum=1, maximum=60),
        Parameter("owner", required=True, shortdesc="A required one"),
    )
    actions = (
        Action("start", 20),
        Action("stop", 20),
        Action("monitor", 20, 10, 0),
        Action("notify", 5),
        Action("validate-all", 5),
        Action("meta-data", 5),
    )
    user = "root"
    helpers = ("helperd",)

    def command(self) -> Command:
        return Command([self.params.text("binary"), "--serve"], user=self.user, log="/var/log/served.log")

    def listens_on(self) -> tuple[str, int]:
        return ("127.0.0.1", self.params.number("port"))

    def probe_service(self, deadline: Deadline) -> None:
        status = http_status(self.host, self.listens_on(), "/", deadline)
        if status >= 500:
            raise ProbeError(f"answers with HTTP status {status}")


def context(
    host: Host,
    action: str,
    *,
    instance: str = "r1",
    timeout: float = 20,
    probe: bool = False,
    depth: int = 0,
    log: Log | None = None,
    node: str = "",
) -> Context:
    return Context(
        host, log or KeptLog(), instance=instance, action=action, timeout=timeout, depth=depth, probe=probe, node=node
    )


def act(
    agent: type[Agent],
    host: Host,
    action: str,
    given: Mapping[str, str] | None = None,
    *,
    instance: str = "r1",
    timeout: float = 20,
    probe: bool = False,
    depth: int = 0,
    log: Log | None = None,
    node: str = "",
) -> tuple[Rc, str]:
    """Run one action; its code and the reason. Anything but OcfError is left to fail the test."""
    called = context(host, action, instance=instance, timeout=timeout, probe=probe, depth=depth, log=log, node=node)
    try:
        return perform(agent, called, dict({"owner": "me"} if given is None else given)), ""
    except OcfError as error:
        return error.rc, error.reason
