"""The configuration of a node: which files a lab writes into it, rendered from its layout and secrets.

Pure. A file that holds a secret is readable by root and its service alone, and is the only place of it.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass

from quorate.cib.topology import Node
from quorate.lab.layout import Layout
from quorate.lab.secrets import Secrets

TOKEN_MS = 1000
DATABASE_PORT = 3307
KEYSTONE_PORT = 5001
NOVA_PORT = 8773
KEYSTONE_URL = f"http://127.0.0.1:{KEYSTONE_PORT}/v3"
NOVA_URL = f"http://127.0.0.1:{NOVA_PORT}/v2.1"
REGION = "RegionOne"
CHECK_USER = "haproxy"
AMQP_USER = "openstack"
FENCING_SECRET = "/etc/quorate/fencing.secret"
GATEWAY_SECRET = "/etc/quorate/gateway.secret"
GATEWAY_PROGRAM = "/usr/lib/quorate-lab/gateway.py"
GALERA_SERVING = (b"4", b"2")
"""``wsrep_local_state``: Synced, and Donor/Desynced, which serves too (a donor may be the last node that does)."""


@dataclass(frozen=True)
class File:
    """One file of a container. *owner* and *group* are names that the image knows."""

    path: str
    content: bytes
    owner: str = "root"
    group: str = "root"
    mode: int = 0o644


def node_files(layout: Layout, secrets: Secrets, node: Node) -> tuple[File, ...]:
    """Every file that makes a container of the node image into *node* of this lab."""
    return (
        File("/etc/corosync/corosync.conf", corosync_conf(layout).encode()),
        File("/etc/corosync/authkey", base64.b64decode(secrets.corosync_key), mode=0o400),
        File(FENCING_SECRET, secrets.fencing_secret.encode(), mode=0o400),
        File("/etc/mysql/mariadb.conf.d/61-members.cnf", mariadb_members(layout).encode()),
        File("/etc/haproxy/haproxy.cfg", haproxy_cfg(layout).encode()),
        File("/var/lib/rabbitmq/.erlang.cookie", secrets.erlang_cookie.encode(), "rabbitmq", "rabbitmq", 0o400),
        File("/etc/rabbitmq/rabbitmq-env.conf", rabbitmq_env(node).encode(), "root", "rabbitmq"),
        File("/etc/rabbitmq/rabbitmq.conf", rabbitmq_conf().encode(), "root", "rabbitmq"),
        File("/etc/keystone/keystone.conf", keystone_conf(secrets).encode(), "root", "keystone", 0o640),
        *_keys("/etc/keystone/fernet-keys", secrets.fernet_keys),
        *_keys("/etc/keystone/credential-keys", secrets.credential_keys),
        File("/etc/nova/nova.conf", nova_conf(layout, secrets, node).encode(), "root", "nova", 0o640),
        File(
            "/etc/openstack-dashboard/local_settings.d/_9000_lab.py",
            dashboard_settings(secrets).encode(),
            "root",
            "www-data",
            0o640,
        ),
    )


def gateway_files(secrets: Secrets, program: bytes) -> tuple[File, ...]:
    """What the gateway's container needs: its program and the secret that its clients sign with."""
    return (
        File(GATEWAY_PROGRAM, program),
        File(GATEWAY_SECRET, secrets.fencing_secret.encode(), mode=0o400),
    )


def corosync_conf(layout: Layout) -> str:
    """knet with encryption; votequorum over the named nodes."""
    nodes = "".join(
        f"    node {{\n        ring0_addr: {node.address}\n        name: {node.name}\n"
        f"        nodeid: {number}\n    }}\n"
        for number, node in enumerate(layout.nodes, 1)
    )
    return f"""\
totem {{
    version: 2
    cluster_name: {layout.name}
    transport: knet
    crypto_cipher: aes256
    crypto_hash: sha256
    token: {TOKEN_MS}
}}
nodelist {{
{nodes}}}
quorum {{
    provider: corosync_votequorum
}}
logging {{
    to_logfile: yes
    logfile: /var/log/corosync/corosync.log
    to_syslog: no
    timestamp: hires
}}
"""


