"""The code location as Dagster sees it: complete specs, honest jobs, and nothing heavy or personal in loading it."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from syrupy.assertion import SnapshotAssertion

from svta_assets.definitions import ASSETS, defs
from svta_assets.schemas import TABLES
from svta_resources.profiles import project_root

ORDER = [
    "raw_texts", "llm_descriptions", "videos", "labels", "clusters", "splits", "model_checkpoints", "eval_tables",
]  # fmt: skip
HEAVY = (
    "torch", "diffsynth", "transformers", "sentence_transformers", "open_clip", "sklearn", "spacy", "ray", "openai",
    "skia", "av",
)  # fmt: skip
SPECS = [asset.get_asset_spec() for asset in ASSETS]


def _mapping(asset: dg.AssetsDefinition, upstream: dg.AssetKey) -> str | None:
    mapping = asset.get_partition_mapping(upstream)
    return type(mapping).__name__ if mapping else None


def _spec(asset: dg.AssetsDefinition) -> dict[str, Any]:
    spec = asset.get_asset_spec()
    schema: dg.TableSchema = spec.metadata["dagster/column_schema"]
    return {
        "group": spec.group_name,
        "deps": {key.to_user_string(): _mapping(asset, key) for key in sorted(asset.dependency_keys)},
        "partitions": f"{len(asset.partitions_def.get_partition_keys())} keys" if asset.partitions_def else None,
        "kinds": sorted(spec.kinds),
        "owners": list(spec.owners),
        "code_version": spec.code_version,
        "description": spec.description,
        "columns": [column.name for column in schema.columns],
        "checks": sorted(check.name for check in _checks_of(spec.key)),
        "config": sorted(getattr(asset.op.config_schema.as_field().config_type, "fields", {})),
        "pool": asset.op.pool,
    }


def _checks_of(key: dg.AssetKey) -> list[dg.AssetCheckKey]:
    return [check for checks in defs.asset_checks or () for check in checks.check_keys if check.asset_key == key]  # type: ignore[union-attr]


def test_the_specs_of_all_assets_are_as_reviewed(snapshot: SnapshotAssertion) -> None:
    """A change here is a change of the platform's interface: look at it, then `pytest --snapshot-update`."""
    assert {asset.key.to_user_string(): _spec(asset) for asset in ASSETS} == snapshot


def test_the_graph_is_the_designed_chain() -> None:
    graph = defs.resolve_asset_graph()
    assert [key.to_user_string() for key in graph.toposorted_asset_keys] == ORDER


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.key.to_user_string())
def test_every_asset_is_described_completely(spec: dg.AssetSpec) -> None:
    folder = spec.group_name
    assert (project_root() / "svta_assets" / str(folder) / "assets.py").is_file(), "folder = asset group"
    assert spec.owners
    assert spec.kinds
    assert spec.code_version
    assert len(str(spec.description)) > 40
    columns = {column.name: column for column in spec.metadata["dagster/column_schema"].columns}
    assert any(set(columns) == set(table.schema) for table in TABLES.values())
    assert all(column.description and column.type for column in columns.values())


def test_no_job_mixes_partitioned_and_unpartitioned_assets() -> None:
    graph = defs.resolve_asset_graph()
    for name in ("sources", "generate", "organize", "benchmark"):
        keys = defs.resolve_job_def(name).asset_layer.executable_asset_keys
        partitions = {str(graph.get(key).partitions_def) for key in keys}
        assert len(partitions) == 1, f"job {name} mixes {partitions}"


def test_the_jobs_together_cover_every_asset_once() -> None:
    covered = [
        key.to_user_string()
        for name in ("sources", "generate", "organize", "benchmark")
        for key in defs.resolve_job_def(name).asset_layer.executable_asset_keys
    ]
    assert sorted(covered) == sorted(ORDER)


def test_nothing_above_raw_texts_runs_by_itself() -> None:
    """New clips cost GPU hours: no asset is materialized because another one was."""
    assert all(spec.automation_condition is None for spec in SPECS)


def test_work_on_a_device_shares_one_pool() -> None:
    pools = {asset.key.to_user_string(): asset.op.pool for asset in ASSETS}
    assert {name for name, pool in pools.items() if pool} == {"videos", "model_checkpoints", "eval_tables"}


_LOAD = f"""
import json, os, sys
home, opened = os.environ["SVTA_HOME"], []
sys.addaudithook(lambda event, args: opened.append(str(args[0])) if event in ("open", "os.listdir", "os.mkdir") else None)
import svta_assets.definitions
svta_assets.definitions.defs.resolve_asset_graph()
heavy = [name for name in {HEAVY!r} if name in sys.modules]
print(json.dumps([heavy, [path for path in opened if path.startswith(home)]]))
"""


def test_loading_imports_nothing_heavy_and_reads_no_home(tmp_path: Path) -> None:
    """Paid again in the code server, in every run and in every step (and a broken home must not break the UI)."""
    import os

    home = tmp_path / "home"
    home.mkdir()
    (home / "home.json").write_text("not JSON")
    environment = {**os.environ, "SVTA_HOME": str(home), "SVTA_PROFILE": "not-a-profile", "PYTHONWARNINGS": "ignore"}
    done = subprocess.run(
        [sys.executable, "-c", _LOAD], env=environment, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    heavy, read = json.loads(done.stdout)
    assert heavy == []
    assert read == []
    assert [path.name for path in home.iterdir()] == ["home.json"]


def test_the_definitions_are_short_enough_to_read() -> None:
    assert len((project_root() / "svta_assets" / "definitions.py").read_text().splitlines()) <= 100
