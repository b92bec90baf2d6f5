"""Deaths of real processes: by pidfd, and without."""

from __future__ import annotations

import errno
import os
import select
import subprocess
from collections.abc import Iterator

import pytest

from quorate.lib.host import RealHost
from quorate.lib.process import look
from quorate.lib.sentinel.deaths import PIDFD_OPEN, Deaths

HOST = RealHost()
Key = tuple[str, int, int]


@pytest.fixture
def children() -> Iterator[list[subprocess.Popen[bytes]]]:
    started: list[subprocess.Popen[bytes]] = []
    yield started
    for child in started:
        child.kill()
        child.wait()


def child(children: list[subprocess.Popen[bytes]], name: str = "a") -> Key:
    process = subprocess.Popen(["/bin/sleep", "60"])
    children.append(process)
    found = look(HOST, process.pid)
    assert found is not None
    return name, process.pid, found.start


def test_a_death_is_an_event_and_is_told_once(children: list[subprocess.Popen[bytes]]) -> None:
    poll = select.poll()
    deaths = Deaths(HOST, poll)
    first, second = child(children, "a"), child(children, "b")
    assert deaths.add(first)
    assert deaths.add(second)
    assert not deaths.looking
    assert poll.poll(0) == []
    children[0].kill()
    [(fd, _)] = poll.poll(5000)
    assert fd in deaths
    # A zombie, which its parent has not waited for, is dead.
    assert deaths.ended([fd]) == [first]
    assert deaths.ended([fd]) == []
    assert fd not in deaths
    assert poll.poll(0) == []


def test_an_event_of_a_number_that_is_anothers_now_is_no_death(children: list[subprocess.Popen[bytes]]) -> None:
    poll = select.poll()
    deaths = Deaths(HOST, poll)
    first = child(children, "a")
    deaths.add(first)
    children[0].kill()
    [(fd, _)] = poll.poll(5000)
    # Between the event and its handling the first is withdrawn, and another gets the number of its descriptor.
    deaths.drop(first)
    second = child(children, "b")
    deaths.add(second)
    assert fd in deaths
    assert deaths.ended([fd]) == []
    children[1].kill()
    assert [fd for fd, _ in poll.poll(5000)] == [fd]
    assert deaths.ended([fd]) == [second]


def test_a_process_that_is_gone_is_not_added(children: list[subprocess.Popen[bytes]]) -> None:
    deaths = Deaths(HOST, select.poll())
    before = len(os.listdir("/proc/self/fd"))
    key = child(children)
    children[0].kill()
    os.waitid(os.P_PID, children[0].pid, os.WEXITED | os.WNOWAIT)
    assert not deaths.add(key), "a zombie"
    children[0].wait()
    assert not deaths.add(key), "nothing"
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_reused_pid_is_not_the_recorded_process(children: list[subprocess.Popen[bytes]]) -> None:
    deaths = Deaths(HOST, select.poll())
    name, pid, start = child(children)
    before = len(os.listdir("/proc/self/fd"))
    assert not deaths.add((name, pid, start - 1))
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_pid_that_is_reused_while_the_descriptor_is_opened(children: list[subprocess.Popen[bytes]]) -> None:
    """The descriptor may be the next process's: what was there before it was opened says nothing."""
    first, second = child(children), child(children)

    def late(pid: int) -> int:
        children[0].kill()
        children[0].wait()
        assert PIDFD_OPEN is not None
        return PIDFD_OPEN(second[1])

    assert not Deaths(HOST, select.poll(), late).add(first)


def _refuse(error: int) -> int:
    raise OSError(error, os.strerror(error))


@pytest.mark.parametrize("error", [None, errno.ENOSYS, errno.EPERM, errno.EMFILE])
def test_without_pidfd_it_is_looked_for(error: int | None, children: list[subprocess.Popen[bytes]]) -> None:
    poll = select.poll()
    deaths = Deaths(HOST, poll, None if error is None else lambda pid: _refuse(error))
    key, other = child(children), child(children)
    assert deaths.add(key)
    assert deaths.add(other)
    assert deaths.looking
    assert deaths.look() == []
    children[0].kill()
    os.waitid(os.P_PID, children[0].pid, os.WEXITED | os.WNOWAIT)
    assert deaths.look() == [key]
    assert deaths.look() == []
    deaths.drop(other)
    assert not deaths.looking
    assert not deaths.add(key)


def test_adding_twice_and_dropping_twice_is_once(children: list[subprocess.Popen[bytes]]) -> None:
    deaths = Deaths(HOST, select.poll())
    before = len(os.listdir("/proc/self/fd"))
    key = child(children)
    assert deaths.add(key)
    assert deaths.add(key)
    assert len(os.listdir("/proc/self/fd")) == before + 1
    deaths.drop(key)
    deaths.drop(key)
    assert len(os.listdir("/proc/self/fd")) == before
