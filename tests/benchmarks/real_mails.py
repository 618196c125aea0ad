"""Mails of the sizes that people send: pages of mail programs beside their plain texts, quotes, pictures, documents.

Seeded, so that each run measures the same mails. 17 kB on average, as the mails of public corpora are; a fifth of them has
files, a quarter is a page without a plain text. The markup is that of Gmail, Outlook and Apple Mail in kind: styles on each element, tables around tables, a
preview text that is hidden, the answered mails below.
"""

from __future__ import annotations

import base64
import quopri
import random

__all__ = ["mails"]

_SENTENCES = {
    "en": ("Where is my order?", "Ann Lee", "I ordered a lamp on Monday and it has not arrived. The carrier says that it is still in the depot. Could you please ask them? "
           "I need it before the weekend, because we are moving house. If it cannot be found, please send another one. Thank you very much for your help."),
    "de": ("Größe tauschen", "Jürgen Groß", "Die Schuhe sind leider eine Nummer zu groß. Ich würde sie gern umtauschen. Wie bekomme ich ein Etikett für die Rücksendung? "
           "Über eine schnelle Antwort würde ich mich freuen. Die Rechnung hänge ich an."),
    "fr": ("Colis abîmé", "Zoé Müller", "Le colis est arrivé abîmé, et il manque une pièce. J'ai pris une photo que vous trouverez ci-jointe. Que dois-je faire à présent ? "
           "Je préférerais un échange à un remboursement."),
    "zh": ("包裹没有收到", "李雷", "包裹原定周五送达，现在已经是周一了，物流信息还停留在中转站。麻烦帮我问一下快递公司是什么情况。我周末之前需要用到这盏灯。"),
    "ja": ("荷物が届きません", "佐藤健", "金曜日に届く予定でしたが、月曜日になってもまだ届いておりません。運送会社のページでは営業所に保管中とのことです。ご確認をお願いいたします。"),
}  # fmt: skip
_ATTRIBUTION = "On Mon, Mar 2, 2026 at 9:00 AM Support <support@support.example> wrote:"
_FONT = "font-family:&quot;Segoe UI&quot;,Helvetica,Arial,sans-serif;font-size:14.5px;line-height:1.45;color:#1f2329"
_OUTLOOK_STYLE = "\n".join(
    f"p.Mso{name}, li.Mso{name}, div.Mso{name} {{margin:0cm; font-size:11.0pt; font-family:\"Calibri\",sans-serif; mso-fareast-language:EN-US;}}"
    for name in ("Normal", "ListParagraph", "PlainText", "Header", "Footer", "Title", "Quote", "Caption", "BodyText", "Signature", "Salutation", "Closing")
)  # fmt: skip


def mails(count: int, seed: int = 7) -> list[bytes]:
    dice = random.Random(seed)
    kinds = [_plain] * 3 + [_gmail] * 4 + [_outlook] * 4 + [_only_page] * 3 + [_newsletter] * 2 + [_with_files] * 4
    return [kinds[number % len(kinds)](number, dice) for number in range(count)]


