"""`bailee policy`: what would happen to a call and why; the texts; checking a policy folder."""

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bailee.cli.options import ConfigOption, DataOption, JsonOption, SetOption, load_settings
from bailee.kernel.errors import InvalidInput

if TYPE_CHECKING:
    from bailee.policy.explain import Explanation
    from bailee.policy.history import PolicyHistory

app = typer.Typer(help="Explain, show and check the data usage policy.", no_args_is_help=True)

LanguageOption = Annotated[
    str, typer.Option("--language", "-l", help="en or ko; English governs the meaning.")
]


def _history(
    config: Path | None, data: Path | None, assignments: list[str] | None
) -> "PolicyHistory":
    """The versions that the installation of these settings has; where none runs, the packaged."""
    from bailee.cli.administration import wiring
    from bailee.cli.status_files import serves
    from bailee.policy.load import packaged_policy

    settings = load_settings(config, data, assignments).settings
    try:
        runs = serves(settings.data_folder)
    except PermissionError:  # another user's: its versions are theirs to read
        runs = False
    if not runs:
        print(
            f"bailee: no installation of yours runs from {settings.data_folder}: this is the policy"
            " as it is packaged, without versions that were published since",
            file=sys.stderr,
        )
        return packaged_policy()

    async def read() -> "PolicyHistory":
        async with wiring().administration(settings) as installation:
            return await installation.policies()

    return asyncio.run(read())


