"""Training curves: loss and validation recall by epoch, with the epoch that was kept."""

from collections.abc import Mapping, Sequence

from svta_assets.figures.page import Axes, NothingToDraw, Page
from svta_assets.figures.palette import BLUE, GREEN, INK, PURPLE

WIDTH, HEIGHT, MARGIN, TOP = 1080.0, 340.0, 24.0, 84.0
_PANEL = 430.0  # width of a panel's axes
_MARKED = 30  # epochs up to which each is marked by a dot


def training_curves(curves: Sequence[Mapping[str, float]], best_epoch: int, name: str) -> str:
    """SVG of `checkpoints.curves`: rows of epoch, loss, r_at_1 and r_at_10 (percent, text to video, validation)."""
    if not curves:
        raise NothingToDraw(f"{name} has no curves: it was not trained here")
    best = next(row for row in curves if row["epoch"] == best_epoch)
    said = (
        f"{len(curves)} epochs; loss from {curves[0]['loss']:.3f} to {curves[-1]['loss']:.3f}; best epoch {best_epoch} "
        f"with validation R@1 {best['r_at_1']:.1f}"
    )
    page = Page(WIDTH, HEIGHT, f"Training of {name}", said)
    right, height = WIDTH / 2 + 10, HEIGHT - TOP - 52
    epochs = curves[0]["epoch"] - 0.5, curves[-1]["epoch"] + 0.5
    page.heading(MARGIN, 34, f"{name}: training loss", "Mean over the steps of an epoch, nats.")
    highest = max(row["loss"] for row in curves)
    loss = Axes(page, (MARGIN + 40, TOP, _PANEL, height), epochs, (0, 1.05 * highest), "epoch")
    _line(loss, curves, "loss", BLUE, "loss")
    page.heading(right, 34, "Validation recall", "Text to video, percent; the best epoch is kept.")
    highest = max(row[name] for row in curves for name in ("r_at_1", "r_at_10"))
    recall = Axes(page, (right + 40, TOP, _PANEL, height), epochs, (0, max(1.05 * highest, 1)), "epoch")
    _line(recall, curves, "r_at_10", PURPLE, "R@10", "6 3")
    _line(recall, curves, "r_at_1", GREEN, "R@1")
    x = recall.point(best_epoch, 0)[0]
    page.lines([[(x, TOP), (x, TOP + height)]], INK, dashes="2 2")
    late = best_epoch > sum(epochs) / 2
    page.text(x, TOP - 6, f"epoch {best_epoch}: R@1 {best['r_at_1']:.1f}", anchor="end" if late else "start")
    return page.svg()


def _line(
    axes: Axes, curves: Sequence[Mapping[str, float]], key: str, colour: str, name: str, dashes: str = ""
) -> None:
    points = [axes.point(row["epoch"], row[key]) for row in curves]
    axes.page.lines([points], colour, 1.8, dashes)
    for x, y in points if len(points) <= _MARKED else []:
        axes.page.dot(x, y, colour)
    axes.page.text(points[-1][0] + 7, points[-1][1] + 3, name)
