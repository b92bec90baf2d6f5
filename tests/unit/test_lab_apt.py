"""Where the image's packages come from, derived from apt's own words."""

from __future__ import annotations

import pytest

from quorate.lab import apt
from quorate.lib.problem import Problem

TARGETS = """\
Debian|http://mirror.example/debian/|bookworm|main
Debian|http://mirror.example/debian/|bookworm-updates|main
Debian|https://mirror.example/debian-security/|bookworm-security|main
Other|https://other.example/apt/|cloud|main
"""


def test_only_debians_own_repositories_count() -> None:
    assert apt.parse_index_targets(TARGETS) == (
        "http://mirror.example/debian",
        "https://mirror.example/debian-security",
    )


def test_nothing_configured_falls_back_to_the_public_archive() -> None:
    assert apt.parse_index_targets("Other|https://other.example/|x|main\n") == (
        apt.PUBLIC_ARCHIVE,
        apt.PUBLIC_SECURITY,
    )


def test_a_cdrom_and_backports_are_no_archive() -> None:
    text = "Debian|cdrom:[Debian]/|bookworm|main\nDebian|http://b.example/|bookworm-backports|main\n"
    assert apt.parse_index_targets(text) == (apt.PUBLIC_ARCHIVE, apt.PUBLIC_SECURITY)


def test_only_the_options_that_decide_a_download_are_kept() -> None:
    dump = """\
APT::Architecture "amd64";
Acquire::Check-Valid-Until "false";
Acquire::http "";
Acquire::http::Proxy "http://proxy.example:3128";
Acquire::https::Proxy::host.example "DIRECT";
Acquire::http::Proxy-Auto-Detect "/usr/bin/x";
Acquire::Languages:: "none";
"""
    assert apt.parse_options(dump) == (
        ("Acquire::Check-Valid-Until", "false"),
        ("Acquire::http::Proxy", "http://proxy.example:3128"),
        ("Acquire::https::Proxy::host.example", "DIRECT"),
    )


@pytest.mark.parametrize(
    ("archive", "options", "needed"),
    [
        ("http://a.example", (), False),
        ("https://a.example", (), True),
        ("http://a.example", (("Acquire::http::Proxy", "https://p.example"),), True),
        ("http://a.example", (("Acquire::http::Proxy", "http://p.example"),), False),
    ],
)
def test_certificates_are_copied_only_for_https(
    archive: str, options: tuple[tuple[str, str], ...], needed: bool
) -> None:
    assert apt.Sources("bookworm", archive, "http://s.example", options).needs_ca_bundle is needed


def test_sources_name_the_releases_suites() -> None:
    text = apt.Sources("trixie", "http://a.example", "http://s.example").deb822
    assert "Suites: trixie trixie-updates\n" in text
    assert "Suites: trixie-security\n" in text


def test_an_unknown_release_is_refused() -> None:
    assert apt.suite_of(13) == "trixie"
    with pytest.raises(Problem, match="release 11 is not supported"):
        apt.suite_of(11)
