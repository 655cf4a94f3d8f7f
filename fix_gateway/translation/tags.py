"""FIX tags and values that the gateway uses, by their names in the standard.

Names and numbers follow FIX 4.4 vol. 6; those of later versions (797, 851 values, 1138, 2964,
103 and 378 values above 10) follow FIX 5.0 SP2. Ours alone are 5001, the number of
the ``RejectCode``, and 5002, the event's number on messages that carry no ExecID (9, r, j).
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
PRICE: Final = 44
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

NEW_ORDER_SINGLE: Final = "D"
ORDER_CANCEL_REQUEST: Final = "F"
ORDER_CANCEL_REPLACE_REQUEST: Final = "G"
ORDER_STATUS_REQUEST: Final = "H"
ORDER_MASS_CANCEL_REQUEST: Final = "q"

BUSINESS_REASON_OTHER: Final = 0
BUSINESS_REASON_NOT_AVAILABLE: Final = 4
BUSINESS_REASON_NOT_AUTHORIZED: Final = 6
