"""The shapes of a partition, over clusters of every size that a lab has."""

from __future__ import annotations

import random
from itertools import combinations, permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quorate.lab.faults import shapes
from quorate.lab.faults.shapes import SHAPES, Shape

clusters = st.integers(2, 7).map(lambda count: [f"n{number}" for number in range(1, count + 1)])
SYMMETRIC = (shapes.ISOLATE, shapes.HALVES, shapes.BRIDGE, shapes.SHATTER)


def reaches(nodes: list[str], cut: frozenset[shapes.Pair], one: str, other: str) -> bool:
    """Whether the two can talk to each other directly."""
    return not {(one, other), (other, one)} & cut


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)
@given(nodes=clusters, seed=st.integers())
def test_cuts_only_between_different_nodes_of_the_cluster(shape: Shape, nodes: list[str], seed: int) -> None:
    random.Random(seed).shuffle(nodes)
    for source, destination in shape.cut(nodes):
        assert source != destination
        assert {source, destination} <= set(nodes)


@pytest.mark.parametrize("shape", SYMMETRIC, ids=lambda shape: shape.name)
@given(nodes=clusters)
def test_is_symmetric(shape: Shape, nodes: list[str]) -> None:
    cut = shape.cut(nodes)
    assert cut == frozenset((destination, source) for source, destination in cut)


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)
def test_cuts_something_between_three_nodes(shape: Shape) -> None:
    assert shape.cut(["n1", "n2", "n3"])


@given(nodes=clusters)
def test_isolate_leaves_the_others_alone(nodes: list[str]) -> None:
    cut = shapes.isolate(nodes)
    assert all(not reaches(nodes, cut, nodes[0], other) for other in nodes[1:])
    assert all(reaches(nodes, cut, one, other) for one, other in combinations(nodes[1:], 2))


@given(nodes=clusters)
def test_halves_are_two_components_and_at_most_one_is_a_majority(nodes: list[str]) -> None:
    cut = shapes.halves(nodes)
    small, large = nodes[: len(nodes) // 2], nodes[len(nodes) // 2 :]
    assert len(small) <= len(large)
    assert cut == shapes.between(small, large)


@given(nodes=clusters)
def test_deaf_and_mute_are_one_direction_each_and_together_an_isolation(nodes: list[str]) -> None:
    deaf, mute = shapes.deaf(nodes), shapes.mute(nodes)
    assert {destination for _, destination in deaf} == {nodes[0]} == {source for source, _ in mute}
    assert not deaf & mute
    assert deaf | mute == shapes.isolate(nodes)


@given(nodes=clusters)
def test_everybody_reaches_the_bridge(nodes: list[str]) -> None:
    cut = shapes.bridge(nodes)
    assert all(reaches(nodes, cut, nodes[-1], other) for other in nodes[:-1])
    if len(nodes) == 3:
        assert cut == {("n1", "n2"), ("n2", "n1")}


@given(nodes=clusters)
def test_shatter_is_every_pair(nodes: list[str]) -> None:
    assert shapes.shatter(nodes) == frozenset(permutations(nodes, 2))
