"""What the sentinel says of itself."""

from __future__ import annotations

import json

from quorate.lib.sentinel.judgement import Judgement
from quorate.lib.sentinel.status import KEPT, Entry, document, metrics, table

A, B = ("a", 100, 1), ("b", 200, 1)


def judged() -> tuple[Judgement, list[Entry]]:
    judgement = Judgement()
    judgement.watch(A, 0.0)
    judgement.watch(B, 0.0)
    judgement.watch(("proxy", 300, 1), 0.0)
    judgement.looked(A, 5.0, 5.0, "answered 500", silent=False, patience=5)
    judgement.looked(("proxy", 300, 1), 5.0, 5.0, "", silent=False, patience=5)
    judgement.died(B, 6.0)
    entries = [Entry(1000.0, incident) for incident in judgement.reports]
    judgement.told(judgement.reports.pop(), 6.1)
    entries[0].told = "told"
    return judgement, entries


def made() -> dict[str, object]:
    judgement, entries = judged()
    agents = {"a": "keystone", "b": "galera", "proxy": ""}
    return document(judgement, agents, entries, now=7.5, pid=77, node="n1", since=900.0)


def test_the_document() -> None:
    assert json.loads(json.dumps(made())) == {
        "version": 1,
        "pid": 77,
        "node": "n1",
        "since": 900.0,
        "late": 0,
        "watched": [
            {
                "instance": "a",
                "agent": "keystone",
                "pid": 100,
                "state": "suspect",
                "misses": 1,
                "seen": "answered 500",
                "last_look": 2.5,
                "reports": 0,
            },
            {
                "instance": "b",
                "agent": "galera",
                "pid": 200,
                "state": "failed",
                "misses": 0,
                "seen": "",
                "last_look": None,
                "reports": 1,
            },
            {
                "instance": "proxy",
                "agent": "",
                "pid": 300,
                "state": "alive",
                "misses": 0,
                "seen": "",
                "last_look": 2.5,
                "reports": 0,
            },
        ],
        "reports": [{"at": 1000.0, "instance": "b", "why": "its process has ended", "told": "told"}],
        "reported": 1,
    }


def test_only_the_last_reports_are_kept() -> None:
    judgement, entries = judged()
    many = [Entry(float(number), entries[0].incident) for number in range(KEPT + 5)]
    reports = document(judgement, {}, many, now=8.0, pid=1, node="", since=0.0)["reports"]
    assert [report["at"] for report in reports] == [float(number) for number in range(5, KEPT + 5)]


def test_the_table() -> None:
    lines = table(made()).splitlines()
    assert lines[0].startswith("sentinel on n1: pid 77, since ")
    assert lines[0].endswith(", 1 reported, late 0 times")
    assert lines[1].split() == ["INSTANCE", "AGENT", "PID", "STATE", "MISSES", "LAST", "LOOK", "REPORTS", "SEEN"]
    assert lines[2].split() == ["a", "keystone", "100", "suspect", "1", "2.5", "s", "ago", "0", "answered", "500"]
    assert lines[4].split()[:2] == ["proxy", "-"]
    assert lines[6].endswith("b: its process has ended (told)")


def test_the_table_of_nothing() -> None:
    text = table(document(Judgement(), {}, [], now=1.0, pid=7, node="", since=0.0))
    assert "whose name the cluster does not say" in text
    assert text.endswith("\nnothing is watched\n")


def test_the_metrics() -> None:
    text = metrics(made(), {"b": 1, "gone": 4})
    samples = [line for line in text.splitlines() if not line.startswith("#")]
    assert samples == [
        'quorate_sentinel_watched{instance="a",state="suspect"} 1',
        'quorate_sentinel_watched{instance="b",state="failed"} 1',
        'quorate_sentinel_watched{instance="proxy",state="alive"} 1',
        'quorate_sentinel_reports_total{instance="a"} 0',
        'quorate_sentinel_reports_total{instance="b"} 1',
        'quorate_sentinel_reports_total{instance="gone"} 4',
        'quorate_sentinel_reports_total{instance="proxy"} 0',
        "quorate_sentinel_late_total 0",
        'quorate_sentinel_last_look_seconds{instance="a"} 2.5',
        'quorate_sentinel_last_look_seconds{instance="proxy"} 2.5',
    ]
    assert text.endswith("\n")


def test_labels_are_escaped() -> None:
    status = {**made(), "watched": []}
    assert 'instance="a\\"b\\\\c\\n"' in metrics(status, {'a"b\\c\n': 1})
