"""Files into and out of containers, as the tar streams that the engine speaks."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from quorate.lab.config import File
from quorate.lib.problem import Failed

if TYPE_CHECKING:
    from docker.models.containers import Container


@dataclass(frozen=True)
class Accounts:
    """The user and group ids of an image, by name."""

    users: Mapping[str, int]
    groups: Mapping[str, int]


def parse_accounts(passwd: str, group: str) -> Accounts:
    """The accounts in the text of ``/etc/passwd`` and ``/etc/group``."""
    return Accounts(_ids(passwd), _ids(group))


def read_accounts(container: Container) -> Accounts:
    """The accounts of *container*, which need not run."""
    return parse_accounts(get_file(container, "/etc/passwd").decode(), get_file(container, "/etc/group").decode())


def pack(files: Iterable[File], accounts: Accounts) -> bytes:
    """A tar of *files* with their owners and modes. The folders that they are in must exist already."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for file in files:
            entry = tarfile.TarInfo(file.path.lstrip("/"))
            entry.size, entry.mode = len(file.content), file.mode
            try:
                entry.uid, entry.gid = accounts.users[file.owner], accounts.groups[file.group]
            except KeyError as error:
                raise Failed(f"{file.path}: the image has no account {error}") from None
            archive.addfile(entry, io.BytesIO(file.content))
    return packed.getvalue()


def put_files(container: Container, files: Iterable[File], accounts: Accounts) -> None:
    """Write *files* into *container*, which need not run."""
    if not container.put_archive("/", pack(files, accounts)):
        raise Failed(f"the engine did not write files into {container.name}")


def get_file(container: Container, path: str) -> bytes:
    """The content of the file *path* of *container*. Raises ``docker.errors.NotFound``."""
    stream, _ = container.get_archive(path)
    with tarfile.open(fileobj=io.BytesIO(b"".join(stream))) as archive:
        extracted = archive.extractfile(archive.getmembers()[0])
        return extracted.read() if extracted else b""


def _ids(text: str) -> dict[str, int]:
    fields = (line.split(":") for line in text.splitlines() if line.count(":") >= 2)
    return {name: int(number) for name, _, number, *_ in fields}
