"""Failed logons by who tried: too many in a while, and the next is not even looked at."""

from collections import OrderedDict
from collections.abc import Hashable


class Failures:
    """Counts by key, in bounded memory: of too many keys, the one that failed longest ago goes."""

    def __init__(self, *, count_max: int, seconds: float, keys_max: int) -> None:
        """Begin with a clean slate.

        Args:
            count_max: failures within ``seconds`` that are forgiven.
            seconds: how long a failure counts from the first of its kind.
            keys_max: how many keys are remembered.
        """
        self._count_max = count_max
        self._seconds = seconds
        self._keys_max = keys_max
        self._counts: OrderedDict[Hashable, tuple[float, int]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._counts)

    def note(self, key: Hashable, now: float) -> None:
        """Count one failure more."""
        since, count = self._counts.pop(key, (now, 0))
        if now - since > self._seconds:
            since, count = now, 0
        self._counts[key] = since, count + 1
        while len(self._counts) > self._keys_max:
            self._counts.popitem(last=False)

    def forget(self, key: Hashable) -> None:
        """Begin anew with a key that has succeeded."""
        self._counts.pop(key, None)

    def is_too_many(self, key: Hashable, now: float) -> bool:
        """Say whether a key has failed so often that it has to wait."""
        since, count = self._counts.get(key, (now, 0))
        return count >= self._count_max and now - since <= self._seconds
