"""A tag says what an image is made of: the same inputs, the same tag; other code, another last layer only."""

from __future__ import annotations

from pathlib import Path

import pytest

from quorate.lab import images, paths
from quorate.lab.apt import Sources

SOURCES = Sources("bookworm", "http://a.example/debian", "http://s.example/debian-security")


def tags(sources: Sources = SOURCES, release: int = 12) -> dict[str, str]:
    return {layer.name: layer.tag for layer in images.plan(release, sources)}


def test_the_same_inputs_give_the_same_tags() -> None:
    assert tags() == tags()


def test_each_layer_stands_on_the_one_before() -> None:
    layers = images.plan(12, SOURCES)
    assert [layer.parent for layer in layers] == [
        images.root_tag(12, SOURCES),
        *(layer.tag for layer in layers[:-1]),
    ]


def test_another_mirror_or_release_changes_every_layer() -> None:
    other = Sources("bookworm", "http://b.example/debian", "http://s.example/debian-security")
    assert not set(tags().values()) & set(tags(other).values())
    assert not set(tags().values()) & set(tags(release=13).values())


@pytest.fixture
def copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project of our own to change."""
    import shutil

    for name in ("lib", "agents"):
        shutil.copytree(paths.PROJECT / name, tmp_path / name)
    shutil.copytree(paths.IMAGE, tmp_path / "image")
    (tmp_path / "Makefile").write_text("X := 1\n\ninstall:\n\ttrue\n\nother:\n\tfalse\n")
    monkeypatch.setattr(paths, "PROJECT", tmp_path)
    monkeypatch.setattr(paths, "IMAGE", tmp_path / "image")
    return tmp_path


def changed(before: dict[str, str]) -> list[str]:
    return [name for name, tag in tags().items() if before[name] != tag]


def test_a_change_of_an_agent_rebuilds_the_last_layer_alone(copied: Path) -> None:
    before = tags()
    (copied / "agents" / "keystone.py").write_text("# changed")
    assert changed(before) == ["node"]


def test_a_change_of_the_installation_does_too_and_of_another_target_does_not(copied: Path) -> None:
    before = tags()
    makefile = copied / "Makefile"
    makefile.write_text(makefile.read_text().replace("false", "false || true"))
    assert changed(before) == []
    makefile.write_text(makefile.read_text().replace("\ttrue", "\tinstall x y"))
    assert changed(before) == ["node"]


def test_byte_code_is_no_input(copied: Path) -> None:
    before = tags()
    (copied / "lib" / "__pycache__").mkdir(exist_ok=True)
    (copied / "lib" / "__pycache__" / "x.pyc").write_bytes(b"x")
    assert changed(before) == []


def test_a_change_of_a_configuration_file_keeps_the_packages(copied: Path) -> None:
    before = tags()
    (copied / "image/config/files/etc/mysql/mariadb.conf.d/60-quorate.cnf").write_text("[mysqld]\n")
    assert changed(before) == ["config", "node"]


def test_no_file_of_the_image_names_a_mirror() -> None:
    for path in paths.IMAGE.rglob("*"):
        if path.is_file():
            assert "http://deb." not in path.read_text(), path


def test_what_is_in_a_folder_of_a_package_is_an_input_too(copied: Path) -> None:
    before = tags()
    (copied / "lib" / "sentinel" / "records.py").write_text("# changed")
    assert changed(before) == ["node"]
    before = tags()
    (copied / "agents" / "node-command").write_text("# changed")
    assert changed(before) == ["node"]


def test_the_sentinel_reaches_the_nodes() -> None:
    files = images.installed()
    assert files["rootfs/usr/sbin/quorate-sentinel"][1] == 0o755
    assert files["rootfs/usr/lib/ocf/resource.d/quorate/sentinel"][1] == 0o755
    assert files["rootfs/usr/lib/ocf/lib/quorate/lib/sentinel/records.py"][1] == 0o644
    assert any(path.startswith("rootfs/usr/lib/ocf/lib/quorate/lib/sentinel/__pycache__/records.") for path in files)
