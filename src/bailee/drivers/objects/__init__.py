"""Object storage by URL: a durable local folder, or S3, GCS and Azure through obstore."""

from bailee.drivers.objects.folder import FolderObjects
from bailee.drivers.objects.opening import open_objects
from bailee.drivers.objects.regional import RegionalObjects
from bailee.drivers.objects.remote import RemoteObjects

__all__ = ["FolderObjects", "RegionalObjects", "RemoteObjects", "open_objects"]
