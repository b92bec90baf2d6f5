"""What ``make install`` lays out: the tree, that it runs with nothing around it, and what a call of it loads.

Instances have names that no service on this machine has: the agents know their processes by it, and a machine that
runs the tests may run the services too.
"""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from quorate import __version__
from quorate.agents.launch import CLASSES, load
from quorate.agents.registry import AGENTS, BY_NAME
from quorate.lib.sentinel.records import SOCKET, read

ROOT = Path(__file__).parents[2]
PYTHON = "/usr/bin/python3" if os.access("/usr/bin/python3", os.X_OK) else sys.executable
NAMES = sorted(BY_NAME)
COMMAND = "usr/sbin/quorate-sentinel"
AMQP_START = b"\x01\x00\x00\x00\x00\x01\xf7\x00\x0a\x00\x0a"
# Each of these alone costs a good part of an interpreter's start, or more.
HEAVY = {
    "argparse",
    "ast",
    "asyncio",
    "base64",
    "collections",
    "configparser",
    "contextlib",
    "copy",
    "dataclasses",
    "datetime",
    "email",
    "enum",
    "functools",
    "getpass",
    "glob",
    "hashlib",
    "heapq",
    "http",
    "importlib.util",
    "inspect",
    "json",
    "logging",
    "lxml",
    "operator",
    "pathlib",
    "pika",
    "pkgutil",
    "pwd",
    "grp",
    "pymysql",
    "random",
    "re",
    "selectors",
    "shlex",
    "shutil",
    "signal",
    "site",
    "socket",
    "ssl",
    "string",
    "struct",
    "subprocess",
    "tempfile",
    "textwrap",
    "threading",
    "traceback",
    "types",
    "typing",
    "unittest",
    "urllib",
    "uuid",
    "warnings",
    "weakref",
    "xml",
    "yaml",
    "zipfile",
}

every_agent = pytest.mark.parametrize("name", NAMES)


