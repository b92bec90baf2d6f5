"""What a sentinel in the topology changes: how often is polled, how long failures count, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner
from lxml import etree
from topologies import LAB, SERVICES, WATCHED, Simulation, actions, started

from quorate.agents.registry import AGENTS, BY_NAME
from quorate.cib import options
from quorate.cib.build import build
from quorate.cib.reader import parse_topology
from quorate.cib.render_crm import render_crm
from quorate.cib.render_xml import render_cib
from quorate.cli.cib import cib as command
from quorate.lib.declare import Action
from quorate.lib.problem import Problem

PLACE = "t.yaml:19: services.sentinel"


def xml_of(text: str, only: tuple[str, ...] = ()) -> etree._Element:
    topology = parse_topology(text, "t.yaml")
    return etree.fromstring(render_cib(build(topology.only(only) if only else topology)))


def polled(root: etree._Element, service: str) -> dict[str, str]:
    """The interval of each monitor of *service*, by its check level."""
    found = {}
    for op in root.iterfind(f".//primitive[@id='{service}']/operations/op[@name='monitor']"):
        level = op.xpath(".//nvpair[@name='OCF_CHECK_LEVEL']/@value")
        found[str(level[0]) if level else "0"] = str(op.get("interval"))
    return found


def meta(root: etree._Element, service: str) -> dict[str, str]:
    pairs = root.iterfind(f".//clone[@id='{service}-clone']/meta_attributes/nvpair")
    return {str(pair.get("name")): str(pair.get("value")) for pair in pairs}


def defaults(root: etree._Element) -> dict[str, str]:
    return {str(pair.get("name")): str(pair.get("value")) for pair in root.iterfind(".//rsc_defaults//nvpair")}


def complaint(text: str) -> str:
    with pytest.raises(Problem) as caught:
        parse_topology(text, "t.yaml")
    assert "\n" not in str(caught.value)
    return str(caught.value)


# --- what it is


def test_it_is_a_clone_that_nothing_is_ordered_with() -> None:
    root = xml_of(WATCHED)
    primitive = root.find(".//clone[@id='sentinel-clone']/primitive")
    assert primitive is not None
    assert (primitive.get("id"), primitive.get("provider"), primitive.get("type")) == (
        "sentinel",
        "quorate",
        "sentinel",
    )
    constraints = root.find(".//constraints")
    assert constraints is not None
    assert not [e for e in constraints if any("sentinel" in value for value in map(str, e.values()))]
    before = xml_of(LAB).find(".//constraints")
    assert before is not None
    assert etree.tostring(constraints) == etree.tostring(before)


@pytest.mark.parametrize("key", ["after: [galera]", "after: []", "ordering: optional"])
def test_an_order_for_it_is_refused(key: str) -> None:
    sentence = complaint(WATCHED.replace("sentinel: {}", f"sentinel: {{{key}}}"))
    assert sentence == f"{PLACE}.{key.partition(':')[0]}: sentinel has no start order: it waits for nothing"


def test_an_order_after_it_is_refused() -> None:
    sentence = complaint(WATCHED.replace("keystone: {}", "keystone: {after: [galera, sentinel]}"))
    assert sentence == (
        "t.yaml:16: services.keystone.after[1]: nothing starts after sentinel: it only makes failures known sooner"
    )


def test_a_stop_of_it_that_fails_cuts_no_power() -> None:
    on_fail = ".//primitive[@id='sentinel']/operations/op[@name='stop']/@on-fail"
    assert xml_of(WATCHED).xpath(on_fail) == ["ignore"]
    given = WATCHED.replace("sentinel: {}", "sentinel: {operations: {stop: {on-fail: block}}}")
    assert xml_of(given).xpath(on_fail) == ["block"]


def test_it_may_be_called_otherwise() -> None:
    root = xml_of(WATCHED.replace("sentinel: {}", "sentinel: {id: watcher, parameters: {metrics_port: 9100}}"))
    assert root.find(".//clone[@id='watcher-clone']") is not None
    assert polled(root, "keystone")["0"] == "30s"


@pytest.mark.parametrize(("value", "words"), [("x", "must be a whole number"), ("70000", "at most 65535")])
def test_its_parameters_are_checked(value: str, words: str) -> None:
    text = WATCHED.replace("sentinel: {}", f"sentinel: {{parameters: {{metrics_port: {value}}}}}")
    assert words in complaint(text)


# --- how often is polled


def test_without_it_polling_is_the_agents_own() -> None:
    root = xml_of(LAB)
    for name in SERVICES:
        for action in (a for a in BY_NAME[name].actions if a.name == "monitor"):
            assert polled(root, name)[str(action.depth)] == f"{action.interval}s"


def test_with_it_shallow_monitors_come_every_30_s_and_deep_ones_every_60() -> None:
    root = xml_of(WATCHED)
    assert polled(root, "keystone") == polled(root, "nova-api") == {"0": "30s", "10": "60s"}
    assert polled(root, "rabbitmq") == {"0": "30s", "10": "60s"}
    assert polled(root, "dashboard") == {"0": "30s"}
    assert polled(root, "sentinel") == {"0": "10s"}


def test_an_agent_says_that_it_must_be_asked_more_often(monkeypatch: pytest.MonkeyPatch) -> None:
    agent = BY_NAME["galera"]
    others = tuple(action for action in agent.actions if action.name != "monitor")
    monkeypatch.setattr(agent, "actions", (*others, Action("monitor", 20, interval=10, depth=0, watched_interval=10)))
    root = xml_of(WATCHED)
    assert polled(root, "galera") == {"0": "10s"}
    assert polled(root, "keystone")["0"] == "30s"


def test_no_monitor_comes_more_often_with_it_than_without() -> None:
    assert Action("monitor", 20, interval=45, depth=0).watched_interval == 45
    assert Action("monitor", 20, interval=300, depth=10).watched_interval == 300
    assert Action("start", 20).watched_interval is None
    for agent in AGENTS:
        for action in agent.actions:
            assert (action.watched_interval or 0) >= (action.interval or 0)


@pytest.mark.parametrize(
    ("service", "operations", "expected"),
    [
        ("keystone", "{monitor: {interval: 7s}}", {"0": "7s", "10": "60s"}),
        ("keystone", "{monitor: {interval: 10s}}", {"0": "10s", "10": "60s"}),
        ("keystone", "{monitor-10: {interval: 5min}}", {"0": "30s", "10": "300s"}),
        ("keystone", "{monitor: {timeout: 90s}}", {"0": "30s", "10": "60s"}),
        # What is good without a sentinel stays so: the default makes room.
        ("keystone", "{monitor: {interval: 60s}}", {"0": "60s", "10": "30s"}),
        ("keystone", "{monitor-10: {interval: 30s}}", {"0": "10s", "10": "30s"}),
        ("rabbitmq", "{monitor-10: {interval: 30s}}", {"0": "10s", "10": "30s"}),
        ("keystone", "{monitor: {interval: 60s}, monitor-10: {interval: 30s}}", {"0": "60s", "10": "30s"}),
        ("keystone", "{monitor: {interval: 31s}}", {"0": "31s", "10": "60s"}),
    ],
)
def test_an_interval_of_the_topology_goes_first(service: str, operations: str, expected: dict[str, str]) -> None:
    root = xml_of(WATCHED.replace(f"  {service}: {{}}", f"  {service}: {{operations: {operations}}}"))
    assert polled(root, service) == expected


@pytest.mark.parametrize("interval", [30, 60])
@pytest.mark.parametrize("service", ["keystone", "rabbitmq"])
@pytest.mark.parametrize("key", ["monitor", "monitor-10"])
def test_what_is_refused_is_so_with_and_without_it(service: str, interval: int, key: str) -> None:
    """One answer to one file: `--services` may leave the sentinel out afterwards."""

    def outcome(text: str) -> str:
        changed = text.replace(
            f"  {service}: {{}}", f"  {service}: {{operations: {{{key}: {{interval: {interval}}}}}}}"
        )
        try:
            xml_of(changed)
        except Problem as problem:
            return str(problem)
        return "good"

    assert outcome(WATCHED) == outcome(LAB)


def test_two_given_intervals_that_are_equal_are_refused() -> None:
    both = "{monitor: {interval: 40s}, monitor-10: {interval: 40s}}"
    sentence = complaint(WATCHED.replace("  keystone: {}", f"  keystone: {{operations: {both}}}"))
    assert "same interval (40s)" in sentence


# --- how long failures count


def test_failures_count_long_enough_for_five_of_them_to_be_seen_by_polling() -> None:
    assert defaults(xml_of(LAB))["failure-timeout"] == "120s"
    found = defaults(xml_of(WATCHED))
    assert found == {**defaults(xml_of(LAB)), "failure-timeout": "600s"}
    assert int(found["migration-threshold"]) * (30 + 90) <= 600


def test_a_failure_timeout_of_the_topology_goes_first() -> None:
    text = WATCHED.replace("{dc-deadtime: 2s}", "{dc-deadtime: 2s}\n  resource-defaults: {failure-timeout: 120s}")
    assert defaults(xml_of(text))["failure-timeout"] == "120s"


def test_an_agent_advises_meta_attributes_for_its_clone(monkeypatch: pytest.MonkeyPatch) -> None:
    before = xml_of(LAB)
    monkeypatch.setattr(BY_NAME["dashboard"], "meta", (("migration-threshold", "60"), ("failure-timeout", "9s")))
    root = xml_of(LAB)
    assert meta(root, "dashboard") == {"failure-timeout": "9s", "interleave": "true", "migration-threshold": "60"}
    assert meta(root, "keystone") == meta(before, "keystone")
    given = LAB.replace("dashboard: {}", "dashboard: {meta: {migration-threshold: 3, priority: 1}}")
    assert meta(xml_of(given), "dashboard") == {
        "failure-timeout": "9s",
        "interleave": "true",
        "migration-threshold": "3",
        "priority": "1",
    }
    chosen = LAB.replace("{dc-deadtime: 2s}", "{dc-deadtime: 2s}\n  resource-defaults: {migration-threshold: 4}")
    assert chosen != LAB
    assert "migration-threshold" not in meta(xml_of(chosen), "dashboard"), "the operator chose for all"


@pytest.mark.parametrize("agent", AGENTS, ids=lambda agent: agent.name)
def test_what_agents_advise_could_stand_in_a_topology(agent: type) -> None:
    keys = ", ".join(f"{key}: {value}" for key, value in agent.meta)
    name = agent.name
    text = WATCHED.replace(f"  {name}: {{}}", f"  {name}: {{meta: {{{keys}}}}}")
    assert render_cib(build(parse_topology(text))) == render_cib(build(parse_topology(WATCHED)))
    assert all(action.on_fail in ("", "ignore") for action in agent.actions)
    assert {key for key, _ in agent.meta} <= set(options.CLONE_META)


# --- parts of a topology


def test_a_part_without_it_is_as_if_it_had_never_been_there(tmp_path: Path) -> None:
    for render in (render_cib, render_crm):
        assert render(build(parse_topology(WATCHED).only(SERVICES))) == render(build(parse_topology(LAB)))
    assert polled(xml_of(WATCHED, ("keystone", "sentinel")), "keystone")["0"] == "30s"
    (tmp_path / "t.yaml").write_text(WATCHED)

    def generate(names: str) -> etree._Element:
        done = CliRunner().invoke(command, ["generate", str(tmp_path / "t.yaml"), "--services", names])
        assert done.exit_code == 0, done.output
        return etree.fromstring(done.output)

    alone = generate("sentinel")
    assert [clone.get("id") for clone in alone.iter("clone")] == ["sentinel-clone"]
    assert polled(generate("galera,dashboard"), "dashboard") == {"0": "10s"}
    assert polled(generate("dashboard, sentinel"), "dashboard") == {"0": "30s"}


def test_where_it_stands_in_the_file_plays_no_part() -> None:
    document = yaml.safe_load(WATCHED)
    document["services"] = dict(reversed(document["services"].items()))
    assert render_cib(build(parse_topology(yaml.safe_dump(document)))) == render_cib(build(parse_topology(WATCHED)))


# --- what Pacemaker would do


@pytest.fixture
def running(tmp_path: Path) -> Simulation:
    simulation = Simulation(tmp_path, render_cib(build(parse_topology(WATCHED))))
    simulation.start_all()
    return simulation


@pytest.mark.parametrize("kind", ["optional", "mandatory"])
def test_its_failure_restarts_nothing_else(tmp_path: Path, kind: str) -> None:
    simulation = Simulation(tmp_path, render_cib(build(parse_topology(f"{WATCHED}ordering: {kind}\n"))))
    simulation.start_all()
    output = simulation.run("-i", "sentinel_monitor_10000@n1=7")
    assert actions(output) == {("sentinel", "stop", "n1"), ("sentinel", "start", "n1")}
    assert started(output, "sentinel") == {"n1", "n2", "n3"}


def test_a_stop_of_it_that_fails_fences_nobody(running: Simulation) -> None:
    output = running.run("-i", "sentinel_monitor_10000@n1=7", "-F", "sentinel_stop_0@n1=1")
    output += running.run()
    assert "Fencing" not in output
    assert {resource for resource, _, _ in actions(output)} == {"sentinel"}


def test_a_failure_that_it_reports_restarts_that_instance_alone(running: Simulation) -> None:
    # crm_resource --fail records a failed asyncmon of interval 0.
    output = running.run("-i", "keystone_asyncmon_0@n1=1")
    assert actions(output) == {("keystone", "stop", "n1"), ("keystone", "start", "n1")}
