"""Which processes are ours, and how they end: on the fake machine, and with real processes."""

from __future__ import annotations

import errno
import os
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fake_host import FakeHost
from hypothesis import given
from hypothesis import strategies as st

from quorate.lib.deadline import Deadline
from quorate.lib.host import RealHost
from quorate.lib.process import TAG, Process, Record, describe, end, look, look_recorded, members, parse_stat
from quorate.lib.rc import OcfError

# --- reading /proc


@pytest.mark.parametrize("comm", ["sleep", "a b", "tmux: server", "(sd-pam)", ") S 1 1 (", "x) R 9 9 9", "", "\n"])
def test_any_command_name_is_read(comm: str) -> None:
    line = f"17 ({comm}) T 3 5 6 0 -1 " + " ".join(str(n) for n in range(9, 22)) + " 777 1 2"
    process = parse_stat(line)
    assert (process.pid, process.comm, process.state, process.parent) == (17, comm, "T", 3)
    assert (process.session, process.start, process.threads) == (6, 777, 20)


def test_this_very_process_is_read_as_the_kernel_says() -> None:
    process = look(RealHost(), os.getpid())
    assert process is not None
    assert (process.pid, process.parent, process.session) == (os.getpid(), os.getppid(), os.getsid(0))
    ticks = process.start / os.sysconf("SC_CLK_TCK")
    assert 0 < ticks <= time.clock_gettime(time.CLOCK_BOOTTIME)


@pytest.mark.parametrize(
    ("state", "dead", "stopped"),
    [("Z", True, False), ("X", True, False), ("T", False, True), ("t", False, True), ("S", False, False)],
)
def test_states(state: str, dead: bool, stopped: bool) -> None:
    process = Process(1, "x", state, 1, 1, 1)
    assert (process.dead, process.stopped) == (dead, stopped)


@pytest.mark.parametrize(
    ("state", "threads", "gone"), [("Z", 1, True), ("Z", 2, False), ("X", 0, True), ("D", 1, False)]
)
def test_a_zombie_with_threads_is_only_ending(state: str, threads: int, gone: bool) -> None:
    assert Process(1, "x", state, 1, 1, 1, threads).gone is gone


@pytest.mark.parametrize("data", [b"", b"\n", b"17", b"17 ", b"17 x", b"17 5 3", b"-1 5", b"\xff\xfe\x00", b"1.5 2"])
def test_garbage_is_no_record(data: bytes) -> None:
    assert Record.decode(data) is None


@given(st.integers(1, 2**22), st.integers(0, 2**62))
def test_a_record_comes_back(pid: int, start: int) -> None:
    record = Record.decode(Record(pid, start).encode())
    assert record is not None
    assert (record.pid, record.start) == (pid, start)


# --- on the fake machine


def test_a_reused_pid_is_not_the_recorded_process() -> None:
    host = FakeHost()
    host.add("sshd", pid=17, start=900)
    assert look_recorded(host, Record(17, 5)) is None
    assert look_recorded(host, Record(17, 900)) is not None


def test_a_reused_pid_s_session_is_not_ours() -> None:
    # the daemon (pid 17, start 5) is gone and its pid now leads another's
    # session. The kernel gives a pid anew only when no process of the old session is left, so nothing here is ours.
    host = FakeHost()
    host.add("sshd", pid=17, start=900)
    host.add("bash", pid=18, session=17, start=901)
    assert members(host, "r1", Record(17, 5)) == []


def test_members_are_the_session_and_the_tagged() -> None:
    host = FakeHost()
    host.add("main", {TAG: "r1"}, pid=17, start=100)
    host.add("no-tag", pid=18, session=17, start=101)
    host.add("own-session", {TAG: "r1", "A": "b"}, pid=19, start=102)
    host.add("other", {TAG: "r10"}, pid=20)
    host.add("prefix", {"X" + TAG: "r1"}, pid=21)
    host.add("stranger", pid=22)
    zombie = host.add("zombie", {TAG: "r1"}, pid=23)
    zombie.state = "Z"
    assert sorted(p.pid for p in members(host, "r1", Record(17, 100))) == [17, 18, 19]
    assert sorted(p.pid for p in members(host, "r1", None)) == [17, 19]


