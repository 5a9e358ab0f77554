"""What reaches the local model of a request: nothing that leads to what another left there."""

import json

import pytest

from bailee.drivers.backend_llama.backend import apart


@pytest.mark.parametrize(
    "asked",
    [
        b'{"model":"m"}',
        b'{"model":"m","cache_prompt":true}',
        b'{"model":"m","cache\\u005fprompt":true,"cache_prompt":true}',
        b'{"cache_prompt":false,"model":"m","id_slot":0,"n_cache_reuse":1}',
    ],
)
def test_whatever_is_asked_nothing_earlier_is_gone_on_from(asked: bytes) -> None:
    assert json.loads(apart(asked)) == {"model": "m", "cache_prompt": False}
    assert apart(asked).count(b"cache") == 1
