"""Bodies as mailers send and break them, each with the words that a person reads in it; and a generator of them."""

from __future__ import annotations

import base64
import quopri
from typing import NamedTuple

from hypothesis import strategies as st

__all__ = ["BODIES", "PAGES", "Content", "mail_of", "written_bodies"]

HEAD = b"From: Ann Lee <a@x.example>\nTo: support@support.example\nSubject: Hi\nMessage-ID: <1@x.example>\nMIME-Version: 1.0\n"
WORDS = "Guten Tag,\nmeine Bestellung 10023 fehlt. Größe?"


class Content(NamedTuple):
    """What stands below the usual headers, the text to be read in it, and the names of its files."""

    mail: bytes
    text: str
    files: tuple[str, ...] = ()


def _leaf(kind: str, data: bytes, *more: str, encoding: str = "8bit") -> bytes:
    if encoding == "base64":
        data = base64.encodebytes(data)
    elif encoding == "quoted-printable":
        data = quopri.encodestring(data)
    lines = [f"Content-Type: {kind}"] * bool(kind) + [f"Content-Transfer-Encoding: {encoding}"] * (encoding != "8bit")
    return "\n".join([*lines, *more, "", ""]).encode() + data


def _many(kind: str, *parts: bytes, boundary: str = "m", close: bool = True, extra: str = "") -> bytes:
    body = b"".join(b"--%b\n%b\n" % (boundary.encode(), part) for part in parts)
    end = b"--%b--\n" % boundary.encode() if close else b""
    return f'Content-Type: multipart/{kind}; boundary="{boundary}"{extra}\n\n'.encode() + body + end


def _text(words: str = WORDS, *more: str, kind: str = "text/plain; charset=utf-8", encoding: str = "8bit") -> bytes:
    return _leaf(kind, words.encode(), *more, encoding=encoding)


def _page(words: str = WORDS) -> bytes:
    return _leaf(
        "text/html; charset=utf-8", f"<p>{words.replace(chr(10), '<br>')}</p>".encode(), encoding="quoted-printable"
    )


_INLINE = 'Content-Disposition: inline; filename="message.txt"'
_ATTACHED = 'Content-Disposition: attachment; filename="a.txt"'
_PNG = _leaf('image/png; name="a.png"', b"\x00\x01", encoding="base64")
_LOG = _leaf('text/plain; name="log.txt"', b"error 1", 'Content-Disposition: attachment; filename="log.txt"')
_SHORT = "Bitte um Rückruf."

