"""What an operator sees while an installation starts, runs and stops; the same goes to a file."""

import json
import os
from pathlib import Path

from rich.console import Console

from bailee.cli.supervisor import Event
from bailee.kernel.instants import to_rfc3339
from bailee.ports.clock import Clock

_MARKS = {
    "ready": "[green]✓[/green]",
    "stopping": "[dim]…[/dim]",
    "stopped": "[dim]✓[/dim]",
    "ended": "[yellow]![/yellow]",
    "restarting": "[yellow]↻[/yellow]",
    "crash_loop": "[red]✗[/red]",
    "killed": "[red]✗[/red]",
}
_UNASKED = ("ended", "restarting", "crash_loop", "killed")


class Progress:
    """Prints events for people, and writes each as a JSON line to `serve.log`."""

    def __init__(self, console: Console, log_folder: Path, clock: Clock) -> None:
        self._console = console
        self._clock = clock
        log_folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._log = os.open(log_folder / "serve.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def tell(self, event: Event) -> None:
        """Show one event of the supervisor."""
        line = {
            "timestamp": to_rfc3339(self._clock.now()),
            "level": "warning" if event.kind in _UNASKED else "info",
            "process": "serve",
            "event": f"child_{event.kind}",
            "reason": f"{event.child} {event.detail.partition(chr(10))[0]}".strip(),
        }
        os.write(self._log, json.dumps(line, ensure_ascii=False).encode() + b"\n")
        if event.kind in _MARKS and (event.kind != "stopping" or event.child.startswith("gateway")):
            self._console.print(f"  {_MARKS[event.kind]} {_words(event)}")

    def say(self, text: str) -> None:
        """Show one line that is not about a process."""
        self._console.print(f"  [green]✓[/green] {_literal(text)}")

    def warn(self, text: str) -> None:
        """Show one line that deserves attention."""
        self._console.print(f"  [yellow]![/yellow] {_literal(text)}")


def _words(event: Event) -> str:
    name, detail = f"[bold]{event.child}[/bold]", _literal(event.detail)
    return {
        "ready": f"{name} ready ({event.seconds:.1f} s)",
        "stopping": f"{name} finishes what is in flight; another Ctrl-C cuts it off",
        "stopped": f"{name} stopped ({event.seconds:.1f} s)" + (detail and f", but {detail}"),
        "ended": f"{name} ended unasked: {detail}",
        "restarting": f"{name} starts again in {event.seconds:g} s",
        "crash_loop": f"{name} is in a crash loop: {detail}",
        "killed": f"{name} was killed: {detail}",
    }[event.kind]


def _literal(text: str) -> str:
    return text.replace("[", r"\[")
