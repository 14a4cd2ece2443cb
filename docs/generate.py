"""Writes the pictures and tables of the docs from the code: `python docs/generate.py` (a test holds them to it).

* docs/images/graph.svg: the asset graph, from the definitions
* docs/architecture.md: the graph as Mermaid, between its markers
* docs/tables.md: every metadata table, from svta_assets/schemas/
"""

import html
import re
from itertools import pairwise
from pathlib import Path

import dagster as dg

from svta_assets.definitions import ASSETS
from svta_assets.schemas import TABLES

DOCS = Path(__file__).resolve().parent
BOX_W, BOX_H, GAP_X, GAP_Y, MARGIN = 178, 58, 26, 54, 16
PER_ROW = 4


def specs() -> list[dg.AssetSpec]:
    """The eight assets in the order data flows."""
    return [spec for asset in ASSETS for spec in asset.specs]


def partition_names() -> dict[str, str]:
    """What each asset is partitioned by, for people."""
    sizes = {}
    for asset in ASSETS:
        definition = asset.partitions_def
        keys = len(definition.get_partition_keys()) if definition else 0
        what = "model" if keys == 7 else "category"
        sizes[asset.key.to_user_string()] = f"{keys} x {what}" if keys else "one"
    return sizes


def svg() -> str:
    """The graph as an SVG that reads on light and dark backgrounds."""
    names, sizes = [spec.key.to_user_string() for spec in specs()], partition_names()
    width = 2 * MARGIN + PER_ROW * BOX_W + (PER_ROW - 1) * GAP_X
    rows = -(-len(names) // PER_ROW)
    height = 2 * MARGIN + rows * BOX_H + (rows - 1) * GAP_Y
    places = {name: _place(index) for index, name in enumerate(names)}
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        'font-family="Helvetica, Arial, sans-serif" role="img" aria-label="asset graph">',
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" orient="auto">'
        '<path d="M0 0L8 4L0 8z" fill="#7d8590"/></marker></defs>',
    ]
    for first, second in pairwise(names):
        parts.append(_arrow(places[first], places[second]))
    for name in names:
        x, y = places[name]
        parts.append(f'<rect x="{x}" y="{y}" width="{BOX_W}" height="{BOX_H}" rx="8" fill="#1f6feb"/>')
        parts.append(_text(x + BOX_W / 2, y + 25, html.escape(name), 15, "bold"))
        parts.append(_text(x + BOX_W / 2, y + 44, html.escape(sizes[name]), 12, "normal"))
    return "\n".join([*parts, "</svg>", ""])


def _place(index: int) -> tuple[int, int]:
    row, column = divmod(index, PER_ROW)
    column = column if row % 2 == 0 else PER_ROW - 1 - column  # the second row runs back, like a river
    return MARGIN + column * (BOX_W + GAP_X), MARGIN + row * (BOX_H + GAP_Y)


def _arrow(start: tuple[int, int], end: tuple[int, int]) -> str:
    middle = BOX_H // 2
    if start[1] != end[1]:
        x = start[0] + BOX_W // 2
        line = f"M{x} {start[1] + BOX_H}L{x} {end[1] - 2}"
    elif end[0] > start[0]:
        line = f"M{start[0] + BOX_W} {start[1] + middle}L{end[0] - 2} {end[1] + middle}"
    else:
        line = f"M{start[0]} {start[1] + middle}L{end[0] + BOX_W + 2} {end[1] + middle}"
    return f'<path d="{line}" stroke="#7d8590" stroke-width="2" fill="none" marker-end="url(#tip)"/>'


def _text(x: float, y: float, text: str, size: int, weight: str) -> str:
    return (
        f'<text x="{x:g}" y="{y:g}" fill="#ffffff" font-size="{size}" font-weight="{weight}" '
        f'text-anchor="middle">{text}</text>'
    )


def mermaid() -> str:
    """The graph with every dependency."""
    sizes = partition_names()
    lines = ["```mermaid", "graph LR"]
    for spec in specs():
        name = spec.key.to_user_string()
        lines.append(f"  {name}[{name}<br/>{sizes[name]}]")
    for spec in specs():
        for dep in spec.deps:
            lines.append(f"  {dep.asset_key.to_user_string()} --> {spec.key.to_user_string()}")
    return "\n".join([*lines, "```"])


def asset_list() -> str:
    """A row per asset with its description."""
    lines = ["| asset | group | what it does |", "|---|---|---|"]
    lines += [f"| `{s.key.to_user_string()}` | {s.group_name} | {s.description} |" for s in specs()]
    return "\n".join(lines)


def tables() -> str:
    """Every table with its columns."""
    parts = ["# Metadata tables", "", "Generated from `svta_assets/schemas/` by `python docs/generate.py`.", ""]
    for table in TABLES.values():
        parts += [
            f"## {table.name}",
            "",
            f"{table.meaning} Key: `{', '.join(table.key)}`. Growth: {table.growth.value}.",
        ]
        parts += ["", "| column | type | meaning |", "|---|---|---|"]
        parts += [f"| {c.name} | {c.dtype!s} | {c.meaning} |" for c in table.columns]
        parts.append("")
    return "\n".join(parts)


def filled(text: str, marker: str, content: str) -> str:
    """Replace what stands between `<!-- marker -->` and `<!-- /marker -->`."""
    pattern = re.compile(f"(<!-- {marker} -->\n).*?(<!-- /{marker} -->)", re.DOTALL)
    return pattern.sub(lambda match: f"{match[1]}{content}\n{match[2]}", text)


def outputs() -> dict[Path, str]:
    """Every generated file with its content."""
    architecture = (DOCS / "architecture.md").read_text()
    architecture = filled(filled(architecture, "graph", mermaid()), "assets", asset_list())
    return {
        DOCS / "images" / "graph.svg": svg(),
        DOCS / "architecture.md": architecture,
        DOCS / "tables.md": tables(),
    }


if __name__ == "__main__":
    for path, content in outputs().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
        print(path.relative_to(DOCS.parent))