BODIES: dict[str, Content] = {
    # a text part with a name
    "inline with a name, the whole mail": Content(_text(WORDS, _INLINE), WORDS, ("message.txt",)),
    "attached with a name, the whole mail": Content(_text(WORDS, _ATTACHED), WORDS, ("a.txt",)),
    "a name in the type, the whole mail": Content(_text(kind='text/plain; charset=utf-8; name="a.txt"'), WORDS, ("a.txt",)),
    "an attachment without a name, the whole mail": Content(_text(WORDS, "Content-Disposition: attachment"), WORDS, ("",)),
    "a page with a name, the whole mail": Content(_leaf('text/html; charset=utf-8; name="a.html"', f"<p>{_SHORT}</p>".encode()), _SHORT, ("a.html",)),
    "inline with a name, only part": Content(_many("mixed", _text(WORDS, _INLINE)), WORDS, ("message.txt",)),
    "inline with a name beside a picture": Content(_many("mixed", _text(WORDS, _INLINE), _PNG), WORDS, ("message.txt", "a.png")),
    "inline with a name beside a log": Content(_many("mixed", _text(WORDS, _INLINE), _LOG), WORDS, ("message.txt", "log.txt")),
    "inline with a name in alternatives": Content(_many("alternative", _text(WORDS, _INLINE)), WORDS, ("message.txt",)),
    "an empty text beside an inline one with a name": Content(_many("mixed", _text(" "), _text(WORDS, _INLINE)), WORDS, ("message.txt",)),
    "a page with a name, inline": Content(_many("mixed", _leaf('text/html; charset=utf-8; name="a.html"', f"<p>{_SHORT}</p>".encode(), "Content-Disposition: inline"), _PNG), _SHORT, ("a.html", "a.png")),
    "two inline texts with names": Content(_many("mixed", _text("Eins", _INLINE), _text("Zwei", _INLINE)), "Eins\n\nZwei", ("message.txt", "message.txt")),
    "only an attached text": Content(_many("mixed", _text(WORDS, _ATTACHED)), WORDS, ("a.txt",)),
    "a text and an inline one with a name": Content(_many("mixed", _text("Siehe unten."), _text(WORDS, _INLINE)), "Siehe unten.", ("message.txt",)),
    "a text without a name, attached": Content(_many("mixed", _text(WORDS, "Content-Disposition: attachment")), WORDS, ("",)),
    "an unknown disposition": Content(_many("mixed", _text(WORDS, "Content-Disposition: none")), WORDS),
    # boundaries
    "an inner boundary like the outer one": Content(_many("mixed", _many("alternative", _text(), _page()), _text(_SHORT), _PNG), f"{WORDS}\n\n{_SHORT}", ("a.png",)),
    "the same, in related": Content(_many("related", _many("mixed", _text(WORDS)), _text(_SHORT)), f"{WORDS}\n\n{_SHORT}"),
    "an inner boundary like the outer one, closed once": Content(_many("mixed", _many("related", _text(WORDS), _PNG, close=False), _text(_SHORT)), f"{WORDS}\n\n{_SHORT}", ("a.png",)),
    "a part below the closing boundary": Content(_many("mixed", _text()) + b"--m\n" + _text(_SHORT) + b"\n--m--\n", f"{WORDS}\n\n{_SHORT}"),
    "a file below the closing boundary": Content(_many("mixed", _text()) + b"--m\n" + _PNG + b"\n--m--\n", WORDS, ("a.png",)),
    "a closing boundary before any part": Content(b'Content-Type: multipart/mixed; boundary="m"\n\n--m--\n--m\n' + _text() + b"\n--m--\n", WORDS),
    "never closed": Content(_many("mixed", _text(), close=False), WORDS),
    "no boundary named": Content(b"Content-Type: multipart/mixed\n\n--m\n" + _text() + b"\n--m--\n", WORDS),
    "another boundary named": Content(b"Content-Type: multipart/mixed; boundary=other\n\n--m\n" + _text() + b"\n--m--\n", WORDS),
    "another boundary, parts without headers": Content(b"Content-Type: multipart/mixed; boundary=other\n\n--m\n\n" + WORDS.encode() + b"\n--m--\n", WORDS),
    "a boundary in other case": Content(b"Content-Type: multipart/mixed; boundary=ABC\n\n--abc\n" + _text() + b"\n--abc--\n", WORDS),
    "a boundary with blanks at its end": Content(b'Content-Type: multipart/mixed; boundary="m  "\n\n--m\n' + _text() + b"\n--m--\n", WORDS),
    "a boundary in single quotes": Content(b"Content-Type: multipart/mixed; boundary='m'\n\n--m\n" + _text() + b"\n--m--\n", WORDS),
    "a boundary with its dashes": Content(b'Content-Type: multipart/mixed; boundary="--m"\n\n--m\n' + _text() + b"\n--m--\n", WORDS),
    "a boundary with an open quote": Content(b'Content-Type: multipart/mixed; boundary="m\n\n--m\n' + _text() + b"\n--m--\n", WORDS),
    "a boundary behind a blank": Content(b"Content-Type: multipart/mixed boundary=m\n\n--m\n" + _text() + b"\n--m--\n", WORDS),
    "a boundary in two pieces": Content(b'Content-Type: multipart/mixed; boundary*0="m"; boundary*1="n"\n\n--mn\n' + _text() + b"\n--mn--\n", WORDS),
    "an empty boundary": Content(b'Content-Type: multipart/mixed; boundary=""\n\n--\n' + _text() + b"\n----\n", WORDS),
    "parts without a type of the mail": Content(b"\nThis is a multi-part message.\n--m\n" + _text() + b"\n--m\n" + _PNG + b"\n--m--\n", WORDS, ("a.png",)),
    "parts announced as text": Content(b"Content-Type: text/plain\n\n--m\n" + _text() + b"\n--m\n" + _PNG + b"\n--m--\n", WORDS, ("a.png",)),
    "parts announced, text sent": Content(b"Content-Type: multipart/mixed; boundary=m\n\n" + WORDS.encode(), WORDS),
    "parts announced, a page sent": Content(b"Content-Type: multipart/alternative; boundary=m\n\n<html><body><p>Bitte um R&uuml;ckruf.</p></body></html>", _SHORT),
    "all in the preamble": Content(b"Content-Type: multipart/mixed; boundary=m\n\n" + WORDS.encode() + b"\n--m--\n", WORDS),
    "words in the preamble, a picture as a part": Content(b"Content-Type: multipart/mixed; boundary=m\n\n" + WORDS.encode() + b"\n--m\n" + _PNG + b"\n--m--\n", WORDS, ("a.png",)),
    "words in the epilogue": Content(_many("mixed", _PNG) + WORDS.encode(), WORDS, ("a.png",)),
    # alternatives
    "an empty text beside a page": Content(_many("alternative", _text(" \n"), _page()), WORDS),
    "a text that asks for another program": Content(_many("alternative", _text("Your mail program does not show HTML."), _page()), WORDS),
    "the same in German": Content(_many("alternative", _text("Diese Nachricht ist im HTML-Format."), _page()), WORDS),
    "a text of a link beside a page": Content(_many("alternative", _text("https://x.example/show?id=1"), _page()), WORDS),
    "a link for a browser beside a page": Content(_many("alternative", _text("View this mail in your browser: https://x.example/1"), _page()), WORDS),
    "a text of a picture beside a page": Content(_many("alternative", _text("[image: logo.png]"), _page()), WORDS),
    "hard blanks beside a page": Content(_many("alternative", _text("\u00a0\u200b\n"), _page()), WORDS),
    "two texts beside a page": Content(_many("alternative", _text(), _text(_SHORT), _page()), f"{WORDS}\n\n{_SHORT}"),
    "twice the same text": Content(_many("alternative", _text(), _text(), _page()), WORDS),
    "a page, then a text": Content(_many("alternative", _page(), _text()), WORDS),
    "a page with a log in alternatives": Content(_many("alternative", _many("mixed", _page(), _LOG)), WORDS, ("log.txt",)),
    "a page for machines first": Content(_many("alternative", _leaf("text/x-amp-html", b"<p>machine</p>"), _text(), _page()), WORDS),
    "only a page for machines": Content(_many("alternative", _leaf("text/x-amp-html; charset=utf-8", f"<p>{_SHORT}</p>".encode())), _SHORT),
    "a picture of the text as an alternative": Content(_many("alternative", _leaf("image/png", b"\x00", encoding="base64"), _page()), WORDS, ("",)),
    # types
    "no type": Content(b"\n" + WORDS.encode(), WORDS),
    "a type of one word": Content(b"Content-Type: text\n\n" + WORDS.encode(), WORDS),
    "a type with a comma": Content(b"Content-Type: text/html, charset=utf-8\n\n<p>Bitte um R&uuml;ckruf.</p>", _SHORT),
    "a type of a page that is a word": Content(b"Content-Type: html\n\n<p>Bitte um R&uuml;ckruf.</p>", _SHORT),
    "an unknown text type": Content(_text(kind="text/x-note; charset=utf-8"), WORDS),
    "an unknown text type in parts": Content(_many("mixed", _text(kind="text/x-note; charset=utf-8"), _PNG), WORDS, ("a.png",)),
    "words announced as bytes": Content(_leaf("application/octet-stream", WORDS.encode()), WORDS, ("",)),
    "words announced as application/text": Content(_leaf("application/text; charset=utf-8", WORDS.encode()), WORDS, ("",)),
    "a page as application/xhtml+xml": Content(_leaf("application/xhtml+xml", f"<html><body><p>{_SHORT}</p></body></html>".encode()), _SHORT, ("",)),
    "rtf as the whole mail": Content(_leaf("text/rtf", rb"{\rtf1\ansi Bitte um R\'fcckruf.}"), _SHORT, ("",)),
    "rtf as application/rtf": Content(_leaf("application/rtf", rb"{\rtf1\ansi Bitte um R\'fcckruf.}"), _SHORT, ("",)),
    "bytes that are none": Content(_leaf("application/octet-stream", bytes(range(256)), encoding="base64"), "", ("",)),
    "a mail as message/global": Content(b"Content-Type: message/global\n\n" + HEAD + _text(), WORDS, ("Hi.eml",)),
    "a mail as message/news": Content(b"Content-Type: message/news\n\n" + HEAD + _text(), WORDS, ("Hi.eml",)),
    "a mail in base64": Content(_many("mixed", _leaf("message/rfc822", HEAD + _text(), encoding="base64")), WORDS, ("Hi.eml",)),
    "a mail in parts, with its own parts": Content(_many("mixed", b"Content-Type: message/rfc822\n\n" + HEAD + _many("alternative", _text(), boundary="n")), WORDS, ("Hi.eml",)),
    "a calendar beside an empty text": Content(_many("mixed", _text(""), _leaf("text/calendar", b"BEGIN:VEVENT\nSUMMARY:Treffen\nEND:VEVENT\n")), "Treffen", ("",)),
    "a table as the only part": Content(_many("mixed", _leaf("text/csv; charset=utf-8", "Größe;42".encode())), "Größe;42", ("",)),
    # transfer encodings
    "base64 that nobody announced": Content(b"Content-Type: text/plain; charset=utf-8\n\n" + base64.encodebytes((WORDS * 3).encode()), WORDS * 3),
    "quoted-printable that nobody announced": Content(b"Content-Type: text/plain; charset=utf-8\n\n" + quopri.encodestring((WORDS * 3).encode()), WORDS * 3),
    "quoted-printable announced as 7bit": Content(b"Content-Type: text/html; charset=utf-8\nContent-Transfer-Encoding: 7bit\n\n" + quopri.encodestring(f"<p style='color:red'>{'Größe und Farbe. ' * 9}</p>".encode()), ("Größe und Farbe. " * 9).strip()),
    "base64 in lines of one letter": Content(b"Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: base64\n\n" + b"\n".join(bytes((byte,)) for byte in base64.b64encode(WORDS.encode())), WORDS),
    "base64 of the web": Content(b"Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: base64\n\n" + base64.urlsafe_b64encode("Größe??>>~~ ÿþ".encode()), "Größe??>>~~ ÿþ"),
    "base64 in two pieces, each padded": Content(b"Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: base64\n\n" + base64.b64encode(b"Hallo, ") + b"\n" + base64.b64encode("Größe? Bitte!".encode()), "Hallo, Größe? Bitte!"),
    "quoted-printable without its soft breaks": Content(b"Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: quoted-printable\n\nGr=C3=B6=C3=9Fe 100 = 1=3D1 =ZZ=\n.", "Größe 100 = 1=1 =ZZ."),
    "an encoding of the whole in parts": Content(b'Content-Type: multipart/mixed; boundary="m"\nContent-Transfer-Encoding: quoted-printable\n\n--m\n' + _text() + b"\n--m--\n", WORDS),
    "parts in base64": Content(b'Content-Type: multipart/mixed; boundary="m"\nContent-Transfer-Encoding: base64\n\n' + base64.encodebytes(b"--m\n" + _text() + b"\n--m--\n"), WORDS),
    "parts in quoted-printable": Content(b'Content-Type: multipart/mixed; boundary="m=_1"\nContent-Transfer-Encoding: quoted-printable\n\n' + quopri.encodestring(b"--m=_1\n" + _text() + b"\n--m=_1--\n"), WORDS),
}  # fmt: skip

