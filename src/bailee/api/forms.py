"""Multipart forms (RFC 7578) with one file, read as they arrive.

Nothing is written to disk and no more than a chunk is held: what other readers of forms put into a
temporary file would be a customer's content in clear.
"""

from collections.abc import AsyncIterable, AsyncIterator
from typing import Final

from multipart import MultipartError, MultipartSegment, PushMultipartParser, parse_options_header

from bailee.application_state.files import FileTerms
from bailee.kernel.errors import InvalidInput
from bailee.serving.errors import Because, CallRefused

_FIELD_BYTES: Final = 4096
_FIELDS: Final = 32


class FileForm:
    """A form with a file called `part`, and small fields. Fields are complete at content's end."""

    def __init__(
        self, content_type: str, body: AsyncIterable[bytes], limit_bytes: int, part: str = "file"
    ) -> None:
        """Raises CallRefused (MEDIA_TYPE) unless the body is a form."""
        media, options = parse_options_header(content_type)
        if media != "multipart/form-data" or "boundary" not in options:
            raise CallRefused(
                Because.MEDIA_TYPE,
                "Unsupported content type. This API method only accepts "
                "'multipart/form-data' requests with a boundary.",
            )
        self._boundary = options["boundary"]
        self._body = body
        self._limit_bytes = limit_bytes
        self._part = part
        self.filename = ""
        self.fields: dict[str, str] = {}
        self._segment: MultipartSegment | None = None
        self._field = bytearray()
        self._size_bytes = 0
        self._found = False

    @property
    def terms(self) -> FileTerms:
        """What the fields say."""
        fields = self.fields
        return FileTerms(
            fields.get("purpose"),
            fields.get("expires_after[anchor]"),
            fields.get("expires_after[seconds]"),
        )

    async def content(self) -> AsyncIterator[bytes]:
        """The file's bytes.

        Raises:
            InvalidInput: the form is malformed, or has no such file.
            CallRefused: BODY_TOO_LARGE.
        """
        try:
            with PushMultipartParser(self._boundary, max_segment_count=_FIELDS) as parser:
                async for chunk in self._body:
                    for event in parser.parse(chunk) if chunk else ():
                        part = self._take(event)
                        if part:
                            yield part
        except MultipartError:
            raise InvalidInput(
                "The form is malformed or was cut off. Send it as multipart/form-data (RFC 7578)."
            ) from None
        if not self._found:
            raise InvalidInput(
                f"Missing required parameter: '{self._part}'.",
                field=self._part,
            )

    def _take(self, event: MultipartSegment | bytes | bytearray | None) -> bytes:
        """One event of the parser; gives the file's bytes in it."""
        if isinstance(event, MultipartSegment):
            self._segment, self._field = event, bytearray()
            if event.name == self._part:
                self._found = True
                self.filename = event.filename or ""
            return b""
        segment = self._segment
        if segment is None:
            return b""
        if event is None:
            if segment.name != self._part:
                self.fields[segment.name] = self._field.decode("utf-8", "replace")
            self._segment = None
            return b""
        if segment.name == self._part:
            self._size_bytes += len(event)
            if self._size_bytes > self._limit_bytes:
                raise _too_large(self._limit_bytes)
            return bytes(event)
        self._field += event
        if len(self._field) > _FIELD_BYTES:
            raise InvalidInput("A field of the form is too long.")
        return b""


def _too_large(limit_bytes: int) -> CallRefused:
    return CallRefused(
        Because.BODY_TOO_LARGE,
        f"The file is larger than {limit_bytes // (1024 * 1024)} MB, which is the most a file "
        "may have. Use /v1/uploads for larger ones.",
        field="file",
    )
