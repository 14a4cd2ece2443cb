"""The embedded rules answer the same until their VERSION is raised: answers are part of recipes."""

import hashlib
import json

from svta_resources.embedded_llm import VERSION
from svta_resources.embedded_llm.attributes import read_attributes
from svta_resources.embedded_llm.data_files import read_data
from svta_resources.embedded_llm.grammar import describable, describe
from svta_resources.embedded_llm.labeller import Labeller

# VERSION -> what its rules say. Other answers need another VERSION (svta_resources/embedded_llm/__init__.py) and line.
KNOWN = {"2": "5bbf5c194f4901f7"}

CAPTIONS = [
    "A man sets fire to a car at night.",
    "A woman in a red coat walks along the street in the morning.",
    "Two men punch each other in a bar.",
    "Busy street.",
    "A yellow taxi parks in front of a hotel.",
    "The clerk hands a bag to the customer and smiles.",
]


def asked(index: int) -> dict[str, str]:
    """Attributes of the test's own, so that a change of the drawn ones (part of the recipe already) is not noticed."""
    common = read_data("common")
    lists = {"age": "people", "culture": "cultures", "environment": "places", "camera": "cameras"}
    drawn = {name: sorted(common[key])[index % len(common[key])] for name, key in lists.items()}
    return {**drawn, "gender": ["female", "male"][index % 2]}


def test_rules_say_what_their_version_says():
    captions = [describe(key, index, asked(index)) for key in describable() for index in range(50)]
    labeller = Labeller()
    opinions = labeller.opinions(CAPTIONS).tolist()
    names, attributes = labeller.both_names(CAPTIONS), [read_attributes(caption) for caption in CAPTIONS + captions]
    said = json.dumps([captions, opinions, names, attributes])
    assert {VERSION: hashlib.sha256(said.encode()).hexdigest()[:16]} == {VERSION: KNOWN[VERSION]}, (
        "the embedded rules give other answers: raise VERSION, or take the change back"
    )
