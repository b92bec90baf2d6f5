"""nova-api: a user's list of key pairs."""

from __future__ import annotations

from quorate.lab.clients.http import HttpSession

PORT = 8774


def session(token: str) -> HttpSession:
    """Lists the user's key pairs: the token is checked, and nova's API database is read."""
    return HttpSession(PORT, "/v2.1/os-keypairs", {"X-Auth-Token": token})
