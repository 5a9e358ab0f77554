"""From a URL in the settings to an object store."""

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit

from obstore.store import from_url

from bailee.drivers.objects.folder import FolderObjects
from bailee.drivers.objects.remote import RemoteObjects
from bailee.kernel.errors import InvalidInput
from bailee.ports.objects import Objects
from bailee.ports.offload import Offload


def open_objects(url: str, offload: Offload, config: Mapping[str, str] | None = None) -> Objects:
    """The store at `url`: `file:///folder`, `s3://bucket/prefix`, `gs://…`, `az://…`.

    `config` is obstore's, as in `{"endpoint": …, "region": …}`; what it lacks comes from where the
    service's own tools look (environment, instance metadata). Raises InvalidInput.
    """
    parts = urlsplit(url)
    if parts.scheme == "file":
        if parts.netloc or not parts.path.startswith("/"):
            raise InvalidInput("a folder is written as file:///absolute/path", field="objects.url")
        return FolderObjects(Path(unquote(parts.path)), offload)
    try:
        return RemoteObjects(from_url(url, **dict(config or {})))  # type: ignore[call-overload]
    except Exception as error:  # noqa: BLE001 - obstore has no common class for a bad URL
        raise InvalidInput(
            f"the object store cannot be used ({type(error).__name__}); "
            "write file:///folder, s3://bucket, gs://bucket or az://container",
            field="objects.url",
        ) from None
