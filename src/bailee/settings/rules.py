"""Checks that span settings, and those of clause C14: nothing but TLS beyond this machine."""

from collections import Counter
from collections.abc import Iterator
from ipaddress import ip_address
from typing import Final
from urllib.parse import parse_qs, urlsplit

from bailee.settings.origins import DEFAULT, Origin, Problem
from bailee.settings.regional import broken_regions, home_of, settings_of
from bailee.settings.structure import Settings
from bailee.settings.words import EMBEDDED_BACKEND, EMBEDDED_TEXT_BACKEND

_VERIFIED: Final = ("verify-ca", "verify-full")


def broken_rules(settings: Settings, origins: dict[str, Origin]) -> list[Problem]:
    """Every rule that the settings break, with the place of the setting to change."""
    found = [*_of_one(settings), *broken_regions(settings)]
    for name in settings.regions:
        if name != home_of(settings):
            place = f'regions."{name}".'
            found += [(place + where, why) for where, why in _of_one(settings_of(settings, name))]
    return [Problem(str(_place(name, origins)), name, message) for name, message in found]


def _of_one(settings: Settings) -> Iterator[tuple[str, str]]:
    """The rules that a region's settings break by themselves."""
    yield from _server(settings)
    yield from _database(settings)
    yield from _objects(settings)
    yield from _backends(settings)
    yield from _models(settings)
    yield from _fine_tuning(settings)
    yield from _adapters(settings)
    yield from _agreements(settings)


def is_loopback(host: str | None) -> bool:
    """Whether a host name or address is this machine itself."""
    if host is None:
        return False
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _place(name: str, origins: dict[str, Origin]) -> Origin:
    while name:
        for known, origin in origins.items():
            if known == name or (known.startswith(name) and known[len(name)] in ".["):
                return origin
        name = name[: max(name.rfind("."), name.rfind("["), 0)]
    return DEFAULT


def _agreements(settings: Settings) -> Iterator[tuple[str, str]]:
    named = settings.agreements
    pairs = (
        ("operator_name", "operator_address"),
        ("signatory_name", "signatory_title"),
        ("signing_certificate_file", "signing_private_key_file"),
    )
    for one, other in pairs:
        if bool(getattr(named, one)) != bool(getattr(named, other)):
            yield (f"agreements.{one}", f"must be set together with agreements.{other}, or neither")
    if named.signatory_name and not named.operator_name:
        yield ("agreements.operator_name", "must be set: the signatory signs for it")


def _server(settings: Settings) -> Iterator[tuple[str, str]]:
    server = settings.server
    if (server.certificate_file is None) != (server.private_key_file is None):
        yield (
            "server.certificate_file",
            "must be set together with server.private_key_file, or neither",
        )
    if server.client_certificate_port == server.port:
        yield ("server.client_certificate_port", "must be another port than server.port")
    if server.client_certificate_port and server.http2:
        yield (
            "server.client_certificate_port",
            "needs server.http2 = false: Granian does not tell which certificate a client showed",
        )


def _database(settings: Settings) -> Iterator[tuple[str, str]]:
    url = settings.database.url.reveal()
    if not url:
        return
    try:
        parts = urlsplit(url)
        query = parse_qs(parts.query)
        _ = parts.port
    except ValueError:
        yield ("database.url", "must be a postgresql:// address")
        return
    if parts.scheme not in ("postgresql", "postgres"):
        yield ("database.url", "must be a postgresql:// address")
        return
    hosts = [parts.hostname] if parts.hostname else query.get("host", [])
    local = all(host.startswith("/") or is_loopback(host) for host in hosts)
    if not local and query.get("sslmode", [""])[-1] not in _VERIFIED:
        yield (
            "database.url",
            "is on another machine and must be reached over verified TLS: "
            "add ?sslmode=verify-full (or verify-ca)",
        )


def _objects(settings: Settings) -> Iterator[tuple[str, str]]:
    objects = settings.objects
    if objects.endpoint_url and not _encrypted(objects.endpoint_url):
        yield (
            "objects.endpoint_url",
            "is plain HTTP to another machine, which is refused: use an https:// address",
        )
    if objects.endpoint_url and not objects.url:
        yield ("objects.endpoint_url", "has no effect without objects.url: set that too")
    if bool(objects.access_key_id) != bool(objects.secret_access_key):
        yield (
            "objects.access_key_id",
            "must be set together with objects.secret_access_key, or neither",
        )