@app.command("explain")
def explain(
    endpoint: Annotated[str, typer.Argument(help="As in /v1/chat/completions.")],
    at: Annotated[
        str | None, typer.Option(help="Instant of submission, RFC 3339; default: now.")
    ] = None,
    service: Annotated[str, typer.Option(help="Whose policy.")] = "api",
    region: Annotated[str, typer.Option(help="The project's region.")] = "us",
    retention: Annotated[
        str,
        typer.Option(help="default, modified_abuse_monitoring or zero_data_retention."),
    ] = "default",
    sharing: Annotated[bool, typer.Option(help="The owner opted in to sharing.")] = False,
    opted_out: Annotated[
        bool, typer.Option(help="The owner opted out (before 2023-03-01).")
    ] = False,
    health: Annotated[bool, typer.Option(help="A business associate agreement governs.")] = False,
    store: Annotated[
        bool | None, typer.Option("--store/--no-store", help="The request's store field.")
    ] = None,
    language: LanguageOption = "en",
    config: ConfigOption = None,
    data: DataOption = None,
    assignments: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Decide about a call as the request path would, and cite clause and version for it.

    By the versions that the running installation has, published ones too; where none runs, by
    those that are packaged. Ends with 1 when the call would be refused.

    Example: bailee policy explain /v1/chat/completions --retention zero_data_retention
    """
    from bailee.cli.output import print_json
    from bailee.drivers.system import SystemClock
    from bailee.policy.explain import Question, explain, facts_of
    from bailee.policy.model import RetentionMode

    korean = is_korean(language)
    try:
        mode = RetentionMode(retention)
    except ValueError:
        allowed = ", ".join(known.value for known in RetentionMode)
        raise InvalidInput(f"--retention {retention}: write one of {allowed}") from None
    question = Question(
        endpoint=endpoint,
        service=service,
        region=region,
        submitted_at=at,
        retention_mode=mode,
        sharing_consent=sharing,
        improvement_opt_out=opted_out,
        protected_health=health,
        store=store,
    )
    policies = _history(config, data, assignments)
    said = explain(policies, facts_of(question, SystemClock().now()))
    if as_json:
        print_json(said)
    else:
        _print_explanation(said, korean=korean)
    if not said.allowed:
        raise typer.Exit(1)


def _print_explanation(said: "Explanation", *, korean: bool) -> None:
    from bailee.cli.output import print_table
    from bailee.policy.words import aspect_said, line_said

    language = "korean" if korean else "english"
    verdict = "allowed" if said.allowed else "refused"
    print(line_said("explanation", verdict, language, version=said.policy_version))
    for handling in said.handlings:
        values = {
            "purpose": handling.purpose,
            "aspect": aspect_said(f"kept.{handling.purpose}", language),
            "region": handling.region,
            "until": handling.until,
            "clauses": ", ".join(handling.clauses),
        }
        line = "held_until_deleted" if handling.until is None else "held"
        print(line_said("explanation", line, language, **values))
    if said.allowed and not said.handlings:
        print(line_said("explanation", "nothing", language))
    print_table(
        [line_said("explanation", heading, language) for heading in ("clause", "version", "why")],
        [
            (reason.clause, reason.version, reason.text.korean if korean else reason.text.english)
            for reason in said.reasons
        ],
    )


@app.command("show")
def show(
    version: Annotated[
        str | None, typer.Argument(help="Version id; default: the one in force now.")
    ] = None,
    language: LanguageOption = "en",
    config: ConfigOption = None,
    data: DataOption = None,
    assignments: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show a version of the policy: every clause as it reads.

    Example: bailee policy show 2023-03-01 --language ko
    """
    from bailee.cli.output import console, print_json
    from bailee.drivers.system import SystemClock
    from bailee.policy.show import show, show_at
    from bailee.policy.words import line_said

    policies = _history(config, data, assignments)
    korean = is_korean(language)
    shown = (
        show(policies, version)
        if version is not None
        else show_at(policies, "api", SystemClock().now())
    )
    if as_json:
        print_json(shown)
        return
    out = console()
    names = {"version": f"[bold]{shown.id}[/bold]", "effective": shown.effective}
    out.print(line_said("explanation", "shown", "korean" if korean else "english", **names))
    out.print(shown.summary.korean if korean else shown.summary.english, markup=False)
    for clause in shown.clauses:
        out.print(f"\n[bold]{clause.id}[/bold] ", end="")
        out.print(clause.title.korean if korean else clause.title.english, markup=False)
        out.print(clause.text.korean if korean else clause.text.english, markup=False)
        if clause.assumption is not None:
            assumed = clause.assumption.korean if korean else clause.assumption.english
            out.print(f"* {assumed}", markup=False, style="italic")


@app.command("lint")
def lint(
    folder: Annotated[
        Path | None, typer.Argument(help="Policy folder; default: the packaged policy.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Check a policy folder (versions/, endpoints/) and name everything that is wrong with it.

    Example: bailee policy lint ./policy
    """
    from bailee.cli.output import print_json
    from bailee.policy.lint import lint
    from bailee.policy.load import packaged_files

    files = packaged_files() if folder is None else _files(folder)
    report = lint(files)
    if as_json:
        print_json(report)
    else:
        for problem in report.problems:
            place = ": ".join(filter(None, (problem.file, problem.key)))
            print(f"{place}: {problem.message}", file=sys.stderr)
        count = len(report.problems)
        state = "clean" if report.clean else f"{count} problem{'' if count == 1 else 's'}"
        print(f"{', '.join(report.versions) or 'no versions'}: {state}")
    if not report.clean:
        raise typer.Exit(1)


def _files(folder: Path) -> dict[str, str]:
    if not folder.is_dir():
        raise InvalidInput(f"{folder} is not a folder; name the one that holds versions/")
    try:
        return {
            path.relative_to(folder).as_posix(): path.read_text("utf-8")
            for path in sorted([*folder.glob("versions/*.toml"), *folder.glob("endpoints/*.toml")])
        }
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(f"{folder} cannot be read; its files are UTF-8 TOML") from error


def is_korean(language: str) -> bool:
    """Whether Korean is asked for. Raises InvalidInput for what is neither language."""
    if language not in ("en", "ko"):
        raise InvalidInput(f"--language {language}: write en or ko")
    return language == "ko"
