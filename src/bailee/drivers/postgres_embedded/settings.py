"""How the embedded server is configured: durable, small, quiet, reachable by its socket alone."""

from typing import Final

HOST_BASED_ACCESS: Final = """\
# Every role proves that it knows its password. The superuser has none, so it cannot log in at all.
local all all scram-sha-256
"""

SETTINGS: Final = {
    # Durability: a commit that was acknowledged survives a power failure.
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    # Reach.
    "listen_addresses": "",
    "password_encryption": "scram-sha-256",
    "unix_socket_permissions": "0777",
    # Memory: about 60 MB at rest.
    "shared_buffers": "32MB",
    "work_mem": "4MB",
    "maintenance_work_mem": "32MB",
    "max_connections": "80",
    "max_worker_processes": "1",
    "max_parallel_workers": "0",
    "max_parallel_workers_per_gather": "0",
    "max_parallel_maintenance_workers": "0",
    "max_logical_replication_workers": "0",
    "autovacuum_max_workers": "1",
    "autovacuum_worker_slots": "1",
    "io_method": "sync",
    "huge_pages": "off",
    "jit": "off",
    # Disk.
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_wal_size": "512MB",
    "min_wal_size": "64MB",
    "wal_compression": "on",
    "checkpoint_timeout": "5min",
    # Nothing of a statement or its parameters in the log file.
    "log_statement": "none",
    "log_min_error_statement": "panic",
    "log_parameter_max_length": "0",
    "log_parameter_max_length_on_error": "0",
    "log_error_verbosity": "terse",
    "log_checkpoints": "off",
    "log_timezone": "UTC",
    "timezone": "UTC",
}


def as_arguments(settings: dict[str, str]) -> list[str]:
    """Settings as `-c name=value` arguments of `postgres`."""
    return [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