def galera_check() -> tuple[bytes, bytes, str]:
    """What asks a MariaDB whether it serves: login, question, and the rows that mean yes (a regular expression in hex).

    A connect or a login is not enough: a Galera node that is joining, donating or without quorum accepts both.
    The user has no password and no privilege; the login can therefore be written down as bytes.
    """
    capabilities = 0x00000001 | 0x00000200 | 0x00008000  # long password, protocol 4.1, secure connection
    login = (
        capabilities.to_bytes(4, "little")
        + (1 << 24).to_bytes(4, "little")
        + bytes([33])  # utf8
        + bytes(23)
        + CHECK_USER.encode()
        + b"\0\0"  # no password
    )
    question = b"\x03SHOW STATUS LIKE 'wsrep_local_state'"
    name = b"wsrep_local_state"
    states = "|".join(state.hex() for state in GALERA_SERVING)
    # haproxy writes what it received in capital hexadecimal digits before it compares.
    row = (bytes([len(name)]) + name + bytes([1])).hex().upper() + f"({states})"
    return _packet(login, 1), _packet(question, 0), row


def haproxy_cfg(layout: Layout) -> str:
    """The services' way to each other, on the loopback of every node.

    One Galera node takes all writes (the same on every node, so that transactions do not collide); keystone and
    nova-api are spread.
    """
    login, question, row = galera_check()
    databases = "\n".join(
        f"    server {node.name} {node.address}:3306 check tcp-ut 3s{' backup' if i else ''}"
        for i, node in enumerate(layout.nodes)
    )
    return f"""\
global
    maxconn 2000
    nbthread 1
    stats socket /run/haproxy/admin.sock mode 600 level admin

defaults
    log global
    retries 3
    option redispatch 1
    timeout connect 1s
    timeout check 3s
    timeout queue 5s
    timeout client 1h
    timeout server 1h
    # A check that is late on a busy machine takes nothing away (fall 3); a connection that is refused does, at once.
    default-server inter 1s fastinter 500ms downinter 1s fall 3 rise 1 observe layer4 error-limit 1 on-error mark-down

listen galera
    bind 127.0.0.1:{DATABASE_PORT}
    mode tcp
    option clitcpka
    option srvtcpka
    # A node without power answers nothing: its connections are given up after some 3 s. Those of a node that is merely
    # marked down end by themselves; to cut them (shutdown-sessions) would also cut what is just being sent elsewhere.
    srvtcpka-idle 2s
    srvtcpka-intvl 1s
    srvtcpka-cnt 2
    option tcp-check
    tcp-check connect
    tcp-check expect string mysql_native_password
    tcp-check send-binary {login.hex()}
    tcp-check expect binary 0700000200
    tcp-check send-binary {question.hex()}
    tcp-check expect rbinary {row}
    tcp-check send-binary {_packet(bytes([1]), 0).hex()}
{databases}

{_http_proxy("keystone", KEYSTONE_PORT, 5000, "/v3", layout)}
{_http_proxy("nova-api", NOVA_PORT, 8774, "/", layout)}"""


def _http_proxy(name: str, port: int, backend: int, probe: str, layout: Layout) -> str:
    servers = "\n".join(f"    server {node.name} {node.address}:{backend} check" for node in layout.nodes)
    return f"""\
listen {name}
    bind 127.0.0.1:{port}
    mode http
    balance roundrobin
    retry-on conn-failure empty-response
    option httpchk GET {probe}
    http-check expect rstatus ^[23]
    timeout client 60s
    timeout server 60s
    timeout http-keep-alive 1s
    default-server inter 2s fastinter 500ms downinter 1s fall 3 rise 1
{servers}
"""


def mariadb_members(layout: Layout) -> str:
    """Galera's members, and who feeds a joining one: rather not the first, which takes everybody's queries (haproxy).

    What an agent says on the command line comes before the address here, but not every agent says it each time that
    it runs the server: without one, the server does not even tell the position of its data.
    """
    donors = "".join(f"{node.name}," for node in reversed(layout.nodes[1:]))
    members = ",".join(node.address for node in layout.nodes)
    return f"[mysqld]\nwsrep_sst_donor = {donors}\nwsrep_cluster_address = gcomm://{members}\n"


