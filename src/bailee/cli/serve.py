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
    region: Annotated[
        str | None,
        typer.Option(help="Of several regions, the one that this machine serves; default: all."),
    ] = None,
    config: ConfigOption = None,
    data: DataOption = None,
    assignments: SetOption = None,
    together: Annotated[bool, typer.Option("--together", hidden=True)] = False,
) -> None:
    """Start everything on this machine; Ctrl-C finishes what is in flight and stops.

    With several regions in the settings each gets an installation of its own, unless `--region`
    names the one to serve.

    Example: bailee serve --port 9443 --workers 2
    """
    from bailee.cli import installation, regions

    flags: dict[str, object | None] = {
        "server.host": host,
        "server.port": port,
        "server.workers": workers,
        "region": region,
    }
    loaded = load_settings(config, data, assignments, flags)
    arguments = repeated(loaded.file, flag_values(data, assignments, flags))
    if loaded.settings.regions and region is None:
        everyone = {
            name: load_settings(config, data, assignments, flags | {"region": name}).settings
            for name in loaded.settings.regions
        }
        regions.run(everyone, arguments)
        return
    with installation.owned_data_folder(loaded.settings.data_folder):
        installation.run(loaded.settings, arguments, alone=not together)
