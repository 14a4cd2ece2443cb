"""Contact sheets: a small moving preview of several clips for the metadata of a partition."""

import base64
import io
from bisect import bisect_left
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from PIL.Image import Image

MAX_BYTES = 40_000  # event metadata lives in Dagster's database; keep a sheet small
COLUMNS, ROWS = 4, 2
LABEL_HEIGHT = 12
_MARGIN = 2
_EFFORT = 2  # of 6: half the time of WebP's default of 4 for 5% more bytes
_BACKGROUND = (24, 26, 30)

# from large to small, of which the first that fits is taken: cell width in pixels, frames, WebP quality
_ATTEMPTS = ((128, 8, 60), (128, 8, 40), (128, 7, 25), (112, 6, 30), (96, 6, 25), (96, 6, 10), (72, 6, 5), (48, 4, 1))


def contact_sheet(clips: "list[np.ndarray]", labels: list[str] | None = None) -> bytes:
    """Draw up to 8 clips in a 4x2 grid as a looping animated WebP of at most `MAX_BYTES`.

    Args:
        clips: frames (T, H, W, 3) uint8 each; the first 8 are shown.
        labels: one short text a clip, drawn under it.

    Raises:
        ValueError: no clips, or a number of labels other than that of the clips.
    """
    if not clips:
        raise ValueError("A contact sheet needs at least one clip.")
    if labels is not None and len(labels) != len(clips):
        raise ValueError(f"{len(labels)} labels for {len(clips)} clips: give one a clip, or None.")
    shown = clips[: COLUMNS * ROWS]

    @cache
    def attempt(number: int) -> bytes:
        width, frames, quality = _ATTEMPTS[number]
        return _encode([_page(shown, labels, width, index, frames) for index in range(frames)], quality)

    last = len(_ATTEMPTS) - 1
    best = bisect_left(range(last), True, key=lambda number: len(attempt(number)) <= MAX_BYTES)
    if len(attempt(best)) > MAX_BYTES:
        raise ValueError(
            f"The contact sheet needs {len(attempt(last))} bytes even at its smallest, {MAX_BYTES} are allowed."
        )
    return attempt(best)


def sheet_markdown(webp: bytes, title: str = "clips") -> str:
    """Wrap a sheet as a Markdown image with a data URI, for `dg.MetadataValue.md`."""
    return f"![{title}](data:image/webp;base64,{base64.b64encode(webp).decode()})"


def _page(clips: "list[np.ndarray]", labels: list[str] | None, width: int, index: int, pages: int) -> "Image":
    """Draw one page: the frame at `index / pages` of every clip in its cell."""
    from PIL import Image, ImageDraw, ImageFont

    height = round(width * clips[0].shape[1] / clips[0].shape[2])
    caption_height = LABEL_HEIGHT if labels else 0
    columns = min(COLUMNS, len(clips))
    rows = -(-len(clips) // columns)
    step_x, step_y = width + _MARGIN, height + caption_height + _MARGIN
    page = Image.new("RGB", (columns * step_x + _MARGIN, rows * step_y + _MARGIN), _BACKGROUND)
    pen = ImageDraw.Draw(page)
    font = ImageFont.load_default(size=9)
    for number, clip in enumerate(clips):
        left, top = _MARGIN + number % columns * step_x, _MARGIN + number // columns * step_y
        picture = Image.fromarray(clip[index * (len(clip) - 1) // max(pages - 1, 1)])
        page.paste(picture.resize((width, height), Image.Resampling.BOX), (left, top))
        if labels:
            pen.text((left + 1, top + height), labels[number][: width // 5], fill=(235, 235, 235), font=font)
    return page


def _encode(pages: "list[Image]", quality: int) -> bytes:
    buffer = io.BytesIO()
    pages[0].save(
        buffer, "WEBP", save_all=True, append_images=pages[1:], duration=280, loop=0, quality=quality, method=_EFFORT
    )
    return buffer.getvalue()
