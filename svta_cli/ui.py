"""`svta ui`: the Dagster UI on this profile's instance."""

import os
import shutil
import signal
import socket
import sys
from pathlib import Path

import click


@click.command()
@click.option("--port", default=3000, show_default=True)
@click.option("--host", default="127.0.0.1", show_default=True, help="Dagster's UI has no login: keep it on loopback.")
def command(port: int, host: str) -> None:
    """Open the Dagster UI, with daemon, on this profile's instance."""
    from svta_resources.profiles import home_from, project_root

    _require_free(host, port)
    home = home_from()
    os.environ["DAGSTER_HOME"] = str(home.prepare_dagster())
    os.environ["SVTA_HOME"] = str(home.path)  # absolute: the next line leaves the folder it may be relative to
    os.environ.setdefault("PYTHONWARNINGS", "ignore")  # Dagster announces its successor command at every start
    os.chdir(project_root())
    # Started from a script, a shell may have set SIGINT to be ignored, and Dagster copies that to SIGTERM.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    beside = Path(sys.executable).with_name("dagster")
    program = str(beside) if beside.exists() else shutil.which("dagster")
    if program is None:
        raise click.ClickException("the dagster command is missing: run `make env`")
    click.echo(f"profile {home.profile.name}, home {home.path}")
    click.echo(f"Dagster UI: http://{host}:{port} (stop with Ctrl-C)")
    os.execv(program, [program, "dev", "-h", host, "-p", str(port), "-w", "workspace.yaml"])


def _require_free(host: str, port: int) -> None:
    """Say at once what the webserver would say in a traceback after ten seconds, with its daemon left running."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a server that just ended does not count
        try:
            probe.bind((host, port))
        except OSError as error:
            raise click.ClickException(
                f"{host}:{port} cannot be used ({error.strerror}): is the UI open already? Else try --port {port + 1}"
            ) from error
