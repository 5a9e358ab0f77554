"""Ray's Jobs REST API: packages, submission, status, logs, stop, delete.

Source: Ray 2.60, `dashboard/modules/job/job_head.py`. Its errors hold tracebacks and never reach
ours.
"""

import asyncio
import http.client
import ssl
from typing import Final, NamedTuple, TypeVar
from urllib.parse import urlsplit

import msgspec

from bailee.kernel.errors import InvalidInput
from bailee.kernel.redacted import Secret
from bailee.ports.trainer import TrainingFailure

OVER: Final = frozenset({"SUCCEEDED", "FAILED", "STOPPED"})
_LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})
_TIMEOUT_S: Final = 60.0
_OK: Final = 200
_ABSENT: Final = 404
_FIRST_RETRIABLE: Final = 500
_RETRIABLE: Final = frozenset({408, 429})


_Shape = TypeVar("_Shape")


class _Info(msgspec.Struct):
    status: str


class _Logs(msgspec.Struct):
    logs: str


class _Where(NamedTuple):
    host: str
    port: int
    tls: ssl.SSLContext | None


class RayJobs:
    """One cluster's jobs."""

    def __init__(self, address: str, credential: Secret | None) -> None:
        """Raises InvalidInput for an address that content may not be sent to."""
        parts = urlsplit(address)
        safe = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)
        if not safe or not parts.hostname:
            raise InvalidInput(
                "a cluster's address is https://host[:port] (clause C14); put TLS before its "
                "dashboard, or reach it by a tunnel to this machine",
                field="ray.address",
            )
        tls = None
        if parts.scheme == "https":
            tls = ssl.create_default_context()
            tls.minimum_version = ssl.TLSVersion.TLSv1_2
        self._where = _Where(parts.hostname, parts.port or (443 if tls else 80), tls)
        self._credential = credential

    async def status(self, job: str) -> str | None:
        """A job's status; None: there is no such job. Raises TrainingFailure."""
        status, body = await self._ask("GET", f"/api/jobs/{job}")
        if status == _ABSENT:
            return None
        return _read(status, body, _Info).status

    async def submit(self, job: str, package: bytes, entrypoint: str, cpus: float) -> None:
        """Hand a package over and begin a job with it. Raises TrainingFailure."""
        name = f"_ray_pkg_{job}.zip"
        status, _ = await self._ask("PUT", f"/api/packages/gcs/{name}", package)
        _expect(status)
        asked = {
            "entrypoint": entrypoint,
            "submission_id": job,
            "runtime_env": {"working_dir": f"gcs://{name}"},
            "entrypoint_num_cpus": cpus,
        }
        status, _ = await self._ask("POST", "/api/jobs/", msgspec.json.encode(asked))
        _expect(status)

    async def log(self, job: str) -> str:
        """All that a job has written. Raises TrainingFailure."""
        status, body = await self._ask("GET", f"/api/jobs/{job}/logs")
        return "" if status == _ABSENT else _read(status, body, _Logs).logs

    async def stop(self, job: str) -> None:
        """Ask for a job's end. Raises TrainingFailure."""
        status, _ = await self._ask("POST", f"/api/jobs/{job}/stop", b"")
        if status != _ABSENT:
            _expect(status)

    async def delete(self, job: str) -> None:
        """Delete what is known of a job that is over. Raises TrainingFailure."""
        status, _ = await self._ask("DELETE", f"/api/jobs/{job}")
        if status != _ABSENT:
            _expect(status)

    async def _ask(self, method: str, path: str, body: bytes | None = None) -> tuple[int, bytes]:
        try:
            return await asyncio.to_thread(self._asked, method, path, body)
        except (OSError, http.client.HTTPException):
            raise TrainingFailure("the cluster cannot be reached; wait", retry_safe=True) from None

    def _asked(self, method: str, path: str, body: bytes | None) -> tuple[int, bytes]:
        host, port, tls = self._where
        if tls is None:
            connection = http.client.HTTPConnection(host, port, timeout=_TIMEOUT_S)
        else:
            connection = http.client.HTTPSConnection(host, port, timeout=_TIMEOUT_S, context=tls)
        headers = {"Content-Type": "application/json"}
        if self._credential is not None:
            headers["Authorization"] = f"Bearer {self._credential.decode()}"
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()


def _expect(status: int) -> None:
    if status == _OK:
        return
    retry_safe = status >= _FIRST_RETRIABLE or status in _RETRIABLE
    what = "wait" if retry_safe else "look at its address and credential"
    raise TrainingFailure(
        f"the cluster answered with status {status}; {what}", retry_safe=retry_safe
    )


def _read(status: int, body: bytes, shape: type[_Shape]) -> _Shape:
    _expect(status)
    try:
        return msgspec.json.decode(body, type=shape)
    except msgspec.DecodeError:
        raise TrainingFailure(
            "the cluster's answer cannot be understood; see that the address is Ray's dashboard",
            retry_safe=False,
        ) from None