#: Pages, each with the text that is to be read.
PAGES: dict[str, tuple[str, str]] = {
    "a span of no size around words with a size": ('<p><span style="font-size:0"><span style="font-size:14px">Hallo</span></span></p>', "Hallo"),
    "a paragraph of no size around words with a size": ('<p style="font-size:0px"><span style="font-size:12pt">Hallo</span> <b style="font-size:1em">x</b></p>', "Hallo"),
    "a div of no size around a table": ('<div style="font-size:0;line-height:0"><table><tr><td style="font-size:13px">Hallo</td></tr></table></div>', "Hallo"),
    "a table of no size": ('<table style="font-size:0" width="0" height="0"><tr><td style="font-size:medium">Hallo</td></tr></table>', "Hallo"),
    "a body of one pixel": ('<body style="font-size:1px"><p style="font-size:16px">Hallo</p></body>', "Hallo"),
    "no height without clipping": ('<div style="max-height:0"><p>Hallo</p></div>', "Hallo"),
    "no height and no size, with a size inside": ('<div style="max-height:0;font-size:0"><p style="font-size:14px">Hallo</p></div>', "Hallo"),
    "a height of zero": ('<div style="height:0"><p>Hallo</p></div>', "Hallo"),
    "a line height of zero": ('<div style="line-height:0"><p>Hallo</p></div>', "Hallo"),
    "a width of zero": ('<div style="width:0;max-width:0"><p>Hallo</p></div>', "Hallo"),
    "hidden around visible": ('<div style="visibility:hidden"><p style="visibility:visible">Hallo</p>weg</div>', "Hallo"),
    "all in an invisible wrapper": ('<div style="display:none"><p>Hallo</p></div>', "Hallo"),
    "all of no size": ('<div style="font-size:0px"><p>Hallo</p></div>', "Hallo"),
    "all clipped": ('<div style="max-height:0;overflow:hidden"><p>Hallo</p></div>', "Hallo"),
    "a preview of no size": ('<span style="font-size:0">weg</span><p>Hallo</p>', "Hallo"),
    "a preview in a div of no size and height": ('<div style="font-size:1px;line-height:1px;max-height:0px;opacity:0;overflow:hidden;display:none">weg</div><p>Hallo</p>', "Hallo"),
    "a clipped preview": ('<div style="max-height:0;overflow:hidden"><span style="font-size:14px">weg</span></div><p>Hallo</p>', "Hallo"),
    "a transparent preview": ('<div style="opacity:0;font-size:0"><span style="font-size:14px">weg</span></div><p>Hallo</p>', "Hallo"),
    "hidden for Outlook": ('<div style="mso-hide:all;display:none">weg</div><p>Hallo</p>', "Hallo"),
    "words for programs without scripts": ("<noscript><p>Hallo</p></noscript>", "Hallo"),
    "words in an object": ('<object data="a.pdf"><p>Hallo</p></object>', "Hallo"),
    "a comment that never ends": ("<html><body><!-- x <p>Hallo</p></body></html>", "x  Hallo"),
    "a style that never ends": ("<style>p {color:red} <p>Hallo</p>", "Hallo"),
    "a title that never ends": ("<html><head><title>x<body><p>Hallo</p></body></html>", "x  Hallo"),
    "only a title": ("<html><head><title>Hallo</title></head><body></body></html>", "Hallo"),
    "words in the head": ("<html><head>Hallo</head></html>", "Hallo"),
    "words below the end": ("<html><body></body></html>Hallo", "Hallo"),
    "two pages": ("<html><body><p>Eins</p></body></html><html><body><p>Zwei</p></body></html>", "Eins\n\nZwei"),
    "a page in a text area": ("<textarea>Hallo</textarea>", "Hallo"),
    "words in buttons and options": ("<button>Hallo</button>", "Hallo"),
    "a form with values": ('<p>Hallo</p><form><input value="x"></form>', "Hallo"),
    "old fonts of no size": ('<font size="0">Hallo</font>', "Hallo"),
    "frames": ("<frameset><noframes><p>Hallo</p></noframes></frameset>", "Hallo"),
    "a vector picture with words": ("<p>Hallo</p><svg><text>weg</text></svg>", "Hallo"),
    "words of Office": ('<p class="MsoNormal"><o:p>Hallo</o:p></p><!--[if gte mso 9]><xml>weg</xml><![endif]-->', "Hallo"),
    "conditional words": ("<!--[if !mso]><!--><p>Hallo</p><!--<![endif]-->", "Hallo"),
    "a tag in quotes in an attribute": ('<p title="a > b">Hallo</p>', "Hallo"),
    "an attribute without its end": ('<p><a href="https://x.example>x</a></p><p>Hallo</p>', "x \n Hallo"),
    "escaped markup": ("<p>a &lt;b&gt; &amp;amp; &#228;&#xE4;&auml; Hallo</p>", "a <b> &amp; äää Hallo"),
}  # fmt: skip


