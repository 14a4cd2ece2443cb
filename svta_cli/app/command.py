"""`svta app`: open the web application on this machine's loopback address."""

import socket

import click

ADDRESS = "127.0.0.1"  # there is no option for another one: the application has no login (docs/app-security.md)


@click.command()
@click.option("--reviewer", metavar="NAME", help="Whose name verdicts and requests carry. Without it: read only.")
@click.option("--port", type=click.IntRange(1, 65535), default=8050, show_default=True)
@click.option("--public-url", metavar="URL", help="Where people reach it through a proxy with a login (docs/app.md).")
def command(reviewer: str | None, port: int, public_url: str | None) -> None:
    """Search, gallery, review, results and yield of this home, at http://127.0.0.1:PORT."""
    import uvicorn

    from svta_assets.workspace import open_workspace
    from svta_cli.app.server import make_app

    name = (reviewer or "").strip() or None
    if reviewer is not None and name is None:
        raise click.UsageError("--reviewer is empty: give the name that verdicts are to carry")
    _require_free(port)
    app = make_app(open_workspace(), name, public_url=public_url)
    click.echo(f"svta app: http://{ADDRESS}:{port} ({f'reviewer {name}' if name else 'read only'}; stop with Ctrl-C)")
    # Forwarded headers are not read: who asks is decided by the connection, and the proxy is the only one there is.
    uvicorn.run(app, host=ADDRESS, port=port, log_level="warning", proxy_headers=False, server_header=False)


def _require_free(port: int) -> None:
    """Say in a sentence what uvicorn would log and exit with."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((ADDRESS, port))
        except OSError as error:
            raise click.ClickException(
                f"{ADDRESS}:{port} cannot be used ({error.strerror}): is the app open already? "
                f"Else try --port {port + 1}"
            ) from error
