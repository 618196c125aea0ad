"""Avro encoders and decoders compiled from a schema: two to four times the speed of general ones, for flat records.

One contact becomes about ten records of up to forty fields, so encoding is the largest single cost of the stream
processors. `compile_encoder` and `compile_decoder` write one straight-line Python function per record type; times and
short texts, which recur within a contact, are encoded once. The bytes are those that fastavro writes and reads (tests/schemas
hold both against each other).
"""

from __future__ import annotations

from collections.abc import Callable
from struct import Struct as Layout
from typing import Any

_DOUBLE = Layout("<d").pack
_READ_DOUBLE = Layout("<d").unpack_from
_LONGS: dict[int, bytes] = {}
_MOST_LONGS = 65_536
_TEXTS: dict[str, bytes] = {}
_MOST_TEXTS, _SHORT = 16_384, 40
_LOWEST, _HIGHEST = -(1 << 63), (1 << 63) - 1
_READ_EIGHT, _WRITE_EIGHT = Layout("<Q").unpack_from, Layout("<Q").pack
#: Eight bytes of which all but the last say that another follows: every time of our day is written so.
_FOLLOWED, _EIGHT_LONG = 0x8080808080808080, 0x0080808080808080
_LEAST_OF_EIGHT, _MOST_OF_EIGHT = 1 << 49, (1 << 56) - 1


def long(value: int) -> bytes:
    """Returns the zigzag variable-length encoding of a 64-bit integer.

    Raises:
        OverflowError: the value does not fit.
    """
    if not _LOWEST <= value <= _HIGHEST:
        raise OverflowError(f"{value} is not a 64-bit integer")
    rest = (value << 1) ^ (value >> 63)
    if _LEAST_OF_EIGHT <= rest <= _MOST_OF_EIGHT:
        encoded = _eight_bytes(rest)
    else:
        groups = bytearray()
        while rest > 0x7F:
            groups.append(rest & 0x7F | 0x80)
            rest >>= 7
        groups.append(rest)
        encoded = bytes(groups)
    if len(_LONGS) >= _MOST_LONGS:
        _LONGS.clear()
    _LONGS[value] = encoded
    return encoded


def _eight_bytes(number: int) -> bytes:
    """Returns a number of 50 to 56 bits, seven to a byte: halves, quarters and eighths are moved apart, all at once."""
    number = number & 0x0FFFFFFF | (number & 0x00FFFFFFF0000000) << 4
    number = number & 0x00003FFF00003FFF | (number & 0x0FFFC0000FFFC000) << 2
    number = number & 0x007F007F007F007F | (number & 0x3F803F803F803F80) << 1
    return _WRITE_EIGHT(number | _EIGHT_LONG)


def text(value: str) -> bytes:
    """Returns the encoding of a string: its length in bytes, and its UTF-8. Short ones are kept: most recur."""
    raw = value.encode()
    size = len(raw)
    encoded = (_LONGS.get(size) or long(size)) + raw
    if size <= _SHORT:
        if len(_TEXTS) >= _MOST_TEXTS:
            _TEXTS.clear()
        _TEXTS[value] = encoded
    return encoded


def compile_encoder(schema: dict[str, Any], header: bytes) -> Callable[[Any], bytes]:
    """Returns a function from a struct with the schema's fields to `header` followed by its Avro body.

    It is one expression, for a call per field to collect the parts would take a third of the time. The function raises
    whatever Python raises for a value of the wrong type; the caller names the record.
    """
    helpers: dict[str, Any] = {
        "known": _LONGS.get,
        "long": long,
        "said": _TEXTS.get,
        "text": text,
        "double": _DOUBLE,
    }
    parts = [_written(field["type"], f"record.{field['name']}", helpers) for field in schema["fields"]]
    exec(f"def encode(record): return b''.join(({', '.join([repr(header), *parts])},))", helpers)  # noqa: S102 (the source is made of our own schemas only)
    encode: Callable[[Any], bytes] = helpers["encode"]
    return encode


def _written(kind: Any, source: str, helpers: dict[str, Any]) -> str:
    """Returns the expression of the encoding of `source`, which is an expression as well."""
    if isinstance(kind, dict) and kind["type"] in _PRIMITIVES:
        kind = kind["type"]  # a logical type is its underlying type on the wire
    if isinstance(kind, str):
        return _PRIMITIVES[kind](source)
    if isinstance(kind, list):
        (inner,) = [each for each in kind if each != "null"]
        none, some = (b"\x00", b"\x02") if kind[0] == "null" else (b"\x02", b"\x00")
        return f"({none!r} if (some := {source}) is None else {some!r} + {_written(inner, 'some', helpers)})"
    if kind["type"] == "record":
        helper = f"encode_{kind['name']}"
        helpers[helper] = compile_encoder(kind, b"")
        return f"{helper}({source})"
    if kind["type"] == "array":
        items = f"[{_written(kind['items'], 'item', helpers)} for item in many]"
    else:
        word, item = _PRIMITIVES["string"]("word"), _written(kind["values"], "item", helpers)
        items = f"[{word} + {item} for word, item in many.items()]"
    size = _PRIMITIVES["long"]("size")
    # `len` also refuses what is not a collection, None among them
    return f"({size} + b''.join({items}) + b'\\x00' if (size := len(many := {source})) else b'\\x00')"


#: The source is evaluated once or twice: it is a name or an attribute.
_PRIMITIVES: dict[str, Callable[[str], str]] = {
    "long": lambda source: f"(known({source}) or long({source}))",
    "string": lambda source: f"(said({source}) or text({source}))",
    "bytes": lambda source: f"((known(size := len({source})) or long(size)) + {source})",
    "boolean": lambda source: f"(b'\\x01' if {source} else b'\\x00')",
    "double": lambda source: f"double({source})",
}


