"""A person's way into the dashboard: the login page, the login, the first page behind it, the logout."""

from __future__ import annotations

import itertools
import re
import time
import urllib.parse
from collections.abc import Generator, Iterator
from http.cookies import CookieError, SimpleCookie
from typing import TYPE_CHECKING, Any

from quorate.lab.provision import DEMO_USER
from quorate.lab.workload import Call, Pace, Place
from quorate.lab.workloads.http import Http, Reply

if TYPE_CHECKING:
    from quorate.lab.checker import Checker
    from quorate.lab.cluster import Lab
    from quorate.lab.history import Op

PORT = 80
LOGIN, LOGOUT = "/horizon/auth/login/", "/horizon/auth/logout/"
INSIDE = "/horizon/project/api_access/"
"""A page that needs a session and little else."""
_FIELD = re.compile(r'name="csrfmiddlewaretoken" value="([^"]+)"')
_REGION = re.compile(r'name="region" value="([^"]*)"')


class NotLoggedIn(Exception):
    """The dashboard answered, but not with what a person who is logged in sees."""


class Dashboard:
    """``login`` N: the whole way. It is about availability alone: a session that is lost is logged in again."""

    name = "dashboard"
    about = "a scripted login: page, form with its token, a page behind it, logout"
    service = "dashboard"
    pure = frozenset({"login"})
    pace = Pace(rate=0.7, workers=3)

    def __init__(self) -> None:
        self._password = ""

    def prepare(self, lab: Lab) -> None:
        self._password = lab.secrets.demo_password

    def open(self) -> DashboardSession:
        return DashboardSession(self._password)

    def ops(self) -> Iterator[Call]:
        for number in itertools.count():
            yield Call("login", number)

    def final(self) -> Generator[Call, Op, None]:
        yield from ()

    def checkers(self) -> tuple[Checker, ...]:
        return ()


class DashboardSession:
    def __init__(self, password: str) -> None:
        self._password = password
        self._http = Http(PORT)

    def invoke(self, call: Call, place: Place, timeout: float) -> Any:
        visit = _Visit(self._http, place, time.monotonic() + timeout)
        page = visit.go("GET", LOGIN).expect(200).body.decode("utf-8", "replace")
        field, region = _FIELD.search(page), _REGION.search(page)
        if field is None:
            raise NotLoggedIn("the login page has no form")
        form = {
            "csrfmiddlewaretoken": field[1],
            "region": region[1] if region else "default",
            "username": DEMO_USER,
            "password": self._password,
        }
        if visit.go("POST", LOGIN, urllib.parse.urlencode(form)).status != 302:
            raise NotLoggedIn("the login form came back")
        inside = visit.go("GET", INSIDE)
        # Without a session there is a redirection to the login page.
        if inside.status != 200 or LOGOUT.encode() not in inside.body:
            raise NotLoggedIn(f"status {inside.status} for {INSIDE}")
        visit.go("GET", LOGOUT).expect(200, 302)

    def interrupt(self) -> None:
        self._http.interrupt()

    def close(self) -> None:
        self._http.close()


class _Visit:
    """Requests of one browser to one node, with the cookies that it was given."""

    def __init__(self, http: Http, place: Place, until: float) -> None:
        self._http = http
        self._place = place
        self._until = until
        self._cookies: dict[str, str] = {}

    def go(self, method: str, path: str, form: str | None = None) -> Reply:
        left = self._until - time.monotonic()
        if left <= 0:
            raise TimeoutError(f"timed out before {path} was asked for")
        headers = {"Referer": f"http://{self._place.address}{LOGIN}"}
        if self._cookies:
            headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in self._cookies.items())
        if form is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        reply = self._http.request(self._place, method, path, left, headers, form)
        for name, value in reply.headers:
            if name.lower() == "set-cookie":
                self._keep(value)
        return reply

    def _keep(self, text: str) -> None:
        try:
            # As it was sent: a value in quotes stays in quotes.
            self._cookies.update({name: morsel.coded_value for name, morsel in SimpleCookie(text).items()})
        except CookieError:
            pass
