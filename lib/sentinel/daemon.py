"""The daemon itself: one loop that hears of everything and decides it, and the program's two commands.

The looks and the telling have threads of their own, which only bring what they saw; all that is known and decided is
the main thread's.
"""

from __future__ import annotations

import gc
import os
import select
import signal
import sys
from collections import deque

from quorate.lib.attributes import ENVIRONMENT
from quorate.lib.host import RealHost
from quorate.lib.log import Log
from quorate.lib.process import Record, look_recorded
from quorate.lib.sentinel import door, records, status, telling
from quorate.lib.sentinel.cluster import Cluster
from quorate.lib.sentinel.deaths import INTERVAL, Deaths
from quorate.lib.sentinel.door import Door, Occupied
from quorate.lib.sentinel.foreign import main_process
from quorate.lib.sentinel.judgement import Judgement
from quorate.lib.sentinel.looks import Looker
from quorate.lib.sentinel.records import Refused, Watched, named
from quorate.lib.sentinel.rounds import Rounds
from quorate.lib.sentinel.status import Entry
from quorate.lib.sentinel.telling import Outcome, Telling

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from quorate.lib.agent import Agent
    from quorate.lib.host import Host
    from quorate.lib.sentinel.judgement import Incident, Key
    from quorate.lib.sentinel.looks import Look

NAME = "quorate-sentinel"
USAGE = f"usage: {NAME} {{daemon [--watch RESOURCE=PIDFILE]... [--metrics PORT] | status [--json]}}\n"
RUN = records.SOCKET.rpartition("/")[0]

# Seconds: between two ticks of the loop, and by how much one may be late before the daemon mistrusts its own eyes.
TICK, LATE = 1.0, 0.5
# Seconds between two looks at what has no event: pid files, the records' folder, the socket; and between two readings
# of the folder even though it looks unchanged.
ROUND, REREAD = 1.0, 30.0
# Lateness is mentioned this often at most (seconds).
MENTION = 60.0


