"""`bailee doctor`: what could keep this installation from its promises, and what to do."""

from typing import TYPE_CHECKING

import typer

from bailee.cli.options import ConfigOption, DataOption, JsonOption, SetOption, load_settings

if TYPE_CHECKING:
    from bailee.cli.findings import Finding
    from bailee.settings import Settings


def doctor(
    config: ConfigOption = None,
    data: DataOption = None,
    assignments: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check ports, disk, clocks, certificates, permissions, database, model, roles and links.

    Ends with 1 when something must be done.

    Example: bailee doctor --json
    """
    from bailee.cli.output import print_json, print_table

    findings = examine(load_settings(config, data, assignments).settings)
    if as_json:
        print_json(findings)
    else:
        print_table(
            ("", "check", "found"),
            [
                (_MARKS[f.state], f.check, f"{f.what}\n→ {f.to_do}" if f.to_do else f.what)
                for f in findings
            ],
        )
    if any(finding.state == "problem" for finding in findings):
        raise typer.Exit(1)


_MARKS = {"ok": "✓", "warning": "!", "problem": "✗"}


def examine(settings: "Settings") -> "list[Finding]":
    """Every check's finding, in the order in which they are worth reading."""
    import asyncio

    from bailee.cli import checks_installation as installation
    from bailee.cli import checks_machine as machine
    from bailee.cli.certificates import certificate_names
    from bailee.drivers.system import SystemClock

    clock = SystemClock()
    now = clock.now()
    folder = settings.data_folder
    return [
        installation.there(folder),
        installation.port(settings),
        machine.user(),
        machine.disk(folder),
        installation.permissions(folder),
        installation.certificate(settings, certificate_names(settings), now),
        asyncio.run(machine.clock_steadiness(clock)),
        machine.clock_source(now),
        machine.clock_mark(folder, now),
        machine.separation(enforcement=installation.enforcement(settings)),
        machine.swap(),
        installation.database(settings),
        installation.model(settings),
        machine.fine_tuning(),
        installation.roles(settings),
        installation.operator(settings),
        installation.links(settings),
    ]
