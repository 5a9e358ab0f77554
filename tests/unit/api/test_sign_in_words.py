"""The sign-in page says in Korean too why somebody is not let in."""

import re
from importlib import resources

import pytest

from bailee.api.errors import shape_of
from bailee.governance.identity import errors
from bailee.governance.identity.passwords import LONGEST, SHORTEST
from bailee.kernel.errors import BaileeError

SCRIPT = resources.files("bailee.api").joinpath("sign_in.js").read_text("utf-8")


def said(code: str) -> str:
    """What the script says of an error, in Korean."""
    found = re.search(rf"^  {code}: ((?:[^,]|,(?!\n))*),$", SCRIPT, re.MULTILINE)
    assert found is not None, f"{code} has no words"
    return found.group(1)


@pytest.mark.parametrize(
    "error",
    [
        errors.SignInRefused(),
        errors.EnrolmentRefused(),
        errors.CodeRefused(),
        errors.SessionRefused(),
        errors.TooManyGuesses(1),
    ],
)
def test_each_refusal_has_its_words(error: BaileeError) -> None:
    code = shape_of(error).code
    assert code is not None
    assert re.search("[가-힣]", said(code))


def test_a_password_that_cannot_be_is_told_its_limits() -> None:
    assert f"{SHORTEST}자 이상 {LONGEST}자 이하" in said("password")
