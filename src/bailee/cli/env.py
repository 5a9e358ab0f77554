"""`bailee env`: what a shell needs so that OpenAI clients on this machine talk to Bailee."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bailee.cli.options import ConfigOption, DataOption, JsonOption, SetOption, load_settings
from bailee.cli.status_files import announced_address
from bailee.kernel.errors import NotFound

if TYPE_CHECKING:
    from bailee.settings import Settings

TRUST_VARIABLES = (
    "SSL_CERT_FILE",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "NODE_EXTRA_CA_CERTS",
)
_FORMER = "_BEFORE_BAILEE_"
"""Not `BAILEE_…`: whatever begins so is a setting."""
VARIABLES = ("OPENAI_BASE_URL", "OPENAI_API_KEY", "BAILEE_DATA_FOLDER", *TRUST_VARIABLES)


def env(
    config: ConfigOption = None,
    data: DataOption = None,
    assignments: SetOption = None,
    unset: Annotated[
        bool, typer.Option("--unset", help="Print what restores the variables.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Print exports for a shell, with the demo key of this machine.

    Example: eval "$(bailee env)"
    """
    from bailee.cli.output import print_json

    if unset:
        print("\n".join(_taking_back(name) for name in VARIABLES))
        return
    values = variables(load_settings(config, data, assignments).settings)
    if as_json:
        print_json(values)
    else:
        print("\n".join(_setting(name, value) for name, value in values.items()))


def _setting(name: str, value: str) -> str:
    # The value from before is kept once, however often this is evaluated.
    former = f"{_FORMER}{name}"
    keep = f'export {former}="${{{former}-${{{name}-}}}}"'
    return f"{keep}\nexport {name}={shlex.quote(value)}"


def _taking_back(name: str) -> str:
    former = f"{_FORMER}{name}"
    restore = f'export {name}="${former}"'
    return f'if [ -n "${{{former}-}}" ]; then {restore}; else unset {name}; fi\nunset {former}'


def variables(settings: "Settings") -> dict[str, str]:
    """The variables and their values.

    Raises:
        NotFound: if the installation has not been started yet, or has no demo key.
    """
    key_file = settings.data_folder / "secrets" / "demo-api-key"
    bundle = settings.data_folder / "tls" / "bundle.pem"
    for file in (bundle, key_file):
        if not file.is_file():
            raise NotFound(
                f"{file} is not there; name the installation's data folder with --data, or start "
                "`bailee serve` once with this one, or set OPENAI_API_KEY yourself to a key from "
                "`bailee keys create`"
            )
    address = announced_address(settings.data_folder / "run") or base_address(settings)
    values = {
        "OPENAI_BASE_URL": f"{address}/v1",
        "OPENAI_API_KEY": key_file.read_text().strip(),
    }
    if not settings.regions:  # with several, one folder would be taken for another region's
        values["BAILEE_DATA_FOLDER"] = str(settings.data_folder.absolute())
    return values | dict.fromkeys(TRUST_VARIABLES, str(Path.absolute(bundle)))


def base_address(settings: "Settings") -> str:
    """The address of this installation for clients on this machine, without a path."""
    host = settings.server.host
    if host in ("0.0.0.0", "::", "127.0.0.1", "::1"):  # noqa: S104 - compared, not bound
        host = "localhost"
    return f"https://{f'[{host}]' if ':' in host else host}:{settings.server.port}"
