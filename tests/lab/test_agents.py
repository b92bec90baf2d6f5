"""The agents with the real services, on a node of the running cluster.

Actions by hand happen in maintenance mode, so that Pacemaker does not take part.
"""

from __future__ import annotations

import time
from collections.abc import Mapping

import pytest

from quorate.agents.registry import AGENTS, BY_NAME
from quorate.lab.cluster import Lab
from quorate.lab.remote import ExecResult
from quorate.lib.rc import (
    DEGRADED,
    ERR_CONFIGURED,
    ERR_GENERIC,
    ERR_INSTALLED,
    ERR_PERM,
    NOT_RUNNING,
    SUCCESS,
)

NAMES = tuple(agent.name for agent in AGENTS)
# Those that this lab runs.
SERVICES = tuple(name for name in NAMES if name != "sentinel")
NODE = "n3"
TESTER_TIMEOUT = 400


def parameters(lab: Lab, name: str) -> dict[str, str]:
    """What the CIB gives the agent."""
    if any(parameter.fill == "peers" for parameter in BY_NAME[name].parameters):
        return {"peers": " ".join(f"{node}={lab.address(node)}" for node in lab.nodes)}
    return {}


def act(
    lab: Lab, name: str, action: str, *, depth: int | None = None, given: Mapping[str, str] | None = None
) -> ExecResult:
    """One action of the installed agent, called as Pacemaker does."""
    env = {
        "OCF_ROOT": "/usr/lib/ocf",
        "OCF_RESOURCE_INSTANCE": name,
        "OCF_RA_VERSION_MAJOR": "1",
        "OCF_RA_VERSION_MINOR": "1",
        "OCF_RESKEY_CRM_meta_timeout": str(int(BY_NAME[name].action_timeout(action, depth or 0) * 1000)),
        "OCF_RESKEY_CRM_meta_interval": "10000" if action == "monitor" else "0",
        **({"OCF_CHECK_LEVEL": str(depth)} if depth is not None else {}),
        **{f"OCF_RESKEY_{key}": value for key, value in {**parameters(lab, name), **(given or {})}.items()},
    }
    return lab.exec(NODE, [f"/usr/lib/ocf/resource.d/quorate/{name}", action], env=env, timeout=320, check=False)


def reason(result: ExecResult) -> str:
    """What Pacemaker would show."""
    lines = [line for line in result.err.splitlines() if line.startswith("ocf-exit-reason:")]
    return lines[-1].removeprefix("ocf-exit-reason:") if lines else ""


@pytest.mark.parametrize("name", NAMES)
def test_every_tool_reads_the_metadata(shared_lab: Lab, name: str) -> None:
    shortdesc = BY_NAME[name].shortdesc
    for argv in (
        ["crm", "ra", "info", f"ocf:quorate:{name}"],
        ["pcs", "resource", "describe", f"ocf:quorate:{name}"],
        ["crm_resource", "--show-metadata", f"ocf:quorate:{name}"],
    ):
        result = shared_lab.exec(NODE, argv, timeout=60)
        assert shortdesc in result.out, argv
        assert "probe_timeout" in result.out, argv
        assert "rror" not in result.err, argv


@pytest.mark.parametrize("name", NAMES)
def test_the_old_form_fits_the_document_type(shared_lab: Lab, name: str) -> None:
    shell = f"OCF_RA_VERSION_MINOR=0 /usr/lib/ocf/resource.d/quorate/{name} meta-data | xmllint --noout --valid -"
    result = shared_lab.exec(NODE, ["sh", "-c", f"cd /usr/share/resource-agents && {shell}"], check=False)
    assert (result.rc, result.err) == (0, "")


@pytest.mark.parametrize("name", NAMES)
def test_ocf_tester_passes(maintenance: Lab, name: str) -> None:
    options = [f"{key}={value}" for key, value in parameters(maintenance, name).items()]
    # ocf-tester claims 20 s for every action, whatever the agent advises.
    options.append("CRM_meta_timeout=240000")
    argv = ["ocf-tester", "-n", name]
    for option in options:
        argv += ["-o", option]
    result = maintenance.exec(
        NODE, [*argv, f"/usr/lib/ocf/resource.d/quorate/{name}"], timeout=TESTER_TIMEOUT, check=False
    )
    assert result.rc == 0, result.out + result.err
    assert "passed all tests" in result.out


@pytest.mark.parametrize("name", SERVICES)
def test_a_stopped_process_is_a_failure(maintenance: Lab, name: str) -> None:
    pid = maintenance.exec(NODE, ["cut", "-d ", "-f1", f"/run/quorate/{name}.pid"]).out.strip()
    assert act(maintenance, name, "monitor").rc == SUCCESS
    maintenance.exec(NODE, ["kill", "-STOP", pid])
    try:
        begun = time.monotonic()
        result = act(maintenance, name, "monitor")
        assert result.rc == ERR_GENERIC
        assert "stopped by a signal" in reason(result)
        assert time.monotonic() - begun < 5
    finally:
        maintenance.exec(NODE, ["kill", "-CONT", pid])
    assert act(maintenance, name, "monitor").rc == SUCCESS


