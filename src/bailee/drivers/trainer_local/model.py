"""The model that is trained: llama.cpp's own weights file, read by transformers, with an adapter.

Nothing is downloaded and nothing is written: transformers reads the one local file that it is
given. Models of llama's architecture alone can be adapted, since the rows' order in the adapter
depends on it.
"""

import contextlib
import functools
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, Final, NamedTuple

import gguf
import numpy
import torch
import transformers
from peft import LoraConfig, get_peft_model

from bailee.drivers.trainer_local.adapter import GGUF_NAMES, adapter_bytes
from bailee.ports.trainer import TrainingFailure

RANK: Final = 16
ALPHA: Final = 32.0
_ARCHITECTURE: Final = "llama"
_DESCRIPTORS: Final = "/proc/self/fd"


class Adapted(NamedTuple):
    """A model with an adapter that can be trained, and what belongs to it."""

    model: Any
    tokenizer: Any
    padding_id: int

    def weights(self) -> Iterator[tuple[str, Any]]:
        """The adapter's tensors, named `{layer}.{projection}.{A or B}`, in a fixed order."""
        for name, tensor in self.model.named_parameters():
            if tensor.requires_grad:
                parts = name.split(".")
                layer = parts[parts.index("layers") + 1]
                yield f"{layer}.{parts[-4]}.{parts[-3].removeprefix('lora_')}", tensor

    def adapter(self) -> bytes:
        """The adapter as it is now, a GGUF file's bytes."""
        config = self.model.config
        heads = {"q_proj": config.num_attention_heads, "k_proj": config.num_key_value_heads}
        return adapter_bytes(dict(self.weights()), ALPHA, heads)


def load(file: Path, sha256: str, seed: int) -> Adapted:
    """Read the weights and put a fresh adapter on them. Raises TrainingFailure.

    The one file is opened once, and nothing beside it is looked at: a confined process may read
    the weights and not list the folder in which they lie.
    """
    with _checked(file, sha256) as weights, _parsed_once():
        # transformers wants a folder, and lists it: that of this process's own descriptors.
        name = str(weights.fileno())
        tokenizer = transformers.AutoTokenizer.from_pretrained(_DESCRIPTORS, gguf_file=name)
        base = transformers.AutoModelForCausalLM.from_pretrained(
            _DESCRIPTORS, gguf_file=name, dtype=torch.float32
        )
    if base.config.model_type != _ARCHITECTURE or not tokenizer.chat_template:
        raise TrainingFailure(
            "this trainer adapts chat models of llama's architecture; choose such weights",
            retry_safe=False,
        )
    torch.manual_seed(seed)
    lora = LoraConfig(
        r=RANK,
        lora_alpha=ALPHA,
        lora_dropout=0.0,
        target_modules=list(GGUF_NAMES),
        task_type="CAUSAL_LM",
    )
    padding = tokenizer.pad_token_id
    return Adapted(
        get_peft_model(base, lora),
        tokenizer,
        tokenizer.eos_token_id if padding is None else padding,
    )


def _checked(file: Path, sha256: str) -> BinaryIO:
    """The weights, opened, if they are those. Raises TrainingFailure."""
    try:
        opened = file.open("rb")
        digest = hashlib.file_digest(opened, "sha256").hexdigest()
    except OSError:
        raise TrainingFailure(
            "the weights cannot be read; `make` unpacks them", retry_safe=False
        ) from None
    if digest != sha256:
        opened.close()
        raise TrainingFailure(
            "the weights have another SHA-256 than the settings say; replace the file",
            retry_safe=False,
        )
    return opened


class _PlainReader(gguf.GGUFReader):  # type: ignore[misc]  # untyped
    """A reader whose data is an array like any other.

    Each slice of numpy's memory maps costs a call to Python, and reading a vocabulary takes
    hundreds of thousands.
    """

    @property
    def data(self) -> Any:
        """The file's bytes, mapped."""
        return self._data

    @data.setter
    def data(self, mapped: Any) -> None:
        self._data = numpy.asarray(mapped)


@contextlib.contextmanager
def _parsed_once() -> Iterator[None]:
    """transformers parses the file three times, and maps the names anew for each of its modules.

    That is more than half of the time that loading takes.
    """
    reader, names = gguf.GGUFReader, gguf.get_tensor_name_map
    gguf.GGUFReader = functools.cache(_PlainReader)
    gguf.get_tensor_name_map = functools.cache(names)
    try:
        yield
    finally:
        gguf.GGUFReader = reader
        gguf.get_tensor_name_map = names
