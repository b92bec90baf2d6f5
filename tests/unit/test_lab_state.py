"""What a lab's folder keeps, and what a collection must not."""

from __future__ import annotations

from pathlib import Path

import pytest

from quorate.lab import collect, record, secrets
from quorate.lib.problem import Failed


@pytest.fixture(autouse=True)
def _own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUORATE_STATE", str(tmp_path))


def test_secrets_are_made_once_and_kept_closed() -> None:
    home = record.folder("alpha")
    first = secrets.load_or_generate(home)
    assert secrets.load_or_generate(home).values() == first.values()
    assert home.stat().st_mode & 0o777 == 0o700
    assert (home / secrets.FILE).stat().st_mode & 0o777 == 0o600


def test_broken_secrets_are_one_sentence() -> None:
    home = record.folder("alpha")
    secrets.load_or_generate(home)
    (home / secrets.FILE).write_text("{}")
    with pytest.raises(Failed, match="does not hold a lab's secrets"):
        secrets.load_or_generate(home)


def test_a_record_is_read_back() -> None:
    kept = record.Record(12, ("a", "b"), True)
    record.write("alpha", kept)
    assert record.read("alpha") == kept


@pytest.mark.parametrize("text", ["", "{", "[]", '{"release": 12}', '{"containers": [], "what": 1}'])
def test_a_record_that_cannot_be_read_is_none(text: str) -> None:
    home = record.folder("alpha")
    home.mkdir(parents=True)
    (home / "record.json").write_text(text)
    assert record.read("alpha") is None


def test_forgetting_leaves_nothing(tmp_path: Path) -> None:
    record.keep_topology("alpha", "nodes: []")
    record.forget("alpha")
    record.forget("alpha")
    assert list(tmp_path.iterdir()) == []


def test_one_command_at_a_time() -> None:
    with (
        record.locked("alpha"),
        pytest.raises(Failed, match="being changed by another command"),
        record.locked("alpha"),
    ):
        pass


def test_a_collection_is_cleaned_of_secrets(tmp_path: Path) -> None:
    root = tmp_path / "collection" / "n1"
    root.mkdir(parents=True)
    (root / "a.log").write_bytes(b"login with hunter2hunter2 ok\n\xff")
    (root / "b.log").write_bytes(b"nothing here")
    assert collect.clean(root.parent, [b"hunter2hunter2", b"short"]) == 1
    assert (root / "a.log").read_bytes() == b"login with (secret removed) ok\n\xff"
