"""What every response tells the browser, and which forms are refused."""

import re
from collections.abc import Iterator

import pytest
from fastapi import Depends, FastAPI
from fastapi.responses import PlainTextResponse, Response
from fastapi.testclient import TestClient
from starlette.datastructures import Headers

from node import errors_http
from node.web.security import CONTENT_SECURITY_POLICY, SecurityHeaders, is_cross_site, refuse_cross_site
from node.web.static_files import STATIC_DIRECTORY, STATIC_PATH, VersionedFiles, static_url


@pytest.fixture
def client() -> Iterator[TestClient]:
    app = FastAPI()
    errors_http.install(app)
    app.add_middleware(SecurityHeaders)
    app.mount(STATIC_PATH, VersionedFiles())

    @app.get("/page")
    def page() -> Response:
        return PlainTextResponse("text")

    @app.get("/kept")
    def kept() -> Response:
        return PlainTextResponse("text", headers={"Cache-Control": "private", "Content-Security-Policy": "own"})

    @app.post("/act", dependencies=[Depends(refuse_cross_site)])
    def act() -> Response:
        return PlainTextResponse("done")

    with TestClient(app, base_url="http://center.test:8000", headers={"Accept-Language": "en"}) as client:
        yield client


def test_a_page_may_load_from_its_own_origin_only_and_runs_nothing_inline(client: TestClient) -> None:
    policy = client.get("/page").headers["content-security-policy"]
    assert policy == CONTENT_SECURITY_POLICY
    directives = dict(part.strip().split(" ", 1) for part in policy.split(";"))
    assert directives["default-src"] == "'none'"
    assert directives["frame-ancestors"] == "'none'"
    assert directives["base-uri"] == "'none'"
    assert directives["form-action"] == "'self'"
    assert "unsafe" not in policy
    assert "http" not in policy
    assert "data:" not in policy


@pytest.mark.parametrize("path", ["/page", "/nothing-here", "/static/nothing-here"])
def test_every_response_has_the_headers_also_an_error(client: TestClient, path: str) -> None:
    headers = client.get(path).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"
    assert headers["x-frame-options"] == "DENY"
    assert headers["cache-control"] == "no-store"


def test_a_header_of_the_page_itself_stays(client: TestClient) -> None:
    headers = client.get("/kept").headers
    assert headers["cache-control"] == "private"
    assert headers["content-security-policy"] == "own"


def test_transport_security_is_promised_over_https_only(client: TestClient) -> None:
    assert "strict-transport-security" not in client.get("/page").headers
    assert "strict-transport-security" in client.get("https://center.test/page").headers


def test_static_files_are_kept_under_the_hash_of_their_content_only(client: TestClient) -> None:
    address = static_url("css/liandong.css")
    assert "?v=" in address
    assert client.get(address).headers["cache-control"] == "public, max-age=31536000, immutable"
    assert client.get("/static/css/liandong.css").headers["cache-control"] == "no-cache"
    assert client.get("/static/css/liandong.css?v=old").headers["cache-control"] == "no-cache"
    assert client.get("/static/../templates/base.html").status_code == 404


def test_own_static_files_ask_for_nothing_from_elsewhere() -> None:
    for path in [*STATIC_DIRECTORY.glob("css/*"), *STATIC_DIRECTORY.glob("js/*")]:
        text = path.read_text(encoding="utf-8")
        assert "//" not in text.replace("// ", ""), path
        assert not re.search(r"""["'(=`]\s*data:""", text), path


@pytest.mark.parametrize(
    ("headers", "refused"),
    [
        ({"sec-fetch-site": "same-origin"}, False),
        ({"sec-fetch-site": "none"}, False),
        ({"sec-fetch-site": "same-site"}, True),
        ({"sec-fetch-site": "cross-site"}, True),
        ({"sec-fetch-site": "same-origin", "origin": "null"}, False),
        ({"origin": "http://center.test:8000"}, False),
        ({"origin": "https://center.test:8000"}, False),
        ({"origin": "http://center.test:8001"}, True),
        ({"origin": "http://evil.test"}, True),
        ({"origin": "null"}, True),
        ({}, False),
        ({"sec-fetch-site": "cross-site", "authorization": "Bearer ld_token"}, False),
    ],
)
def test_a_form_from_another_site_is_refused(client: TestClient, headers: dict[str, str], refused: bool) -> None:
    answer = client.post("/act", headers=headers)
    assert answer.status_code == (403 if refused else 200)
    if refused:
        assert answer.json()["type"] == "cross-site"


def test_reading_is_never_refused() -> None:
    assert not is_cross_site("GET", Headers({"sec-fetch-site": "cross-site"}))
