"""One training in a process of its own, to be killed: `python -m tests.models.training_program <home> <what.json>`.

Prints the checkpoint's id and at which step it went on.
"""

import json
import sys
from pathlib import Path

from svta_models.execution import Execution
from svta_models.media_store import open_store
from svta_models.recipe import read_recipe
from svta_models.release import Release, resolve
from svta_models.training import train
from svta_models.training_state import held_folder


def main() -> None:
    home, what = Path(sys.argv[1]), json.loads(sys.argv[2])
    store = open_store(home)
    release = Release(store, resolve(store))
    folder = home / "state"
    with held_folder(folder) as lock:
        how = Execution(folder=folder, checkpoint_every=what["every"], processes=what["processes"], held=(lock,))
        done = train(
            release, store, "checkpoints/x", read_recipe(what["recipe"], what["method"]), method=what["method"], how=how
        )
    print(json.dumps({"id": done.checkpoint_id, "resumed_at": done.resumed_at}))


if __name__ == "__main__":
    main()
