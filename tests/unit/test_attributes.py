"""What attrd_updater and crm_node print, and how it is read."""

from __future__ import annotations

import pytest
from fake_host import FakeHost

from quorate.lib.attributes import ClusterAttributes, parse_query
from quorate.lib.host import Result
from quorate.lib.rc import ERR_GENERIC, OcfError


def test_lines_of_several_nodes() -> None:
    text = (
        'name="quorate-galera" host="n1" value="wait:6b1e:12:1"\n'
        'name="quorate-galera" host="n2" value="run:6b1e"\n'
        'name="quorate-galera" host="n3" value=""\n'
    )
    assert parse_query(text) == {"n1": "wait:6b1e:12:1", "n2": "run:6b1e"}


@pytest.mark.parametrize("text", ["", "\n", "garbage", 'name="x" host="" value="1"', 'host="n1"'])
def test_what_is_no_value_is_left_out(text: str) -> None:
    assert parse_query(text) == {}


def test_values_may_hold_equals_signs_and_blanks() -> None:
    assert parse_query('name="x" host="n1" value="a=b c"') == {"n1": "a=b c"}


def test_an_attribute_that_nobody_has_set_is_empty() -> None:
    host = FakeHost()
    host.commands["attrd_updater"] = Result(
        105, "", "Could not query value of quorate-galera: attribute does not exist"
    )
    assert ClusterAttributes(host).all("quorate-galera") == {}


def test_attributes_are_private_and_undamped() -> None:
    host = FakeHost()
    host.commands["attrd_updater"] = Result(0, "", "")
    attributes = ClusterAttributes(host)
    attributes.set("a", "v")
    attributes.clear("a")
    assert host.ran[0][1:] == ["-n", "a", "-U", "v", "--private", "-d", "0"]
    assert host.ran[1][1:] == ["-n", "a", "-D"]


def test_the_cluster_is_asked_with_an_environment_of_our_own(monkeypatch: pytest.MonkeyPatch) -> None:
    # attrd_updater would take the action's node for the one that is asked about, even with --all.
    monkeypatch.setenv("OCF_RESKEY_CRM_meta_on_node", "n1")
    host = FakeHost()
    host.commands["attrd_updater"] = host.commands["crm_node"] = Result(0, "", "")
    attributes = ClusterAttributes(host)
    attributes.all("a")
    attributes.set("a", "v")
    attributes.members()
    assert len(host.environments) == 3
    assert all(env is not None and not any(key.startswith("OCF_") for key in env) for env in host.environments)


def test_membership() -> None:
    host = FakeHost()
    answers = {"--partition": "n1 n3 \n", "--quorum": "1\n", "--name": "n1\n"}
    host.commands["crm_node"] = lambda argv: Result(0, answers[argv[1]], "")
    attributes = ClusterAttributes(host)
    assert attributes.members() == {"n1", "n3"}
    assert attributes.quorate()
    assert attributes.node() == attributes.node() == "n1"
    assert host.ran.count(["crm_node", "--name"]) == 1
    answers["--quorum"] = "0\n"
    assert not attributes.quorate()


@pytest.mark.parametrize("result", [Result(102, "", "Connection refused"), Result(124, "", "did not end within 10 s")])
def test_no_cluster_is_one_sentence(result: Result) -> None:
    host = FakeHost()
    host.commands["attrd_updater"] = host.commands["crm_node"] = result
    attributes = ClusterAttributes(host)
    for call in (attributes.members, attributes.quorate, attributes.node, lambda: attributes.all("a")):
        with pytest.raises(OcfError) as failed:
            call()
        assert failed.value.rc == ERR_GENERIC
        assert failed.value.reason == f"the cluster does not answer: {result.err}"
