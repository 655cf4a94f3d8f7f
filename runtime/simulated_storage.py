"""A storage in memory whose power can be cut: the worst that a disk's promises allow.

Until a file is synced, each piece of 512 bytes of each write may or may not have reached the
disk, in any order; until names are synced, a prefix of their changes has.
"""

import errno
import random
from collections.abc import Callable

SECTOR = 512

Change = Callable[[bytearray], None]


class PowerCutError(Exception):
    """The machine lost power at this very operation; nothing can be asked of it any more."""


class Power:
    """What several storages of one machine share; cut after so many operations, if told."""

    def __init__(self, operations_left: int | None = None) -> None:
        self.operations_left = operations_left

    def use(self) -> None:
        """Perform one more operation.

        Raises:
            PowerCutError: there is no power for it.
        """
        if self.operations_left is None:
            return
        if self.operations_left <= 0:
            raise PowerCutError
        self.operations_left -= 1


class _Inode:
    """A file's bytes as programs see them, as the disk has them, and what lies between."""

    def __init__(self) -> None:
        self.seen = bytearray()
        self.durable = bytearray()
        self.pending: list[Change] = []


class SimulatedFile:
    """An open file of a ``SimulatedStorage``."""

    def __init__(self, storage: "SimulatedStorage", inode: _Inode) -> None:
        self._storage = storage
        self._inode = inode

    def read(self, size: int, offset: int) -> bytes:
        """See ``File.read``."""
        return bytes(self._inode.seen[offset : offset + size])

    def write(self, data: bytes, offset: int) -> None:
        """See ``File.write``."""
        self._storage.power.use()
        growth = max(0, offset + len(data) - len(self._inode.seen))
        self._storage.take_room(growth)
        at = 0
        while at < len(data):
            step = SECTOR - (offset + at) % SECTOR
            self._change(_overwrite(data[at : at + step], offset + at))
            at += step

    def size(self) -> int:
        """See ``File.size``."""
        return len(self._inode.seen)

    def truncate(self, size: int) -> None:
        """See ``File.truncate``."""
        self._storage.power.use()
        self._storage.take_room(min(0, size - len(self._inode.seen)))
        self._change(_resize(size))

    def sync(self) -> None:
        """See ``File.sync``."""
        self._storage.may_fail()
        for change in self._inode.pending:
            change(self._inode.durable)
        self._inode.pending.clear()

    def close(self) -> None:
        """See ``File.close``."""

    def _change(self, change: Change) -> None:
        change(self._inode.seen)
        self._inode.pending.append(change)


class SimulatedStorage:
    """A folder in memory.

    ``room`` bounds the bytes of all files; ``syncs_left`` lets a later sync fail, for ever.
    """

    def __init__(
        self,
        *,
        room: int | None = None,
        syncs_left: int | None = None,
        power: Power | None = None,
    ) -> None:
        self.power = power or Power()
        self.room = room
        self.syncs_left = syncs_left
        self._seen: dict[str, _Inode] = {}
        self._durable: dict[str, _Inode] = {}
        self._pending: list[Callable[[dict[str, _Inode]], None]] = []

    def names(self) -> list[str]:
        """See ``Storage.names``."""
        return sorted(self._seen)

    def open(self, name: str, *, create: bool = False) -> SimulatedFile:
        """See ``Storage.open``."""
        if create:
            old = self._seen.get(name)
            if old is not None:
                self.take_room(-len(old.seen))
            inode = _Inode()
            self._rename_all(lambda names: names.__setitem__(name, inode))
        elif name not in self._seen:
            raise FileNotFoundError(errno.ENOENT, "no such file", name)
        return SimulatedFile(self, self._seen[name])

    def rename(self, old: str, new: str) -> None:
        """See ``Storage.rename``."""
        inode = self._seen[old]

        def change(names: dict[str, _Inode]) -> None:
            names.pop(old, None)
            names[new] = inode

        self._rename_all(change)

    def remove(self, name: str) -> None:
        """See ``Storage.remove``."""
        inode = self._seen.get(name)
        if inode is not None:
            self.take_room(-len(inode.seen))

        def change(names: dict[str, _Inode]) -> None:
            names.pop(name, None)

        self._rename_all(change)

    def sync_names(self) -> None:
        """See ``Storage.sync_names``."""
        self.may_fail()
        for change in self._pending:
            change(self._durable)
        self._pending.clear()

    def describe(self, name: str) -> str:
        """See ``Storage.describe``."""
        return f"memory:{name}"

    def take_room(self, size: int) -> None:
        """Use ``size`` bytes of the room, or give them back if negative."""
        if self.room is None:
            return
        if size > self.room:
            raise OSError(errno.ENOSPC, "no space left on the simulated device")
        self.room -= size

    def may_fail(self) -> None:
        """Fail if the disk has been told to by now."""
        self.power.use()
        if self.syncs_left is None:
            return
        if self.syncs_left == 0:
            raise OSError(errno.EIO, "the simulated device failed")
        self.syncs_left -= 1

    def cut_power(self, chance: random.Random, *, power: Power | None = None) -> "SimulatedStorage":
        """Return what is found, under new ``power``, after the machine lost power now."""
        survivors = SimulatedStorage(power=power)
        names = dict(self._durable)
        for change in self._pending[: chance.randint(0, len(self._pending))]:
            change(names)
        for name, inode in names.items():
            content = bytearray(inode.durable)
            keep = chance.choice((0.0, 0.1, 0.5, 0.9, 1.0))
            for piece in inode.pending:
                if chance.random() < keep:
                    piece(content)
            found = _Inode()
            found.seen, found.durable = content, bytearray(content)
            survivors._seen[name] = survivors._durable[name] = found
        return survivors

    def _rename_all(self, change: Callable[[dict[str, _Inode]], None]) -> None:
        self.power.use()
        change(self._seen)
        self._pending.append(change)


def _overwrite(piece: bytes, offset: int) -> Change:
    def change(content: bytearray) -> None:
        if len(content) < offset:
            content.extend(bytes(offset - len(content)))
        content[offset : offset + len(piece)] = piece

    return change


def _resize(size: int) -> Change:
    def change(content: bytearray) -> None:
        if len(content) < size:
            content.extend(bytes(size - len(content)))
        del content[size:]

    return change
