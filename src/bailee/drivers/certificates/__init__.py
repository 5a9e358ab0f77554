"""The certificate that gateways serve with, and the bundle that clients on this machine trust.

On first start a local authority is made whose name constraints let it vouch for this installation's
names and nothing else; it issues the server's certificate and renews it. Certificates obtained
elsewhere are used in its place when settings name them. Not here: asking a public authority.
"""

from bailee.drivers.certificates.bundle import system_roots
from bailee.drivers.certificates.folder import (
    CertificateFiles,
    describe,
    ensure_certificates,
    use_supplied,
)

__all__ = [
    "CertificateFiles",
    "describe",
    "ensure_certificates",
    "system_roots",
    "use_supplied",
]
