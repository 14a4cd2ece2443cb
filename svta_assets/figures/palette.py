"""Colours of the figures.

Data colours are from Okabe and Ito's palette (2008), which people with any colour blindness tell apart, and of it those
that have about 3:1 against both grounds: they are the same on a light and on a dark card. Nothing is said by colour
alone.

Text needs more: a grey that reads on white and on a dark page reaches about 4:1 on both, too little for small text. So
each figure lies on a card of its own, light unless the page or the viewer prefers dark (`DARK`): a browser takes the
colour scheme that the page declares, as the Dagster UI does. Where none is declared the card still reads on any page.
"""

BLUE, VERMILLION, GREEN, PURPLE = "#0072b2", "#d55e00", "#009e73", "#cc79a7"
KIND_COLOURS = {"normal": BLUE, "anomaly": VERMILLION}

INK, MUTED, GRID, CARD = "#22262b", "#565e68", "#d9dde2", "#ffffff"
DARK = {INK: "#e9ecef", MUTED: "#a9b1bc", GRID: "#3b424c", CARD: "#1c2027"}
"""Colour on a light card -> its counterpart on a dark one."""

_CLASSES = {INK: "ink", MUTED: "muted", GRID: "grid", CARD: "card"}


def class_of(colour: str, what: str) -> str | None:
    """CSS class of an element whose `what` (fill or stroke) has a colour that differs on a dark card; else None."""
    return f"{_CLASSES[colour]}-{what}" if colour in DARK else None


def dark_style(scope: str) -> str:
    """CSS that exchanges the colours for viewers who prefer dark; `scope` is the class of the figure.

    The light colours stand in the elements themselves, so a viewer without style sheets shows the light figure.
    """
    rules = [
        f".{scope} .{class_of(light, what)}{{{what}:{dark}}}"
        for light, dark in DARK.items()
        for what in ("fill", "stroke")
    ]
    return f"@media (prefers-color-scheme:dark){{.{scope}{{fill:{DARK[INK]}}}{''.join(rules)}}}"
