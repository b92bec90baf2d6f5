"""From the words and the environment that an agent is called with to its exit code and its one reason."""

from __future__ import annotations

from pathlib import Path

import pytest
from calling import Service
from fake_host import FakeHost

from quorate.agents.registry import AGENTS
from quorate.lib.agent import Agent
from quorate.lib.declare import Action, Parameter
from quorate.lib.dispatch import api_version, call, context_from, main, usage
from quorate.lib.params import Params
from quorate.lib.rc import DEGRADED, ERR_ARGS, ERR_CONFIGURED, ERR_GENERIC, NOT_RUNNING, SUCCESS, OcfError, Rc

PROBE = {"OCF_RESKEY_CRM_meta_interval": "0"}


class Told(Agent):
    """Does what its *trouble* parameter says, and remembers what was called."""

    name = "told"
    shortdesc = longdesc = "told"
    parameters = (Parameter("trouble", default="", shortdesc="t"), Parameter("must", required=True, shortdesc="m"))
    actions = (
        Action("start", 33),
        Action("stop", 20),
        Action("monitor", 20, 10, 0),
        Action("monitor", 44, 10, 10),
        Action("notify", 5),
        Action("reload-agent", 5),
        Action("validate-all", 5),
        Action("meta-data", 5),
    )
    called: list[str] = []
    error: Exception | None = None

    def _say(self, word: str) -> None:
        self.called.append(word)
        if self.error is not None and word == self.context.action:
            raise self.error

    def start(self) -> None:
        self._say("start")

    def stop(self) -> None:
        self._say("stop")

    def monitor(self, depth: int) -> Rc:
        self._say("monitor")
        self.called.append(f"depth {depth}")
        return NOT_RUNNING

    def validate(self) -> None:
        self.called.append("validate")

    def reload(self) -> None:
        self._say("reload")

    def notify(self, event: str) -> None:
        self._say(f"notify {event}")


@pytest.fixture(autouse=True)
def _forget() -> None:
    Told.called = []
    Told.error = None


GOOD = {"OCF_RESKEY_must": "x"}


