"""How schemathesis asks the retail API: signed by a key, and of a market that there is.

It is loaded by schemathesis, in an environment without anything of ours.
"""

import atexit
import hashlib
import hmac
import json
import os
import re
import time
import zlib
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import schemathesis

KEY_ID = os.environ["RIALTO_KEY_ID"]
SECRET = os.environ["RIALTO_SECRET"].encode()
STATUSES: defaultdict[str, Counter[int]] = defaultdict(Counter)
SIGNED = set(os.environ["RIALTO_SIGNED"].split(","))
"""Methods and paths that need a proof."""
_PROOF = ("signature=", "timestamp=", "recvWindow=")
_SYMBOL = re.compile(r"(?<![A-Za-z])symbol=[^&]*")


def signed(request: Any) -> Any:
    """Sign what was made up, byte for byte, instead of the proof that was made up too.

    Every second request is about a market that there is: else all were refused for theirs.
    """
    address, _, query = request.url.partition("?")
    if zlib.crc32(query.encode()) % 2:
        query = _SYMBOL.sub("symbol=BTCUSD", query)
    if f"{request.method} {urlsplit(address).path}" not in SIGNED:
        request.url = f"{address}?{query}" if query else address
        return request
    pairs = [each for each in query.split("&") if each and not each.startswith(_PROOF)]
    text = "&".join([*pairs, "recvWindow=60000", f"timestamp={time.time_ns() // 1_000_000}"])
    signature = hmac.new(SECRET, text.encode(), hashlib.sha256).hexdigest()
    request.url = f"{address}?{text}&signature={signature}"
    request.headers["X-MBX-APIKEY"] = KEY_ID
    return request


schemathesis.auth.set_from_requests(signed)


@schemathesis.check
def is_no_fault(_context: object, response: schemathesis.Response, _case: object) -> None:
    """Refuse an answer that says that it was our fault; a slow machine's 503 and 504 are none."""
    assert response.status_code != 500, "a request made the server fail"


@schemathesis.hook
def after_call(_context: object, case: schemathesis.Case, response: schemathesis.Response) -> None:
    """Note what was answered."""
    STATUSES[case.operation.label][response.status_code] += 1


@atexit.register
def tell() -> None:
    """Tell what was answered to what."""
    Path(os.environ["RIALTO_STATUSES"]).write_text(json.dumps(STATUSES))
