"""An engine that cannot be used is one sentence, and a command's output is taken apart as it comes."""

from __future__ import annotations

import socket
import time

import docker.errors
import pytest

from quorate.lab import engine, remote
from quorate.lib.problem import Unavailable


def test_no_engine_says_what_to_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nonexistent/docker.sock")
    with pytest.raises(Unavailable, match=r"no Docker engine answers at unix:///nonexistent.*`make engine`"):
        engine.connect()


def test_a_refused_port_is_no_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:1")
    with pytest.raises(Unavailable, match=r"no Docker engine answers at tcp://127\.0\.0\.1:1"):
        engine.connect()


def test_a_wrong_address_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "nonsense://x")
    with pytest.raises(Unavailable, match="nonsense://x"):
        engine.connect()


def test_permission_is_told_apart() -> None:
    cause = PermissionError(13, "Permission denied")
    error = docker.errors.DockerException("Error while fetching server API version", cause)
    assert "no permission to use the Docker engine at X" in engine.refusal("X", error)


def frame(stream: int, data: bytes) -> bytes:
    return bytes([stream, 0, 0, 0]) + len(data).to_bytes(4, "big") + data


@pytest.mark.parametrize("size", [1, 3, 8, 1000])
def test_output_is_taken_apart_however_it_arrives(size: int) -> None:
    sent = frame(1, b"out one ") + frame(2, b"err") + frame(1, b"") + frame(1, b"out two")
    ours, theirs = socket.socketpair()
    with ours, theirs:
        for start in range(5, len(sent), size):
            theirs.sendall(sent[start : start + size])
        theirs.close()
        assert remote._demultiplex(ours, sent[:5], time.monotonic() + 5) == (b"out one out two", b"err")


def test_silence_ends_at_the_deadline() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs, pytest.raises(TimeoutError):
        remote._demultiplex(ours, b"", time.monotonic() + 0.05)
