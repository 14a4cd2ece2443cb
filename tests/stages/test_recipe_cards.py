"""Recipe cards: a file that is none is named with what to do, and never read as a clip."""

from pathlib import Path

import pytest

from svta_assets.videos.projection import DamagedCard, read_cards
from svta_models.media_store import open_store


@pytest.mark.parametrize(
    ("data", "said"),
    [(b'{"clip_id": "a-0", "uri": "clips/fi', "Unterminated"), (b"{}", "lacks clip_id"), (b"[]", "no recipe card")],
    ids=["truncated", "empty", "a list"],
)
def test_a_file_that_is_no_card_is_named_with_the_next_step(tmp_path: Path, data: bytes, said: str) -> None:
    store = open_store(str(tmp_path))
    store.put_new("clips/fire/a-0-abc.json", data)
    with pytest.raises(DamagedCard, match=r"clips/fire/a-0-abc\.json .* is no recipe card .*svta verify") as raised:
        read_cards(store, "fire")
    assert said in str(raised.value)
