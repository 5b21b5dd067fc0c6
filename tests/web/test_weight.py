"""What a first visit loads over the wire: pages and their files, compressed; charts are the board's alone."""

import gzip
import re

import pytest
from fastapi.testclient import TestClient

from node.accounts.roles import Role
from node.web.static_files import static_url
from tests.web.conftest import Centers, SignIn

FIRST_LOAD_MAX = 400 * 1024
"""Bytes of a first load: ten seconds on the mobile line of a mountain village."""

FILES = re.compile(r'<(?:link rel="(?:stylesheet|icon)" href|script src|img src)="([^"]+)"')
SPRITE = re.compile(r'href="(/static/[^"#]+)#')


def weight(client: TestClient, address: str) -> int:
    """Bytes on the wire of one answer."""
    with client.stream("GET", address, headers={"Accept-Encoding": "gzip"}) as answer:
        assert answer.status_code == 200, address
        return sum(len(chunk) for chunk in answer.iter_raw())


@pytest.mark.parametrize("path", ["/login", "/today", "/inbox", "/cases", "/cases/new", "/account", "/links", "/users"])
def test_a_first_load_is_small(centers: Centers, sign_in: SignIn, path: str) -> None:
    client = sign_in(centers.township, Role.director, Role.admin)
    if path == "/login":
        client.cookies.clear()
    page = client.get(path).text
    files = {*FILES.findall(page), *SPRITE.findall(page)}
    assert any("tabler" in one for one in files)
    assert not any("echarts" in one for one in files), "charts are the board's"
    assert weight(client, path) + sum(weight(client, one) for one in files) < FIRST_LOAD_MAX


def test_the_board_without_its_charts_is_small_too(centers: Centers, sign_in: SignIn) -> None:
    client = sign_in(centers.township, Role.director)
    page = client.get("/board").text
    files = {*FILES.findall(page), *SPRITE.findall(page)}
    charts = [one for one in files if "echarts" in one]
    assert len(charts) == 1
    rest = sum(weight(client, one) for one in files.difference(charts))
    assert weight(client, "/board") + rest < FIRST_LOAD_MAX


def test_a_file_is_the_same_compressed_or_not(centers: Centers, browser: SignIn) -> None:
    client = browser(centers.village)
    address = static_url("css/liandong.css")
    plain = client.get(address, headers={"Accept-Encoding": "identity"})
    assert "content-encoding" not in plain.headers
    with client.stream("GET", address, headers={"Accept-Encoding": "gzip"}) as answer:
        raw = b"".join(answer.iter_raw())
    assert answer.headers["content-encoding"] == "gzip"
    assert answer.headers["content-type"] == plain.headers["content-type"]
    assert answer.headers["cache-control"] == plain.headers["cache-control"]
    assert answer.headers["vary"] == plain.headers["vary"] == "Accept-Encoding"
    assert len(raw) < len(plain.content) / 2
    assert gzip.decompress(raw) == plain.content


def test_a_file_that_has_not_changed_is_not_sent_again(centers: Centers, browser: SignIn) -> None:
    client = browser(centers.village)
    first = client.get("/static/css/liandong.css")
    again = client.get("/static/css/liandong.css", headers={"If-None-Match": first.headers["etag"]})
    assert again.status_code == 304
    assert again.content == b""
