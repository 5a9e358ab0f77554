"""`bailee backends`: the upstreams, whether they answer, and their sealed credentials."""

import sys
from typing import Annotated

import typer

from bailee.cli.options import ConfigOption, DataOption, JsonOption, SetOption, load_settings
from bailee.kernel.errors import InvalidInput

app = typer.Typer(help="Check upstreams and store their credentials.", no_args_is_help=True)


@app.command("list")
def list_backends(
    config: ConfigOption = None,
    data: DataOption = None,
    assignments: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the configured backends with their models and declared terms; nothing is called.

    Example: bailee backends list
    """
    from bailee.cli.output import print_json, print_table

    settings = load_settings(config, data, assignments).settings
    if as_json:
        print_json(settings.backends)
        return
    print_table(
        ("name", "base url", "models", "credential", "declared terms"),
        [
            (b.name, b.base_url, ", ".join(b.models), b.credential or "–", terms_text(b.terms))
            for b in settings.backends
        ],
    )


@app.command("check")
def check(
    config: ConfigOption = None,
    data: DataOption = None,
    assignments: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Ask each backend whether it is there and accepts its credential.

    Example: bailee backends check
    """
    import asyncio

    from bailee.cli.administration import Row, wiring
    from bailee.cli.output import print_json, print_table

    async def run() -> list[Row]:
        async with wiring().administration(settings) as installation:
            return await installation.check_backends()

    settings = load_settings(config, data, assignments).settings
    rows = asyncio.run(run())
    if as_json:
        print_json(rows)
    else:
        print_table(
            ("name", "state", "what to do"),
            [(row["name"], "ok" if row["ok"] else "away", row.get("problem")) for row in rows],
        )
    if not all(row["ok"] for row in rows):
        raise typer.Exit(1)


@app.command("set-credential")
def set_credential(
    name: Annotated[str, typer.Argument(help="Name that a backend's `credential` setting uses.")],
    config: ConfigOption = None,
    data: DataOption = None,
    assignments: SetOption = None,
) -> None:
    """Store an upstream's API key in the keyring; it is read from the terminal or a pipe.

    Example: bailee backends set-credential openai < key.txt
    """
    import asyncio

    from bailee.cli.administration import wiring

    settings = load_settings(config, data, assignments).settings
    if sys.stdin.isatty():
        text = typer.prompt(f"API key for {name}", hide_input=True)
    else:
        text = sys.stdin.read()
    value = text.strip().encode()
    if not value or any(byte < 0x21 or byte > 0x7E for byte in value):
        raise InvalidInput("a credential is printable ASCII without spaces; give it on one line")

    async def run() -> None:
        async with wiring().administration(settings) as installation:
            await installation.set_credential(name, value)

    asyncio.run(run())
    used = [backend.name for backend in settings.backends if backend.credential == name]
    where = f"used by {', '.join(used)}" if used else "no backend names it yet"
    print(f"stored {name} in the keyring; {where}")


def terms_text(terms: object) -> str:
    """Declared terms in a few words, the undeclared ones left out."""
    fields = [
        (name, getattr(terms, name))
        for name in ("region", "retention_days", "trains", "business_associate", "zero_retention")
    ]
    said = [f"{name}={str(value).lower()}" for name, value in fields if value is not None]
    return " ".join(said)
