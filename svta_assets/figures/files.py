"""Figures as files, and as Markdown for the Dagster UI."""

import base64
from pathlib import Path

from svta_assets.figures.drawn import Drawing, of_stage
from svta_assets.figures.page import NothingToDraw, label
from svta_assets.workspace import Workspace

FOLDER = "reports/figures"
MOST_IN_METADATA = 100_000  # characters; event metadata live in Dagster's database


def write_figure(drawing: Drawing, folder: Path) -> Path:
    """Draw a figure into `<folder>/<name>.svg`. Raises NothingToDraw."""
    svg = drawing.draw()
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{drawing.name}.svg"
    path.write_text(svg, "utf-8")
    return path


def shown(work: Workspace, stage: str, model: str = "") -> dict[str, str]:
    """Write an asset's figures into the home and return them as Markdown by title; those without data are left out.

    A stage has done its work when its figures are drawn, and must not fail by one: what went wrong stands in its place.
    """
    found = {}
    for drawing in of_stage(work, stage, model):
        try:
            path = write_figure(drawing, work.home.path / FOLDER)
            found[drawing.title] = figure_markdown(path.read_text("utf-8"), drawing.title, path)
        except NothingToDraw:
            continue
        except Exception as error:  # whatever a drawing or its data hold
            found[drawing.title] = f"could not be drawn ({type(error).__name__}: {label(str(error), 300)})"
    return found


def figure_markdown(svg: str, title: str, path: Path) -> str:
    """The figure as a Markdown image; where it is too large for an event, the path of its file."""
    text = f"![{title}](data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()})"
    return text if len(text) <= MOST_IN_METADATA else f"{len(text):,} characters, too many to show here: `{path}`"