def _backends(settings: Settings) -> Iterator[tuple[str, str]]:
    for name, count in Counter(backend.name for backend in settings.backends).items():
        if count > 1:
            yield ("backends", f"{count} backends are called {name}; give each its own name")
    for index, backend in enumerate(settings.backends):
        place = f"backends[{index}]"
        if backend.name in (EMBEDDED_BACKEND, EMBEDDED_TEXT_BACKEND):
            yield (f"{place}.name", f"{backend.name} is a local model; choose another name")
        for name in backend.moderation_models.keys() & backend.models.keys():
            yield (
                f"{place}.moderation_models",
                f"{name} is among models too; give it another name",
            )
        if not _encrypted(backend.base_url):
            yield (
                f"{place}.base_url",
                "is plain HTTP to another machine, which is refused: use an https:// address",
            )
        parts = urlsplit(backend.base_url)
        if parts.username or parts.password or parts.query or parts.fragment:
            yield (
                f"{place}.base_url",
                "must have no credentials, query or fragment; "
                "store a key with `bailee backends set-credential`",
            )
        if backend.idle_timeout_s > backend.total_timeout_s:
            yield (f"{place}.idle_timeout_s", "must not be longer than total_timeout_s")


def _models(settings: Settings) -> Iterator[tuple[str, str]]:
    serves = {
        backend.name: {*backend.models, *backend.moderation_models} for backend in settings.backends
    }
    if settings.model.enabled:
        serves[EMBEDDED_BACKEND] = {settings.model.name}
    text = set(local_names(settings)) - serves.get(EMBEDDED_BACKEND, set())
    if text:
        serves[EMBEDDED_TEXT_BACKEND] = text
    names = Counter(local_names(settings))
    for name in (name for name, count in names.items() if count > 1):
        yield ("moderation.name", f"{name} is the name of two local models; rename one")
    for model, order in settings.models.items():
        for name in order.backends:
            place = f'models."{model}".backends'
            if name not in serves:
                known = ", ".join(serves) or "none"
                yield (place, f"there is no backend {name}; there are {known}")
            elif model not in serves[name]:
                yield (place, f"backend {name} has no model {model}; add it to its models")
        for name, count in Counter(order.backends).items():
            if count > 1:
                yield (f'models."{model}".backends', f"{name} is listed {count} times")


def _fine_tuning(settings: Settings) -> Iterator[tuple[str, str]]:
    models = {backend.name: backend.models for backend in settings.backends}
    local = settings.model.name
    if settings.ray.address and not _encrypted(settings.ray.address):
        yield (
            "ray.address",
            "is plain HTTP to another machine, which is refused: use an https:// address",
        )
    for model, where in settings.fine_tuning.items():
        place = f'fine_tuning."{model}"'
        if where.at == "local":
            if where.backend is not None:
                yield (f"{place}.backend", "has no effect where training is local; leave it out")
            if not settings.model.enabled or model != local:
                yield (f"{place}.at", "is `local`, where the local model alone can be trained")
        elif where.at == "ray":
            if not settings.ray.address or settings.ray.public_key_file is None:
                yield (f"{place}.at", "is `ray`: set ray.address and ray.public_key_file too")
            if not where.weights or where.weights_sha256 is None:
                yield (f"{place}.weights", "must be set together with weights_sha256 for `ray`")
            if where.adapters is None and not (settings.model.enabled and model == local):
                yield (f"{place}.adapters", "must name who answers with what is trained")
        elif where.backend not in models:
            known = ", ".join(models) or "none"
            yield (f"{place}.backend", f"must name a backend; there are {known}")
        elif model not in models[where.backend]:
            yield (f"{place}.backend", f"has no model {model}; add it to its models")


def _adapters(settings: Settings) -> Iterator[tuple[str, str]]:
    backends = {backend.name: backend for backend in settings.backends}
    for model, where in settings.fine_tuning.items():
        place = f'fine_tuning."{model}".adapters'
        if where.adapters is None:
            continue
        backend = backends.get(where.adapters)
        if where.at == "upstream":
            yield (place, "has no effect where a backend trains: that one answers; leave it out")
        elif backend is None or backend.adapters_folder is None or model not in backend.models:
            yield (place, f"must name a backend with an adapters_folder and the model {model}")


def local_names(settings: Settings) -> list[str]:
    """The names of the local models that are on."""
    local = (settings.model, settings.embeddings, settings.moderation)
    return [model.name for model in local if model.enabled]


def _encrypted(address: str) -> bool:
    try:
        parts = urlsplit(address)
        return parts.scheme == "https" or is_loopback(parts.hostname)
    except ValueError:
        return False