def test_description() -> None:
    first, second = Process(17, "beam.smp", "S", 1, 1, 1), Process(18, "epmd", "S", 1, 1, 1)
    assert describe([]) == "no process"
    assert describe([first]) == "beam.smp (pid 17)"
    assert describe([first, second, second]) == "beam.smp (pid 17) and 2 more"


def end_all(host: FakeHost, main: int, seconds: float = 10.0) -> Deadline:
    deadline = Deadline(host.clock, seconds)
    end(host, lambda: members(host, "r1", Record(main, main * 10)), main, deadline, 0.7)
    return deadline


def test_what_cannot_be_read_is_not_gone() -> None:
    """Without a descriptor left, a monitor would call a living service stopped, and a stop would believe it."""
    host = FakeHost()
    main = host.add("main", {TAG: "r1"})

    def none_left(path: str) -> bytes:
        raise OSError(errno.EMFILE, "Too many open files", path)

    host.files.read = none_left  # type: ignore[method-assign]
    with pytest.raises(OSError, match="Too many open files"):
        look_recorded(host, Record(main.pid, main.start))


def test_workers_that_are_stopped_go_with_their_master() -> None:
    """A frozen service's master takes its TERM, and would wait for its workers until its patience ends."""
    host = FakeHost()
    main = host.add("main", {TAG: "r1"})
    worker = host.add("worker", {TAG: "r1"}, session=main.pid)
    for process in (main, worker):
        process.signalled(signal.SIGSTOP)
    end_all(host, main.pid)
    assert worker.signals[1] == signal.SIGCONT


def test_term_goes_to_the_main_process_first_and_then_to_what_outlives_it() -> None:
    """Erlang's port mapper stays for ever when its broker has gone: it must not cost a stop most of its time."""
    host = FakeHost()
    main = host.add("main", {TAG: "r1"})
    mapper = host.add("epmd", {TAG: "r1"}, session=77)
    began = host.clock.now
    end_all(host, main.pid)
    assert main.signals == [signal.SIGTERM]
    assert mapper.signals == [signal.SIGTERM]
    assert host.clock.now - began < 1


def test_what_ignores_term_is_killed_after_its_share_and_before_the_deadline() -> None:
    host = FakeHost()
    main = host.add("main", {TAG: "r1"})
    main.ignores = {signal.SIGTERM}
    began = host.clock.now
    deadline = end_all(host, main.pid)
    assert main.gone
    assert main.signals[-1] == signal.SIGKILL
    assert 7 <= host.clock.now - began <= 8
    assert not deadline.passed()


def test_without_the_main_process_all_get_term() -> None:
    host = FakeHost()
    left = [host.add(f"left{i}", {TAG: "r1"}) for i in range(3)]
    end_all(host, 9999)
    assert all(signal.SIGTERM in p.signals and signal.SIGKILL not in p.signals for p in left)


def test_what_outlives_kill_fails_the_stop_at_its_deadline() -> None:
    host = FakeHost()
    stuck = host.add("dstate", {TAG: "r1"})
    stuck.signalled = lambda signal: None  # type: ignore[method-assign]
    began = host.clock.now
    with pytest.raises(OcfError, match=rf"dstate \(pid {stuck.pid}\) outlived SIGKILL"):
        end_all(host, stuck.pid)
    assert host.clock.now - began == pytest.approx(10, abs=0.2)


def test_a_process_that_forks_while_it_dies_is_followed() -> None:
    host = FakeHost()
    main = host.add("main", {TAG: "r1"})
    main.ignores = {signal.SIGTERM}
    host.clock.at(7.02, lambda: host.add("forked", {TAG: "r1"}))
    end_all(host, main.pid)
    assert all(p.gone for p in host.processes.values())


def test_nothing_left_takes_no_time() -> None:
    host = FakeHost()
    began = host.clock.now
    end_all(host, 17)
    assert host.clock.now == began


# --- real processes


