"""Tokens issued on one node, validated on another, revoked on a third.

A token is a signed statement that every node can read, so one that was issued is valid everywhere at once, whatever
happens to the node that issued it. A revocation is a row in the database, which every validation reads; a keystone
may however remember a validation for as long as its cache lives (30 s in the lab), so that a revoked token can be
taken for valid that long, and no longer.
"""

from __future__ import annotations

import random
from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, Any

from quorate.lab.checkers.tokens import TokenChecker
from quorate.lab.history import OK
from quorate.lab.provision import DEMO_PROJECT, DEMO_USER
from quorate.lab.workload import Call, Pace, Place, Rejected
from quorate.lab.workloads.http import Http
from quorate.lab.workloads.identity import PORT, TOKENS, issue, service_token

if TYPE_CHECKING:
    from quorate.lab.checker import Checker
    from quorate.lab.cluster import Lab
    from quorate.lab.history import Op

_ROUND = ("issue", "validate", "validate", "revoke", "validate", "look back")
_KEEP = 4
"""Tokens that are valid at any time."""


class Keystone:
    """``issue`` N, ``validate`` N (``valid`` or ``gone``), ``revoke`` N. A token itself is in no history."""

    name = "keystone"
    about = "tokens issued, validated elsewhere and revoked; valid everywhere until revoked, refused after"
    service = "keystone"
    # A token that nobody has received has no effect.
    pure = frozenset({"issue", "validate"})
    # A token costs a third of a second of a processor: passwords are hashed slowly on purpose.
    pace = Pace(rate=3, workers=4)

    def __init__(self) -> None:
        self._random = random.Random()
        self._password = ""
        self._auth = ""
        self._nodes: tuple[str, ...] = ()
        self._tokens: dict[int, str] = {}
        self._issuer: dict[int, str] = {}
        self._live: list[int] = []
        self._revoked: list[int] = []

    def prepare(self, lab: Lab) -> None:
        self._nodes = lab.nodes
        self._password = lab.secrets.demo_password
        self._auth = service_token(lab)

    def open(self) -> KeystoneSession:
        return KeystoneSession(self)

    def ops(self) -> Iterator[Call]:
        number = 0
        while True:
            for what in _ROUND:
                if what == "issue" or not self._live:
                    yield Call("issue", number)
                    number += 1
                elif what == "revoke" and len(self._live) > _KEEP:
                    yield self._elsewhere("revoke", self._live.pop(0))
                elif what == "look back" and self._revoked:
                    yield self._elsewhere("validate", self._random.choice(self._revoked[-8:]))
                else:
                    yield self._elsewhere("validate", self._random.choice(self._live))

    def final(self) -> Generator[Call, Op, None]:
        for number in sorted(self._issuer):
            yield self._elsewhere("validate", number)

    def ended(self, op: Op) -> None:
        if op.f == "issue" and op.outcome == OK:
            self._issuer[op.value] = op.node
            self._live.append(op.value)
        elif op.f == "revoke" and op.outcome == OK:
            self._revoked.append(op.value)

    def checkers(self) -> tuple[Checker, ...]:
        return (TokenChecker(self.name),)

    def _elsewhere(self, f: str, number: int) -> Call:
        """Rather not on the node that issued it."""
        others = [node for node in self._nodes if node != self._issuer[number]]
        return Call(f, number, node=self._random.choice(others or list(self._nodes)))

    # -- for the sessions --------------------------------------------------------------------------------

    def issue(self, http: Http, number: int, place: Place, timeout: float) -> None:
        self._tokens[number] = issue(http, place, timeout, DEMO_USER, self._password, DEMO_PROJECT)

    def validate(self, http: Http, number: int, place: Place, timeout: float) -> str:
        headers = {"X-Auth-Token": self._auth, "X-Subject-Token": self._tokens[number]}
        reply = http.request(place, "GET", TOKENS, timeout, headers).expect(200, 404)
        return "valid" if reply.status == 200 else "gone"

    def revoke(self, http: Http, number: int, place: Place, timeout: float) -> None:
        headers = {"X-Auth-Token": self._auth, "X-Subject-Token": self._tokens[number]}
        reply = http.request(place, "DELETE", TOKENS, timeout, headers).expect(204, 404)
        if reply.status == 404:
            raise Rejected("status 404: it is not valid any more")


class KeystoneSession:
    def __init__(self, load: Keystone) -> None:
        self._load = load
        self._http = Http(PORT)

    def invoke(self, call: Call, place: Place, timeout: float) -> Any:
        if call.f == "issue":
            return self._load.issue(self._http, call.value, place, timeout)
        if call.f == "revoke":
            return self._load.revoke(self._http, call.value, place, timeout)
        return self._load.validate(self._http, call.value, place, timeout)

    def interrupt(self) -> None:
        self._http.interrupt()

    def close(self) -> None:
        self._http.close()
