"""A provider's API: its client, its jobs by our token, its measurements and its errors as ours."""

import re
import ssl
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from bailee.kernel.redacted import Secret
from bailee.ports.trainer import Metrics, TrainingFailure

if TYPE_CHECKING:
    from openai import AsyncOpenAI

FAILED: Final = ("failed", "cancelled")
OVER: Final = (*FAILED, "succeeded")
PAGE: Final = 100
METADATA_KEY: Final = "bailee"
"""The key of a job's metadata whose value is the token."""
_CODE: Final = re.compile(r"[a-z_]{1,64}")
_FIRST_RETRIABLE: Final = 500
_RETRIABLE: Final = frozenset({408, 409, 429})
_FIELDS: Final = {
    "train_mean_token_accuracy": ("train_mean_token_accuracy", "train_accuracy"),
    "valid_loss": ("full_valid_loss", "valid_loss"),
    "valid_mean_token_accuracy": ("full_valid_mean_token_accuracy", "valid_mean_token_accuracy"),
}
"""Our names of a measurement, each with the provider's."""


def open_client(base_url: str, credential: Secret) -> "AsyncOpenAI":
    """A client that trusts what the machine trusts, over no proxy. Raises TrainingFailure."""
    try:
        from openai import AsyncOpenAI, DefaultAsyncHttpxClient
    except ImportError:
        raise TrainingFailure(
            "fine-tuning at a provider needs `openai`: install the extra `finetuning-provider`",
            retry_safe=False,
        ) from None
    trusted = ssl.create_default_context()
    trusted.minimum_version = ssl.TLSVersion.TLSv1_2
    transport = DefaultAsyncHttpxClient(verify=trusted, trust_env=False)
    # What fails is asked again at the next look, after looking for what was made all the same.
    key = credential.decode()
    return AsyncOpenAI(base_url=base_url, api_key=key, http_client=transport, max_retries=0)


def file_name(token: str, name: str) -> str:
    """What a file of a run is called at the provider."""
    return f"bailee-{token}-{name}.jsonl"


async def find_job(client: "AsyncOpenAI", token: str) -> str | None:
    """The job of a token, if there is one. Raises TrainingFailure."""
    try:
        # Not every provider filters; those that do save us the other pages.
        pages = client.fine_tuning.jobs.list(limit=PAGE, metadata={METADATA_KEY: token})
        async for job in pages:
            if (job.metadata or {}).get(METADATA_KEY) == token:
                return job.id
    except Exception as error:  # noqa: BLE001 - its message may quote the examples
        raise mapped(error) from None
    return None


async def asked(answer: Any) -> Any:
    """What the provider answers. Raises TrainingFailure without its words."""
    try:
        return await answer
    except Exception as error:  # noqa: BLE001 - its message may quote the examples
        raise mapped(error) from None


def metrics_of(data: Mapping[str, Any]) -> Metrics | None:
    """A provider's measurements; None if they are none."""
    step, loss = data.get("step"), data.get("train_loss")
    if not isinstance(step, int | float) or not isinstance(loss, int | float):
        return None
    measured: dict[str, float] = {}
    for ours, theirs in _FIELDS.items():
        values = (data.get(name) for name in theirs)
        first = next((value for value in values if isinstance(value, int | float)), None)
        if first is not None:
            measured[ours] = float(first)
    return Metrics(int(step), float(loss), **measured)


def failure(status: str, code: str | None) -> TrainingFailure:
    """A job that came to nothing."""
    named = code if code and _CODE.fullmatch(code) else "no code"
    return TrainingFailure(
        f"the provider's job is {status} ({named}); look it up at the provider", retry_safe=False
    )


def mapped(error: Exception) -> Exception:
    """Whatever the SDK raises, as the port's."""
    from openai import APIConnectionError, APIStatusError

    if isinstance(error, TrainingFailure):
        return error
    if isinstance(error, APIConnectionError):
        return TrainingFailure("the provider cannot be reached; wait", retry_safe=True)
    if isinstance(error, APIStatusError):
        status = error.status_code
        retry_safe = status >= _FIRST_RETRIABLE or status in _RETRIABLE
        what = "wait" if retry_safe else "look at its model, credential and limits"
        return TrainingFailure(
            f"the provider answered with status {status}; {what}", retry_safe=retry_safe
        )
    return TrainingFailure(
        "the provider's answer cannot be understood; see that it speaks OpenAI's API",
        retry_safe=False,
    )
