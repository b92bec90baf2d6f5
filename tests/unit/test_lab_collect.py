"""What is cut out of the logs that a run keeps."""

from __future__ import annotations

import pytest

from quorate.lab.collect import _ACTION, REMOVED, mask

TOKEN = b"gAAAAABnQK" + b"x" * 120 + b"=="


@pytest.mark.parametrize(
    ("line", "kept"),
    [
        (b"[ERROR] Slave SQL: Query: 'CREATE USER 'a'@'%' IDENTIFIED BY 's3cretword'", b"IDENTIFIED BY '"),
        (b"cannot connect to mysql+pymysql://nova:s3cretword@127.0.0.1:3307/nova", b"@127.0.0.1:3307/nova"),
        (b"curl -H X-Auth-Token: s3cretword http://n1:5000/v3", b"http://n1:5000/v3"),
        (b"{'X-Subject-Token': 's3cretword', 'Vary': 'X-Auth-Token'}", b"'Vary': 'X-Auth-Token'"),
        (b'172.30.77.1 "GET /horizon HTTP/1.1" cookie=sessionid=s3cretword; next', b"; next"),
        (b'{"user": {"name": "demo", "password": "s3cretword"}}', b'"name": "demo"'),
        (b'<nvpair id="galera-check" name="check_passwd" value="s3cretword"/>', b'name="check_passwd"'),
        (b"rabbitmqctl --password s3cretword status", b"status"),
    ],
)
def test_what_looks_like_a_secret_is_cut_out(line: bytes, kept: bytes) -> None:
    masked = mask(line)
    assert b"s3cretword" not in masked
    assert REMOVED in masked
    assert kept in masked


def test_tokens_and_the_secrets_of_the_lab_are_cut_out() -> None:
    assert mask(b"validated " + TOKEN + b" for demo") == b"validated " + REMOVED + b" for demo"
    assert mask(b"word=hunter2hunter2 short", [b"hunter2hunter2", b"short"]) == b"word=" + REMOVED + b" short"


@pytest.mark.parametrize(
    "line",
    [
        b"[Warning] Access denied for user 'haproxy'@'172.30.80.11' (using password: NO)",
        b"TCPCHK did not match content 'mysql_native_password' at step 2",
        b'POST /v3/auth/tokens => generated 4512 bytes in 310 msecs (HTTP/1.1 201) 6 headers "X-Auth-Token"',
        b'<nvpair id="power-secret_file" name="secret_file" value="/etc/quorate/fencing.secret"/>',
        b"AuthToken middleware is set with keystone_authtoken.service_token_roles_required set to False",
    ],
)
def test_what_only_speaks_of_secrets_stays(line: bytes) -> None:
    assert mask(line) == line


@pytest.mark.parametrize(
    ("line", "kept"),
    [
        (
            "Nov 22 16:23:23.452 n1 pacemaker-controld  [48] (log_executor_event) \tnotice: Result of promote operatio",
            True,
        ),
        ("Nov 22 16:21:35.152 n1 pacemaker-execd     [50] (log_execute) \tinfo: executing - rsc:galera", True),
        ("Nov 22 16:21:36 galera(galera)[266] INFO: start: up after 1.5 s", True),
        ("Nov 22 16:21:36 nova-api(nova-api:1)[266] INFO: start: up after 1.5 s", True),
        ("Nov 22 16:03:27.104 n2 pacemaker-schedulerd[45] (determine_online_status) \tinfo: n1 is online", False),
    ],
)
def test_the_lines_about_an_action_are_known(line: str, kept: bool) -> None:
    assert bool(_ACTION.match(line)) is kept
