"""`POST /v1/moderations` over a local classifier."""

import msgspec

from bailee.drivers.text_runner.answers import Answer, Refused
from bailee.kernel.errors import InvalidInput
from bailee.ports.classifier import Classifier, subjects_of


class Moderations:
    """Answers the requests."""

    def __init__(self, classifier: Classifier) -> None:
        self._classifier = classifier

    async def answer(self, body: bytes) -> Answer:
        """Answer one. Raises Refused."""
        try:
            classified = await self._classifier.classify(subjects_of(body))
        except (msgspec.DecodeError, RecursionError):
            raise Refused("'input' is a string, strings, or texts and images.") from None
        except InvalidInput as invalid:
            raise Refused(str(invalid), field=invalid.field, code="unsupported_input") from None
        document = {"id": "modr", "model": classified.model, "results": classified.results}
        return Answer(200, msgspec.json.encode(document))
