"""UCFCrime-AR (Wu et al., TIP 2024): one English and one Chinese caption for each UCF-Crime video, one xlsx per split.

The sheets are named differently ("sheet1", "Sheet1"), the test sheet spans two empty columns, and most video names end
in a line break: read the first sheet, find columns by their header, match videos on the stem.
"""

import re
from pathlib import Path

import polars as pl

from svta_assets.texts.readers.ucf import require_ucf_class, ucf_facts, video_stem
from svta_assets.texts.records import Reading, Reject, SourceError, record_frame

SOURCE = "ucfcrime_ar"
_SPLIT = re.compile(r"(?:^|[_\W])(train|val|test)(?:$|[_\W])", re.IGNORECASE)
_HEADERS = {"video": "video", "english": "raw", "chinese": "caption_zh"}  # first word of the header -> our column


def read_ucfcrime_ar(folder: Path) -> Reading:
    """Read every xlsx of the folder; the split is in the file's name."""
    # "~$name.xlsx" is what a spreadsheet program leaves while the file is open.
    paths = [path for path in sorted(folder.glob("*.xlsx")) if not path.name.startswith("~$")]
    if not paths:
        raise SourceError(f"{folder} holds no .xlsx; put ucf_crime_train.xlsx and ucf_crime_test.xlsx there.")
    frames, rejects = [], []
    for path in paths:
        frame, rejected = _read_sheet(path)
        frames.append(frame)
        rejects += rejected
    ignored = [path.name for path in sorted(folder.iterdir()) if path not in paths]
    return Reading(pl.concat(frames), rejects, files=[path.name for path in paths], ignored=ignored)


def _read_sheet(path: Path) -> tuple[pl.DataFrame, list[Reject]]:
    rows = _columns(path, _first_sheet(path)).with_row_index("row", offset=2)
    rows = rows.filter(~pl.all_horizontal(pl.col("video", "raw").str.strip_chars().fill_null("") == ""))
    blank = rows.filter(pl.any_horizontal(pl.col("video", "raw").str.strip_chars().fill_null("") == ""))
    rejects = [
        Reject(f"{SOURCE}/{path.name}, row {row}", "empty", "no video name or no English text; fill the cell")
        for row in blank["row"]
    ]
    rows = rows.join(blank.select("row"), on="row", how="anti").sort("row")
    stems = [video_stem(name) for name in rows["video"]]
    places = [f"{SOURCE}/{path.name}, row {row}" for row in rows["row"]]
    classes = [require_ucf_class(stem, f"{path}, row {row}") for stem, row in zip(stems, rows["row"], strict=True)]
    split = _SPLIT.search(path.stem)
    frame = record_frame(
        {
            **ucf_facts(classes),
            "source": [SOURCE] * len(stems),
            "source_video": stems,
            "source_split": [split[1].lower() if split else None] * len(stems),
            "scope": stems,
            "raw": rows["raw"].to_list(),
            "caption_zh": rows["caption_zh"].str.strip_chars().to_list(),
            "place": places,
        }
    )
    return frame, rejects


def _first_sheet(path: Path) -> pl.DataFrame:
    """The first sheet with its first row as header, every cell as text."""
    try:
        return pl.read_excel(path, sheet_id=1, infer_schema_length=0, drop_empty_cols=True)
    except pl.exceptions.NoDataError:
        raise SourceError(f"{path}: the first sheet is empty; download the file again.") from None
    except Exception as error:  # the reader's own errors (bad zip, bad XML) share no public class
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise SourceError(f"{path} cannot be read as an Excel workbook ({reason}); download the file again.") from None


def _columns(path: Path, sheet: pl.DataFrame) -> pl.DataFrame:
    """Pick the three columns by the first word of their header, in whatever order they stand."""
    found = {}
    for name in sheet.columns:
        words = name.strip().lower().split()
        if words and words[0] in _HEADERS:
            found[name] = _HEADERS[words[0]]
    missing = {"video", "raw"} - set(found.values())
    if missing or len(set(found.values())) != len(found):
        raise SourceError(
            f"{path}: the first sheet's header is {sheet.columns}; expected Video Name, Chinese Text, English Text. "
            "Name the columns so."
        )
    picked = sheet.select(pl.col(name).cast(pl.String).alias(ours) for name, ours in found.items())
    return picked if "caption_zh" in picked.columns else picked.with_columns(caption_zh=pl.lit(None, dtype=pl.String))
