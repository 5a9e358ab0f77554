"""`bailee serve`: the command; what it does is in `cli.installation`."""

from typing import Annotated

import typer

from bailee.cli.options import (
    ConfigOption,
    DataOption,
    SetOption,
    flag_values,
    load_settings,
    repeated,
)


def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="TCP port, TLS only.")] = None,
    workers: Annotated[
        int | None, typer.Option(help="Gateway workers: processes that answer.")
    ] = None,
    config: ConfigOption = None,
    data: DataOption = None,
    assignments: SetOption = None,
) -> None:
    """Start everything on this machine; Ctrl-C finishes what is in flight and stops.

    Example: bailee serve --port 9443 --workers 2
    """
    from bailee.cli import installation

    flags = {"server.host": host, "server.port": port, "server.workers": workers}
    loaded = load_settings(config, data, assignments, flags)
    arguments = repeated(loaded.file, flag_values(data, assignments, flags))
    with installation.owned_data_folder(loaded.settings.data_folder):
        installation.run(loaded.settings, arguments)
