"""The power switch says no to everything but a signed on, off, reboot, status or list for its own lab's nodes."""

from __future__ import annotations

import hmac
import importlib.machinery
import importlib.util
import json
import threading
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from quorate.lab import gateway, paths

SECRET = b"a shared secret"


class FakeEngine:
    """Containers of two labs, and what was asked of them."""

    def __init__(self) -> None:
        self.containers = {
            "id-n1": {"lab": "alpha", "role": "node", "node": "n1", "state": "running"},
            "id-n2": {"lab": "alpha", "role": "node", "node": "n2", "state": "exited"},
            "id-gw": {"lab": "alpha", "role": "gateway", "node": "gw", "state": "running"},
            "id-other": {"lab": "beta", "role": "node", "node": "b1", "state": "running"},
        }
        self.asked: list[str] = []

    def __call__(self, method: str, path: str) -> tuple[int, Any]:
        parts = urllib.parse.urlsplit(path)
        if method == "GET":
            wanted: list[str] = json.loads(urllib.parse.parse_qs(parts.query)["filters"][0])["label"]
            described = [
                {
                    "Id": key,
                    "State": each["state"],
                    "Labels": {f"quorate.{name}": each[name] for name in ("lab", "role", "node")},
                }
                for key, each in self.containers.items()
            ]
            return 200, [each for each in described if set(wanted) <= {f"{k}={v}" for k, v in each["Labels"].items()}]
        _, _, container, verb = parts.path.split("/")
        self.asked.append(f"{verb} {container}")
        running = self.containers[container]["state"] == "running"
        if verb == "kill" and not running:
            return 409, {"message": "is not running"}
        self.containers[container]["state"] = "running" if verb == "start" else "exited"
        return 204, None


@pytest.fixture
def engine() -> FakeEngine:
    return FakeEngine()


@pytest.fixture
def switch(engine: FakeEngine) -> gateway.Switch:
    return gateway.Switch("alpha", engine)


def signed(request: str, nonce: str = "nonce", secret: bytes = SECRET) -> str:
    return f"{hmac.new(secret, f'{nonce} {request}'.encode(), 'sha256').hexdigest()} {request}\n"


def test_reboot_is_kill_then_start(engine: FakeEngine, switch: gateway.Switch) -> None:
    assert gateway.answer(signed("reboot n1"), "nonce", SECRET, switch) == "OK reboot"
    assert engine.asked == ["kill id-n1", "start id-n1"]


def test_off_of_a_node_that_is_off_is_done(engine: FakeEngine, switch: gateway.Switch) -> None:
    assert gateway.answer(signed("off n2"), "nonce", SECRET, switch) == "OK off"
    assert engine.containers["id-n2"]["state"] == "exited"


def test_status_and_list_tell_the_power(switch: gateway.Switch) -> None:
    assert gateway.answer(signed("status n1"), "nonce", SECRET, switch) == "OK on"
    assert gateway.answer(signed("status n2"), "nonce", SECRET, switch) == "OK off"
    assert gateway.answer(signed("list -"), "nonce", SECRET, switch) == "OK n1=on n2=off"


@pytest.mark.parametrize("node", ["b1", "gw", "id-other", "-", "../n1", "n1/../../x"])
def test_containers_that_are_not_its_nodes_are_refused(engine: FakeEngine, switch: gateway.Switch, node: str) -> None:
    assert "is not a node of the lab 'alpha'" in gateway.answer(signed(f"off {node}"), "nonce", SECRET, switch)
    assert engine.asked == []


@pytest.mark.parametrize("action", ["pause", "remove", "exec", "", "OFF"])
def test_unknown_actions_are_refused(engine: FakeEngine, switch: gateway.Switch, action: str) -> None:
    assert "unknown action" in gateway.answer(signed(f"{action} n1"), "nonce", SECRET, switch)
    assert engine.asked == []


