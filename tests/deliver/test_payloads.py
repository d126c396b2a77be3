"""What each target is sent for real flags: the golden files, and the limits of the fields."""

from __future__ import annotations

import pytest

from streams.deliver.flag_text import comment, mark, withdrawal
from streams.deliver.mastodon import COMMENT_CHARS, Mastodon
from streams.deliver.osprey import action_id
from streams.deliver.ozone import Ozone
from streams.deliver.target import Outcome, Step, Target, UnfitError, by_status
from streams.deliver.webhook import delivery_id, signature
from tests.deliver.flag_log import flag
from tests.deliver.real_payloads import GOLDEN, TARGETS, dsa_written, flags, held, written

AGAIN = "run: python -m tests.deliver.real_payloads"


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.NAME)
def test_the_golden_files_are_what_real_flags_give(target: Target) -> None:
    told = [each["flag"] for each in held(target.NAME)["deliveries"]]
    assert (GOLDEN / f"{target.NAME}.json").read_bytes() == written(target, told), AGAIN


def test_the_golden_statement_of_reasons_is_what_a_real_flag_gives() -> None:
    assert (GOLDEN / "dsa.json").read_bytes() == dsa_written(held("dsa")["flag"]), AGAIN


@pytest.mark.parametrize("most", [40, 200, 1_000, 5_000])
def test_a_comment_fits_and_can_be_found_again(most: int) -> None:
    for each in flags():
        assert len(comment(each, most, "https://credence.example")) <= most
        assert len(withdrawal(each, most)) <= most
        if most >= 200:
            assert comment(each, most, "https://credence.example").endswith(mark(each))


def test_a_comment_says_what_why_and_where() -> None:
    told = comment(flags()[0], 5_000, "https://credence.example/")
    for part in (
        "Because the people in it took part in false claims",
        "https://credence.example/v1/claims/",
        "Look at the posts and replies ",
    ):
        assert part in told


def test_words_of_a_claim_as_long_as_they_come_leave_room_for_the_mark() -> None:
    each = flag("x", claim={"text": "long " * 5_000, "url": "https://a.example/" + "u" * 2_000})
    told = comment(each, COMMENT_CHARS)
    assert len(told) <= COMMENT_CHARS
    assert told.startswith("“long long")
    assert told.endswith(mark(each))


def test_each_record_has_an_id_of_its_own_and_the_same_one_again() -> None:
    records = [flag("a"), flag("a", 2), flag("b")]
    assert len({action_id(each) for each in records}) == len({delivery_id(each) for each in records}) == 3
    assert action_id(flag("a")) == action_id(flag("a")) < 2**64


def test_a_signature_is_that_of_the_specification() -> None:
    # The example of the Standard Webhooks specification.
    body = b'{"test": 2432232314}'
    made = signature("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", body)
    assert made == "g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_a_flag_without_an_address_there_is_unfit() -> None:
    nowhere = flag("x", claim={"text": "heard on the radio"})
    with pytest.raises(UnfitError, match="at://"):
        Ozone("did:plc:us").look_up(nowhere, Step.RAISE, "")
    with pytest.raises(UnfitError, match="does not find"):
        Mastodon().requests(nowhere, Step.RAISE, None, "")


def test_a_public_label_is_only_sent_where_it_is_asked_for() -> None:
    seen = {"cid": "bafy"}
    kinds = [r.body["event"]["$type"] for r in Ozone("did:plc:us").requests(flag("x"), Step.RAISE, seen, "")]
    assert [kind.partition("#modEvent")[2] for kind in kinds] == ["Report", "Tag", "PriorityScore"]


@pytest.mark.parametrize(
    ("status", "outcome"),
    [(200, "accepted"), (204, "accepted"), (301, "denied"), (401, "denied"), (403, "refused"), (404, "refused"),
     (408, "later"), (422, "refused"), (429, "later"), (500, "later"), (503, "later")],
)  # fmt: skip
def test_how_a_status_reads(status: int, outcome: str) -> None:
    assert by_status(status) == Outcome(outcome)