class Started:
    """Daemons of one test on the real machine, all under a tag of their own."""

    def __init__(self, folder: Path) -> None:
        self.host = RealHost()
        self.tag = f"test-{uuid.uuid4().hex}"
        self.folder = folder

    def spawn(self, *argv: str) -> Record:
        env = {"PATH": "/usr/bin:/bin", TAG: self.tag}
        pid = self.host.spawn(argv, user="root", env=env, log=str(self.folder / "out"), cwd="/")
        process = look(self.host, pid)
        assert process is not None
        return Record(pid, process.start)

    def python(self, code: str) -> Record:
        """Run *code* as a daemon; returns when it has printed 'ready'."""
        record = self.spawn(sys.executable, "-I", "-S", "-c", code)
        until(lambda: b"ready" in (self.folder / "out").read_bytes())
        return record

    def members(self, record: Record | None) -> list[Process]:
        return members(self.host, self.tag, record)

    def end(self, record: Record | None, seconds: float) -> float:
        began = time.monotonic()
        end(self.host, lambda: self.members(record), record.pid if record else 0, Deadline(time, seconds), 0.5)
        return time.monotonic() - began


def until(true: Callable[[], object], seconds: float = 10.0) -> None:
    limit = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < limit, "what the test waits for did not happen"
        time.sleep(0.01)


@pytest.fixture
def started(tmp_path: Path) -> Iterator[Started]:
    made = Started(tmp_path)
    yield made
    for process in made.members(None):
        made.host.kill(process.pid, signal.SIGKILL)


FORK_AND_SLEEP = """
import os, time
if os.fork() == 0:
    if os.fork() == 0:
        os.setsid()
    os.write(1, b'ready ')
    time.sleep(60)
time.sleep(60)
"""


def test_orphans_are_found_and_ended_after_the_main_process_was_killed(started: Started) -> None:
    record = started.python(FORK_AND_SLEEP)
    # The grandchild has left the session only when it leads one of its own.
    until(lambda: len({p.session for p in started.members(record)}) == 2 and len(started.members(record)) == 3)
    os.kill(record.pid, signal.SIGKILL)
    until(lambda: look_recorded(started.host, record) is None)
    left = started.members(record)
    assert len(left) == 2
    # One in the dead daemon's session, one that called setsid itself: only the tag knows that one.
    assert sorted(p.session == record.pid for p in left) == [False, True]
    assert {p.pid for p in started.members(None)} == {p.pid for p in left}
    assert started.end(record, 5) < 5
    assert started.members(record) == started.members(None) == []


def test_the_session_knows_a_child_that_lost_the_tag(started: Started) -> None:
    code = (
        "import os\nif os.fork() == 0:\n os.execve('/bin/sleep', ['sleep', '60'], {})\nos.write(1, b'ready')\nos.wait()"
    )
    record = started.python(code)
    until(lambda: "sleep" in [p.comm for p in started.members(record)])
    assert "sleep" not in [p.comm for p in started.members(None)]
    os.kill(record.pid, signal.SIGKILL)
    until(lambda: [p.comm for p in started.members(record)] == ["sleep"])
    started.end(record, 5)
    assert started.members(record) == []


def test_a_process_that_ignores_term_is_killed_within_the_deadline(started: Started) -> None:
    record = started.python(
        "import signal,os,time\nsignal.signal(15, signal.SIG_IGN)\nos.write(1,b'ready')\ntime.sleep(60)"
    )
    took = started.end(record, 6)
    assert 2.9 <= took < 6
    assert started.host.ended(record.pid) == -signal.SIGKILL


def test_a_stopped_process_is_ended_by_term(started: Started) -> None:
    record = started.spawn("/bin/sleep", "60")
    os.kill(record.pid, signal.SIGSTOP)
    until(lambda: (look(started.host, record.pid) or Process(0, "", "?", 0, 0, 0)).stopped)
    assert started.end(record, 10) < 5
    assert started.host.ended(record.pid) == -signal.SIGTERM


