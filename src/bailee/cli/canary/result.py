"""What a canary found, and whether that is what was promised."""

from msgspec import Struct


class Result(Struct, frozen=True, kw_only=True):
    """The last line of the output."""

    prompts: int
    """Calls that were made, each with a word of its own."""
    sinks: int
    """Files, tables and processes that were read to the last byte."""
    zdr_hits: int
    """Sinks that hold a word of a call under zero retention, in any form. None may."""
    clear_hits: int
    """Sinks that hold a word of any other call in clear, or in what anybody could read. None may.
    """
    zdr_sealed: int
    """Sealed parts and objects after the calls under zero retention alone. None may be."""
    zdr_sealed_places: tuple[str, ...] = ()
    """Where these are: the first twenty."""
    unrecorded_records: int
    """Records that answers named in modes in which content is not kept for monitoring. None may
    be."""
    local_model: bool
    """Whether the local model was here to be called, too."""
    recorded: int
    """Answers that named a record."""
    sealed: int
    """Of these records, how many were found sealed. All must be."""
    planted: int
    """Places where words were planted on purpose."""
    found: int
    """Of these, how many the search found. All must be."""
    kills: int
    """Gateways that were killed while they answered."""
    seconds: float


def shortcomings(result: Result) -> list[str]:
    """What is not as promised, as sentences."""
    claims = (
        (result.zdr_hits == 0, "content of calls under zero retention was left"),
        (result.clear_hits == 0, "content was left in clear"),
        (result.zdr_sealed == 0, "calls under zero retention left sealed content"),
        (result.unrecorded_records == 0, "content was recorded that is not to be monitored"),
        (result.recorded > 0, "no call was recorded at all, so that finding nothing means nothing"),
        (result.sealed == result.recorded, "an answer named a record that is not there"),
        (result.found == result.planted, "the search missed what was planted"),
        (result.sinks > result.planted, "there was nothing to search"),
    )
    return [sentence for held, sentence in claims if not held]
