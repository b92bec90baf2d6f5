"""Bad topologies: one sentence each, with the file, the line and the key."""

from __future__ import annotations

from pathlib import Path

import pytest
from topologies import LAB, VIP

from quorate.agents.registry import BY_NAME
from quorate.cib.reader import parse_topology, read_topology
from quorate.lib.declare import Action, Parameter
from quorate.lib.problem import Problem


def complaint(text: str) -> str:
    with pytest.raises(Problem) as caught:
        parse_topology(text, "t.yaml")
    assert caught.value.exit_code == 2
    sentence = str(caught.value)
    assert "\n" not in sentence
    return sentence


def lab_with(old: str, new: str) -> str:
    assert LAB.count(old) == 1, f"{old!r} must occur once"
    return LAB.replace(old, new)


def test_the_unchanged_topology_is_good() -> None:
    assert parse_topology(LAB).warnings == ()


@pytest.mark.parametrize(
    ("old", "new", "start", "words"),
    [
        # unknown keys, with the nearest known one
        ("cluster:", "clutser:", "t.yaml:1: clutser: ", "did you mean 'cluster'?"),
        ("  name: quorate", "  nam: quorate", "t.yaml:2: cluster.nam: ", "did you mean 'name'?"),
        ("{dc-deadtime: 2s}", "{dc-deadtme: 2s}", "t.yaml:3: cluster.options.dc-deadtme: ", "'dc-deadtime'?"),
        (
            "address: 172.30.77.12}",
            "adress: 172.30.77.12}",
            "t.yaml:6: nodes[1].adress: ",
            "did you mean 'address'?",
        ),
        ("    agent:", "    agnet:", "t.yaml:10: fencing[0].agnet: ", "did you mean 'agent'?"),
        ("  galera: {}", "  galera: {afer: []}", "t.yaml:14: services.galera.afer: ", "did you mean 'after'?"),
        # wrong types
        ("  name: quorate", "  name: [a]", "t.yaml:2: cluster.name: ", "must be an id, not a list"),
        ("  name: quorate", "  name: 7", "t.yaml:2: cluster.name: ", "not '7' (a whole number)"),
        ("{dc-deadtime: 2s}", "{dc-deadtime: soon}", "t.yaml:3: cluster.options.dc-deadtime: ", "must be a time"),
        ("{dc-deadtime: 2s}", "[2s]", "t.yaml:3: cluster.options: ", "must be a mapping, not a list"),
        ("name: n2", "name: no", "t.yaml:6: nodes[1].name: ", "(write it in quotes)"),
        ("address: 172.30.77.12", "address: 172.30.77", "t.yaml:6: nodes[1].address: ", "is not an IP address"),
        ("  galera: {}", "  galera: 3", "t.yaml:14: services.galera: ", "must be a mapping, not '3'"),
        ("[n1, n2, n3]", "n1", "t.yaml:11: fencing[0].nodes: ", "must be a list of node names, not 'n1'"),
        # duplicates
        ("name: n2", "name: n1", "t.yaml:6: nodes[1].name: ", "duplicate node name 'n1', first given on line 5"),
        (
            "77.12",
            "77.11",
            "t.yaml:6: nodes[1].address: ",
            "duplicate node address '172.30.77.11', first given on line 5",
        ),
        ("  rabbitmq: {}", "  galera: {}", "t.yaml:15: services.galera: ", "duplicate key, first given on line 14"),
        ("[n1, n2, n3]", "[n1, n1]", "t.yaml:11: fencing[0].nodes[1]: ", "'n1' is listed twice"),
        # names of services, parameters, nodes, options
        ("  rabbitmq: {}", "  rabitmq: {}", "t.yaml:15: services.rabitmq: ", "did you mean 'rabbitmq'?"),
        (
            "  rabbitmq: {}",
            "  rabbitmq: {parameters: {prt: 1}}",
            "t.yaml:15: services.rabbitmq.parameters.prt: ",
            "did you mean 'port'?",
        ),
        ("[n1, n2, n3]", "[n1, n4]", "t.yaml:11: fencing[0].nodes[1]: ", "unknown node 'n4'"),
        ("[n1, n2, n3]", "[n1, n2]", "t.yaml:8: fencing: ", "no device can fence node 'n3'"),
        (
            "{dc-deadtime: 2s}",
            "{stonith-enabled: false}",
            "t.yaml:3: cluster.options.stonith-enabled: ",
            "fencing: none",
        ),
        ("{dc-deadtime: 2s}", "{dc-version: x}", "t.yaml:3: cluster.options.dc-version: ", "by pacemaker itself"),
        ("{dc-deadtime: 2s}", "{no-quorum-policy: no}", "t.yaml:3: cluster.options.no-quorum-policy: ", "one of stop"),
        # ids
        ("name: power", "name: 1power", "t.yaml:9: fencing[0].name: ", "'1power' cannot be an id"),
        ("name: power", "name: pow er", "t.yaml:9: fencing[0].name: ", "cannot be an id"),
        ("  galera: {}", "  galera: {id: 'a:b'}", "t.yaml:14: services.galera.id: ", "'a:b' cannot be an id"),
        ("name: power", "name: galera", "t.yaml:14: services.galera: ", "taken by the fencing device 'galera'"),
        ("  galera: {}", "  galera: {id: keystone}", "t.yaml:16: services.keystone: ", "taken by the service 'galera'"),
        ("name: n2", "name: n_2!", "t.yaml:6: nodes[1].name: ", "cannot be a node name"),
        ("agent: fence_ipmilan", "agent: 'stonith:x'", "t.yaml:10: fencing[0].agent: ", "write its bare name"),
        # operations
        (
            "  galera: {}",
            "  galera: {operations: {monitor: {timeout: 1s}}}",
            "t.yaml:14: services.galera.operations.monitor.timeout: ",
            "1s is shorter than the ",
        ),
        (
            "  galera: {}",
            "  galera: {operations: {start: {interval: 1s}}}",
            "t.yaml:14: services.galera.operations.start.interval: ",
            "unknown key of the operation start 'interval'",
        ),
        (
            "  galera: {}",
            "  galera: {operations: {montor: {}}}",
            "t.yaml:14: services.galera.operations.montor: ",
            "did you mean 'monitor'?",
        ),
        (
            "  galera: {}",
            "  galera: {operations: {monitor: {interval: 0s}}}",
            "t.yaml:14: services.galera.operations.monitor.interval: ",
            "at least 1s",
        ),
        (
            "  galera: {}",
            "  galera: {operations: {monitor: {on-fail: explode}}}",
            "t.yaml:14: services.galera.operations.monitor.on-fail: ",
            "must be one of ignore, block",
        ),
        (
            "    agent: fence_ipmilan",
            "    agent: fence_ipmilan\n    operations: {monitor: {timeout: 2s}}",
            "t.yaml:11: fencing[0].operations.monitor.timeout: ",
            "2s is shorter than the 20s",
        ),
        # meta attributes
        (
            "  galera: {}",
            "  galera: {meta: {migration-treshold: 3}}",
            "t.yaml:14: services.galera.meta.migration-treshold: ",
            "did you mean 'migration-threshold'?",
        ),
        (
            "  galera: {}",
            "  galera: {meta: {migration-threshold: five}}",
            "t.yaml:14: services.galera.meta.migration-threshold: ",
            "must be a score",
        ),
        # order
        ("  keystone: {}", "  keystone: {after: [galer]}", "t.yaml:16: services.keystone.after[0]: ", "mean 'galera'?"),
        (
            "  keystone: {}",
            "  keystone: {after: [keystone]}",
            "t.yaml:16: services.keystone.after[0]: ",
            "after itself",
        ),
        ("  keystone: {}", "  keystone: {after: galera}", "t.yaml:16: services.keystone.after: ", "a list of services"),
        ("  galera: {}", "  galera: {after: [nova-api]}", "t.yaml:14: services.galera.after: ", "is circular"),
        (
            "  galera: {}",
            "  galera: {ordering: strict}",
            "t.yaml:14: services.galera.ordering: ",
            "optional or mandatory",
        ),
        # values that one of the two forms could not carry
        ("ip: 10.0.0.1", "ip: 'caf\u00e9'", "t.yaml:12: fencing[0].parameters.ip: ", "printable ASCII"),
        ("ip: 10.0.0.1", 'ip: "a\\nb"', "t.yaml:12: fencing[0].parameters.ip: ", "printable ASCII"),
        ("ip: 10.0.0.1", "ip: ''", "t.yaml:12: fencing[0].parameters.ip: ", "not empty"),
        ("ip: 10.0.0.1", "pcmk_host_list: n1", "t.yaml:12: fencing[0].parameters.pcmk_host_list: ", "key nodes"),
        ("ip: 10.0.0.1", "'i p': 1", "t.yaml:12: fencing[0].parameters.i p: ", "cannot be a parameter"),
    ],
)
def test_names_the_place_and_the_fault(old: str, new: str, start: str, words: str) -> None:
    sentence = complaint(lab_with(old, new))
    assert sentence.startswith(start)
    assert words in sentence


