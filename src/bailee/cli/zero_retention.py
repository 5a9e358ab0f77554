"""`bailee zero-retention`: applications for zero retention and modified monitoring."""

import enum
import sys
from pathlib import Path
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
from bailee.kernel.errors import InvalidInput

app = typer.Typer(
    help="Apply for zero retention or modified monitoring; decide and revoke.",
    no_args_is_help=True,
)

_PATH = "/bailee/v1/zero_retention/applications"
_Asked = tuple[Path | None, Path | None, list[str] | None, str | None]
"""Settings file, data folder, single settings and organisation, as a command has them."""
Application = Annotated[str, typer.Argument(help="The application (zra_…).")]


class Mode(enum.StrEnum):
    """What can be applied for."""

    ZERO = "zero_data_retention"
    MODIFIED = "modified_abuse_monitoring"


class Decision(enum.StrEnum):
    """What can be decided."""

    APPROVE = "approve"
    DECLINE = "decline"


@app.command("apply")
def apply(
    mode: Annotated[Mode, typer.Option(help="What is applied for.")],
    category: Annotated[
        str, typer.Option(help="The category of use, such as internal_tools; see `rules`.")
    ],
    use_case: Annotated[str, typer.Option(help="What it is for, in your words.")],
    project: Annotated[
        str | None, typer.Option(help="The project (proj_…); default: the whole organisation.")
    ] = None,
    draft: Annotated[bool, typer.Option("--draft", help="Keep it as a draft.")] = False,
    config: ConfigOption = None,
    data: DataOption = None,
    assignments: SetOption = None,
    organisation: OrganisationOption = None,
    as_json: JsonOption = False,
) -> None:
    """Apply; it is assessed at once, by the facts that are shown, and then decided by a person.

    Without an executed enterprise agreement it is kept as a draft; `submit` it once there is one.

    Example: bailee zero-retention apply --mode zero_data_retention --category internal_tools --use-case "Search in our own files"
    """  # noqa: E501 - an example is one line
    from bailee.cli.remote import remote

    settings = load_settings(config, data, assignments).settings
    body: dict[str, Any] = {
        "mode": mode.value,
        "category": category,
        "use_case": use_case,
        "project_id": project,
        "submit": not draft,
    }
    _print(remote(settings, organisation).call("POST", _PATH, body), as_json=as_json)


@app.command("submit")
def submit(
    application: Application,
    config: ConfigOption = None,
    data: DataOption = None,
    assignments: SetOption = None,
    organisation: OrganisationOption = None,
    as_json: JsonOption = False,
) -> None:
    """Submit a draft.

    Example: bailee zero-retention submit zra_0123456789abcdef0123456789abcdef
    """
    asked = (config, data, assignments, organisation)
    found = _step(asked, application, "submission")
    _print(found, as_json=as_json)


@app.command("withdraw")
def withdraw(
    application: Application,
    config: ConfigOption = None,
    data: DataOption = None,
    assignments: SetOption = None,
    organisation: OrganisationOption = None,
    as_json: JsonOption = False,
) -> None:
    """Withdraw a draft, or an application that nobody has decided yet. It stays listed.

    Example: bailee zero-retention withdraw zra_0123456789abcdef0123456789abcdef
    """
    asked = (config, data, assignments, organisation)
    found = _step(asked, application, "withdrawal")
    _print(found, as_json=as_json)


