"""One instrument of one subscription: where its subscriber stands in the view that it watches."""

from typing import Protocol

from fix_gateway.market_data.encoding import book_type, update, whole
from fix_gateway.market_data.pieces import Piece, piece
from fix_gateway.market_data.views import View


class Reader(Protocol):
    """Whom a line leads to."""

    def line_ready(self, line: "Line") -> None:
        """Take note that a line has something to send."""
        ...

    def book_lost(self, line: "Line") -> None:
        """Take note that a line can send no more."""
        ...


class Line:
    """Says what is to be sent next, one message at a time, so that a pause may come anywhere."""

    __slots__ = (
        "_heads",
        "_kind",
        "_reader",
        "_rest",
        "_rest_sequence",
        "_view",
        "is_behind",
        "is_full_refresh",
        "is_once",
        "position",
    )

    def __init__(self, reader: Reader, request_id: str, *, is_full: bool, is_once: bool) -> None:
        """Begin before the first snapshot.

        Args:
            reader: who gets it.
            request_id: MDReqID (262) of the subscription.
            is_full: whether updates are whole books (265=0).
            is_once: whether there are no updates (263=0).
        """
        self.position = -1
        """The sequence told last; -1 before the first."""
        self.is_behind = False
        """Whether a pause came, so that what changed meanwhile is told as one."""
        self.is_full_refresh = is_full
        self.is_once = is_once
        self._reader = reader
        self._view: View | None = None
        self._heads = {"X": piece(f"262={request_id}\x01")}
        self._kind = "W"
        self._rest: list[Piece] = []
        self._rest_sequence = 0

    @property
    def view(self) -> View:
        """What is watched."""
        assert self._view is not None, "watched from the beginning"
        return self._view

    def watch(self, view: View) -> None:
        """Begin with a view."""
        self._view = view
        book = book_type(view)
        said = f"1021={book}\x01" if book else ""
        self._heads["W"] = piece(f"{said}{self._heads['X'].data.decode('ascii')}")

    def moment_came(self) -> None:
        """See ``gallery.Watcher``."""
        self._reader.line_ready(self)

    def book_lost(self) -> None:
        """See ``gallery.Watcher``."""
        self._reader.book_lost(self)

    @property
    def is_done(self) -> bool:
        """Whether a line without updates has sent its snapshot."""
        return self.is_once and self.position >= 0

    def has_next(self, *, entries_max: int) -> str:
        """Make the next message ready.

        Returns:
            How it came about: nothing when there is none, or ``whole``, ``again`` (a whole for
            who was too far behind), ``update``, ``merged``, or ``rest`` (of one that was begun).
        """
        if self._rest:
            return "rest"
        view = self.view
        if self.position == view.sequence:
            self.is_behind = False
            return ""
        how, pieces = "update", []
        if self.position < 0 or self.is_full_refresh:
            how = "whole"
        else:
            was_behind = self.is_behind
            moment = (view.since if was_behind else view.following)(self.position)
            if moment is None:
                how = "again"
            elif moment.is_empty:
                return ""
            else:
                how = "merged" if was_behind else "update"
                pieces = update(view, moment, entries_max=entries_max)
                self._rest_sequence = moment.sequence
        if not pieces:
            pieces = whole(view, entries_max=entries_max)
            self._rest_sequence = view.sequence
        self._kind = "X" if how in ("update", "merged") else "W"
        self._rest = pieces[::-1]
        return how

    def next(self) -> tuple[str, Piece, Piece]:
        """Return the message made ready: its type, its own part, and the part that is shared."""
        shared = self._rest.pop()
        if not self._rest:
            self.position = self._rest_sequence
        return self._kind, self._heads[self._kind], shared
