from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto.errors import MalformedProofError
from crypto.merkle import EMPTY_ROOT, RightEdge
from crypto.range_proof import RangeRoot, gap_nodes

_ENTRIES = [bytes([number]) * 32 for number in range(80)]


def node(level: int, index: int) -> bytes:
    """Root of a complete subtree, by growing a tree of its entries alone."""
    return RightEdge().extend(_ENTRIES[index << level : (index + 1) << level]).root


def gaps(chosen: list[int], size: int) -> Iterator[tuple[int, int]]:
    """What lies between the chosen entries, and behind the last one."""
    at = 0
    for index in [*chosen, size]:
        if index > at:
            yield at, index
        at = index + 1


@given(st.integers(1, len(_ENTRIES)).flatmap(
    lambda size: st.tuples(st.just(size), st.sets(st.integers(0, size - 1)))
))  # fmt: skip
def test_any_entries_and_the_gaps_between_give_the_root(
    case: tuple[int, set[int]],
) -> None:
    """Whatever entries are held, the nodes of the gaps are enough, and all needed."""
    size, held = case
    chosen = sorted(held)
    nodes = iter(
        [node(*each) for gap in gaps(chosen, size) for each in gap_nodes(*gap)]
    )
    tree = RangeRoot()
    for index in chosen:
        tree.take_gap(index, nodes)
        tree.take_entries([_ENTRIES[index]])
    tree.take_gap(size, nodes)

    assert tree.size == size
    assert tree.root == RightEdge().extend(_ENTRIES[:size]).root
    assert next(nodes, None) is None


def test_gaps_are_cut_in_one_way() -> None:
    """The largest complete subtree first, none beyond the gap."""
    assert list(gap_nodes(3, 11)) == [(0, 3), (2, 1), (1, 4), (0, 10)]
    assert list(gap_nodes(0, 7)) == [(2, 0), (1, 2), (0, 6)]
    assert list(gap_nodes(5, 5)) == []
    assert RangeRoot().root == EMPTY_ROOT


@pytest.mark.parametrize("nodes", [[], [b"short"], [bytes(33)]])
def test_a_proof_that_lacks_a_node_is_refused(nodes: list[bytes]) -> None:
    """A gap needs all of its nodes, each of 32 bytes."""
    with pytest.raises(MalformedProofError, match="lacks a node"):
        RangeRoot().take_gap(3, iter(nodes))
