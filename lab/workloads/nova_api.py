"""Key pairs and flavors created, listed and deleted through any node: two catalogues that must stay true."""

from __future__ import annotations

import base64
import json
import re
import secrets as random
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from quorate.lab.checkers.catalogue import CatalogueChecker
from quorate.lab.history import OK
from quorate.lab.workload import Call, Pace, Place, Refused, Rejected
from quorate.lab.workloads.http import Http, Reply, UnexpectedStatus
from quorate.lab.workloads.identity import admin_token, demo_token
from quorate.lib.problem import Failed

if TYPE_CHECKING:
    from quorate.lab.checker import Checker
    from quorate.lab.cluster import Lab
    from quorate.lab.history import Op

PORT = 8774
_KEEP = 8
"""Entries of a catalogue that are left alone; a user may have 100 key pairs."""
_ROUND = ("create", "list", "delete")
_PATIENCE = 20.0


@dataclass
class _Catalogue:
    """One kind of thing: where it is listed, and what creates one called *name*."""

    kind: str
    path: str
    name: re.Pattern[str]
    token: str = ""
    created: list[str] = field(default_factory=list)
    """Acknowledged, and not yet asked to be deleted."""

    def body(self, name: str) -> str:
        if self.kind == "keypair":
            return json.dumps({"keypair": {"name": name, "public_key": _public_key()}})
        return json.dumps({"flavor": {"id": name, "name": name, "ram": 1, "vcpus": 1, "disk": 0}})

    def names(self, reply: Reply) -> list[str]:
        """The names of ours in a list, as often as it has them."""
        entries = reply.json()[f"{self.kind}s"]
        # A key pair is wrapped once more.
        found = [str(entry.get("keypair", entry)["name"]) for entry in entries]
        return [name for name in found if self.name.fullmatch(name)]


class NovaApi:
    """``create-K`` and ``delete-K`` NAME, ``list-Ks``: names, for K in keypair and flavor. A name is used once."""

    name = "nova-api"
    about = "key pairs and flavors created, listed and deleted; none lost, none twice, none back from the dead"
    service = "nova-api"
    pure = frozenset({"list-keypairs", "list-flavors"})
    pace = Pace(rate=3, workers=4)

    def __init__(self) -> None:
        self._nodes: tuple[str, ...] = ()
        self._catalogues = {
            "keypair": _Catalogue("keypair", "/v2.1/os-keypairs", re.compile(r"k\d+")),
            "flavor": _Catalogue("flavor", "/v2.1/flavors", re.compile(r"f\d+")),
        }

    def prepare(self, lab: Lab) -> None:
        self._nodes = lab.nodes
        place, http = Place(lab.nodes[0], lab.address(lab.nodes[0])), Http(PORT)
        self._catalogues["keypair"].token = demo_token(lab)
        self._catalogues["flavor"].token = admin_token(lab)
        try:
            for kind in self._catalogues:
                for name in self.list(http, kind, place, _PATIENCE):
                    self.delete(http, kind, name, place, _PATIENCE)
        except (Refused, Rejected, UnexpectedStatus, OSError) as error:
            raise Failed(f"node {place.node}: nova-api does not delete what an earlier run left: {error}") from None

    def open(self) -> NovaSession:
        return NovaSession(self)

    def ops(self) -> Iterator[Call]:
        number = 0
        while True:
            for what in _ROUND:
                for kind, catalogue in self._catalogues.items():
                    if what == "create":
                        yield Call(f"create-{kind}", f"{kind[0]}{number}")
                    elif what == "delete" and len(catalogue.created) > _KEEP:
                        yield Call(f"delete-{kind}", catalogue.created.pop(0))
                    else:
                        yield Call(f"list-{kind}s")
            number += 1

    def final(self) -> Generator[Call, Op, None]:
        for node in self._nodes:
            for kind in self._catalogues:
                yield Call(f"list-{kind}s", node=node, pinned=True)

    def ended(self, op: Op) -> None:
        verb, _, kind = op.f.partition("-")
        if verb == "create" and op.outcome == OK:
            self._catalogues[kind].created.append(op.value)

    def checkers(self) -> tuple[Checker, ...]:
        return (CatalogueChecker(self.name),)

    # -- for the sessions --------------------------------------------------------------------------------

    def create(self, http: Http, kind: str, name: str, place: Place, timeout: float) -> None:
        catalogue = self._catalogues[kind]
        reply = self._request(http, catalogue, place, "POST", catalogue.path, timeout, catalogue.body(name))
        if reply.status in (400, 403):
            raise Rejected(f"status {reply.status}")
        # 409 too: the name is new, so that whoever made it did it for this request.
        reply.expect(200, 201)

    def delete(self, http: Http, kind: str, name: str, place: Place, timeout: float) -> None:
        catalogue = self._catalogues[kind]
        reply = self._request(http, catalogue, place, "DELETE", f"{catalogue.path}/{name}", timeout)
        if reply.status == 404:
            raise Rejected("status 404: it is not there")
        reply.expect(202, 204)

    def list(self, http: Http, kind: str, place: Place, timeout: float) -> list[str]:
        catalogue = self._catalogues[kind]
        return catalogue.names(self._request(http, catalogue, place, "GET", catalogue.path, timeout).expect(200))

    @staticmethod
    def _request(
        http: Http, catalogue: _Catalogue, place: Place, method: str, path: str, timeout: float, body: str | None = None
    ) -> Reply:
        headers = {"X-Auth-Token": catalogue.token, "Content-Type": "application/json"}
        return http.request(place, method, path, timeout, headers, body)


class NovaSession:
    def __init__(self, load: NovaApi) -> None:
        self._load = load
        self._http = Http(PORT)

    def invoke(self, call: Call, place: Place, timeout: float) -> Any:
        verb, _, kind = call.f.partition("-")
        if verb == "create":
            return self._load.create(self._http, kind, call.value, place, timeout)
        if verb == "delete":
            return self._load.delete(self._http, kind, call.value, place, timeout)
        return self._load.list(self._http, kind.removesuffix("s"), place, timeout)

    def interrupt(self) -> None:
        self._http.interrupt()

    def close(self) -> None:
        self._http.close()


def _public_key() -> str:
    """A key that nobody has the other half of: nova only looks at its form."""
    parts = (b"ssh-ed25519", random.token_bytes(32))
    return "ssh-ed25519 " + base64.b64encode(b"".join(len(part).to_bytes(4, "big") + part for part in parts)).decode()
