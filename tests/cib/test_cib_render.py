"""What a topology becomes: the XML, the crmsh text, and that nothing but the topology decides their bytes."""

from __future__ import annotations

import copy
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree
from topologies import LAB, SERVICES, VIP, WATCHED, changed

from quorate.agents.registry import AGENTS, BY_NAME
from quorate.cib import duration
from quorate.cib.build import build
from quorate.cib.compare import difference
from quorate.cib.reader import parse_topology
from quorate.cib.render_crm import render_crm
from quorate.cib.render_xml import render_cib, render_configuration
from quorate.cib.starter import starter
from quorate.cib.verify import verify
from quorate.lib.declare import Action
from quorate.lib.problem import Problem

NASTY = r"""a "quoted" 'word' \ back # hash $dollar x=y; |&<>{}()[]  two  blanks \\end"""


def xml_of(text: str) -> etree._Element:
    return etree.fromstring(render_cib(build(parse_topology(text))))


def interval(action: Action, text: str) -> int:
    """Seconds between two runs of *action* in the CIB of *text*."""
    return (action.watched_interval if text == WATCHED else action.interval) or 0


def properties(root: etree._Element) -> dict[str, str]:
    return {item.get("name", ""): item.get("value", "") for item in root.iterfind(".//cluster_property_set/nvpair")}


def test_starter_generates_and_verifies_without_a_warning() -> None:
    topology = parse_topology(starter())
    assert topology.warnings == ()
    assert [service.name for service in topology.services] == list(SERVICES)
    verify(render_cib(build(topology)))


def test_what_the_starter_shows_in_comments_is_good_too() -> None:
    text = starter()
    extra = text[text.index("# extra:") :].replace("# ", "", 1).replace("\n# ", "\n").replace("\n#", "\n")
    topology = parse_topology(text + extra)
    assert [fragment.ids[0] for fragment in topology.extra] == ["vip", "vip-with-keystone"]
    verify(render_cib(build(topology)))


@pytest.mark.parametrize("text", [LAB, LAB + VIP, LAB + "ordering: mandatory\n", changed(fencing="none"), WATCHED])
def test_valid_under_the_schema_and_silent_in_crm_verify(text: str) -> None:
    topology = parse_topology(text)
    for some in (topology, topology.only(["galera", "rabbitmq"]), topology.only([])):
        verify(render_cib(build(some)))


@pytest.mark.parametrize("text", [LAB, WATCHED], ids=["alone", "watched"])
def test_every_service_is_an_interleaved_clone_with_all_its_operations(text: str) -> None:
    root = xml_of(text)
    for agent in (each for each in AGENTS if text == WATCHED or each.name in SERVICES):
        clone = root.find(f".//clone[@id='{agent.name}-clone']")
        assert clone is not None
        assert clone.xpath("meta_attributes/nvpair[@name='interleave']/@value") == ["true"]
        primitive = clone.find("primitive")
        assert primitive is not None
        assert (primitive.get("class"), primitive.get("provider"), primitive.get("type")) == (
            "ocf",
            "quorate",
            agent.name,
        )
        rendered = {
            (op.get("name"), op.get("interval"), "".join(op.xpath(".//nvpair[@name='OCF_CHECK_LEVEL']/@value")) or "0")
            for op in primitive.iterfind("operations/op")
        }
        wanted = {
            (action.name, f"{interval(action, text)}s", str(action.depth or 0))
            for action in agent.actions
            if action.name not in ("meta-data", "validate-all")
        }
        assert rendered == wanted


def test_no_timeout_is_shorter_than_the_agent_advises() -> None:
    root = xml_of(WATCHED)
    for agent in AGENTS:
        for action in agent.actions:
            if action.name in ("meta-data", "validate-all"):
                continue
            op = root.find(f".//op[@id='{agent.name}-{action.name}-{interval(action, WATCHED)}s']")
            assert op is not None
            assert (duration.milliseconds(op.get("timeout", "")) or 0) >= action.timeout * 1000


def test_an_agent_that_wants_notifications_gets_them(monkeypatch: pytest.MonkeyPatch) -> None:
    agent = BY_NAME["keystone"]
    plain = [action for action in agent.actions if action.name != "notify"]
    path = ".//clone[@id='keystone-clone']/meta_attributes/nvpair[@name='notify']/@value"
    monkeypatch.setattr(agent, "actions", tuple(plain))
    assert xml_of(LAB).xpath(path) == []
    monkeypatch.setattr(agent, "actions", (*plain, Action("notify", 10)))
    assert xml_of(LAB).xpath(path) == ["true"]


def test_peers_are_filled_from_the_nodes_unless_given() -> None:
    path = ".//nvpair[@id='galera-instance_attributes-peers']/@value"
    assert xml_of(LAB).xpath(path) == ["n1=172.30.77.11 n2=172.30.77.12 n3=172.30.77.13"]
    given_peers = LAB.replace("galera: {}", "galera: {parameters: {peers: 'n1=10.1.1.1'}}")
    assert xml_of(given_peers).xpath(path) == ["n1=10.1.1.1"]


