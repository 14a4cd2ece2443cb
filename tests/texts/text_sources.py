"""Small source folders in the real formats, made on the spot."""

import json
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import numpy as np

Event = tuple[float, float, str]
Cell = str | None


def words_embedding(sentences: list[str]) -> np.ndarray:
    """A cheap stand-in for the sentence model: (N, 64) counts of hashed words; equal words, near vectors."""
    vectors_ND = np.zeros((len(sentences), 64), dtype=np.float32)
    for row, sentence in enumerate(sentences):
        for word in sentence.lower().replace(".", " ").split():
            vectors_ND[row, zlib.crc32(word.encode()) % 64] += 1
    return vectors_ND


def never_embed(sentences: list[str]) -> np.ndarray:
    raise AssertionError(f"nothing but OOPS! may be embedded, got {sentences[:3]}")


def write_uca(folder: Path, videos: dict[str, Sequence[Event]], split: str = "Train") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    value = {
        name: {
            "duration": max(end for _, end, _ in events),
            "timestamps": [[start, end] for start, end, _ in events],
            "sentences": [sentence for _, _, sentence in events],
        }
        for name, events in videos.items()
    }
    path = folder / f"UCFCrime_{split}.json"
    path.write_text(json.dumps(value), encoding="utf-8")
    return path


def write_json(path: Path, value: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value), encoding="utf-8")
    return path


AR_HEADER: tuple[Cell, ...] = ("Video Name", "Chinese Text", "English Text")


def write_ar(folder: Path, rows: Sequence[Sequence[Cell]], split: str = "train", sheet: str = "sheet1") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return write_xlsx(folder / f"ucf_crime_{split}.xlsx", [AR_HEADER, *rows], sheet)


def write_xlsx(path: Path, rows: Sequence[Sequence[Cell]], sheet: str) -> Path:
    """The least an Excel workbook needs: one sheet of inline strings; None leaves the cell out."""
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    package = "http://schemas.openxmlformats.org/package/2006"
    width = max(len(row) for row in rows)
    lines = "".join(_row(number, row) for number, row in enumerate(rows, start=1))
    parts = {
        "[Content_Types].xml": f'<Types xmlns="{package}/content-types">'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        '<Default Extension="xml" ContentType="application/xml"/>'
        '<Override PartName="/xl/workbook.xml" ContentType="'
        'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/>'
        '<Override PartName="/xl/worksheets/sheet1.xml" ContentType="'
        'application/vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml"/></Types>',
        "_rels/.rels": f'<Relationships xmlns="{package}/relationships">'
        f'<Relationship Id="r1" Type="{office}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{main}" xmlns:r="{office}">'
        f'<sheets><sheet name="{sheet}" sheetId="1" r:id="r1"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{package}/relationships">'
        f'<Relationship Id="r1" Type="{office}/worksheet" Target="worksheets/sheet1.xml"/></Relationships>',
        "xl/worksheets/sheet1.xml": f'<worksheet xmlns="{main}"><dimension ref="A1:{_letter(width - 1)}{len(rows)}"/>'
        f"<sheetData>{lines}</sheetData></worksheet>",
    }
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in parts.items():
            archive.writestr(name, f'<?xml version="1.0" encoding="UTF-8"?>{text}')
    return path


def _row(number: int, row: Sequence[Cell]) -> str:
    cells = "".join(
        f'<c r="{_letter(index)}{number}" t="inlineStr"><is><t xml:space="preserve">{escape(cell)}</t></is></c>'
        for index, cell in enumerate(row)
        if cell is not None
    )
    return f'<row r="{number}">{cells}</row>'


def _letter(index: int) -> str:
    return "ABCDEFGH"[index]