class Sentinel:
    """Everything of one daemon. *run* is its folder, *path* where the cluster's commands are, *foreign* pid files."""

    def __init__(
        self,
        host: Host,
        log: Log,
        load: Callable[[str], type[Agent]],
        *,
        run: str = RUN,
        path: str = ENVIRONMENT["PATH"],
        foreign: dict[str, str] | None = None,
        metrics: int = 0,
    ) -> None:
        self._host = host
        self._log = log
        self._load = load
        self._run = run
        self._folder = run + records.FOLDER.removeprefix(RUN)
        self._socket = run + records.SOCKET.removeprefix(RUN)
        self._foreign = foreign or {}
        self._metrics_port = metrics
        self._since = host.clock.time()
        self._judgement = Judgement()
        self._watched: dict[str, Watched] = {}
        self._entries: deque[Entry] = deque(maxlen=status.KEPT)
        # What the threads bring.
        self._brought: deque[Look | Outcome | None] = deque()
        self._wake_read, self._wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._poll = select.poll()
        self._poll.register(self._wake_read, select.POLLIN)
        self._deaths = Deaths(host, self._poll)
        self._cluster = Cluster(path)
        self._rounds = Rounds(host.clock, self._bring_look)
        self._telling = Telling(
            self._cluster,
            host.clock,
            log,
            stands=self._stands,
            settles=lambda incident: self._is_foreign(incident.key[0]),
            report=self._bring,
        )
        self._door: Door | None = None
        self._metrics: Door | None = None
        self._socket_id = (0, 0)
        self._folder_id = (0, 0, 0)
        self._reread_at = 0.0
        self._refused: dict[str, str] = {}
        self._said: set[str] = set()
        self._mentioned = float("-inf")
        self._ending = False
        self._failed = False

    # --- beginning and end

    def open(self) -> None:
        """Make the folder, take the socket. Raises OSError, or Occupied if another sentinel has it."""
        self._make_folder()
        self._open_door()
        if self._metrics_port:
            try:
                listener = door.listen_loopback(self._metrics_port)
            except OSError as error:
                # Nobody's service depends on figures.
                self._log.error(f"no metrics: cannot listen at port {self._metrics_port}: {error.strerror}")
            else:
                self._metrics = Door(self._poll, listener, door.whole_head, lambda r: door.http(r, self._metrics_page))

    def end(self, *_: object) -> None:
        """Let ``serve`` return. May be called by a signal's handler."""
        self._ending = True

    def serve(self) -> int:
        """The loop; returns the exit status when it is to end."""
        signal.set_wakeup_fd(self._wake_write, warn_on_full_buffer=False)
        self._telling.start()
        self._rounds.start()
        clock = self._host.clock
        self._round(clock.monotonic())
        # What there is now stays: the collector need not look at it again.
        gc.collect()
        gc.freeze()
        tick = clock.monotonic() + TICK
        round_at = clock.monotonic() + ROUND
        while not self._ending:
            patience = max(0.0, tick - clock.monotonic())
            doors = [each for each in (self._door, self._metrics) if each is not None and each.busy]
            # Those at the door have their second, not until the next tick.
            events = self._poll.poll(min(patience, INTERVAL if doors else TICK) * 1000)
            now = clock.monotonic()
            try:
                if now > tick + LATE:
                    self._late(now)
                fds = [fd for fd, _ in events]
                # Before anything else can close a descriptor and another take its number.
                for key in self._deaths.ended(fds):
                    self._died(key, now)
                self._hand_over()
                for fd in fds:
                    self._event(fd, now)
                for each in doors:
                    each.expire(now)
                if now >= tick:
                    self._tick(now)
                    if now >= round_at:
                        round_at = now + ROUND
                        self._round(now)
                self._hand_over()
            except Exception as error:
                import traceback

                self._say_once(f"unexpected {type(error).__name__} in the loop\n{traceback.format_exc()}")
                # Whatever it was may be there again at once.
                clock.sleep(0.05)
            if now >= tick:
                tick = now + (INTERVAL if self._deaths.looking else TICK)
        return 1 if self._failed else 0

    def close(self) -> None:
        signal.set_wakeup_fd(-1)
        if self._metrics is not None:
            self._metrics.close()
        if self._door is not None:
            self._door.close()
            if _identity(self._socket) == self._socket_id:
                self._host.files.remove(self._socket)

    # --- what happens

    def _event(self, fd: int, now: float) -> None:
        if fd == self._wake_read:
            try:
                while os.read(self._wake_read, 4096):
                    pass
            except BlockingIOError:
                pass
            self._take_brought()
        elif self._door is not None and fd in self._door:
            self._door.handle(fd, now)
        elif self._metrics is not None and fd in self._metrics:
            self._metrics.handle(fd, now)

    def _tick(self, now: float) -> None:
        if self._deaths.looking:
            for key in self._deaths.look():
                self._died(key, now)
        self._take_brought()
        self._judgement.tick(now)
        for each in (self._door, self._metrics):
            if each is not None:
                each.expire(now)

    def _round(self, now: float) -> None:
        """Look at what sends no event."""
        if self._socket_id != _identity(self._socket) and not self._ending:
            self._restore()
        if self._folder_id != _identity_and_time(self._folder) or now >= self._reread_at:
            self._reread(now)
        for instance, path in self._foreign.items():
            known = self._watched.get(instance)
            if known is not None and known.agent:
                # An agent of ours has registered it: that says more.
                continue
            process = main_process(self._host, path)
            if process is not None:
                self._watch(Watched(instance, "", process.pid, process.start, {}), now)

    def _late(self, now: float) -> None:
        self._judgement.late(now)
        if now - self._mentioned > MENTION:
            self._mentioned = now
            self._log.info("this daemon was not let run in time: what it saw of services is forgotten")

    def _died(self, key: Key, now: float) -> None:
        self._judgement.died(key, now)
        self._rounds.leave(key[0])

    # --- what the threads bring

    def _bring(self, what: Look | Outcome | None) -> None:
        """From another thread: something for the loop to hear now."""
        self._brought.append(what)
        self._wake()

    def _bring_look(self, look: Look | None) -> None:
        """From another thread. What is well and was well can wait for the next tick."""
        self._brought.append(look)
        subject = self._judgement.subjects.get(look.key[0]) if look is not None else None
        if look is None or look.seen or look.gone or subject is None or subject.misses or subject.left:
            self._wake()

    def _wake(self) -> None:
        try:
            os.write(self._wake_write, b"\0")
        except BlockingIOError:
            # It is full of wakes already.
            pass

    def _take_brought(self) -> None:
        now = self._host.clock.monotonic()
        while self._brought:
            what = self._brought.popleft()
            if what is None:
                self._late(now)
            elif isinstance(what, Outcome):
                self._outcome(what, now)
            elif what.gone:
                known = self._watched.get(what.key[0])
                if known is not None and known.key == what.key:
                    self._deaths.drop(what.key)
                    self._died(what.key, now)
            else:
                self._judgement.looked(
                    what.key, what.started, now, what.seen, silent=what.silent, patience=what.patience
                )

    def _outcome(self, outcome: Outcome, now: float) -> None:
        incident, instance = outcome.incident, outcome.incident.key[0]
        entry = next((each for each in self._entries if each.incident is incident), None)
        said = outcome.what if not outcome.reason else f"{outcome.what}: {outcome.reason}"
        again = entry is not None and entry.told == said
        if entry is not None:
            entry.told = said
        if outcome.what == telling.TOLD:
            self._judgement.told(incident, now)
            known = self._watched.get(instance)
            if known is not None and known.key == incident.key:
                self._rounds.leave(instance)
            self._log.warning(f"{instance}: {incident.why}; Pacemaker was told {now - incident.at:.3f} s later")
        elif outcome.what == telling.DROPPED:
            self._judgement.dropped(incident)
        elif outcome.what == telling.FAILED:
            self._judgement.untold(incident, now)
            if not again:
                self._log.error(f"{instance}: {incident.why}, but telling Pacemaker failed: {outcome.reason}")
        else:
            self._judgement.withheld(incident, now, again=outcome.again)
            if not again:
                self._log.info(f"{instance}: {incident.why}; not told to Pacemaker: {outcome.reason}")

    def _hand_over(self) -> None:
        """Give what was decided to the teller and to the log."""
        judgement = self._judgement
        while judgement.reports:
            incident = judgement.reports.pop(0)
            self._telling.put(incident)
            if all(entry.incident is not incident for entry in self._entries):
                self._entries.append(Entry(self._host.clock.time(), incident))
        while judgement.notices:
            self._log.warning(judgement.notices.pop(0))

    def _stands(self, incident: Incident) -> bool:
        """From the teller's thread: whether the disk still says that this incarnation is meant to run.

        And whether it is dead indeed, if that is what would be told.
        """
        instance, pid, start = incident.key
        if incident.death and look_recorded(self._host, Record(pid, start)) is not None:
            return False
        if self._is_foreign(instance):
            process = main_process(self._host, self._foreign[instance])
            return process is None or (instance, process.pid, process.start) == incident.key
        try:
            record = records.read(self._folder, instance)
        except Refused:
            return False
        return record is not None and record.key == incident.key

    def _is_foreign(self, instance: str) -> bool:
        known = self._watched.get(instance)
        return instance in self._foreign and known is not None and not known.agent

    # --- what is watched

    def _watch(self, record: Watched, now: float) -> None:
        known = self._watched.get(record.instance)
        if known is not None and known.said == record.said:
            return
        self._watched[record.instance] = record
        if self._judgement.watch(record.key, now):
            if known is not None:
                self._deaths.drop(known.key)
            self._rounds.leave(record.instance)
            if not self._deaths.add(record.key):
                self._judgement.died(record.key, now)
        subject = self._judgement.subjects[record.instance]
        if record.agent and not subject.dead and not subject.told:
            self._rounds.look_at(Looker(self._host, self._log, self._load, record))

    def _forget(self, instance: str) -> None:
        known = self._watched.pop(instance, None)
        if known is not None:
            self._deaths.drop(known.key)
            self._rounds.leave(instance)
        self._judgement.forget(instance)

    def _read_one(self, instance: str, now: float) -> None:
        try:
            record = records.read(self._folder, instance)
        except Refused as error:
            self._refuse(instance, error.reason)
            record = None
        else:
            self._refused.pop(instance, None)
        if record is not None:
            self._watch(record, now)
        elif not self._is_foreign(instance):
            self._forget(instance)

    def _reread(self, now: float) -> None:
        """Read every record anew: what came, what changed, what is gone."""
        self._folder_id = _identity_and_time(self._folder)
        self._reread_at = now + REREAD
        try:
            found, refused = records.read_all(self._folder)
        except Refused as error:
            found, refused = {}, {self._folder: error.reason}
        except OSError as error:
            found, refused = {}, {self._folder: f"cannot be read: {error.strerror}"}
        for name, reason in refused.items():
            self._refuse(name, reason)
        self._refused = refused
        for instance in [each for each in self._watched if each not in found and not self._is_foreign(each)]:
            self._forget(instance)
        for record in found.values():
            self._watch(record, now)

    def _refuse(self, name: str, reason: str) -> None:
        if self._refused.get(name) != reason:
            self._refused[name] = reason
            self._log.error(f"record {name} {reason}: not watched")

    # --- the folder and the socket

    def _make_folder(self) -> None:
        self._host.files.make_dir(self._run, 0o700)
        self._host.files.make_dir(self._folder, 0o700)

    def _open_door(self) -> None:
        listener = door.listen_unix(self._socket)
        self._socket_id = _identity(self._socket)
        self._door = Door(self._poll, listener, door.whole_line, self._answer)

    def _restore(self) -> None:
        """Somebody removed the socket, or all of the folder."""
        try:
            self._make_folder()
            door_before = self._door
            self._open_door()
            if door_before is not None:
                door_before.close()
            self._log.warning(f"{self._socket} was gone and is made anew")
        except Occupied:
            self._log.error(f"another sentinel has taken {self._socket}: ending")
            self._ending = self._failed = True
        except OSError as error:
            self._say_once(f"{self._socket} is gone and cannot be made anew: {error.strerror}")

    def _say_once(self, message: str) -> None:
        if message not in self._said and len(self._said) < 100:
            self._said.add(message)
            self._log.error(message)

    # --- those who ask

    def _answer(self, request: bytes) -> bytes:
        now = self._host.clock.monotonic()
        try:
            words = request.split(b"\n", 1)[0].decode("ascii").split(" ")
        except UnicodeDecodeError:
            words = []
        if words == ["ping"]:
            # Their threads are part of what makes this daemon alive.
            if not self._rounds.going(now):
                return b"error: the looks do not go on\n"
            return b"pong\n" if self._telling.alive() else b"error: nothing would be told\n"
        if words == ["status"]:
            import json

            return json.dumps(self._document()).encode() + b"\n"
        if len(words) == 2 and words[0] in ("watch", "forget"):
            if not named(words[1]):
                return b"error: that is no resource's name\n"
            if words[0] == "watch":
                self._read_one(words[1], now)
            else:
                self._forget(words[1])
            return b"ok\n"
        return b"error: ping, status, watch INSTANCE or forget INSTANCE\n"

    def _document(self) -> dict[str, Any]:
        # What the looks brought and nobody was woken for.
        self._take_brought()
        return status.document(
            self._judgement,
            {instance: record.agent for instance, record in self._watched.items()},
            self._entries,
            now=self._host.clock.monotonic(),
            pid=os.getpid(),
            node=self._cluster.known_node,
            since=self._since,
        )

    def _metrics_page(self) -> str:
        return status.metrics(self._document(), self._judgement.counts)


