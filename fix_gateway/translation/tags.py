"""FIX tags and values that the gateway uses, by their names in the standard.

Names and numbers follow FIX 4.4 vol. 6; those of later versions (797, 851 values, 1138, 2964,
103 and 378 values above 10) follow FIX 5.0 SP2. Ours alone are 5001 and 5002.
"""

from typing import Final

SOH: Final = "\x01"

ACCOUNT: Final = 1
CL_ORD_ID: Final = 11
EXEC_INST: Final = 18
MSG_SEQ_NUM: Final = 34
MSG_TYPE: Final = 35
ORDER_ID: Final = 37
ORDER_QTY: Final = 38
ORD_TYPE: Final = 40
ORIG_CL_ORD_ID: Final = 41
POSS_DUP_FLAG: Final = 43
PRICE: Final = 44
REF_SEQ_NUM: Final = 45
SENDER_COMP_ID: Final = 49
SIDE: Final = 54
SYMBOL: Final = 55
TIME_IN_FORCE: Final = 59
VALID_UNTIL_TIME: Final = 62
STOP_PX: Final = 99
HEART_BT_INT: Final = 108
MIN_QTY: Final = 110
MAX_FLOOR: Final = 111
EXPIRE_TIME: Final = 126
RESET_SEQ_NUM_FLAG: Final = 141
EXPIRE_DATE: Final = 432
MASS_CANCEL_REQUEST_TYPE: Final = 530
USERNAME: Final = 553
PASSWORD: Final = 554
ORD_STATUS_REQ_ID: Final = 790
DISPLAY_QTY: Final = 1138
SELF_MATCH_PREVENTION_INSTRUCTION: Final = 2964

REJECT_CODE: Final = 5001
"""Ours: the number of the ``RejectCode``."""

EVENT_NUMBER: Final = 5002
"""Ours: the event's number on messages that carry no ExecID (9, r, j)."""

LOGON: Final = "A"
LOGOUT: Final = "5"
NEW_ORDER_SINGLE: Final = "D"
ORDER_CANCEL_REQUEST: Final = "F"
ORDER_CANCEL_REPLACE_REQUEST: Final = "G"
ORDER_STATUS_REQUEST: Final = "H"
ORDER_MASS_CANCEL_REQUEST: Final = "q"
EXECUTION_REPORT: Final = "8"
ORDER_CANCEL_REJECT: Final = "9"
ORDER_MASS_CANCEL_REPORT: Final = "r"
BUSINESS_MESSAGE_REJECT: Final = "j"

REQUESTS: Final = frozenset(
    {
        NEW_ORDER_SINGLE,
        ORDER_CANCEL_REQUEST,
        ORDER_CANCEL_REPLACE_REQUEST,
        ORDER_STATUS_REQUEST,
        ORDER_MASS_CANCEL_REQUEST,
    }
)
"""The application messages that a trading session may send."""

BUSINESS_REASON_OTHER: Final = 0
BUSINESS_REASON_UNKNOWN_ID: Final = 1
BUSINESS_REASON_NOT_AVAILABLE: Final = 4
BUSINESS_REASON_NOT_AUTHORIZED: Final = 6
BUSINESS_REASON_THROTTLED: Final = 8
