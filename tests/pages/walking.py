"""How tests and pictures move about in the pages."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.pages.world import Up

PHONE = {"width": 360, "height": 740}
WAIT_MS = 60_000
expect.set_options(timeout=WAIT_MS)
LOOKS = {
    "light": {"color_scheme": "light"},
    "dark": {"color_scheme": "dark"},
    "phone": {"viewport": PHONE, "is_mobile": True, "has_touch": True},
}
LONE = "ines.vale"


def opened(chromium: Browser, up: Up, **look: object) -> Page:
    """A page of a fresh profile that loads nothing from elsewhere and whose scripts do not fail."""
    page = chromium.new_context(base_url=up.url, **look).new_page()  # type: ignore[arg-type]
    page.set_default_timeout(WAIT_MS)
    here = urlsplit(up.url).netloc

    def asked(url: str) -> None:
        assert url.startswith(("data:", "blob:")) or urlsplit(url).netloc == here, url

    page.on("request", lambda request: asked(request.url))
    page.on("pageerror", lambda error: pytest.fail(f"a script failed: {error}"))
    return page


def sign_in(page: Page, token: str, path: str = "/") -> None:
    """Go to a page, and sign in on the way."""
    page.goto(path)
    page.get_by_label("Your access token").fill(token)
    page.get_by_role("button", name="Sign in").click()
    expect(page).to_have_url(re.compile(rf"{re.escape(path)}$"))
