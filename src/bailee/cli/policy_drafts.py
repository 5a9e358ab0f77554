"""`bailee policy draft|submit|diff|simulate|approve|publish|…`: versions of the policy.

These go over the API, for whoever's credential is at hand (`cli.remote`).
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from bailee.cli.options import ConfigOption, DataOption, JsonOption, SetOption, load_settings
from bailee.cli.policy import LanguageOption, is_korean
from bailee.kernel.errors import InvalidInput

_PATH = "/bailee/v1/policy"
_PUBLIC = "/versions"
"""What is published is for everybody: no sign-in is asked for."""
_PREFIX_DIGITS = 8
"""Of a digest: enough that no other text of the same draft has them by chance."""
DraftArgument = Annotated[str, typer.Argument(help="The draft (draft_…).")]


def add_to(app: typer.Typer) -> None:
    """Add these commands to the group `bailee policy`."""
    for name, command in (
        ("versions", versions),
        ("drafts", drafts),
        ("draft", draft),
        ("submit", submit),
        ("diff", diff),
        ("simulate", simulate),
        ("approve", approve),
        ("publish", publish),
        ("withdraw", withdraw),
    ):
        app.command(name)(command)


def versions(
    service: Annotated[str | None, typer.Option(help="One service's alone.")] = None,
    config: ConfigOption = None,
    data: DataOption = None,
    assignments: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """List published versions, with those that are not yet in force.

    Example: bailee policy versions --service api
    """
    from bailee.cli.output import instant_said, print_json, print_table

    query = None if service is None else {"service": service}
    said = _ask((config, data, assignments), "GET", "/versions", query=query)
    if as_json:
        print_json(said)
        return
    rows = [
        (one["id"], one["service"], instant_said(one["effective_at"]), one["summary"]["english"])
        for one in said["data"]
    ]
    print_table(("version", "service", "effective", "summary"), rows)


def drafts(
    config: ConfigOption = None,
    data: DataOption = None,
    assignments: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """List drafts, with how far each has come.

    Example: bailee policy drafts
    """
    from bailee.cli.output import print_json, print_table

    said = _ask((config, data, assignments), "GET", "/drafts")
    if as_json:
        print_json(said)
        return
    rows = [
        (one["id"], one["policy_version"], one["service"], one["state"], one["author"])
        for one in said["data"]
    ]
    print_table(("draft", "version", "service", "state", "author"), rows)


def draft(
    file: Annotated[Path, typer.Argument(help="A version file (TOML).")],
    endpoints: Annotated[
        Path | None, typer.Option(help="An endpoint table of its own (TOML).")
    ] = None,
    rewrite: Annotated[
        str | None, typer.Option(help="The draft that this replaces the text of.")
    ] = None,
    config: ConfigOption = None,
    data: DataOption = None,
    assignments: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Begin a draft, or rewrite one's own, and name everything that is wrong with it.

    Ends with 1 while anything is.

    Example: bailee policy draft ./2027-02.toml
    """
    body = {"version": _text(file), "endpoints": None if endpoints is None else _text(endpoints)}
    path = "/drafts" if rewrite is None else f"/drafts/{rewrite}"
    said = _ask((config, data, assignments), "POST", path, body)
    _tell(said, as_json=as_json)
    if said["problems"]:
        raise typer.Exit(1)