def test_nodes_get_the_ids_of_their_position() -> None:
    nodes = [(node.get("id"), node.get("uname")) for node in xml_of(LAB).iterfind(".//nodes/node")]
    assert nodes == [("1", "n1"), ("2", "n2"), ("3", "n3")]


def test_cluster_properties() -> None:
    found = properties(xml_of(LAB))
    assert found["stonith-enabled"] == "true"
    assert found["no-quorum-policy"] == "stop"
    assert found["start-failure-is-fatal"] == "false"
    assert found["dc-deadtime"] == "2s"
    assert found["cluster-name"] == "quorate"
    assert properties(xml_of(changed(fencing="none")))["stonith-enabled"] == "false"
    assert (
        properties(xml_of(LAB.replace("dc-deadtime: 2s", "no-quorum-policy: freeze")))["no-quorum-policy"] == "freeze"
    )


@pytest.mark.parametrize("text", [LAB, WATCHED], ids=["alone", "watched"])
def test_a_crash_never_bans_an_instance_for_good(text: str) -> None:
    path = ".//rsc_defaults//nvpair"
    found = {item.get("name"): item.get("value") for item in xml_of(text).iterfind(path)}
    assert int(found["migration-threshold"] or 0) > 1
    seconds = (duration.milliseconds(found["failure-timeout"] or "") or 0) // 1000
    slowest = max(interval(action, text) for agent in AGENTS for action in agent.actions)
    assert seconds > slowest, "a failure that only the slowest monitor sees would be forgiven before the next one"
    recheck = duration.milliseconds(properties(xml_of(text))["cluster-recheck-interval"]) or 0
    assert recheck <= seconds * 1000


def test_a_device_knows_its_nodes() -> None:
    path = ".//primitive[@id='power']//nvpair[@name='pcmk_host_list']/@value"
    assert xml_of(LAB).xpath(path) == ["n1 n2 n3"]
    assert xml_of(LAB.replace("    nodes: [n1, n2, n3]\n", "")).xpath(path) == ["n1 n2 n3"]


def orders(root: etree._Element) -> set[tuple[str, ...]]:
    return {
        (str(order.get("first")), str(order.get("then")), str(order.get("kind")))
        for order in root.iterfind(".//rsc_order")
    }


def test_default_order() -> None:
    assert orders(xml_of(LAB)) == {
        ("galera-clone", "keystone-clone", "Optional"),
        ("rabbitmq-clone", "keystone-clone", "Optional"),
        ("keystone-clone", "nova-api-clone", "Optional"),
        ("nova-api-clone", "dashboard-clone", "Optional"),
    }


def test_default_order_reaches_through_what_is_not_there() -> None:
    topology = parse_topology(LAB).only(["galera", "dashboard"])
    assert [(order.first, order.then) for order in build(topology).orders] == [("galera-clone", "dashboard-clone")]


def test_left_out_services_pass_their_own_order_on() -> None:
    text = LAB.replace("nova-api: {}", "nova-api: {after: []}").replace(
        "keystone: {}", "keystone: {after: [dashboard]}"
    )
    topology = parse_topology(text).only(["keystone", "dashboard"])
    assert [(order.first, order.then) for order in build(topology).orders] == [("dashboard-clone", "keystone-clone")]


def test_explicit_order_and_kind() -> None:
    text = LAB.replace("keystone: {}", "keystone: {after: [rabbitmq], ordering: mandatory, id: identity}")
    assert orders(xml_of(text)) == {
        ("rabbitmq-clone", "identity-clone", "Mandatory"),
        ("identity-clone", "nova-api-clone", "Optional"),
        ("nova-api-clone", "dashboard-clone", "Optional"),
    }
    assert {kind for _, _, kind in orders(xml_of(LAB + "ordering: mandatory\n"))} == {"Mandatory"}
    assert not [
        edge
        for edge in orders(xml_of(LAB.replace("nova-api: {}", "nova-api: {after: []}")))
        if edge[1] == "nova-api-clone"
    ]


def test_only_keeps_extras_that_still_have_their_service() -> None:
    topology = parse_topology(LAB + VIP)
    kept = topology.only(["galera", "keystone"])
    assert [service.name for service in kept.services] == ["galera", "keystone"]
    assert [fragment.ids[0] for fragment in kept.extra] == ["vip", "vip-with-keystone", "vip-prefers-n1"]
    without = topology.only(["galera"])
    assert [fragment.ids[0] for fragment in without.extra] == ["vip", "vip-prefers-n1"]
    assert topology.only(SERVICES) == topology
    with pytest.raises(Problem, match="no service 'galeria'; did you mean 'galera'"):
        topology.only(["galeria"])


