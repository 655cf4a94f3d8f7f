"""Fixed little-endian record layouts, declared once.

A record is a frozen class whose annotated fields, in order, are its bytes: no padding is ever
inserted, so every field must already stand on its natural alignment and a record's length is a
multiple of eight (``tests/unit/test_layouts.py`` checks both, and the native core compares every
offset). Records are told apart by ``kind``; a stream of them is walked by ``length``.

A layout never changes once a journal was written with it: a new field is a new ``version``.
"""

import struct
from collections.abc import Callable, Iterator
from typing import Annotated, Any, ClassVar, NamedTuple, Self, TypeVar, get_type_hints

import msgspec

U8 = Annotated[int, "B"]
U16 = Annotated[int, "H"]
U32 = Annotated[int, "I"]
U64 = Annotated[int, "Q"]
I32 = Annotated[int, "i"]
I64 = Annotated[int, "q"]

ClientId = Annotated[bytes, "40s"]
"""A client's own identifier: 1 to 36 printable ASCII characters, zero-padded; all zero is none."""

Name = Annotated[bytes, "32s"]
"""A name of ours: printable ASCII, zero-padded."""

Symbol = Annotated[bytes, "16s"]
"""An asset's or instrument's symbol: printable ASCII, zero-padded."""

Note = Annotated[bytes, "96s"]
"""A sentence for people: printable ASCII, zero-padded, never parsed."""

RECORD_PREFIX = struct.Struct("<HH")
"""Length and kind: the first four bytes of every record."""


class MalformedRecordError(ValueError):
    """Bytes that are not a record of this vocabulary; the sender's fault."""


class Field(NamedTuple):
    """Where a field stands: its name, struct code, offset and size in bytes."""

    name: str
    code: str
    offset: int
    size: int


class Record(msgspec.Struct, frozen=True, gc=False):
    """A message of fixed length.

    The first three fields of every record are ``length``, ``kind`` and ``version``; ``make``
    fills them.
    """

    KIND: ClassVar[int]
    VERSION: ClassVar[int]
    LENGTH: ClassVar[int]
    CODEC: ClassVar[struct.Struct]
    FIELDS: ClassVar[tuple[Field, ...]]
    TEXTS: ClassVar[tuple[tuple[str, int], ...]]
    """The fields of bytes, and their sizes."""
    ZEROS: ClassVar[dict[str, int | bytes]]
    """A record of nothing: its prefix, and zeros."""

    @classmethod
    def make(cls, **values: int | bytes) -> Self:
        """Build a record from named fields; what is not named is zero.

        Args:
            values: integers in the field's range, or bytes no longer than the field.

        Raises:
            TypeError: a name that is not a field of this record.
        """
        filled: dict[str, Any] = cls.ZEROS | values
        if len(filled) > len(cls.ZEROS):
            unknown = values.keys() - cls.ZEROS.keys()
            raise TypeError(f"{cls.__name__} has no field {', '.join(sorted(unknown))}")
        for name, size in cls.TEXTS:
            filled[name] = filled[name].ljust(size, b"\0")
        return cls(**filled)

    @classmethod
    def packed(cls, values: dict[str, int | bytes]) -> bytes:
        """Return the bytes of the record that ``make`` would build, without building it.

        Raises:
            TypeError: a name that is not a field of this record.
            struct.error: a value that its field cannot hold.
        """
        filled = cls.ZEROS | values
        if len(filled) > len(cls.ZEROS):
            unknown = values.keys() - cls.ZEROS.keys()
            raise TypeError(f"{cls.__name__} has no field {', '.join(sorted(unknown))}")
        return cls.CODEC.pack(*filled.values())

    def pack(self) -> bytes:
        """Return the record's bytes.

        Raises:
            struct.error: a value that its field cannot hold.
        """
        return self.CODEC.pack(*msgspec.structs.astuple(self))

    @classmethod
    def unpack(cls, data: bytes | bytearray | memoryview, offset: int = 0) -> Self:
        """Read one record of this kind at ``offset``, trusting its prefix."""
        return cls(*cls.CODEC.unpack_from(data, offset))


AnyRecord = TypeVar("AnyRecord", bound=Record)


