"""``quorate cib`` as a user runs it: a process with its outputs and exit code."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from topologies import LAB, changed

Write = Callable[..., Path]


def quorate(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", "from quorate.cli.main import main; main()", "cib", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env={**os.environ, **environment},
    )


def test_init_generate_verify(write: Write, tmp_path: Path) -> None:
    printed = quorate("init")
    assert printed.returncode == 0
    topology = write(printed.stdout)
    generated = quorate("generate", topology)
    assert (generated.returncode, generated.stderr) == (0, "")
    assert generated.stdout.startswith("<cib ")
    to_file = quorate("generate", topology, "-o", tmp_path / "cib.xml")
    assert (to_file.returncode, to_file.stdout, to_file.stderr) == (0, "", "")
    assert (tmp_path / "cib.xml").read_text() == generated.stdout
    for file in (topology, tmp_path / "cib.xml"):
        verified = quorate("verify", file)
        assert (verified.returncode, verified.stdout, verified.stderr) == (0, f"{file}: good\n", "")


def test_crm_text_and_services(write: Write) -> None:
    done = quorate("generate", write(LAB), "--format", "crm", "--services", "galera, rabbitmq")
    assert done.returncode == 0
    assert "clone galera-clone galera" in done.stdout
    assert "keystone" not in done.stdout
    unknown = quorate("generate", write(LAB), "--services", "galera,keyston")
    assert (unknown.returncode, unknown.stdout) == (2, "")
    assert unknown.stderr == "quorate: services: the topology has no service 'keyston'; did you mean 'keystone'?\n"


def test_warnings_go_to_standard_error(write: Write) -> None:
    done = quorate("generate", write(changed(fencing="none")))
    assert done.returncode == 0
    assert done.stdout.startswith("<cib ")
    assert done.stderr.startswith("warning: ")
    assert "fencing is off" in done.stderr


def test_bad_input_is_one_sentence_and_nothing_is_written(write: Write, tmp_path: Path) -> None:
    kept = write("kept", "cib.xml")
    done = quorate("generate", write(LAB.replace("cluster:", "clutser:")), "-o", kept)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    assert ":1: clutser: unknown key 'clutser'; did you mean 'cluster'?" in done.stderr
    assert kept.read_text() == "kept"
    missing = quorate("generate", tmp_path / "none.yaml")
    assert (missing.returncode, missing.stderr.count("\n")) == (2, 1)


def test_unwritable_output(write: Write, tmp_path: Path) -> None:
    done = quorate("generate", write(LAB), "-o", tmp_path / "no" / "cib.xml")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"quorate: {tmp_path}/no/cib.xml: cannot be written: No such file or directory\n"


@pytest.mark.parametrize(
    ("old", "new", "code", "valid", "words"),
    [
        ("cluster:", "clutser:", 2, False, "did you mean"),
        ("  name: quorate", "  name: quorate", 0, True, ""),
    ],
)
def test_verify_as_json(write: Write, old: str, new: str, code: int, valid: bool, words: str) -> None:
    file = write(LAB.replace(old, new))
    done = quorate("verify", file, "--json")
    verdict = json.loads(done.stdout)
    assert done.returncode == code
    assert (verdict["file"], verdict["valid"], verdict["warnings"]) == (str(file), valid, [])
    assert words in (verdict["problem"] or "")


def test_verify_a_bad_cib(write: Write) -> None:
    generated = quorate("generate", write(LAB)).stdout
    done = quorate("verify", write(generated.replace('first="galera-clone"', 'first="no-clone"'), "bad.xml"))
    assert (done.returncode, done.stdout) == (1, "")
    assert "bad.xml: not valid under pacemaker-3.7: " in done.stderr


def test_without_crm_verify(write: Write, tmp_path: Path) -> None:
    done = quorate("verify", write(LAB), "--json", PATH=str(tmp_path))
    assert done.returncode == 3
    assert json.loads(done.stdout)["valid"] is None
    assert "apt-get install pacemaker-cli-utils" in done.stderr


@pytest.mark.parametrize("command", [(), ("init",), ("generate",), ("verify",)])
def test_help_shows_examples(command: tuple[str, ...]) -> None:
    done = quorate(*command, "--help")
    assert done.returncode == 0
    if command:
        assert f"quorate cib {command[0]}" in done.stdout
        assert "Example" in done.stdout
