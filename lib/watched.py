"""Tells the node's sentinel what runs, and what is about to end on purpose.

The sentinel only makes things faster. Whatever goes wrong here costs that speed and nothing else: nothing raises, and
a sentinel that is not there or does not answer is waited for half a second and not mentioned.
"""

from __future__ import annotations

from quorate.lib.deadline import Deadline
from quorate.lib.probe import Exchange, ProbeError
from quorate.lib.rc import OcfError
from quorate.lib.sentinel.records import Watched

TYPE_CHECKING = False
if TYPE_CHECKING:
    from quorate.lib.daemon import Daemon
    from quorate.lib.process import Record

# Seconds for the whole conversation. The daemon's main loop answers, which never waits for anything.
PATIENCE = 0.5


def register(agent: Daemon, record: Record, run: str) -> None:
    """Write down in the folder *run* what the sentinel needs to watch *agent*'s service, and tell it to read that."""
    instance = agent.context.instance
    entry = Watched(instance, agent.name, record.pid, record.start, agent.params.given)
    try:
        agent.host.files.make_dir(run, 0o700)
        agent.host.files.make_dir(f"{run}/sentinel", 0o700)
        agent.host.files.write(agent.watch_path(), entry.encode())
    except Exception as error:
        # Every monitor tries again, and need not say again what the start said.
        if agent.context.action != "monitor" or agent.context.probe:
            agent.log.warning(f"{agent.context.action}: the sentinel will not watch {instance}: {error}")
        return
    nudge(agent, "watch", run)


def withdraw(agent: Daemon, run: str) -> None:
    """Take the record away, and make the sentinel forget what it knew; returns when it has."""
    try:
        agent.host.files.remove(agent.watch_path())
    except Exception as error:
        agent.log.warning(f"{agent.context.action}: the sentinel's record stays: {error}")
    nudge(agent, "forget", run)


def nudge(agent: Daemon, verb: str, run: str) -> None:
    """Say *verb* about the instance to the daemon, and wait until it has taken it in."""
    try:
        with Exchange(agent.host, f"{run}/sentinel.sock", Deadline(agent.host.clock, PATIENCE)) as exchange:
            exchange.send(f"{verb} {agent.context.instance}\n".encode())
            exchange.receive(256)
    except (OcfError, ProbeError):
        pass
