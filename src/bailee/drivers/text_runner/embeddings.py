"""`POST /v1/embeddings` over a local embedder.

Texts alone: token numbers are those of a tokenizer that the caller chose, and mean other words
here. A request is embedded a few texts at a time, so that a long one does not keep short ones
waiting. The `query: ` and `passage: ` of E5 are handled as docs/operating/embeddings.md says.
"""

import base64
from typing import Any, Final, Literal

import msgspec

from bailee.drivers.text_runner.answers import Answer, Refused
from bailee.kernel.redacted import HiddenStruct
from bailee.ports.embedder import Embedder, Role
from bailee.ports.offload import Offload

MAX_INPUTS: Final = 2048
MAX_TOKENS: Final = 8192
"""Of one text."""
MAX_TOTAL_TOKENS: Final = 300_000
_TOKENS_AT_ONCE: Final = 1024
_MARKS: Final = tuple((f"{role.value}: ", role) for role in Role)


class _Asked(HiddenStruct, frozen=True):
    input: str | list[str | int | list[int]]
    encoding_format: Literal["float", "base64"] | None = None
    dimensions: int | None = None
    input_type: Literal["query", "passage", "document"] | None = None


_ASKED: Final = msgspec.json.Decoder(_Asked)


class _Text:
    """One text to embed."""

    __slots__ = ("role", "text", "tokens")

    def __init__(self, text: str, asked: Role) -> None:
        self.text, self.role, self.tokens = text, asked, 0
        for mark, role in _MARKS:
            if text.startswith(mark) and len(text) > len(mark):
                self.text, self.role = text[len(mark) :], role

    def count(self, embedder: Embedder) -> None:
        """Count its tokens. Blocks."""
        self.tokens = embedder.count_tokens(self.text, self.role)


class Embeddings:
    """Answers the requests."""

    def __init__(self, embedder: Embedder, offload: Offload, name: str) -> None:
        self._embedder = embedder
        self._offload = offload
        self._name = name

    async def answer(self, body: bytes) -> Answer:
        """Answer one. Raises Refused."""
        try:
            asked = _ASKED.decode(body)
        except (msgspec.DecodeError, RecursionError):
            raise Refused(
                "'input' is a string or an array of strings, 'dimensions' a whole number, "
                "'encoding_format' float or base64, 'input_type' query or passage."
            ) from None
        dimensions = self._dimensions(asked.dimensions)
        texts = _texts(asked)
        vectors = await self._vectors(texts)
        used = sum(text.tokens for text in texts)
        shape = _base64 if asked.encoding_format == "base64" else _floats
        data = [
            {"object": "embedding", "index": index, "embedding": shape(vector)}
            for index, vector in enumerate(shortened(vectors, dimensions))
        ]
        document = {
            "object": "list",
            "data": data,
            "model": self._name,
            "usage": {"prompt_tokens": used, "total_tokens": used},
        }
        return Answer(200, msgspec.json.encode(document))

    def _dimensions(self, asked: int | None) -> int:
        most = self._embedder.dimensions
        if asked is None:
            return most
        if not 1 <= asked <= most:
            raise Refused(
                f"Invalid 'dimensions': this model's embeddings have 1 to {most}.",
                field="dimensions",
                code="invalid_value",
            )
        return asked

    async def _vectors(self, texts: list[_Text]) -> list[bytes]:
        await self._count(texts)
        vectors: list[bytes] = []
        start = 0
        while start < len(texts):
            end, tokens = start, 0
            while end < len(texts) and texts[end].role is texts[start].role:
                tokens += texts[end].tokens
                if end > start and tokens > _TOKENS_AT_ONCE:
                    break
                end += 1
            some, role = [text.text for text in texts[start:end]], texts[start].role
            vectors += await self._offload.run(
                lambda some=some, role=role: self._embedder.embed(some, role)  # type: ignore[misc]
            )
            start = end
        return vectors

    async def _count(self, texts: list[_Text]) -> None:
        def count() -> None:
            total = 0
            for index, text in enumerate(texts):
                text.count(self._embedder)
                total += text.tokens
                if text.tokens > MAX_TOKENS:
                    raise Refused(
                        f"This model's maximum context length is {MAX_TOKENS} tokens, however "
                        f"input {index} has {text.tokens}. Please reduce it.",
                        field="input",
                        code="context_length_exceeded",
                    )
                if total > MAX_TOTAL_TOKENS:
                    raise Refused(
                        f"The inputs have more than {MAX_TOTAL_TOKENS} tokens together. "
                        "Send them in several requests.",
                        field="input",
                        code="max_tokens_per_request",
                    )

        await self._offload.run(count)


def _texts(asked: _Asked) -> list[_Text]:
    role = Role.QUERY if asked.input_type in (None, "query") else Role.PASSAGE
    given = [asked.input] if isinstance(asked.input, str) else asked.input
    found: list[_Text] = []
    for text in given:
        if not isinstance(text, str):
            raise Refused(
                "This model takes text and no token numbers: they belong to the tokenizer of "
                "another model and would mean other words here. Send strings as 'input' (in "
                "LangChain: check_embedding_ctx_length=False).",
                field="input",
                code="invalid_type",
            )
        if not text:
            raise Refused("'input' cannot be an empty string.", field="input")
        found.append(_Text(text, role))
    if not 1 <= len(found) <= MAX_INPUTS:
        raise Refused(f"'input' has 1 to {MAX_INPUTS} texts.", field="input")
    return found


def shortened(vectors: list[bytes], dimensions: int) -> Any:
    """The first `dimensions` numbers of each vector, made a vector of length 1 again."""
    import numpy

    matrix = numpy.frombuffer(b"".join(vectors), dtype="<f4").reshape(len(vectors), -1)
    if dimensions == matrix.shape[1]:
        return matrix
    cut = matrix[:, :dimensions].astype(numpy.float64)
    lengths = numpy.linalg.norm(cut, axis=1, keepdims=True)
    return (cut / numpy.maximum(lengths, 1e-12)).astype("<f4")


def _base64(vector: Any) -> str:
    return base64.b64encode(vector.tobytes()).decode("ascii")


def _floats(vector: Any) -> list[float]:
    found: list[float] = vector.tolist()
    return found
