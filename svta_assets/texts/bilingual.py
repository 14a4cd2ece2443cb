"""Compare the colour words of a caption's English and Chinese text: where they differ, one of them is wrong.

UCFCrime-AR's two languages describe the same video, yet Abuse028 has a white dog in English and a black one in Chinese.
A text-to-video model draws what the English says, so the list is for people to check.
"""

import re
from dataclasses import asdict, dataclass
from functools import reduce

import polars as pl

_ENGLISH = {
    "white": "white", "black": "black", "red": "red", "blue": "blue", "green": "green", "yellow": "yellow",
    "gray": "gray", "grey": "gray", "brown": "brown", "purple": "purple", "pink": "pink", "orange": "orange",
    "silver": "silver", "gold": "gold", "golden": "gold", "blond": "gold", "blonde": "gold",
}  # fmt: skip
_CHINESE = {
    "白": "white", "黑": "black", "红": "red", "蓝": "blue", "绿": "green", "黄": "yellow", "灰": "gray", "棕": "brown",
    "褐": "brown", "紫": "purple", "粉": "pink", "橙": "orange", "橘": "orange", "银": "silver", "金": "gold",
}  # fmt: skip
# Words that hold a colour's character or name but name no colour of a thing.
_CHINESE_OTHER = (
    "白天", "空白", "黑夜", "黑暗", "天黑", "黄昏", "收银", "银行", "银饰", "现金", "金钱", "资金",
    "奖金", "金额", "黄金", "金店", "金饰", "五金", "金属", "金银", "首饰金", "红绿灯", "灰尘", "绿地",
    "绿植", "绿化", "粉末", "粉碎", "白发", "白头",
)  # fmt: skip
_ENGLISH_OTHER = (
    r"(?:red and green|red-green) lights?|(?:white|gray|grey)[- ]hair(?:ed)?|green (?:area|belt|space|plant)s?"
    r"|gold(?:en)? (?:shop|store|jewelry|jewellery|ornament)s?"
)
_ENGLISH_COLOUR = re.compile(rf"\b({'|'.join(_ENGLISH)})s?\b")


@dataclass(frozen=True, slots=True)
class ColourDifference:
    """A caption whose two languages name different colours."""

    text_id: str
    video: str
    kind: str  # "conflict": each names a colour that the other lacks; "one-sided": only one of them does
    english: list[str]
    chinese: list[str]
    caption: str
    caption_zh: str


def english_colours(caption: str) -> set[str]:
    """Colours the English text names."""
    text = re.sub(rf"\b(?:{_ENGLISH_OTHER})\b", " ", caption.lower())
    text = re.sub(r"silver[- ]gr[ae]y", "silver", text)
    return {_ENGLISH[word] for word in _ENGLISH_COLOUR.findall(text)}


def chinese_colours(caption_zh: str) -> set[str]:
    """Colours the Chinese text names, in the same English words."""
    text = reduce(lambda rest, word: rest.replace(word, " "), _CHINESE_OTHER, caption_zh)
    text = text.replace("银灰", "银").replace("粉红", "粉")
    return {_CHINESE[character] for character in text if character in _CHINESE}


def colour_differences(texts: pl.DataFrame) -> list[dict[str, object]]:
    """The captions whose English and Chinese colours differ, conflicts first."""
    both = texts.filter(pl.col("caption_zh").is_not_null()).select("text_id", "source_video", "caption", "caption_zh")
    found = []
    for identity, video, caption, caption_zh in both.rows():
        english, chinese = english_colours(caption), chinese_colours(caption_zh)
        if english != chinese:
            kind = "conflict" if english - chinese and chinese - english else "one-sided"
            one = ColourDifference(identity, video, kind, sorted(english), sorted(chinese), caption, caption_zh)
            found.append(asdict(one))
    return sorted(found, key=lambda one: (one["kind"], one["video"], one["text_id"]))
