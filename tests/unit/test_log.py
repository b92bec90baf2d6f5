"""The cluster's log file is appended to where it is, and never made."""

from __future__ import annotations

from pathlib import Path

import pytest

from quorate.lib.log import Log


def test_ha_logfile_is_appended_to(tmp_path: Path) -> None:
    path = tmp_path / "ha.log"
    path.write_text("before\n")
    log = Log("keystone(k1)", {"HA_logfile": str(path)})
    log.error("first\nsecond")
    log.info("third")
    lines = path.read_text().splitlines()
    assert lines[0] == "before"
    assert [line.partition("] ")[2] for line in lines[1:]] == ["ERROR: first", "ERROR: second", "INFO: third"]
    assert all("keystone(k1)[" in line for line in lines[1:])


@pytest.mark.parametrize("name", ["HA_logfile", "HA_LOGFILE", "PCMK_logfile"])
def test_the_log_file_under_each_of_its_names(tmp_path: Path, name: str) -> None:
    path = tmp_path / "ha.log"
    path.touch()
    Log("a", {name: str(path)}).error("words")
    assert path.read_text().count("ERROR: words") == 1


def test_ha_logfile_is_not_created(tmp_path: Path) -> None:
    path = tmp_path / "ha.log"
    Log("a", {"HA_logfile": str(path)}).error("words")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("path", ["none", "", "/nowhere/at/all", "/"])
def test_a_log_file_that_cannot_be_written_is_no_error(path: str) -> None:
    Log("a", {"HA_logfile": path}).error("words")


def test_debug_goes_to_its_own_file_and_only_when_asked(tmp_path: Path) -> None:
    usual, debug = tmp_path / "ha.log", tmp_path / "debug.log"
    usual.touch()
    debug.touch()
    Log("a", {"HA_logfile": str(usual), "HA_debuglog": str(debug)}).debug("quiet")
    Log("a", {"HA_logfile": str(usual), "HA_debuglog": str(debug), "HA_debug": "1"}).debug("loud")
    assert usual.read_text() == ""
    assert "quiet" not in debug.read_text()
    assert "DEBUG: loud" in debug.read_text()
