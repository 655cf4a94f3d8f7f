"""The quick ways of reading a request, beside the slow ones: they say the same."""

import re

from hypothesis import example, given
from hypothesis import strategies as st

from retail_gateway.parameters import PARAMETERS_MAX, read, read_anything
from retail_gateway.signing import signed_part

_SIGNATURE = re.compile(rb"(?:^|&)signature=[^&]*")

ODD = st.binary(max_size=40)
NAMES = st.sampled_from([b"a", b"b", b"signature", b"newsignature", b"1", b"", b"x" * 65])
VALUES = st.sampled_from(
    [b"1", b"", b"%20", b"+", b"a=b", b"a==", b"\xff", b" ", b"x" * 8193, b"~"]
)
PAIRS = st.tuples(NAMES, VALUES).map(b"=".join)
FORMS = st.lists(st.one_of(PAIRS, PAIRS, PAIRS, ODD), max_size=6).map(b"&".join)


@given(FORMS, FORMS)
@example(b"a=1", b"a=2")
@example(b"a=1", b"b=2")
@example(b"", b"a=1&signature=ab")
@example(b"&".join(b"a%d=1" % number for number in range(PARAMETERS_MAX)), b"")
@example(b"&".join(b"a%d=1" % number for number in range(PARAMETERS_MAX)), b"b=1")
@example(b"a=1", b"\n")
@example(b"a=1\n", b"")
def test_parameters_are_read_alike(query: bytes, body: bytes) -> None:
    assert read(query, body) == read_anything(query, body)


@given(FORMS, FORMS)
@example(b"a=1&signature=ab", b"")
@example(b"a=1&signature=ab", b"b=1")
@example(b"b=1", b"a=1&signature=ab")
@example(b"", b"signature=ab")
@example(b"signature=ab&signature=ab", b"")
@example(b"a=&signature=signature=1", b"")
@example(b"a&sig", b"nature=1")
def test_what_is_signed_is_found_alike(query: bytes, body: bytes) -> None:
    slow = b"".join([_SIGNATURE.sub(b"", part) for part in (query, body)])
    assert signed_part(query, body) == slow
