"""Secrets never enter the CIB: group haclient reads it on every node, and every report carries it."""

from __future__ import annotations

import re

_WORDS = {
    "password",
    "passwd",
    "pass",
    "passphrase",
    "secret",
    "token",
    "credential",
    "credentials",
    "community",
}
_KEYS = ("apikey", "api_key", "private_key", "secret_key", "access_key")
_ELSEWHERE = ("script", "file", "path")
_USERINFO = re.compile(r"[a-z][a-z0-9+.-]*://[^/@\s:]*:[^/@\s]+@", re.IGNORECASE)


def objection(key: str, value: str) -> str | None:
    """Why *key* with *value* may not stand in the CIB, or None.

    A key that names where the secret is kept (``passwd_script``, ``password_file``) is welcome.
    """
    parts = [part for part in re.split(r"[-_.]", key.lower()) if part]
    if parts and parts[-1] not in _ELSEWHERE:
        if any(part in _WORDS or part.endswith(("password", "passwd")) for part in parts):
            return _sentence(f"{key!r} is a secret")
        if "_".join(parts).endswith(_KEYS):
            return _sentence(f"{key!r} is a secret")
    if _USERINFO.search(value):
        return _sentence(f"the value of {key!r} contains a password (user:password@)")
    return None


def _sentence(what: str) -> str:
    return (
        f"{what}, and secrets never enter the CIB, which every node and every report carries; "
        "give the agent a file or script on the node instead (a key that ends in _script or _file)"
    )
