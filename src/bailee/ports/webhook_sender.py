"""Sending one webhook message to an address that a customer chose.

Whoever chooses the address must not reach with it what only this machine reaches: unless the
installation allows it, a message goes to public addresses alone, looked at when the connection is
made, on every attempt. It goes over TLS with a verified certificate; plain HTTP is for loopback.
Redirections are not followed, answers are not read beyond their head.
"""

from collections.abc import Mapping
from typing import Literal, Protocol

from bailee.kernel.errors import BaileeError

Reason = Literal["unreachable", "private_address", "certificate", "timeout", "not_http"]


class SendFailure(BaileeError):
    """Nobody answered with a status. `reason` is one word, fit for showing."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(f"The webhook could not be delivered ({reason}). It is tried again.")
        self.reason: Reason = reason


class WebhookSender(Protocol):
    """Sends."""

    async def send(self, url: str, headers: Mapping[str, str], body: bytes) -> int:
        """POST a JSON body; gives the answer's status, whatever it is.

        `headers` are names and values in ASCII, beside those of HTTP itself. Takes as long as the
        driver's timeout at most. Raises SendFailure.
        """
        ...
