"""The gate: closed before a service is started, open when the start is over, however it ended."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from tests.unit.calling import act
from tests.unit.fake_host import FakeHost, FakeProcess

from quorate.agents.keystone import Keystone
from quorate.lib.gate import established
from quorate.lib.host import Result
from quorate.lib.rc import ERR_GENERIC, SUCCESS

HTTP_OK = b"HTTP/1.1 200 OK\r\n\r\n"
CONFIG = {"/etc/keystone/keystone-uwsgi.ini": 0o644, "/etc/keystone/keystone.conf": 0o640}


class Filter:
    """iptables: the rules it holds, and what happened in which order."""

    def __init__(self) -> None:
        self.rules: list[tuple[str, ...]] = []
        self.events: list[str] = []

    def __call__(self, argv: list[str]) -> Result:
        verb, rule = argv[3], (argv[0], *argv[4:])
        if verb == "-I":
            self.rules.append(rule)
            self.events.append("close")
            return Result(0, "", "")
        if rule in self.rules:
            self.rules.remove(rule)
            self.events.append("open")
            return Result(0, "", "")
        return Result(1, "", "iptables: Bad rule (does a matching rule exist in that chain?).")


@pytest.fixture
def filter_() -> Filter:
    return Filter()


@pytest.fixture
def host(filter_: Filter) -> FakeHost:
    host = FakeHost()
    host.files.put("/usr/bin/uwsgi_python3", mode=0o755)
    for path, mode in CONFIG.items():
        host.files.put(path, mode=mode)
    for program in ("iptables", "ip6tables"):
        host.commands[program] = filter_

    def boot(process: FakeProcess) -> None:
        filter_.events.append("spawn")
        host.clock.at(2, lambda: host.serve(("127.0.0.1", 5000), HTTP_OK))

    host.behave = boot
    return host


def test_closed_while_it_boots_and_open_after(host: FakeHost, filter_: Filter) -> None:
    assert act(Keystone, host, "start") == (SUCCESS, "")
    assert filter_.events == ["close", "close", "spawn", "open", "open"]
    assert filter_.rules == []


def test_the_loopback_stays_open_and_the_rule_names_the_instance(host: FakeHost, filter_: Filter) -> None:
    seen: list[tuple[str, ...]] = []
    host.behave = lambda process: seen.extend(filter_.rules) or process.end(1)
    act(Keystone, host, "start")
    rule = " ".join(seen[0])
    assert "--dport 5000 --syn ! -i lo" in rule
    assert "quorate:" in rule


def test_open_after_a_start_that_failed(host: FakeHost, filter_: Filter) -> None:
    host.behave = lambda process: host.clock.at(0.3, lambda: process.end(1))
    assert act(Keystone, host, "start")[0] == ERR_GENERIC
    assert "close" in filter_.events
    assert filter_.rules == []


def test_a_stop_opens_what_a_killed_start_left(host: FakeHost, filter_: Filter) -> None:
    seen: list[tuple[str, ...]] = []
    host.behave = lambda process: seen.extend(filter_.rules) or process.end(1)
    act(Keystone, host, "start")
    filter_.rules.extend(seen)
    assert act(Keystone, host, "stop") == (SUCCESS, "")
    assert filter_.rules == []


def test_without_a_packet_filter_the_service_starts_all_the_same(host: FakeHost) -> None:
    for program in ("iptables", "ip6tables"):
        host.commands[program] = Result(127, "", f"{program}: not found")
    assert act(Keystone, host, "start") == (SUCCESS, "")


def test_it_can_be_turned_off(host: FakeHost, filter_: Filter) -> None:
    assert act(Keystone, host, "start", {"gate": "false"}) == (SUCCESS, "")
    assert filter_.events == ["spawn"]


# As in /proc/net/tcp: local address, remote address, state (01 established, 0A listening, 06 waiting for its end).
HEAD = "  sl  local_address rem_address   st tx_queue rx_queue"
LISTENS = "   0: 00000000:1388 00000000:0000 0A 00000000:00000000"
CLIENT = "   1: 0B4D1EAC:1388 0C4D1EAC:A2F0 01 00000000:00000000"
ENDING = "   2: 0B4D1EAC:1388 0C4D1EAC:A2F2 06 00000000:00000000"
ELSEWHERE = "   3: 0B4D1EAC:A2F4 0C4D1EAC:1388 01 00000000:00000000"


def test_who_is_connected() -> None:
    assert established([LISTENS, CLIENT, ENDING, ELSEWHERE, ""], 5000) == 1
    assert established([LISTENS, CLIENT], 5001) == 0


def connected(host: FakeHost, *lines: str) -> None:
    host.files.put("/proc/net/tcp", "\n".join([HEAD, LISTENS, *lines]))


def test_a_stop_lets_clients_have_their_answers_and_nobody_new_in(host: FakeHost, filter_: Filter) -> None:
    act(Keystone, host, "start")
    filter_.events.clear()
    (process,) = host.processes.values()
    signalled = process.signalled

    def watched(signal: int) -> None:
        filter_.events.append(f"signal {signal}")
        signalled(signal)

    process.signalled = watched  # type: ignore[method-assign]
    connected(host, CLIENT)
    begun = host.clock.now
    host.clock.at(1.2, lambda: connected(host, ENDING))
    assert act(Keystone, host, "stop") == (SUCCESS, "")
    assert filter_.events[:3] == ["close", "close", "signal 15"]
    assert filter_.events[-2:] == ["open", "open"]
    assert filter_.rules == []
    assert 1.2 <= host.clock.now - begun < 2


def test_a_client_that_never_goes_does_not_keep_a_stop(host: FakeHost, filter_: Filter) -> None:
    act(Keystone, host, "start")
    connected(host, CLIENT)
    begun = host.clock.now
    assert act(Keystone, host, "stop") == (SUCCESS, "")
    assert 3 <= host.clock.now - begun < 4
    assert filter_.rules == []


@pytest.mark.parametrize("state", ["hung", "held", "dead", "no gate"])
def test_a_service_that_will_not_answer_is_stopped_at_once(host: FakeHost, filter_: Filter, state: str) -> None:
    act(Keystone, host, "start")
    filter_.events.clear()
    (process,) = host.processes.values()
    connected(host, CLIENT)
    if state == "hung":
        host.serve(("127.0.0.1", 5000))
    if state == "held":
        process.state = "T"
    if state == "dead":
        process.end(-9)
    begun = host.clock.now
    assert act(Keystone, host, "stop", {"gate": "false"} if state == "no gate" else None) == (SUCCESS, "")
    assert "close" not in filter_.events
    assert host.clock.now - begun < 2


class Busy(Filter):
    """Another program holds the tables when a rule is to be taken away, for the first *times*."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self.times = times

    def __call__(self, argv: list[str]) -> Result:
        if argv[3] == "-D" and (argv[0], *argv[4:]) in self.rules and self.times:
            self.times -= 1
            return Result(4, "", "Another app is currently holding the xtables lock.")
        return super().__call__(argv)


