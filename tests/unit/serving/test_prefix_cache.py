"""Nobody chooses under which name a backend remembers their prompt, nor finds another's."""

import json
from typing import Any

import pytest

from bailee.kernel.ids import ProjectId
from bailee.serving.call import CHAT_COMPLETIONS, parse
from bailee.serving.prefix_cache import salt_from, salted

ONE, OTHER = ProjectId(b"1" * 16), ProjectId(b"2" * 16)
SALT_OF = salt_from(b"secret of the installation 32 by")


def sent(project: ProjectId, *, adds: bool = False, **members: Any) -> dict[str, Any]:
    body = json.dumps({"model": "m", "messages": [], **members}).encode()
    found: dict[str, Any] = json.loads(salted(body, SALT_OF(project), adds=adds))
    return found


def test_a_cache_key_is_the_project_s_own() -> None:
    mine = sent(ONE, prompt_cache_key="shared")["prompt_cache_key"]
    assert mine == sent(ONE, prompt_cache_key="shared")["prompt_cache_key"], "it still caches"
    assert mine != sent(OTHER, prompt_cache_key="shared")["prompt_cache_key"]
    assert mine != sent(ONE, prompt_cache_key="another")["prompt_cache_key"]
    assert "shared" not in mine
    assert len(mine) <= 64


def test_a_salt_is_never_the_caller_s() -> None:
    assert "cache_salt" not in sent(ONE, cache_salt="stolen")
    salts = [
        sent(project, adds=True, cache_salt="stolen")["cache_salt"] for project in (ONE, OTHER)
    ]
    assert salts == [SALT_OF(ONE), SALT_OF(OTHER)]
    assert salts[0] != salts[1]
    assert salt_from(b"another secret of 32 bytes here ")(ONE) != salts[0]


@pytest.mark.parametrize("name", ["cache_prompt", "id_slot", "n_cache_reuse"])
def test_nobody_goes_on_from_what_another_left(name: str) -> None:
    """llama.cpp's own words for it, whatever backend it is."""
    more: dict[str, Any] = {name: 1}
    assert name not in sent(ONE, **more)


@pytest.mark.parametrize(
    ("more", "named"),
    [
        ("", False),
        (',"prompt_cache_key":"a"', True),
        (',"cache_salt":"a"', True),
        (',"cache\\u005fsalt":"a"', True),
        (',"prompt_cache_ke\\u0079":"a"', True),
        (',"cache_prompt":true', True),
        (',"id_slot":0', True),
        (',"n_cache_reuse":null', True),
        (',"metadata":{"cache_salt":"a"}', False),
    ],
)
def test_a_name_is_seen_however_it_is_written(more: str, named: bool) -> None:
    body = f'{{"model":"m","messages":[]{more}}}'.encode()
    assert parse(CHAT_COMPLETIONS, body).names_cache is named