# -- decoding -------------------------------------------------------------------------------------------------------


def compile_decoder(
    schema: dict[str, Any], factories: dict[str, Callable[..., Any]]
) -> Callable[[bytes, int], tuple[Any, int]]:
    """Returns a function from bytes and a position to the record that starts there and the position after it.

    `factories` names the struct of each record by its schema's name. The function raises whatever Python raises for
    bytes that end early or make no sense, and may return a position behind the end: the caller checks it.
    """
    lines = ["def decode(data, at):"]
    helpers: dict[str, Any] = {"more": _more, "double": _READ_DOUBLE, "make": factories[schema["name"]]}
    for number, field in enumerate(schema["fields"]):
        lines += _read(field["type"], f"v{number}", " ", helpers, factories)
    arguments = ", ".join(f"{field['name']}=v{number}" for number, field in enumerate(schema["fields"]))
    lines.append(f" return make({arguments}), at")
    exec("\n".join(lines), helpers)  # noqa: S102 (the source is made of our own schemas only)
    decode: Callable[[bytes, int], tuple[Any, int]] = helpers["decode"]
    return decode


def _more(data: bytes, at: int, first: int) -> tuple[int, int]:
    """Returns a variable-length number whose first byte has its high bit set, and the position after it."""
    second = data[at]
    if second < 0x80:
        return first & 0x7F | second << 7, at + 1
    if at + 7 <= len(data):
        (number,) = _READ_EIGHT(data, at - 1)
        if number & _FOLLOWED == _EIGHT_LONG:  # as `_eight_bytes` wrote it
            number &= 0x7F7F7F7F7F7F7F7F
            number = number & 0x007F007F007F007F | (number & 0x7F007F007F007F00) >> 1
            number = number & 0x00003FFF00003FFF | (number & 0x3FFF00003FFF0000) >> 2
            return number & 0x0FFFFFFF | (number & 0x0FFFFFFF00000000) >> 4, at + 7
    number, shift = first & 0x7F, 7
    while shift < 63:
        byte = data[at]
        at += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, at
        shift += 7
    if data[at] > 1:  # the tenth byte holds the last bit
        raise ValueError("a number of more than 64 bits")
    return number | data[at] << shift, at + 1


def _read(
    kind: Any, name: str, indent: str, helpers: dict[str, Any], factories: dict[str, Callable[..., Any]]
) -> list[str]:
    """Returns the lines that read one value into the variable `name`."""
    if isinstance(kind, dict) and kind["type"] in _READERS:
        kind = kind["type"]
    if isinstance(kind, list):
        (inner,) = [each for each in kind if each != "null"]
        some, none = (2, 0) if kind[0] == "null" else (0, 2)
        return [
            f"{indent}n = data[at]; at += 1",
            f"{indent}if n == {none}: {name} = None",
            f"{indent}elif n == {some}:",
            *_read(inner, name, indent + " ", helpers, factories),
            f"{indent}else: raise ValueError('no such branch of a union')",
        ]
    if isinstance(kind, str):
        return [indent + line for line in _READERS[kind](name)]
    if kind["type"] == "record":
        helper = f"decode_{kind['name']}"
        helpers[helper] = compile_decoder(kind, factories)
        return [f"{indent}{name}, at = {helper}(data, at)"]
    return _read_blocks(kind, name, indent, helpers, factories)


def _read_blocks(
    kind: dict[str, Any], name: str, indent: str, helpers: dict[str, Any], factories: dict[str, Callable[..., Any]]
) -> list[str]:
    """Returns the lines that read an array or a map.

    Both come in blocks of a count and that many items; a negative count is followed by a size.
    """
    inner = indent + "  "
    if kind["type"] == "array":
        items = [*_read(kind["items"], "item", inner, helpers, factories), f"{inner}{name}.append(item)"]
    else:
        items = [
            *_read("string", "word", inner, helpers, factories),
            *_read(kind["values"], "item", inner, helpers, factories),
            f"{inner}{name}[word] = item",
        ]
    count = [indent + line for line in _READERS["long"]("count")]
    return [
        f"{indent}{name} = {'[]' if kind['type'] == 'array' else '{}'}",
        *count,
        f"{indent}while count:",
        f"{indent} if count < 0:",
        f"{indent}  count = -count",
        *[f"{indent}  {line}" for line in _READERS["long"]("size")],
        f"{indent} for _ in range(count):",
        *items,
        *[" " + line for line in count],
    ]


_NUMBER = ["n = data[at]; at += 1", "if n > 127: n, at = more(data, at, n)"]
_SIZE = [*_NUMBER, "if n & 1: raise ValueError('a negative size')", "end = at + (n >> 1)"]

_READERS: dict[str, Callable[[str], list[str]]] = {
    "long": lambda name: [*_NUMBER, f"{name} = (n >> 1) ^ -(n & 1)"],
    "string": lambda name: [
        "n = data[at]; at += 1",
        f"if n == 0: {name} = ''",
        "else:",
        *[" " + line for line in (*_SIZE[1:], f"{name} = data[at:end].decode(); at = end")],
    ],
    "bytes": lambda name: [*_SIZE, f"{name} = data[at:end]; at = end"],
    "boolean": lambda name: [
        "n = data[at]; at += 1",
        "if n > 1: raise ValueError('neither true nor false')",
        f"{name} = n == 1",
    ],
    "double": lambda name: [f"({name},) = double(data, at); at += 8"],
}
