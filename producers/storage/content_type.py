"""Tells the media type of a file by its first bytes: names and declared types are what a sender says."""

from __future__ import annotations

import re

__all__ = ["media_type_of"]

_UNKNOWN = "application/octet-stream"
#: What a file begins with → its type. The more telling beginnings come first.
_BEGINNINGS: tuple[tuple[bytes, str], ...] = (
    (b"%PDF-", "application/pdf"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"II*\x00", "image/tiff"),
    (b"MM\x00*", "image/tiff"),
    (b"PK\x03\x04", "application/zip"),
    (b"PK\x05\x06", "application/zip"),
    (b"\x1f\x8b", "application/gzip"),
    (b"Rar!\x1a\x07", "application/vnd.rar"),
    (b"7z\xbc\xaf\x27\x1c", "application/x-7z-compressed"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "application/x-ole-storage"),
    (b"{\\rtf", "application/rtf"),
    (b"ID3", "audio/mpeg"),
    (b"OggS", "application/ogg"),
    (b"MZ", "application/x-msdownload"),
    (b"\x7fELF", "application/x-executable"),
    (b"\xfe\xed\xfa\xce", "application/x-mach-binary"),
    (b"\xfe\xed\xfa\xcf", "application/x-mach-binary"),
    (b"\xce\xfa\xed\xfe", "application/x-mach-binary"),
    (b"\xcf\xfa\xed\xfe", "application/x-mach-binary"),
    (b"\xca\xfe\xba\xbe", "application/java-vm"),
    (b"#!", "application/x-sh"),
    (b"L\x00\x00\x00\x01\x14\x02\x00", "application/x-ms-shortcut"),
)
#: Types that are written into another kind of file; the declared one is believed where the file is of that kind.
_WITHIN = {
    "application/zip": re.compile(
        r"application/(?:vnd\.(?:openxml|oasis|android|ms-).*|epub\+zip|java-archive|x-zip.*)"
    ),
    "application/x-ole-storage": re.compile(r"application/(?:msword|vnd\.ms-.*|x-ole-storage|x-msi)"),
    "application/gzip": re.compile(r"application/x-(?:gzip|compressed-tar|tar|tgz)"),
    "application/ogg": re.compile(r"(?:audio|video)/ogg"),
    "image/tiff": re.compile(r"image/.*"),
}
_MARKUP = re.compile(
    rb"\s*(?:<!--.{0,300}?-->\s*)?<(!doctype\s+html|html|head|body|script|svg|\?xml)", re.IGNORECASE | re.DOTALL
)
_LOOKED_AT = 4_096
#: Characters that stand in no text.
_NO_TEXT = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]")


def media_type_of(data: bytes, declared: str = "") -> str:
    """Returns the media type of a file, in lower case.

    A type that has a known beginning is believed only of a file that begins so. Pages and scripts for a browser are
    `text/html`, whatever else they are called. Any other declared type is believed of text and of unknown bytes alike.
    """
    declared = declared.partition(";")[0].strip().lower()
    head = data[:_LOOKED_AT]
    for beginning, kind in _BEGINNINGS:
        if head.startswith(beginning):
            within = _WITHIN.get(kind)
            return declared if within is not None and within.fullmatch(declared) else kind
    if markup := _MARKUP.match(head):
        name = markup[1].lower()
        return "text/html" if name not in (b"svg", b"?xml") else "image/svg+xml" if name == b"svg" else _xml(declared)
    if head[4:8] == b"ftyp":
        return declared if declared.startswith(("video/", "audio/", "image/")) else "video/mp4"
    if head.startswith(b"RIFF"):
        return declared if declared.startswith(("audio/", "video/", "image/webp")) else _UNKNOWN
    if any(kind == declared for _, kind in _BEGINNINGS):
        return "text/plain" if _is_text(head) else _UNKNOWN
    if declared in ("", _UNKNOWN):
        return "text/plain" if head and _is_text(head) else _UNKNOWN
    return declared


def _xml(declared: str) -> str:
    return declared if declared.endswith("xml") else "application/xml"


def _is_text(head: bytes) -> bool:
    return _NO_TEXT.search(head) is None