def _text(language: str, paragraphs: int, dice: random.Random) -> list[str]:
    words = _SENTENCES[language][2]
    start = dice.randrange(max(1, len(words) // 4))
    return [words[start:] if part % 2 else words for part in range(paragraphs)]


def _plain(number: int, dice: random.Random) -> bytes:
    language = dice.choice(list(_SENTENCES))
    now, before = _text(language, dice.randrange(1, 4), dice), _text(language, dice.randrange(4, 14), dice)
    quoted = "\n".join(f"> {line}\n>" for paragraph in before for line in _wrapped(paragraph))
    body = "\n\n".join(_joined(now)) + f"\n\n{_SENTENCES[language][1]}\n\n{_ATTRIBUTION}\n\n{quoted}\n"
    return _head(number, language) + _leaf("text/plain", body, language)


def _gmail(number: int, dice: random.Random) -> bytes:
    language = dice.choice(list(_SENTENCES))
    plain, page = _conversation(language, dice.randrange(2, 6), dice, _gmail_page)
    return _head(number, language) + _parts(
        "alternative", _leaf("text/plain", plain, language), _leaf("text/html", page, language)
    )


def _outlook(number: int, dice: random.Random) -> bytes:
    language = dice.choice(list(_SENTENCES))
    plain, page = _conversation(language, dice.randrange(2, 5), dice, _outlook_page)
    alternative = _parts(
        "alternative", _leaf("text/plain", plain, language), _leaf("text/html", page, language), boundary="_002_"
    )
    if number % 2:
        return _head(number, language) + alternative
    logo = _file("image/png", "image001.png", 5_000, dice, "inline")
    return _head(number, language) + _parts("related", alternative, logo, boundary="_004_")


def _only_page(number: int, dice: random.Random) -> bytes:
    language = dice.choice(list(_SENTENCES))
    _, page = _conversation(language, dice.randrange(3, 7), dice, _outlook_page if number % 2 else _gmail_page)
    return _head(number, language) + _leaf("text/html", page, language)


def _newsletter(number: int, dice: random.Random) -> bytes:
    """Writes an answer of a machine: tables in tables, a hidden preview, no plain text."""
    language = dice.choice(list(_SENTENCES))
    cells = "".join(
        '<table role="presentation" width="100%" cellpadding="0" cellspacing="0" border="0" style="border-collapse:collapse;mso-table-lspace:0pt">'
        f'<tr><td align="left" valign="top" style="padding:12px 24px;{_FONT}"><a href="https://shop.example/track?id={part}&amp;utm_source=mail" '
        f'style="color:#0b57d0;text-decoration:none"><img src="https://img.shop.example/{part}.png" width="96" height="96" alt="" style="display:block"></a></td>'
        f'<td style="font-size:0;line-height:0"><div style="{_FONT}">{paragraph}</div></td></tr></table>\n'
        for part, paragraph in enumerate(_text(language, dice.randrange(8, 24), dice))
    )
    preview = (
        '<div style="display:none;max-height:0;overflow:hidden;font-size:1px">Your request was received'
        + "&#8199;&#847; " * 40
        + "</div>"
    )
    page = f"<!DOCTYPE html><html><head><meta charset=utf-8><style>{_OUTLOOK_STYLE}</style></head><body>{preview}{cells}</body></html>"
    return _head(number, language) + _leaf("text/html", page, language)


def _with_files(number: int, dice: random.Random) -> bytes:
    language = dice.choice(list(_SENTENCES))
    plain, page = _conversation(language, 2, dice, _gmail_page)
    alternative = _parts(
        "alternative", _leaf("text/plain", plain, language), _leaf("text/html", page, language), boundary="_003_"
    )
    kinds = [
        ("image/jpeg", "IMG_0042.jpeg", 24_000),
        ("application/pdf", "invoice.pdf", 16_000),
        ("image/png", "screen.png", 9_000),
    ]
    kind, name, size = kinds[number % 3]
    return _head(number, language) + _parts(
        "mixed", alternative, _file(kind, name, size, dice, "attachment"), boundary="_005_"
    )


# -- pieces -----------------------------------------------------------------------------------------------------------


def _conversation(language: str, answers: int, dice: random.Random, page_of: object) -> tuple[str, str]:
    """Returns the plain text and the page of an answer above those that it answers."""
    turns = [_text(language, dice.randrange(1, 4), dice) for _ in range(answers)]
    plain, page = "", ""
    for turn in reversed(turns):
        quoted = "\n".join(f"> {line}" for line in plain.split("\n"))
        below = f"\n{_ATTRIBUTION}\n\n{quoted}\n" if plain else ""
        plain = "\n\n".join(_joined(turn)) + f"\n\n{_SENTENCES[language][1]}\n{below}"
        page = page_of(turn, _SENTENCES[language][1], page)  # type: ignore[operator]
    return plain, page


def _gmail_page(paragraphs: list[str], name: str, below: str) -> str:
    said = "".join(f'<div style="{_FONT}">{paragraph}</div><div><br></div>' for paragraph in paragraphs)
    quoted = (
        f'<div class="gmail_quote gmail_quote_container"><div dir="ltr" class="gmail_attr">{_ATTRIBUTION.replace("<", "&lt;").replace(">", "&gt;")}<br></div>'
        f'<blockquote class="gmail_quote" style="margin:0px 0px 0px 0.8ex;border-left:1px solid rgb(204,204,204);padding-left:1ex">{below}</blockquote></div>'
    )
    return f'<div dir="ltr">{said}<div dir="ltr" class="gmail_signature"><span style="color:rgb(136,136,136)">{name}</span></div></div>{quoted if below else ""}\n'


def _outlook_page(paragraphs: list[str], name: str, below: str) -> str:
    said = "".join(
        f'<p class="MsoNormal"><span lang="EN-US" style="font-size:11.0pt;font-family:&quot;Calibri&quot;,sans-serif;color:#1F497D">{paragraph}'
        '<o:p></o:p></span></p><p class="MsoNormal"><o:p>&nbsp;</o:p></p>\n'
        for paragraph in [*paragraphs, name]
    )
    if below:
        start, end = below.find('<div class="WordSection1">'), below.find("</body>")
        head = "".join(
            f"<b>{field}:</b> {value}<br>"
            for field, value in (
                ("From", "Support"),
                ("Sent", "Monday, 2 March 2026 09:00"),
                ("To", name),
                ("Subject", "Your order"),
            )
        )
        said += f'<div style="border:none;border-top:solid #E1E1E1 1.0pt;padding:3.0pt 0cm 0cm 0cm"><p class="MsoNormal">{head}</p></div>{below[start:end]}'
    return (
        '<html xmlns:v="urn:schemas-microsoft-com:vml" xmlns:o="urn:schemas-microsoft-com:office:office"><head><meta name="Generator" content="Microsoft Word 15">'
        f'<style><!--\n{_OUTLOOK_STYLE}\n--></style><!--[if gte mso 9]><xml><o:shapedefaults v:ext="edit" spidmax="1026" /></xml><![endif]--></head>'
        f'<body lang="EN-US" link="#0563C1" vlink="#954F72"><div class="WordSection1">{said}</div></body></html>'
    )


def _joined(paragraphs: list[str]) -> list[str]:
    return ["\n".join(_wrapped(paragraph)) for paragraph in paragraphs]


def _wrapped(paragraph: str) -> list[str]:
    return [paragraph[at : at + 74] for at in range(0, len(paragraph), 74)]


def _leaf(kind: str, body: str, language: str) -> bytes:
    data = body.encode()
    if language in ("zh", "ja"):
        encoding, data = "base64", base64.encodebytes(data)
    elif kind == "text/html" or language != "en":
        encoding, data = "quoted-printable", quopri.encodestring(data)
    else:
        encoding = "7bit"
    return f'Content-Type: {kind}; charset="UTF-8"\nContent-Transfer-Encoding: {encoding}\n\n'.encode() + data


def _parts(kind: str, *parts: bytes, boundary: str = "000000000000a1b2c3") -> bytes:
    body = b"".join(b"--%b\n%b\n" % (boundary.encode(), part) for part in parts)
    return (
        f'Content-Type: multipart/{kind}; boundary="{boundary}"\n\n'.encode() + body + b"--%b--\n" % boundary.encode()
    )


def _file(kind: str, name: str, size: int, dice: random.Random, disposition: str) -> bytes:
    data = dice.randbytes(dice.randrange(size // 2, size * 3 // 2))
    head = f'Content-Type: {kind}; name="{name}"\nContent-Disposition: {disposition}; filename="{name}"\nContent-Transfer-Encoding: base64\n'
    return f"{head}Content-ID: <{name}@x.example>\nX-Attachment-Id: f_{name}\n\n".encode() + base64.encodebytes(data)


def _word(text: str) -> str:
    return text if text.isascii() else f"=?UTF-8?B?{base64.b64encode(text.encode()).decode()}?="


def _head(number: int, language: str) -> bytes:
    subject, name, _ = _SENTENCES[language]
    relays = "".join(
        f"Received: from relay{hop}.example.org (relay{hop}.example.org [192.0.2.{hop}])\n\tby mx{hop}.support.example (Postfix) with ESMTPS id {number:06X}{hop}\n"
        f"\t(version=TLS1_3 cipher=TLS_AES_256_GCM_SHA384 bits=256/256);\n\tMon,  2 Mar 2026 09:3{hop}:00 +0000 (UTC)\n"
        for hop in range(5)
    )
    signatures = "".join(
        f"{field}: i=1; a=rsa-sha256; c=relaxed/relaxed; d=example.org; s=s{place};\n        h=from:to:subject:date:message-id; bh={'QUJD' * 11}=;\n        b={'c2lnbmF0dXJl' * 28}\n"
        for place, field in enumerate(
            ("DKIM-Signature", "ARC-Seal", "ARC-Message-Signature", "X-Google-DKIM-Signature")
        )
    )
    traces = "".join(f"X-Example-{place}: {'trace' * 12}\n" for place in range(10))
    return (
        f"Delivered-To: support@support.example\n{relays}Return-Path: <customer{number}@example.org>\n{signatures}"
        "Authentication-Results: mx.support.example;\n dkim=pass header.d=example.org; spf=pass smtp.mailfrom=example.org; dmarc=pass header.from=example.org\n"
        f"{traces}MIME-Version: 1.0\nFrom: {_word(name)} <customer{number}@example.org>\nTo: {_word('Support')} <support@support.example>\n"
        f"Subject: Re: {_word(subject)}\nDate: Mon, 2 Mar 2026 10:30:{number % 60:02d} +0100\nMessage-ID: <real.{number}@mail.example.org>\n"
        f"In-Reply-To: <ds.{number}.x@support.example>\nReferences: <first.{number}@mail.example.org>\n <ds.{number}.x@support.example>\n"
    ).encode()  # fmt: skip
