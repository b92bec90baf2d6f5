"""Keystone: tokens, as the services use them."""

from __future__ import annotations

import http.client
import json

from quorate.lab.clients.http import HttpSession
from quorate.lib.problem import Failed

PORT = 5000
USER, PROJECT = "demo", "demo"


def issue_token(address: str, password: str) -> str:
    """A token for the demo user. Raises :class:`Failed`."""
    domain = {"id": "default"}
    body = {
        "auth": {
            "identity": {
                "methods": ["password"],
                "password": {"user": {"name": USER, "domain": domain, "password": password}},
            },
            "scope": {"project": {"name": PROJECT, "domain": domain}},
        }
    }
    connection = http.client.HTTPConnection(address, PORT, timeout=20)
    try:
        connection.request("POST", "/v3/auth/tokens", json.dumps(body), {"Content-Type": "application/json"})
        response = connection.getresponse()
        response.read()
        token = response.getheader("X-Subject-Token")
    except OSError as error:
        raise Failed(f"keystone at {address} issues no token: {error}") from None
    finally:
        connection.close()
    if not token:
        raise Failed(f"keystone at {address} issues no token: status {response.status}")
    return token


def session(token: str) -> HttpSession:
    """Validates *token*: keystone decrypts it and reads user, project and roles from the database."""
    return HttpSession(PORT, "/v3/auth/tokens", {"X-Auth-Token": token, "X-Subject-Token": token})
