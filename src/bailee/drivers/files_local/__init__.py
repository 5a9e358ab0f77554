"""A folder of the local file system."""

from bailee.drivers.files_local.folder import LocalFiles

__all__ = ["LocalFiles"]