def shuffled(value: object, chance: random.Random) -> object:
    """The same document with every mapping's keys in another order; lists keep theirs."""
    if isinstance(value, dict):
        keys = list(value)
        chance.shuffle(keys)
        return {key: shuffled(value[key], chance) for key in keys}
    if isinstance(value, list):
        return [shuffled(item, chance) for item in value]
    return value


@settings(max_examples=40, deadline=None)
@given(st.randoms(use_true_random=False))
def test_the_order_of_keys_does_not_matter(chance: random.Random) -> None:
    rich = LAB.replace("dc-deadtime: 2s", "dc-deadtime: 2s, cluster-delay: 70s, batch-limit: 5").replace(
        "galera: {}",
        "galera: {meta: {priority: 5, is-managed: yes}, operations: {start: {timeout: 900, on-fail: stop},"
        " monitor: {interval: 11s, timeout: 50s}}}",
    )
    document = yaml.safe_load(rich + VIP)
    reference = build(parse_topology(yaml.safe_dump(document, sort_keys=False)))
    other = build(parse_topology(yaml.safe_dump(shuffled(copy.deepcopy(document), chance), sort_keys=False)))
    assert render_cib(other) == render_cib(reference)
    assert render_crm(other) == render_crm(reference)


def test_the_order_of_nodes_does_matter() -> None:
    document = yaml.safe_load(LAB)
    document["nodes"].reverse()
    assert render_cib(build(parse_topology(yaml.safe_dump(document)))) != render_cib(build(parse_topology(LAB)))


def test_bytes_do_not_depend_on_the_process() -> None:
    program = (
        "import sys; from quorate.cib.reader import parse_topology; from quorate.cib.build import build;"
        "from quorate.cib.render_xml import render_cib; from quorate.cib.render_crm import render_crm;"
        "c = build(parse_topology(sys.stdin.read())); print(render_cib(c) + render_crm(c))"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", program],
            input=LAB + VIP,
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("0", "1", "2")
    }
    assert len(outputs) == 1


def test_equal_values_in_other_words_give_the_same_bytes() -> None:
    one = LAB.replace("galera: {}", "galera: {operations: {monitor: {timeout: 60}}, meta: {is-managed: yes}}")
    two = LAB.replace("galera: {}", "galera: {operations: {monitor: {timeout: 1min}}, meta: {is-managed: 'true'}}")
    assert render_cib(build(parse_topology(one))) == render_cib(build(parse_topology(two)))


# The text form through the real crmsh, offline, on a CIB in a file.


def crm(folder: Path, *arguments: str) -> str:
    """Load into an empty three-node CIB with crmsh and return what it then holds."""
    assert shutil.which("crm"), "crmsh is not installed: apt-get install crmsh"
    held = folder / "held.xml"
    empty = subprocess.run(["cibadmin", "--empty"], capture_output=True, text=True, check=True).stdout
    nodes = "".join(f'<node id="{number}" uname="n{number}"/>' for number in (1, 2, 3))
    own = (
        '<cluster_property_set id="cib-bootstrap-options">'
        '<nvpair id="cib-bootstrap-options-dc-version" name="dc-version" value="2.1.5"/></cluster_property_set>'
    )
    held.write_text(
        empty.replace("<nodes/>", f"<nodes>{nodes}</nodes>").replace("<crm_config/>", f"<crm_config>{own}</crm_config>")
    )
    environment = {**os.environ, "CIB_file": str(held), "HOME": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    for name in ("XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME"):
        environment.pop(name, None)
    # -F: the agents themselves are not installed on this machine, which crmsh counts as an error.
    done = subprocess.run(
        ["crm", "-F", "configure", "load", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env=environment,
        cwd=folder,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return held.read_text()


RICH = LAB.replace(
    "ip: 10.0.0.1", f"ip: 10.0.0.1, options: {yaml.safe_dump(NASTY, default_style=chr(34)).strip()}"
).replace("{dc-deadtime: 2s}", "{dc-deadtime: 2s}\n  operation-defaults: {timeout: 40s}").replace(
    "galera: {}",
    "galera: {meta: {priority: 5}, operations: {monitor: {on-fail: restart}}}",
) + VIP.replace('value="172.30.77.10"', 'value="two  blanks, &quot;quotes&quot; and &lt;tags&gt;"')


@pytest.mark.parametrize("text", [LAB, RICH], ids=["lab", "rich"])
def test_both_forms_lead_to_the_same_cluster_content(tmp_path: Path, text: str) -> None:
    cib = build(parse_topology(text))
    generated = render_cib(cib)
    (tmp_path / "cib.xml").write_text(generated)
    (tmp_path / "cib.crm").write_text(render_crm(cib))
    assert difference(generated, crm(tmp_path, "xml", "replace", str(tmp_path / "cib.xml"))) == ""
    assert difference(generated, crm(tmp_path, "update", str(tmp_path / "cib.crm"))) == ""


def test_configuration_alone_is_the_one_in_the_cib() -> None:
    cib = build(parse_topology(LAB))
    assert difference(render_configuration(cib), render_cib(cib)) == ""
