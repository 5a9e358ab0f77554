"""`bailee agreements`: read the texts, fill in and sign, review, download; over the API."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from bailee.cli.options import (
    ConfigOption,
    DataOption,
    JsonOption,
    OrganisationOption,
    SetOption,
    load_settings,
)
from bailee.kernel.errors import BaileeError, InvalidInput
from bailee.kernel.instants import Instant, to_rfc3339

if TYPE_CHECKING:
    from bailee.cli.remote import Remote

app = typer.Typer(
    help="Agreements with the operator: texts, forms, signatures, documents.",
    no_args_is_help=True,
)
_PATH: Final = "/bailee/v1/agreements"
AgreementArgument = Annotated[str, typer.Argument(help="The agreement (agreement_…).")]
FieldOption = Annotated[
    list[str] | None,
    typer.Option("--field", metavar="NAME=VALUE", help="One field of the form; repeat it."),
]
ReasonsOption = Annotated[str, typer.Option(help="Why.")]


@app.command("templates")
def templates(
    kind: Annotated[str | None, typer.Argument(help="One kind: shows its whole text.")] = None,
    korean: Annotated[bool, typer.Option("--korean", help="Show it in Korean.")] = False,
    config: ConfigOption = None,
    data: DataOption = None,
    assignments: SetOption = None,
    organisation: OrganisationOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what can be agreed to, with the fields of each form.

    Example: bailee agreements templates data_processing_addendum --korean
    """
    from bailee.cli.output import cells, print_json, print_table

    found = _remote(config, data, assignments, organisation).call("GET", f"{_PATH}/templates")[
        "data"
    ]
    if kind is not None:
        found = [one for one in found if one["kind"] == kind]
        if not found:
            raise InvalidInput("there is no such kind; `bailee agreements templates` lists them")
    if as_json:
        print_json(found)
        return
    if kind is None:
        notices = ("newer_text_notice_days", "termination_notice_days")
        columns = ("kind", "version", "reviewed", "requires", *notices)
        print_table(columns, [cells(one, columns) for one in found])
        return
    language = "korean" if korean else "english"
    for one in found:
        print(f"{one['title'][language]} ({one['version']}, SHA-256 {one['sha256']})\n")
        for section in one["sections"]:
            print(f"{section['title'][language]}\n{section['text'][language]}\n")
        rows = [
            (
                field["name"],
                field["required"],
                ", ".join(field["choices"]),
                field["label"][language],
            )
            for field in one["fields"]
        ]
        print_table(("field", "required", "choices", "what"), rows)


@app.command("submit")
def submit(
    kind: Annotated[str, typer.Argument(help="Which agreement, or a draft (agreement_…).")],
    fields: FieldOption = None,
    korean: Annotated[
        bool | None,
        typer.Option(
            "--korean/--english",
            help="In which language it is signed; default: English, or as the draft says.",
        ),
    ] = None,
    draft: Annotated[bool, typer.Option("--draft", help="Begin it and do not hand it in.")] = False,
    config: ConfigOption = None,
    data: DataOption = None,
    assignments: SetOption = None,
    organisation: OrganisationOption = None,
    as_json: JsonOption = False,
) -> None:
    """Fill in the form of an agreement and hand it in.

    A data processing addendum is signed with it, if you may sign; its document follows in seconds.

    Example: bailee agreements submit data_processing_addendum --field legal_name="Acme Ltd" …
    """
    remote = _remote(config, data, assignments, organisation)
    body: dict[str, Any] = {"form": _form(fields)}
    if korean is not None:
        body["language"] = "korean" if korean else "english"
    if kind.startswith("agreement_"):
        row = remote.call("POST", f"{_PATH}/{kind}", body)
        if not draft:
            row = remote.call("POST", f"{_PATH}/{kind}/submit")
    else:
        row = remote.call("POST", _PATH, {"kind": kind, "submit": not draft, **body})
    _show(row, as_json=as_json)


