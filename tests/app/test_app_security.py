"""Only this machine's browser, only pages of the application, and nothing outside the store."""

import os
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from svta_cli.app.security import proxy_origin
from svta_cli.app.server import make_app
from svta_models.errors import SvtaError
from tests.app.conftest import ORIGIN, client_of
from tests.stages.toy_category import ToyCategory

POST = "/clip/p0-0/regenerate"
FORM = {"mode": "new_take", "why": ""}


@pytest.mark.parametrize("host", ["127.0.0.1:8050", "localhost:8050", "localhost", "[::1]:8050", "LOCALHOST:8050"])
def test_the_machines_own_names_are_answered(reader: TestClient, host: str) -> None:
    assert reader.get("/gallery", headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example", "127.0.0.1.evil.example", "evil.example:8050", "localhost.evil.example", "127.0.0.1@evil", "",
     "127.0.0.1:8050/x", "[::1].evil", "10.0.0.1:8050"],
)  # fmt: skip
def test_a_foreign_name_that_leads_here_is_refused(reader: TestClient, host: str) -> None:
    answer = reader.get("/gallery", headers={"host": host})
    assert answer.status_code == 421
    assert "House" not in answer.text


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:9999", "https://127.0.0.1:8050"])
def test_other_origins_read_nothing(reader: TestClient, origin: str) -> None:
    for path in ("/gallery", "/media/clips/p0-0.mp4", "/static/app.js"):
        assert reader.get(path, headers={"origin": origin}).status_code == 403


@pytest.mark.parametrize(
    ("mode", "dest", "status"),
    [("navigate", "document", 200), ("navigate", "iframe", 403), ("no-cors", "image", 403), ("cors", "empty", 403)],
)
def test_other_sites_may_link_but_not_embed(reader: TestClient, mode: str, dest: str, status: int) -> None:
    for site in ("cross-site", "same-site"):  # another port of this machine is the same site, yet another origin
        headers = {"sec-fetch-site": site, "sec-fetch-mode": mode, "sec-fetch-dest": dest}
        assert reader.get("/gallery", headers=headers).status_code == status


def test_another_machine_is_refused(released: ToyCategory) -> None:
    elsewhere = TestClient(make_app(released.work, "ada"), base_url=ORIGIN, client=("10.1.2.3", 4000))
    assert elsewhere.get("/gallery").status_code == 403


def test_nothing_is_posted_without_a_reviewer(released: ToyCategory) -> None:
    answer = client_of(released.work).post(POST, data=FORM, headers={"origin": ORIGIN})
    assert answer.status_code == 403
    assert "--reviewer" in answer.text
    assert released.work.catalog.read("regeneration_requests").is_empty()


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"origin": "null"},
        {"origin": "http://evil.example"},
        {"origin": "http://localhost:8050"},
        {"origin": ORIGIN, "sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"},
    ],
)
def test_a_post_must_come_from_the_application(
    reviewer: TestClient, released: ToyCategory, headers: dict[str, str]
) -> None:
    assert reviewer.post(POST, data=FORM, headers=headers).status_code == 403
    assert released.work.catalog.read("regeneration_requests").is_empty()


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS"])
def test_other_methods_are_refused(reviewer: TestClient, method: str) -> None:
    assert reviewer.request(method, "/gallery", headers={"origin": ORIGIN}).status_code == 405


@pytest.mark.parametrize(
    "path", ["/gallery", "/nowhere", "/static/app.css", "/media/clips/p0-0.mp4", "/gallery?page=0"]
)
def test_every_answer_forbids_inline_scripts(reader: TestClient, path: str) -> None:
    answer = reader.get(path)
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self';" in policy
    assert "frame-ancestors 'none'" in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "access-control-allow-origin" not in answer.headers


def test_an_error_inside_a_page_keeps_the_headers_and_tells_nothing(released: ToyCategory) -> None:
    app = make_app(released.work)
    app.state.site.media = None  # what no user can do: any bug
    broken = TestClient(app, base_url=ORIGIN, client=("127.0.0.1", 1), raise_server_exceptions=False)
    answer = broken.get("/media/clips/p0-0.mp4")
    assert answer.status_code == 500
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
    assert "Traceback" not in answer.text
    assert "NoneType" not in answer.text


