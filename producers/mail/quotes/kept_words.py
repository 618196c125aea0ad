"""Holds the customer's words while a mail is read, and decides what at their end is none of them."""

from __future__ import annotations

import re

from producers.mail.quotes import app_lines, header_block, signature
from producers.mail.quotes.thread import Thread
from producers.mail.quotes.wording import entries

__all__ = ["KeptWords"]

#: The words above say that answers stand within the quoted mail.
_INLINE = re.compile(
    r"\b(?:my|see|the|our|some)\s(?:answers?|comments?|replies|responses?|remarks?|notes?)\b|\banswer(?:ed|s)?\s(?:below|within|in\s(?:the|your))\b"
    r"|\binline\b|\bin-line\b|\bin\s(?:red|blue|green|bold|capitals|caps)\b|\bmarked\b|highlighted|between\sthe\slines"
    r"|(?:meine|siehe|unsere)\s(?:antwort|kommentar|anmerkung)|im\stext|rot\s(?:markiert|geschrieben)|\bin\s(?:rot|blau|fett)\b"
    r"|(?:mes|nos)\s(?:réponses|commentaires|remarques)|dans\sle\stexte|en\s(?:rouge|bleu|gras)\b"
    r"|(?:mis|nuestras)\s(?:respuestas|comentarios)|en\s(?:rojo|azul|negrita)\b"
    r"|(?:minhas|as)\srespostas|meus\scomentários|a\svermelho|em\svermelho"
    r"|(?:mie|nostre)\srisposte|miei\scommenti|in\s(?:rosso|blu|grassetto)\b|mijn\s(?:antwoorden|opmerkingen)|in\shet\s(?:rood|blauw)"
    r"|moje\s(?:odpowiedzi|komentarze|odpovědi)|na\sczerwono|мои\s(?:ответы|комментарии)|красным|mina\s(?:svar|kommentarer)|i\srött"
    r"|mine\s(?:svar|kommentarer)|med\s?rød|vastaukseni|kommenttini|punaisella|červeně|cevaplarım|yanıtlarım|kırmızı"
    r"|답변은|답변을|빨간|回答は|返答は|文中|赤字|答案|回复如下|批注|红字|紅字|红色|紅色",
    re.IGNORECASE,
)
#: One of these is in every such text: most texts have none, and are not searched.
_INLINE_WITHOUT_BLANKS = (
    "답변은",
    "답변을",
    "빨간",
    "回答は",
    "返答は",
    "文中",
    "赤字",
    "答案",
    "回复如下",
    "批注",
    "红字",
    "紅字",
    "红色",
    "紅色",
)
_INLINE_WORDS = entries("""
answer|answers|answered|comment|comments|reply|replies|response|responses|remark|remarks|note|notes|inline|in-line|red|blue|green|bold
capitals|caps|marked|highlighted|lines|antwort|antworten|kommentar|kommentare|anmerkung|anmerkungen|text|rot|blau|fett
réponses|commentaires|remarques|texte|rouge|bleu|gras|respuestas|comentarios|rojo|azul|negrita|respostas|comentários|vermelho
risposte|commenti|rosso|blu|grassetto|antwoorden|opmerkingen|rood|blauw|odpowiedzi|komentarze|odpovědi|czerwono
ответы|комментарии|красным|svar|kommentarer|rött|rød|rødt|vastaukseni|kommenttini|punaisella|červeně|cevaplarım|yanıtlarım|kırmızı
""")
#: The words above speak of something below.
_BELOW_WITHOUT_BLANKS = ("아래", "下記", "以下", "下面", "下方", "如下")
_BELOW = entries("""
below|underneath|unten|untenstehend|untenstehende|untenstehenden|ci-dessous|dessous|abajo|continuación|abaixo|sotto|seguito
hieronder|onderstaand|onderstaande|poniżej|ниже|nedan|nedanstående|nedenfor|nedenunder|alla|alempana|níže|aşağıda|aşağıdaki
""")
#: A first mail presents what is pasted below.
_PRESENTS = re.compile(
    r"\b(?:following|happened|received|got|get|see|here|this\s(?:is|mail|e-?mail|message)|copy|copied|pasted|attached|wrote|sent\sme|quote)\b"
    r"|folgende|erhalten|bekommen|siehe|kopie|diese\s(?:e-?)?mail|voici|reçu|ci-joint|recibid|recib|copio|adjunto|recebi|segue|copiei|ricevut|copio|ecco|ontvangen|kreeg|hierbij"
    r"|otrzyma|dostał|пришло|получил|вот|копирую|fick|fått|här\s(?:är|kommer)|fik|fått|her\s(?:er|kommer)|sain|tässä|dostal|přišl|kopíruji|aldım|geldi|işte|받았|왔습니다|届き|届いた|受け取|転記|收到|如下|复制",
    re.IGNORECASE,
)
_SHORT = 400
#: So many lines above a pasted mail may present it.
_MOST_PRESENTING = 3
_LONGEST_SENTENCE = 16
_RULES_BEGIN = "-_=*—－–‐─━"


