"""The object store and the log in it, as the settings say."""

from bailee.drivers.objects import RegionalObjects, open_objects
from bailee.drivers.system import ThreadOffload
from bailee.kernel.ids import Region
from bailee.ports.objects import Objects
from bailee.settings import Settings
from bailee.wiring.places import Places


def objects_of(settings: Settings, places: Places) -> RegionalObjects:
    """The region's store of segments, of what is kept, and of the log's static files."""
    return RegionalObjects(_opened(settings, places), Region(settings.region))


def _opened(settings: Settings, places: Places) -> Objects:
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
