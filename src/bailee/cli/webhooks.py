"""`bailee webhooks`: where an organisation wants to be told of events, over the API."""

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
    help="Register webhooks; see what was sent, and send it again.", no_args_is_help=True
)

_PATH = "/bailee/v1/webhooks"
Webhook = Annotated[str, typer.Argument(help="The webhook (wh_…).")]
Events = Annotated[
    list[str], typer.Option("--event", help="A type of event, or `*` for all; may be repeated.")
]


@app.command("create")
def create(
    url: Annotated[str, typer.Argument(help="Where messages go, https://….")],
    event: Events,
    description: Annotated[str, typer.Option(help="What it is for; shown in lists.")] = "",
    config: ConfigOption = None,
    data: DataOption = None,
    assignments: SetOption = None,
    organisation: OrganisationOption = None,
    as_json: JsonOption = False,
) -> None:
    """Register a webhook and show its secret, this once.

    Example: bailee webhooks create https://example.org/hooks --event project.updated
    """
    body = {"url": url, "event_types": event, "description": description}
    _check_events(config, data, assignments, organisation, event)
    found = _call(config, data, assignments, organisation, "POST", "", body)
    if as_json:
        _print(found, as_json=True)
        return
    print(found["secret"])
    typer.echo(f"{found['id']}: keep the secret now; it cannot be shown again.", err=True)