@pytest.mark.parametrize(
    ("parameter", "value", "words"),
    [
        (
            Parameter("knob", "integer", "1", shortdesc="x", minimum=1, maximum=65535),
            "70000",
            "70000 is too large: at most 65535",
        ),
        (Parameter("knob", "integer", "1", shortdesc="x", minimum=1, maximum=65535), "0", "0 is too small: at least 1"),
        (Parameter("knob", "integer", "1", shortdesc="x"), "many", "must be a whole number"),
        (Parameter("knob", "integer", "1", shortdesc="x"), "1.5", "must be a whole number"),
        (Parameter("knob", "boolean", "no", shortdesc="x"), "maybe", "must be true or false"),
        (Parameter("knob", "time", "5s", shortdesc="x"), "5 parsecs", "must be a time"),
        (Parameter("knob", "time", "5s", shortdesc="x", maximum=60), "2m", "2m is too large: at most 60 seconds"),
        (
            Parameter("knob", "time", "5s", shortdesc="x", minimum=2),
            "1500ms",
            "1500ms is too small: at least 2 seconds",
        ),
        (Parameter("knob", "select", "a", shortdesc="x", choices=("a", "b")), "c", "'c' is not one of a, b"),
    ],
)
def test_parameter_values(monkeypatch: pytest.MonkeyPatch, parameter: Parameter, value: str, words: str) -> None:
    monkeypatch.setattr(BY_NAME["keystone"], "parameters", (parameter,))
    sentence = complaint(lab_with("  keystone: {}", f"  keystone:\n    parameters:\n      knob: {value}"))
    assert sentence.startswith("t.yaml:18: services.keystone.parameters.knob: ")
    assert words in sentence