@pytest.mark.parametrize(
    "line",
    [
        signed("off n1", secret=b"another"),
        signed("off n1", nonce="an old one"),
        signed("status n1").replace("status", "off"),
        "off n1\n",
        "\n",
        "",
        "\N{SNOWMAN} off n1\n",
    ],
)
def test_a_wrong_signature_learns_nothing(engine: FakeEngine, switch: gateway.Switch, line: str) -> None:
    assert gateway.answer(line, "nonce", SECRET, switch) == "ERROR wrong secret"
    assert engine.asked == []


def test_a_node_that_does_not_die_is_reported(monkeypatch: pytest.MonkeyPatch, engine: FakeEngine) -> None:
    monkeypatch.setattr(gateway, "DEADLINE", 0.05)

    def stubborn(method: str, path: str) -> tuple[int, Any]:
        return (204, None) if method == "POST" else engine(method, path)

    with pytest.raises(gateway.Refused, match="still running"):
        gateway.Switch("alpha", stubborn).handle("off", "n1")


# -- the agent on the other side, against a listening gateway ------------------------------------------------


@pytest.fixture(scope="module")
def fence() -> ModuleType:
    path = paths.IMAGE / "config/files/usr/sbin/fence_quorate_lab"
    loader = importlib.machinery.SourceFileLoader("fence_quorate_lab", str(path))
    spec = importlib.util.spec_from_loader(loader.name, loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


@pytest.fixture
def options(switch: gateway.Switch, tmp_path: Path) -> Iterator[dict[str, str]]:
    (tmp_path / "secret").write_bytes(SECRET)
    with gateway.Server(("127.0.0.1", 0), SECRET, switch) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield {
            "ip": "127.0.0.1",
            "ipport": str(server.server_address[1]),
            "secret_file": str(tmp_path / "secret"),
            "shell_timeout": "5",
            "plug": "n1",
        }
        server.shutdown()
        thread.join()


def test_the_agent_and_the_gateway_understand_each_other(
    fence: ModuleType, options: dict[str, str], engine: FakeEngine, capsys: pytest.CaptureFixture[str]
) -> None:
    assert fence.run({**options, "action": "status"}) == 0
    assert fence.run({**options, "action": "status", "plug": "n2"}) == 2
    assert fence.run({**options, "action": "reboot"}) == 0
    assert fence.run({**options, "action": "monitor", "plug": ""}) == 0
    assert engine.asked == ["kill id-n1", "start id-n1"]
    capsys.readouterr()
    assert fence.run({**options, "action": "list", "plug": ""}) == 0
    assert capsys.readouterr().out == "n1,\nn2,\n"


def test_the_agent_with_a_wrong_secret_is_refused(
    fence: ModuleType, options: dict[str, str], tmp_path: Path, engine: FakeEngine
) -> None:
    (tmp_path / "secret").write_bytes(b"wrong")
    with pytest.raises(fence.Refused, match="wrong secret"):
        fence.run({**options, "action": "off"})
    assert engine.asked == []


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"action": "explode"}, "unknown action"),
        ({"plug": ""}, "needs a node"),
        ({"ipport": "1"}, "no answer from the gateway"),
        ({"ipport": "x"}, "no answer from the gateway"),
        ({"secret_file": "/nowhere"}, "cannot read the secret"),
        ({"action": "validate-all", "ipport": "x"}, "must be a number"),
    ],
)
def test_the_agent_says_why(fence: ModuleType, options: dict[str, str], change: dict[str, str], complaint: str) -> None:
    with pytest.raises(fence.Refused, match=complaint):
        fence.run({**options, "action": "off", **change})


def test_the_agent_reads_the_fencers_options(fence: ModuleType) -> None:
    read = fence.parse(["# comment\n", "option=status\n", "port=n2\n", "nodename=n2\n", "ipport=\n", "noise\n"])
    assert (read["action"], read["plug"], read["ipport"]) == ("status", "n2", "7421")


def test_the_metadata_is_complete(fence: ModuleType) -> None:
    from lxml import etree

    root = etree.fromstring(fence.METADATA.encode())
    assert {a.get("name") for a in root.iterfind("actions/action")} == set(fence.ACTIONS)
    assert {p.get("name") for p in root.iterfind("parameters/parameter")} == {*fence.DEFAULTS, "port"}