@app.command("list")
def list_webhooks(
    config: ConfigOption = None,
    data: DataOption = None,
    assignments: SetOption = None,
    organisation: OrganisationOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the organisation's webhooks.

    Example: bailee webhooks list
    """
    found = _call(config, data, assignments, organisation, "GET", "", query={"limit": "100"})[
        "data"
    ]
    _print_list(found, ("id", "url", "enabled", "disabled", "event_types"), as_json=as_json)


@app.command("types")
def types(
    config: ConfigOption = None,
    data: DataOption = None,
    assignments: SetOption = None,
    organisation: OrganisationOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the types of events, and what each tells.

    Example: bailee webhooks types
    """
    found = _call(config, data, assignments, organisation, "GET", "/event_types")["data"]
    _print_list(found, ("type", "english", "korean"), as_json=as_json)


@app.command("update")
def update(
    webhook: Webhook,
    url: Annotated[str | None, typer.Option(help="Where messages go.")] = None,
    event: Annotated[
        list[str] | None, typer.Option("--event", help="A type of event; may be repeated.")
    ] = None,
    description: Annotated[str | None, typer.Option(help="What it is for.")] = None,
    enabled: Annotated[
        bool | None, typer.Option("--enable/--disable", help="Whether anything is sent.")
    ] = None,
    config: ConfigOption = None,
    data: DataOption = None,
    assignments: SetOption = None,
    organisation: OrganisationOption = None,
    as_json: JsonOption = False,
) -> None:
    """Change a webhook; what happens while it is disabled is not sent to it.

    Example: bailee webhooks update wh_0123456789abcdef0123456789abcdef --enable
    """
    body = {"url": url, "event_types": event, "description": description, "enabled": enabled}
    _check_events(config, data, assignments, organisation, event or [])
    _print(
        _call(config, data, assignments, organisation, "POST", f"/{webhook}", body), as_json=as_json
    )


@app.command("delete")
def delete(
    webhook: Webhook,
    config: ConfigOption = None,
    data: DataOption = None,
    assignments: SetOption = None,
    organisation: OrganisationOption = None,
    as_json: JsonOption = False,
) -> None:
    """Delete a webhook; what was not sent is not.

    Example: bailee webhooks delete wh_0123456789abcdef0123456789abcdef
    """
    _print(_call(config, data, assignments, organisation, "DELETE", f"/{webhook}"), as_json=as_json)


@app.command("rotate-secret")
def rotate_secret(
    webhook: Webhook,
    overlap_seconds: Annotated[
        int, typer.Option(min=0, help="How long the former secret signs too; 0 after a leak.")
    ] = 86_400,
    config: ConfigOption = None,
    data: DataOption = None,
    assignments: SetOption = None,
    organisation: OrganisationOption = None,
    as_json: JsonOption = False,
) -> None:
    """Give a webhook a new secret and show it, this once.

    Example: bailee webhooks rotate-secret wh_0123456789abcdef0123456789abcdef
    """
    body = {"overlap_seconds": overlap_seconds}
    found = _call(config, data, assignments, organisation, "POST", f"/{webhook}/secret", body)
    if as_json:
        _print(found, as_json=True)
    else:
        print(found["secret"])


@app.command("deliveries")
def deliveries(
    webhook: Webhook,
    config: ConfigOption = None,
    data: DataOption = None,
    assignments: SetOption = None,
    organisation: OrganisationOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the latest messages to a webhook, and what became of them.

    Example: bailee webhooks deliveries wh_0123456789abcdef0123456789abcdef
    """
    query = {"limit": "100"}
    path = f"/{webhook}/deliveries"
    found = _call(config, data, assignments, organisation, "GET", path, query=query)["data"]
    _print_list(found, ("id", "type", "state", "attempts", "status", "problem"), as_json=as_json)


@app.command("test")
def send_test(
    webhook: Webhook,
    config: ConfigOption = None,
    data: DataOption = None,
    assignments: SetOption = None,
    organisation: OrganisationOption = None,
    as_json: JsonOption = False,
) -> None:
    """Send a message of the type webhook.tested.

    Example: bailee webhooks test wh_0123456789abcdef0123456789abcdef
    """
    _print(
        _call(config, data, assignments, organisation, "POST", f"/{webhook}/test"), as_json=as_json
    )


@app.command("replay")
def replay(
    webhook: Webhook,
    event: Annotated[str | None, typer.Option(help="One event (audit_log-…).")] = None,
    since: Annotated[
        str | None,
        typer.Option(help="All of its types since this instant, as in 2026-11-26T08:00:00Z."),
    ] = None,
    config: ConfigOption = None,
    data: DataOption = None,
    assignments: SetOption = None,
    organisation: OrganisationOption = None,
    as_json: JsonOption = False,
) -> None:
    """Send events again, under the identifiers that they had.

    Example: bailee webhooks replay wh_0123456789abcdef0123456789abcdef --since 2026-11-26T08:00:00Z
    """
    if (event is None) == (since is None):
        raise InvalidInput("give one of --event audit_log-… and --since")
    body = {"event_id": event, "since": None if since is None else seconds_of(since, "since")}
    _print(
        _call(config, data, assignments, organisation, "POST", f"/{webhook}/replay", body),
        as_json=as_json,
    )


def _check_events(
    config: Any, data: Any, assignments: Any, organisation: str | None, events: list[str]
) -> None:
    listed = _call(config, data, assignments, organisation, "GET", "/event_types")["data"]
    known = {"*", *(one["type"] for one in listed)}
    for event in events:
        if event not in known:
            raise InvalidInput(
                f"--event {event}: there is no such type; `bailee webhooks types` lists them"
            )


def _call(
    config: Any,
    data: Any,
    assignments: Any,
    organisation: str | None,
    method: str,
    path: str,
    body: Any = None,
    *,
    query: dict[str, str] | None = None,
) -> Any:
    from bailee.cli.remote import remote

    settings = load_settings(config, data, assignments).settings
    return remote(settings, organisation).call(method, _PATH + path, body, query=query)


def _print(found: Any, *, as_json: bool) -> None:
    from bailee.cli.output import print_fields, print_json

    if as_json:
        print_json(found)
    else:
        print_fields(found)


def _print_list(rows: Any, columns: tuple[str, ...], *, as_json: bool) -> None:
    from bailee.cli.output import cells, print_json, print_table

    if as_json:
        print_json(rows)
    else:
        headings = [column.replace("_", " ") for column in columns]
        print_table(headings, [cells(row, columns) for row in rows])