class KeptWords:
    """The lines that are kept so far.

    lines  with one empty line between paragraphs
    floor  where the words began that are not yet closed by a quote
    drawn  the delimiters and ruled lines among these: a signature may stand below
    """

    __slots__ = ("_thread", "drawn", "floor", "lines")

    def __init__(self, thread: Thread) -> None:
        self._thread = thread
        self.lines: list[str] = []
        self.floor = 0
        self.drawn: list[int] = []

    def end_paragraph(self) -> None:
        """Adds an empty line, where words stand above."""
        if self.lines and self.lines[-1]:
            self.lines.append("")

    def are_apart(self) -> bool:
        """Returns true when an empty line, or nothing, stands last."""
        return not self.lines or not self.lines[-1]

    def close(self) -> None:
        """Removes what stands at the end of the words and is none of them."""
        lines, floor, drawn = self.lines, self.floor, self.drawn
        while True:
            while len(lines) > floor and not lines[-1].strip():
                lines.pop()
            if len(lines) <= floor:
                return
            while drawn and drawn[-1] >= len(lines):
                drawn.pop()
            if app_lines.is_app_line(lines[-1]):
                lines.pop()
                app_lines.drop_card(lines)
            elif not (drawn and signature.drop_signature(lines, floor, drawn, self._thread)):
                return

    def close_before_quote(self) -> None:
        """Closes the words above a quote; others may follow below it."""
        self.close()
        self.end_paragraph()
        self.floor, self.drawn = len(self.lines), []

    def drop_rules(self, *, original: bool) -> None:
        """Removes lines that are drawn, or only lines of "Original message", from the end of the words."""
        lines = self.lines
        while lines:
            bare = lines[-1].strip()
            if bare:
                rule = header_block.rule_of(bare) if bare[0] in _RULES_BEGIN else None
                if rule is None or (original and not rule.original):
                    return
            lines.pop()

    def drop_address(self) -> None:
        """Removes the writer's own address, which Foxmail puts above the quoted mail."""
        lines, address = self.lines, self._thread.sender
        if (
            address
            and len(lines) > 2
            and not lines[-2]
            and lines[-1].strip(" \t<>()[]").casefold() == address.casefold()
        ):
            lines.pop()

    def may_introduce(self, *, foreign: bool = False) -> bool:
        """Returns true when the words may only introduce what is below them: then that is the customer's, too.

        `foreign`: the mail below belongs to another conversation, as one that is pasted does.
        """
        words = [line for line in self.lines if line]
        if self.only_greet():
            return True
        if words[-1].rstrip()[-1] in ":：" and not header_block.greets(words[-1]):
            return True
        if foreign and any(_PRESENTS.search(line[-200:]) for line in words[-_MOST_PRESENTING:]):
            return True
        if self._thread.answers is False and _PRESENTS.search(words[-1][-200:]):
            return True
        return self.speak_of_inline_answers() or (
            sum(map(len, words)) <= _SHORT and _says(" ".join(words), _BELOW, _BELOW_WITHOUT_BLANKS)
        )

    def speak_of_inline_answers(self) -> bool:
        """Returns true when the words say that answers stand within the quoted mail."""
        if sum(map(len, self.lines)) > _SHORT:
            return False
        text = " ".join(self.lines)
        return _says(text, _INLINE_WORDS, _INLINE_WITHOUT_BLANKS) and _INLINE.search(text) is not None

    def only_greet(self) -> bool:
        """Returns true when there is nothing, or no more than a greeting."""
        if len(self.lines) > 10:
            return False
        words = [line.strip() for line in self.lines if line]
        return len(words) <= 2 and all(_is_greeting(line) for line in words)


def _says(text: str, words: frozenset[str], without_blanks: tuple[str, ...]) -> bool:
    """Returns true for a text with one of the words; those of languages without blanks may stand anywhere."""
    if not text.isascii() and any(word in text for word in without_blanks):
        return True
    return not words.isdisjoint(text.lower().replace(",", " ").replace(".", " ").replace(":", " ").split())


def _is_greeting(line: str) -> bool:
    if line[-1] == "。":  # a Japanese greeting is a sentence
        return len(line) <= _LONGEST_SENTENCE and header_block.greets(line)
    if len(line) > 60 or line[-1] in ".?。？" or len(line.split()) > 5 or not header_block.greets(line):
        return False
    return (
        " " in line or line[0].isascii() or len(line) <= 5 or line[-1] in ",，、:：!！"
    )  # others put no blanks between words
