"""The Merkle tree and canonical JSON of the audit log: the RFCs' vectors, and properties."""

from __future__ import annotations

import json
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nixos_workspaces.audit.canonical import canonical
from nixos_workspaces.audit.tree import (
    EMPTY_ROOT,
    Frontier,
    consistency_ranges,
    covering,
    inclusion_ranges,
    is_consistent,
    leaf_hash,
    node_hash,
    position,
    prove,
    root_of,
    split_hashes,
)

pytestmark = pytest.mark.unit

LEAVES = [
    bytes.fromhex(text)
    for text in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS = (
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
)
"""Of the first 1 to 8 leaves, as Certificate Transparency's own tests have them."""


def grown(leaves: list[bytes]) -> tuple[list[Frontier], dict[int, bytes]]:
    """Return the tree after each leaf, and all nodes."""
    trees, nodes = [Frontier()], dict[int, bytes]()
    for leaf in leaves:
        tree, new = trees[-1].append(leaf)
        trees.append(tree)
        assert not nodes.keys() & dict(new).keys()
        nodes.update(new)
    return trees, nodes


def merkle(leaves: list[bytes]) -> bytes:
    """Return the root as RFC 6962 defines it, by recursion over all leaves."""
    if not leaves:
        return EMPTY_ROOT
    if len(leaves) == 1:
        return leaves[0]
    middle = 1
    while middle * 2 < len(leaves):
        middle *= 2
    return node_hash(merkle(leaves[:middle]), merkle(leaves[middle:]))


def test_the_known_roots() -> None:
    trees, _ = grown([leaf_hash(one) for one in LEAVES])
    assert trees[0].root().hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert [one.root().hex() for one in trees[1:]] == list(ROOTS)


def test_the_paths_of_the_rfc() -> None:
    """Section 2.1.3: seven leaves d0 to d6 with nodes a to l."""
    leaves = [leaf_hash(bytes([number])) for number in range(7)]
    trees, nodes = grown(leaves)
    a, b, c, d, e, f, j = leaves
    g, h, i = node_hash(a, b), node_hash(c, d), node_hash(e, f)
    k, l = node_hash(g, h), node_hash(i, j)  # noqa: E741 - the RFC's names
    paths = {0: (b, h, l), 3: (c, g, l), 4: (f, j, k), 6: (i, k)}
    assert {index: prove(inclusion_ranges(index, 7), nodes.__getitem__) for index in paths} == paths
    proofs = {3: (c, d, g, l), 4: (l,), 6: (i, j, k)}
    assert {size: prove(consistency_ranges(size, 7), nodes.__getitem__) for size in proofs} == proofs
    assert all(is_consistent(size, 7, (trees[size].root(), trees[7].root()), proofs[size]) for size in proofs)


@given(st.integers(1, 300), st.data())
def test_proofs_hold_and_nothing_else_does(size: int, data: st.DataObject) -> None:
    leaves = [leaf_hash(str(number).encode()) for number in range(size)]
    trees, nodes = grown(leaves)
    assert trees[size].root() == merkle(leaves)
    index, first = data.draw(st.integers(0, size - 1)), data.draw(st.integers(1, size))
    path = prove(inclusion_ranges(index, size), nodes.__getitem__)
    assert len(path) <= (size - 1).bit_length()
    assert root_of(leaves[index], index, size, path) == trees[size].root()
    proof = prove(consistency_ranges(first, size), nodes.__getitem__)
    roots = trees[first].root(), trees[size].root()
    assert is_consistent(first, size, roots, proof)
    other = data.draw(st.integers(0, size))
    if other != index:
        assert root_of(leaves[index], other, size, path) != trees[size].root()
    assert root_of(leaves[index], index, size, (*path, EMPTY_ROOT)) is None
    assert not is_consistent(first, size, (EMPTY_ROOT, roots[1]), proof)
    assert not is_consistent(first, size, (roots[0], EMPTY_ROOT), proof)
    assert not is_consistent(first, size, roots, (*proof, EMPTY_ROOT))
    if proof:
        spoilt = data.draw(st.integers(0, len(proof) - 1))
        wrong = tuple(EMPTY_ROOT if at == spoilt else one for at, one in enumerate(proof))
        assert not is_consistent(first, size, roots, wrong)
    assert not is_consistent(size + 1, size, roots, ())


@given(st.integers(0, 5000))
def test_a_tree_is_stored_by_its_peaks(size: int) -> None:
    tree = Frontier(size, tuple(leaf_hash(bytes([one])) for one in range(size.bit_count())))
    assert Frontier.read(size, b"".join(tree.peaks)) == tree
    with pytest.raises(ValueError, match="peaks"):
        Frontier.read(size, b"".join(tree.peaks) + b"x")


def test_what_is_read_grows_with_the_logarithm() -> None:
    """A proof of one among a million: 20 hashes, from at most 30 stored ones; every node has a place of its own."""
    ranges = inclusion_ranges(0, 999_999)
    assert len(ranges) == 20
    assert sum(len(covering(one)) for one in ranges) <= 30
    places = {position(level, index) for level in range(9) for index in range(256 >> level)}
    assert (len(places), min(places), max(places)) == (511, 0, 510)
    with pytest.raises(ValueError, match="whole"):
        split_hashes(b"x")


NUMBERS = {
    "0000000000000000": "0",
    "8000000000000000": "0",
    "0000000000000001": "5e-324",
    "8000000000000001": "-5e-324",
    "7fefffffffffffff": "1.7976931348623157e+308",
    "ffefffffffffffff": "-1.7976931348623157e+308",
    "4340000000000000": "9007199254740992",
    "c340000000000000": "-9007199254740992",
    "4430000000000000": "295147905179352830000",
    "44b52d02c7e14af5": "9.999999999999997e+22",
    "44b52d02c7e14af6": "1e+23",
    "44b52d02c7e14af7": "1.0000000000000001e+23",
    "444b1ae4d6e2ef4e": "999999999999999700000",
    "444b1ae4d6e2ef4f": "999999999999999900000",
    "444b1ae4d6e2ef50": "1e+21",
    "3eb0c6f7a0b5ed8c": "9.999999999999997e-7",
    "3eb0c6f7a0b5ed8d": "0.000001",
    "41b3de4355555553": "333333333.3333332",
    "41b3de4355555554": "333333333.33333325",
    "41b3de4355555555": "333333333.3333333",
    "41b3de4355555556": "333333333.3333334",
    "41b3de4355555557": "333333333.33333343",
    "becbf647612f3696": "-0.0000033333333333333333",
    "43143ff3c1cb0959": "1424953923781206.2",
}
"""RFC 8785, appendix B."""


@pytest.mark.parametrize(("bits", "text"), NUMBERS.items(), ids=list(NUMBERS))
def test_the_numbers_of_the_rfc(bits: str, text: str) -> None:
    [number] = struct.unpack(">d", bytes.fromhex(bits))
    assert canonical(number).decode() == text


def test_the_examples_of_the_rfc() -> None:
    """RFC 8785, sections 3.2.2 (all kinds of values) and 3.2.3 (the order of keys)."""
    value = {
        "numbers": [333333333.33333329, 1e30, 4.50, 2e-3, 0.000000000000000000000000001],
        "string": "\u20ac$\u000f\u000aA'\u0042\u0022\u005c\\\"/",
        "literals": [None, True, False],
    }
    assert canonical(value).decode() == (
        '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],'
        '"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}'
    )
    keys = {"\u20ac": 1, "\r": 2, "\ufb33": 3, "1": 4, "\U0001f600": 5, "\u0080": 6, "\u00f6": 7}
    assert list(json.loads(canonical(keys)).values()) == [2, 4, 6, 7, 1, 5, 3]


texts = st.text(st.characters(exclude_categories=["Cs"]))
numbers = st.integers(-(1 << 53) + 1, (1 << 53) - 1) | st.floats(allow_nan=False, allow_infinity=False)
values = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner) | st.dictionaries(texts, inner),
)


@given(values)
def test_canonical_json_says_the_same_and_is_its_own_form(value: object) -> None:
    text = canonical(value)
    read = json.loads(text, parse_int=float)
    assert read == value
    assert canonical(read) == text


@pytest.mark.parametrize(
    "value",
    [float("nan"), float("-inf"), 1 << 53, "\ud800", {"\ud800": 1}, {1: 2}],
    ids=["nan", "infinite", "large", "surrogate", "surrogate key", "number key"],
)
def test_what_has_no_canonical_form_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match=r"."):
        canonical(value)
    with pytest.raises(TypeError):
        canonical([object()])
