import pytest
from hypothesis import given
from hypothesis import strategies as st

from fix_gateway.translation.raw import MalformedMessageError, parse
from fix_gateway.translation.tags import GROUPS

NAMES = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=8)
PARTY = st.fixed_dictionaries({448: NAMES}, optional={447: NAMES, 452: NAMES})


def message(text: str) -> str:
    return text.replace("|", "\x01")


def test_fields_are_read_by_tag_and_groups_by_the_tag_that_counts() -> None:
    found = parse(message("35=D|11=a=b|453=2|448=F1|447=D|452=1|448=7|452=11|55=X|10=000|"))
    assert found == {35: "D", 11: "a=b", 55: "X", 10: "000"}
    assert found.groups == {453: [{448: "F1", 447: "D", 452: "1"}, {448: "7", 452: "11"}]}


@pytest.mark.parametrize(
    "text",
    [
        "35=D|11=a|11=b|",
        "35=D|453=1|448=a|11=a|11=b|",
        "35=D|453=1|448=a|453=1|448=b|",
        "35=D|453=2|448=a|",
        "35=D|453=1|448=a|448=b|",
        "35=D|453=1|",
        "35=D|453=x|448=a|",
        "35=D|453=01|448=a|",
        "35=D|453=1|447=D|448=a|",
        "35=D|453=1|448=a|452=1|447=D|",
        "35=D|453=1|448=a|447=D|447=D|",
        "35=D|11|",
        "35=D|x=1|",
        "35=D|453=1|x=1|",
    ],
)
def test_what_could_be_read_in_two_ways_is_not_read(text: str) -> None:
    with pytest.raises(MalformedMessageError):
        parse(message(text))


@given(parties=st.lists(PARTY, min_size=1, max_size=5), after=NAMES)
def test_any_group_comes_back_as_it_was_written(parties: list[dict[int, str]], after: str) -> None:
    order = GROUPS["D"][453]
    body = "".join(f"{tag}={party[tag]}\x01" for party in parties for tag in order if tag in party)
    found = parse(f"35=D\x01453={len(parties)}\x01{body}55={after}\x01")
    assert found.groups == {453: parties}
    assert found == {35: "D", 55: after}
