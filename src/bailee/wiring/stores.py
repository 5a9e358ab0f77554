"""The object store and the log in it, as the settings say."""

from bailee.drivers.objects import open_objects
from bailee.drivers.system import ThreadOffload
from bailee.ports.objects import Objects
from bailee.settings import Settings
from bailee.wiring.places import Places


def objects_of(settings: Settings, places: Places) -> Objects:
    """The store of segments and of the log's static files."""
    configured = settings.objects
    if not configured.url:
        places.objects.mkdir(mode=0o700, parents=True, exist_ok=True)
        return open_objects(places.objects.as_uri(), ThreadOffload(8))
    config = {
        "endpoint": configured.endpoint_url,
        "region": configured.region,
        "access_key_id": configured.access_key_id.reveal(),
        "secret_access_key": configured.secret_access_key.reveal(),
    }
    return open_objects(
        configured.url, ThreadOffload(8), {name: value for name, value in config.items() if value}
    )