def test_ids_that_only_clash_once_generated() -> None:
    sentence = complaint(lab_with("name: power", "name: galera-instance_attributes"))
    assert sentence == (
        "t.yaml: the ids chosen for services and fencing devices lead to 'galera-instance_attributes' twice"
    )


def test_a_circle_through_a_service_that_is_not_there() -> None:
    text = LAB.replace("  nova-api: {}\n", "").replace("keystone: {}", "keystone: {after: [dashboard]}")
    sentence = complaint(text)
    assert sentence.startswith("t.yaml:16: services.keystone.after: the start order is circular: ")


def test_missing_required_parameter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BY_NAME["keystone"], "parameters", (Parameter("knob", shortdesc="x", required=True),))
    assert complaint(LAB) == ("t.yaml:16: services.keystone: the required parameter 'knob' of keystone is missing")


def test_two_monitors_with_one_interval(monkeypatch: pytest.MonkeyPatch) -> None:
    actions = (Action("monitor", 20, interval=10, depth=0), Action("monitor", 20, interval=60, depth=10))
    monkeypatch.setattr(BY_NAME["keystone"], "actions", actions)
    sentence = complaint(lab_with("  keystone: {}", "  keystone: {operations: {monitor: {interval: 1min}}}"))
    assert sentence.startswith("t.yaml:16: services.keystone.operations.monitor: ")
    assert "same interval (60s)" in sentence