@app.command("show")
def show(
    application: Annotated[
        str | None, typer.Argument(help="The application (zra_…); default: all.")
    ] = None,
    config: ConfigOption = None,
    data: DataOption = None,
    assignments: SetOption = None,
    organisation: OrganisationOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show an application with its assessment, or list the organisation's.

    Example: bailee zero-retention show
    """
    from bailee.cli.output import print_json
    from bailee.cli.remote import remote

    settings = load_settings(config, data, assignments).settings
    bearer = remote(settings, organisation)
    if application is not None:
        _print(bearer.call("GET", f"{_PATH}/{application}"), as_json=as_json)
        return
    rows = bearer.every(_PATH)
    if as_json:
        print_json(rows)
        return
    _print_rows(rows, ("id", "mode", "project_id", "state", "review_at"))


@app.command("list")
def list_waiting(
    undecided: Annotated[
        bool, typer.Option("--undecided", help="What waits for a decision.")
    ] = False,
    due: Annotated[bool, typer.Option("--due", help="Approvals whose review is due.")] = False,
    config: ConfigOption = None,
    data: DataOption = None,
    assignments: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """List what waits for the house, of every organisation; yours alone: `show`.

    Decide with `--organisation`, which the list names.

    Example: bailee zero-retention list --undecided
    """
    from bailee.cli.output import print_json
    from bailee.cli.remote import remote

    if undecided == due:
        raise InvalidInput("give one of --undecided and --due")
    settings = load_settings(config, data, assignments).settings
    path = f"{_PATH}/{'undecided' if undecided else 'due'}"
    rows = remote(settings).every(path)
    if as_json:
        print_json(rows)
        return
    _print_rows(
        rows,
        (
            "id",
            "organization_id",
            "project_id",
            "mode",
            "category",
            "state",
            "submitted_at",
            "review_at",
        ),
    )


@app.command("rules")
def rules(
    config: ConfigOption = None,
    data: DataOption = None,
    assignments: SetOption = None,
    organisation: OrganisationOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show every rule with its points, and from how many points misuse counts as likelier.

    Example: bailee zero-retention rules
    """
    from bailee.cli.output import print_json, print_table
    from bailee.cli.remote import remote

    settings = load_settings(config, data, assignments).settings
    found = remote(settings, organisation).call("GET", "/bailee/v1/zero_retention/rules")
    if as_json:
        print_json(found)
        return
    print(f"rules {found['version']}: points are added up, and a person reads them and decides")
    print(f"likelihood medium from {found['medium']} points, high from {found['high']}; else low\n")
    rows = [
        (fact, rule["id"], rule["points"], rule["english"])
        for fact in ("account_age", "verified_domain", "flags", "categories")
        for rule in found[fact]
    ]
    print_table(("fact", "if it is", "points", "why"), rows)


@app.command("decide")
def decide(
    application: Application,
    decision: Annotated[Decision, typer.Argument(help="What is decided.")],
    reasons: Annotated[str, typer.Option(help="Why; the applicant reads it.")],
    since: Annotated[
        str | None,
        typer.Option(help="When it begins, as in 2026-11-26T08:00:00Z; default: now."),
    ] = None,
    review_at: Annotated[
        str | None,
        typer.Option(help="When it is reviewed, as in 2027-05-26T08:00:00Z; default: in a year."),
    ] = None,
    config: ConfigOption = None,
    data: DataOption = None,
    assignments: SetOption = None,
    organisation: OrganisationOption = None,
    as_json: JsonOption = False,
) -> None:
    """Decide an assessed application, as one of the house who did not apply.

    Example: bailee zero-retention decide zra_0123456789abcdef0123456789abcdef approve --reasons "Known customer" --review-at 2027-05-26T08:00:00Z
    """  # noqa: E501 - an example is one line
    body = {
        "approve": decision is Decision.APPROVE,
        "reasons": reasons,
        "since": None if since is None else seconds_of(since, "since"),
        "review_at": None if review_at is None else seconds_of(review_at, "review-at"),
    }
    asked = (config, data, assignments, organisation)
    found = _step(asked, application, "decision", body)
    _print(found, as_json=as_json)
    if found["state"] == "active" and found["mode_in_force"] != found["mode"]:
        print(
            f"bailee: {found['mode_in_force']} stays in force, which is stricter; {found['mode']}"
            " is permitted, and the organisation may set it itself",
            file=sys.stderr,
        )


@app.command("review")
def review(
    application: Application,
    review_at: Annotated[
        str | None,
        typer.Option(
            help="When it is reviewed next, as in 2027-05-26T08:00:00Z; default: in a year."
        ),
    ] = None,
    config: ConfigOption = None,
    data: DataOption = None,
    assignments: SetOption = None,
    organisation: OrganisationOption = None,
    as_json: JsonOption = False,
) -> None:
    """Let a standing approval go on until another review.

    Example: bailee zero-retention review zra_0123456789abcdef0123456789abcdef
    """
    body = {"review_at": None if review_at is None else seconds_of(review_at, "review-at")}
    asked = (config, data, assignments, organisation)
    found = _step(asked, application, "review", body)
    _print(found, as_json=as_json)


@app.command("revoke")
def revoke(
    application: Application,
    reasons: Annotated[str, typer.Option(help="Why; the applicant reads it.")],
    config: ConfigOption = None,
    data: DataOption = None,
    assignments: SetOption = None,
    organisation: OrganisationOption = None,
    as_json: JsonOption = False,
) -> None:
    """End an approval and every mode that needed it; on return it holds everywhere.

    Example: bailee zero-retention revoke zra_0123456789abcdef0123456789abcdef --reasons "Agreement ended"
    """  # noqa: E501 - an example is one line
    body = {"reasons": reasons}
    asked = (config, data, assignments, organisation)
    found = _step(asked, application, "revocation", body)
    _print(found, as_json=as_json)


def _step(asked: _Asked, application: str, step: str, body: Any = None) -> Any:
    """Take an application further; gives it as it is then. Raises as `Remote.call`."""
    from bailee.cli.remote import remote

    config, data, assignments, organisation = asked
    settings = load_settings(config, data, assignments).settings
    return remote(settings, organisation).call("POST", f"{_PATH}/{application}/{step}", body)


def _print_rows(rows: Any, columns: tuple[str, ...]) -> None:
    from bailee.cli.output import cells, print_table

    headings = [
        column.removesuffix("_id").removesuffix("_at").replace("_", " ") for column in columns
    ]
    print_table(headings, [cells(row, columns) for row in rows])


def _print(found: Any, *, as_json: bool) -> None:
    from bailee.cli.output import print_fields, print_json, print_table

    if as_json:
        print_json(found)
        return
    shown = {name: value for name, value in found.items() if name != "assessment"}
    print_fields(shown)
    if found["assessment"] is not None:
        print(f"\nlikelihood of misuse: {found['assessment']['likelihood']}")
        print_table(
            ("fact", "value", "points", "why"),
            [
                (one["fact"], one["value"], one["points"], one["english"])
                for one in found["assessment"]["reasons"]
            ],
        )
