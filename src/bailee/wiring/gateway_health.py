"""What the gateways say of each part, asked over HTTPS as anybody may.

An operator's command does not hold what a gateway holds: the credentials of backends above all.
"""

import http.client
import ssl
from typing import Final
from urllib.parse import urlsplit

import msgspec

from bailee.api.health import Health
from bailee.kernel.errors import Unavailable
from bailee.wiring.places import Places

_TIMEOUT_S: Final = 30.0


def ask_health(places: Places) -> dict[str, str | None]:
    """Each part's problem by the part's name, None where it is ready. Blocks.

    Raises:
        Unavailable: if no gateway answers.
    """
    try:
        address = urlsplit((places.data / "run" / "address").read_text().strip())
        context = ssl.create_default_context(cafile=str(places.data / "tls" / "bundle.pem"))
        connection = http.client.HTTPSConnection(
            address.hostname or "localhost", address.port, context=context, timeout=_TIMEOUT_S
        )
        try:
            connection.request("GET", "/health")
            health = msgspec.json.decode(connection.getresponse().read(), type=Health)
        finally:
            connection.close()
    except (OSError, http.client.HTTPException, msgspec.DecodeError) as error:
        raise Unavailable("no gateway answers; start the installation first") from error
    return {part.name: None if part.ready else part.detail for part in health.parts}