def test_stopped_workers_are_a_failure_too(maintenance: Lab) -> None:
    """The main process runs, the listening socket accepts, and nobody answers."""
    pid = maintenance.exec(NODE, ["cut", "-d ", "-f1", "/run/quorate/keystone.pid"]).out.strip()
    workers = maintenance.exec(NODE, ["pgrep", "-P", pid]).out.split()
    assert workers
    maintenance.exec(NODE, ["kill", "-STOP", *workers])
    try:
        result = act(maintenance, "keystone", "monitor", given={"probe_timeout": "2s"})
        assert result.rc == ERR_GENERIC
        assert "did not answer within 2.0 s" in reason(result)
    finally:
        maintenance.exec(NODE, ["kill", "-CONT", *workers])


@pytest.mark.parametrize("name", ["keystone", "nova-api"])
def test_without_its_database_an_api_is_degraded_and_left_alone(lab: Lab, name: str) -> None:
    """Pacemaker's own deep monitors see it as well, and restart nothing."""
    before = lab.exec(NODE, ["cat", f"/run/quorate/{name}.pid"]).out
    rule = ["OUTPUT", "-p", "tcp", "--dport", "3307", "-j", "REJECT", "--reject-with", "tcp-reset"]
    lab.exec(NODE, ["iptables", "-I", *rule])
    try:
        shallow = act(lab, name, "monitor", depth=0)
        deep = act(lab, name, "monitor", depth=10)
        assert shallow.rc == SUCCESS, shallow.err
        assert deep.rc == DEGRADED
        assert "the service answers, but the database" in reason(deep)
        for secret in lab.secrets.values():
            assert secret not in deep.err
        # Longer than the interval of the deep monitor (30 s) and its run.
        until = time.monotonic() + 45
        while time.monotonic() < until and "degraded" not in lab.exec("n1", ["crm_mon", "-1"]).out.lower():
            time.sleep(2)
        assert "degraded" in lab.exec("n1", ["crm_mon", "-1"]).out.lower()
        assert lab.exec(NODE, ["cat", f"/run/quorate/{name}.pid"]).out == before
    finally:
        lab.exec(NODE, ["iptables", "-D", *rule])
        lab.exec("n1", ["crm_resource", "--cleanup"], timeout=60, check=False)
    assert act(lab, name, "monitor", depth=10).rc == SUCCESS


def test_bad_input_is_one_sentence_and_changes_nothing(shared_lab: Lab) -> None:
    lab = shared_lab
    for name, given, rc, words in (
        ("keystone", {"port": "70000"}, ERR_CONFIGURED, "parameter port must be between 1 and 65535, not 70000"),
        ("rabbitmq", {"mirror": "some"}, ERR_CONFIGURED, "parameter mirror must be one of all, none, not 'some'"),
        ("galera", {"peers": "n1"}, ERR_CONFIGURED, "parameter peers must hold name=address pairs, not 'n1'"),
        ("galera", {"peers": ""}, ERR_CONFIGURED, "parameter peers is required and has no value"),
        ("dashboard", {"binary": "/none"}, ERR_INSTALLED, "/none is not installed on this host (parameter binary)"),
    ):
        result = act(lab, name, "validate-all", given=given)
        assert (result.rc, reason(result)) == (rc, words)
        assert result.out == ""


def test_credentials_that_everybody_can_read_are_refused(shared_lab: Lab) -> None:
    path = "/etc/keystone/keystone.conf"
    shared_lab.exec(NODE, ["chmod", "0644", path])
    try:
        result = act(shared_lab, "keystone", "validate-all")
        assert result.rc == ERR_PERM
        assert f"{path} holds credentials but its mode is 0644" in reason(result)
    finally:
        shared_lab.exec(NODE, ["chmod", "0640", path])
    assert act(shared_lab, "keystone", "validate-all").rc == SUCCESS


def test_a_node_without_the_service_answers_a_probe_and_a_stop(shared_lab: Lab) -> None:
    """As on a node that was never meant to run it: no program, no configuration, no such instance."""
    env = {"OCF_ROOT": "/usr/lib/ocf", "OCF_RESOURCE_INSTANCE": "elsewhere", "OCF_RESKEY_CRM_meta_interval": "0"}
    missing = {"OCF_RESKEY_binary": "/none", "OCF_RESKEY_config": "/none", "OCF_RESKEY_probe_timeout": "soon"}
    for name in NAMES:
        for action, rc in (("monitor", NOT_RUNNING), ("stop", SUCCESS)):
            agent = f"/usr/lib/ocf/resource.d/quorate/{name}"
            result = shared_lab.exec(NODE, [agent, action], env={**env, **missing}, check=False)
            assert (result.rc, result.err) == (rc, ""), (name, action)


def test_no_secret_in_a_process_list_a_log_or_the_cib(lab: Lab) -> None:
    secrets = [secret for secret in lab.secrets.values() if len(secret) > 8]
    assert secrets
    look = (
        "cat /proc/[0-9]*/cmdline | tr '\\0' ' '; cat /var/log/pacemaker/pacemaker.log /var/log/quorate/* 2>/dev/null"
    )
    for node in lab.nodes:
        seen = lab.exec(node, ["sh", "-c", look], timeout=60, check=False).out
        assert "uwsgi" in seen
        assert not [secret for secret in secrets if secret in seen], node
    cib = lab.exec(NODE, ["cibadmin", "--query"]).out
    assert not [secret for secret in secrets if secret in cib]
