"""The walk of a new user, in headless Chromium on a real broker: from the front page to a flag that is taken back."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from streams.contract.settings import Settings
from tests.pages.chromium import browser
from tests.pages.walking import LONE, LOOKS, opened, sign_in
from tests.pages.world import Up, replayed

pytestmark = pytest.mark.timeout(600)


@pytest.fixture
def up(settings: Settings, tmp_path: Path) -> Iterator[Up]:
    """A small world that was replayed."""
    with replayed(settings, tmp_path, "small") as there:
        yield there


def looked_at(page: Page, what: str, look: str) -> None:
    """Nothing serious stands in the way of anybody, and nobody has to scroll sideways."""
    # Only colours are others in the dark.
    options = {"resultTypes": ["violations"], **({"runOnly": ["color-contrast"]} if look == "dark" else {})}
    found = Axe().run(page, options=options).response["violations"]
    serious = [(each["id"], each["nodes"][0]["html"]) for each in found if each["impact"] in ("serious", "critical")]
    assert serious == [], (what, look)
    wide = page.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
    assert wide[0] <= wide[1], (what, look)


def flagged_claim(page: Page) -> str:
    """From the front page to the flag to take first; the address of its claim."""
    page.goto("/")
    expect(page.get_by_role("heading", name="What to look at now")).to_be_visible()
    first = page.locator("[data-flag]").first
    expect(first).to_contain_text("likely to be false")
    first.get_by_role("link").first.click()
    expect(page.get_by_role("heading", name="Flags", exact=True)).to_be_visible()
    expect(page.locator("[data-flag]").first).to_contain_text("Stands, priority")
    expect(page.locator("[data-flag] table.bars").first).to_contain_text("false claims")
    expect(page.locator("#voices .drawn")).to_be_visible()
    expect(page.locator("section:has(#over-time) .drawn")).to_be_visible()
    return urlsplit(page.url).path


def vindicated(page: Page) -> None:
    """From the front page to the source that was right against all."""
    page.goto("/")
    page.get_by_placeholder("id of a claim or source").fill(LONE)
    page.get_by_role("button", name="Open").click()
    expect(page.get_by_role("heading", name=LONE)).to_be_visible()
    expect(page.locator("main")).to_contain_text("no verdict on a person")
    expect(page.locator("main")).to_contain_text("right when that was not obvious")


def appealed(page: Page, path: str) -> None:
    """Somebody who may rule finds that the flag was wrong: it is taken back, and the scores move."""
    page.goto(path)
    page.get_by_text("Answer an appeal").click()
    form = page.locator("form:has(input[name=kind][value=appeal])")
    form.locator("input[name=verdict][value=true]").check()
    form.get_by_label("Why, in your words").fill("The town hall confirms it.")
    form.get_by_role("button", name="Answer the appeal").click()
    expect(page.get_by_role("heading", name="Your ruling counts")).to_be_visible()
    expect(page.locator("main")).to_contain_text("The flag is taken back.")
    before, after = page.locator("tr:has(th:text('risk')) td").all_inner_texts()
    assert before != after
    page.get_by_role("link", name="Back to the claim").click()
    expect(page.locator("main")).to_contain_text("Ruled true")
    expect(page.locator("[data-flag]").first).to_contain_text("Taken back: a verdict has come")
    expect(page.locator("section:has(#verdicts)")).to_contain_text("The town hall confirms it.")


def healthy(page: Page) -> None:
    """The front page says that all is well."""
    page.goto("/")
    expect(page.locator("section:has(#health)")).to_contain_text(re.compile(r"Answers are [\d.]+ s old"))
    expect(page.locator("section:has(#health)")).to_contain_text("risk-cascade is running")
    expect(page.locator("section:has(#right)")).to_contain_text("were right")


def by_keyboard(page: Page) -> None:
    """The queue without a mouse: down, up, help, dismiss; what is decided has left."""
    page.goto("/queue?state=any")
    titles = page.locator("[data-flag] h2").all_inner_texts()
    assert len(titles) > 2
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("k")
    expect(page.locator("[data-flag]").first).to_be_focused()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    standing = page.locator("[data-flag]:has([data-decision])")
    expect(standing.first).to_be_visible()
    decided = standing.first.locator("input[name=flag_id]").first.input_value()
    standing.first.focus()
    with page.expect_navigation():
        page.keyboard.press("d")
    expect(page.locator(f'input[name=flag_id][value="{decided}"]')).to_have_count(0)
    page.goto("/queue?state=any&decided=yes")
    expect(page.locator("[data-flag]")).to_contain_text("Decided: dismissed")
    page.locator("[data-flag]").first.focus()
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("/claims/"))


def every_page(chromium: Browser, up: Up, claim: str) -> None:
    """Every page, light, dark and on a phone."""
    paths = ("/", "/queue?state=any", "/claims", claim, f"/sources/{LONE}", "/communities", "/claims/unheard-of")
    for name, look in LOOKS.items():
        page = opened(chromium, up, **look)
        page.goto("/sign-in")
        looked_at(page, "/sign-in", name)
        sign_in(page, up.ruler)
        for path in paths:
            page.goto(path)
            if path == claim:
                expect(page.locator("#voices .drawn")).to_be_visible()
                if name == "light":
                    page.evaluate("document.querySelectorAll('details').forEach((each) => (each.open = true))")
            looked_at(page, path, name)
        page.context.close()


def without_scripts(chromium: Browser, up: Up, claim: str) -> None:
    """All but charts and keys works without scripts."""
    page = opened(chromium, up, java_script_enabled=False)
    sign_in(page, up.reader, claim)
    page.get_by_role("link", name=re.compile("Who said what when")).click()
    expect(page.locator("table.bars").first).to_be_visible()
    expect(page.locator("#voices")).to_contain_text(re.compile(r"Together: .*likely to be false"))
    expect(page.locator("#voices")).to_contain_text("by the weights that verdicts taught")
    page.goto("/queue")
    page.get_by_label("State").select_option("past")
    page.get_by_role("button", name="Show").click()
    expect(page).to_have_url(re.compile("state=past"))
    expect(page.locator("main")).not_to_contain_text("That did not work")
    expect(page.get_by_role("button", name="Confirm")).to_have_count(0)


def test_a_new_user_walks_from_the_front_page_to_a_flag_that_is_taken_back(up: Up) -> None:
    with browser() as chromium:
        page = opened(chromium, up)
        sign_in(page, up.ruler)
        vindicated(page)
        claim = flagged_claim(page)
        appealed(page, claim)
        healthy(page)
        by_keyboard(page)
        every_page(chromium, up, claim)
        without_scripts(chromium, up, claim)
    assert "Traceback" not in up.api.said
