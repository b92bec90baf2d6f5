"""Which databases an OpenStack service is configured for, and that no word of its password gets out."""

from __future__ import annotations

import pytest
from fake_host import FakeHost

from quorate.agents.openstack_db import connections, database_problem

SECTIONS = ("api_database", "database")
SECRET = "sesame"


def conf(url: str) -> str:
    return f"[DEFAULT]\ndebug = false\n[database]\nconnection = {url}\n"


def test_both_of_nova_s_databases_in_order() -> None:
    text = (
        "[database]\nconnection = mysql+pymysql://nova:p1@10.0.0.1/nova?charset=utf8\n"
        "[api_database]\nconnection=mysql+pymysql://nova_api:p2@db.example:3307/nova_api\n"
    )
    first, second = connections(text, SECTIONS)
    assert (first.section, first.user, first.password, first.host, first.port, first.database) == (
        "api_database",
        "nova_api",
        "p2",
        "db.example",
        3307,
        "nova_api",
    )
    assert (second.host, second.port, second.database) == ("10.0.0.1", 3306, "nova")


def test_a_percent_encoded_password() -> None:
    (found,) = connections(conf("mysql+pymysql://us%40er:p%40ss%2F%25w%3A@h/d"), SECTIONS)
    assert (found.user, found.password) == ("us@er", "p@ss/%w:")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no section\nconnection = mysql://u:p@h/d",
        "[DEFAULT]\nx = 1\n",
        "[database]\n",
        "[database]\nconnection\n",
        "[database]\nconnection =\n",
        conf("sqlite:////var/lib/keystone/keystone.db"),
        conf("postgresql://u:p@h/d"),
        conf("mysql:///d"),
        "[other]\nconnection = mysql://u:p@h/d\n",
    ],
)
def test_where_no_mysql_is_named_there_is_nothing_to_ask(text: str) -> None:
    assert connections(text, SECTIONS) == []


def test_a_later_line_wins_and_comments_are_none() -> None:
    text = "[database]\n#connection = mysql://a:b@c/d\nconnection = mysql://u:p@h1/d\nconnection = mysql://u:p@h2/d\n"
    assert [c.host for c in connections(text, SECTIONS)] == ["h2"]


def problem(text: str, *, deep: bool, mode: int = 0o640) -> str:
    host = FakeHost()
    host.files.put("/etc/keystone/keystone.conf", text, mode)
    return database_problem(host, "/etc/keystone/keystone.conf", SECTIONS, 1.0, deep)


def test_a_good_greeting_is_no_problem() -> None:
    host = FakeHost()
    host.files.put("/c", conf(f"mysql://u:{SECRET}@127.0.0.1/d"), 0o640)
    host.sockets["127.0.0.1", 3306] = lambda: _greeting(host)
    assert database_problem(host, "/c", SECTIONS, 1.0, False) == ""


def _greeting(host: FakeHost):  # type: ignore[no-untyped-def]
    from fake_host import FakeSocket

    sock = FakeSocket(host.clock, [b"J\0\0\0\x0a10.11"])
    sock.sendall(b"")
    return sock


def test_a_front_end_that_closes_and_a_database_that_hangs() -> None:
    host = FakeHost()
    host.files.put("/c", conf(f"mysql://u:{SECRET}@127.0.0.1/d"), 0o640)
    where = "the database d at 127.0.0.1:3306 ([database])"
    host.serve(("127.0.0.1", 3306), closes=True)
    assert database_problem(host, "/c", SECTIONS, 1.0, False) == f"{where} closes the connection without a greeting"
    host.serve(("127.0.0.1", 3306))
    assert database_problem(host, "/c", SECTIONS, 1.0, False) == f"{where} does not greet within 1 s"


@pytest.mark.parametrize("deep", [False, True])
@pytest.mark.parametrize(
    "url",
    [
        # Port 9 is 'discard': nobody listens there.
        f"mysql+pymysql://u:{SECRET}@127.0.0.1:9/d",
        f"mysql+pymysql://u:{SECRET}@no-such-host.invalid/d",
        f"mysql+pymysql://u:x%2F{SECRET}@127.0.0.1:9/d",
    ],
)
def test_no_reason_holds_the_password(url: str, deep: bool) -> None:
    said = problem(conf(url), deep=deep)
    assert said
    assert SECRET not in said


@pytest.mark.parametrize(
    "url",
    [
        # A password whose slash was not encoded: urlsplit takes its first part for a port, and quotes it.
        f"mysql+pymysql://u:{SECRET}/rest@127.0.0.1:9/d",
        f"mysql+pymysql://u:{SECRET}?rest@127.0.0.1:9/d",
        f"mysql+pymysql://u:{SECRET}#rest@127.0.0.1:9/d",
        # One whose characters urlsplit refuses, quoting the whole.
        f"mysql+pymysql://u:{SECRET}\u2100@127.0.0.1:9/d",
        f"mysql+pymysql://u:{SECRET}[@127.0.0.1:9/d",
        "mysql+pymysql://u:p@127.0.0.1:99999/d",
        "mysql+pymysql://u:p@a..b/d",
    ],
)
def test_a_url_that_cannot_be_read_is_no_crash_and_tells_nothing(url: str) -> None:
    # ValueErrors of urlsplit, of .port and of the name's encoding get out as an
    # internal error whose reason (and traceback, in the log) quotes a part of the password.
    assert SECRET not in problem(conf(url), deep=False)


def test_numbers_of_a_password_are_not_quoted_as_a_port() -> None:
    # read as host 'u', port 4711.
    assert "4711" not in problem(conf("mysql+pymysql://u:4711/rest@127.0.0.1:9/d"), deep=False)


def test_the_file_itself() -> None:
    assert "its mode is 0644" in problem(conf("mysql://u:p@127.0.0.1:9/d"), deep=True, mode=0o644)
    said = database_problem(FakeHost(), "/none", SECTIONS, 1.0, True)
    assert said == "its configuration /none cannot be read: no such file or directory"


def test_a_file_that_cannot_be_used_excuses_no_hanging_service() -> None:
    assert problem(conf("mysql://u:p@127.0.0.1:9/d"), deep=False, mode=0o644) == ""
    assert database_problem(FakeHost(), "/none", SECTIONS, 1.0, False) == ""
