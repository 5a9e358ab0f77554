"""Codes as RFC 6238 has them, and passwords that fit or not."""

import pytest

from bailee.drivers.system import SystemRandomness
from bailee.governance.identity.passwords import (
    LONGEST,
    NOBODY,
    SHORTEST,
    check_new,
    fits,
    verifier_of,
)
from bailee.governance.identity.second_factor import (
    STEP_MS,
    address,
    base32,
    code_at,
    new_secret,
    step_of,
)
from bailee.kernel.errors import InvalidInput
from bailee.kernel.instants import Instant

RFC_SECRET = b"12345678901234567890"


@pytest.mark.parametrize(
    ("second", "code"),
    [
        (59, "94287082"),
        (1_111_111_109, "07081804"),
        (1_111_111_111, "14050471"),
        (1_234_567_890, "89005924"),
        (2_000_000_000, "69279037"),
        (20_000_000_000, "65353130"),
    ],
)
def test_the_vectors_of_rfc_6238(second: int, code: str) -> None:
    assert code_at(RFC_SECRET, second // 30, digits=8) == code


def test_a_code_is_taken_one_step_early_or_late_and_no_more() -> None:
    now = Instant(1_795_419_000_000)
    step = now // STEP_MS
    for off in range(-3, 4):
        expected = step + off if abs(off) <= 1 else None
        assert step_of(RFC_SECRET, code_at(RFC_SECRET, step + off), now) == expected
    for wrong in ("", "12345", "코드"):
        assert step_of(RFC_SECRET, wrong, now) is None


def test_what_an_authenticator_is_shown() -> None:
    assert base32(RFC_SECRET) == "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
    shown = address(RFC_SECRET, "ada@example.org", "Bailee")
    assert shown.startswith("otpauth://totp/Bailee%3Aada%40example.org?secret=GEZDGNBV")
    assert repr(new_secret(SystemRandomness())) == "<secret>"


def test_a_password_fits_its_own_verifier_alone() -> None:
    verifier = verifier_of("correct horse battery", SystemRandomness())
    assert verifier.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert fits(verifier, "correct horse battery")
    assert not fits(verifier, "correct horse batterz")
    assert not fits(NOBODY, "")
    assert not fits("nonsense", "correct horse battery")
    assert verifier != verifier_of("correct horse battery", SystemRandomness())


@pytest.mark.parametrize("password", ["x" * (SHORTEST - 1), "x" * (LONGEST + 1)])
def test_too_short_and_too_long_passwords_are_not_set(password: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        check_new(password)
    assert password not in str(refused.value)
