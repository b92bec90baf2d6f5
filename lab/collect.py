"""Everything that helps to understand a run, in one folder or tar, and no secret in it."""

from __future__ import annotations

import shutil
import tarfile
import tempfile
from collections.abc import Iterable
from pathlib import Path

from quorate.lab.cluster import Lab
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
)

REMOVED = b"(secret removed)"
_PATIENCE = 20.0


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


def clean(root: Path, secrets: Iterable[bytes]) -> int:
    """Cut every one of *secrets* out of the files below *root*; in how many files there was one."""
    found = 0
    known = [secret for secret in secrets if len(secret) >= 8]
    for path in root.rglob("*"):
        if path.is_file():
            before = content = path.read_bytes()
            for secret in known:
                content = content.replace(secret, REMOVED)
            if content != before:
                path.write_bytes(content)
                found += 1
    return found


def _node(lab: Lab, node: str, folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "boot.log").write_bytes(lab.container(node).logs(timestamps=True))
    for name, command in COMMANDS.items():
        try:
            result = lab.exec(node, ["sh", "-c", f"{command} 2>&1"], timeout=_PATIENCE, check=False)
            said = result.out
        except Failed as failure:
            said = f"(not available: {failure})\n"
        (folder / name).write_text(said, encoding="utf-8")
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
