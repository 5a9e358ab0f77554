"""The text of API keys and their keyed hash."""

import hashlib

import pytest

from bailee.drivers.system.randomness import SystemRandomness
from bailee.governance.tenancy.credential import (
    CREDENTIAL_BYTES,
    CredentialHash,
    is_credential,
    new_credential,
    public_id_of,
)
from bailee.kernel.errors import InvalidInput
from bailee.kernel.ids import Region
from bailee.kernel.regions import mark_of, region_mark

US = Region("us")


def test_credentials_have_their_shape_and_differ() -> None:
    made = {bytes(new_credential(SystemRandomness(), US)) for _ in range(100)}
    assert len(made) == 100
    for credential in made:
        assert len(credential) == CREDENTIAL_BYTES
        assert is_credential(credential)
        assert mark_of(public_id_of(credential)) == region_mark(US) != region_mark(Region("eu"))
        assert credential.startswith(b"sk-bailee-" + public_id_of(credential).encode() + b"-")


def test_credential_is_not_printed() -> None:
    assert repr(new_credential(SystemRandomness(), US)) == "<secret>"


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"sk-bailee-",
        b"sk-proj-0123456789abcdef-" + b"A" * 43,
        b"sk-bailee-0123456789ABCDEF-" + b"A" * 43,
        b"sk-bailee-0123456789abcdef-" + b"A" * 42,
        b"sk-bailee-0123456789abcdef-" + b"A" * 43 + b"\n",
        b"sk-bailee-0123456789abcdef-" + b"A" * 42 + b"=",
    ],
)
def test_other_shapes_are_refused_without_being_quoted(text: bytes) -> None:
    assert not is_credential(text)
    with pytest.raises(InvalidInput) as caught:
        public_id_of(text)
    assert "0123456789" not in str(caught.value)


def test_hash_is_blake2b_under_the_pepper() -> None:
    pepper, credential = bytes(range(32)), b"sk-bailee-0123456789abcdef-" + b"A" * 43
    expected = hashlib.blake2b(credential, digest_size=32, key=pepper).digest()
    hashed = CredentialHash(pepper)
    assert hashed(credential) == expected
    assert hashed(credential) == expected
    assert CredentialHash(bytes(32))(credential) != expected


def test_pepper_of_another_length_is_refused() -> None:
    with pytest.raises(InvalidInput, match="32 bytes"):
        CredentialHash(b"short")
