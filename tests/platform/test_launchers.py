"""The launcher of the production instance can be exchanged: every example passes Dagster's own configuration checks."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import dagster as dg
import pytest
import yaml
from dagster._config import validate_config
from dagster._core.instance.config import dagster_instance_config

from svta_resources.profiles import project_root

DEPLOY = project_root() / "deploy"
LAUNCHERS = {
    "ray": DEPLOY / "production" / "dagster.yaml",
    "kubernetes": DEPLOY / "kubernetes" / "run_launcher.yaml",
}
SECRETS = ("PASSWORD", "SECRET", "KEY", "TOKEN")


def with_launcher(name: str, folder: Path) -> Path:
    """A Dagster home whose instance file is production's with this launcher."""
    settings = yaml.safe_load(LAUNCHERS["ray"].read_text())
    settings["run_launcher"] = yaml.safe_load(LAUNCHERS[name].read_text())["run_launcher"]
    (folder / "dagster.yaml").write_text(yaml.safe_dump(settings))
    return folder


@pytest.mark.parametrize("name", LAUNCHERS)
def test_dagster_accepts_the_instance_and_the_launchers_own_settings(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("SVTA_NAMESPACE", "SVTA_IMAGE", "RAY_API_SERVER_ADDRESS"):
        monkeypatch.setenv(variable, "http://127.0.0.1:1")
    settings, _ = dagster_instance_config(str(with_launcher(name, tmp_path)))  # raises where the file is refused
    launcher = settings["run_launcher"]
    schema = launcher_class(launcher).config_type()
    assert validate_config(schema, launcher["config"]).success
    wrong = {**launcher["config"], "no_such_setting": 1}
    assert not validate_config(schema, wrong).success, "the check can fail"


def launcher_class(launcher: dict[str, Any]) -> Any:
    return getattr(importlib.import_module(launcher["module"]), launcher["class"])


def test_the_production_instance_opens_without_a_ray_cluster(tmp_path: Path) -> None:
    """The webserver and the daemon must start while the cluster is down; only a launch needs it, or Ray itself."""
    program = (
        "import sys\n"
        "from dagster._core.instance.ref import InstanceRef\n"
        "launcher = InstanceRef.from_dir(sys.argv[1]).run_launcher\n"
        "print(launcher.address, launcher.supports_check_run_worker_health, 'ray' in sys.modules)"
    )
    command = [sys.executable, "-W", "ignore", "-c", program, str(with_launcher("ray", tmp_path))]
    environment = {**os.environ, "RAY_API_SERVER_ADDRESS": "http://127.0.0.1:1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=120)
    # run monitoring recovers runs of a lost node by checking their worker's health
    assert done.stdout.split() == ["http://127.0.0.1:1", "True", "False"], done.stderr


def test_nothing_that_ray_stores_and_shows_is_a_secret() -> None:
    ray = yaml.safe_load(LAUNCHERS["ray"].read_text())["run_launcher"]["config"]["ray"]
    names = [entry.partition("=")[0] for entry in ray["env_vars"]]
    assert names
    assert [name for name in names if any(word in name for word in SECRETS)] == []


def test_the_two_production_instances_differ_by_their_launcher_only() -> None:
    ray, one = (
        yaml.safe_load((DEPLOY / "production" / name).read_text()) for name in ("dagster.yaml", "one-machine.yaml")
    )
    assert "run_launcher" not in one
    del ray["run_launcher"]
    more = {name: ray["run_monitoring"].pop(name) for name in ("start_timeout_seconds", "max_resume_run_attempts")}
    assert more["max_resume_run_attempts"] == 0, "a run of a lost node is a new run: finished clips are kept"
    assert ray == one


@pytest.fixture
def slurm(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The code location of the Slurm example, as it is without a site."""
    monkeypatch.delenv("SVTA_SLURM_HOST", raising=False)
    spec = importlib.util.spec_from_file_location("slurm_example", DEPLOY / "slurm" / "definitions.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_slurm_example_describes_a_site_that_dagster_slurm_accepts(
    slurm: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    key = tmp_path / "key"
    key.write_text("")
    for name, value in {"HOST": "login", "USER": "ann", "KEY": str(key), "CHECKOUT": "/home/ann/svta"}.items():
        monkeypatch.setenv(f"SVTA_SLURM_{name}", value)
    site = slurm.compute()
    assert site.mode == "slurm"
    assert site.slurm.queue.gpus_per_node == 8
    dg.Definitions.validate_loadable(slurm.defs)


@pytest.mark.parametrize("status", [0, 3])
def test_the_slurm_example_runs_svta_regen_and_ends_as_it_does(
    status: int, slurm: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On this machine, with a stand-in for the site's `svta` that keeps its arguments."""
    program = tmp_path / ".venv" / "bin" / "svta"
    program.parent.mkdir(parents=True)
    program.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" > {tmp_path}/arguments\nexit {status}\n')
    program.chmod(0o755)
    monkeypatch.setenv("SVTA_SLURM_CHECKOUT", str(tmp_path))
    monkeypatch.setenv("PIXI_ENVIRONMENT_NAME", "test")  # its local mode insists on pixi, but only looks for this
    config = {"ops": {"regenerate_on_slurm": {"config": {"categories": ["fighting", "fire"], "confirm": True}}}}
    done = slurm.slurm_regenerate.execute_in_process(
        run_config=config, resources={"compute": slurm.compute()}, raise_on_error=False
    )
    assert (tmp_path / "arguments").read_text().split() == [
        "regen",
        "fighting",
        "fire",
        "--mode",
        "missing",
        "--confirm",
    ]
    assert done.success == (status == 0)


def test_the_batch_script_is_shell_and_starts_ray_only_inside_its_allocation() -> None:
    script = DEPLOY / "slurm" / "backfill.sbatch"
    checked = subprocess.run(["bash", "-n", str(script)], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr
    starts = [line for line in script.read_text().splitlines() if "ray start" in line and not line.startswith("#")]
    assert len(starts) == 2
    assert all("--block" in line for line in starts), "srun ends it with the allocation"
