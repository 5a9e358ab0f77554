"""How many tokens a call used, read off the answer without parsing it.

Inside a JSON string a quotation mark is escaped, so a bare `"total_tokens":` is a member's name
wherever it stands; the last one of an answer is the usage. A stream without usage counts one token
for each event. Good enough for rate limits, and nothing else relies on it.
"""

import re
from typing import Final

_TOTAL: Final = re.compile(rb'"total_tokens"\s*:\s*(\d{1,12})')
_TAIL_BYTES: Final = 2048


def total_tokens(answer: bytes) -> int | None:
    """The last `total_tokens` near the answer's end, or None."""
    found = _TOTAL.findall(answer, max(0, len(answer) - _TAIL_BYTES))
    return int(found[-1]) if found else None
