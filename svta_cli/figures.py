"""How durations, money and shares look in tables: short, and never with more digits than are known."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from svta_assets.videos.costs import Yield

_MINUTE, _HOUR = 60.0, 3600.0


def duration(hours: float) -> str:
    """A span of time in at most six characters: 8 s, 12 min, 3.4 h, 520 h; "-" for none."""
    seconds = hours * _HOUR
    if seconds <= 0:
        return "-"
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 99.5:
        return f"{seconds:.0f} s"
    if seconds < 99.5 * _MINUTE:
        return f"{seconds / _MINUTE:.0f} min"
    return f"{hours:.1f} h" if hours < 100 else f"{hours:.0f} h"


def money(price: float | None) -> str:
    """A price in the user's own currency; "-" for none or nothing."""
    if not price:
        return "-"
    return f"{price:.0f}" if price >= 1000 else f"{price:.2f}" if price >= 0.01 else "<0.01"


def count(number: int) -> str:
    """A number of clips; "-" for none, so that what there is stands out."""
    return str(number) if number else "-"


def share(seen: "Yield") -> str:
    """Accepted share with its 95% interval: 95% (84-99); "-" before the first clip."""
    if seen.share is None or seen.interval is None:
        return "-"
    low, high = seen.interval
    return f"{seen.share:.0%} ({low * 100:.0f}-{high * 100:.0f})"


def expected(accepted: tuple[float, float, float] | None) -> str:
    """Clips expected to be accepted, with the interval: 34 (29-36); "-" where nothing is known."""
    if accepted is None:
        return "-"
    middle, low, high = accepted
    return f"{middle:.0f} ({low:.0f}-{high:.0f})"


def table(rows: list[dict[str, str]], keep: tuple[str, ...]) -> Any:
    """A table to print; the first column is text, the others numbers. A row named "all" is set off.

    Columns that hold "-" throughout are left out, but for those in `keep`: a narrow terminal shows the rest whole.
    """
    from rich.table import Table

    names = [name for name in rows[0] if name in keep or any(row[name] != "-" for row in rows)]
    made = Table(box=None, padding=(0, 1, 0, 0))
    for place, name in enumerate(names):
        made.add_column(name, no_wrap=True, justify="right" if place else "left")
    for row in rows:
        cells = [row[name] for name in names]
        made.add_row(*cells, style="bold" if cells[0] == "all" else None)
    return made