BIG_AND_LISTENING = """
import os, socket, threading, time
listener = socket.socket()
listener.bind(("127.0.0.1", 0))
listener.listen(5)
held = bytearray(256 << 20)
held[::4096] = b"x" * (len(held) // 4096)
for _ in range(8):
    threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
os.write(1, b"%d ready" % listener.getsockname()[1])
time.sleep(60)
"""


def test_the_end_is_when_the_last_thread_has_let_go_of_the_port(started: Started) -> None:
    """The kernel takes a killed process's memory apart before it closes its sockets, and says 'zombie' meanwhile."""
    record = started.python(BIG_AND_LISTENING)
    port = int((started.folder / "out").read_text().split()[0])
    socket.create_connection(("127.0.0.1", port), timeout=5).close()
    os.kill(record.pid, signal.SIGKILL)
    while started.members(record):
        pass
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=5)


def test_a_zombie_counts_as_gone(started: Started) -> None:
    record = started.spawn("/bin/sleep", "60")
    os.kill(record.pid, signal.SIGKILL)
    until(lambda: (look(started.host, record.pid) or Process(0, "", "?", 0, 0, 0)).state == "Z")
    assert look_recorded(started.host, record) is None
    assert started.members(record) == []
    assert started.end(record, 5) < 2.5, "nothing was waited for"
    # Its status is still to be had, for the reason of a failed start.
    assert started.host.ended(record.pid) == -signal.SIGKILL
    assert started.host.ended(record.pid) is None


def test_a_spawned_daemon_has_its_own_session_no_input_and_a_log(started: Started) -> None:
    record = started.python("import os,sys,time\nos.write(2, b'words\\n')\nos.write(1, b'ready')\ntime.sleep(60)")
    assert os.getsid(record.pid) == record.pid
    assert os.readlink(f"/proc/{record.pid}/fd/0") == "/dev/null"
    assert started.host.files.tail(str(started.folder / "out"), 2)[0] == "words"
    names = {os.readlink(f"/proc/{record.pid}/fd/{fd}") for fd in os.listdir(f"/proc/{record.pid}/fd")}
    assert names <= {"/dev/null", str(started.folder / "out")}


def test_a_command_that_does_not_end_is_killed_with_its_children(started: Started) -> None:
    env = {"PATH": "/usr/bin:/bin", TAG: started.tag}
    began = time.monotonic()
    result = started.host.run(["/bin/sh", "-c", "sleep 60 & sleep 60"], timeout=0.3, env=env)
    assert time.monotonic() - began < 5
    assert result.rc == 124
    assert result.words() == "/bin/sh did not end within 0.3 s"
    until(lambda: not started.members(None))


def test_what_commands_give() -> None:
    host = RealHost()
    result = host.run(["/bin/sh", "-c", "cat; echo err >&2; exit 3"], timeout=10, stdin=b"in\n")
    assert (result.rc, result.out, result.err, result.words()) == (3, "in\n", "err\n", "err")
    assert host.run(["/no/such"], timeout=1).rc == 127
    assert host.run(["/etc/passwd"], timeout=1).rc == 126
    assert host.run(["/bin/true"], timeout=10).words() == "exit status 0 and no message"


def test_an_identity_without_a_user_is_refused(tmp_path: Path) -> None:
    with pytest.raises(KeyError):
        RealHost().spawn(["/bin/true"], user="no-such-user", env={}, log=str(tmp_path / "out"), cwd="/")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may become another user")
def test_a_daemon_runs_as_its_user(started: Started) -> None:
    env = {"PATH": "/usr/bin:/bin", TAG: started.tag}
    pid = started.host.spawn(["/bin/sleep", "60"], user="nobody", env=env, log=str(started.folder / "out"), cwd="/")
    until(lambda: (look(started.host, pid) or Process(0, "", "?", 0, 0, 0)).comm == "sleep")
    status = Path(f"/proc/{pid}/status").read_text()
    uid = subprocess.run(["/usr/bin/id", "-u", "nobody"], capture_output=True, text=True, check=True).stdout.strip()
    assert f"Uid:\t{uid}\t{uid}\t{uid}\t{uid}" in status