@pytest.fixture(scope="session")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The root of a node on which ``make install`` was run."""
    root = tmp_path_factory.mktemp("node")
    done = subprocess.run(
        ["make", "-s", "install", f"DESTDIR={root}", f"PYTHON={PYTHON}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return root


def instance() -> str:
    return f"test-{uuid.uuid4().hex}"


def launch(tree: Path, name: str, *argv: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """The installed agent, run as the kernel runs it, with no environment but *environ*."""
    agent = tree / "usr/lib/ocf/resource.d/quorate" / name
    return subprocess.run([agent, *argv], env=environ, capture_output=True, text=True, cwd="/", check=False, timeout=60)


# --- the lists and the tree


def test_the_lists_of_agents_agree() -> None:
    makefile = re.search(r"^AGENTS := (.*)$", (ROOT / "Makefile").read_text(), re.M)
    assert makefile is not None
    assert sorted(makefile[1].split()) == sorted(CLASSES) == NAMES
    assert len(BY_NAME) == len(AGENTS)
    for name, class_name in CLASSES.items():
        assert BY_NAME[name].__name__ == class_name
        assert BY_NAME[name].__module__ == f"quorate.agents.{name.replace('-', '_')}"


def test_exactly_the_expected_tree(tree: Path) -> None:
    version = subprocess.run(
        [PYTHON, "-c", "import sys; print(sys.implementation.cache_tag)"], capture_output=True, text=True, check=True
    )
    tag = version.stdout.strip()
    sources = {"usr/lib/ocf/lib/quorate/__init__.py"}
    for folder in ("lib", "lib/sentinel", "agents"):
        sources |= {f"usr/lib/ocf/lib/quorate/{folder}/{path.name}" for path in (ROOT / folder).glob("*.py")}
    expected = sources | {f"usr/lib/ocf/resource.d/quorate/{name}" for name in NAMES} | {COMMAND}
    for source in sources:
        folder, _, file = source.rpartition("/")
        expected.add(f"{folder}/__pycache__/{file.removesuffix('.py')}.{tag}.pyc")
    found = {str(path.relative_to(tree)) for path in tree.rglob("*") if not path.is_dir()}
    assert found == expected


def test_modes(tree: Path) -> None:
    for path in tree.rglob("*"):
        if path.is_file():
            executable = path.parent.name == "quorate" and path.parent.parent.name == "resource.d"
            executable = executable or path == tree / COMMAND
            assert path.stat().st_mode & 0o777 == (0o755 if executable else 0o644), path


def test_byte_code_names_the_path_it_runs_from(tree: Path) -> None:
    path = next((tree / "usr/lib/ocf/lib/quorate/lib/__pycache__").glob("dispatch.*.pyc"))
    data = path.read_bytes()
    assert b"/usr/lib/ocf/lib/quorate/lib/dispatch.py" in data
    assert str(tree).encode() not in data


# --- the installed agents, with nothing around them


@every_agent
def test_meta_data_needs_nothing(tree: Path, name: str) -> None:
    done = launch(tree, name, "meta-data")
    assert (done.returncode, done.stderr) == (0, "")
    assert f'<resource-agent name="{name}" version="{__version__}">' in done.stdout
    assert "<version>1.1</version>" in done.stdout


@every_agent
@pytest.mark.parametrize("parameters", ["none", "garbage"])
def test_probe_and_stop_on_a_node_without_the_service(tree: Path, name: str, parameters: str) -> None:
    given = {"OCF_RESOURCE_INSTANCE": instance()}
    if parameters == "garbage":
        given |= {f"OCF_RESKEY_{p.name}": "\x01no such thing\n" for p in BY_NAME[name].parameters}
    probe = launch(tree, name, "monitor", OCF_RESKEY_CRM_meta_interval="0", **given)
    assert (probe.returncode, probe.stdout, probe.stderr) == (7, "", "")
    for _ in range(2):
        stop = launch(tree, name, "stop", **given)
        assert (stop.returncode, stop.stdout, stop.stderr) == (0, "", "")


@every_agent
def test_monitor_by_hand_without_any_parameter(tree: Path, name: str) -> None:
    # Not a probe: what is required is missed.
    required = any(p.required for p in BY_NAME[name].parameters)
    done = launch(tree, name, "monitor", OCF_RESOURCE_INSTANCE=instance())
    assert done.returncode == (6 if required else 7)
    assert bool(done.stderr) == required


@every_agent
def test_wrong_calls(tree: Path, name: str) -> None:
    for argv in (["dance"], [], ["start", "now"]):
        done = launch(tree, name, *argv)
        assert (done.returncode, done.stdout) == (3, "")
        assert done.stderr.startswith(f"usage: {name} {{start|stop|monitor")


@every_agent
def test_a_bad_parameter_is_one_line(tree: Path, name: str) -> None:
    port = "metrics_port" if name == "sentinel" else "port"
    given = {p.name: "x" for p in BY_NAME[name].parameters if p.required} | {port: "http"}
    environ = {f"OCF_RESKEY_{key}": value for key, value in given.items()}
    done = launch(tree, name, "validate-all", OCF_RESOURCE_INSTANCE=instance(), **environ)
    assert done.returncode == 6
    assert done.stderr == f"ocf-exit-reason:parameter {port} must be an integer, not 'http'\n"


# --- what is loaded, and how often is connected

SPY = """
import sys
before = set(sys.modules)
path, run, out, *argv = sys.argv[1:]
root = path.partition('/resource.d/')[0]
sys.path.insert(0, root + '/lib')
if run:
    import quorate.lib.daemon
    quorate.lib.daemon.RUN = run
    if path.endswith('/sentinel'):
        import quorate.lib.sentinel.records
        quorate.lib.sentinel.records.SOCKET = run + '/sentinel.sock'
sys.argv = [path, *argv]
try:
    exec(compile(open(path).read(), path, 'exec'), {'__name__': '__main__', '__file__': path})
except SystemExit as end:
    code = end.code
loaded = {name: getattr(module, '__file__', None) for name, module in sys.modules.items() if name not in before}
import json
with open(out, 'w') as sink:
    json.dump({'rc': int(code), 'loaded': loaded}, sink)