@pytest.mark.parametrize("argv", [["dance"], [], ["start", "stop"], [""], ["START"], ["promote"]])
def test_a_wrong_call_is_answered_with_usage(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(Told, argv, dict(GOOD), FakeHost(), "1") == 3
    out, err = capsys.readouterr()
    assert out == ""
    assert err == "usage: told {start|stop|monitor|notify|reload-agent|validate-all|meta-data}\n"
    assert Told.called == []


def test_help_prints_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(Told, ["usage"], {}, FakeHost(), "1") == 0
    assert capsys.readouterr().out == usage(Told) + "\n"


@pytest.mark.parametrize(
    ("action", "environ", "called"),
    [
        ("start", GOOD, ["validate", "start"]),
        ("stop", {}, ["stop"]),
        ("monitor", GOOD, ["monitor", "depth 0"]),
        ("monitor", {**GOOD, "OCF_CHECK_LEVEL": "10"}, ["monitor", "depth 10"]),
        ("monitor", PROBE, ["monitor", "depth 0"]),
        ("reload-agent", GOOD, ["validate", "reload"]),
        ("validate-all", GOOD, ["validate"]),
        ("validate-all", {**GOOD, "OCF_CHECK_LEVEL": "10"}, ["validate"]),
        # OCF 1.1: at level 0 only the parameters are judged, on any host.
        ("validate-all", {**GOOD, "OCF_CHECK_LEVEL": "0"}, []),
        (
            "notify",
            {"OCF_RESKEY_CRM_meta_notify_type": "post", "OCF_RESKEY_CRM_meta_notify_operation": "stop"},
            ["notify post-stop"],
        ),
    ],
)
def test_each_action_reaches_its_handler(action: str, environ: dict[str, str], called: list[str]) -> None:
    call(Told, action, dict(environ), FakeHost())
    assert Told.called == called


@pytest.mark.parametrize("action", ["start", "validate-all", "reload-agent", "monitor"])
def test_a_missing_required_parameter_is_err_configured(action: str) -> None:
    rc, reason = call(Told, action, {}, FakeHost())
    assert (rc, reason) == (ERR_CONFIGURED, "parameter must is required and has no value")
    assert Told.called == []


def test_level_0_validation_judges_parameters() -> None:
    assert call(Told, "validate-all", {"OCF_CHECK_LEVEL": "0"}, FakeHost())[0] == ERR_CONFIGURED


def test_a_missing_required_parameter_stops_no_stop_and_no_probe() -> None:
    assert call(Told, "stop", {}, FakeHost()) == (SUCCESS, "")
    assert call(Told, "monitor", dict(PROBE), FakeHost()) == (NOT_RUNNING, "")


@pytest.mark.parametrize("agent", AGENTS, ids=lambda a: a.name)
def test_real_agents_on_a_bare_machine(agent: type[Agent]) -> None:
    """Nothing installed, nothing configured, no cluster: a probe finds nothing and a stop succeeds."""
    host = FakeHost()
    garbage = {f"OCF_RESKEY_{p.name}": "\x01 garbage=\n" for p in agent.parameters}
    for environ in ({}, garbage):
        assert call(agent, "monitor", {**environ, **PROBE}, host) == (NOT_RUNNING, "")
        assert call(agent, "stop", dict(environ), host) == (SUCCESS, "")
    assert host.spawned == []
    rc, reason = call(agent, "start", {}, host)
    assert rc in (ERR_CONFIGURED, 5), reason
    assert reason


@pytest.mark.parametrize("level", ["deep", "-1", "1.5", "²"])
def test_a_check_level_that_is_no_number(level: str) -> None:
    rc, reason = call(Told, "monitor", {**GOOD, "OCF_CHECK_LEVEL": level}, FakeHost())
    assert (rc, reason) == (ERR_ARGS, f"OCF_CHECK_LEVEL must be a number, not '{level}'")


def test_a_check_level_that_is_no_number_fails_no_stop() -> None:
    # a stop has no check level, and a failed stop is a fenced node.
    assert call(Told, "stop", {"OCF_CHECK_LEVEL": "deep"}, FakeHost()) == (SUCCESS, "")


def test_an_unexpected_exception_is_one_line_and_its_traceback_is_in_the_log(
    capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    log = tmp_path / "ha.log"
    log.touch()
    Told.error = ZeroDivisionError("a\nb")
    assert main(Told, ["start"], {**GOOD, "HA_logfile": str(log)}, FakeHost(), "1") == 1
    out, err = capfd.readouterr()
    assert out == ""
    assert err.startswith("ocf-exit-reason:internal error in start: ZeroDivisionError: a b")
    assert err.count("\n") == 1
    assert "Traceback" not in err
    text = log.read_text()
    assert "Traceback (most recent call last)" in text
    assert "in _say" in text


def test_a_reason_is_one_line_on_stderr_and_nothing_on_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    Told.error = OcfError(ERR_GENERIC, "first\nsecond\t third")
    assert main(Told, ["stop"], {}, FakeHost(), "1") == 1
    assert capsys.readouterr() == ("", "ocf-exit-reason:first second third\n")


def test_success_says_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(Told, ["start"], dict(GOOD), FakeHost(), "1") == 0
    assert capfd.readouterr() == ("", "")


def test_degraded_is_a_warning_and_failed_an_error(tmp_path: Path) -> None:
    log = tmp_path / "ha.log"
    log.touch()
    for rc in (DEGRADED, ERR_GENERIC):
        Told.error = OcfError(rc, "so it is")
        assert call(Told, "monitor", {**GOOD, "HA_logfile": str(log)}, FakeHost()) == (rc, "so it is")
    first, second = log.read_text().splitlines()
    assert "WARNING: monitor: so it is" in first
    assert "ERROR: monitor: so it is" in second


@pytest.mark.parametrize(
    ("environ", "version"),
    [
        ({}, "1.1"),
        ({"OCF_RA_VERSION_MAJOR": "1", "OCF_RA_VERSION_MINOR": "1"}, "1.1"),
        ({"OCF_RA_VERSION_MAJOR": "1", "OCF_RA_VERSION_MINOR": "0"}, "1.0"),
        # ocf-tester.
        ({"OCF_RESKEY_CRM_meta_timeout": "20000"}, "1.0"),
        ({"OCF_RESKEY_CRM_meta_timeout": "20000", "OCF_RA_VERSION_MINOR": "1"}, "1.1"),
    ],
)
def test_which_api_is_spoken(environ: dict[str, str], version: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert api_version(environ) == version
    assert main(Service, ["meta-data"], environ, FakeHost(), "1") == 0
    out, err = capsys.readouterr()
    assert f"<version>{version}</version>" in out
    assert err == ""


def test_the_context() -> None:
    environ = {
        "OCF_RESOURCE_INSTANCE": "x:0",
        "OCF_RESKEY_CRM_meta_timeout": "90000",
        "OCF_RESKEY_CRM_meta_interval": "0",
        "OCF_RESKEY_CRM_meta_on_node": "n2",
    }
    made = context_from(Told, "monitor", environ, FakeHost())
    # A clone's instance number says nothing on its node: 'x:0' here may be 'x:1' after a restart.
    assert (made.instance, made.timeout, made.probe, made.node) == ("x", 90, True, "n2")
    assert not context_from(Told, "stop", environ, FakeHost()).probe
    bare = context_from(Told, "start", {}, FakeHost())
    assert (bare.instance, bare.timeout, bare.probe) == ("told", 33, False)


@pytest.mark.parametrize(("depth", "timeout"), [("0", 20), ("10", 44), ("7", 20)])
def test_without_a_timeout_the_declaration_s_holds(depth: str, timeout: float) -> None:
    for said in ({}, {"OCF_RESKEY_CRM_meta_timeout": "soon"}, {"OCF_RESKEY_CRM_meta_timeout": "0"}):
        made = context_from(Told, "monitor", {"OCF_CHECK_LEVEL": depth, **said}, FakeHost())
        assert made.timeout == timeout


def test_an_action_s_deadline_is_its_timeout_less_a_margin() -> None:
    made = context_from(Told, "start", {"OCF_RESKEY_CRM_meta_timeout": "10000"}, FakeHost())
    assert Told(made, Params((), {})).deadline.remaining() == pytest.approx(9.2)
