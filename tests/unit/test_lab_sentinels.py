"""The sentinel in a lab: what its daemons say, and a configuration that is taken back whatever happens."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest

from quorate.lab import sentinels
from quorate.lab.health import Health, Instance
from quorate.lab.remote import ExecResult
from quorate.lab.sentinels import Told, Watch
from quorate.lab.services import SERVICES
from quorate.lib.problem import Failed, Problem

WATCHED = {
    "instance": "keystone",
    "agent": "keystone",
    "pid": 123,
    "state": "alive",
    "misses": 0,
    "seen": "",
    "last_look": 0.4,
    "reports": 1,
}
STATUS: dict[str, Any] = {
    "version": 1,
    "pid": 99,
    "node": "n1",
    "since": 1790000000.5,
    "late": 2,
    "watched": [WATCHED, {**WATCHED, "instance": "haproxy", "agent": "", "last_look": None, "reports": 0}],
    "reports": [{"at": 1790000100.25, "instance": "keystone", "why": "the process ended", "told": "told"}],
    "reported": 1,
}


def primitive(name: str, provider: str, kind: str = "") -> str:
    return f'<primitive id="{name}" class="ocf" provider="{provider}" type="{kind or name}"/>'


def cib(*primitives: str) -> str:
    clones = "".join(f'<clone id="{text.split(chr(34))[1]}-clone">{text}</clone>' for text in primitives)
    return f"<cib><configuration><resources>{clones}</resources></configuration><status/></cib>"


FORMER = cib(primitive("keystone", "quorate"), primitive("haproxy", "heartbeat", "anything"))
WANTED = cib(
    primitive("keystone", "quorate"), primitive("haproxy", "heartbeat", "anything"), primitive("sentinel", "quorate")
)


# -- the status ------------------------------------------------------------------------------------------------------


def test_a_status_is_read() -> None:
    seen = sentinels.parse_status(json.dumps(STATUS))
    assert (seen.node, seen.pid, seen.since, seen.late, seen.reported) == ("n1", 99, 1790000000.5, 2, 1)
    assert seen.of("keystone") == Watch("keystone", "keystone", 123, "alive", 0, "", 0.4, 1)
    assert seen.of("haproxy") == Watch("haproxy", "", 123, "alive", 0, "", None, 0)
    assert seen.of("galera") is None
    assert seen.reports == (Told(1790000100.25, "keystone", "the process ended", "told"),)


@pytest.mark.parametrize(
    "text", ["", "[]", "null", "pong", "{}", json.dumps({**STATUS, "watched": [1]}), json.dumps({**STATUS, "pid": "x"})]
)
def test_what_is_no_status_is_refused_in_a_sentence(text: str) -> None:
    with pytest.raises(Failed, match="not the status of a sentinel"):
        sentinels.parse_status(text)


def test_what_is_not_watched_as_alive_is_named() -> None:
    suspect = {**WATCHED, "state": "suspect", "seen": "connection refused"}
    seen = sentinels.parse_status(json.dumps({**STATUS, "watched": [suspect]}))
    assert sentinels.unwatched(seen, ["keystone", "galera"]) == [
        "node n1: to the sentinel keystone is suspect (connection refused)",
        "node n1: the sentinel does not watch galera",
    ]
    assert sentinels.unwatched(sentinels.parse_status(json.dumps(STATUS)), ["keystone", "haproxy"]) == []


# -- a lab that has it -----------------------------------------------------------------------------------------------


class Layout:
    subnet = "172.30.77.0/24"


class Double:
    """A lab of three nodes that holds a CIB, and whose daemons watch everything as soon as it has the sentinel."""

    name = "double"
    nodes = ("n1", "n2", "n3")
    layout = Layout()

    def __init__(self, held: str = FORMER) -> None:
        self.held = held
        self.loaded: list[str] = []
        self.cleaned = 0
        self.program = True
        self.watching = True
        self.lingers = 0

    def cib(self) -> str:
        return self.held

    def load_cib(self, xml: str) -> None:
        self.held = xml
        self.loaded.append(xml)

    def clones(self) -> dict[str, int]:
        return {service.clone: 0 for service in SERVICES if f'"{service.clone}"' in self.held}

    def cleanup(self) -> None:
        self.cleaned += 1

    def wait_healthy(self, deadline: float) -> float:
        return 0.0

    def health(self) -> Health:
        """An orphan of the sentinel is seen a few times more."""
        self.lingers -= 1
        left = (Instance("sentinel", "", "n1", "Started", False, False, ""),) if self.lingers >= 0 else ()
        return Health("n1", True, (), left, ())

    def exec(self, node: str, argv: Sequence[str], *, timeout: float, check: bool) -> ExecResult:
        if argv[0] == "test":
            return ExecResult(0 if self.program else 1, "", "")
        if '"sentinel-clone"' not in self.held or not self.watching:
            return ExecResult(1, "", "there is no sentinel here\n")
        return ExecResult(0, json.dumps({**STATUS, "node": node}), "")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sentinels, "_LOOK", 0.01)
    monkeypatch.setattr(sentinels, "_BEFORE_COUNTING", 0.0)
    monkeypatch.setattr(sentinels, "cib_xml", lambda lab: WANTED)


@contextmanager
def loaded(lab: Double) -> Iterator[None]:
    with sentinels.loaded(lab):  # type: ignore[arg-type]
        yield


def test_the_configuration_is_loaded_and_taken_back() -> None:
    lab = Double()
    lab.lingers = 2
    with loaded(lab):
        assert lab.held == WANTED
    assert lab.loaded == [WANTED, FORMER]
    assert lab.lingers < 0, "it is left when nothing of the sentinel runs any more"
    assert lab.cleaned == 2


def test_it_is_taken_back_after_a_failure_too() -> None:
    lab = Double()
    with pytest.raises(ZeroDivisionError), loaded(lab):
        raise ZeroDivisionError
    assert lab.held == FORMER


def test_it_is_taken_back_when_nobody_watches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sentinels, "_WATCHING", 0.05)
    lab = Double()
    lab.watching = False
    with (
        pytest.raises(Failed, match=r"node n1: the sentinel does not tell its status: there is no sentinel here"),
        loaded(lab),
    ):
        pytest.fail("nothing may be measured then")
    assert lab.held == FORMER


def test_a_lab_that_has_it_anyhow_keeps_it() -> None:
    lab = Double(WANTED)
    with loaded(lab):
        pass
    assert lab.loaded == []


def test_other_agents_are_not_replaced() -> None:
    held = cib(primitive("keystone", "heartbeat", "anything"), primitive("web", "heartbeat", "apache"))
    assert sentinels.conflicts(FORMER, WANTED) == []
    assert sentinels.conflicts(held, WANTED) == [
        "keystone is run by ocf:heartbeat:anything, not by ocf:quorate:keystone",
        "web is run by ocf:heartbeat:apache, which it does not have",
    ]
    lab = Double(held)
    with pytest.raises(Problem, match="cannot be given the sentinel's topology"), loaded(lab):
        pytest.fail("it must not get here")
    assert lab.loaded == []


def test_nodes_with_older_agents_are_refused() -> None:
    lab = Double()
    lab.program = False
    with pytest.raises(Problem, match=r"node n1 has no /usr/sbin/quorate-sentinel: run `quorate lab up"), loaded(lab):
        pytest.fail("it must not get here")
    assert lab.loaded == []
