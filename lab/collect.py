"""Everything that helps to understand a run, in one folder or tar, and no secret in it."""

from __future__ import annotations

import re
import shutil
import tarfile
import tempfile
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from quorate.lab import logs
from quorate.lab.cluster import Lab
from quorate.lab.events import PACEMAKER
from quorate.lab.progress import Progress
from quorate.lib.problem import Failed, Problem

COMMANDS = {
    "crm_mon.txt": "crm_mon -1 --inactive --show-detail --failcounts --operations",
    "cib.xml": "cibadmin --query",
    "corosync-quorumtool.txt": "corosync-quorumtool -s",
    "corosync-cfgtool.txt": "corosync-cfgtool -s",
    "stonith-history.txt": "stonith_admin --history='*' --verbose",
    "processes.txt": "ps axo pid,ppid,stat,lstart,rss,pcpu,user:12,comm",
    "sockets.txt": "ss -tanp",
    "iptables.txt": "iptables -S",
    "grastate.txt": "cat /var/lib/mysql/grastate.dat",
    "packages.txt": "dpkg-query -W",
}
"""What is asked on each node, and the file that the answer goes to. No configuration of a service: it has passwords."""

LOGS = (
    "/var/log/pacemaker",
    "/var/log/corosync",
    "/var/log/rabbitmq",
    "/var/log/mysql",
    "/var/log/keystone",
    "/var/log/nova",
    "/var/log/apache2",
    "/var/log/haproxy.log",
    "/var/log/quorate",
)

RUN_COMMANDS = ("crm_mon.txt", "corosync-quorumtool.txt", "stonith-history.txt", "processes.txt", "iptables.txt")
"""Those of :data:`COMMANDS` that are asked at the end of a run."""

REMOVED = b"(secret removed)"
_PATIENCE = 20.0

# Secrets that are not the lab's own, by what stands around them: of a run's own database users in a statement that
# failed, in a URL, in a header, of other agents in the CIB; and the tokens of keystone by their looks.
_SECRETS = (
    re.compile(rb"(IDENTIFIED BY (?:PASSWORD )?['\"])([^'\"]+)"),
    re.compile(rb"(://[^/\s:@'\"]{1,64}:)([^/\s@'\"]{1,256})(?=@)"),
    re.compile(rb"(-[Tt]oken['\"]?[:=] {0,4}[bu]?['\"]?)([^\s'\",;{}]+)"),
    re.compile(rb"(sessionid=|csrftoken=|csrfmiddlewaretoken=)([^\s;'\"&]+)"),
    re.compile(rb"([Pp]assw(?:or)?d(?:=|['\"]: {0,4}[bu]?)['\"]?)([^\s'\",;&<>]{3,})"),
    re.compile(rb"(passw(?:or)?d[\w-]{0,32}\" value=\")([^\"]+)"),
    re.compile(rb"(--password )(\S+)"),
    re.compile(rb"()(gAAAAA[\w-]{40,}={0,2})"),
)
# What Pacemaker and the agents say about each action: what was asked, how it ended, and why.
_ACTION = re.compile(
    r"\S+ +\d+ [\d:.]+ (?:\S+ pacemaker-(?:execd|controld) .*(?:local execution|Result of|executing - |log_finished)"
    r"|[\w-]+\([\w:-]+\)\[\d+\])"
)


def collect(lab: Lab, target: Path, progress: Progress | None = None) -> Path:
    """Gather into *target*: a tar if it ends in ``.tar``, ``.tar.gz`` or ``.tgz``, else a new folder.

    A node that cannot be asked is described instead of asked. Every secret of the lab is cut out.
    """
    progress = progress or Progress()
    if target.exists() and (target.is_file() or any(target.iterdir())):
        raise Problem(f"{target} exists already: choose another place for the collection")
    packed = target.name.endswith((".tar", ".tar.gz", ".tgz"))
    secrets = [secret.encode() for secret in lab.secrets.values()]
    try:
        with tempfile.TemporaryDirectory(prefix="quorate-collect-") as folder:
            root = Path(folder) / f"quorate-{lab.name}"
            for node in lab.nodes:
                with progress.step(f"collecting from {node}"):
                    _node(lab, node, root / node)
            _gateway(lab, root)
            clean(root, secrets)
            target.parent.mkdir(parents=True, exist_ok=True)
            if packed:
                with tarfile.open(target, "w" if target.suffix == ".tar" else "w:gz") as archive:
                    archive.add(root, root.name)
            else:
                shutil.copytree(root, target, dirs_exist_ok=True)
    except OSError as error:
        raise Problem(f"{target}: the collection cannot be written: {error.strerror or error}") from error
    return target


def mask(content: bytes, secrets: Iterable[bytes] = ()) -> bytes:
    """*content* without any of *secrets* (of 8 bytes and more), and without what looks like one."""
    for secret in secrets:
        if len(secret) >= 8:
            content = content.replace(secret, REMOVED)
    for pattern in _SECRETS:
        content = pattern.sub(rb"\1" + REMOVED, content)
    return content