"""


def spy(
    tree: Path, tmp_path: Path, name: str, action: str, run: str = "", **environ: str
) -> tuple[int, dict[str, str]]:
    """The exit code of one call, and the modules that it loaded beyond those of a bare interpreter."""
    path = tree / "usr/lib/ocf/resource.d/quorate" / name
    out = tmp_path / "loaded.json"
    subprocess.run(
        [PYTHON, "-I", "-S", "-c", SPY, path, run, out, action],
        env=environ,
        cwd="/",
        capture_output=True,
        check=True,
        timeout=60,
    )
    said = json.loads(out.read_text())
    return said["rc"], said["loaded"]


def assert_light(tree: Path, loaded: dict[str, str | None]) -> None:
    for module, path in loaded.items():
        if module == "quorate" or module.startswith("quorate."):
            # Installed, and nothing of the checkout.
            assert path is not None
            assert path.startswith(f"{tree}/usr/lib/ocf/lib/quorate/")
        else:
            assert module.partition(".")[0] in sys.stdlib_module_names
            assert "-packages" not in (path or "")
    assert not HEAVY & {*loaded, *(module.partition(".")[0] for module in loaded)}


def test_the_spy_sees_what_is_heavy(tree: Path, tmp_path: Path) -> None:
    # A stop of galera runs a command of the cluster, for which subprocess is needed.
    _, loaded = spy(tree, tmp_path, "galera", "stop", OCF_RESOURCE_INSTANCE=instance())
    assert {"subprocess", "quorate.agents.galera"} <= set(loaded)
    with pytest.raises(AssertionError):
        assert_light(tree, dict(loaded))


@every_agent
def test_meta_data_loads_nothing_heavy(tree: Path, tmp_path: Path, name: str) -> None:
    rc, loaded = spy(tree, tmp_path, name, "meta-data")
    assert rc == 0
    assert_light(tree, dict(loaded))
    other = {f"quorate.agents.{n.replace('-', '_')}" for n in NAMES if n != name}
    assert not other & set(loaded)


@every_agent
def test_a_monitor_of_what_does_not_run_loads_nothing_heavy(tree: Path, tmp_path: Path, name: str) -> None:
    rc, loaded = spy(
        tree, tmp_path, name, "monitor", OCF_RESOURCE_INSTANCE=instance(), OCF_RESKEY_CRM_meta_interval="0"
    )
    assert rc == 7
    assert_light(tree, dict(loaded))


def packet(sequence: int, payload: bytes) -> bytes:
    return len(payload).to_bytes(3, "little") + bytes([sequence]) + payload


def mysql(peer: socket.socket) -> None:
    peer.sendall(packet(0, b"\x0a10.11.6-MariaDB\0" + b"\1\0\0\0" + b"saltsalt\0" + b"\xff\xf7" + b"\0" * 30))
    peer.recv(4096)
    peer.sendall(packet(2, b"\x00\x00\x00\x02\x00\x00\x00"))
    peer.recv(4096)
    rows = ((b"wsrep_cluster_status", b"Primary"), (b"wsrep_ready", b"ON"))
    parts = [b"\x02", b"\x03def" + b"\0" * 20, b"\x03def" + b"\0" * 20, b"\xfe\0\0\2\0"]
    parts += [b"".join(bytes([len(value)]) + value for value in row) for row in rows]
    peer.sendall(b"".join(packet(n + 1, part) for n, part in enumerate([*parts, b"\xfe\0\0\2\0"])))
    peer.recv(4096)


def amqp(peer: socket.socket) -> None:
    peer.recv(8)
    peer.sendall(AMQP_START)
    peer.recv(1)


def http(peer: socket.socket) -> None:
    peer.recv(4096)
    peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")


def pong(peer: socket.socket) -> None:
    if peer.recv(64) == b"ping\n":
        peer.sendall(b"pong\n")


TALKS = {"galera": mysql, "rabbitmq": amqp, "sentinel": pong}
LOCAL = {"galera": "sql.sock", "sentinel": "run/sentinel.sock"}


class Listener:
    """A service that answers well, and counts who comes."""

    def __init__(self, name: str, folder: Path) -> None:
        (folder / "run").mkdir()
        self.socket = socket.socket(socket.AF_UNIX if name in LOCAL else socket.AF_INET)
        self.socket.bind(str(folder / LOCAL[name]) if name in LOCAL else ("127.0.0.1", 0))
        self.socket.listen(8)
        self.talk = TALKS.get(name, http)
        self.connections = 0
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                peer, _ = self.socket.accept()
            except OSError:
                return
            self.connections += 1
            with peer:
                try:
                    self.talk(peer)
                except OSError:
                    pass

    def parameters(self) -> dict[str, str]:
        where = self.socket.getsockname()
        if isinstance(where, str):
            return {"OCF_RESKEY_socket": where}
        return {"OCF_RESKEY_port": str(where[1]), "OCF_RESKEY_bind": "127.0.0.1"}


@pytest.fixture(params=NAMES)
def service(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, Listener]]:
    listener = Listener(request.param, tmp_path)
    yield request.param, listener
    listener.socket.shutdown(socket.SHUT_RDWR)
    listener.socket.close()


def test_a_shallow_monitor_makes_one_connection_and_loads_nothing_heavy(
    tree: Path, tmp_path: Path, service: tuple[str, Listener]
) -> None:
    name, listener = service
    mine = recorded(tmp_path / "run")
    if name != "sentinel":
        # What the sentinel reads is there, as it is from the start on.
        (tmp_path / "run/sentinel").mkdir()
        (tmp_path / f"run/sentinel/{mine}").write_text("{}")
    rc, loaded = monitor(tree, tmp_path, name, mine, listener)
    assert rc == 0
    assert listener.connections == 1
    assert_light(tree, dict(loaded))
    assert "_socket" in loaded
    assert "quorate.lib.watched" not in loaded
    assert ("quorate.lib.sentinel" in loaded) == (name == "sentinel")


def test_a_monitor_without_a_record_for_the_sentinel_writes_one_once(
    tree: Path, tmp_path: Path, service: tuple[str, Listener]
) -> None:
    name, listener = service
    mine = recorded(tmp_path / "run")
    path = tmp_path / f"run/sentinel/{mine}"
    rc, loaded = monitor(tree, tmp_path, name, mine, listener)
    assert rc == 0
    assert path.exists() == (name != "sentinel")
    if name == "sentinel":
        return
    assert {"quorate.lib.watched", "json"} <= set(loaded)
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    written = read(str(path.parent), mine)
    assert written is not None
    assert (written.agent, written.pid) == (name, os.getpid())
    assert set(written.parameters) <= {p.name for p in BY_NAME[name].parameters}
    rc, loaded = monitor(tree, tmp_path, name, mine, listener)
    assert rc == 0
    assert_light(tree, dict(loaded))
    assert listener.connections == 2


def recorded(run: Path) -> str:
    """An instance whose main process is this very one: it lives, and its start is what the kernel says."""
    mine = instance()
    start = Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19]
    (run / f"{mine}.pid").write_text(f"{os.getpid()} {start}\n")
    return mine


def monitor(tree: Path, tmp_path: Path, name: str, mine: str, listener: Listener) -> tuple[int, dict[str, str]]:
    """A recurring monitor, as Pacemaker calls it."""
    return spy(
        tree,
        tmp_path,
        name,
        "monitor",
        str(tmp_path / "run"),
        OCF_RESOURCE_INSTANCE=mine,
        OCF_RESKEY_CRM_meta_interval="10000",
        OCF_RESKEY_CRM_meta_timeout="20000",
        OCF_RESKEY_peers="n1=127.0.0.1",
        **listener.parameters(),
    )


# --- the node's own command


def command(tree: Path, *argv: str) -> subprocess.CompletedProcess[str]:
    """``quorate-sentinel``, run as the kernel runs it, with no environment."""
    return subprocess.run(
        [tree / COMMAND, *argv], env={}, capture_output=True, text=True, cwd="/", check=False, timeout=60
    )


@pytest.mark.parametrize("argv", [[], ["dance"], ["status", "--xml"], ["daemon", "--watch"]])
def test_a_wrong_call_of_the_command_is_one_usage_line(tree: Path, argv: list[str]) -> None:
    done = command(tree, *argv)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("usage: quorate-sentinel ")
    assert done.stderr.count("\n") == 1


@pytest.mark.skipif(os.path.exists(SOCKET), reason="a sentinel runs on this machine")
def test_without_a_daemon_the_command_says_so_in_one_sentence(tree: Path) -> None:
    for argv in (["status"], ["status", "--json"]):
        done = command(tree, *argv)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.count("\n") == 1
        assert "Traceback" not in done.stderr


def test_the_command_loads_what_is_installed_and_no_agent(tree: Path) -> None:
    code = f"import sys; sys.argv = ['x', 'dance']; exec(open({str(tree / COMMAND)!r}).read())"
    look = "import atexit, sys; atexit.register(lambda: print(*[n for n in sys.modules if n.startswith('quorate.')]))"
    program = f"__file__ = {str(tree / COMMAND)!r}; {look}; {code}"
    done = subprocess.run(
        [PYTHON, "-I", "-S", "-c", program], env={}, capture_output=True, text=True, cwd="/", check=False, timeout=60
    )
    loaded = set(done.stdout.split())
    assert {"quorate.agents.launch", "quorate.lib.sentinel.daemon"} <= loaded
    assert not {f"quorate.agents.{n.replace('-', '_')}" for n in NAMES} & loaded


def test_the_loader_knows_every_agent_and_nothing_else() -> None:
    for name in NAMES:
        assert load(name) is BY_NAME[name]
    for name in ("peers", "launch", "../x", "", "os"):
        with pytest.raises(KeyError):
            load(name)
