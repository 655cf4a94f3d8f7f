"""What the standard has beyond our description: which answer an unknown type or tag gets.

QuickFIX knows our dictionary alone, because one of the whole standard takes 60 MiB a session. So
it calls everything else unknown to FIX, and what it says about that is put right here.
"""

from dataclasses import dataclass

from fix_gateway.translation import tags

Changes = dict[int, str | None]
"""Fields by tag that a message gets, or (None) loses."""


@dataclass(frozen=True, slots=True)
class Standard:
    """The message types and tags of one dialect's standard, its session layer included."""

    message_types: frozenset[str]
    tags: frozenset[int]

    def corrected(self, *, reason: str, tag: str, message_type: str) -> Changes:
        """Say how a Reject has to be changed; empty if it is right.

        Args:
            reason: its SessionRejectReason (373).
            tag: its RefTagID (371); empty if there is none.
            message_type: its RefMsgType (372); empty if there is none.

        Returns:
            A message type that FIX has and we do not offer makes it a BusinessMessageReject
            (FIX 4.4 vol. 2: 380=3); a tag that FIX has is not invalid (373=0) but not defined
            for this message type (373=2).
        """
        is_type_unknown = reason == tags.SESSION_REJECT_REASON_INVALID_MSG_TYPE
        if is_type_unknown and message_type in self.message_types:
            return {
                tags.MSG_TYPE: tags.BUSINESS_MESSAGE_REJECT,
                tags.BUSINESS_REJECT_REASON: tags.BUSINESS_REJECT_REASON_UNSUPPORTED_MESSAGE_TYPE,
                tags.SESSION_REJECT_REASON: None,
                tags.REF_TAG_ID: None,
                tags.TEXT: "Unsupported message type",
            }
        is_tag_unknown = reason == tags.SESSION_REJECT_REASON_INVALID_TAG_NUMBER
        if is_tag_unknown and tag.isascii() and tag.isdigit() and int(tag) in self.tags:
            return {
                tags.SESSION_REJECT_REASON: (
                    tags.SESSION_REJECT_REASON_TAG_NOT_DEFINED_FOR_THIS_MESSAGE_TYPE
                ),
                tags.TEXT: "Tag not defined for this message type",
            }
        return {}
