"""Start a demo, look at every page at both widths and in both languages, and keep a picture of each as WebP.

Chromium itself turns its picture into WebP, so that no further library is needed.
"""

import argparse
import base64
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from deploy.screenshots.pages import GUIDE, LANGUAGES, SHOTS, WIDTHS, Shot

ROOT: Final = Path(__file__).parents[2]
NAMES: Final = ("chromium", "chromium-browser", "google-chrome")
SIZE: Final = ("--townships", "3", "--villages", "3", "--cases", "60")
READY: Final = "Ctrl-C"
"""What the demo says, in either language, when all matters are played."""

READY_WITHIN_S: Final = 300.0
HEIGHT: Final = 900
HEIGHT_MAX: Final = 2400
"""Pixels of a picture: what is longer is cut off, nobody looks at more."""

STILL_MS: Final = 500
"""Until charts, which move for 300 ms, stand still."""

QUALITY: Final = 0.75
"""Of WebP, from 0 to 1; letters stay sharp, a page has some 50 KB."""

TO_WEBP: Final = """async ([png, quality]) => {
  const picture = await createImageBitmap(await (await fetch("data:image/png;base64," + png)).blob());
  const canvas = new OffscreenCanvas(picture.width, picture.height);
  canvas.getContext("2d").drawImage(picture, 0, 0);
  const webp = await canvas.convertToBlob({ type: "image/webp", quality });
  const bytes = new Uint8Array(await webp.arrayBuffer());
  let text = "";
  for (let at = 0; at < bytes.length; at += 8192) text += String.fromCharCode(...bytes.subarray(at, at + 8192));
  return btoa(text);
}"""

Centers = dict[str, dict[str, Any]]


def main() -> None:
    """Take the pictures."""
    parser = argparse.ArgumentParser(description="Pictures of every page.")
    parser.add_argument("--all", type=Path, default=ROOT / "build" / "screenshots", help="directory of all pictures")
    parser.add_argument(
        "--guide", type=Path, default=ROOT / "docs" / "user-guide" / "img", help="of those in the guide"
    )
    parser.add_argument("--port", type=int, default=18400, help="first port of the demo")
    given = parser.parse_args()
    chromium = next((path for path in map(shutil.which, NAMES) if path), None)
    if chromium is None:
        sys.exit("NO BROWSER: install the package `chromium`")
    for folder in (given.all, given.guide):
        folder.mkdir(parents=True, exist_ok=True)
    flags = ["--disable-gpu", *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    with demo(given.port) as centers, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=flags)
        press = browser.new_page()
        for shot in SHOTS:
            take(browser, press, centers[shot.level], shot, (given.all, given.guide))
        browser.close()


def take(browser: Browser, press: Page, center: dict[str, Any], shot: Shot, folders: tuple[Path, Path]) -> None:
    """All pictures of one page."""
    for language_suffix, language in LANGUAGES.items():
        context = browser.new_context(locale=language, viewport={"width": WIDTHS[""], "height": HEIGHT})
        page = signed_in(context, center, shot.role)
        for width_suffix, width in WIDTHS.items():
            page.set_viewport_size({"width": width, "height": HEIGHT})
            open_page(page, center["url"], shot)
            name = f"{shot.name}{width_suffix}{language_suffix}"
            picture = webp(press, page)
            (folders[0] / f"{name}.webp").write_bytes(picture)
            if name in GUIDE:
                (folders[1] / f"{name}.webp").write_bytes(picture)
            sys.stderr.write(f"{name}  {len(picture) // 1024} KB\n")
        context.close()


def signed_in(context: BrowserContext, center: dict[str, Any], role: str) -> Page:
    """A page of somebody with this role."""
    page = context.new_page()
    if role:
        user = center["users"][role]
        page.goto(f"{center['url']}/login")
        page.fill("input[name=username]", user["username"])
        page.fill("input[name=password]", user["password"])
        page.click("main button[type=submit]")
        page.wait_for_url(lambda url: "/login" not in url)
    return page


def open_page(page: Page, url: str, shot: Shot) -> None:
    """Go to the page that is meant, and wait until it has drawn itself."""
    page.goto(url + shot.path)
    if shot.follow:
        link = page.locator(shot.follow).first.get_attribute("href")
        assert link is not None, shot
        page.goto(url + link.split("?")[0] + shot.then)
    page.evaluate("document.fonts.ready")
    page.wait_for_timeout(STILL_MS)


def webp(press: Page, page: Page) -> bytes:
    """A picture of the page."""
    height = min(HEIGHT_MAX, max(HEIGHT, int(page.evaluate("document.documentElement.scrollHeight"))))
    width = page.evaluate("innerWidth")
    page.set_viewport_size({"width": width, "height": height})  # bars that stick to the screen stand at its end
    page.wait_for_timeout(STILL_MS)
    png = page.screenshot()
    return base64.b64decode(press.evaluate(TO_WEBP, [base64.b64encode(png).decode(), QUALITY]))


@contextmanager
def demo(port: int) -> Iterator[Centers]:
    """A demo with matters at all stages; its first center of each level."""
    with tempfile.TemporaryDirectory() as directory:
        record = Path(directory) / "d" / "demo.json"
        command = [str(Path(sys.executable).parent / "liandong"), "demo", "--dir", str(record.parent), *SIZE]
        said = Path(directory) / "demo.log"
        with said.open("wb") as out:
            process = subprocess.Popen([*command, "--port", str(port), "--no-browser"], stdout=out, stderr=out)
        try:
            began = time.monotonic()
            while READY not in (words := said.read_text(encoding="utf-8", errors="replace")):
                if process.poll() is not None or time.monotonic() - began > READY_WITHIN_S:
                    sys.exit(f"The demo is not ready:\n{words}")
                time.sleep(0.5)
            centers: Centers = {}
            for center in json.loads(record.read_text(encoding="utf-8"))["centers"]:
                centers.setdefault(center["level"], center)
            yield centers
        finally:
            process.terminate()
            process.wait(60)


main()