def mail_of(content: bytes) -> bytes:
    return HEAD + content


# -- the generator ----------------------------------------------------------------------------------------------------

_SAID = st.sampled_from(
    ["Hello, order 10023 has not arrived.", "Guten Tag, die Größe passt nicht.", "Здравствуйте, где заказ?", "荷物が届きません。", "您好，包裹没有收到。", "שלום, איפה ההזמנה?",
     "Dzień dobry, paczka nie dotarła.", "안녕하세요, 주문이 아직 안 왔어요.", "Buongiorno, perché?\nDue righe.", "x"]
)  # fmt: skip
_OTHERS = [
    _PNG,
    _LOG,
    _leaf("application/pdf; name=b.pdf", b"%PDF-1.4", encoding="base64"),
    _leaf("text/calendar; name=c.ics", b"BEGIN:VCALENDAR\nEND:VCALENDAR\n"),
]


@st.composite
def written_bodies(draw: st.DrawFn) -> tuple[str, bytes]:
    """Draws `(words, content)`: words in one leaf, wrapped in any parts, with other files beside it."""
    words = draw(_SAID)
    encoding = draw(st.sampled_from(["8bit", "base64", "quoted-printable"]))
    extra = draw(
        st.sampled_from(
            [
                (),
                (),
                (_INLINE,),
                ("Content-Disposition: inline",),
                ("Content-ID: <a@b>",),
                ("Content-Disposition: attachment",),
            ]
        )
    )
    if draw(st.booleans()):
        content = _text(words, *extra, encoding=encoding)
    else:
        size = draw(st.sampled_from(["14px", "1em", "medium", "12pt", "100%"]))
        wrapper = draw(
            st.sampled_from(
                [
                    "",
                    "font-size:0",
                    "font-size:1px;line-height:0",
                    "max-height:0",
                    "width:0;height:0",
                    "visibility:visible",
                ]
            )
        )
        inner = words.replace("\n", "<br>")
        page = f'<html><body><div style="{wrapper}"><table><tr><td style="font-size:{size}">{inner}</td></tr></table></div></body></html>'
        content = _leaf("text/html; charset=utf-8", page.encode(), *extra, encoding=encoding)
    for depth in range(draw(st.integers(0, 3))):
        kind = draw(st.sampled_from(["mixed", "related", "alternative", "signed", "x-unknown"]))
        boundary = draw(st.sampled_from(["m", f"b{depth}", "=_NextPart", "m-m"]))
        others = [] if kind == "alternative" else draw(st.lists(st.sampled_from(_OTHERS), max_size=2))
        before = draw(st.booleans()) and kind != "related"
        content = _many(
            kind,
            *(others if before else []),
            content,
            *([] if before else others),
            boundary=boundary,
            close=draw(st.integers(0, 4)) > 0,
        )
    return words, content
