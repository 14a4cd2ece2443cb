"""Everything the tables know of one clip and its pair, from the source text to the ranks under each model."""

import json
from dataclasses import dataclass
from typing import Any

from svta_cli.app.clip_filters import SCORES
from svta_cli.app.site import Site

Row = dict[str, Any]
ATTRIBUTES = ("age", "gender", "culture", "environment", "camera")


@dataclass(frozen=True)
class History:
    """One clip's history.

    Attributes:
        clip: its row of `clips`. takes: all clips of the pair, newest first. promotions: decisions between them.
        text: row of `texts`, empty for a written description. description: row of `descriptions`.
        prompt: the system prompt the description was written to, where this version still has it.
        scores: (name, value, meaning). label, assignment (with the category's name and number), split: rows, or empty.
        ranks: of the pair as a query, by model. reviews: of its clips, description and label, newest first.
        requests: for a regeneration of this pair, newest first.
    """

    clip: Row
    takes: list[Row]
    promotions: list[Row]
    text: Row
    description: Row
    prompt: str
    scores: list[tuple[str, Any, str]]
    label: Row
    assignment: Row
    split: Row
    ranks: list[Row]
    reviews: list[Row]
    requests: list[Row]

    @property
    def written_to(self) -> dict[str, str]:
        """The attributes a language model was asked to write to."""
        return {name: self.description[name] for name in ATTRIBUTES if self.description.get(name)}


def history_of(site: Site, clip_id: str) -> History | None:
    """Read a clip's history; None for a clip that does not exist."""
    found = site.rows("select * from clips where clip_id = ?", [clip_id])
    if not found:
        return None
    clip = found[0]
    pair = clip["pair_id"]
    description = _first(site, "select * from descriptions where pair_id = ?", pair)
    return History(
        clip=clip,
        takes=site.rows("select * from clips where pair_id = ? order by take desc", [pair]),
        promotions=site.rows('select * from promotions where pair_id = ? order by "at" desc', [pair]),
        text=_first(site, "select * from texts where text_id = ?", pair),
        description=description,
        prompt=_prompt(description.get("prompt_sha")),
        scores=_scores(clip),
        label=_first(site, "select * from labels where pair_id = ?", pair),
        assignment=_first(site, _ASSIGNMENT, pair),
        split=_first(site, "select * from splits where pair_id = ?", pair),
        ranks=site.rows(_RANKS, [pair]),
        reviews=_reviews(site, pair),
        requests=_requests(site, pair),
    )


_ASSIGNMENT = """
select a.*, k.name, k.number, k.names
from assignments as a
left join categories as k on k.taxonomy = a.taxonomy and k.final_category = a.final_category
where a.pair_id = ?
"""

# Newest evaluation of each model and benchmark first; `other` is the clip that stands for the best wrong answer.
_RANKS = """
select e.model, r.benchmark, r.direction, r.rank, e.pairs, r.checkpoint_id, r.release, r.best_wrong,
    w.clip_id as other, w.caption as other_caption
from query_ranks as r
left join evaluations as e using (checkpoint_id, release, benchmark, direction)
left join clips as w on w.pair_id = r.best_wrong and w.current
where r.query = ?
order by e.model, e."at" desc, r.benchmark, r.direction
"""

_SAID = """
select 'clip' as of, clip_id as what, verdict, reason, "by", "at" from clip_reviews where pair_id = ?
union all
select 'description', caption, verdict, reason, "by", "at" from description_reviews where pair_id = ?
union all
select 'label', name, verdict, concat_ws(' ', reason, correct_name), "by", "at" from label_reviews where pair_id = ?
order by "at" desc
"""


def _first(site: Site, sql: str, value: str) -> Row:
    found = site.rows(sql, [value])
    return found[0] if found else {}


def _reviews(site: Site, pair: str) -> list[Row]:
    return site.rows(_SAID, [pair, pair, pair])


def _requests(site: Site, pair: str) -> list[Row]:
    """Requests that name this pair, with what became of them."""
    from svta_assets.regeneration.requests import requests

    found = requests(site.work).reverse().to_dicts()
    return [row for row in found if pair in json.loads(row["filters"] or "{}").get("only", [])]


def _scores(clip: Row) -> list[tuple[str, Any, str]]:
    from svta_assets.schemas import CLIPS

    meanings = {column.name: column.meaning for column in CLIPS.columns}
    return [(name, clip[name], meanings[name]) for name in SCORES if clip.get(name) is not None]


def _prompt(sha: str | None) -> str:
    """The system prompt with this hash, where it is the current one."""
    from svta_assets.prompts import load_prompt

    prompt = load_prompt("describe")
    return prompt.system if sha == prompt.sha else ""


def pretty(text: str | None) -> str:
    """JSON of a column, indented for people; anything else as it stands."""
    try:
        return json.dumps(json.loads(text or ""), indent=2, ensure_ascii=False)
    except ValueError:
        return text or ""
