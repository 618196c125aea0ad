"""Mails with quotes and signatures of many mailers, each with the words that its customer wrote.

The data is in tests/examples/quotes: attributions, header blocks, lines of apps and lines above forwarded mails by
language and mailer, which are put into mails of several shapes here, and whole mails, in which every line is marked.
"""

from __future__ import annotations

import html
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parents[2] / "examples" / "quotes"
#: Two sentences of a customer, and a mail of ours, by language.
SENTENCES = {
    "en": ("I want my money back.", "The blue one, please.", "Dear Ann,", "shall we send another lamp?", "Your team"),
    "de": ("Ich möchte mein Geld zurück.", "Den blauen, bitte.", "Guten Tag,", "sollen wir eine andere Lampe senden?", "Ihr Team"),
    "fr": ("Je veux être remboursée.", "Le bleu, merci.", "Bonjour,", "souhaitez-vous une autre lampe ?", "Le service client"),
    "es": ("Quiero que me devuelvan el dinero.", "El azul, gracias.", "Hola Ann:", "¿le enviamos otra lámpara?", "El equipo"),
    "pt": ("Quero o meu dinheiro de volta.", "O azul, por favor.", "Olá Ann,", "enviamos outra lâmpada?", "A equipa"),
    "it": ("Vorrei un rimborso.", "Quello blu, grazie.", "Gentile Ann,", "vuole un'altra lampada?", "Il team"),
    "nl": ("Ik wil mijn geld terug.", "De blauwe graag.", "Beste Ann,", "zullen we een andere lamp sturen?", "Het team"),
    "pl": ("Chcę zwrotu pieniędzy.", "Niebieską poproszę.", "Dzień dobry,", "czy wysłać inną lampę?", "Zespół"),
    "ru": ("Верните мне деньги.", "Синюю, пожалуйста.", "Здравствуйте!", "Отправить другую лампу?", "Команда"),
    "sv": ("Jag vill ha pengarna tillbaka.", "Den blå, tack.", "Hej Ann,", "ska vi skicka en annan lampa?", "Teamet"),
    "da": ("Jeg vil have pengene tilbage.", "Den blå, tak.", "Hej Ann,", "skal vi sende en anden lampe?", "Holdet"),
    "no": ("Jeg vil ha pengene tilbake.", "Den blå, takk.", "Hei Ann,", "skal vi sende en annen lampe?", "Teamet"),
    "fi": ("Haluan rahani takaisin.", "Sininen, kiitos.", "Hei Ann,", "lähetämmekö toisen lampun?", "Tiimi"),
    "cs": ("Chci vrátit peníze.", "Modrou, prosím.", "Dobrý den,", "máme poslat jinou lampu?", "Váš tým"),
    "tr": ("Paramı geri istiyorum.", "Mavi olan lütfen.", "Merhaba Ann,", "başka bir lamba gönderelim mi?", "Ekibiniz"),
    "ko": ("환불해 주세요.", "파란색으로 부탁드립니다.", "안녕하세요,", "다른 램프를 보내 드릴까요?", "고객센터"),
    "ja": ("返金してください。", "青でお願いします。", "佐藤様", "別のランプをお送りしましょうか。", "サポート"),
    "zh-Hans": ("我要退款。", "要蓝色的。", "您好，", "需要给您换一个吗？", "客服"),
    "zh-Hant": ("我要退款。", "要藍色的。", "您好，", "需要為您更換嗎？", "客服"),
}  # fmt: skip


@dataclass(frozen=True)
class QuoteExample:
    """One mail and what its customer wrote. `lost` are the words of it that must be there, whatever else is."""

    group: str
    name: str
    body: str
    wanted: str
    subject: str = "Re: Your order"
    reply: bool = False
    is_page: bool = False

    def raw(self) -> bytes:
        """Returns the mail."""
        reply = "In-Reply-To: <ds.1@support.example>\n" if self.reply else ""
        kind = "html" if self.is_page else "plain"
        return (
            f"From: Ann Lee <ann@example.org>\nTo: support@support.example\nSubject: {self.subject}\n{reply}"
            f"MIME-Version: 1.0\nContent-Type: text/{kind}; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n{self.body}\n"
        ).encode()


def lines_of(text: str) -> list[str]:
    """Returns the lines with words in them, spaces apart."""
    return [joined for line in text.split("\n") if (joined := " ".join(line.split())).strip(" >")]


def rows(name: str) -> list[tuple[str, str]]:
    """Returns `(label, text)` of each row of a file of frames."""
    found = []
    for line in (FOLDER / name).read_text("utf-8").splitlines():
        if line and not line.startswith("#"):
            label, _, text = line.partition(" | ")
            found.append((label.strip(), text.replace("⏎", "\n")))
    return found


def attributed() -> Iterator[QuoteExample]:
    """Yields replies above, below and between what is quoted under an attribution."""
    for label, line in rows("attributions.txt"):
        first, second, hello, question, team = SENTENCES[label.split()[0]]
        quote = f"> {hello}\n>\n> {question}\n>\n> {team}"
        yield QuoteExample("attribution, words above", label, f"{first}\n\n{line}\n\n{quote}", first)
        yield QuoteExample("attribution, words below", label, f"{line}\n{quote}\n\n{second}", second, reply=True)
        yield QuoteExample(
            "attribution, words between", label,
            f"{line}\n> {hello}\n> {question}\n\n{first}\n\n> {team}\n\n{second}", f"{first}\n{second}",
        )  # fmt: skip
        quoted = line.replace("\n", "\n> ")
        yield QuoteExample(
            "attribution, in the quote", label, f"{first}\n{second}\n\n> {quoted}\n>\n{quote}", f"{first}\n{second}"
        )


