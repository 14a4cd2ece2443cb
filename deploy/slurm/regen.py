"""What dagster-slurm runs on the site: `svta regen` in the project's own environment, its end reported by Pipes."""

import os
import subprocess
import sys

from dagster_pipes import open_dagster_pipes

with open_dagster_pipes() as pipes:
    checkout = os.environ["SVTA_SLURM_CHECKOUT"]
    command = [os.path.join(checkout, ".venv", "bin", "svta"), "regen", *os.environ["SVTA_REGEN"].split("\n")]
    pipes.log.info(" ".join(command))
    done = subprocess.run(command, cwd=checkout, capture_output=True, text=True, check=False)
    pipes.log.info(done.stdout[-4000:])
    if done.returncode:
        pipes.log.error(done.stderr[-4000:])
        sys.exit(done.returncode)
