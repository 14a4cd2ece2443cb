"""The moving contact sheet of a category, small enough for Dagster's metadata."""

import polars as pl

from svta_assets.workspace import Workspace

SHOWN = 8  # clips on a sheet


def preview(work: Workspace, clips: pl.DataFrame, title: str) -> str | None:
    """Markdown with an animated picture of some current clips and their captions; None when there are none."""
    from svta_models.frames import decode_video
    from svta_resources.video.sheet import contact_sheet, sheet_markdown

    chosen = clips.sort("clip_id").head(SHOWN)
    if chosen.is_empty():
        return None
    frames = [decode_video(work.store.get(uri)) for uri in chosen["uri"]]
    captions = [f"{number}. {caption}" for number, caption in enumerate(chosen["caption"], start=1)]
    return "\n\n".join([f"**{title}**", sheet_markdown(contact_sheet(frames)), *captions])