def headed() -> Iterator[QuoteExample]:
    """Yields replies above an unquoted mail with its header block."""
    for label, block in rows("header_blocks.txt"):
        first, second, hello, question, team = SENTENCES[label.split()[0]]
        below = f"{hello}\n\n{question}\n\n{team}"
        yield QuoteExample("header block", label, f"{first}\n{second}\n\n{block}\n\n{below}", f"{first}\n{second}")
        yield QuoteExample(
            "header block, right below", label, f"{second}\n{block}\n{below}", second, "Your order", reply=True
        )


def signed() -> Iterator[QuoteExample]:
    """Yields mails with the line of an app at their end, above a quote, and within the words."""
    for label, line in rows("app_lines.txt"):
        first, second, _, question, _ = SENTENCES[label]
        yield QuoteExample("line of an app at the end", line, f"{first}\n\n{line}", first)
        yield QuoteExample(
            "line of an app above a quote",
            line,
            f"{first}\n\n{line}\n\n> On 2 Mar 2026, at 09:00, A <a@b.example> wrote:\n>\n> {question}",
            first,
        )
        yield QuoteExample(
            "line of an app within the words", line, f"{first}\n{line}\n{second}", f"{first}\n{line}\n{second}"
        )


def forwarded() -> Iterator[QuoteExample]:
    """Yields mails that a customer forwards with a note: all of it is for us."""
    for label, line in rows("forwards.txt"):
        first, _, hello, question, team = SENTENCES[label.split()[0]]
        block = "From: Shop <shop@shop.example>\nDate: Mon, 2 Mar 2026 at 09:00\nSubject: Offer\nTo: <ann@example.org>"
        body = f"{first}\n\n{line}\n{block}\n\n{hello}\n{question}\n> {team}"
        yield QuoteExample("forwarded with a note", label, body, body, "Offer")


def marked() -> Iterator[QuoteExample]:
    """Yields the whole mails of words.txt."""
    for name, lines in _sections("words.txt"):
        subject, reply = "Your order", False
        body, wanted = [], []
        for line in lines:
            if line == "% reply":
                reply = True
            elif line.startswith("% "):
                subject = line[2:]
            else:
                body.append(line[2:])
                if line.startswith("+"):
                    wanted.append(line[2:])
        yield QuoteExample("whole mails", name, "\n".join(body), "\n".join(wanted), subject, reply=reply)


def pages() -> Iterator[QuoteExample]:
    """Yields the mails of pages.txt, which are HTML only."""
    for name, lines in _sections("pages.txt"):
        page = "\n".join(line for line in lines if not line.startswith("= "))
        wanted = "\n".join(lines[-1][2:].split("/"))
        subject = "Fwd: Order" if "forwarded" in name else "Re: Your order"
        yield QuoteExample("HTML", name, page, wanted, subject, is_page=True)


def framed_pages() -> Iterator[QuoteExample]:
    """Yields replies in HTML by Gmail, Thunderbird, Apple Mail and Outlook in every language."""
    for number, (label, line) in enumerate(rows("attributions.txt")):
        first, second, hello, question, team = (html.escape(words) for words in SENTENCES[label.split()[0]])
        line = html.escape(line).replace("\n", " ")
        quoted = f"<p>{hello}</p><p>{question}</p><p>{team}</p>"
        page = (
            f'<div dir="ltr">{first}<br>{second}</div><br><div class="gmail_quote"><div class="gmail_attr" dir="ltr">{line}<br></div>'
            f'<blockquote class="gmail_quote" style="margin:0px">{quoted}</blockquote></div>',
            f'<p>{first}</p><p>{second}</p><div class="moz-cite-prefix">{line}<br></div><blockquote type="cite" cite="mid:1">{quoted}</blockquote>',
            f'<div class="moz-cite-prefix">{line}<br></div><blockquote type="cite" cite="mid:1">{quoted}</blockquote><p>{first}</p><p>{second}</p>',
            f'<div>{first}</div><div>{second}</div><div><br><blockquote type="cite"><div>{line}</div><br>{quoted}</blockquote></div>',
        )[number % 4]
        yield QuoteExample(
            "HTML, attribution", f"{label} {number % 4}", page, html.unescape(f"{first}\n{second}"), is_page=True
        )
    for number, (label, block) in enumerate(rows("header_blocks.txt")):
        first, second, hello, question, team = (html.escape(words) for words in SENTENCES[label.split()[0]])
        head = "<br>".join(map(html.escape, block.split("\n")))
        quoted = f"<p>{hello}</p><p>{question}</p><p>{team}</p>"
        page = (
            f'<div>{first}</div><div>{second}</div><div id="appendonsend"></div><hr><div id="divRplyFwdMsg" dir="ltr">{head}</div>{quoted}',
            f'<p class="MsoNormal">{first}</p><p class="MsoNormal">{second}</p><div style="border:none;border-top:solid #E1E1E1 1.0pt;'
            f'padding:3.0pt 0cm 0cm 0cm"><p class="MsoNormal">{head}</p></div>{quoted}',
            f'<div>{first}<br>{second}</div><div class="OutlookMessageHeader"><hr>{head}</div>{quoted}',
        )[number % 3]
        yield QuoteExample(
            "HTML, header block", f"{label} {number % 3}", page, html.unescape(f"{first}\n{second}"), is_page=True
        )


def all_examples() -> list[QuoteExample]:
    """Returns every example."""
    return [*attributed(), *headed(), *signed(), *forwarded(), *marked(), *pages(), *framed_pages()]


def _sections(name: str) -> Iterator[tuple[str, list[str]]]:
    for section in (FOLDER / name).read_text("utf-8").split("\n=== ")[1:]:
        title, *lines = section.rstrip("\n").split("\n")
        yield title, lines
