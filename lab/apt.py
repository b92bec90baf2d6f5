"""Where the images get their packages: from where this machine gets its own.

A machine behind a mirror or a proxy can then build the images without being told about it twice, and no
file of the project names a mirror.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from quorate.lib.problem import Problem, Unavailable

RELEASES = {12: "bookworm", 13: "trixie"}
"""The Debian releases that a lab can run on."""

DEFAULT_RELEASE = 12
CA_BUNDLE = Path("/etc/ssl/certs/ca-certificates.crt")
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
PUBLIC_ARCHIVE = "http://deb.debian.org/debian"
PUBLIC_SECURITY = "http://deb.debian.org/debian-security"

_INDEX_FORMAT = "$(ORIGIN)|$(REPO_URI)|$(RELEASE)|$(COMPONENT)"
_KEPT_OPTIONS = re.compile(r"Acquire::(Check-Valid-Until|Check-Date|https?::(Proxy|Verify-Peer|Verify-Host)(::.+)?)")
_OPTION_LINE = re.compile(r'(?P<name>[\w:/.\-]+) "(?P<value>.*)";')


@dataclass(frozen=True)
class Sources:
    """Everything that apt in an image needs to know."""

    suite: str
    archive: str
    security: str
    options: tuple[tuple[str, str], ...] = ()

    @property
    def deb822(self) -> str:
        """The ``.sources`` file of the image."""
        return (
            f"Types: deb\nURIs: {self.archive}\nSuites: {self.suite} {self.suite}-updates\n"
            f"Components: main\nSigned-By: {KEYRING}\n\n"
            f"Types: deb\nURIs: {self.security}\nSuites: {self.suite}-security\n"
            f"Components: main\nSigned-By: {KEYRING}\n"
        )

    @property
    def conf(self) -> str:
        """The ``apt.conf.d`` file of the image."""
        return "".join(f'{name} "{value}";\n' for name, value in self.options)

    @property
    def needs_ca_bundle(self) -> bool:
        """Whether a source or a proxy speaks https, so that the image needs the machine's certificates."""
        return any(text.startswith("https:") for text in (self.archive, self.security, *dict(self.options).values()))


def suite_of(release: int) -> str:
    """The suite of Debian *release*; an unknown one is a :class:`Problem`."""
    try:
        return RELEASES[release]
    except KeyError:
        known = ", ".join(map(str, RELEASES))
        raise Problem(f"Debian release {release} is not supported by the lab (known: {known})") from None


def parse_index_targets(text: str) -> tuple[str, str]:
    """The archive's and the security archive's address in the output of ``apt-get indextargets``.

    Only Debian's own repositories count. What is not configured falls back to the public address.
    """
    archive = security = ""
    for line in text.splitlines():
        origin, uri, release, component = (line.split("|") + [""] * 4)[:4]
        if origin != "Debian" or component != "main" or not uri.startswith(("http:", "https:")):
            continue
        if release.endswith("-security"):
            security = security or uri.rstrip("/")
        elif not release.endswith("-backports"):
            archive = archive or uri.rstrip("/")
    return archive or PUBLIC_ARCHIVE, security or PUBLIC_SECURITY


def parse_options(text: str) -> tuple[tuple[str, str], ...]:
    """The ``Acquire`` options in the output of ``apt-config dump`` that decide whether a download succeeds."""
    found = (_OPTION_LINE.fullmatch(line.strip()) for line in text.splitlines())
    return tuple(
        (match["name"], match["value"])
        for match in found
        if match and match["value"] and _KEPT_OPTIONS.fullmatch(match["name"])
    )


def machine_sources(release: int = DEFAULT_RELEASE) -> Sources:
    """The sources for Debian *release*, derived from this machine's own configuration of apt."""
    suite = suite_of(release)
    if shutil.which("apt-get") is None:  # another distribution: the public archive is all we know
        return Sources(suite, PUBLIC_ARCHIVE, PUBLIC_SECURITY)
    archive, security = parse_index_targets(_ask("apt-get", "indextargets", "--format", _INDEX_FORMAT))
    return Sources(suite, archive, security, parse_options(_ask("apt-config", "dump")))


def _ask(*argv: str) -> str:
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)
    if done.returncode:
        raise Unavailable(f"`{argv[0]} {argv[1]}` failed on this machine: {done.stderr.strip() or done.returncode}")
    return done.stdout
