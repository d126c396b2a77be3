"""Pictures of every page, light, dark and on a phone, from a real run: ``python -m tests.pages.pictures [FOLDER]``.

The world of the demo is replayed on a private Kafka; what Chromium shows then is written to docs/pages, as WebP.
"""

from __future__ import annotations

import argparse
import io
import shutil
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page

from streams.broker import embedded
from streams.contract.settings import Settings
from streams.datasets.social_world import SIZES
from tests.house.rooms import ROOT
from tests.pages.chromium import browser
from tests.pages.walking import LONE, LOOKS, opened, sign_in
from tests.pages.world import Up, replayed

FOLDER = ROOT / "docs" / "pages"
QUALITY = 60
HEIGHT_MAX = 3_200
"""Pixels after which a picture is cut: what is below is more of the same."""
GLANCE = 800
"""Height of what README.md shows of the front page."""


def main() -> None:
    """Replay, look, write."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("folder", type=Path, nargs="?", default=FOLDER)
    asked.add_argument("--size", choices=SIZES, default="demo")
    given = asked.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    with embedded.private(say=print) as node:
        folder = embedded.temporary("credence-pictures-")
        try:
            with replayed(Settings(broker=node.bootstrap), folder, given.size) as up:
                print(f"{sum(draw(up, given.folder)) / 1e6:.1f} MB in {given.folder}")
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def draw(up: Up, folder: Path) -> list[int]:
    """Write a picture of each page in each look; returns their sizes, bytes."""
    sizes = []
    with browser() as chromium:
        for name, look in LOOKS.items():
            page = opened(chromium, up, **look)
            page.goto("/sign-in")
            sizes.append(_write(page, folder / f"sign-in-{name}.webp"))
            sign_in(page, up.ruler)
            for title, path in _pages(page).items():
                page.goto(path)
                _settled(page)
                sizes.append(_write(page, folder / f"{title}-{name}.webp"))
                if (title, name) == ("front", "light"):
                    sizes.append(_write(page, folder / "glance.webp", GLANCE))
            page.context.close()
    return sizes


def _pages(page: Page) -> dict[str, str]:
    """Name of a picture → its page."""
    page.goto("/queue")
    claim = page.locator("[data-flag] a").first.get_attribute("href") or "/"
    return {
        "front": "/",
        "queue": "/queue",
        "claim": claim,
        "source": f"/sources/{LONE}",
        "communities": "/communities",
    }


def _settled(page: Page) -> None:
    """Wait until what the scripts load and draw is there."""
    page.wait_for_load_state("networkidle")
    page.wait_for_function("document.querySelectorAll('.chart:not(.drawn), [data-waiting]').length === 0")
    page.wait_for_function(
        "[...document.querySelectorAll('.chart')].every((chart) => chart.querySelector('.main-svg'))"
    )


def _write(page: Page, path: Path, most: int = HEIGHT_MAX) -> int:
    picture = Image.open(io.BytesIO(page.screenshot(full_page=True)))
    picture.crop((0, 0, picture.width, min(picture.height, most))).save(path, "WEBP", quality=QUALITY, method=6)
    return path.stat().st_size


if __name__ == "__main__":
    main()
