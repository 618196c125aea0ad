"""Builds mails and other inputs that cost much more than they are: each is small to write and large to parse."""

from __future__ import annotations

import base64
import struct
from collections.abc import Callable

HEAD = b"From: a@b.example\r\nTo: support@shop.example\r\nSubject: x\r\nMessage-ID: <1@b.example>\r\n"


def of_type(kind: bytes, body: bytes, *more: bytes) -> bytes:
    lines = b"".join(line + b"\r\n" for line in more)
    return HEAD + b"Content-Type: " + kind + b"\r\n" + lines + b"\r\n" + body


def multipart(*parts: bytes, kind: bytes = b"mixed") -> bytes:
    body = b"".join(b"--m\r\n" + part + b"\r\n" for part in parts) + b"--m--\r\n"
    return of_type(b"multipart/" + kind + b"; boundary=m", body)


def nested(depth: int, inner: bytes = b"Content-Type: text/plain\n\nhello\n") -> bytes:
    opening = b"".join(b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (n, n) for n in range(depth))
    return HEAD + opening + inner


def rfc822(depth: int, words: bytes = b"hello") -> bytes:
    return HEAD + (b"Content-Type: message/rfc822\n\n" + HEAD) * depth + b"\n" + words


def html(markup: bytes) -> bytes:
    return of_type(b"text/html; charset=utf-8", markup)


def plain(words: bytes, charset: bytes = b"utf-8", *more: bytes) -> bytes:
    return of_type(b"text/plain; charset=" + charset, words, *more)