class Vocabulary:
    """The record kinds of one stream, such as the commands or the events."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.by_kind: dict[int, type[Record]] = {}

    def record(self, kind: int, version: int = 1) -> Callable[[type[AnyRecord]], type[AnyRecord]]:
        """Give a record class its kind and derive its codec from the annotations."""

        def register(cls: type[AnyRecord]) -> type[AnyRecord]:
            assert kind not in self.by_kind, f"{self.name} kind {kind} is taken"
            cls.KIND, cls.VERSION = kind, version
            cls.FIELDS = _fields(cls)
            cls.CODEC = struct.Struct("<" + "".join(field.code for field in cls.FIELDS))
            cls.LENGTH = cls.CODEC.size
            texts = [field for field in cls.FIELDS if field.code.endswith("s")]
            cls.TEXTS = tuple((field.name, field.size) for field in texts)
            zeros: dict[str, int | bytes] = {field.name: 0 for field in cls.FIELDS}
            zeros |= {field.name: b"" for field in texts}
            cls.ZEROS = zeros | {"length": cls.LENGTH, "kind": kind, "version": version}
            self.by_kind[kind] = cls
            return cls

        return register

    def walk(self, data: bytes | bytearray | memoryview) -> Iterator[tuple[int, type[Record]]]:
        """Yield the offset and class of each record in ``data``.

        Raises:
            MalformedRecordError: an unknown kind, a length that is not the kind's, or a record
                that is cut short; the offset is named.
        """
        offset, end = 0, len(data)
        while offset < end:
            if end - offset < RECORD_PREFIX.size:
                raise MalformedRecordError(f"{self.name}: record cut short at byte {offset}")
            length, kind = RECORD_PREFIX.unpack_from(data, offset)
            cls = self.by_kind.get(kind)
            if cls is None:
                raise MalformedRecordError(f"{self.name}: unknown kind {kind} at byte {offset}")
            if length != cls.LENGTH or length > end - offset:
                raise MalformedRecordError(
                    f"{self.name}: {cls.__name__} at byte {offset} says {length} bytes, "
                    f"needs {cls.LENGTH} of the {end - offset} there"
                )
            yield offset, cls
            offset += length

    def unpack(self, data: bytes | bytearray | memoryview) -> Iterator[Record]:
        """Yield the records in ``data``; raises as ``walk`` does."""
        for offset, cls in self.walk(data):
            yield cls.unpack(data, offset)


Shape = TypeVar("Shape", bound=tuple[int | bytes, ...])


def fields_reader(
    record: type[Record], wanted: tuple[str, ...], *also: type[Record]
) -> Callable[[bytes, int], tuple[Any, ...]]:
    """Return what reads some fields of a record, and passes over the others.

    Args:
        record: whose layout it is.
        wanted: names of fields, in the order of the layout.
        also: other records that are read with it, and so have these fields at the same places.
    """
    found = _fields_named(record, wanted)
    assert tuple(field.name for field in found) == wanted, (record.__name__, wanted)
    for other in also:
        assert _fields_named(other, wanted) == found, (record.__name__, other.__name__, wanted)
    last = record.FIELDS.index(found[-1])
    codes = [
        field.code if field.name in wanted else f"{field.size}x"
        for field in record.FIELDS[: last + 1]
    ]
    return struct.Struct("<" + "".join(codes)).unpack_from


def reader(
    record: type[Record], shape: type[Shape], *also: type[Record]
) -> Callable[[bytes, int], Shape]:
    """Return what reads a record's fields of a shape, and passes over the others.

    Args:
        record: whose layout it is.
        shape: a named tuple of fields, in the order of the layout.
        also: other records that are read with it, and so have these fields at the same places.
    """
    wanted: tuple[str, ...] = shape._fields  # type: ignore[attr-defined]  # it is a NamedTuple
    unpack = fields_reader(record, wanted, *also)
    # What a named tuple's _make does, without a look at the length.
    new: Callable[[type[Shape], tuple[Any, ...]], Shape] = tuple.__new__

    def read(data: bytes, offset: int) -> Shape:
        return new(shape, unpack(data, offset))

    return read


def _fields_named(record: type[Record], wanted: tuple[str, ...]) -> list[Field]:
    return [field for field in record.FIELDS if field.name in wanted]


def _fields(cls: type[Record]) -> tuple[Field, ...]:
    hints = get_type_hints(cls, include_extras=True)
    fields, offset = [], 0
    for name in cls.__struct_fields__:
        code: str = hints[name].__metadata__[0]
        size = struct.calcsize("<" + code)
        fields.append(Field(name, code, offset, size))
        offset += size
    return tuple(fields)


def padded_text(text: str, size: int) -> bytes:
    """Encode ASCII text into a zero-padded field.

    Raises:
        ValueError: text that is not printable ASCII or does not fit ``size`` bytes.
    """
    if len(text) > size or not (text.isascii() and text.isprintable()):
        raise ValueError(f"not printable ASCII of at most {size} bytes: {text!r}")
    return text.encode("ascii").ljust(size, b"\0")


def plain_text(data: bytes) -> str:
    """Decode a zero-padded ASCII field."""
    return data.rstrip(b"\0").decode("ascii")
