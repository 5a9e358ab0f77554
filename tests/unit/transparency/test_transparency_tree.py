"""Trees against the published vectors of Certificate Transparency (RFC 6962)."""

import json
from pathlib import Path

import pytest

from bailee.kernel.errors import InvalidInput
from bailee.transparency import tree

# From the certificate-transparency project's tree tests.
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
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
HASHES = [tree.leaf_hash(leaf) for leaf in LEAVES]
INCLUSION = {
    (0, 1): [],
    (0, 8): [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ],
    (5, 8): [
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
    (2, 3): ["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"],
    (1, 5): [
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ],
}
CONSISTENCY = {
    (1, 1): [],
    (1, 8): [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ],
    (6, 8): [
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
    (2, 5): [
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ],
}


def test_roots_are_the_published_ones() -> None:
    growing = tree.CompactRange()
    roots = [growing.root().hex()]
    for leaf in HASHES:
        growing.append(leaf)
        roots.append(growing.root().hex())
    assert roots == ROOTS


@pytest.mark.parametrize(("index", "size"), INCLUSION)
def test_inclusion_paths_are_the_published_ones(index: int, size: int) -> None:
    path = tree.inclusion_proof(index, size, tree.reader_of(HASHES[:size]))
    assert [item.hex() for item in path] == INCLUSION[index, size]
    root = bytes.fromhex(ROOTS[size])
    assert tree.verify_inclusion(HASHES[index], index, size, path, root)


@pytest.mark.parametrize(("old", "new"), CONSISTENCY)
def test_consistency_proofs_are_the_published_ones(old: int, new: int) -> None:
    proof = tree.consistency_proof(old, new, tree.reader_of(HASHES[:new]))
    assert [item.hex() for item in proof] == CONSISTENCY[old, new]
    old_root, new_root = bytes.fromhex(ROOTS[old]), bytes.fromhex(ROOTS[new])
    assert tree.verify_consistency(old, old_root, new, new_root, proof)


def test_own_vectors_hold() -> None:
    vectors = json.loads((Path(__file__).parents[2] / "vectors/tree.json").read_text())
    roots = {int(size): bytes.fromhex(root) for size, root in vectors["roots"].items()}
    for size, root in roots.items():
        assert tree.root_of(tree.leaf_hash(str(at).encode()) for at in range(size)) == root
    for item in vectors["inclusion"]:
        index, size = item["index"], item["size"]
        path = [bytes.fromhex(text) for text in item["path"]]
        leaf = tree.leaf_hash(str(index).encode())
        assert tree.verify_inclusion(leaf, index, size, path, roots[size])
    for item in vectors["consistency"]:
        old, new = item["old"], item["new"]
        proof = [bytes.fromhex(text) for text in item["proof"]]
        assert tree.verify_consistency(old, roots[old], new, roots[new], proof)


def test_everything_begins_with_nothing() -> None:
    assert tree.verify_consistency(0, tree.EMPTY_ROOT, 3, bytes.fromhex(ROOTS[3]), [])
    assert not tree.verify_consistency(0, bytes(32), 3, bytes.fromhex(ROOTS[3]), [])


def test_a_proof_of_nothing_is_refused() -> None:
    with pytest.raises(InvalidInput):
        tree.inclusion_ranges(3, 3)
    with pytest.raises(InvalidInput):
        tree.consistency_ranges(0, 3)
    with pytest.raises(InvalidInput):
        tree.consistency_ranges(4, 3)
    assert not tree.verify_inclusion(HASHES[0], 1, 1, [], HASHES[0])
    assert not tree.verify_consistency(3, bytes(32), 2, bytes(32), [])
