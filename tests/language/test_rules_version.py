"""The embedded rules answer the same until their VERSION is raised: answers are part of recipes."""

import hashlib
import json

from svta_assets.categories import load_categories
from svta_assets.prompts import attributes
from svta_resources.embedded_llm import VERSION
from svta_resources.embedded_llm.grammar import describe
from svta_resources.embedded_llm.labeller import Labeller

# VERSION -> what its rules say. Other answers need another VERSION (svta_resources/embedded_llm/__init__.py) and line.
KNOWN = {"1": "PENDING"}

CAPTIONS = [
    "A man sets fire to a car at night.",
    "A woman in a red coat walks along the street in the morning.",
    "Two men punch each other in a bar.",
    "Busy street.",
    "A yellow taxi parks in front of a hotel.",
    "The clerk hands a bag to the customer and smiles.",
]


def test_rules_say_what_their_version_says():
    seeds = [one.key for one in load_categories() if one.origin == "seed"]
    captions = [describe(key, index, attributes(key, index)) for key in seeds for index in range(50)]
    labeller = Labeller()
    opinions = labeller.opinions(CAPTIONS).tolist()
    said = json.dumps([captions, opinions, labeller.names(CAPTIONS, opinions)])
    assert {VERSION: hashlib.sha256(said.encode()).hexdigest()[:16]} == {VERSION: KNOWN[VERSION]}, (
        "rules or attributes give other answers: raise VERSION, or take the change back"
    )
