"""The dashboard: its login page."""

from __future__ import annotations

from quorate.lab.clients.http import HttpSession

PORT = 80


def session() -> HttpSession:
    return HttpSession(PORT, "/horizon/auth/login/", {})