def rabbitmq_env(node: Node) -> str:
    """The Erlang VM of *node*. Its schedulers do not spin: a lab has few processors."""
    return (
        f"NODENAME=rabbit@{node.name}\n"
        "CONF_ENV_FILE=/etc/rabbitmq/rabbitmq-env.conf\n"
        'SERVER_ADDITIONAL_ERL_ARGS="+S 2:2 +sbwt none +sbwtdcpu none +sbwtdio none"\n'
        'CTL_ERL_ARGS="+S 1:1 +sbwt none +sbwtdcpu none +sbwtdio none"\n'
    )


def rabbitmq_conf() -> str:
    """A broker that pauses itself in a minority, within the memory of a lab."""
    return """\
listeners.tcp.1 = 0.0.0.0:5672
cluster_partition_handling = pause_minority
vm_memory_high_watermark.absolute = 512MB
disk_free_limit.absolute = 200MB
log.file.level = info
"""


def keystone_conf(secrets: Secrets) -> str:
    """Identity with shared fernet keys. A database that is away is reported soon, not waited for."""
    return f"""\
[DEFAULT]
log_dir = /var/log/keystone
log_file = keystone.log

[database]
connection = {_database_url("keystone", secrets.keystone_db_password, "keystone")}
{_POOL}
[token]
provider = fernet
expiration = 14400

[fernet_tokens]
key_repository = /etc/keystone/fernet-keys

[credential]
key_repository = /etc/keystone/credential-keys

[cache]
# As with the memcached of a real deployment; within the process, so that it is no further service that can fail.
# The database is asked again after this many seconds.
enabled = true
backend = dogpile.cache.memory
expiration_time = 30

[oslo_policy]
policy_dirs = /etc/keystone/policy.d
"""


def nova_conf(layout: Layout, secrets: Secrets, node: Node) -> str:
    """The compute API alone: key pairs and flavors need no compute node."""
    rabbits = ",".join(f"{AMQP_USER}:{secrets.amqp_password}@{peer.address}:5672" for peer in layout.nodes)
    return f"""\
[DEFAULT]
my_ip = {node.address}
log_dir = /var/log/nova
log_file = nova-api.log
state_path = /var/lib/nova
enabled_apis = osapi_compute
transport_url = rabbit://{rabbits}/

[api]
auth_strategy = keystone

[api_database]
connection = {_database_url("nova", secrets.nova_db_password, "nova_api")}
{_POOL}
[database]
connection = {_database_url("nova", secrets.nova_db_password, "nova")}
{_POOL}
[keystone_authtoken]
www_authenticate_uri = {KEYSTONE_URL}
auth_url = {KEYSTONE_URL}
auth_type = password
project_domain_name = Default
user_domain_name = Default
project_name = service
username = nova
password = {secrets.nova_password}
region_name = {REGION}
http_connect_timeout = 6
http_request_max_retries = 3

[oslo_concurrency]
lock_path = /var/lib/nova/tmp

[oslo_messaging_rabbit]
kombu_reconnect_delay = 0.5

[oslo_policy]
policy_dirs = /etc/nova/policy.d

[wsgi]
api_paste_config = /etc/nova/api-paste.ini
"""


def dashboard_settings(secrets: Secrets) -> str:
    """Horizon's last word: sessions live in signed cookies, so that every dashboard accepts every session."""
    return f"""\
ALLOWED_HOSTS = ["*"]
SECRET_KEY = {secrets.horizon_key!r}
OPENSTACK_KEYSTONE_URL = {KEYSTONE_URL!r}
SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"
CACHES = {{"default": {{"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}}}
"""


_POOL = """\
max_pool_size = 5
max_overflow = 10
connection_recycle_time = 300
max_retries = 2
retry_interval = 1
"""


def _database_url(user: str, password: str, database: str) -> str:
    return f"mysql+pymysql://{user}:{password}@127.0.0.1:{DATABASE_PORT}/{database}?charset=utf8&connect_timeout=5"


def _keys(folder: str, keys: tuple[str, ...]) -> tuple[File, ...]:
    return tuple(
        File(f"{folder}/{number}", key.encode(), "keystone", "keystone", 0o400) for number, key in enumerate(keys)
    )


def _packet(payload: bytes, sequence: int) -> bytes:
    return len(payload).to_bytes(3, "little") + bytes([sequence]) + payload
