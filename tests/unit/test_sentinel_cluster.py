"""The permission, on literal CIBs as Pacemaker 2.1.5 writes them, and the commands."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest
from sentinel_node import STARTED, Node, cib, operation

from quorate.lib.sentinel import command as commands
from quorate.lib.sentinel.cluster import Cluster, permission
from quorate.lib.sentinel.command import Running, find, run

FAILED = operation("monitor", 14, 7, interval=10000, changed=2000).replace(
    'id="R_monitor_10000"', 'id="R_last_failure_0"'
)
ASYNC = operation("asyncmon", 15, 1, changed=2000).replace('id="R_last_0"', 'id="R_last_failure_0"')


def pending(name: str, interval: int = 0) -> str:
    return operation(name, -1, 193, interval=interval, status=-1)


@pytest.mark.parametrize(
    "history",
    [
        STARTED,
        operation("start", 12),
        # Found running by a probe, and nothing done since.
        operation("monitor", 5),
        operation("monitor", 5) + operation("monitor", 6, interval=10000),
        # Degraded is up; so is a promoted one.
        operation("start", 12) + operation("monitor", 14, 190, interval=10000),
        operation("start", 12) + operation("promote", 13) + operation("monitor", 15, 8, interval=10000),
        operation("migrate_from", 12),
        operation("start", 12) + operation("reload-agent", 20),
        # The first answer of a recurring monitor is awaited.
        operation("start", 12) + pending("monitor", 10000),
        # A failure that a restart followed.
        FAILED + operation("stop", 20) + operation("start", 21) + operation("monitor", 23, interval=10000),
        ASYNC + operation("stop", 15, changed=2001) + operation("start", 16, changed=2002),
        # A failure that was not acted on (on-fail=ignore), and passed.
        operation("start", 12) + FAILED + operation("monitor", 14, interval=10000, changed=3000),
        # A monitor that was ended with its resource's reconfiguration.
        STARTED + operation("monitor", 30, 1, interval=60000, status=1),
        # The numbers decide, not the order in the file; and as numbers.
        operation("start", 100) + operation("stop", 9),
    ],
)
def test_what_runs_may_be_told(history: str) -> None:
    answer = permission(cib(("keystone", history)), "keystone", "n1")
    assert answer == ""


@pytest.mark.parametrize(
    "history", [pending(name) for name in ("start", "stop", "monitor", "reload-agent", "migrate_to")]
)
def test_an_operation_in_flight_withholds_for_a_while(history: str) -> None:
    for text in (history, STARTED + history, history + STARTED):
        answer = permission(cib(("keystone", text)), "keystone", "n1")
        assert answer.endswith(" of keystone is in flight on n1")
        assert answer.again


def test_pending_is_known_by_its_code_too() -> None:
    """Before Pacemaker 2.1 it was -1."""
    for code in (-1, 193):
        answer = permission(cib(("keystone", STARTED + operation("stop", 20, code))), "keystone", "n1")
        assert answer == "a stop of keystone is in flight on n1"


@pytest.mark.parametrize(
    "history",
    [
        "",
        operation("monitor", 5, 7),
        operation("start", 12) + operation("stop", 20),
        STARTED + operation("stop", 20),
        STARTED + operation("migrate_to", 20),
        operation("stop", 100) + operation("start", 99),
    ],
)
def test_what_pacemaker_does_not_believe_to_run_is_not_told(history: str) -> None:
    answer = permission(cib(("keystone", history)), "keystone", "n1")
    assert answer
    assert not answer.again


@pytest.mark.parametrize(
    "history",
    [
        operation("start", 12, 1),
        STARTED + FAILED,
        # The failure that was told of already: nothing was done about it yet.
        STARTED + ASYNC,
        STARTED + operation("stop", 20, 1),
        # One monitor of two.
        STARTED + operation("monitor", 15, interval=60000) + FAILED,
        STARTED + operation("monitor", 15, 2, interval=60000, status=2),
    ],
)
def test_a_failure_that_pacemaker_knows_is_not_told_again(history: str) -> None:
    answer = permission(cib(("keystone", history)), "keystone", "n1")
    assert answer == "Pacemaker knows of a failure of keystone on n1 already"
    assert not answer.again


@pytest.mark.parametrize("value", ["true", "TRUE", "yes", "on", "1", "y"])
def test_maintenance_of_the_cluster(value: str) -> None:
    answer = permission(cib(("keystone", STARTED), properties=f"maintenance-mode={value}"), "keystone", "n1")
    assert answer == "the cluster is in maintenance mode"
    assert answer.again


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"meta": "maintenance=true"}, "keystone is in maintenance"),
        ({"clone_meta": "maintenance=true"}, "keystone is in maintenance"),
        ({"defaults": "maintenance=true"}, "keystone is in maintenance"),
        ({"meta": "is-managed=false"}, "keystone is not managed"),
        ({"clone_meta": "is-managed=no"}, "keystone is not managed"),
        ({"defaults": "is-managed=0"}, "keystone is not managed"),
        ({"defaults": "is-managed=true", "clone_meta": "is-managed=false"}, "keystone is not managed"),
        ({"node": "maintenance=on"}, "node n1 is in maintenance"),
        ({"transient": "maintenance=true"}, "node n1 is in maintenance"),
        # Inheritance: the nearest decides.
        ({"clone_meta": "is-managed=false", "meta": "is-managed=true"}, ""),
        ({"defaults": "maintenance=true", "meta": "maintenance=false"}, ""),
        ({"properties": "maintenance-mode=false", "node": "maintenance=off standby=on"}, ""),
    ],
)
def test_maintenance_and_management(settings: dict[str, str], reason: str) -> None:
    answer = permission(cib(("keystone", STARTED), **settings), "keystone", "n1")
    assert answer == reason
    assert answer.again == bool(reason)


def test_a_group_in_a_clone_hands_down_what_it_says() -> None:
    text = (
        cib(("keystone", STARTED))
        .replace("<primitive", "<group id='g'><primitive")
        .replace(
            "</primitive>",
            "</primitive><meta_attributes id='g-meta'><nvpair id='g-m' name='maintenance' value='true'/>"
            "</meta_attributes></group>",
        )
    )
    assert permission(text, "keystone", "n1") == "keystone is in maintenance"


def test_a_template_says_it_for_its_resources() -> None:
    template = (
        "<resources><template id='t' class='ocf' provider='quorate' type='keystone'><meta_attributes id='t-meta'>"
        "<nvpair id='t-m' name='is-managed' value='false'/></meta_attributes></template>"
    )
    text = cib(("keystone", STARTED)).replace("<resources>", template).replace("<primitive", "<primitive template='t'")
    assert permission(text, "keystone", "n1") == "keystone is not managed"


def test_the_highest_score_decides_and_references_are_followed() -> None:
    sets = (
        "<rsc_defaults><meta_attributes id='low' score='5'><nvpair id='1' name='is-managed' value='false'/>"
        "</meta_attributes><meta_attributes id='high' score='INFINITY'><nvpair id='2' name='is-managed' value='true'/>"
        "</meta_attributes>"
    )
    text = cib(("keystone", STARTED)).replace("<rsc_defaults>", sets)
    assert permission(text, "keystone", "n1") == ""
    referring = text.replace('type="keystone"><', 'type="keystone"><meta_attributes id-ref="low"/><', 1)
    assert permission(referring, "keystone", "n1") == "keystone is not managed"


def test_a_rule_counts_where_it_would_forbid() -> None:
    for value, reason in (("false", "keystone is not managed"), ("true", "")):
        sets = (
            "<rsc_defaults><meta_attributes id='r' score='9'><rule id='rule' score='0'/>"
            f"<nvpair id='1' name='is-managed' value='{value}'/></meta_attributes>"
        )
        assert permission(cib(("keystone", STARTED)).replace("<rsc_defaults>", sets), "keystone", "n1") == reason


def test_an_unknown_resource_or_node_is_not_told() -> None:
    text = cib(("keystone", STARTED))
    assert permission(text, "nova", "n1") == "nova is not in the cluster's configuration"
    # The clone is no primitive.
    assert permission(text, "cl-keystone", "n1") == "cl-keystone is not in the cluster's configuration"
    assert permission(text, "keystone", "n9") == "node n9 is not in the cluster"
    # It runs elsewhere, not here.
    assert "does not believe" in permission(text, "keystone", "n2")


def test_an_instance_of_a_clone_has_its_number() -> None:
    text = cib(("keystone:0", STARTED), ("keystone-db", operation("stop", 3)))
    assert permission(text, "keystone", "n1") == ""
    assert "does not believe" in permission(text, "keystone-db", "n1")
    both = cib(("keystone:0", STARTED), ("keystone:1", operation("stop", 4)))
    assert permission(both, "keystone", "n1") == ""


@pytest.mark.parametrize("text", ["", "<cib", "no xml", "<cib/>", "<cib><configuration/></cib>"])
def test_what_is_no_cib_forbids(text: str) -> None:
    assert permission(text, "keystone", "n1")


# --- the commands


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(tmp_path)


def test_the_cluster_is_asked_and_told_by_its_own_commands(node: Node) -> None:
    node.cluster("a")
    cluster = Cluster(str(node.bin))
    assert cluster.known_node == ""
    assert cluster.node() == "n1"
    node.program("crm_node", "exit 1")
    assert cluster.node() == "n1"
    assert permission(cluster.query(), "a", "n1") == ""
    assert cluster.tell("a").result().rc == 0
    assert node.told() == ["--fail -r a -N n1"]


def test_a_cluster_that_is_away_is_an_error_with_its_words(node: Node) -> None:
    cluster = Cluster(str(node.bin))
    node.program("crm_node", "echo 'Connection to cluster failed' >&2; exit 102")
    with pytest.raises(OSError, match="Connection to cluster failed"):
        cluster.node()
    (node.bin / "cibadmin").unlink()
    with pytest.raises(OSError, match="cibadmin: no such file"):
        cluster.query()


def test_the_commands_get_a_clean_environment(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OCF_RESKEY_CRM_meta_on_node", "n2")
    node.program("cibadmin", "/usr/bin/env")
    assert "OCF_" not in Cluster(str(node.bin)).query()


def test_a_large_answer_is_read_whole_and_errors_apart(node: Node) -> None:
    node.program("cibadmin", "echo oops >&2; /usr/bin/head -c 3000000 /dev/zero | /usr/bin/tr '\\0' x; exit 3")
    result = run(["cibadmin"], 10, {"PATH": str(node.bin)})
    assert (result.rc, len(result.out), result.err) == (3, 3_000_000, "oops\n")


@pytest.mark.parametrize("with_pidfd", [True, False])
def test_a_command_that_hangs_is_killed(node: Node, with_pidfd: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not with_pidfd:
        monkeypatch.delattr(commands.os, "pidfd_open", raising=False)
    node.program("cibadmin", f"echo $$ > {node.folder}/pid; exec /bin/sleep 60")
    begun = time.monotonic()
    result = run(["cibadmin"], 0.3, {"PATH": str(node.bin)})
    assert result.rc == 124
    assert time.monotonic() - begun < 3
    with pytest.raises(ProcessLookupError):
        os.kill(int((node.folder / "pid").read_text()), 0)
    node.program("cibadmin", "exit 5")
    assert run(["cibadmin"], 5, {"PATH": str(node.bin)}).rc == 5
    node.program("cibadmin", "kill -9 $$")
    assert run(["cibadmin"], 5, {"PATH": str(node.bin)}).rc == -signal.SIGKILL


def test_commands_leave_no_descriptor_and_inherit_none(node: Node) -> None:
    secret = os.open("/dev/null", os.O_RDONLY)
    before = set(os.listdir("/proc/self/fd"))
    seen = Running(["readlink", *[f"/proc/self/fd/{fd}" for fd in (0, 1, 2, secret)]], 5, {"PATH": "/usr/bin"}).result()
    assert [line.partition(" ")[0] for line in seen.out.splitlines()] == ["/dev/null", "/memfd:out", "/memfd:err"]
    run(["nothing"], 5, {"PATH": str(node.bin)})
    assert set(os.listdir("/proc/self/fd")) == before
    os.close(secret)


def test_commands_take_signals_as_ever(node: Node) -> None:
    """Python ignores SIGPIPE, and a command that inherits that never ends at a closed pipe."""
    node.program("cibadmin", "/bin/grep SigIgn /proc/self/status")
    assert int(run(["cibadmin"], 5, {"PATH": str(node.bin)}).out.split()[1], 16) & (1 << (signal.SIGPIPE - 1)) == 0


def test_programs_are_found_in_the_order_of_the_path(node: Node, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "cibadmin").write_text("not executable")
    assert find("cibadmin", f"/nonexistent:{other}:{node.bin}") == f"{node.bin}/cibadmin"
    assert find("nothing", str(node.bin)) == "nothing"
