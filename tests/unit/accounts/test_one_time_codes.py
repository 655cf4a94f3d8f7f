import pytest

from services.accounts.one_time_codes import (
    STEP_NS,
    matching_step,
    provisioning_uri,
    recovery_code_digest,
    recovery_code_text,
    totp,
    without_recovery_code,
)

RFC_SECRET = b"12345678901234567890"


# RFC 6238, appendix B: the SHA-1 column, of which an app shows the last six digits.
@pytest.mark.parametrize(
    ("seconds", "code"),
    [
        (59, "94287082"), (1111111109, "07081804"), (1111111111, "14050471"),
        (1234567890, "89005924"), (2000000000, "69279037"), (20000000000, "65353130"),
    ],
)  # fmt: skip
def test_codes_are_those_of_the_rfc(seconds: int, code: str) -> None:
    assert totp(RFC_SECRET, seconds // 30) == code[-6:]


@pytest.mark.parametrize(("steps", "is_near"), [(-2, False), (-1, True), (0, True), (1, True), (2, False)])  # fmt: skip  # noqa: E501
def test_a_clock_may_be_one_step_away(steps: int, is_near: bool) -> None:
    now = 50_000_000
    code = totp(RFC_SECRET, now + steps)
    found = matching_step(RFC_SECRET, code, now_ns=now * STEP_NS, after_step=0)
    assert found == (now + steps if is_near else None)


def test_a_step_that_was_spent_is_refused_and_so_is_all_before_it() -> None:
    now = 50_000_000
    for spent, step, is_good in ((now, now, False), (now, now - 1, False), (now, now + 1, True)):
        code = totp(RFC_SECRET, step)
        found = matching_step(RFC_SECRET, code, now_ns=now * STEP_NS, after_step=spent)
        assert (found is not None) is is_good


def test_what_an_app_reads_names_account_and_issuer() -> None:
    uri = provisioning_uri(RFC_SECRET, email="a+b@example.org", issuer="Rialto & Sons")
    assert uri == (
        "otpauth://totp/Rialto%20%26%20Sons%3Aa%2Bb%40example.org"
        "?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=Rialto%20%26%20Sons"
    )


def test_a_recovery_code_is_spent_and_the_others_stay() -> None:
    codes = [recovery_code_text(bytes([at]) * 10) for at in range(3)]
    assert codes[0] == "aaaa-aaaa-aaaa-aaaa"
    kept = [recovery_code_digest(code) for code in codes]
    left = without_recovery_code(kept, codes[1])
    assert left == (kept[0], kept[2])
    assert without_recovery_code(left, codes[1]) is None
    assert without_recovery_code((), codes[1]) is None
