#!/bin/bash
# Prepare this machine for Quorate's lab: what apt must provide, and an answering Docker engine.
#
#   lab/setup.sh packages    install with apt what is missing
#   lab/setup.sh engine      packages, then start the Docker engine if none answers
#
# Idempotent: what is there already is used as it is. Nothing is retried silently.
# DOCKER_HOST is respected: an engine named there is used, and never started or changed by this script.
set -euo pipefail

readonly ENGINE_PACKAGES=(docker.io iptables)
readonly PACKAGES=(debootstrap ca-certificates pacemaker-cli-utils crmsh libxml2-utils python3-venv)
readonly SOCKET=/var/run/docker.sock
readonly PID_FILES=(/var/run/docker.pid /var/run/docker/containerd/containerd.pid)
readonly DEADLINE=60 # seconds until a started engine must answer

if [ "$(id -u)" = 0 ]; then LOG=/var/log/quorate-dockerd.log; else LOG=; fi

say() { printf 'setup: %s\n' "$*"; }
die() {
    printf 'setup: %s\n' "$*" >&2
    exit 3
}

need_root() {
    [ "$(id -u)" = 0 ] || die "$1 needs root: run this as root, or have an administrator do it once"
}

installed() {
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

install_missing() {
    local package missing=()
    for package in "$@"; do
        # An engine or library that came from elsewhere than Debian's package counts as present.
        case $package in
        docker.io) command -v dockerd >/dev/null 2>&1 && continue ;;
        esac
        installed "$package" || missing+=("$package")
    done
    if [ ${#missing[@]} = 0 ]; then
        say "packages: all present ($*)"
        # The images are made from the sources that apt knows here; without lists it knows none.
        if [ -z "$(apt-get indextargets 2>/dev/null)" ] && [ "$(id -u)" = 0 ]; then
            apt-get -q update || die "apt-get update failed: see the lines above"
        fi
        return
    fi
    need_root "installing ${missing[*]}"
    command -v apt-get >/dev/null || die "there is no apt-get here to install ${missing[*]}: install them by hand"
    say "packages: installing ${missing[*]}"
    export DEBIAN_FRONTEND=noninteractive
    apt-get -q update || die "apt-get update failed: see the lines above"
    # policy-rc.d: installing must not start services behind our back (the engine is started below).
    local policy=/usr/sbin/policy-rc.d ours=
    if [ ! -e $policy ]; then
        printf '#!/bin/sh\nexit 101\n' >$policy
        chmod 755 $policy
        ours=yes
        # shellcheck disable=SC2064  # expanded now on purpose: $policy is local
        trap "rm -f $policy" EXIT
    fi
    apt-get -q -y --no-install-recommends install "${missing[@]}" ||
        die "apt-get could not install ${missing[*]}: see the lines above"
    # The tools of pacemaker bring its daemons along; this machine is not to become a cluster node at its next boot.
    if [ -d /run/systemd/system ] && [[ " ${missing[*]} " == *" pacemaker-cli-utils "* ]]; then
        systemctl disable --quiet pacemaker corosync 2>/dev/null || true
    fi
    if [ -n "$ours" ]; then
        rm -f $policy
        trap - EXIT
    fi
}

# The engine's answer to one /_ping; prints nothing. 0 answers, 1 nobody there, 2 not allowed.
ping_engine() {
    python3 - <<'PYTHON'
import os, socket, sys

def connect():
    host = os.environ.get("DOCKER_HOST") or "unix:///var/run/docker.sock"
    scheme, _, rest = host.partition("://")
    if scheme == "unix":
        link = socket.socket(socket.AF_UNIX)
        link.settimeout(5)
        link.connect(rest)
    else:
        name, _, port = rest.rstrip("/").rpartition(":")
        link = socket.create_connection((name.strip("[]") or rest, int(port or 2375)), 5)
    return link

try:
    link = connect()
    if os.environ.get("DOCKER_TLS_VERIFY"):
        sys.exit(0)  # it listens; the certificates are the client's affair
    link.sendall(b"GET /_ping HTTP/1.0\r\nHost: engine\r\n\r\n")
    sys.exit(0 if b" 200 " in link.recv(64) else 1)
except PermissionError:
    sys.exit(2)
except (OSError, ValueError):
    sys.exit(1)
PYTHON
}

remove_stale_pid_files() {
    local file pid
    for file in "${PID_FILES[@]}"; do
        [ -e "$file" ] || continue
        pid=$(tr -dc 0-9 <"$file")
        # The name is compared too: after a reboot the number may belong to somebody else.
        if [ -n "$pid" ] && [[ "$(cat "/proc/$pid/comm" 2>/dev/null)" =~ ^(dockerd|containerd)$ ]]; then
            die "process $pid ($(cat "/proc/$pid/comm")) is running but does not answer on $SOCKET: see its log, or stop it"
        fi
        say "engine: removing the stale pid file $file"
        rm -f "$file"
    done
}

last_log_lines() {
    printf 'setup: last lines of %s:\n' "$LOG" >&2
    tail -n 15 "$LOG" >&2 || true
}

start_engine() {
    local rc=0 pid waited
    ping_engine || rc=$?
    case $rc in
    0)
        say "engine: one answers at ${DOCKER_HOST:-unix://$SOCKET}"
        return
        ;;
    2) die "you have no permission to use the Docker engine at ${DOCKER_HOST:-unix://$SOCKET}: run as root or join the group 'docker'" ;;
    esac
    [ -z "${DOCKER_HOST:-}" ] || die "no Docker engine answers at DOCKER_HOST=$DOCKER_HOST, and an engine named there is not ours to start"
    need_root "starting the Docker engine"
    install_missing "${ENGINE_PACKAGES[@]}"
    if [ -d /run/systemd/system ] && systemctl cat docker.service >/dev/null 2>&1; then
        say "engine: starting docker.service"
        systemctl start docker.service || die "docker.service did not start: see journalctl -u docker"
    else
        remove_stale_pid_files
        say "engine: starting dockerd (log: $LOG)"
        # Detached, with all three streams redirected: whoever waits for our output must not wait for dockerd.
        setsid dockerd --host "unix://$SOCKET" </dev/null >>"$LOG" 2>&1 &
        pid=$!
        disown "$pid"
    fi
    for ((waited = 0; waited < DEADLINE * 5; waited++)); do
        if ping_engine; then
            say "engine: answers after $((waited / 5)) s"
            return
        fi
        if [ -n "${pid:-}" ] && ! kill -0 "$pid" 2>/dev/null; then
            last_log_lines
            die "dockerd ended while starting"
        fi
        sleep 0.2
    done
    [ -z "${pid:-}" ] || last_log_lines
    die "the Docker engine did not answer within $DEADLINE s"
}

case "${1:-}" in
packages) install_missing "${PACKAGES[@]}" ;;
engine)
    install_missing "${PACKAGES[@]}"
    start_engine
    ;;
*)
    echo "usage: ${0##*/} packages | engine" >&2
    exit 2
    ;;
esac