def clean(root: Path, secrets: Iterable[bytes]) -> int:
    """Cut every secret out of the files below *root*, as :func:`mask` does; in how many files there was one."""
    found = 0
    known = list(secrets)
    for path in root.rglob("*"):
        if path.is_file():
            before = path.read_bytes()
            content = mask(before, known)
            if content != before:
                path.write_bytes(content)
                found += 1
    return found


def _node(lab: Lab, node: str, folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "boot.log").write_bytes(lab.container(node).logs(timestamps=True))
    for name, command in COMMANDS.items():
        (folder / name).write_text(_said(lab, node, command), encoding="utf-8")
    for path in LOGS:
        try:
            stream, _ = lab.container(node).get_archive(path)
        except Exception as error:  # the engine's many errors: the file is not there, the container is gone
            (folder / f"{Path(path).name}.missing").write_text(f"{error}\n", encoding="utf-8")
            continue
        with tempfile.TemporaryFile() as spool:
            for chunk in stream:
                spool.write(chunk)
            spool.seek(0)
            with tarfile.open(fileobj=spool) as archive:
                archive.extractall(folder / "log", filter="data")


def _said(lab: Lab, node: str, command: str) -> str:
    try:
        return lab.exec(node, ["sh", "-c", f"{command} 2>&1"], timeout=_PATIENCE, check=False).out
    except Failed as failure:
        return f"(not available: {failure})\n"


def _state(lab: Lab, node: str) -> dict[str, str]:
    """What all of :data:`RUN_COMMANDS` say, in one go: to begin a command costs more than most of them do."""
    mark = "=== quorate: "
    script = "; ".join(f"echo '{mark}{name}'; {COMMANDS[name]} 2>&1" for name in RUN_COMMANDS)
    said = _said(lab, node, f"{{ {script}; }}")
    if mark not in said:
        return {"state.txt": said}
    parts = (part.partition("\n") for part in said.split(mark) if part)
    return {name: text for name, _, text in parts}


# -- one run ---------------------------------------------------------------------------------------------------------


def note_logs(lab: Lab) -> dict[str, dict[str, int]]:
    """How long every log of every node is now: by node and path."""
    with ThreadPoolExecutor(len(lab.nodes)) as pool:
        return dict(zip(lab.nodes, pool.map(lambda node: logs.sizes(lab, node, LOGS), lab.nodes), strict=True))


def collect_run(lab: Lab, folder: Path, noted: Mapping[str, Mapping[str, int]], since: float) -> list[str]:
    """Write into ``logs/NODE`` of *folder* what was logged after *noted* (by :func:`note_logs`, at *since*).

    With it go the state of each node now, and ``actions.log``: Pacemaker's and the agents' lines about each action.
    Nothing that is empty is written, and no secret. A node that cannot be asked is described; the trouble is returned.
    Takes a second or two for three nodes.
    """

    def one(node: str) -> list[str]:
        try:
            _run_of(lab, node, folder / "logs" / node, noted.get(node, {}), since)
        except Exception as error:  # the engine's many: whatever it is, the other nodes' logs are worth having
            return [f"the logs of {node} could not be collected: {str(error)[:300] or type(error).__name__}"]
        return []

    with ThreadPoolExecutor(len(lab.nodes)) as pool:
        return [trouble for troubles in pool.map(one, lab.nodes) for trouble in troubles]


def _run_of(lab: Lab, node: str, folder: Path, noted: Mapping[str, int], since: float) -> None:
    secrets = [secret.encode() for secret in lab.secrets.values()]
    texts = {path.removeprefix("/var/log/"): text for path, text in logs.read(lab, node, LOGS, noted).items() if text}
    pacemaker = texts.get(PACEMAKER.removeprefix("/var/log/"), "")
    texts["actions.log"] = "".join(f"{line}\n" for line in pacemaker.splitlines() if _ACTION.match(line))
    texts |= _state(lab, node)
    texts["boot.log"] = lab.container(node).logs(timestamps=True, since=int(since)).decode("utf-8", "replace")
    for name, text in texts.items():
        if text:
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(mask(text.encode(), secrets))


def _gateway(lab: Lab, root: Path) -> None:
    gateway = lab.client.containers.get(lab.layout.gateway_container)
    (root / "gateway.log").write_bytes(gateway.logs(timestamps=True))


def tail(lab: Lab, node: str, service: str, lines: int) -> list[str]:
    """The last *lines* lines of each log of *service* on *node*; ``boot`` is what its container wrote."""
    if service == "boot":
        return lab.container(node).logs(tail=lines).decode("utf-8", "replace").splitlines()
    known = [path for path in LOGS if Path(path).stem == service]
    if not known:
        names = ", ".join(["boot", *(Path(path).stem for path in LOGS)])
        raise Problem(f"there is no log of {service!r} (known: {names})")
    script = 'find "$1" -type f -name "*.log" -exec tail -q -n "$2" {} +'
    return lab.exec(node, ["sh", "-c", script, "tail", known[0], str(lines)], check=False).out.splitlines()
