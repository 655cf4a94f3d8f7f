"""Our texts as QuickFIX's messages."""

from typing import Final

import quickfix as fix

_OUR_HEADER: Final = frozenset({"35", "97"})
"""What our messages say in the header themselves; the rest of it is QuickFIX's."""

_KIND_AT: Final = 3  # behind 35=


class Composer:
    """Makes QuickFIX's messages of our texts, without having it take them apart.

    QuickFIX gets the whole body as the value of the body's first field, and writes it out as it
    stands. Its own parser would split our text by a dictionary, so that groups stay together, sort
    the fields, and join them again. A message is used again for the next text that begins alike:
    what QuickFIX puts into its header it puts there anew each time.
    """

    def __init__(self) -> None:
        self._kept: dict[str, tuple[fix.Message, int]] = {}

    def compose(self, text: str) -> fix.Message:
        """Return a message, which is good until the next call.

        Args:
            text: fields of the header from 35 on, then those of the body, each ended by SOH.
        """
        at = text.index("=", _KIND_AT) + 1  # behind the tag after MsgType
        kept = self._kept.get(text[:at])
        if kept is None:
            return self._made(text, at)
        message, tag = kept
        message.setField(tag, text[at:-1])
        return message

    def _made(self, text: str, at: int) -> fix.Message:
        message = fix.Message()
        header = message.getHeader()
        head, rest = text[:at], text
        while True:
            field, _, following = rest.partition("\x01")
            tag, _, value = field.partition("=")
            if tag not in _OUR_HEADER:
                break
            header.setField(int(tag), value)
            rest = following
        message.setField(int(tag), rest[len(tag) + 1 : -1])
        if head.endswith(f"\x01{tag}="):  # nothing in the header but its type
            self._kept[head] = message, int(tag)
        return message
