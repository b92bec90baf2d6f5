"""The sentinel end to end: a real daemon, real children that die, fake programs of the cluster."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from sentinel_node import STARTED, Node, operation, until

from quorate.lib.agent import Agent
from quorate.lib.sentinel.daemon import USAGE, main, parse


def unloaded(name: str) -> type[Agent]:
    raise AssertionError(f"{name} was loaded")


TELL_A = "--fail -r a -N n1"


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    node = Node(tmp_path)
    try:
        yield node
    finally:
        node.close()


class Service:
    """An HTTP server whose manners can be changed."""

    def __init__(self) -> None:
        service = self
        self.status = 200
        self.hangs = threading.Event()
        self.asked = 0

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                service.asked += 1
                while service.hangs.is_set():
                    time.sleep(0.02)
                self.send_response(service.status)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.port = str(self.server.server_address[1])
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        self.hangs.clear()
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def service() -> Iterator[Service]:
    service = Service()
    try:
        yield service
    finally:
        service.close()


def quiet(node: Node, seconds: float = 1.0) -> None:
    """Nothing is told for so long."""
    before = node.told()
    time.sleep(seconds)
    assert node.told() == before


def test_a_death_is_told_once_and_at_once(node: Node) -> None:
    node.cluster("a")
    node.start()
    child = node.child()
    node.register("a", child.pid)
    assert node.state("a") == "alive"
    child.kill()
    until(node.told)
    until(lambda: node.state("a") == "failed")
    assert node.told() == [TELL_A]
    status = node.status()
    assert status["reported"] == 1
    assert status["node"] == "n1"
    assert status["reports"][0]["told"] == "told"
    quiet(node, 1.5)
    assert node.asked() == 1


def test_a_planned_end_is_never_told(node: Node) -> None:
    node.cluster("a")
    node.start()
    for _ in range(20):
        child = node.child()
        node.register("a", child.pid)
        node.withdraw("a")
        child.terminate()
        child.wait()
    quiet(node, 0.5)
    assert node.told() == []
    assert node.asked() == 0
    assert node.status()["watched"] == []


def test_what_died_while_the_daemon_was_away_is_told_when_it_comes(node: Node) -> None:
    node.cluster("a", "b")
    dead, alive = node.child(), node.child()
    node.register("a", dead.pid, tell=False)
    node.register("b", alive.pid, tell=False)
    dead.kill()
    dead.wait()
    node.start()
    until(node.told)
    assert node.told() == [TELL_A]
    assert node.state("b") == "alive"


def test_a_reused_pid_is_the_death_of_the_recorded_process(node: Node) -> None:
    node.cluster("a", operations=operation("stop", 20))
    stranger = node.child()
    node.register("a", stranger.pid, tell=False, start=node.key("a", stranger.pid)[2] - 1)
    node.start()
    until(node.asked)
    # Pacemaker does not believe it to run, so the dead one is not told, nor is the stranger's end.
    stranger.kill()
    quiet(node, 0.5)
    assert node.told() == []
    assert node.state("a") == "held"


def test_a_queued_incident_is_not_told_of_the_next_incarnation(node: Node) -> None:
    node.cluster("a")
    # The CIB's answer comes only when the new incarnation is there.
    gate = node.folder / "gate"
    node.program("cibadmin", f"while [ ! -e {gate} ]; do /bin/sleep 0.02; done; exec /bin/cat {node.cib_file}")
    node.start()
    first, second = node.child(), node.child()
    node.register("a", first.pid)
    first.kill()
    until(lambda: node.status()["reports"])
    node.register("a", second.pid)
    gate.touch()
    until(lambda: node.status()["reports"][0]["told"] != "under way")
    quiet(node, 0.5)
    assert node.told() == []
    assert node.state("a") == "alive"


def test_a_withdrawal_reaches_what_is_queued_even_if_the_daemon_was_not_told(node: Node) -> None:
    node.cluster("a")
    gate = node.folder / "gate"
    node.program("cibadmin", f"while [ ! -e {gate} ]; do /bin/sleep 0.02; done; exec /bin/cat {node.cib_file}")
    node.start()
    child = node.child()
    node.register("a", child.pid)
    child.kill()
    until(lambda: node.status()["reports"])
    (node.records / "a").unlink()
    gate.touch()
    until(lambda: node.status()["reports"][0]["told"] != "under way")
    quiet(node, 0.3)
    assert node.told() == []


def test_a_held_process_is_told_within_three_and_a_half_seconds(node: Node) -> None:
    node.cluster("a")
    node.start()
    child = node.child()
    node.register("a", child.pid)
    until(lambda: node.status()["watched"][0]["last_look"] is not None)
    child.send_signal(signal.SIGSTOP)
    begun = time.monotonic()
    until(node.told, 6.0)
    assert time.monotonic() - begun < 10
    assert "held stopped by a signal" in node.status()["reports"][0]["why"]


def test_a_short_hold_is_forgotten(node: Node) -> None:
    node.cluster("a")
    node.start()
    child = node.child()
    node.register("a", child.pid)
    child.send_signal(signal.SIGSTOP)
    until(lambda: node.state("a") == "suspect")
    child.send_signal(signal.SIGCONT)
    until(lambda: node.state("a") == "alive")
    assert node.told() == []


def test_a_wrong_answer_is_told_and_a_right_one_is_not(node: Node, service: Service) -> None:
    node.cluster("a")
    node.start()
    node.register("a", node.child().pid, port=service.port)
    until(lambda: service.asked >= 2)
    assert node.state("a") == "alive"
    service.status = 500
    until(node.told)
    report = node.status()["reports"][0]
    assert (report["instance"], report["why"]) == ("a", "answered 500")


def test_a_silent_service_gets_its_monitors_patience_and_delays_nobody(node: Node, service: Service) -> None:
    node.cluster("a", "b")
    node.start()
    node.register("a", node.child().pid, port=service.port, probe_timeout="4s")
    until(lambda: service.asked)
    service.hangs.set()
    begun = time.monotonic()
    # Meanwhile another one is looked at as ever.
    other = node.child()
    node.register("b", other.pid)
    while not node.told():
        assert time.monotonic() - begun < 9
        looks = {each["instance"]: each["last_look"] for each in node.status()["watched"]}
        assert looks["b"] is None or looks["b"] < 3
        time.sleep(0.1)
    assert time.monotonic() - begun >= 4
    assert node.told() == [TELL_A]


def test_a_silent_service_that_answers_again_was_nothing(node: Node, service: Service) -> None:
    node.cluster("a")
    node.start()
    node.register("a", node.child().pid, port=service.port, probe_timeout="30s")
    until(lambda: service.asked)
    service.hangs.set()
    until(lambda: node.state("a") == "suspect")
    service.hangs.clear()
    until(lambda: node.state("a") == "alive")
    assert node.told() == []


def test_silence_that_the_agent_excuses_is_none(node: Node, service: Service) -> None:
    """A dead database makes the APIs silent: their own monitors tell these apart."""
    node.cluster("a")
    node.start()
    service.hangs.set()
    node.register("a", node.child().pid, port=service.port, probe_timeout="1s", excused="true")
    until(lambda: service.asked >= 4)
    assert node.state("a") == "alive"
    assert node.told() == []


def test_a_look_that_raises_is_said_once_and_counts_as_nothing(node: Node) -> None:
    node.cluster("a", "b")
    node.start()
    child = node.child()
    node.register("a", child.pid, raises="true")
    node.register("b", node.child().pid)
    until(lambda: node.logged("broken agent"))
    time.sleep(2.5)
    assert len(node.logged("broken agent")) == 1
    assert node.state("a") == "alive"
    assert {each["instance"]: each["last_look"] for each in node.status()["watched"]}["b"] < 1.6
    # Its process is watched all the same.
    child.kill()
    until(node.told)


def test_an_unknown_agent_is_watched_by_its_process(node: Node) -> None:
    node.cluster("a")
    node.start()
    child = node.child()
    node.register("a", child.pid)
    path = node.records / "a"
    path.write_bytes(path.read_bytes().replace(b"glanced", b"unheard-of"))
    assert node.ask("watch a") == "ok\n"
    until(lambda: node.logged("cannot be looked at"))
    child.kill()
    until(node.told)


def test_a_pause_of_the_daemon_forgets_what_it_saw(node: Node, service: Service) -> None:
    node.cluster("a")
    daemon = node.start()
    node.register("a", node.child().pid, port=service.port)
    for _ in range(3):
        until(lambda: node.state("a") == "alive")
        service.status = 500
        until(lambda: node.state("a") == "suspect")
        daemon.send_signal(signal.SIGSTOP)
        time.sleep(1.6)
        service.status = 200
        daemon.send_signal(signal.SIGCONT)
    until(lambda: node.state("a") == "alive")
    assert node.told() == []
    assert node.status()["late"] >= 3


def test_a_death_during_the_pause_is_still_a_death(node: Node) -> None:
    node.cluster("a")
    daemon = node.start()
    child = node.child()
    node.register("a", child.pid)
    daemon.send_signal(signal.SIGSTOP)
    time.sleep(1.6)
    child.kill()
    daemon.send_signal(signal.SIGCONT)
    until(node.told)


def test_maintenance_withholds_and_is_asked_about_again(node: Node) -> None:
    node.cluster("a", properties="maintenance-mode=true")
    node.start()
    child = node.child()
    node.register("a", child.pid)
    child.kill()
    until(lambda: node.state("a") == "held")
    assert node.status()["reports"][0]["told"] == "withheld: the cluster is in maintenance mode"
    assert node.told() == []
    node.cluster("a")
    until(node.told)
    until(lambda: node.state("a") == "failed")
    assert len(node.status()["reports"]) == 1
    assert len(node.logged("maintenance mode")) == 1


def test_what_pacemaker_does_not_believe_to_run_is_not_asked_about_again(node: Node) -> None:
    node.cluster("a", operations=operation("start", 12) + operation("stop", 20))
    node.start()
    child = node.child()
    node.register("a", child.pid)
    child.kill()
    until(lambda: node.state("a") == "held")
    time.sleep(2.8)
    assert node.asked() == 1
    assert node.told() == []


def test_a_cluster_that_is_absent_is_one_line_and_no_crash(node: Node) -> None:
    for program in ("crm_node", "cibadmin", "crm_resource"):
        (node.bin / program).unlink()
    node.start()
    child = node.child()
    node.register("a", child.pid)
    child.kill()
    until(lambda: node.state("a") == "held")
    time.sleep(2.5)
    assert node.ask("ping") == "pong\n"
    assert node.status()["node"] == ""
    assert len(node.logged("does not say this node's name")) == 1
    assert len(node.logged("cannot be asked, failures are left")) == 1
    # It comes, and still believes that the service runs.
    node.cluster("a")
    node.program("crm_node", "echo n1")
    node.program("cibadmin", f"exec /bin/cat {node.cib_file}")
    node.program("crm_resource", f'echo "0 $*" >> {node.told_file}')
    until(node.told)


def test_telling_that_fails_is_tried_three_times(node: Node) -> None:
    node.cluster("a")
    node.program("crm_resource", f'echo "0 $*" >> {node.told_file}; echo "Transport endpoint is gone" >&2; exit 1')
    node.start()
    child = node.child()
    node.register("a", child.pid)
    child.kill()
    until(lambda: len(node.told()) == 3)
    quiet(node, 2.0)
    assert len(node.logged("telling Pacemaker failed: Transport endpoint is gone")) == 1
    assert node.status()["reported"] == 0
    assert node.state("a") == "held"


def test_a_crash_loop_is_left_to_pacemaker(node: Node) -> None:
    node.cluster("a")
    node.start()
    for count in range(1, 5):
        child = node.child()
        node.register("a", child.pid)
        child.kill()
        if count < 4:
            until(lambda count=count: node.status()["reported"] == count)
    until(lambda: node.state("a") == "held")
    quiet(node, 0.5)
    assert len(node.told()) == 3
    assert len(node.logged("a crash loop")) == 1


def test_several_that_die_together_are_told_together(node: Node) -> None:
    names = [f"s{number}" for number in range(6)]
    node.cluster(*names)
    node.start()
    children = [node.child() for _ in names]
    for name, child in zip(names, children, strict=True):
        node.register(name, child.pid)
    for child in children:
        child.kill()
    until(lambda: len(node.told()) == 6)
    assert sorted(node.told()) == [f"--fail -r {name} -N n1" for name in names]
    assert node.asked() < 6


# --- what is not a record, and what is gone


def test_what_is_no_record_is_refused_with_one_line_each(node: Node) -> None:
    node.cluster("a")
    child = node.child()
    node.register("a", child.pid, tell=False)
    os.mkfifo(node.records / "pipe")
    (node.records / "folder").mkdir()
    (node.records / "link").symlink_to(node.records / "a")
    (node.records / "garbage").write_text("\x00{")
    (node.records / "open").write_bytes((node.records / "a").read_bytes())
    (node.records / "open").chmod(0o666)
    with open(os.fsencode(node.records) + b"/\xff\xfe", "wb"):
        pass
    node.start()
    child.kill()
    until(node.told)
    (node.records / "garbage").write_text("[]")
    assert node.ask("watch garbage") == "ok\n"
    (node.records / "another").touch()
    until(lambda: node.logged("record another"))
    time.sleep(1.2)
    for text in (
        "record pipe is not a regular file",
        "record folder is not a regular file",
        "record link is a link",
        "record open can be written by others (mode 0666)",
        "record \\udcff\\udcfe has a name that is no resource's",
        "record garbage is not JSON",
        "record garbage is not a JSON object",
    ):
        assert len(node.logged(f"{text}:")) == 1, text
    assert [each["instance"] for each in node.status()["watched"]] == ["a"]


def test_a_vanished_folder_is_made_anew_and_nothing_is_told(node: Node) -> None:
    node.cluster("a")
    node.start()
    child = node.child()
    node.register("a", child.pid)
    shutil.rmtree(node.run)
    child.kill()
    until(lambda: node.ask("ping") == "pong\n", what="a new socket")
    quiet(node, 0.5)
    assert node.told() == []
    assert node.socket.stat().st_mode & 0o777 == 0o600
    assert len(node.logged("was gone and is made anew")) == 1
    # And it works as before.
    second = node.child()
    node.register("a", second.pid)
    second.kill()
    until(node.told)


def test_a_record_that_nobody_mentioned_is_found(node: Node) -> None:
    node.cluster("a")
    node.start()
    child = node.child()
    node.register("a", child.pid, tell=False)
    until(lambda: node.state("a") == "alive")
    (node.records / "a").unlink()
    until(lambda: node.state("a") == "withdrawn")
    child.kill()
    quiet(node, 0.5)


# --- other providers' resources


def test_a_foreign_resource_is_known_by_its_pid_file(node: Node) -> None:
    pid_file = node.folder / "proxy.pid"
    node.cluster("proxy", "a")
    node.start("--watch", f"proxy={pid_file}")
    assert node.status()["watched"] == []
    child = node.child()
    pid_file.write_text(f"{child.pid}\n")
    until(lambda: node.state("proxy") == "alive")
    assert node.status()["watched"][0]["agent"] == ""
    child.kill()
    until(node.told)
    assert node.told() == ["--fail -r proxy -N n1"]
    # Restarted: the next incarnation, whose planned stop Pacemaker has written down.
    second = node.child()
    pid_file.write_text(f"{second.pid}\n")
    until(lambda: node.state("proxy") == "alive")
    pending = STARTED + operation("stop", -1, 193, status=-1)
    node.cluster("proxy", operations=pending)
    second.terminate()
    until(lambda: node.state("proxy") == "held")
    node.cluster("proxy", operations=STARTED + operation("stop", 22))
    quiet(node, 3.0)
    assert len(node.told()) == 1


def test_a_foreign_service_that_replaces_itself_has_not_failed(node: Node) -> None:
    pid_file = node.folder / "proxy.pid"
    node.cluster("proxy")
    first, second = node.child(), node.child()
    pid_file.write_text(str(first.pid))
    node.start("--watch", f"proxy={pid_file}")
    until(lambda: node.state("proxy") == "alive")
    pid_file.write_text(str(second.pid))
    first.terminate()
    quiet(node, 2.0)
    assert node.told() == []
    assert node.status()["watched"][0]["pid"] == second.pid


# --- the program


def test_the_metrics_are_there_when_asked_for(node: Node) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    node.start("--metrics", str(port))
    node.register("a", node.child().pid)
    with socket.create_connection(("127.0.0.1", port), 3) as connection:
        connection.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        answer = b""
        while chunk := connection.recv(65536):
            answer += chunk
    assert answer.startswith(b"HTTP/1.0 200 OK\r\n")
    assert b'quorate_sentinel_watched{instance="a",state="alive"} 1\n' in answer


def test_a_port_that_is_taken_costs_the_metrics_only(node: Node) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        node.start("--metrics", str(taken.getsockname()[1]))
        assert node.ask("ping") == "pong\n"
    assert node.logged("no metrics")


def test_a_second_daemon_leaves_the_first_alone(node: Node) -> None:
    first = node.start()
    second = node.start(wait=False)
    assert second.wait(10) == 1
    assert first.poll() is None
    assert node.ask("ping") == "pong\n"


def test_term_is_a_clean_end_and_a_kill_leaves_nothing_in_the_way(node: Node) -> None:
    daemon = node.start()
    assert node.socket.stat().st_mode & 0o777 == 0o600
    assert node.records.stat().st_mode & 0o777 == 0o700
    daemon.terminate()
    assert daemon.wait(5) == 0
    assert not node.socket.exists()
    killed = node.start()
    killed.kill()
    killed.wait()
    assert node.socket.exists()
    node.start()
    assert node.ask("ping") == "pong\n"


def test_the_status_command(node: Node, capsys: pytest.CaptureFixture[str]) -> None:
    def status(*options: str) -> int:
        return main(["status", *options], unloaded, "1", run=str(node.run), path=str(node.bin))

    assert status() == 1
    assert capsys.readouterr().err.startswith("quorate-sentinel: no sentinel answers on this node")
    node.start()
    node.register("a", node.child().pid)
    assert status() == 0
    assert "alive" in capsys.readouterr().out
    assert status("--json") == 0
    assert '"instance": "a"' in capsys.readouterr().out


@pytest.mark.parametrize(
    "argv",
    [
        [],
        ["help"],
        ["status", "--xml"],
        ["daemon", "--watch"],
        ["daemon", "--watch", "a=relative"],
        ["daemon", "--watch", "/x=/y"],
        ["daemon", "--metrics", "x"],
        ["daemon", "--metrics", "65536"],
        ["daemon", "now"],
    ],
)
def test_a_wrong_call_is_answered_with_the_usage(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(argv, unloaded, "1", run="/nonexistent") == 2
    assert capsys.readouterr().err == USAGE


def test_the_options_are_read() -> None:
    options = ["--watch", "a=/run/a.pid", "--metrics", "9000", "--watch", "b=/run/b=.pid"]
    assert parse(options) == ({"a": "/run/a.pid", "b": "/run/b=.pid"}, 9000)


def test_it_imports_none_of_the_agents() -> None:
    code = "import sys, quorate.lib.sentinel.daemon; print([n for n in sys.modules if n.startswith('quorate.agents')])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout == "[]\n"
