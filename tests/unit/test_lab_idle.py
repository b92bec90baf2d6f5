"""Whose the processors' time of an idle node is, from two looks at its processes."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace

import pytest

from quorate.lab import idle
from quorate.lab.idle import Process, Sample
from quorate.lib.problem import Failed

EXECUTOR = Process(40, 100, "pacemaker-execd", ("/usr/lib/pacemaker/pacemaker-execd",), 1.0, 50.0, 9 << 20)
FENCER = Process(41, 100, "pacemaker-fence", ("/usr/lib/pacemaker/pacemaker-fenced",), 1.0, 2.0, 9 << 20)
PARENT = Process(39, 99, "pacemakerd", ("pacemakerd", "-f"), 0.5, 300.0, 9 << 20)
SENTINEL = Process(
    60, 200, "quorate-sentine", ("/usr/bin/python3", "-IS", "/usr/sbin/quorate-sentinel", "daemon"), 2.0, 0.5, 18 << 20
)
DATABASE = Process(70, 300, "mariadbd", ("/usr/sbin/mariadbd",), 30.0, 0.0, 400 << 20)
BEFORE = (PARENT, EXECUTOR, FENCER, SENTINEL, DATABASE)
AFTER = (
    replace(PARENT, own=0.6, children=900.0),
    replace(EXECUTOR, own=1.2, children=53.0),
    replace(FENCER, own=1.1, children=2.4),
    replace(SENTINEL, own=2.1, children=0.6, rss=19 << 20),
    replace(DATABASE, own=31.0),
    Process(90, 900, "sh", ("sh",), 4.0, 0.0, 1 << 20),
)


def test_each_share_is_somebodys() -> None:
    cost = idle.account("n1", Sample(10.0, BEFORE), Sample(110.0, AFTER), 0.061)
    assert (cost.node, cost.seconds, cost.total) == ("n1", 100.0, 0.061)
    assert cost.actions == pytest.approx(0.03)
    assert cost.sentinel == pytest.approx(0.002)
    assert cost.cluster == pytest.approx(0.001 + 0.002 + 0.005)
    assert cost.services == pytest.approx(0.01)
    assert cost.sentinel_rss == 19 << 20


def test_a_node_without_a_sentinel_has_no_cost_of_one() -> None:
    before, after = ([one for one in which if one.pid != SENTINEL.pid] for which in (BEFORE, AFTER))
    cost = idle.account("n1", Sample(0.0, tuple(before)), Sample(100.0, tuple(after)), 0.05)
    assert (cost.sentinel, cost.sentinel_rss) == (0.0, 0)
    assert idle.rows([cost])[0][-1] == "-"


@pytest.mark.parametrize("which", [EXECUTOR, SENTINEL])
def test_a_daemon_that_was_replaced_makes_it_void(which: Process) -> None:
    after = tuple(replace(one, pid=999, start=950) if one.pid == which.pid else one for one in AFTER)
    with pytest.raises(Failed, match=r"node n1: .* did not live through the measurement"):
        idle.account("n1", Sample(0.0, BEFORE), Sample(100.0, after), 0.05)


def test_a_node_without_pacemaker_has_nothing_to_measure() -> None:
    with pytest.raises(Failed, match="executor does not run"):
        idle.account("n1", Sample(0.0, (DATABASE,)), Sample(100.0, (DATABASE,)), 0.05)


def test_the_daemon_is_known_and_a_question_to_it_is_not() -> None:
    assert idle.is_sentinel(SENTINEL)
    assert not idle.is_sentinel(replace(SENTINEL, words=("python3", "/usr/sbin/quorate-sentinel", "status")))
    assert not idle.is_sentinel(DATABASE)


def test_the_table_ends_with_the_mean() -> None:
    one = idle.account("n1", Sample(0.0, BEFORE), Sample(100.0, AFTER), 0.06)
    cells = idle.rows([one, replace(one, node="n2", total=0.08, actions=0.05)])
    assert [line[0] for line in cells] == ["n1", "n2", "mean"]
    assert cells[-1] == ["mean", "7.00", "4.00", "0.20", "0.80", "1.00", "19.0"]
    assert all(len(line) == len(idle.HEADINGS) for line in cells)


def test_the_nodes_own_script_sees_its_processes() -> None:
    """The script runs here as it does there: it finds this process, with a time that grows."""

    def look() -> Sample:
        argv = [sys.executable, "-I", "-S", "-"]
        return idle.parse_sample(
            subprocess.run(argv, input=idle._SCRIPT, capture_output=True, text=True, check=True).stdout
        )

    first = look()
    sum(number * number for number in range(2_000_000))
    second = look()
    (before,), (after,) = ([one for one in each.processes if one.pid == os.getpid()] for each in (first, second))
    assert (before.start, before.words[0]) == (after.start, after.words[0])
    assert after.own > before.own
    assert after.children > before.children, "the first look was a child of ours"
    assert after.rss > 1 << 20
    assert second.at > first.at


@pytest.mark.parametrize("text", ["", "[]", '{"at": 1}', '{"at": 1, "processes": [{"pid": 1}]}'])
def test_what_is_no_list_of_processes_is_refused(text: str) -> None:
    with pytest.raises(Failed, match="not a list of processes"):
        idle.parse_sample(text)
