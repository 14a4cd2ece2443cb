"""A code location that hands backfills to a Slurm site: `dagster dev -f deploy/slurm/definitions.py`.

dagster-slurm is no run launcher: runs stay on the machine of the daemon, and an op sends a script to the site (over
ssh, as an sbatch job) and follows it. So there is one job here that runs `svta regen` there; the site's Postgres and
bucket are those of the profile production, and everything it makes appears in the same home.

With SVTA_SLURM_HOST unset the script runs on this machine, as the test does it; dagster-slurm wants pixi for that.
"""

import os
from pathlib import Path

import dagster as dg
from dagster_slurm import BashLauncher, ComputeResource, SlurmQueueConfig, SlurmResource, SSHConnectionResource

PAYLOAD = Path(__file__).with_name("regen.py")
CHECKOUT = "SVTA_SLURM_CHECKOUT"  # folder of the project on the site, with its .venv


class SlurmRegen(dg.Config):
    """Arguments of `svta regen`."""

    categories: list[str]
    mode: str = "missing"
    confirm: bool = False


@dg.op(description="Runs `svta regen` as a job of the site and waits for its end.")
def regenerate_on_slurm(context: dg.OpExecutionContext, config: SlurmRegen, compute: ComputeResource) -> None:
    arguments = [*config.categories, "--mode", config.mode, *(["--confirm"] if config.confirm else [])]
    environment = {"SVTA_REGEN": "\n".join(arguments), CHECKOUT: os.environ.get(CHECKOUT, os.getcwd())}
    compute.run(context=context, payload_path=str(PAYLOAD), extra_env=environment, poll_timeout=7 * 24 * 3600)


@dg.job(description="Clips of some categories, made on a Slurm site.")
def slurm_regenerate() -> None:
    regenerate_on_slurm()


def compute() -> ComputeResource:
    """The site that the environment names, or this machine."""
    if not os.environ.get("SVTA_SLURM_HOST"):
        return ComputeResource(mode="local", default_launcher=BashLauncher())
    ssh = SSHConnectionResource(
        host=os.environ["SVTA_SLURM_HOST"],
        user=os.environ["SVTA_SLURM_USER"],
        key_path=os.environ["SVTA_SLURM_KEY"],
    )
    queue = SlurmQueueConfig(
        partition=os.environ.get("SVTA_SLURM_PARTITION", "gpu"),
        time_limit="12:00:00",
        gpus_per_node=8,
        cpus=32,
        mem="256G",
    )
    site = SlurmResource(ssh=ssh, queue=queue, status_poll_interval_seconds=15, status_poll_max_interval_seconds=60)
    return ComputeResource(
        mode="slurm",
        slurm=site,
        default_launcher=BashLauncher(),
        pre_deployed_env_path=f"{os.environ[CHECKOUT]}/.venv",  # installed there once; nothing is packed and sent
    )


defs = dg.Definitions(jobs=[slurm_regenerate], resources={"compute": compute()}, executor=dg.in_process_executor)