def repeat(piece: bytes, size: int) -> bytes:
    return (piece * (size // len(piece) + 1))[:size]


def tnef(*attributes: tuple[int, bytes]) -> bytes:
    written = (struct.pack("<BII", 1, number, len(value)) + value + b"\0\0" for number, value in attributes)
    data = struct.pack("<IH", 0x223E9F78, 1) + b"".join(written)
    return of_type(b"application/ms-tnef", base64.encodebytes(data), b"Content-Transfer-Encoding: base64")


def rtf_in_tnef(rtf: bytes) -> bytes:
    packed = struct.pack("<III", len(rtf) + 12, len(rtf), 0x414C454D) + b"\0\0\0\0" + rtf  # stored as it is (MELA)
    prop = struct.pack("<IHHII", 1, 0x0102, 0x1009, 1, len(packed)) + packed + b"\0" * (-len(packed) % 4)
    return tnef((0x9003, prop))


def lzfu_in_tnef(body: bytes, size: int) -> bytes:
    packed = struct.pack("<III", len(body) + 12, size, 0x75465A4C) + struct.pack("<I", 0) + body
    prop = struct.pack("<IHHII", 1, 0x0102, 0x1009, 1, len(packed)) + packed + b"\0" * (-len(packed) % 4)
    return tnef((0x9003, prop))


def calendar(lines: bytes) -> bytes:
    return of_type(b"text/calendar; charset=utf-8", b"BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\n" + lines + b"END:VEVENT\r\n")


MB = 1_000_000
BOMBS: dict[str, Callable[[], bytes]] = {
    # parts
    "empty_parts_7mb": lambda: of_type(b"multipart/mixed; boundary=m", b"--m\n\n" * (7 * MB // 5)),
    "empty_parts_20mb": lambda: of_type(b"multipart/mixed; boundary=m", b"--m\n\n" * (4 * MB)),
    "boundaries_only": lambda: of_type(b"multipart/mixed; boundary=m", b"--m\n" * (5 * MB)),
    "parts_with_names": lambda: multipart(
        *[b"Content-Disposition: attachment; filename=a%d\r\n\r\nx" % n for n in range(200_000)]
    ),
    "lines_like_boundaries": lambda: of_type(b"multipart/mixed; boundary=m", b"--m\n\n" + b"--n\n" * (5 * MB)),
    "nested_300": lambda: nested(300),
    "nested_300_with_lines": lambda: nested(300, b"\n" + b"x\n" * MB),
    "nested_30_with_lines": lambda: nested(30, b"\n" + b"x\n" * 10 * MB),
    "nested_100000": lambda: nested(100_000),
    "nested_same_boundary": lambda: HEAD + b"Content-Type: multipart/mixed; boundary=b\n\n--b\n" * 100_000,
    "rfc822_300": lambda: rfc822(300),
    "rfc822_50_with_blanks": lambda: rfc822(20, b"\n" * 20 * MB),
    "rfc822_100000": lambda: rfc822(100_000),
    "delivery_status_blocks": lambda: of_type(b"message/delivery-status", b"Action: failed\n\n" * (MB // 2)),
    "delivery_status_blanks": lambda: of_type(b"message/delivery-status", b"\n" * 20 * MB),
    "report_returned_headers": lambda: multipart(
        b"Content-Type: message/delivery-status\r\n\r\nA: b\r\n\r\nAction: failed\r\n",
        b"Content-Type: text/rfc822-headers\r\n\r\n" + b"A: b\n" * 2 * MB,
        kind=b"report; report-type=delivery-status",
    ),
    "unannounced_boundary": lambda: of_type(
        b"multipart/mixed; boundary=other", b"--m\nContent-Type: text/plain\n\n" + b"--m\n\n" * MB
    ),
    "unannounced_blanks": lambda: of_type(b"multipart/mixed; boundary=zz", b"--m" + b" " * 99_000 + b"x"),
    "unannounced_nest": lambda: of_type(
        b"multipart/mixed; boundary=zz",
        b"".join(b"--m%d\nContent-Type: multipart/mixed; boundary=z%d\n\n" % (n, n) for n in range(20_000)),
    ),
    "500_html_parts": lambda: multipart(
        *[b"Content-Type: text/html\r\n\r\n" + repeat(b"<b><i>a</i></b>&amp;", 45_000)] * 500
    ),
    "60_large_html_parts": lambda: multipart(*[b"Content-Type: text/html\r\n\r\n" + repeat(b"<p>a<br>", 400_000)] * 60),
    "14_large_text_parts": lambda: multipart(
        *[b"Content-Type: text/plain; charset=gb18030\r\n\r\n" + repeat(b"\xb0\xa1\xd2\xbb", 1_600_000)] * 14
    ),
    "500_winmail": lambda: multipart(
        *[
            b"Content-Type: application/ms-tnef\r\n\r\n"
            + struct.pack("<IH", 0x223E9F78, 1)
            + struct.pack("<BIIH", 1, 0x9002, 0, 0) * 4000
        ]
        * 500
    ),
    "long_boundary": lambda: of_type(
        b'multipart/mixed; boundary="' + b"b" * 900_000 + b'"', b"--" + b"b" * 900_000 + b"\n\nx\n"
    ),
    "many_boundary_parameters": lambda: of_type(b"multipart/mixed" + b"; boundary*0=a" * 50_000, b"--a\n\nx\n"),
    "content_type_parameters": lambda: of_type(b"text/plain" + b"; a=b" * 180_000, b"hello"),
    "file_name_continuations": lambda: multipart(
        b"Content-Disposition: attachment" + b"".join(b"; filename*%d*=a" % n for n in range(50_000)) + b"\r\n\r\nx"
    ),
    "file_name_quotes": lambda: multipart(
        b'Content-Disposition: attachment; filename="' + b'\\"' * 400_000 + b"\r\n\r\nx"
    ),
    "500_content_types": lambda: multipart(
        *[b"Content-Type: text/plain" + b'; a="b;' * 5000 + b"; name=x\r\n\r\nx"] * 500
    ),
    # headers
    "headers_100k": lambda: HEAD + b"X-A: b\r\n" * 100_000 + b"\r\nhello",
    "headers_3m": lambda: HEAD + b"A:\n" * 6 * MB + b"\r\nhello",
    "header_20mb": lambda: HEAD + b"X-A: " + b"x" * 20 * MB + b"\r\n\r\nhello",
    "header_20mb_folds": lambda: HEAD + b"X-A: x\r\n" + b" x\r\n" * 5 * MB + b"\r\nhello",
    "header_20mb_no_colon": lambda: HEAD + b"x" * 20 * MB,
    "from_20mb": lambda: b"From: " + b"a" * 20 * MB + b"@b.example\r\n\r\nhello",
    "subject_900k_words": lambda: HEAD + b"Subject: " + b" =?utf-8?B?5Lit5paH?=\r\n" * 40_000 + b"\r\nhello",
    "subject_900k_charsets": lambda: (
        HEAD[:20]
        + b"Subject: "
        + b"".join(b" =?iso-8859-%d?Q?=E4?=" % (n % 15 + 1) for n in range(40_000))
        + b"\r\n\r\nhello"
    ),
    "subject_half_words": lambda: b"From: a@b.example\r\nSubject: " + b"=?utf-8?B?" * 90_000 + b"\r\n\r\nhello",
    "subject_question_marks": lambda: b"From: a@b.example\r\nSubject: " + b"=?a?q?" + b"a" * 900_000 + b"\r\n\r\nhello",
    "from_comments": lambda: b"From: " + b"(" * 500_000 + b"a@b.example\r\n\r\nhello",
    "from_quotes": lambda: b"From: " + b'"' * 500_001 + b" <a@b.example>\r\n\r\nhello",
    "from_blanks": lambda: b"From: " + b" " * 900_000 + b"a@b.example x\r\n\r\nhello",
    "from_blanks_quoted": lambda: b'From: "a' + b" " * 900_000 + b'" <a@b.example> x\r\n\r\nhello',
    "from_idna": lambda: b"From: a@" + "ä.".encode() * 100_000 + b"example\r\n\r\nhello",
    "from_idna_long": lambda: b"From: <a@" + "ä".encode() * 200_000 + b">\r\n\r\nhello",
    "to_many": lambda: HEAD + b"Cc: " + b"x <a@b.example>, " * 50_000 + b"\r\n\r\nhello",
    "cc_20_times": lambda: HEAD + (b"Cc: " + b"=?utf-8?q?a?= <" * 2500 + b"\r\n") * 20 + b"\r\nhello",
    "delivered_to_many": lambda: HEAD + b"Delivered-To: ((((((((((((((((((\r\n" * 40_000 + b"\r\nhello",
    "references_900k": lambda: HEAD + b"References: " + b"<" * 900_000 + b"\r\n\r\nhello",
    "message_id_900k": lambda: b"From: a@b.example\r\nMessage-ID: " + b"<a" * 450_000 + b"\r\n\r\nhello",
    "date_900k": lambda: HEAD + b"Date: " + b"1 " * 450_000 + b"\r\n\r\nhello",
    "received_semicolons": lambda: HEAD + b"Received: " + b";" * 900_000 + b"\r\n\r\nhello",
    "language_900k": lambda: HEAD + b"Accept-Language: " + b"en," * 300_000 + b"\r\n\r\nhello",
    "blank_before_colon": lambda: b"From : a@b.example\n" + b"a" * 40 + b" " * 900_000 + b"x\n\nhello",
    "blank_before_colons": lambda: b"From : a@b.example\n" + (b"a" * 30 + b" " * 30 + b"\n") * 300_000,
    "utf16_mail": lambda: b"\xff\xfe" + ("From: a@b.example\r\n\r\n" + "x\n" * 6 * MB).encode("utf-16-le"),
    # bodies
    "blank_lines_24mb": lambda: plain(b"\n" * 24 * MB),
    "blank_lines_24mb_multipart": lambda: multipart(b"\r\n" + b"\n" * 24 * MB),
    "lone_returns_24mb": lambda: multipart(b"\r\n" + b"\r" * 24 * MB),
    "one_word_24mb": lambda: plain(b"x" * 24 * MB),
    "no_mail_24mb": lambda: b"x\n" * 12 * MB,
    "base64_zeros_24mb": lambda: of_type(
        b"application/zip", repeat(b"A" * 76 + b"\r\n", 24 * MB), b"Content-Transfer-Encoding: base64"
    ),
    "base64_blanks_24mb": lambda: of_type(
        b"application/zip", repeat(b"A \n", 24 * MB), b"Content-Transfer-Encoding: base64"
    ),
    "base64_wrong_24mb": lambda: of_type(
        b"application/zip", repeat(b"AAAA\n", 24 * MB) + b"!" * (MB // 2), b"Content-Transfer-Encoding: base64"
    ),
    "base64_equals_24mb": lambda: of_type(
        b"application/zip", repeat(b"AA==", 24 * MB), b"Content-Transfer-Encoding: base64"
    ),
    "base64_text_24mb": lambda: plain(repeat(b"QUFBQUFB\n", 24 * MB), b"utf-8", b"Content-Transfer-Encoding: base64"),
    "qp_soft_breaks_24mb": lambda: plain(b"=\n" * 12 * MB, b"utf-8", b"Content-Transfer-Encoding: quoted-printable"),
    "qp_blanks_24mb": lambda: plain(b"= " * 12 * MB, b"utf-8", b"Content-Transfer-Encoding: quoted-printable"),
    "qp_blank_run_24mb": lambda: plain(b"=" + b" " * 24 * MB, b"utf-8", b"Content-Transfer-Encoding: quoted-printable"),
    "qp_file_24mb": lambda: of_type(
        b"application/zip", b"=41" * 8 * MB, b"Content-Transfer-Encoding: quoted-printable"
    ),
    "uu_encoding_24mb": lambda: of_type(
        b"application/zip",
        b"begin 644 a\n" + repeat(b"M" + b"0" * 60 + b"\n", 24 * MB),
        b"Content-Transfer-Encoding: x-uuencode",
    ),
    "uu_in_text": lambda: plain(b"begin 644 a\n" + repeat(b"M" + b"0" * 60 + b"\n", 24 * MB) + b"end\n"),
    "uu_unended": lambda: plain(repeat(b"begin 644 a\n", 24 * MB)),
    "uu_short_lines": lambda: plain(b"begin 644 a\n" + b"  \n" * MB),
    "uu_files": lambda: plain((b"begin 644 a\n" + b"M" + b"0" * 60 + b"\nend\n") * 20_000),
    "uu_unended_many": lambda: plain((b"begin 644 a\n" + b"!0\n" * 200) * 4000),
    "flowed_24mb": lambda: of_type(b"text/plain; format=flowed", b"x \n" * 8 * MB),
    "flowed_delsp": lambda: of_type(b"text/plain; format=flowed; delsp=yes", b"x \n" * 8 * MB),
    "enriched": lambda: of_type(b"text/enriched", b"<param>" * 3 * MB),
    "enriched_tags": lambda: of_type(b"text/enriched", b"<a" * 12 * MB),
    "iso2022_switches": lambda: plain(b"\x1b$B0!\x1b(B" * 2 * MB, b"iso-2022-jp"),
    "iso2022_broken": lambda: plain(b"\x1b$B\x7f\x7f\x1b(Ia" * 2 * MB, b"iso-2022-jp"),
    "utf7": lambda: plain(b"+AAA-" * 4 * MB, b"utf-7"),
    "hz": lambda: plain(b"~{0!~}" * 4 * MB, b"hz"),
    "utf16_body": lambda: plain(b"\xff\xfe" + b"\x00\xd8" * 12 * MB, b"utf-16"),
    "gb18030_invalid": lambda: plain(b"\x81\x30" * 12 * MB, b"gb18030"),
    "high_bytes": lambda: plain(b"\xff\x80" * 12 * MB, b"big5"),
    "meta_charset": lambda: of_type(b"text/html", b"<meta" * 5 * MB),
    "combining": lambda: plain(("a" + "\u0301" * 1000).encode() * 12_000),
    # texts with regular expressions
    "digits_groups": lambda: plain(b"5 " * 200_000),
    "digits_one_run": lambda: plain(b"5" * 400_000),
    "digits_lines": lambda: plain(b"5\n" * 200_000),
    "digits_dashes": lambda: plain(b"5-----" * 100_000),
    "digits_printed": lambda: plain(b"4111 1111 1111 111" * 20_000),
    "one_word_400k": lambda: plain(b"x" * 400_000),
    "blanks_400k": lambda: plain(b" " * 200_000 + b"x"),
    "blank_line_long": lambda: plain((b" " * 390 + b"x\n") * 500),
    "lines_on": lambda: plain(b"On 1\n" * 40_000),
    "lines_on_colon": lambda: plain(b"On 1:\n" * 33_000),
    "lines_on_300": lambda: plain((b"On 1 " + b"a@" * 140 + b":\n") * 650),
    "lines_from": lambda: plain(b"From: x\n" * 25_000),
    "lines_from_no_block": lambda: plain(b"From: x\ny\n" * 20_000),
    "lines_from_blanks": lambda: plain((b"From: x\n" + b"\n" * 6) * 15_000),
    "lines_dashes": lambda: plain((b"-" * 399 + b"x\n") * 500),
    "lines_underscores": lambda: plain((b"_" * 399 + b"x\n") * 500),
    "lines_sent_from": lambda: plain((b"Sent from my " + b"a" * 80 + b"\n") * 2000),
    "lines_yong": lambda: plain(("用outlook" * 20 + "\n").encode() * 1500),
    "lines_link": lambda: plain((b"<http://" * 49 + b"\n") * 500),
    "lines_cards": lambda: plain(b"|\nSent from my phone\n" * 10_000),
    "lines_bars": lambda: plain(b"|\n" * 90_000 + b"Sent from my phone\n" * 500),
    "bars_in_one_line": lambda: plain(b"|" * 190_000 + b"x\nSent from my phone\n"),
    "lines_quoted": lambda: plain(b"> > x\n" * 33_000),
    "lines_nbsp": lambda: plain((b"&nbsp;" * 66 + b"\n") * 500),
    "lines_at": lambda: plain((b"On 1 " + b"a" * 64 + b"@" + b"b" * 220 + b":\n") * 700),
    "pgp": lambda: plain(b"-----BEGIN PGP SIGNED MESSAGE-----\n" * 6000),
    "decorated": lambda: plain(b"x\n" + b"--------\n" * 22_000),
    "contacts_one_line": lambda: plain(b"a@b.c" * 40_000),
    # html
    "html_signs": lambda: html(b"<p>" + b"\xc2\xb2" * 400_000),
    "html_nested_200k": lambda: html(b"<div>" * 200_000),
    "html_nested_200k_b": lambda: html(b"<b>" * 200_000),
    "html_nested_249": lambda: html((b"<div>" * 249 + b"x" + b"</div>" * 249) * 150),
    "html_nested_p": lambda: html(b"<p>" * 130_000),
    "html_nested_td": lambda: html(b"<table><tr><td>" * 26_000),
    "html_nested_td_only": lambda: html(b"<td>" * 100_000),
    "html_nested_li": lambda: html(b"<ul><li>" * 50_000),
    "html_nested_dd": lambda: html(b"<dd>" * 100_000),
    "html_option": lambda: html(b"<select>" + b"<option>" * 50_000),
    "html_entities_1m": lambda: html(b"&amp;" * 1_000_000),
    "html_entities_19999": lambda: html(b"&amp;" * 19_999 + b"x" * 10),
    "html_ampersands": lambda: html(b"&" * 400_000),
    "html_entities_long": lambda: html(b"&CounterClockwiseContourIntegral" * 12_000),
    "html_numeric_entity": lambda: html(b"&#" + b"9" * 399_000 + b";"),
    "html_numeric_entities": lambda: html(b"&#9999;" * 57_000),
    "html_numeric_long_fallback": lambda: html(b"<div>" * 300 + b"&#" + b"9" * 390_000 + b";"),
    "html_table": lambda: html(b"<table>" + b"<tr><td>a</td><td>b</td></tr>" * 13_000),
    "html_table_big": lambda: html(b"<table>" + b"<tr><td>a</td><td>b</td></tr>" * 800_000),
    "html_foster": lambda: html(b"<table>" * 200 + b"a<b>" * 80_000),
    "html_table_text": lambda: html(b"<table>" + b"a" * 1 + b"<i>x</i>" * 45_000),
    "html_attributes": lambda: html(b"<p " + b"a=b " * 90_000 + b">x"),
    "html_attributes_distinct": lambda: html(b"<p " + b"".join(b"a%d " % n for n in range(60_000)) + b">x"),
    "html_unclosed_quote": lambda: html(b'<p a="' * 60_000),
    "html_lt": lambda: html(b"<" * 400_000),
    "html_lt_fallback": lambda: html(b"<div>" * 300 + b"<" * 390_000),
    "html_lt_a_fallback": lambda: html(b"<div>" * 300 + b"<a" * 195_000),
    "html_br_fallback": lambda: html(b"<div>" * 300 + b"<br" * 130_000),
    "html_comments": lambda: html(b"<!--" * 100_000),
    "html_comments_closed": lambda: html(b"<!---->" * 57_000),
    "html_cdata": lambda: html(b"<svg><![CDATA[" + b"]]" * 190_000),
    "html_script": lambda: html(b"<script>" + b"</scrip" * 57_000),
    "html_style": lambda: html(b'<p style="' + b"display:none;" * 30_000 + b'">x'),
    "html_styles": lambda: html(b'<p style="max-height:0">x' * 16_000),
    "html_styles_overflow": lambda: html(b'<p style="' + b"overflow:x;max-height:0;" * 16_000 + b'">x'),
    "html_overflow": lambda: html(b'<p style="' + b"overflow:hidden;" * 24_000 + b'">x'),
    "html_max_height": lambda: html(b'<p style="' + b"max-height:0;" * 30_000 + b'">x'),
    "html_style_blanks": lambda: html(b'<p style="display:' + b" " * 390_000 + b'x">x'),
    "html_hidden_depth": lambda: html(b"<p hidden>" + b"<b>" * 240 + b"x" * 300_000),
    "html_formatting": lambda: html(b"<a><b><i><u><s><tt><font>" * 200),
    "html_formatting_p": lambda: html(b"<p><b><i><u><s><tt><em>" * 80 + b"<p>" * 100_000),
    "html_adoption": lambda: html(b"<a>" * 200 + b"</a><p>" * 50_000),
    "html_adoption_b": lambda: html(b"<b><p>" * 240 + b"</b>" * 90_000),
    "html_formatting_spread": lambda: html(b"".join(b"<font a=%d>" % n for n in range(240)) + b"<p>x</p>" * 40_000),
    "html_template": lambda: html(b"<template>" * 240 + b"<td>" * 90_000),
    "html_svg_break": lambda: html(b"<svg>" * 240 + b"<p>" * 130_000),
    "html_svg_self": lambda: html(b"<svg/>" * 66_000),
    "html_select": lambda: html(b"<select>" * 240 + b"<input>" * 57_000),
    "html_pre": lambda: html(b"<pre>" + b"\n" * 390_000),
    "html_pre_x": lambda: html(b"<pre>" + b"x\n" * 195_000),
    "html_br": lambda: html(b"<br>" * 100_000),
    "html_br_x": lambda: html(b"x<br>" * 80_000),
    "html_hr": lambda: html(b"<hr>" * 100_000),
    "html_blockquote": lambda: html(b"<blockquote>" * 240 + b"x<br>" * 78_000),
    "html_padding": lambda: html(("\u200c\u00a0" * 195_000).encode()),
    "html_padding_broken": lambda: html(("\u200c \u00a0x" * 95_000).encode()),
    "html_padding_blanks": lambda: html(("\u200c" + " " * 390_000).encode()),
    "html_frameset": lambda: html(b"<frameset>" * 100_000),
    "html_plaintext": lambda: html(b"<plaintext>" + b"<p>" * 100_000),
    "html_body_attributes": lambda: html(b"".join(b"<body a%d>" % n for n in range(35_000))),
    "html_form": lambda: html(b"<form>" * 66_000),
    "html_closing": lambda: html(b"</p>" * 100_000),
    "html_closing_br": lambda: html(b"</br>" * 80_000),
    "html_closing_deep": lambda: html(b"<span>" * 245 + b"</x>" * 97_000),
    "html_h_nested": lambda: html(b"<h1>" * 245 + b"</h2>" * 80_000),
    "html_hidden_many": lambda: html(b"<p hidden>" * 40_000),
    "html_spaces": lambda: html(b" " * 400_000),
    "html_cells": lambda: html(b"<table><tr>" + b"<td>" * 97_000),
    "html_caption": lambda: html(b"<table><caption>" * 25_000),
    "html_ruby": lambda: html(b"<ruby><rt>" * 40_000),
    "html_custom_tags": lambda: html(b"".join(b"<x-%d>" % n for n in range(55_000))),
    "html_digits": lambda: html(b"<p>5 " * 80_000),
    "html_unicode_tags": lambda: html("<ä>".encode() * 100_000),
    "html_hyphen_tags": lambda: html(b"<x-a>" * 80_000),
    "html_nul": lambda: html(b"\0" * 400_000),
    # containers
    "rtf_groups": lambda: rtf_in_tnef(b"{\\rtf1 " + b"{" * 190_000),
    "rtf_groups_closed": lambda: rtf_in_tnef(b"{\\rtf1 " + b"{a}" * 65_000),
    "rtf_pictures": lambda: rtf_in_tnef(b"{\\rtf1 {\\pict " + b"00" * 95_000),
    "rtf_unicode": lambda: rtf_in_tnef(b"{\\rtf1 " + b"\\u9999?" * 28_000),
    "rtf_hex": lambda: rtf_in_tnef(b"{\\rtf1 " + b"\\'e4" * 50_000),
    "rtf_backslashes": lambda: rtf_in_tnef(b"{\\rtf1 " + b"\\" * 190_000),
    "rtf_fields": lambda: rtf_in_tnef(b"{\\rtf1 " + b'{\\field{\\*\\fldinst{HYPERLINK "' * 6000),
    "rtf_hyperlinks": lambda: rtf_in_tnef(b"{\\rtf1 " + b"HYPERLINK " * 19_000),
    "rtf_fonts": lambda: rtf_in_tnef(b"{\\rtf1{\\fonttbl" + b"{\\f0\\fcharset0 A;}" * 9000 + b"}x}"),
    "rtf_fonts_open": lambda: rtf_in_tnef(b"{\\rtf1{\\fonttbl{\\f0" + b"\\fcharset0" * 19_000),
    "rtf_long_number": lambda: rtf_in_tnef(b"{\\rtf1 \\u" + b"9" * 190_000),
    "rtf_codepages": lambda: rtf_in_tnef(b"{\\rtf1 " + b"\\ansicpg1252\\f0 " * 11_000),
    "rtf_words": lambda: rtf_in_tnef(b"{\\rtf1 " + b"x" * 190_000),
    "rtf_tables": lambda: rtf_in_tnef(b"{\\rtf1 " + b"\\trowd\\cell\\row " * 11_000),
    "lzfu_zeros": lambda: lzfu_in_tnef(b"\x00" * 190_000, 4_000_000_000),
    "lzfu_references": lambda: lzfu_in_tnef(repeat(b"\xff" + b"\x00\x0f" * 8, 190_000), 4_000_000_000),
    "tnef_counts": lambda: tnef(
        (0x9003, struct.pack("<IHH", 0xFFFFFFFF, 0x101E, 0x1000) + struct.pack("<I", 0xFFFFFFFF) + b"\0" * 2 * MB)
    ),
    "tnef_attributes": lambda: tnef(*[(0x9003, b"\0" * 100)] * 100_000),
    "tnef_files": lambda: tnef(*[(0x9002, b"")] * 100_000),
    "tnef_props": lambda: tnef(
        *[
            (
                0x9003,
                struct.pack("<I", 2000) + (struct.pack("<HHI", 0x101F, 0x1000, 100) + struct.pack("<I", 0) * 100) * 20,
            )
        ]
        * 2000
    ),
    "tnef_bodies": lambda: tnef(*[(0x800C, b"x" * 3000)] * 5000),
    "tnef_body_18mb": lambda: tnef((0x800C, b"\xb0\xa1" * 8 * MB)),
    "tnef_html_18mb": lambda: tnef((0x9003, struct.pack("<IHHII", 1, 0x0102, 0x1013, 1, 16 * MB) + b"<p>x" * 4 * MB)),
    "ics_lines": lambda: calendar(b"RRULE:FREQ=SECONDLY\r\n" * MB),
    "ics_folds": lambda: calendar(b"SUMMARY:x\r\n" + b" x\r\n" * 5 * MB),
    "ics_parameters": lambda: calendar((b"SUMMARY;" + b"a" * 500 + b"\r\n") * 200),
    "ics_summaries": lambda: calendar(b"SUMMARY:\\\\\r\n" * 9000),
    "ics_no_colon": lambda: calendar(b"SUMMARY;;;;\r\n" * 8000),
    "ics_escapes": lambda: calendar(b"SUMMARY:" + b"\\n" * 49_000),
    "100_calendars": lambda: multipart(
        *[b"Content-Type: text/calendar\r\n\r\nBEGIN:VEVENT\r\n" + repeat(b"SUMMARY;x\r\n", 200_000)] * 100
    ),
    "smime_nested": lambda: of_type(b"application/pkcs7-mime", b"\x30\x80" * 200_000),
    "smime_garbage": lambda: of_type(b"application/pkcs7-mime", repeat(b"\x30\x82\xff\xff", 20 * MB)),
    "not_utf8_sixteen_mb": lambda: plain(b"a\xff" * 8 * MB, b"unknown"),
}