def _identity(path: str) -> tuple[int, int]:
    try:
        what = os.lstat(path)
    except OSError:
        return (0, 0)
    return what.st_dev, what.st_ino


def _identity_and_time(path: str) -> tuple[int, int, int]:
    try:
        what = os.lstat(path)
    except OSError:
        return (0, 0, 0)
    return what.st_dev, what.st_ino, what.st_mtime_ns


# --- the program


def main(
    argv: list[str],
    load: Callable[[str], type[Agent]],
    version: str,
    *,
    run: str = RUN,
    path: str = ENVIRONMENT["PATH"],
) -> int:
    """Run the command in *argv* (without the program's name); returns the exit status. *load* finds agents' classes."""
    if argv[:1] == ["status"] and argv[1:] in ([], ["--json"]):
        return show_status(run + records.SOCKET.removeprefix(RUN), as_json=argv[1:] == ["--json"])
    options = parse(argv[1:]) if argv[:1] == ["daemon"] else None
    if options is None:
        sys.stderr.write(USAGE)
        return 2
    foreign, metrics = options
    log = Log(NAME, dict(os.environ))
    sentinel = Sentinel(RealHost(), log, load, run=run, path=path, foreign=foreign, metrics=metrics)
    # Before anybody can hear of this daemon, and so end it.
    signal.signal(signal.SIGTERM, sentinel.end)
    signal.signal(signal.SIGINT, sentinel.end)
    try:
        sentinel.open()
    except Occupied as error:
        sys.stderr.write(f"{NAME}: another sentinel answers at {error}\n")
        return 1
    except OSError as error:
        sys.stderr.write(f"{NAME}: cannot begin: {error.filename or ''}: {error.strerror}\n")
        return 1
    log.info(f"version {version} begins")
    try:
        return sentinel.serve()
    finally:
        sentinel.close()
        log.info("ends")


