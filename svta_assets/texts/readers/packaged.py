"""The sentences that come with SVTA, one file per generation category: the platform runs without any download."""

from importlib import resources

from svta_assets.categories import category
from svta_assets.texts.records import Reading, record_frame

SOURCE = "packaged"


def read_packaged() -> Reading:
    """Read packaged/<key>.txt, one sentence a line; the file's name is the category, also for normal shards."""
    folder = resources.files("svta_assets.texts").joinpath("packaged")
    files = sorted((one for one in folder.iterdir() if one.name.endswith(".txt")), key=lambda one: one.name)
    rows = []
    for file in files:
        home = category(file.name.removesuffix(".txt"))
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1):
            if line.strip():
                rows.append(
                    {
                        "source": SOURCE,
                        "scope": home.key,
                        "raw": line,
                        "is_anomaly": home.is_anomaly,
                        "source_category": home.ucf_class or home.name,
                        "category": home.key,
                        "place": f"packaged/{file.name}, line {number}",
                    }
                )
    return Reading(record_frame(rows), files=[file.name for file in files])
