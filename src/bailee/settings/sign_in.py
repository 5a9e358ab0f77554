"""Settings of how people sign in."""

from typing import Annotated

from msgspec import Meta, Struct, field

from bailee.settings.secret import SecretText


class OpenIdSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An OpenID Connect provider with which people may sign in."""

    issuer: Annotated[
        str,
        Meta(
            pattern=r"^$|^https://[^\s?#]+$|^http://(localhost|127\.0\.0\.1)(:\d+)?(/[^\s?#]*)?$",
            extra={"allowed": "an https:// address, or http:// on this machine"},
            description="The provider's issuer address; empty: there is none.",
        ),
    ] = ""
    client_id: Annotated[str, Meta(description="What the provider knows Bailee as.")] = ""
    client_secret: Annotated[
        SecretText, Meta(description="Secret that belongs to `client_id`.")
    ] = field(default_factory=SecretText)
    name: Annotated[
        str, Meta(min_length=1, max_length=60, description="What people know the provider as.")
    ] = "OpenID Connect"


class SignInSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How people sign in."""

    origin: Annotated[
        str,
        Meta(
            pattern=r"^$|^https://[^\s/?#]+$",
            extra={"allowed": "https:// and a host, without a path"},
            description="Address at which people reach this installation; passkeys are bound to "
            "its host. Empty: `https://localhost` with `server.port`.",
        ),
    ] = ""
    openid: Annotated[OpenIdSettings, Meta(description="OpenID Connect.")] = OpenIdSettings()
