"""Which certificate an installation serves with: from settings, or from its own authority."""

from pathlib import Path
from typing import TYPE_CHECKING, Final

from bailee.kernel.instants import Instant
from bailee.settings import Settings

if TYPE_CHECKING:
    from bailee.drivers.certificates import CertificateFiles

_NAMELESS: Final = frozenset({"0.0.0.0", "::", "127.0.0.1", "::1", "localhost"})  # noqa: S104
"""What a certificate need not name: everywhere, and loopback, which it always does."""


def certificates(settings: Settings, now: Instant) -> "CertificateFiles":
    """Have certificate, key and bundle in place; makes or renews what is the installation's own.

    `now` is real time. Raises InvalidInput if supplied files cannot be used.
    """
    from bailee.drivers.certificates import ensure_certificates, system_roots, use_supplied
    from bailee.drivers.system import environment

    folder = settings.data_folder / "tls"
    named = environment().get("SSL_CERT_FILE")
    roots = system_roots(Path(named) if named else None, folder / "bundle.pem")
    server = settings.server
    if server.certificate_file is not None and server.private_key_file is not None:
        return use_supplied(folder, server.certificate_file, server.private_key_file, now, roots)
    return ensure_certificates(folder, certificate_names(settings), now, roots)


def certificate_names(settings: Settings) -> tuple[str, ...]:
    """The names beyond loopback that the certificate must have: the address that is listened on,
    the hosts of the region, without their ports, and `server.extra_names`."""
    region = settings.regions.get(settings.region)
    hosts = () if region is None else tuple(host.partition(":")[0] for host in region.hosts)
    own = tuple(name for name in (settings.server.host, *hosts) if name not in _NAMELESS)
    return tuple(dict.fromkeys((*own, *settings.server.extra_names)))