@app.command("list")
def list_agreements(
    waiting: Annotated[
        bool, typer.Option("--waiting", help="What waits for the operator, of everybody.")
    ] = False,
    config: ConfigOption = None,
    data: DataOption = None,
    assignments: SetOption = None,
    organisation: OrganisationOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the organisation's agreements, newest first.

    Example: bailee agreements list
    """
    from bailee.cli.output import cells, print_json, print_table

    path = f"{_PATH}/waiting" if waiting else _PATH
    remote = _remote(config, data, assignments, organisation)
    found = remote.every(path)
    if as_json:
        print_json(found)
        return
    columns = ("id", "organization", "kind", "version", "status", "in_force", "in_force_until")
    print_table(columns, [cells(row, columns) for row in found])


@app.command("show")
def show(
    agreement: AgreementArgument,
    config: ConfigOption = None,
    data: DataOption = None,
    assignments: SetOption = None,
    organisation: OrganisationOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show one agreement: its form, who assessed and signed it, until when it binds.

    Example: bailee agreements show agreement_0123456789abcdef0123456789abcdef
    """
    from bailee.cli.output import print_fields, print_json

    row = _remote(config, data, assignments, organisation).call("GET", f"{_PATH}/{agreement}")
    if as_json:
        print_json(row)
        return
    fields: dict[str, Any] = {}
    for name, value in row.items():
        if isinstance(value, dict):
            fields |= {f"{name}_{part}": within for part, within in value.items()}
        elif name != "object":
            fields[name] = value
    print_fields(fields)


@app.command("review")
def review(
    agreement: AgreementArgument,
    decision: Annotated[str, typer.Argument(help="begin, accept or decline.")],
    reasons: ReasonsOption = "",
    config: ConfigOption = None,
    data: DataOption = None,
    assignments: SetOption = None,
    organisation: OrganisationOption = None,
    as_json: JsonOption = False,
) -> None:
    """Assess a submitted agreement for the operator.

    Example: bailee agreements review agreement_0123… accept --reasons "Known company"
    """
    body = {"decision": decision, "reasons": reasons}
    path = f"{_PATH}/{agreement}/review"
    _show(
        _remote(config, data, assignments, organisation).call("POST", path, body), as_json=as_json
    )


@app.command("sign")
def sign(
    agreement: AgreementArgument,
    config: ConfigOption = None,
    data: DataOption = None,
    assignments: SetOption = None,
    organisation: OrganisationOption = None,
    as_json: JsonOption = False,
) -> None:
    """Sign an agreement for your organisation, under the name that its form gives.

    Example: bailee agreements sign agreement_0123456789abcdef0123456789abcdef
    """
    path = f"{_PATH}/{agreement}/sign"
    _show(_remote(config, data, assignments, organisation).call("POST", path), as_json=as_json)


@app.command("countersign")
def countersign(
    agreement: AgreementArgument,
    name: Annotated[str, typer.Option(help="Your name, as the document shows it.")],
    title: Annotated[str, typer.Option(help="Your title.")],
    config: ConfigOption = None,
    data: DataOption = None,
    assignments: SetOption = None,
    organisation: OrganisationOption = None,
    as_json: JsonOption = False,
) -> None:
    """Sign an agreement for the operator.

    Example: bailee agreements countersign agreement_0123… --name "…" --title "Privacy officer"
    """
    path = f"{_PATH}/{agreement}/countersign"
    body = {"name": name, "title": title}
    _show(
        _remote(config, data, assignments, organisation).call("POST", path, body), as_json=as_json
    )


@app.command("terminate")
def terminate(
    agreement: AgreementArgument,
    reasons: ReasonsOption,
    config: ConfigOption = None,
    data: DataOption = None,
    assignments: SetOption = None,
    organisation: OrganisationOption = None,
    as_json: JsonOption = False,
) -> None:
    """Give up preparing an agreement, or give notice that an executed one ends.

    An executed one is in force for as long as its text says: `termination_notice_days` of
    `bailee agreements templates`.

    Example: bailee agreements terminate agreement_0123… --reasons "No longer needed"
    """
    path = f"{_PATH}/{agreement}/terminate"
    row = _remote(config, data, assignments, organisation).call("POST", path, {"reasons": reasons})
    _show(row, as_json=as_json)


@app.command("download")
def download(
    agreement: AgreementArgument,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="File to write; default: its name.")
    ] = None,
    config: ConfigOption = None,
    data: DataOption = None,
    assignments: SetOption = None,
    organisation: OrganisationOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write the signed document (PDF) of an executed agreement to a file.

    Example: bailee agreements download agreement_0123456789abcdef0123456789abcdef -o dpa.pdf
    """
    import hashlib

    from bailee.cli.output import print_json

    pdf = _remote(config, data, assignments, organisation).file(f"{_PATH}/{agreement}/document")
    file = output or Path(f"{agreement}.pdf")
    try:
        file.write_bytes(pdf)
    except OSError as error:
        raise BaileeError(f"{file} cannot be written ({error.strerror})") from None
    digest = hashlib.sha256(pdf).hexdigest()
    if as_json:
        print_json({"file": str(file), "sha256": digest, "bytes": len(pdf)})
    else:
        print(f"wrote {file}\nSHA-256 {digest}, which is in the log")


@app.command("publish")
def publish(
    kind: Annotated[str, typer.Argument(help="Which agreement.")],
    version: Annotated[str, typer.Argument(help="The version, as in 2026-11-26.")],
    config: ConfigOption = None,
    data: DataOption = None,
    assignments: SetOption = None,
    organisation: OrganisationOption = None,
    as_json: JsonOption = False,
) -> None:
    """Put a newer text in force; shows who is to execute it anew, and until when.

    Example: bailee agreements publish data_processing_addendum 2027-03-01
    """
    from bailee.cli.output import cells, print_json, print_table

    body = {"kind": kind, "version": version}
    remote = _remote(config, data, assignments, organisation)
    due = remote.call("POST", f"{_PATH}/templates/publish", body)["data"]
    if as_json:
        print_json(due)
        return
    columns = ("agreement", "organization", "version", "in_force_until")
    print_table(columns, [cells(row, columns) for row in due])


@app.command("protect")
def protect(
    project: Annotated[str, typer.Argument(help="The project (proj_…).")],
    config: ConfigOption = None,
    data: DataOption = None,
    assignments: SetOption = None,
    organisation: OrganisationOption = None,
    as_json: JsonOption = False,
) -> None:
    """Put a project under the business associate agreement, until it is archived.

    From then on it is refused every feature that the agreement does not cover.

    Example: bailee agreements protect proj_0123456789abcdef0123456789abcdef
    """
    from bailee.cli.output import print_json

    remote = _remote(config, data, assignments, organisation)
    row = remote.call("POST", f"{_PATH}/protected-projects/{project}")
    if as_json:
        print_json(row)
    else:
        print(f"{project} is protected")


def _remote(
    config: Path | None,
    data: Path | None,
    assignments: list[str] | None,
    organisation: str | None,
) -> "Remote":
    from bailee.cli.remote import remote

    return remote(load_settings(config, data, assignments).settings, organisation)


def _form(fields: list[str] | None) -> dict[str, str]:
    form: dict[str, str] = {}
    for field in fields or []:
        name, equals, value = field.partition("=")
        if not equals:
            raise InvalidInput(f"--field {name}: write it as --field legal_name=…")
        form[name] = value
    return form


def _show(row: dict[str, Any], *, as_json: bool) -> None:
    from bailee.cli.output import print_json

    if as_json:
        print_json(row)
    else:
        until = ""
        if row["in_force"] and row["in_force_until"] is not None:
            until = f", in force until {to_rfc3339(Instant(1000 * row['in_force_until']))}"
        print(f"{row['id']} ({row['kind']} {row['version']}) is {row['status']}{until}")