def test_a_timeout_longer_than_advised_is_welcome_and_equal_too() -> None:
    least = next(action for action in BY_NAME["galera"].actions if action.name == "start").timeout
    for timeout in (least, least + 1):
        topology = parse_topology(
            lab_with("  galera: {}", f"  galera: {{operations: {{start: {{timeout: {timeout}}}}}}}")
        )
        start = next(item for item in topology.services[0].operations if item.name == "start")
        assert start.timeout == f"{timeout}s"
    sentence = complaint(lab_with("  galera: {}", f"  galera: {{operations: {{start: {{timeout: {least - 1}s}}}}}}"))
    assert f"{least - 1}s is shorter than the {least}s that galera advises for start" in sentence


@pytest.mark.parametrize("key", ["nodes", "services", "fencing"])
def test_missing_sections(key: str) -> None:
    lines = LAB.splitlines(keepends=True)
    start = lines.index(f"{key}:\n")
    end = next((i for i in range(start + 1, len(lines)) if not lines[i].startswith(" ")), len(lines))
    sentence = complaint("".join(lines[:start] + lines[end:]))
    assert sentence.startswith(f"t.yaml:1: the key '{key}' is missing")


def test_fencing_is_never_off_by_accident() -> None:
    start = LAB.index("fencing:\n")
    end = LAB.index("services:\n")
    for value in ("", " []", " ~", " no", " None", " {}"):
        sentence = complaint(LAB[:start] + f"fencing:{value}\n" + LAB[end:])
        assert sentence.startswith("t.yaml:8: fencing: "), sentence
    topology = parse_topology(LAB[:start] + "fencing: none\n" + LAB[end:], "t.yaml")
    assert topology.fencing == ()
    assert len(topology.warnings) == 1
    assert topology.warnings[0].startswith("t.yaml:8: fencing: fencing is off")


@pytest.mark.parametrize(
    "parameter",
    [
        "passwd: x",
        "password: x",
        "snmp_auth_passwd: x",
        "snmp-priv-password: x",
        "secret: x",
        "api_key: x",
        "token: x",
        "community: x",
        "url: 'https://admin:hunter2@10.0.0.1/'",
    ],
)
def test_secrets_are_refused(parameter: str) -> None:
    sentence = complaint(lab_with("ip: 10.0.0.1", parameter))
    key = parameter.partition(":")[0]
    assert sentence.startswith(f"t.yaml:12: fencing[0].parameters.{key}: ")
    assert "secrets never enter the CIB" in sentence
    assert "hunter2" not in sentence


def test_secrets_are_refused_for_services_and_extras() -> None:
    sentence = complaint(lab_with("  galera: {}", "  galera: {parameters: {password: x}}"))
    assert sentence.startswith("t.yaml:14: services.galera.parameters.password: ")
    assert "secrets never enter the CIB" in sentence
    extra = VIP.replace('name="ip" value="172.30.77.10"', 'name="password" value="hunter2"')
    sentence = complaint(LAB + extra)
    assert sentence.startswith("t.yaml:21: extra.resources: vip: 'password' is a secret")
    assert "hunter2" not in sentence


@pytest.mark.parametrize("name", ["ssl_passwd_script", "password_file", "identity_file", "method", "bypass"])
def test_where_a_secret_is_kept_is_no_secret(name: str) -> None:
    parse_topology(lab_with("ip: 10.0.0.1", f"{name}: /etc/x"))


