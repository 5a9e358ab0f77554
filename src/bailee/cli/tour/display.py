"""What a spectator sees: a live picture on a terminal, lines elsewhere."""

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from bailee.kernel.instants import DAY_MS, Instant, to_rfc3339

_LINES: Final = 9
_BAR: Final = 46


@dataclass(slots=True)
class Scene:
    """The present state of the tour, written by the story and drawn by the display."""

    console: Console
    live: bool
    """Whether a picture is drawn; otherwise each note is printed."""
    now: Callable[[], Instant]
    """The simulated instant."""
    began: Instant
    ends: Instant
    act: str = "starting"
    answered: int = 0
    unanswered: int = 0
    held_records: int = 0
    held_bytes: int = 0
    living: int = 0
    dead: int = 0
    receipts: int = 0
    opened: int = 0
    refused: int = 0
    kills: int = 0
    notes: deque[str] = field(default_factory=lambda: deque(maxlen=_LINES))

    def begin(self, act: str) -> None:
        """A new act."""
        self.act = act
        self.note(f"[bold]{act}[/bold]")

    def note(self, text: str) -> None:
        """Something happened."""
        line = f"[dim]{self._when()}[/dim]  {text}"
        self.notes.append(line)
        if not self.live:
            self.console.print(line)

    def state(self) -> None:
        """Print where things stand, where no picture is drawn."""
        if not self.live:
            self.note(
                f"held: {self.living} epochs, {self.held_records} records, {self.held_bytes:,} "
                f"bytes; destroyed: {self.dead} epochs; receipts verified: {self.receipts}"
            )

    def _when(self) -> str:
        return to_rfc3339(self.now())[:16].replace("T", " ")

    def __rich__(self) -> Panel:
        """The picture."""
        passed = max(0, self.now() - self.began)
        span = max(1, self.ends - self.began)
        held = Table.grid(padding=(0, 3))
        rows = (
            ("answered", self.answered, "green", "epochs alive", self.living, "cyan"),
            ("swallowed by kills", self.unanswered, "yellow", "epochs destroyed", self.dead, "red"),
            (
                "records held",
                self.held_records,
                "cyan",
                "receipts verified",
                self.receipts,
                "green",
            ),
            ("bytes held", f"{self.held_bytes:,}", "cyan", "SIGKILLs", self.kills, "yellow"),
            ("opened by owners", self.opened, "green", "refused", self.refused, "red"),
        )
        for left, count, colour, right, other, shade in rows:
            held.add_row(
                left, Text(str(count), f"bold {colour}"), right, Text(str(other), f"bold {shade}")
            )
        day = Text(f"{self._when()} UTC   day {passed / DAY_MS:4.1f}", "bold")
        bar = ProgressBar(total=span, completed=min(passed, span), width=_BAR)
        lines = Text.from_markup("\n".join(self.notes))
        body = Group(day, bar, Text(), held, Text(), lines)
        return Panel(body, title="bailee tour", subtitle=self.act, width=100, padding=(1, 2))


@contextmanager
def shown(scene: Scene) -> Iterator[None]:
    """Draw the scene while the body runs."""
    if not scene.live:
        yield
        return
    with Live(scene, console=scene.console, refresh_per_second=10):
        yield
