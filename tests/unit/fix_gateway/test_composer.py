"""What QuickFIX writes of our texts is our texts, whatever was composed before."""

from hypothesis import given
from hypothesis import strategies as st

from fix_gateway.composer import Composer

SOH = "\x01"
GROUPED = "11=a|453=2|448=F|447=D|452=1|448=A|447=D|452=24|58=end|"


def composed(composer: Composer, text: str) -> str:
    """Return what QuickFIX writes, without what it writes itself."""
    written = composer.compose(text.replace("|", SOH)).toString().replace(SOH, "|")
    assert written.startswith("9="), written
    body = written.partition("|")[2]
    return body[: body.rindex("10=")]


def test_a_body_is_written_as_it_stands() -> None:
    assert composed(Composer(), f"35=8|{GROUPED}") == f"35=8|{GROUPED}"


def test_fields_of_the_header_go_there() -> None:
    composer = Composer()
    message = composer.compose(f"35=8{SOH}97=Y{SOH}11=a{SOH}58=b{SOH}")
    assert message.getHeader().getField(97) == "Y"
    assert composed(composer, "35=8|11=c|") == "35=8|11=c|", "and nowhere else"


def test_length_and_sum_count_every_byte() -> None:
    text = f"35=8|{GROUPED}".replace("|", SOH)
    written = Composer().compose(text).toString().encode()
    body = written[written.index(SOH.encode()) + 1 : written.rindex(b"10=")]
    assert written.startswith(b"9=%d\x01" % len(body))
    assert written.endswith(b"10=%03d\x01" % (sum(written[: written.rindex(b"10=")]) % 256))


values = st.text("ABCxyz019.=- ", min_size=1, max_size=20)
texts = st.builds(
    lambda kind, first, pairs: "".join(
        f"{tag}={value}|" for tag, value in [("35", kind), first, *pairs]
    ),
    st.sampled_from(["8", "9", "j", "AE"]),
    st.tuples(st.sampled_from(["1", "11", "117"]), values),
    st.lists(st.tuples(st.integers(200, 9999).map(str), values), max_size=10),
)


@given(st.lists(texts, min_size=1, max_size=8))
def test_no_text_leaves_anything_behind(several: list[str]) -> None:
    composer = Composer()
    for text in several:
        assert composed(composer, text) == text
