"""Tiles and bundles: the specification's own examples, and growth in steps of any size."""

import pytest

from bailee.kernel.errors import InvalidInput, TamperedContent
from bailee.transparency import tree
from bailee.transparency.tiles import (
    EMPTY_EDGE,
    bundle_path,
    decode_bundle,
    edge_files,
    encode_bundle,
    grow,
    node_in_tile,
    split_tile,
    superseded_folders,
    tile_of,
    tile_path,
    tile_width,
)


def entries(count: int) -> list[bytes]:
    return [str(index).encode() for index in range(count)]


def test_paths_are_the_specification_s() -> None:
    assert tile_path(0, 1234067) == "tile/0/x001/x234/067"
    assert tile_path(2, 0, 1) == "tile/2/000.p/1"
    assert bundle_path(1000, 17) == "tile/entries/x001/000.p/17"
    for width in (0, 257):
        with pytest.raises(InvalidInput):
            tile_path(0, 0, width)


def test_a_tree_of_70000_has_the_specification_s_tiles() -> None:
    edge, files = grow(EMPTY_EDGE, entries(70_000))
    paths = {file.path for file in files if "entries" not in file.path}
    level_0 = {tile_path(0, number) for number in range(273)} | {tile_path(0, 273, 112)}
    assert paths == level_0 | {tile_path(1, 0), tile_path(1, 1, 17), tile_path(2, 0, 1)}
    assert edge_files(70_000) == (
        ["tile/0/273.p/112", "tile/1/001.p/17", "tile/2/000.p/1"],
        "tile/entries/273.p/112",
    )
    assert edge.root() == tree.root_of(map(tree.leaf_hash, entries(70_000)))


def test_a_tree_of_256_has_a_full_tile_and_a_partial_one_above() -> None:
    _, files = grow(EMPTY_EDGE, entries(256))
    assert {file.path for file in files} == {"tile/entries/000", "tile/0/000", "tile/1/000.p/1"}
    assert edge_files(256) == ([None, "tile/1/000.p/1"], None)
    assert [tile_width(0, number, 300) for number in (0, 1, 2)] == [256, 44, 0]


@pytest.mark.parametrize("step", [1, 100, 255, 256, 257, 700])
def test_growing_in_steps_gives_the_files_of_the_whole(step: int) -> None:
    whole = entries(1400)
    edge = EMPTY_EDGE
    stored: dict[str, bytes] = {}
    for at in range(0, len(whole), step):
        edge, files = grow(edge, whole[at : at + step])
        for file in files:
            assert stored.setdefault(file.path, file.data) == file.data
        hashes = [tree.leaf_hash(entry) for entry in whole[: at + step]]
        assert edge.root() == tree.root_of(hashes)
        tiles, bundle = edge_files(edge.size)
        assert [b"" if path is None else stored[path] for path in tiles] == list(edge.tiles)
        assert (b"" if bundle is None else stored[bundle]) == edge.bundle
    _, files = grow(EMPTY_EDGE, whole)
    assert all(stored[file.path] == file.data for file in files)


def test_every_node_comes_from_its_tile() -> None:
    size = 600
    _, files = grow(EMPTY_EDGE, entries(size))
    stored = {file.path: file.data for file in files}
    read = tree.reader_of([tree.leaf_hash(entry) for entry in entries(size)])
    for level in range(10):
        for number in range(size >> level):
            node = tree.Node(level, number)
            tile, at = tile_of(node)
            data = stored[tile_path(tile, at, tile_width(tile, at, size))]
            assert node_in_tile(node, data) == read(node)
    with pytest.raises(TamperedContent):
        node_in_tile(tree.Node(0, 255), stored["tile/0/002.p/88"])


def test_bundles_read_as_they_were_written() -> None:
    some = [b"", b"a", b"b" * 65_535]
    assert decode_bundle(encode_bundle(some)) == some
    for cut in (b"\x00", b"\x00\x02a"):
        with pytest.raises(TamperedContent):
            decode_bundle(cut)
    with pytest.raises(TamperedContent):
        split_tile(b"short")
    with pytest.raises(InvalidInput):
        grow(EMPTY_EDGE, [b"b" * 65_536])


def test_partial_files_are_superseded_by_full_ones() -> None:
    assert superseded_folders(10, 255) == []
    assert superseded_folders(0, 600) == []
    assert superseded_folders(256, 600) == []
    assert superseded_folders(10, 256) == ["tile/0/000.p", "tile/entries/000.p"]
    assert superseded_folders(600, 65_536) == [
        "tile/0/002.p",
        "tile/entries/002.p",
        "tile/1/000.p",
    ]
