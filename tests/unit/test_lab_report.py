"""A report's folder: what is written is read back, what cannot be understood is refused with its place."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import chaos_runs as runs
import pytest

from quorate.lab.checker import INVALID, UNKNOWN, VALID, Verdict
from quorate.lab.history import FAULT, INFO, OK, History, Mark, Op
from quorate.lab.report import figures, header, model, words, write
from quorate.lab.report.model import Machine, Report, read_report, write_report
from quorate.lib.problem import Failed, Problem

KILL, POWER = replace(runs.KILL, rate=5.0), replace(runs.POWER, rate=5.0)


def report(folder: Path) -> Report:
    return runs.save(folder, [runs.outcome(KILL, folder), runs.outcome(POWER, folder)])


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    made = report(tmp_path)
    assert read_report(tmp_path) == made


def test_the_same_runs_give_the_same_bytes_and_the_page_can_be_made_anew(tmp_path: Path) -> None:
    report(tmp_path / "a")
    report(tmp_path / "b")
    for name in ("report.json", "index.html"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    page = (tmp_path / "a" / "index.html").read_bytes()
    (tmp_path / "a" / "index.html").unlink()
    write.rebuild(tmp_path / "a")
    assert (tmp_path / "a" / "index.html").read_bytes() == page


def test_an_entry_says_what_the_checkers_counted(tmp_path: Path) -> None:
    entry = report(tmp_path).entries[1]
    assert (entry.name, entry.folder, entry.value, entry.expected) == ("power-off", "power-off", VALID, True)
    assert (entry.detect, entry.one, entry.whole) == (3.6, 13.9, 48.7)
    assert entry.injected == "power: n2 is off"
    assert (entry.lost, entry.duplicated) == (0, 1)
    loads = {load.workload: load for load in entry.loads}
    assert tuple(loads) == tuple(runs.LOADS)
    assert loads["dashboard"].bad == 0
    assert loads["queue-quorum"].gap == pytest.approx(7.4, abs=0.6)
    assert len(entry.events) == len(runs.POWER.events)


def test_no_checker_that_counts_losses_is_not_no_losses(tmp_path: Path) -> None:
    plan = replace(KILL, verdicts=(Verdict("recovery", UNKNOWN, "who knows"),))
    entry = write.entry(runs.outcome(plan, tmp_path), tmp_path)
    assert (entry.lost, entry.duplicated, entry.value) == (None, None, UNKNOWN)


def test_a_scenario_outside_of_the_folder_is_refused(tmp_path: Path) -> None:
    outcome = runs.outcome(KILL, tmp_path / "elsewhere")
    with pytest.raises(Problem, match="must lie inside the report's"):
        write.entry(outcome, tmp_path / "here")


def test_figures_that_json_cannot_say_do_not_lose_the_report(tmp_path: Path) -> None:
    odd = Verdict("odd", VALID, "fine", {"nodes": {"n2", "n1"}, "mean": float("nan"), "path": Path("x"), "by": {1: 2}})
    made = Report(runs.HEADER, (write.entry(runs.outcome(replace(KILL, verdicts=(odd,)), tmp_path), tmp_path),))
    write_report(tmp_path, made)
    (entry,) = read_report(tmp_path).entries
    assert entry.verdicts[0].figures == {"nodes": ["n1", "n2"], "mean": "nan", "path": "x", "by": {"1": 2}}


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Failed, match=r"file/report\.json: cannot be written: "):
        write_report(tmp_path / "file", Report(runs.HEADER, ()))


# -- what is refused ---------------------------------------------------------------------------------------


def refused(folder: Path, text: str | bytes) -> str:
    (folder / "report.json").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(Problem) as caught:
        read_report(folder)
    said = str(caught.value)
    assert "\n" not in said
    assert str(folder) in said
    return said.replace(f"{folder}/", "")


def test_a_folder_without_a_report(tmp_path: Path) -> None:
    with pytest.raises(Problem, match=r"nowhere: there is no report here: it has no report\.json"):
        read_report(tmp_path / "nowhere")
    (tmp_path / "report.json").mkdir()
    with pytest.raises(Problem, match="cannot be read"):
        read_report(tmp_path)


def test_broken_json(tmp_path: Path) -> None:
    assert refused(tmp_path, '{\n"format": 1,\n') == (
        "report.json:3: not JSON: Expecting property name enclosed in double quotes"
    )
    assert refused(tmp_path, b"\xff\xfe") == "report.json: not a report: not UTF-8 text"
    assert refused(tmp_path, "[" * 100_000).startswith("report.json: not a report: ")
    assert refused(tmp_path, "[]") == "report.json: must be an object"


def test_a_newer_format(tmp_path: Path) -> None:
    said = refused(tmp_path, '{"format": 2, "anything": "else"}')
    assert said == "report.json: format 2 is newer than this version of quorate, which reads up to 1"


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        (("format",), "1", "report.json: format: must be a whole number"),
        (("header",), None, "report.json: header: must be an object"),
        (("header", "machine", "cores"), True, "report.json: header: machine: cores: must be a whole number"),
        (("entries",), {}, "report.json: entries: must be a list"),
        (("entries", 1, "value"), "fine", "report.json: entries[1]: value: must be valid, invalid or unknown"),
        (("entries", 0, "marks", "fault"), "x", "report.json: entries[0]: marks.fault: must be a number"),
        (("entries", 0, "whole"), float("inf"), "report.json: entries[0]: whole: must be a number"),
        (("entries", 0, "loads", 2, "gap"), [], "report.json: entries[0]: loads[2]: gap: must be a number"),
        (
            ("entries", 0, "loads", 2, "during", "p95"),
            "",
            "report.json: entries[0]: loads[2]: during: p95: must be a number",
        ),
        (
            ("entries", 0, "verdicts", 0, "offending"),
            [1],
            "report.json: entries[0]: verdicts[0]: offending[0]: must be text",
        ),
        (("entries", 0, "folder"), "../..", "report.json: entries[0]: folder: must lie inside the report"),
        (("entries", 0, "folder"), "/etc", "report.json: entries[0]: folder: must lie inside the report"),
    ],
)
def test_a_value_that_it_cannot_have_is_named_with_its_place(
    tmp_path: Path, path: tuple[str | int, ...], value: object, said: str
) -> None:
    report(tmp_path)
    document = json.loads((tmp_path / "report.json").read_text())
    inside: Any = document
    for key in path[:-1]:
        inside = inside[key]
    inside[path[-1]] = value
    assert refused(tmp_path, json.dumps(document)) == said


def test_a_key_that_is_missing_is_named(tmp_path: Path) -> None:
    report(tmp_path)
    document = json.loads((tmp_path / "report.json").read_text())
    del document["entries"][1]["seed"]
    assert refused(tmp_path, json.dumps(document)) == "report.json: entries[1]: seed is missing"


# -- figures -----------------------------------------------------------------------------------------------


def op(index: int, began: float, ended: float, outcome: str = OK) -> Op:
    return Op(index, "sql-set", 1, "insert", index, began, ended, outcome)


def test_requests_before_the_fault_are_told_apart() -> None:
    ops = [op(n, n / 10, n / 10 + 0.01, INFO if n == 3 else OK) for n in range(30)]
    ops.append(op(30, 3.05, 3.9, INFO))
    load = figures.load(History({}, tuple(ops), (Mark(FAULT, 3.0, 3.0),)), "sql-set")
    assert (load.requests, load.early, load.failed, load.unknown, load.bad) == (31, 1, 0, 1, 1)
    assert (load.before.ok, load.during.ok) == (29, 0)
    assert load.downtime == pytest.approx(0.85)


def test_a_run_without_a_fault_or_without_anything_has_figures() -> None:
    nothing = History({"workloads": ["sql-set"]}, (), ())
    assert figures.load(nothing, "sql-set").requests == 0
    assert figures.recovery(nothing) == (None, None, None)
    assert figures.marks(nothing) == {}
    assert figures.moments(nothing) == ()


def test_words() -> None:
    said = [words.seconds(value) for value in (None, 0.0, 0.004, 0.41, 9.999, 12.34, 287.3)]
    assert said == ["\u2013", "0 s", "0 s", "0.41 s", "10.00 s", "12.3 s", "287 s"]
    said = [words.latency(value) for value in (None, 0.0034, 0.24, 1.2)]
    assert said == ["\u2013", "3.4 ms", "240 ms", "1.20 s"]
    assert [words.listed(list("abc"[:n])) for n in range(4)] == ["", "a", "a and b", "a, b and c"]
    assert words.figures({"lost": 0, "rate": 19.98765, "by": {"n1": 3}, "nodes": ["n1", "n2"], "none": None}) == (
        "lost 0 \u00b7 rate 19.99 \u00b7 by n1 3 \u00b7 nodes n1, n2 \u00b7 none \u2013"
    )


# -- the header --------------------------------------------------------------------------------------------

CIB = """<cib><configuration><resources>
<primitive id="power" class="stonith" type="fence_quorate_lab"/>
<clone id="galera-clone"><primitive id="galera" class="ocf" provider="heartbeat" type="galera"/></clone>
<group id="g"><clone id="x-clone"><primitive id="x" class="systemd" type="apache2"/></clone></group>
</resources></configuration></cib>"""


def test_the_agents_are_those_of_the_clones(tmp_path: Path) -> None:
    cib = tmp_path / "cib-before.xml"
    assert header.agents(cib) == {}
    cib.write_text(CIB[:90])
    assert header.agents(cib) == {}
    cib.write_text(CIB)
    assert header.agents(cib) == {"galera": "ocf:heartbeat:galera", "x": "systemd:apache2"}


def test_outside_of_a_checkout_there_is_no_commit(tmp_path: Path) -> None:
    assert header.commit(tmp_path) == ""


class Silent:
    """A lab whose engine went away."""

    nodes = ("n1",)

    class topology:
        name = "quorate"

    class client:
        @staticmethod
        def version() -> dict[str, str]:
            raise OSError("gone")

    def running(self) -> tuple[str, ...]:
        raise Failed("gone")


def test_a_lab_that_does_not_answer_does_not_lose_the_report(tmp_path: Path) -> None:
    made = header.header(Silent(), [runs.outcome(KILL, tmp_path)])  # type: ignore[arg-type]
    assert (made.machine.engine, made.versions, made.agents, made.seed) == ("unknown", {}, {}, 7)
    assert made.machine.cores >= 1
    assert made.machine != Machine(0, 0.0, "", "")


def test_the_value_of_a_report_is_the_worst(tmp_path: Path) -> None:
    outcomes = [runs.outcome(KILL, tmp_path), runs.outcome(replace(POWER, verdicts=(runs.LOST,)), tmp_path)]
    assert runs.save(tmp_path, outcomes).value == INVALID
    assert model.Report(runs.HEADER, ()).value == UNKNOWN


# -- while it runs -----------------------------------------------------------------------------------------


def test_the_lab_is_asked_once_and_a_seed_is_named_only_if_all_had_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    lab: Any = Silent()

    def versions(of: object) -> dict[str, str]:
        asked.append("versions")
        return {} if len(asked) == 1 else {"pacemaker": "2.1.5"}

    monkeypatch.setattr(header, "versions", versions)
    with write.Book(tmp_path, lab) as book:
        seeds = [book.add(runs.outcome(KILL, tmp_path, 1, subfolder=name)).header.seed for name in "abc"]
        seeds.append(book.add(runs.outcome(POWER, tmp_path, 2)).header.seed)
    assert seeds == [1, 1, 1, None]
    assert len(asked) == 2, "again as long as it did not answer"
    assert read_report(tmp_path).header.versions == {"pacemaker": "2.1.5"}


def test_every_scenario_is_readable_at_once_and_the_page_comes_last(tmp_path: Path) -> None:
    with write.Book(tmp_path, Silent(), runs.HEADER) as book:  # type: ignore[arg-type]
        for number, plan in enumerate((KILL, POWER), 1):
            book.add(runs.outcome(plan, tmp_path))
            assert read_report(tmp_path).entries == book.entries
            assert len(book.entries) == number
            assert not (tmp_path / write.PAGE).exists()
    page = (tmp_path / write.PAGE).read_text()
    assert KILL.name in page
    assert POWER.name in page


def test_a_run_that_was_killed_has_a_page_when_it_is_asked_for(tmp_path: Path) -> None:
    write.Book(tmp_path, Silent(), runs.HEADER).add(runs.outcome(KILL, tmp_path))  # type: ignore[arg-type]
    assert [one.name for one in write.rebuild(tmp_path).entries] == [KILL.name]
    assert (tmp_path / write.PAGE).exists()


def cut_short(folder: Path, ending: BaseException) -> None:
    with write.Book(folder, Silent(), runs.HEADER) as book:  # type: ignore[arg-type]
        book.add(runs.outcome(KILL, folder))
        raise ending


@pytest.mark.parametrize("ending", [KeyboardInterrupt(), Failed("the lab is gone")])
def test_a_run_that_does_not_end_well_has_a_page_too(tmp_path: Path, ending: BaseException) -> None:
    with pytest.raises(type(ending)) as caught:
        cut_short(tmp_path, ending)
    assert caught.value is ending
    assert KILL.name in (tmp_path / write.PAGE).read_text()


def test_a_page_that_cannot_be_written_does_not_hide_why_the_run_ended(tmp_path: Path) -> None:
    (tmp_path / write.PAGE).mkdir()
    with pytest.raises(Failed, match=r"index\.html: cannot be written"):
        runs.save(tmp_path, [runs.outcome(KILL, tmp_path)])
    ending = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        cut_short(tmp_path, ending)
    assert "index.html: cannot be written" in ending.__notes__[0]


def test_nothing_that_ran_is_no_report(tmp_path: Path) -> None:
    with write.Book(tmp_path, Silent(), runs.HEADER):  # type: ignore[arg-type]
        pass
    assert list(tmp_path.iterdir()) == []


def test_that_the_lab_was_made_anew_is_kept_and_older_reports_are_read(tmp_path: Path) -> None:
    why = "after kill-galera: galera data: table a differs"
    runs.save(tmp_path, [replace(runs.outcome(KILL, tmp_path), remade=why)])
    assert [one.remade for one in read_report(tmp_path).entries] == [why]
    document = json.loads((tmp_path / "report.json").read_text())
    del document["entries"][0]["remade"]
    (tmp_path / "report.json").write_text(json.dumps(document))
    assert [one.remade for one in read_report(tmp_path).entries] == [""]