def test_a_rule_is_taken_away_when_the_tables_are_free_again(host: FakeHost) -> None:
    busy = Busy(2)
    host.commands["iptables"] = host.commands["ip6tables"] = busy
    assert act(Keystone, host, "start") == (SUCCESS, "")
    assert busy.rules == []


def test_a_rule_that_stays_is_a_start_that_failed(host: FakeHost) -> None:
    """Nobody could use the service, and the loopback's monitor would never know."""
    host.commands["iptables"] = host.commands["ip6tables"] = Busy(1000)
    rc, reason = act(Keystone, host, "start")
    assert rc == ERR_GENERIC
    assert "could not be taken away" in reason


def test_a_filter_that_may_not_be_touched_is_no_failure(host: FakeHost) -> None:
    """In a container without the right, no rule was ever made."""
    denied = Result(4, "", "iptables: Permission denied (you must be root).")
    host.commands["iptables"] = host.commands["ip6tables"] = denied
    assert act(Keystone, host, "start") == (SUCCESS, "")
    assert act(Keystone, host, "stop") == (SUCCESS, "")


def test_a_start_that_used_up_its_time_still_takes_the_rule_away(host: FakeHost, filter_: Filter) -> None:
    given: list[float] = []
    run = host.run

    def timed(argv: Sequence[str], *, timeout: float, **more: Any) -> Result:
        if "-D" in argv and filter_.rules:
            given.append(timeout)
        return run(argv, timeout=timeout, **more)

    host.run = timed  # type: ignore[method-assign]
    host.behave = lambda process: None
    assert act(Keystone, host, "start")[0] == ERR_GENERIC
    assert min(given) >= 2
    assert filter_.rules == []
