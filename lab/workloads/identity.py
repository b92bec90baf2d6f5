"""What the clients of keystone, and of the services behind it, share: tokens and how they are asked for."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from quorate.lab.provision import DEMO_PROJECT, DEMO_USER
from quorate.lab.workload import Place, Refused
from quorate.lab.workloads.http import Http, UnexpectedStatus
from quorate.lib.problem import Failed

if TYPE_CHECKING:
    from quorate.lab.cluster import Lab

PORT = 5000
TOKENS = "/v3/auth/tokens"
_PATIENCE = 20.0


def issue(http: Http, place: Place, timeout: float, user: str, password: str, project: str) -> str:
    """A token for *user* in *project*. Raises :class:`UnexpectedStatus` when keystone gives none."""
    domain = {"id": "default"}
    body = {
        "auth": {
            "identity": {
                "methods": ["password"],
                "password": {"user": {"name": user, "domain": domain, "password": password}},
            },
            "scope": {"project": {"name": project, "domain": domain}},
        }
    }
    headers = {"Content-Type": "application/json"}
    reply = http.request(place, "POST", TOKENS, timeout, headers, json.dumps(body)).expect(201)
    token = reply.header("X-Subject-Token")
    if not token:
        raise UnexpectedStatus("status 201 without a token")
    return token


def _token(lab: Lab, user: str, password: str, project: str) -> str:
    place = Place(lab.nodes[0], lab.address(lab.nodes[0]))
    try:
        return issue(Http(PORT), place, _PATIENCE, user, password, project)
    except (UnexpectedStatus, Refused, OSError) as error:
        raise Failed(f"node {place.node}: keystone issues no token for {user}: {error}") from None


def demo_token(lab: Lab) -> str:
    """A token of the demo user. Raises :class:`Failed`."""
    return _token(lab, DEMO_USER, lab.secrets.demo_password, DEMO_PROJECT)


def admin_token(lab: Lab) -> str:
    """A token of the administrator. Raises :class:`Failed`."""
    return _token(lab, "admin", lab.secrets.admin_password, "admin")


def service_token(lab: Lab) -> str:
    """A token of a service, which may look at other users' tokens. Raises :class:`Failed`."""
    return _token(lab, "nova", lab.secrets.nova_password, "service")
