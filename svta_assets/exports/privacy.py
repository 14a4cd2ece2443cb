"""The privacy statement as a query: how many clips of a release are not known to be synthetic."""

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from svta_assets.exports.terms import synthetic_families
from svta_assets.workspace import Workspace
from svta_models.release import Release
from svta_resources.query import query


@dataclass(frozen=True)
class Privacy:
    """`sql` as anybody can run it in the home, and what it answered: clips that are not known to be synthetic."""

    sql: str
    clips: int
    not_synthetic: int


def ask_privacy(work: Workspace, release: Release) -> Privacy:
    """Run the query on `svta.duckdb`, brought up to date first."""
    work.refresh()
    file = f"releases/{release.hash}.parquet"
    families = ", ".join(f"'{name}'" for name in synthetic_families())
    sql = (
        "SELECT count(*) AS not_synthetic\n"
        f"FROM read_parquet('{file}') AS pairs\n"
        "LEFT JOIN clips ON clips.clip_id = pairs.clip_id AND clips.sha256 = pairs.sha256\n"
        "WHERE clips.generator IS NULL\n"
        f"   OR regexp_extract(clips.generator, '^[^:?]*') NOT IN ({families})"
    )
    with TemporaryDirectory() as folder:  # the release may lie in a bucket
        copy = Path(folder) / "release.parquet"
        copy.write_bytes(work.store.get(file))
        answer = query(work.home.path, sql.replace(f"'{file}'", f"'{copy}'"))
    return Privacy(sql, release.frame.height, int(answer["not_synthetic"][0]))
