"""Whether the database that an OpenStack service is configured for can be used, with the service's own credentials."""

from __future__ import annotations

import sys

from quorate.lib.rc import OcfError
from quorate.lib.secret_file import refuse_open

TYPE_CHECKING = False
if TYPE_CHECKING:
    from quorate.lib.host import Host

# Debian's packages; the launcher runs without site-packages, which only the deep checks need.
DIST_PACKAGES = "/usr/lib/python3/dist-packages"


class Connection:
    """One ``[section] connection = mysql+pymysql://user:password@host:port/name`` of a service's configuration."""

    __slots__ = ("database", "host", "password", "port", "section", "user")

    def __init__(self, section: str, user: str, password: str, host: str, port: int, database: str) -> None:
        self.section = section
        self.user = user
        self.password = password
        self.host = host
        self.port = port
        self.database = database

    @property
    def where(self) -> str:
        """The place, without the credentials: this goes into reasons and logs."""
        return f"the database {self.database} at {self.host}:{self.port} ([{self.section}])"


def parse_url(section: str, url: str) -> Connection | None:
    """The MySQL connection that SQLAlchemy would make of *url*; None for another database or an unreadable URL.

    Not by urllib: it takes a '/' or '#' in a password for the end of the host, and quotes what it cannot read.
    """
    from urllib.parse import unquote

    scheme, slashes, rest = url.partition("://")
    if not slashes or not scheme.startswith("mysql"):
        return None
    login, at, place = rest.partition("@")
    if not at:
        login, place = "", rest
    user, _, password = login.partition(":")
    place, _, database = place.partition("/")
    host, _, port = place.partition(":")
    port = port or "3306"
    if not host or not (port.isascii() and port.isdecimal() and 0 < int(port[:6]) < 65536):
        return None
    return Connection(section, unquote(user), unquote(password), host, int(port), database.partition("?")[0])


def connections(text: str, sections: tuple[str, ...]) -> list[Connection]:
    """The MySQL connections that *text* (an oslo.config file) names in *sections*; others are left out."""
    from configparser import Error, RawConfigParser

    parser = RawConfigParser(strict=False, interpolation=None, allow_no_value=True)
    try:
        parser.read_string(text)
    except Error:
        return []
    found = [parse_url(section, parser.get(section, "connection", fallback="") or "") for section in sections]
    return [connection for connection in found if connection]


def database_problem(host: Host, config: str, sections: tuple[str, ...], timeout: float, deep: bool) -> str:
    """What keeps the service from its databases, or the empty string; never the credentials.

    *deep* logs in and asks ``SELECT 1``, and tells of a configuration that cannot be used. Otherwise a greeting on
    the connection is enough, and only a database that is seen to be gone is a problem: this excuses a service that
    hangs, and a file's mode does not.
    """
    try:
        refuse_open(host, config, "config")
        text = host.files.read(config).decode("utf-8", "replace")
    except OcfError as error:
        return error.reason if deep else ""
    except OSError as error:
        return (
            "" if not deep else f"its configuration {config} cannot be read: {(error.strerror or str(error)).lower()}"
        )
    for connection in connections(text, sections):
        problem = _ask(connection, timeout) if deep else _greet(host, connection, timeout)
        if problem:
            return f"{connection.where} {problem}"
    return ""


def _greet(host: Host, connection: Connection, timeout: float) -> str:
    from socket import gethostbyname

    try:
        sock = host.connect((gethostbyname(connection.host), connection.port), timeout)
    except (OSError, UnicodeError) as error:
        return f"does not accept connections: {(getattr(error, 'strerror', '') or str(error)).lower()}"
    try:
        sock.settimeout(timeout)
        # A front end (haproxy) accepts for a database that is gone, and then closes.
        return "" if sock.recv(5) else "closes the connection without a greeting"
    except OSError:
        return f"does not greet within {timeout:.0f} s"
    finally:
        sock.close()


def _ask(connection: Connection, timeout: float) -> str:
    if DIST_PACKAGES not in sys.path:
        sys.path.append(DIST_PACKAGES)
    try:
        import pymysql
    except ImportError:
        return "cannot be checked: python3-pymysql is not installed"
    seconds = max(1, round(timeout))
    try:
        link = pymysql.connect(
            host=connection.host,
            port=connection.port,
            user=connection.user,
            password=connection.password,
            database=connection.database,
            connect_timeout=seconds,
            read_timeout=seconds,
            write_timeout=seconds,
        )
        with link, link.cursor() as cursor:
            cursor.execute("SELECT 1")
            cursor.fetchall()
    except pymysql.MySQLError as error:
        words = error.args[1] if len(error.args) > 1 else error
        return f"does not work: {words}"
    except (OSError, RuntimeError, UnicodeError) as error:
        # pymysql's own demands: a login method that needs another package, a host name that is none.
        return f"cannot be asked: {type(error).__name__}"
    return ""
