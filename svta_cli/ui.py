"""`svta ui`: the Dagster UI on this profile's instance."""

import os
import shutil
import signal
import sys
from pathlib import Path

import click


@click.command()
@click.option("--port", default=3000, show_default=True)
@click.option("--host", default="127.0.0.1", show_default=True, help="Dagster's UI has no login: keep it on loopback.")
def command(port: int, host: str) -> None:
    """Open the Dagster UI, with daemon, on this profile's instance."""
    from svta_resources.profiles import home_from, project_root

    os.environ["DAGSTER_HOME"] = str(home_from().prepare_dagster())
    os.environ.setdefault("PYTHONWARNINGS", "ignore")  # Dagster announces its successor command at every start
    os.chdir(project_root())
    # Started from a script, a shell may have set SIGINT to be ignored, and Dagster copies that to SIGTERM.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    beside = Path(sys.executable).with_name("dagster")
    program = str(beside) if beside.exists() else shutil.which("dagster")
    if program is None:
        raise click.ClickException("the dagster command is missing: run `make env`")
    click.echo(f"Dagster UI: http://{host}:{port} (stop with Ctrl-C)")
    os.execv(program, [program, "dev", "-h", host, "-p", str(port), "-w", "workspace.yaml"])