def parse(arguments: list[str]) -> tuple[dict[str, str], int] | None:
    """``({resource: pid file}, port)`` of the daemon's options; None if they are none."""
    foreign: dict[str, str] = {}
    port = 0
    rest = list(arguments)
    while rest:
        option = rest.pop(0)
        value = rest.pop(0) if rest else ""
        if option == "--watch":
            resource, _, pid_file = value.partition("=")
            if not named(resource) or not pid_file.startswith("/"):
                return None
            foreign[resource] = pid_file
        elif option == "--metrics" and value.isdecimal() and int(value) < 65536:
            port = int(value)
        else:
            return None
    return foreign, port


def show_status(socket: str, *, as_json: bool) -> int:
    """Print what the daemon on this node says of itself."""
    import json

    host = RealHost()
    data = b""
    try:
        connection = host.connect(socket, 5.0)
        try:
            connection.settimeout(5.0)
            connection.sendall(b"status\n")
            while chunk := connection.recv(65536):
                data += chunk
        finally:
            connection.close()
        document = json.loads(data)
    except OSError as error:
        reason = error.strerror or str(error)
        sys.stderr.write(f"{NAME}: no sentinel answers on this node ({socket}: {reason.lower()})\n")
        return 1
    except ValueError:
        sys.stderr.write(f"{NAME}: the sentinel on this node gave no status\n")
        return 1
    sys.stdout.write(json.dumps(document, indent=2) + "\n" if as_json else status.table(document))
    return 0
