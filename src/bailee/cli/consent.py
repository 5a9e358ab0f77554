"""`bailee consent`: what an organisation lets its data serve besides, given and withdrawn.

Commands go over the API, for whoever is signed in or has an admin key in `OPENAI_ADMIN_KEY`.
"""

import enum
from typing import Annotated, Any

import typer

from bailee.cli.options import (
    ConfigOption,
    DataOption,
    JsonOption,
    OrganisationOption,
    SetOption,
    load_settings,
    seconds_of,
)
from bailee.kernel.instants import Instant, to_rfc3339

app = typer.Typer(
    help="See, give and withdraw consent to sharing data for improvement.", no_args_is_help=True
)

_PATH = "/bailee/v1/consents"


class Kind(enum.StrEnum):
    """What is stated."""

    SHARING = "sharing"
    OPT_OUT = "opt_out"


KindOption = Annotated[
    Kind, typer.Option(help="`opt_out` is the choice of the regime before 2023-03-01.")
]
ProjectOption = Annotated[
    str | None, typer.Option(help="A project (proj_…); default: the whole organisation.")
]


@app.command("show")
def show(
    kind: KindOption = Kind.SHARING,
    project: ProjectOption = None,
    as_of: Annotated[
        str | None, typer.Option(help="An instant, as in 2026-11-26T08:00:00Z; default: now.")
    ] = None,
    known_at: Annotated[
        str | None, typer.Option(help="By what was known then; default: now.")
    ] = None,
    config: ConfigOption = None,
    data: DataOption = None,
    assignments: SetOption = None,
    organisation: OrganisationOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show whether consent stands, or stood, and the text that is agreed to now.

    Without `--project`: for the organisation, and for each project that said something by itself.

    Example: bailee consent show --project proj_0123456789abcdef0123456789abcdef
    """
    from bailee.cli.output import print_json
    from bailee.cli.remote import remote

    here = remote(load_settings(config, data, assignments).settings, organisation)
    query = {"kind": kind.value} | ({} if project is None else {"project": project})
    at = {} if as_of is None else {"as_of": str(seconds_of(as_of, "as-of"))}
    at |= {} if known_at is None else {"known_at": str(seconds_of(known_at, "known-at"))}
    standing = here.call("GET", f"{_PATH}/standing", query=query | at)
    text = here.call("GET", f"{_PATH}/text", query={"kind": kind.value})
    if as_json:
        print_json({"standing": standing, "text": text})
        return
    print(f"{kind.value}, for {project or 'the organisation'}: {said(standing)}")
    for own in standing["projects"] or ():
        print(f"{kind.value}, for {own['project']}: {said(own)}")
    print(f"\ntext {text['version']}, digest {text['digest']}\n")
    print(f"{text['title']['english']}\n\n{text['body']['english']}\n")
    print(f"{text['title']['korean']}\n\n{text['body']['korean']}")


@app.command("give")
def give(
    digest: Annotated[
        str, typer.Option(help="The digest of the text that you read (`bailee consent show`).")
    ],
    kind: KindOption = Kind.SHARING,
    project: ProjectOption = None,
    since: Annotated[
        str | None, typer.Option(help="When an opt-out was given elsewhere before.")
    ] = None,
    config: ConfigOption = None,
    data: DataOption = None,
    assignments: SetOption = None,
    organisation: OrganisationOption = None,
    as_json: JsonOption = False,
) -> None:
    """Agree to the current text; its digest says that you read it.

    Example: bailee consent give --digest 3b1f…
    """
    from bailee.cli.output import print_json
    from bailee.cli.remote import remote

    here = remote(load_settings(config, data, assignments).settings, organisation)
    text = here.call("GET", f"{_PATH}/text", query={"kind": kind.value})
    body = _body(kind, project) | {"text": text["version"], "digest": digest}
    if since is not None:
        body["since"] = seconds_of(since, "since")
    given = here.call("POST", _PATH, body)
    if as_json:
        print_json(given)
        return
    print(f"stands since {_shown(given['consent']['valid_from'])}")
    for one in given["left_out"]:
        print(f"not {one['project']}: {one['why']}")


@app.command("withdraw")
def withdraw(
    kind: KindOption = Kind.SHARING,
    project: ProjectOption = None,
    config: ConfigOption = None,
    data: DataOption = None,
    assignments: SetOption = None,
    organisation: OrganisationOption = None,
    as_json: JsonOption = False,
) -> None:
    """Stop sharing; the key to everything that was shared is destroyed before this returns.

    Example: bailee consent withdraw --project proj_0123456789abcdef0123456789abcdef
    """
    from bailee.cli.output import print_json
    from bailee.cli.remote import remote

    here = remote(load_settings(config, data, assignments).settings, organisation)
    withdrawn = here.call("POST", f"{_PATH}/withdraw", _body(kind, project))
    if as_json:
        print_json(withdrawn)
        return
    print(f"does not stand since {_shown(withdrawn['consent']['valid_from'])}")
    for receipt in withdrawn["receipts"]:
        print(f"receipt, in a few seconds: {receipt}")


@app.command("history")
def history(
    kind: Annotated[Kind | None, typer.Option(help="One kind alone.")] = None,
    project: ProjectOption = None,
    known_at: Annotated[
        str | None, typer.Option(help="What the ledger said at an instant.")
    ] = None,
    config: ConfigOption = None,
    data: DataOption = None,
    assignments: SetOption = None,
    organisation: OrganisationOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the ledger: when consent held, and when that was known.

    Example: bailee consent history --known-at 2026-11-26T08:00:00Z
    """
    from bailee.cli.output import print_json, print_table
    from bailee.cli.remote import remote

    query: dict[str, str] = {}
    query |= {} if kind is None else {"kind": kind.value}
    query |= {} if project is None else {"project": project}
    query |= {} if known_at is None else {"known_at": str(seconds_of(known_at, "known-at"))}
    here = remote(load_settings(config, data, assignments).settings, organisation)
    rows = here.every(_PATH, query)
    if as_json:
        print_json(rows)
        return
    headings = ("kind", "scope", "stands", "from", "until", "recorded", "superseded", "text", "by")
    print_table(headings, [_row(row) for row in rows])


def said(standing: dict[str, Any]) -> str:
    """Whether something stands: since when, by whose word and for which text."""
    decided = standing["decided_by"]
    by = ""
    if decided is not None:
        by = f" since {_shown(decided['valid_from'])}, said by {decided['actor']}"
        if decided["text"] is not None:
            by += f", to text {decided['text']}"
    return f"{'stands' if standing['stands'] else 'does not stand'}{by}"


def _row(row: dict[str, Any]) -> list[object]:
    instants = ("valid_from", "valid_until", "recorded_at", "superseded_at")
    return [
        row["kind"],
        row["project"] or "organisation",
        "yes" if row["stands"] else "no",
        *(None if row[name] is None else _shown(row[name]) for name in instants),
        row["text"],
        row["actor"],
    ]


def _body(kind: Kind, project: str | None) -> dict[str, Any]:
    return {"kind": kind.value} | ({} if project is None else {"project": project})


def _shown(seconds: float) -> str:
    return to_rfc3339(Instant(round(1000 * seconds)))
