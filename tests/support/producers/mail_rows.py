"""Puts a long row of one thing into any place of an example mail: what costs more than linear time shows at once."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

EXAMPLES = Path(__file__).parents[2] / "examples" / "email"
TOKENS = [
    b"\n", b"\r", b"\r\n\r\n", b"\x00", b"\t", b" ", b"--", b"--m\n", b">", b"> ", b"=", b"=20", b"=\n", b"=E4", b"=?utf-8?B?", b"?=", b"5", b"-", b"|",
    b"_", b"*", b":", b";", b"@", b'"', b"'", b"<", b"(", b"\\", b"{", b"x", b"\xff", b"\x80", b"\xe3\x80\x80", b"\xe2\x80\x8b", b"\x1b$B", b"\x1b(B",
    b"+AA-", b"~{", b"M000\n", b"begin 644 x\n", b"end\n", b"On 1 ", b"wrote:", b"From: ", b"Subject : ", b"http://", b"-- \n", b"BEGIN:VEVENT\n",
    b"SUMMARY:", b"Content-Type: ", b"boundary=m", b"charset=utf-16", b"format=flowed", b"filename*0*=utf-8''%ff", b"base64", b"multipart/mixed",
    b"message/rfc822", b"<div>", b"</div>", b"<p>", b"</p>", b"<b>", b"<a href=x>", b"</a>", b"<table>", b"<tr>", b"<td>", b"<svg>", b"<style>",
    b"<!--", b"-->", b"<li>", b"<ul>", b"<font>", b"<select>", b"<template>", b"<math><mi>", b"<form>", b"<body a=1>", b"&", b"&#1;", b"&amp;",
    b" a=", b"<span style='max-height:0;overflow:hidden'>", b"{\\field", b"\\f0", b"-----BEGIN PGP SIGNED MESSAGE-----\n",
]  # fmt: skip


def mails_with_rows(chance: random.Random, count: int) -> Iterator[tuple[str, bytes]]:
    """Yields `(description, mail)`; a row is 30,000 to 1,000,000 bytes of one to four tokens."""
    examples = [path.read_bytes() for path in sorted(EXAMPLES.glob("*.eml")) if path.stat().st_size < 60_000]
    for number in range(count):
        raw = chance.choice(examples)
        piece = b"".join(chance.choice(TOKENS) for _ in range(chance.choice((1, 1, 2, 2, 3, 4))))
        at = chance.randrange(len(raw) + 1)
        size = chance.choice((30_000, 300_000, 1_000_000))
        yield f"{number}: {size} bytes of {piece!r} at {at}", raw[:at] + piece * (size // len(piece)) + raw[at:]
