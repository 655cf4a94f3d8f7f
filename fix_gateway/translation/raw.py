"""A FIX message as text: split into tags on the way in, framed on the way out.

QuickFIX has checked framing, checksum and dictionary before; a native session engine will have
done the same. That is why a plain split is enough here.
"""

from fix_gateway.translation.tags import SOH

Fields = dict[int, str]
"""The fields of one message by tag."""


class MalformedMessageError(ValueError):
    """Text that is not tag=value fields, each once; the session layer failed to refuse it."""


def parse(message: str) -> Fields:
    """Split a whole message into its fields.

    Raises:
        MalformedMessageError: a field without a numeric tag or an equals sign, or a tag that
            stands twice: which of the two is meant would be the reader's guess.
    """
    fields = [field.split("=", 1) for field in message.split(SOH) if field]
    try:
        found = {int(tag): value for tag, value in fields}
    except ValueError as error:
        raise MalformedMessageError(f"not FIX fields: {error}") from error
    if len(found) != len(fields):
        raise MalformedMessageError("a tag stands twice")
    return found
