"""Passkeys: ceremonies of WebAuthn Level 3, verified by `webauthn`.

Authenticators keep the credential and its person (discoverable), and verify the person themselves;
no attestation is asked for. The site is the installation's origin, as the settings have it.

The library is imported by the first ceremony: no command and no start waits for it.
"""

import base64
import json
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

from bailee.governance.identity.model import Enrolment, Passkey
from bailee.kernel.ids import TenantId

CHALLENGE_BYTES: Final = 32
_WRONG: Final = (ValueError, TypeError, KeyError, AttributeError)
"""What verifying raises, besides the library's own, when a browser's answer is none."""


class Site(NamedTuple):
    """Whom passkeys are for."""

    origin: str
    """As in `https://bailee.example.com`."""
    name: str = "Bailee"

    @property
    def host(self) -> str:
        """The relying party's identifier."""
        return urlsplit(self.origin).hostname or ""


def registration_options(site: Site, enrolment: Enrolment, challenge: bytes) -> dict[str, Any]:
    """What a browser is asked to register."""
    import webauthn
    from webauthn.helpers.structs import (
        AuthenticatorSelectionCriteria,
        ResidentKeyRequirement,
        UserVerificationRequirement,
    )

    options = webauthn.generate_registration_options(
        rp_id=site.host,
        rp_name=site.name,
        user_id=enrolment.person,
        user_name=enrolment.email,
        user_display_name=enrolment.name,
        challenge=challenge,
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.REQUIRED,
            user_verification=UserVerificationRequirement.REQUIRED,
        ),
    )
    document: dict[str, Any] = json.loads(webauthn.options_to_json(options))
    return document


def registered(
    site: Site, tenant: TenantId, person: bytes, challenge: bytes, credential: dict[str, Any]
) -> Passkey | None:
    """The passkey that a browser registered; None if this is no answer to the challenge."""
    import webauthn
    from webauthn.helpers.exceptions import WebAuthnException

    try:
        made = webauthn.verify_registration_response(
            credential=credential,
            expected_challenge=challenge,
            expected_rp_id=site.host,
            expected_origin=site.origin,
            require_user_verification=True,
        )
    except (WebAuthnException, *_WRONG):
        return None
    return Passkey(made.credential_id, tenant, person, made.credential_public_key, made.sign_count)


def sign_in_options(site: Site, challenge: bytes) -> dict[str, Any]:
    """What a browser is asked to sign: any passkey that it has for this site."""
    import webauthn
    from webauthn.helpers.structs import UserVerificationRequirement

    options = webauthn.generate_authentication_options(
        rp_id=site.host,
        challenge=challenge,
        user_verification=UserVerificationRequirement.REQUIRED,
    )
    document: dict[str, Any] = json.loads(webauthn.options_to_json(options))
    return document


def name_in(credential: dict[str, Any]) -> bytes:
    """Which passkey a browser says it used; empty if it says none."""
    text = credential.get("rawId")
    if not isinstance(text, str):
        return b""
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError:
        return b""


def signed_with(
    site: Site, passkey: Passkey, challenge: bytes, credential: dict[str, Any]
) -> int | None:
    """The authenticator's new count; None if this does not sign the challenge."""
    import webauthn
    from webauthn.helpers.exceptions import WebAuthnException

    try:
        signed = webauthn.verify_authentication_response(
            credential=credential,
            expected_challenge=challenge,
            expected_rp_id=site.host,
            expected_origin=site.origin,
            credential_public_key=passkey.public_key,
            credential_current_sign_count=passkey.sign_count,
            require_user_verification=True,
        )
    except (WebAuthnException, *_WRONG):
        return None
    return signed.new_sign_count