def test_a_proxys_origin_counts_where_it_is_named(released: ToyCategory) -> None:
    app = make_app(released.work, "ada", public_url="https://svta.example.org")
    tab = TestClient(app, base_url="https://svta.example.org", client=("127.0.0.1", 1))
    assert tab.get("/gallery").status_code == 200
    assert tab.post(POST, data=FORM, headers={"origin": "https://evil.example"}).status_code == 403
    posted = tab.post(POST, data=FORM, headers={"origin": "https://svta.example.org"}, follow_redirects=False)
    assert posted.status_code == 303


@pytest.mark.parametrize("url", ["svta.example.org", "ftp://x", "https://", "https://x/path", "https://a@b"])
def test_a_proxy_is_named_by_its_origin(url: str) -> None:
    with pytest.raises(SvtaError, match="origin of a proxy"):
        proxy_origin(url)


# -- nothing outside the store -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        "/static/../server.py",
        "/static/%2e%2e/server.py",
        "/static/..%2fserver.py",
        "/static//etc/passwd",
        "/media/clips/../../home.json",
        "/media/clips/..%2f..%2fhome.json.mp4",
        "/media/clips/%2fetc%2fpasswd.mp4",
        "/media/thumbs/..%2f..%2fx.webp",
        "/clip/..%2f..%2fhome.json",
    ],
)
def test_paths_in_addresses_lead_nowhere(reader: TestClient, path: str) -> None:
    assert reader.get(path).status_code in (404, 405)


def _rename(toy: ToyCategory, uri: str) -> None:
    """What a damaged or hostile metadata file could say of the clip p0-0."""
    clips = toy.work.catalog.read("clips").with_columns(uri=_when_p0(uri))
    toy.work.catalog.publish("clips", toy.category, clips)
    toy.work.refresh()


def _when_p0(uri: str) -> "object":
    import polars as pl

    return pl.when(pl.col("clip_id") == "p0-0").then(pl.lit(uri)).otherwise(pl.col("uri"))


@pytest.mark.parametrize("uri", ["../secret.mp4", "clips/../../secret.mp4", "/etc/passwd", "home.json", "clips//x.mp4"])
def test_a_row_that_names_another_file_is_not_followed(released: ToyCategory, tmp_path: Path, uri: str) -> None:
    (tmp_path / "secret.mp4").write_bytes(b"kept from view")
    _rename(released, uri)
    tab = client_of(released.work)
    for path in ("/media/clips/p0-0.mp4", "/media/thumbs/p0-0.webp", "/media/stills/p0-0.webp"):
        answer = tab.get(path)
        assert answer.status_code in (404, 500)
        assert b"kept from view" not in answer.content


def test_a_link_out_of_the_clips_is_not_followed(released: ToyCategory, clip_file: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret.mp4"
    secret.write_bytes(b"kept from view")
    clip_file.unlink()
    os.symlink(secret, clip_file)
    assert client_of(released.work).get("/media/clips/p0-0.mp4").status_code == 404


def test_the_folder_of_clips_may_lie_on_another_disk(released: ToyCategory, clip_file: Path, tmp_path: Path) -> None:
    clips = released.work.home.path / "clips"
    clips.rename(tmp_path / "disk")
    clips.symlink_to(tmp_path / "disk")
    assert client_of(released.work).get("/media/clips/p0-0.mp4").content == clip_file.read_bytes()


# -- templates ---------------------------------------------------------------------------------------------------------


def test_no_template_turns_escaping_off() -> None:
    templates = Path(__file__).parents[2] / "svta_cli" / "app" / "templates"
    files = sorted(templates.glob("*.html"))
    assert files
    for file in files:
        text = file.read_text()
        for forbidden in ("|safe", "| safe", "autoescape", "Markup", " style=", " onclick=", "<style", "javascript:"):
            assert forbidden not in text, f"{file.name} holds {forbidden!r}"
        for script in text.split("<script")[1:]:
            assert ' src="/static/' in script.split(">")[0], f"{file.name} holds an inline script"
