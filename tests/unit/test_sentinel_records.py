"""The records: their format, and the distrust with which a folder of them is read."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quorate.lib.sentinel.records import FOLDER, LARGEST, SOCKET, Refused, Watched, named, read, read_all

WATCHED = Watched("nova-api", "nova-api", 123, 45678, {"port": "8774", "binary": "/usr/bin/uwsgi"})
GOOD = json.loads(WATCHED.encode())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "sentinel"
    folder.mkdir(mode=0o700)
    return folder


def write(folder: Path, name: str, data: bytes = WATCHED.encode(), mode: int = 0o600) -> Path:
    path = folder / name
    path.write_bytes(data)
    path.chmod(mode)
    return path


def test_the_places_are_those_that_were_agreed() -> None:
    assert (FOLDER, SOCKET) == ("/run/quorate/sentinel", "/run/quorate/sentinel.sock")


def test_a_record_is_read_as_it_was_written() -> None:
    assert json.loads(WATCHED.encode()) == {
        "version": 1,
        "instance": "nova-api",
        "agent": "nova-api",
        "pid": 123,
        "start": 45678,
        "parameters": {"port": "8774", "binary": "/usr/bin/uwsgi"},
    }
    assert Watched.decode(WATCHED.encode(), "nova-api").said == WATCHED.said


@given(st.dictionaries(st.text(), st.text()), st.integers(2, 2**31 - 1), st.integers(0, 2**63 - 1))
def test_any_parameters_survive(parameters: dict[str, str], pid: int, start: int) -> None:
    watched = Watched("a", "keystone", pid, start, parameters)
    assert Watched.decode(watched.encode(), "a").said == watched.said


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"version": 2}, "has version 2, not 1"),
        ({"version": None}, "has version None, not 1"),
        ({"instance": "other"}, "does not name the instance"),
        ({"instance": 5}, "does not name the instance"),
        ({"agent": ""}, "names no agent"),
        ({"agent": "../evil"}, "names no agent"),
        ({"agent": 1}, "names no agent"),
        ({"pid": 0}, "names no process"),
        ({"pid": 1}, "names no process"),
        ({"pid": -5}, "names no process"),
        ({"pid": True}, "names no process"),
        ({"pid": "123"}, "names no process"),
        ({"pid": 2**40}, "names no process"),
        ({"start": -1}, "names no process"),
        ({"start": 1.5}, "names no process"),
        ({"parameters": []}, "has parameters that are not text"),
        ({"parameters": {"port": 5}}, "has parameters that are not text"),
    ],
)
def test_what_is_not_such_a_record_is_refused(change: dict[str, object], reason: str) -> None:
    with pytest.raises(Refused, match=reason):
        Watched.decode(json.dumps({**GOOD, **change}).encode(), "nova-api")


@pytest.mark.parametrize("data", [b"", b"\xff", b"{", b"[" * 60000, b"null", b"[]", WATCHED.encode()[:-8]])
def test_what_is_no_json_object_is_refused(data: bytes) -> None:
    with pytest.raises(Refused, match="is not"):
        Watched.decode(data, "nova-api")


@given(st.binary(max_size=200))
def test_nothing_else_is_raised(data: bytes) -> None:
    with pytest.raises(Refused):
        Watched.decode(data, "a")


@pytest.mark.parametrize("name", ["a", "nova-api", "my_rsc.1", "R2"])
def test_names_of_resources(name: str) -> None:
    assert named(name)


@pytest.mark.parametrize(
    "name", ["", ".", "..", "-x", ".hidden", "a/b", "a b", "a:0", "a\n", "\udcff", "x" * 200, "9a"]
)
def test_names_of_none(name: str) -> None:
    assert not named(name)


def test_a_folder_is_read(folder: Path) -> None:
    write(folder, "nova-api")
    # Half written, or the full disk's leavings.
    write(folder, "nova-api.77.new", b"{")
    found, refused = read_all(str(folder))
    assert {name: record.key for name, record in found.items()} == {"nova-api": ("nova-api", 123, 45678)}
    assert refused == {}


def test_what_must_not_be_believed_is_refused_and_the_rest_is_read(folder: Path) -> None:
    write(folder, "nova-api")
    write(folder, "group", mode=0o620)
    write(folder, "world", mode=0o602)
    write(folder, "large", b" " * (LARGEST + 1))
    os.mkfifo(folder / "pipe")
    (folder / "folder").mkdir()
    (folder / "link").symlink_to(folder / "nova-api")
    (folder / "dangling").symlink_to("/nonexistent")
    os.close(os.open(os.fsencode(folder) + b"/\xff", os.O_CREAT | os.O_WRONLY))
    found, refused = read_all(str(folder))
    assert list(found) == ["nova-api"]
    assert refused == {
        "group": "can be written by others (mode 0620)",
        "world": "can be written by others (mode 0602)",
        "large": f"is too large for a record ({LARGEST + 1} bytes)",
        "pipe": "is not a regular file",
        "folder": "is not a regular file",
        "link": "is a link",
        "dangling": "is a link",
        "\\udcff": "has a name that is no resource's",
    }
    # All of it can be logged.
    "".join(refused).encode()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_anothers_file_is_refused(folder: Path) -> None:
    os.chown(write(folder, "nova-api"), 12345, 0)
    with pytest.raises(Refused, match="belongs to user 12345"):
        read(str(folder), "nova-api")


def test_a_socket_is_refused(folder: Path) -> None:
    import socket

    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(folder / "sock"))
        with pytest.raises(Refused, match="cannot be opened"):
            read(str(folder), "sock")


def test_a_record_that_is_not_there_is_none(folder: Path) -> None:
    assert read(str(folder), "nova-api") is None
    assert read(str(folder / "nonexistent"), "nova-api") is None


def test_a_name_that_leads_elsewhere_is_refused(folder: Path) -> None:
    with pytest.raises(Refused):
        read(str(folder), "../sentinel/nova-api")


def test_a_folder_that_others_write_to_is_refused(folder: Path, tmp_path: Path) -> None:
    folder.chmod(0o777)
    with pytest.raises(Refused):
        read_all(str(folder))
    folder.chmod(0o700)
    (tmp_path / "other").symlink_to(folder)
    with pytest.raises(Refused):
        read_all(str(tmp_path / "other"))
    with pytest.raises(FileNotFoundError):
        read_all(str(tmp_path / "nonexistent"))


def test_importing_it_costs_an_agent_nothing() -> None:
    code = (
        "import sys; before = set(sys.modules); import quorate.lib.sentinel.records; "
        "print(sorted(n for n in set(sys.modules) - before if not n.startswith(('quorate', '_'))))"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2] / ".src")}
    out = subprocess.run(
        [sys.executable, "-S", "-c", code], capture_output=True, text=True, check=True, env=environment
    )
    # All of which Python's own start, or quorate.lib.host, has brought already.
    assert out.stdout == "['errno', 'genericpath', 'os', 'os.path', 'posixpath', 'stat']\n"
