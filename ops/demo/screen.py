"""What the watcher of a demo sees in the terminal."""

from __future__ import annotations

from datetime import UTC, datetime

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from ops.demo.observer import Observer
from ops.demo.scenes import (
    CartIs,
    DecisionMade,
    Expectation,
    InquiryShows,
    MessageSent,
    NothingSent,
    OrderIs,
    ProfileIs,
    Scene,
    StockIs,
)
from ops.demo.window import ZONE
from schemas.events import DecisionOutcome, SendMessage

_LABEL_WIDTH = 9


class Screen:
    """Writes to standard error, so that standard output holds the result alone."""

    def __init__(self, *, quiet: bool) -> None:
        self.console = Console(stderr=True, highlight=False, quiet=quiet)

    def note(self, text: str) -> None:
        """A step of the start or the end."""
        self.console.print(f"[dim]{text}[/dim]", soft_wrap=True)  # an address must stay one piece

    def heading(self, text: str) -> None:
        """A part of the demo begins."""
        self.console.print()
        self.console.rule(f"[bold]{text}[/bold]", align="left")

    def scene(self, scene: Scene) -> None:
        """A scene begins."""
        when = datetime.fromtimestamp(scene.at_ms / 1000, UTC).astimezone(ZONE)
        self.console.print()
        self._beside(f"[bold cyan]{when:%a %H:%M}[/bold cyan]", scene.narration)

    def seen(self, wanted: Expectation) -> None:
        """Something that the story promised has come true."""
        self._beside("        [green]✓[/green]", f"[dim]{told(wanted)}[/dim]")

    def message(self, action: SendMessage) -> None:
        """What the customer's phone shows."""
        self._beside(f"[magenta]{action.channel:>9}[/magenta]", escape(f"“{action.text.strip()}”"))

    def _beside(self, label: str, text: str) -> None:
        """Text of any length to the right of its label."""
        grid = Table.grid(padding=(0, 2))
        grid.add_column(width=_LABEL_WIDTH)
        grid.add_column()
        grid.add_row(label, text)
        self.console.print(grid)

    def progress(self) -> Progress:
        """A bar with live counts."""
        return Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[live]}"),
            TimeElapsedColumn(),
            console=self.console,
        )

    def summary(self, rows: dict[str, object]) -> None:
        """The counts and checks, for people."""
        table = Table(show_header=False, box=None, padding=(0, 2))
        for name, shown in rows.items():
            if shown == {}:
                continue
            value = ", ".join(f"{key} {n}" for key, n in shown.items()) if isinstance(shown, dict) else shown
            style = "bold red" if name in ("lost", "duplicated", "wrong", "delivered_twice") and value else ""
            table.add_row(name.replace("_", " "), f"[{style}]{value}[/{style}]" if style else str(value))
        self.console.print(table)


def live_counts(observer: Observer) -> str:
    """One line of what has come out so far."""
    counts = observer.counts
    return (
        f"{counts['processed']} processed  {counts['actions']} actions  {counts['suppressed']} suppressed  "
        f"{counts['delivered']} delivered"
    )


def told(wanted: Expectation) -> str:
    """An expectation in a marketer's words."""
    match wanted:
        case MessageSent():
            return f"{wanted.rule}: sent by {wanted.channel} and delivered"
        case NothingSent():
            return f"{wanted.rule}: rightly silent"
        case DecisionMade() if wanted.outcome is DecisionOutcome.HELD:
            return f"{wanted.rule}: held back ({wanted.reason.lower().replace('_', ' ')})"
        case DecisionMade():
            reason = f" ({wanted.reason.lower().replace('_', ' ')})" if wanted.reason else ""
            return f"{wanted.rule}: {wanted.outcome.lower()}{reason}"
        case StockIs():
            return (
                f"{wanted.location_id}: {wanted.on_hand} {wanted.sku} on hand, {wanted.reserved} reserved, "
                f"{wanted.available_to_promise} available to promise"
            )
        case ProfileIs():
            return f"profile: {wanted.name}, likes {wanted.preferred_channel}"
        case CartIs():
            return f"cart: {', '.join(wanted.skus) or 'empty'}"
        case OrderIs():
            return f"order {wanted.order_id}: {wanted.status.lower()}"
        case InquiryShows():
            said = f", {len(wanted.texts)} messages" if wanted.texts else ""
            return f"agent's screen: one thread about {wanted.topic} over {' and '.join(wanted.channels)}{said}"
