"""Typed parameters: what is taken, what is refused and in which words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quorate.agents.peers import parse_peers
from quorate.agents.registry import AGENTS
from quorate.lib.declare import Parameter
from quorate.lib.params import Params, parse_time, problem_with
from quorate.lib.rc import ERR_CONFIGURED, OcfError

PORT = Parameter("port", "integer", "80", shortdesc="p", minimum=1, maximum=65535)
LEAST = Parameter("least", "integer", "80", shortdesc="p", minimum=1)
MOST = Parameter("most", "integer", "8", shortdesc="p", maximum=9)
WAIT = Parameter("wait", "time", "10s", shortdesc="w", minimum=1, maximum=300)
FLAG = Parameter("flag", "boolean", "false", shortdesc="f")
MODE = Parameter("mode", "select", "all", shortdesc="m", choices=("all", "none"))
NAME = Parameter("name", required=True, shortdesc="n")
ALL = (PORT, LEAST, MOST, WAIT, FLAG, MODE, NAME)


def read(**given_values: str) -> Params:
    return Params(ALL, {"name": "x", **given_values})


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("10", 10),
        ("10s", 10),
        ("10 s", 10),
        ("10S", 10),
        ("500ms", 0.5),
        ("2m", 120),
        ("2min", 120),
        ("1h", 3600),
        ("1.5s", 1.5),
        ("0", 0),
    ],
)
def test_times_that_are_understood(text: str, seconds: float) -> None:
    assert parse_time(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "text", ["", "s", "-5s", "+5s", "1e3", "nan", "inf", "1_0", "5 parsecs", "1s2m", "1.2.3", ".", "0x10", "5d"]
)
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"^"):
        parse_time(text)


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("port", "http", "parameter port must be an integer, not 'http'"),
        ("port", "5000.0", "parameter port must be an integer, not '5000.0'"),
        ("port", "1_000", "parameter port must be an integer, not '1_000'"),
        ("port", " 80", "parameter port must be an integer, not ' 80'"),
        ("port", "٣", "parameter port must be an integer, not '٣'"),
        ("port", "-", "parameter port must be an integer, not '-'"),
        ("port", "0", "parameter port must be between 1 and 65535, not 0"),
        ("port", "65536", "parameter port must be between 1 and 65535, not 65536"),
        ("port", "-1", "parameter port must be between 1 and 65535, not -1"),
        ("least", "0", "parameter least must be at least 1, not 0"),
        ("most", "10", "parameter most must be at most 9, not 10"),
        ("wait", "soon", "parameter wait must be a time such as 10s, 500ms or 2m, not 'soon'"),
        ("wait", "999ms", "parameter wait must be between 1s and 300s, not 999ms"),
        ("wait", "301", "parameter wait must be between 1s and 300s, not 301"),
        ("flag", "perhaps", "parameter flag must be true or false, not 'perhaps'"),
        ("mode", "ALL", "parameter mode must be one of all, none, not 'ALL'"),
        ("name", "", "parameter name is required and has no value"),
    ],
)
def test_a_bad_value_is_refused_in_one_sentence_that_names_it(name: str, value: str, sentence: str) -> None:
    with pytest.raises(OcfError) as refused:
        read(**{name: value})
    assert refused.value.rc == ERR_CONFIGURED
    assert refused.value.reason == sentence


def test_good_values_are_typed() -> None:
    params = read(port="8080", wait="2m", flag="Yes", mode="none")
    assert (params.number("port"), params.seconds("wait"), params.flag("flag")) == (8080, 120, True)
    assert (params.text("mode"), params.number("least")) == ("none", 80)


@pytest.mark.parametrize("text", ["true", "TRUE", "yes", "on", "1", "y"])
def test_words_for_true(text: str) -> None:
    assert read(flag=text).flag("flag")


@pytest.mark.parametrize("text", ["false", "No", "off", "0", "n"])
def test_words_for_false(text: str) -> None:
    assert not read(flag=text).flag("flag")


def test_lenient_reading_falls_back_to_the_default() -> None:
    params = Params(ALL, {"port": "http", "wait": "soon", "mode": "?", "flag": "?"}, lenient=True)
    assert params.number("port") == 80
    assert params.seconds("wait") == 10
    assert params.text("mode") == "all"
    assert params.text("name") == ""


@given(st.dictionaries(st.sampled_from([p.name for p in ALL]), st.text(max_size=40)))
def test_lenient_reading_never_fails(values: dict[str, str]) -> None:
    params = Params(ALL, values, lenient=True)
    assert 1 <= params.number("port") <= 65535
    assert 1 <= params.seconds("wait") <= 300
    assert params.text("mode") in ("all", "none")


@given(st.sampled_from(ALL), st.text(min_size=1, max_size=40))
def test_a_value_is_either_typed_or_refused_by_name(parameter: Parameter, text: str) -> None:
    refusal = ""
    try:
        params = Params((parameter,), {parameter.name: text})
    except OcfError as error:
        refusal = error.reason
    if refusal:
        assert refusal.startswith(f"parameter {parameter.name} must be ")
    elif parameter.type == "integer":
        assert isinstance(params.number(parameter.name), int)
    elif parameter.type == "time":
        assert parameter.minimum <= params.seconds(parameter.name) <= parameter.maximum  # type: ignore[operator]


def test_a_number_of_any_length_is_refused_and_never_stops_a_stop() -> None:
    # int() refuses more than 4300 digits with a ValueError.
    digits = "9" * 5000
    assert problem_with(PORT, digits)
    assert Params((PORT,), {"port": digits}, lenient=True).number("port") == 80


@pytest.mark.parametrize("agent", AGENTS, ids=lambda a: a.name)
def test_every_default_is_a_good_value(agent: type) -> None:
    for parameter in agent.parameters:
        if parameter.default:
            assert problem_with(parameter, parameter.default) == ""
        if parameter.type in ("integer", "time", "boolean", "select"):
            assert parameter.default, f"{parameter.name}: a typed parameter without default reads as nothing on a stop"


def test_peers_keep_their_order() -> None:
    assert list(parse_peers(" n2=10.0.0.2  n1=10.0.0.1 ").items()) == [("n2", "10.0.0.2"), ("n1", "10.0.0.1")]


@pytest.mark.parametrize(
    ("text", "words"),
    [("n1", "'n1'"), ("n1=", "'n1='"), ("=10.0.0.1", "'=10.0.0.1'"), ("n1=a n1=b", "names n1 twice")],
)
def test_bad_peers_are_refused(text: str, words: str) -> None:
    with pytest.raises(OcfError) as refused:
        parse_peers(text)
    assert refused.value.rc == ERR_CONFIGURED
    assert refused.value.reason.startswith("parameter peers ")
    assert words in refused.value.reason
