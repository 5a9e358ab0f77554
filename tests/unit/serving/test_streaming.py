"""Cutting streams into events, and reading usage off answers."""

from hypothesis import given
from hypothesis import strategies as st

from bailee.kernel.event_streams import Events
from bailee.serving.limits import duration_text
from bailee.serving.usage import Used, used_tokens

LINES = st.sampled_from([b"data: x\n\n", b"data: y\r\n\r\n", b": ping\n\n", b"\n\n", b"z", b"\n"])


@given(st.lists(LINES, max_size=20).map(b"".join), st.lists(st.integers(1, 9), max_size=40))
def test_nothing_is_lost_or_reordered_and_blocks_end_events(whole: bytes, cuts: list[int]) -> None:
    events, blocks, at = Events(), [], 0
    for size in [*cuts, len(whole) + 1]:
        blocks.append(events.feed(whole[at : at + size]))
        at += size
    assert b"".join(blocks) + events.rest == whole
    assert all(block.endswith((b"\n\n", b"\r\n\r\n")) for block in blocks if block)


@given(st.lists(LINES, max_size=20).map(b"".join), st.lists(st.integers(1, 9), max_size=40))
def test_no_whole_event_waits(whole: bytes, cuts: list[int]) -> None:
    events, at = Events(), 0
    for size in [*cuts, len(whole) + 1]:
        events.feed(whole[at : at + size])
        at += size
        assert not events.rest.endswith((b"\n\n", b"\r\n\r\n"))


def test_usage_is_the_last_one_and_never_content() -> None:
    usual = b'{"usage":{"prompt_tokens":3, "completion_tokens": 4,"total_tokens":7}}'
    assert used_tokens(b'{"usage":{"prompt_tokens":1,"completion_tokens":1}}' + usual) == Used(3, 4)
    assert used_tokens(b'{"usage":{"total_tokens": 12}}') == Used(0, 12)
    assert used_tokens(b'{"usage":{"prompt_tokens":8,"total_tokens":8}}') == Used(8, 0)
    responses = b'"usage":{"input_tokens":5,"input_tokens_details":{"cached_tokens":2},'
    responses += b'"output_tokens":6,"output_tokens_details":{"reasoning_tokens":1}}'
    assert used_tokens(responses) == Used(5, 6)
    assert used_tokens(usual + b'{"usage":null}') == Used(3, 4)
    assert used_tokens(b'{"content":"\\"total_tokens\\": 99"}') is None
    assert used_tokens(b'{"total_tokens":1},{"total_tokens":2}') == Used(0, 2)


def test_durations_are_written_as_the_api_does() -> None:
    assert [duration_text(ms) for ms in (0, 20, 1500, 60_000, 61_250)] == [
        "0ms",
        "20ms",
        "1.5s",
        "1m0s",
        "1m1.25s",
    ]