@pytest.mark.parametrize(
    ("old", "new", "start", "words"),
    [
        ("</primitive>", "", "t.yaml:", "extra.resources: is not well-formed XML"),
        ('id="vip" class', "class", "t.yaml:21: extra.resources: ", "<primitive> has no id"),
        (
            'id="vip-prefers-n1"',
            'id="vip"',
            "t.yaml:28: extra.constraints: ",
            "duplicate id 'vip', first given on line 21",
        ),
        ('id="vip-prefers-n1"', 'id="galera"', "t.yaml:28: extra.constraints: ", "the id 'galera' is taken"),
        ('id="vip-prefers-n1"', 'id="cib-bootstrap-options"', "t.yaml:28: extra.constraints: ", "is taken"),
        ('id="vip-prefers-n1"', 'id="vip prefers"', "t.yaml:28: extra.constraints: ", "cannot be an id"),
        (
            'with-rsc="keystone-clone"',
            'with-rsc="keyston-clone"',
            "t.yaml:27: extra.constraints: ",
            "mean 'keystone-clone'?",
        ),
        ('node="n1"', 'node="n9"', "t.yaml:28: extra.constraints: ", "unknown node 'n9'"),
        ("<rsc_location ", "<rsc_lokation ", "t.yaml:28: extra.constraints: ", "does not belong in constraints"),
        ("  constraints: |", "  constrains: |", "t.yaml:26: extra.constrains: ", "did you mean 'constraints'?"),
        ("<rsc_location ", "stray <rsc_location ", "t.yaml:26: extra.constraints: ", "text outside"),
    ],
)
def test_extras(old: str, new: str, start: str, words: str) -> None:
    assert VIP.count(old) == 1
    sentence = complaint(LAB + VIP.replace(old, new))
    assert sentence.startswith(start), sentence
    assert words in sentence


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(Problem, match=r"none\.yaml: cannot be read: No such file or directory$"):
        read_topology(tmp_path / "none.yaml")
    with pytest.raises(Problem, match=r"cannot be read: Is a directory$"):
        read_topology(tmp_path)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "t.yaml: is empty"),
        (b"# only a comment\n", "t.yaml: is empty"),
        (b"a: b\nc: \xff\n", "t.yaml:2: is not UTF-8 text (byte 0xff)"),
        (b"a: b\nc: [\n", "t.yaml:3: is not YAML: "),
        (b"a: b\nc: \x07\n", "t.yaml:2: is not YAML: "),
        (b"a: &x [*x]\n", "t.yaml:1: "),
        (b"nodes: 1\n---\nnodes: 2\n", "t.yaml:2: is not YAML: "),
        (b"- 1\n", "t.yaml:1: must be a mapping, not a list"),
        (b"? [a]\n: b\n", "t.yaml:1: a key must be a single word"),
        (b"[" * 20000, "t.yaml: is nested too deeply"),
        (b"\x00\x01\x02", "t.yaml:1: is not YAML"),
        (b"cluster: !!map x\n", "t.yaml:1: cluster: has the tag "),
        (b"cluster: !!python/object:os.system x\n", "t.yaml:1: cluster: has the tag "),
        (b'"clus\\nter": x\n', "t.yaml:1: 'clus\\nter': unknown key"),
    ],
)
def test_not_a_topology_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes, words: str) -> None:
    monkeypatch.chdir(tmp_path)
    Path("t.yaml").write_bytes(content)
    with pytest.raises(Problem) as caught:
        read_topology("t.yaml")
    assert str(caught.value).startswith(words)


def test_aliases_cannot_explode() -> None:
    levels = "\n".join(f"l{i}: &l{i} [{', '.join([f'*l{i - 1}'] * 10)}]" for i in range(1, 9))
    assert "entries" in complaint(f"l0: &l0 [x]\n{levels}\n")


def test_a_byte_order_mark_and_crlf_are_no_fault(tmp_path: Path) -> None:
    path = tmp_path / "t.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + LAB.replace("\n", "\r\n").encode())
    assert read_topology(path) == parse_topology(LAB)
