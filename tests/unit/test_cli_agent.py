"""``quorate agent``: what it prints, and one sentence for each way to call it wrongly."""

from __future__ import annotations

import json
import subprocess
import sys
import uuid

import pytest
from lxml import etree

from quorate.agents.registry import AGENTS
from quorate.cli.main import main

Captured = pytest.CaptureFixture[str]


def quorate(capsys: Captured, *argv: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main(["agent", *argv])
    out, err = capsys.readouterr()
    return int(ended.value.code or 0), out, err


def nobody() -> str:
    """An instance that no service on this machine belongs to."""
    return f"--instance=test-{uuid.uuid4().hex}"


def test_list(capsys: Captured) -> None:
    rc, out, err = quorate(capsys, "list")
    assert (rc, err) == (0, "")
    lines = out.splitlines()
    assert [line.split()[0] for line in lines] == [f"ocf:quorate:{a.name}" for a in AGENTS]
    assert all(a.shortdesc in line for a, line in zip(AGENTS, lines, strict=True))


def test_list_as_json(capsys: Captured) -> None:
    _, out, _ = quorate(capsys, "list", "--json")
    assert json.loads(out) == [{"name": a.name, "shortdesc": a.shortdesc} for a in AGENTS]


@pytest.mark.parametrize("name", [a.name for a in AGENTS])
def test_show(capsys: Captured, name: str) -> None:
    found = next(a for a in AGENTS if a.name == name)
    rc, out, _ = quorate(capsys, "show", name)
    assert rc == 0
    assert all(f"{p.name} ({p.type})" in out for p in found.parameters)
    assert all(f" *{p.name} " in out for p in found.parameters if p.required)
    _, out, _ = quorate(capsys, "show", name, "--json")
    data = json.loads(out)
    assert [p["name"] for p in data["parameters"]] == [p.name for p in found.parameters]
    assert {a["name"] for a in data["actions"]} >= {"start", "stop", "monitor"}
    for api in ("1.0", "1.1"):
        _, out, _ = quorate(capsys, "show", name, "--xml", api)
        assert etree.fromstring(out.encode()).findtext("version") == api


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["show", "nginx"], "there is no agent 'nginx': the agents are galera, rabbitmq"),
        (["run", "nginx", "monitor"], "there is no agent 'nginx'"),
        (
            ["run", "keystone", "dance"],
            "agent keystone has no action 'dance': it has monitor, reload-agent, start, stop",
        ),
        (["run", "keystone", "meta-data"], "agent keystone has no action 'meta-data'"),
        (["run", "keystone", "monitor", "--colour", "red"], "agent keystone has no parameter '--colour'"),
        (["run", "keystone", "monitor", "port", "5"], "agent keystone has no parameter 'port'"),
        (["run", "keystone", "monitor", "--port"], "parameter --port needs a value"),
    ],
)
def test_bad_input_is_one_sentence(capsys: Captured, argv: list[str], words: str) -> None:
    rc, out, err = quorate(capsys, *argv)
    assert (rc, out) == (2, "")
    assert err.startswith(f"quorate: {words}")
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    "argv",
    [
        ["run", "keystone", "monitor", "--depth", "deep"],
        ["run", "keystone", "monitor", "--timeout", "0"],
        ["run", "keystone"],
        ["show", "keystone", "--xml", "2.0"],
        ["show"],
        ["paint"],
    ],
)
def test_bad_options_are_exit_code_2(capsys: Captured, argv: list[str]) -> None:
    rc, out, err = quorate(capsys, *argv)
    assert (rc, out) == (2, "")
    assert "Error: " in err
    assert "Traceback" not in err


def test_run_prints_the_code_by_name(capsys: Captured) -> None:
    assert quorate(capsys, "run", "keystone", "monitor", nobody()) == (7, "OCF_NOT_RUNNING (7)\n", "")
    assert quorate(capsys, "run", "dashboard", "stop", nobody(), "--timeout", "10") == (0, "OCF_SUCCESS (0)\n", "")


@pytest.mark.parametrize("flags", [["--port", "http"], ["--port=http"]])
def test_run_says_what_is_wrong_with_a_value(capsys: Captured, flags: list[str]) -> None:
    rc, out, err = quorate(capsys, "run", "keystone", "validate-all", nobody(), *flags)
    assert (rc, err) == (6, "")
    assert out == "OCF_ERR_CONFIGURED (6): parameter port must be an integer, not 'http'\n"


def test_run_takes_dashes_and_underscores(capsys: Captured) -> None:
    for flag in ("--probe-timeout", "--probe_timeout"):
        rc, out, _ = quorate(capsys, "run", "keystone", "monitor", nobody(), flag, "soon")
        assert rc == 6
        assert "parameter probe_timeout must be a time" in out


def test_run_as_a_probe_misses_no_parameter(capsys: Captured) -> None:
    assert quorate(capsys, "run", "galera", "monitor", nobody())[0] == 6
    assert quorate(capsys, "run", "galera", "monitor", nobody(), "--probe")[0] == 7


def test_run_as_json(capsys: Captured) -> None:
    rc, out, _ = quorate(capsys, "run", "keystone", "validate-all", nobody(), "--json", "--binary", "/none")
    assert rc == 5
    assert json.loads(out) == {
        "agent": "keystone",
        "action": "validate-all",
        "rc": 5,
        "name": "OCF_ERR_INSTALLED",
        "reason": "/none is not installed on this host (parameter binary)",
    }


def test_the_caller_s_own_variables_do_not_count(capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OCF_RESKEY_port", "http")
    monkeypatch.setenv("OCF_CHECK_LEVEL", "deep")
    assert quorate(capsys, "run", "keystone", "monitor", nobody())[0] == 7


def test_the_command_itself() -> None:
    code = "from quorate.cli.main import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "agent", "run", "keystone", "monitor", nobody()],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (7, "OCF_NOT_RUNNING (7)\n", "")