def submit(
    draft: DraftArgument,
    config: ConfigOption = None,
    data: DataOption = None,
    assignments: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Ask for approvals of a draft of one's own.

    Example: bailee policy submit draft_0123
    """
    said = _ask((config, data, assignments), "POST", f"/drafts/{draft}/submit")
    _tell(said, as_json=as_json)


def diff(
    draft: DraftArgument,
    language: LanguageOption = "en",
    config: ConfigOption = None,
    data: DataOption = None,
    assignments: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what a draft changes for whom, from when.

    Example: bailee policy diff draft_0123 --language ko
    """
    from bailee.cli.output import print_json

    korean = is_korean(language)
    said = _ask((config, data, assignments), "GET", f"/drafts/{draft}/difference")
    if as_json:
        print_json(said)
        return
    for line in difference_lines(said, korean=korean):
        print(line)


def difference_lines(said: Mapping[str, Any], *, korean: bool) -> Iterator[str]:
    """What the API says of a difference, in one language throughout."""
    from bailee.policy.words import line_said

    language = "korean" if korean else "english"
    kind = "first" if said["follows"] is None else "follows"
    names = {name: said[name] for name in ("version", "follows", "effective")}
    yield line_said("difference", kind, language, **names)
    for one in (*said["parameters"], *said["endpoints"]):
        yield f"{one['place']} {one['name']}: {_setting(one['before'])} → {_setting(one['after'])}"
    for one in said["texts"]:
        yield line_said("difference", one["part"], language, clause=one["clause"])
    for one in said["effects"]:
        yield one[language]
    if not said["effects"]:
        yield line_said("difference", "none", language)


def simulate(
    draft: DraftArgument,
    days: Annotated[int, typer.Option(min=1, max=31, help="How far back.")] = 31,
    config: ConfigOption = None,
    data: DataOption = None,
    assignments: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Replay the last days' decisions under a draft and say what would have been otherwise.

    Example: bailee policy simulate draft_0123 --days 7
    """
    from bailee.cli.output import print_json, print_table

    said = _ask((config, data, assignments), "POST", f"/drafts/{draft}/simulation", {"days": days})
    if as_json:
        print_json(said)
        return
    print(
        f"{said['calls_that_differ']} of {said['calls']} calls, of "
        f"{said['projects_that_differ']} of {said['projects']} projects, would differ"
    )
    print_table(
        ("what", "change", "direction", "calls", "projects"),
        [
            (one["aspect"], one["english"], one["direction"], one["calls"], one["projects"])
            for one in said["changes"]
        ],
    )


def approve(
    draft: DraftArgument,
    digest: Annotated[
        str, typer.Option(help="The digest of the text that you read, or its first 8 digits.")
    ],
    config: ConfigOption = None,
    data: DataOption = None,
    assignments: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Give one's word for a draft that somebody else wrote.

    Example: bailee policy approve draft_0123 --digest 9f86d081
    """
    if len(digest) < _PREFIX_DIGITS:
        raise InvalidInput(f"--digest {digest}: give at least its first {_PREFIX_DIGITS} digits")
    asked = (config, data, assignments)
    whole = _ask(asked, "GET", f"/drafts/{draft}")["digest"] or ""
    digest = whole if whole.startswith(digest.lower()) else digest
    said = _ask(asked, "POST", f"/drafts/{draft}/approvals", {"digest": digest})
    _tell(said, as_json=as_json)


def publish(
    draft: DraftArgument,
    config: ConfigOption = None,
    data: DataOption = None,
    assignments: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Publish an approved draft; every gateway worker knows it once this returns.

    Example: bailee policy publish draft_0123
    """
    from bailee.cli.output import instant_said, print_json

    said = _ask((config, data, assignments), "POST", f"/drafts/{draft}/publish")
    if as_json:
        print_json(said)
    else:
        print(f"published {said['id']}, effective {instant_said(said['effective_at'])}")


def withdraw(
    draft: DraftArgument,
    config: ConfigOption = None,
    data: DataOption = None,
    assignments: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """End a draft that is not published.

    Example: bailee policy withdraw draft_0123
    """
    _tell(_ask((config, data, assignments), "DELETE", f"/drafts/{draft}"), as_json=as_json)


def _ask(
    settings: tuple[Path | None, Path | None, list[str] | None],
    method: str,
    path: str,
    body: Mapping[str, Any] | None = None,
    query: Mapping[str, str] | None = None,
) -> Any:
    from bailee.cli.remote import remote, server

    loaded = load_settings(*settings).settings
    public = method == "GET" and path.startswith(_PUBLIC)
    asked = server(loaded) if public else remote(loaded, of_organisations=False)
    return asked.call(method, _PATH + path, body, query=query)


def _tell(said: Any, *, as_json: bool) -> None:
    from bailee.cli.output import print_json

    if as_json:
        print_json(said)
        return
    approvals = f"{len(said['approvals'])} of {said['approvals_needed']} approvals"
    print(f"{said['id']}: {said['policy_version'] or 'no version'}, {said['state']}, {approvals}")
    if said["digest"]:
        print(f"digest {said['digest']}")
    for problem in said["problems"] or ():
        place = ": ".join(filter(None, (problem["file"], problem["key"])))
        print(f"{place}: {problem['message']}")


def _setting(value: str | int | bool | None) -> str:
    """A setting as a version's file has it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return "–" if value is None else str(value)


def _text(file: Path) -> str:
    try:
        return file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(f"{file} cannot be read; it is UTF-8 TOML") from error
