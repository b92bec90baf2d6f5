"""The secrets of one lab: made once, kept in a folder that only its owner can enter."""

from __future__ import annotations

import base64
import json
import os
import secrets
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from quorate.lib.problem import Failed

FILE = "secrets.json"


@dataclass(frozen=True, repr=False)
class Secrets:
    """Generated for one lab; never shown: not by repr, not in a log, not in a collected report."""

    corosync_key: str  # base64 of 256 bytes
    erlang_cookie: str
    amqp_password: str
    keystone_db_password: str
    nova_db_password: str
    admin_password: str
    nova_password: str
    demo_password: str
    horizon_key: str
    fencing_secret: str
    fernet_keys: tuple[str, ...]
    credential_keys: tuple[str, ...]

    def __repr__(self) -> str:
        return "Secrets(...)"

    def values(self) -> tuple[str, ...]:
        """Every secret, to look for where none must be."""
        found: list[str] = []
        for value in asdict(self).values():
            found += [value] if isinstance(value, str) else value
        return tuple(found)


def generate() -> Secrets:
    """New secrets from the machine's random source."""
    word = {
        field.name: secrets.token_hex(20)
        for field in fields(Secrets)
        if field.name not in ("corosync_key", "fernet_keys", "credential_keys")
    }
    return Secrets(
        corosync_key=base64.b64encode(secrets.token_bytes(256)).decode(),
        fernet_keys=(_fernet(), _fernet()),
        credential_keys=(_fernet(), _fernet()),
        **word,
    )


def _fernet() -> str:
    return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()


def load_or_generate(folder: Path) -> Secrets:
    """The secrets kept in *folder* (made with mode 0700), generated at the first call.

    Raises :class:`Failed` when the file is there but is not ours.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    path = folder / FILE
    if path.exists():
        return load(path)
    made = generate()
    fresh = path.with_suffix(".new")
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        json.dump(asdict(made), file, indent=1)
    fresh.replace(path)
    return made


def load(path: Path) -> Secrets:
    """The secrets in the file *path*."""
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        lists = {name: tuple(value) for name, value in kept.items() if isinstance(value, list)}
        return Secrets(**{**kept, **lists})
    except (OSError, ValueError, TypeError) as error:
        raise Failed(f"{path} does not hold a lab's secrets ({error}): run `quorate lab down` and `up` again") from None
