"""The contract of `ports.files`."""

import pytest

from bailee.ports.files import Files


def test_appended_bytes_are_read_back(files: Files) -> None:
    file = files.append_to("a/b/journal", create=True)
    file.append(b"one")
    file.append(b"two")
    file.sync()
    files.sync_folder("a/b")
    assert file.size_bytes == 6
    assert files.read("a/b/journal") == b"onetwo"
    assert files.size_bytes("a/b/journal") == 6


def test_a_stretch_is_cut_at_the_end_of_the_file(files: Files) -> None:
    files.write("a", b"0123456789")
    assert files.read("a", 3, 4) == b"3456"
    assert files.read("a", 8, 100) == b"89"
    assert files.read("a", 10, 1) == b""
    assert files.read("a", 50) == b""


def test_creating_what_exists_is_refused(files: Files) -> None:
    files.write("a", b"x")
    with pytest.raises(FileExistsError):
        files.append_to("a", create=True)


def test_opening_what_is_absent_is_refused(files: Files) -> None:
    with pytest.raises(FileNotFoundError):
        files.append_to("a", create=False)
    with pytest.raises(FileNotFoundError):
        files.read("a")
    with pytest.raises(FileNotFoundError):
        files.size_bytes("a")
    with pytest.raises(FileNotFoundError):
        files.remove("a")
    with pytest.raises(FileNotFoundError):
        files.rename("a", "b")


def test_one_holder_at_a_time(files: Files) -> None:
    first = files.append_to("a", create=True)
    with pytest.raises(BlockingIOError):
        files.append_to("a", create=False)
    first.close()
    first.close()
    second = files.append_to("a", create=False)
    second.append(b"x")
    assert files.read("a") == b"x"
    second.close()


def test_appending_goes_on_at_the_end(files: Files) -> None:
    files.write("a", b"12345")
    file = files.append_to("a", create=False)
    assert file.size_bytes == 5
    file.truncate(2)
    file.append(b"x")
    file.sync()
    assert files.read("a") == b"12x"
    assert file.size_bytes == 3
    file.close()


def test_a_closed_file_takes_nothing(files: Files) -> None:
    file = files.append_to("a", create=True)
    file.close()
    with pytest.raises(OSError, match=r"descriptor|closed"):
        file.append(b"x")


def test_writing_replaces_longer_content(files: Files) -> None:
    files.write("folder/a", b"long content")
    files.write("folder/a", b"short")
    assert files.read("folder/a") == b"short"


def test_renaming_replaces_its_target(files: Files) -> None:
    files.write("a/old", b"new content")
    files.write("b/new", b"old content")
    files.rename("a/old", "b/new")
    files.sync_folder("a")
    files.sync_folder("b")
    assert files.list("") == ["b/new"]
    assert files.read("b/new") == b"new content"


def test_files_are_listed_below_a_folder(files: Files) -> None:
    for path in ("a/2", "a/b/1", "ab/3", "c"):
        files.write(path, b"")
    assert files.list("a") == ["a/2", "a/b/1"]
    assert files.list("absent") == []
    files.remove("a/2")
    assert files.list("") == ["a/b/1", "ab/3", "c"]


def test_a_removed_file_can_be_made_again(files: Files) -> None:
    held = files.append_to("a", create=True)
    files.remove("a")
    again = files.append_to("a", create=True)
    again.append(b"second")
    held.append(b"first")
    assert files.read("a") == b"second"
    held.close()
    again.close()


@pytest.mark.parametrize("path", ["", "/etc/passwd", "a/../../b", "a//b", "./a"])
def test_paths_never_leave_the_folder(files: Files, path: str) -> None:
    with pytest.raises(ValueError, match="plain names"):
        files.write(path, b"x")
