"""What is written into a node: secrets where they belong and nowhere else."""

from __future__ import annotations

import dataclasses

import pytest

from quorate.cib.topology import Node
from quorate.lab import archive, config, secrets
from quorate.lab.layout import make_layout

NODES = (Node("n1", "10.1.2.11"), Node("n2", "10.1.2.12"), Node("n3", "10.1.2.13"))
LAYOUT = make_layout("alpha", NODES)
SECRETS = secrets.generate()
FILES = {file.path: file for file in config.node_files(LAYOUT, SECRETS, NODES[0])}

MAY_HOLD = {
    "corosync_key": {"/etc/corosync/authkey"},
    "erlang_cookie": {"/var/lib/rabbitmq/.erlang.cookie"},
    "amqp_password": {"/etc/nova/nova.conf"},
    "keystone_db_password": {"/etc/keystone/keystone.conf"},
    "nova_db_password": {"/etc/nova/nova.conf"},
    "admin_password": set(),
    "nova_password": {"/etc/nova/nova.conf"},
    "demo_password": set(),
    "horizon_key": {"/etc/openstack-dashboard/local_settings.d/_9000_lab.py"},
    "fencing_secret": {"/etc/quorate/fencing.secret"},
    "fernet_keys": {"/etc/keystone/fernet-keys/0", "/etc/keystone/fernet-keys/1"},
    "credential_keys": {"/etc/keystone/credential-keys/0", "/etc/keystone/credential-keys/1"},
}


def values(name: str) -> tuple[bytes, ...]:
    held = getattr(SECRETS, name)
    if name == "corosync_key":
        return (FILES["/etc/corosync/authkey"].content,)
    return tuple(text.encode() for text in ((held,) if isinstance(held, str) else held))


def test_every_secret_has_a_rule() -> None:
    assert {field.name for field in dataclasses.fields(secrets.Secrets)} == set(MAY_HOLD)


@pytest.mark.parametrize("name", MAY_HOLD)
def test_a_secret_is_in_its_file_and_in_no_other(name: str) -> None:
    found = {path for path, file in FILES.items() if any(value in file.content for value in values(name))}
    assert found == MAY_HOLD[name]


@pytest.mark.parametrize("path", sorted({path for paths in MAY_HOLD.values() for path in paths}))
def test_a_file_with_a_secret_is_closed_to_others(path: str) -> None:
    file = FILES[path]
    assert file.mode & 0o027 == 0
    assert file.mode & 0o777 <= 0o640


def test_secrets_do_not_show_themselves() -> None:
    assert repr(SECRETS) == "Secrets(...)"
    assert SECRETS.amqp_password in SECRETS.values()


def test_two_labs_share_no_secret() -> None:
    assert not set(SECRETS.values()) & set(secrets.generate().values())


def test_databases_are_only_asked_through_the_proxy() -> None:
    for path in ("/etc/keystone/keystone.conf", "/etc/nova/nova.conf"):
        text = FILES[path].content.decode()
        assert text.count("mysql+pymysql://") == text.count("@127.0.0.1:3307/") > 0
    assert b"3306" not in FILES["/etc/nova/nova.conf"].content


def test_nova_knows_every_broker() -> None:
    text = FILES["/etc/nova/nova.conf"].content.decode()
    line = next(line for line in text.splitlines() if line.startswith("transport_url"))
    assert [f"@{node.address}:5672" in line for node in NODES] == [True] * 3


def test_one_database_is_active_and_the_order_is_the_same_everywhere() -> None:
    proxies = {config.haproxy_cfg(LAYOUT) for _ in NODES}
    assert len(proxies) == 1
    servers = [line.split() for line in proxies.pop().splitlines() if ":3306 " in line]
    assert [("backup" in words) for words in servers] == [False, True, True]


def test_the_database_check_speaks_the_protocol() -> None:
    login, question, row = config.galera_check()
    assert int.from_bytes(login[:3], "little") == len(login) - 4
    assert login[3] == 1
    assert login[4 + 32 :] == b"haproxy\0\0"
    assert question[4:] == b"\x03SHOW STATUS LIKE 'wsrep_local_state'"
    assert row == b"\x11wsrep_local_state\x01".hex().upper() + "(34|32)"


def test_corosync_numbers_the_nodes_as_the_cib_does() -> None:
    text = config.corosync_conf(LAYOUT)
    assert text.index("name: n1") < text.index("nodeid: 1") < text.index("name: n2") < text.index("nodeid: 2")
    assert "token: 1000" in text
    assert "crypto_cipher: aes256" in text


def test_files_get_the_ids_of_the_image() -> None:
    import io
    import tarfile

    accounts = archive.parse_accounts("root:x:0:0::/:\nnova:x:64060:64060::/:\n", "root:x:0:\nnova:x:64061:a,b\n")
    packed = archive.pack([config.File("/etc/nova/nova.conf", b"x", "root", "nova", 0o640)], accounts)
    with tarfile.open(fileobj=io.BytesIO(packed)) as tar:
        (entry,) = tar.getmembers()
    assert (entry.name, entry.uid, entry.gid, entry.mode) == ("etc/nova/nova.conf", 0, 64061, 0o640)
