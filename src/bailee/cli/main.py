"""The `bailee` command: what there is, and how it ends.

Exit codes: 0 done, 1 it failed or something must be done, 2 wrong use or wrong settings. A failure
that Bailee knows is one sentence on standard error and never a traceback. Commands import what
they need when they run, so that help comes at once.
"""

import importlib
import importlib.util
import sys
from inspect import cleandoc
from typing import Annotated

import typer

from bailee.cli import (
    admin,
    agreements,
    backends,
    consent,
    doctor,
    env,
    import_records,
    inspect,
    keys,
    organisations,
    people,
    policy,
    policy_drafts,
    processes,
    projects,
    ray,
    serve,
    services,
    show_settings,
    sign_in,
    verify,
    webhooks,
    zero_retention,
)
from bailee.kernel.errors import BaileeError

app = typer.Typer(
    name="bailee",
    help="An OpenAI-compatible LLM API that keeps its promises about data, and proves it.\n\n"
    'Start with: bailee serve, then in another shell: eval "$(bailee env)"',
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    rich_markup_mode="rich",
)

_START, _OPERATE, _PROVE, _PARTS = "Start", "Operate", "Look and prove", "Single processes"

app.command("serve", rich_help_panel=_START)(serve.serve)
app.command("env", rich_help_panel=_START)(env.env)
app.command("doctor", rich_help_panel=_START)(doctor.doctor)
app.command("config", rich_help_panel=_START)(show_settings.config)
app.add_typer(admin.app, name="admin", rich_help_panel=_OPERATE)
app.command("login", rich_help_panel=_OPERATE)(sign_in.login)
app.command("logout", rich_help_panel=_OPERATE)(sign_in.logout)
app.command("whoami", rich_help_panel=_OPERATE)(sign_in.whoami)
app.add_typer(people.people, name="people", rich_help_panel=_OPERATE)
app.add_typer(people.roles, name="roles", rich_help_panel=_OPERATE)
app.add_typer(keys.app, name="keys", rich_help_panel=_OPERATE)
app.add_typer(projects.app, name="projects", rich_help_panel=_OPERATE)
app.add_typer(consent.app, name="consent", rich_help_panel=_OPERATE)
app.add_typer(organisations.app, name="organisations", rich_help_panel=_OPERATE)
app.add_typer(backends.app, name="backends", rich_help_panel=_OPERATE)
app.add_typer(agreements.app, name="agreements", rich_help_panel=_OPERATE)
app.add_typer(ray.app, name="ray", rich_help_panel=_OPERATE)
app.add_typer(services.app, name="services", rich_help_panel=_OPERATE)
app.add_typer(import_records.app, name="import", rich_help_panel=_OPERATE)
policy_drafts.add_to(policy.app)
app.add_typer(webhooks.app, name="webhooks", rich_help_panel=_OPERATE)
app.add_typer(zero_retention.app, name="zero-retention", rich_help_panel=_OPERATE)
app.add_typer(policy.app, name="policy", rich_help_panel=_PROVE)
app.add_typer(inspect.app, name="inspect", rich_help_panel=_PROVE)
app.command("verify", rich_help_panel=_PROVE)(verify.verify)
for name in ("tour", "canary", "bench"):
    if importlib.util.find_spec(f"bailee.cli.{name}") is not None:
        module = importlib.import_module(f"bailee.cli.{name}")
        app.add_typer(module.app, name=name, rich_help_panel=_PROVE)
app.command("gateway", rich_help_panel=_PARTS)(processes.gateway)
app.command("keeper", rich_help_panel=_PARTS)(processes.keeper)
app.command("clerk", rich_help_panel=_PARTS)(processes.clerk)
app.command("worker", rich_help_panel=_PARTS)(processes.worker)
app.command("model-runner", rich_help_panel=_PARTS)(processes.model_runner)


def _print_version(asked: bool) -> None:
    if asked:
        version()
        raise typer.Exit


@app.callback()
def options(
    shown: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    """What `bailee` takes without a command."""


@app.command("version", rich_help_panel=_OPERATE)
def version() -> None:
    """Print the version.

    Example: bailee version
    """
    from bailee import __version__

    print(__version__)


def _let_help_flow(group: typer.Typer) -> None:
    """Give every command its docstring with a line for each paragraph.

    Rich markup would keep the line breaks of the source in all but the first one.
    """
    for command in group.registered_commands:
        command.help = _flowing(command.callback)
    called = group.registered_callback
    if called is not None and not isinstance(group.info.help, str):
        called.help = _flowing(called.callback)
    for below in group.registered_groups:
        if below.typer_instance is not None:
            _let_help_flow(below.typer_instance)


def _flowing(described: object) -> str:
    text = cleandoc(described.__doc__ or "")
    return "\n\n".join(" ".join(part.split("\n")) for part in text.split("\n\n"))


_let_help_flow(app)


def main() -> None:
    """Run the command line; the entry point of the installed script."""
    try:
        app()
    except BaileeError as error:
        sys.exit(print_error_and_code(error))


def print_error_and_code(error: BaileeError) -> int:
    """Print a failure; gives the exit code."""
    from bailee.cli.output import print_error

    return print_error(error)
