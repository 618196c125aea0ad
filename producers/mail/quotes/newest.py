"""Takes from a mail's text what its customer wrote now: without quoted mail, attributions, signature and lines of apps.

Only what is certain is cut. Losing a customer's words is worse than keeping a quote, so in doubt all of it stays:

- Lines with `>` go below an attribution, or where a mailer's hand shows (`quoted_block`). Answers between them stay.
- An unquoted mail goes, to the end, below a complete attribution or a header block with enough evidence (`header_block`).
  It stays when nothing, or only a greeting, would be left, and when the words above speak of what is below (`kept_words`).
- A signature goes at the end of the words, below a delimiter (`signature`), and a line of an app as their last (`app_lines`).
- A forwarded mail stays: it is the content.

One pass over the lines; each is looked at a bounded number of times.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from producers.mail.quotes import app_lines, attribution, header_block, quoted_block, signature, wording
from producers.mail.quotes.header_block import Rule
from producers.mail.quotes.kept_words import KeptWords
from producers.mail.quotes.marks import Mark
from producers.mail.quotes.thread import NOTHING_KNOWN, Thread, is_finnish_answer

__all__ = ["newest_part"]

_DASHES = r"[-_=－—–‐─*]{2,}"
_FORWARD_NAMES = wording.any_of(wording.FORWARDED)
_FORWARDED_DRAWN = re.compile(
    rf"{_DASHES}[\s\u00a0]{{0,3}}{_FORWARD_NAMES}[\s\u00a0]{{0,3}}(?:[:：]?[\s\u00a0]?{_DASHES})?$", re.IGNORECASE
)
_FORWARDED = wording.entries(wording.FORWARDED)
_QUOTES_BEGIN, _RULES_BEGIN = ">＞&|", "-_=*—－–‐─━"
#: "VS:" forwards in Norwegian and Danish, and answers in Finnish.
_FINNISH = "lähettäjä"
#: What the last line of an attribution may end with.
_ATTRIBUTIONS_END = ">:：-*_–—"
_MOST_LOOKS = 300
_LOOKED_AHEAD, _LABEL_WITHIN, _MOST_ATTRIBUTED = 4, 40, 8


def newest_part(
    text: str,
    *,
    thread: Thread = NOTHING_KNOWN,
    forwarded: bool = False,
    marks: Mapping[int, Mark] | None = None,
) -> str:
    """Returns the new words of a mail, stripped, one empty line between paragraphs.

    All of it, stripped, when nothing else would be left. Of a `forwarded` mail (its subject says so) everything from
    the first block of mail headers on is kept. `marks` are a mailer's own, by number of the line.
    """
    readable = text
    if "-----BEGIN PGP" in text:
        readable, marks = _without_armour(text), None
    return _Reader(readable.split("\n"), thread, forwarded or thread.forwarded, marks or {}).words() or readable.strip()


class _Reader:
    """Goes through the lines of one mail once and keeps those of the customer."""

    def __init__(self, lines: list[str], thread: Thread, forwarded: bool, marks: Mapping[int, Mark]) -> None:
        self._lines, self._thread, self._forwarded, self._marks = lines, thread, forwarded, marks
        self._kept = KeptWords(thread)
        self._index = 0
        #: A quote was found: further marked lines are likely of it, too. `_attributed`: its attribution stands right above.
        self._quoting = self._attributed = False
        #: How many lines stand above the first quote.
        self._first_quote = 0
        #: How many blocks and attributions are still looked for: no person's mail has more, and each costs.
        self._looks_left = _MOST_LOOKS
        #: Lines before this one were read as a header block, and are none.
        self._no_block_before = 0

    def words(self) -> str:
        """Returns what the customer wrote now; '' when nothing is left."""
        lines, kept = self._lines, self._kept
        while self._index < len(lines):
            line = lines[self._index]
            bare = line.strip()
            if not bare:
                kept.end_paragraph()
                self._index += 1
            elif self._marks and self._index in self._marks and self._take_at_mark(self._marks[self._index]):
                continue
            elif bare[0] in _QUOTES_BEGIN and quoted_block.is_quoted(line):
                if not (attribution.goes_on_behind_bracket(bare) and self._take_attribution()):
                    self._take_quoted()
            elif _is_plain(line, bare) or not self._take_marked(line, bare):
                kept.lines.append(line)
                self._attributed = False
                self._index += 1
        kept.close()
        if self._quoting and len(kept.lines) <= self._first_quote and kept.speak_of_inline_answers():
            return ""  # they stand in the lines that were taken for a quote
        return "\n".join(kept.lines).strip()

    def _take_marked(self, line: str, bare: str) -> bool:
        """Takes a line that is none of the customer's words, and what belongs to it; returns false for any other line."""
        first, last = bare[0], bare[-1]
        if first in signature.DRAWN and signature.is_drawn(bare):
            self._kept.drawn.append(len(self._kept.lines))
        drawn = first in _RULES_BEGIN
        if (drawn or last in ":：") and _is_forwarded(bare):
            self._keep_rest()
            return True
        if drawn and (rule := header_block.rule_of(bare)) and self._take_rule(rule):
            return True
        if (":" in line[:_LABEL_WITHIN] or "：" in line[:_LABEL_WITHIN]) and self._take_block(self._index, None):
            return True
        if ":  " in line and not self._marks and self._thread.answers and self._splits_attribution(line):
            return self._take_attribution()
        if last in _ATTRIBUTIONS_END and attribution.ends_attribution(bare) and self._take_attribution():
            return True
        if first in "[<" and app_lines.is_picture(bare):
            self._index += 1
            return True
        return False

    def _take_rule(self, rule: Rule) -> bool:
        following = self._next_words(self._index + 1, 2)
        if following is None:
            return False
        if rule.original and quoted_block.is_quoted(self._lines[following]):
            self._begin_quote(self._index + 1)
            return True
        return self._take_block(following, rule)

    def _take_block(self, at: int, rule: Rule | None) -> bool:
        """Takes a header block at a line, with the rule above it, if it is one and ends the reply or begins a quote."""
        lines, original = self._lines, rule is not None and rule.original
        if at < self._no_block_before or not (original or lines[at][:1] == "|" or header_block.is_label(lines[at])):
            return False
        if not self._may_look():
            return False
        block = header_block.read_block(lines, at, bare=original)
        if not block.is_one():
            self._no_block_before = max(block.end, at + 1)
            return False
        if self._forwarded and not (lines[at].lower().startswith(_FINNISH) and is_finnish_answer(self._thread.subject)):
            self._keep_rest()
            return True
        below = self._next_words(block.end, _LOOKED_AHEAD)
        if below is not None and quoted_block.is_quoted(lines[below]):
            self._begin_quote(block.end)
        elif not (
            header_block.ends_reply(block, lines, rule, self._thread)
            and self._end_reply(foreign=header_block.is_foreign(block, self._thread))
        ):
            self._keep_until(block.end)
        return True

    def _splits_attribution(self, line: str) -> bool:
        """Puts the quoted words below an attribution that they stand behind, as Yahoo's app writes them."""
        at = line.index(":  ") + 1
        found = attribution.ending_at([line[:at]], 0) if "@" in line[:at] and self._may_look() else None
        if found is None or not found.is_complete():
            return False
        self._lines[self._index : self._index + 1] = [line[:at], line[at:].strip()]
        return True

    def _take_attribution(self) -> bool:
        found = attribution.ending_at(self._lines, self._index) if self._may_look() else None
        if found is None:
            return False
        kept, wrapped = self._kept, found.lines - 1
        if wrapped and kept.lines[-wrapped:] != self._lines[self._index - wrapped : self._index]:
            return False
        below = self._next_words(self._index + 1, _LOOKED_AHEAD)
        quoted = below is not None and quoted_block.is_quoted(self._lines[below])
        if not quoted and (self._forwarded or self._thread.answers is False or not found.is_complete()):
            return False  # a first mail tells of another
        if quoted and self._forwarded and not is_finnish_answer(self._thread.subject):
            self._keep_rest()
            return True
        held = kept.lines[len(kept.lines) - wrapped :]
        del kept.lines[len(kept.lines) - wrapped :]
        if quoted:
            kept.drop_rules(original=True)
            self._begin_quote(self._index + 1)
            return True
        if (kept.are_apart() or self._thread.answers) and self._end_reply():
            return True
        kept.lines += held
        return False

    def _take_quoted(self) -> None:
        """Takes a block of lines with `>`: drops it as a quote or keeps it as the customer's own."""
        lines, begin = self._lines, self._index
        end = begin + 1
        while (
            end < len(lines)
            and (lines[end][:1] == ">" or quoted_block.is_quoted(lines[end]))
            and end not in self._marks
        ):
            end += 1
        if self._is_quote(lines[begin:end], begin):
            self._begin_quote(end)
            self._attributed = False
        else:
            self._keep_until(end)

    def _is_quote(self, block: list[str], begin: int) -> bool:
        if self._attributed or self._marks.get(begin) is Mark.QUOTE:
            return True
        apart = self._kept.are_apart()
        above = next((line for line in reversed(self._kept.lines[-2:]) if line), "")
        if above and above.rstrip()[-1] in ":：" and not header_block.greets(above):
            return False  # "I did this:"
        shows = quoted_block.shows_mailer(block, apart=apart or self._quoting)
        if self._quoting:
            return apart or shows
        return shows or (block[0].lstrip()[0] == "＞" and bool(self._thread.answers) and self._kept.only_greet())

    def _take_at_mark(self, mark: Mark) -> bool:
        """Takes what a mailer's own mark says; returns false when the line is to be read as any other."""
        if mark is Mark.ATTRIBUTION:
            for number in range(self._index, min(self._index + _MOST_ATTRIBUTED, len(self._lines))):
                if _is_forwarded(self._lines[number].strip()):
                    return False
                if number > self._index and quoted_block.is_quoted(self._lines[number]):
                    self._begin_quote(number)
                    return True
        elif mark in (Mark.MAIL, Mark.BORDER):
            if self._take_block(self._index, Rule(3, original=False)):
                return True
            certain = mark is Mark.MAIL or header_block.resembles_block(self._lines, self._index)
            return certain and bool(self._thread.answers) and not self._forwarded and self._end_reply()
        elif mark is Mark.SIGNATURE:
            last = next(
                (number for number in range(len(self._kept.lines) - 1, -1, -1) if self._kept.lines[number]), None
            )
            if last is not None and signature.is_delimiter(self._kept.lines[last]):
                self._kept.lines[last] = "-- "
        return False

    def _begin_quote(self, index: int) -> None:
        self._kept.close_before_quote()
        if not self._quoting:
            self._first_quote = len(self._kept.lines)
        self._quoting = self._attributed = True
        self._index = index

    def _end_reply(self, *, foreign: bool = False) -> bool:
        """Ends the words here, unless that is doubtful; `foreign`: what is below belongs to another conversation."""
        kept = self._kept
        held, drawn = list(kept.lines), list(kept.drawn)
        kept.drop_rules(original=False)
        kept.drop_address()
        kept.close()
        if kept.may_introduce(foreign=foreign):
            kept.lines, kept.drawn = held, drawn
            return False
        self._index = len(self._lines)
        return True

    def _keep_until(self, end: int) -> None:
        self._kept.lines += self._lines[self._index : end]
        self._index = end
        self._attributed = False

    def _keep_rest(self) -> None:
        self._keep_until(len(self._lines))
        self._kept.floor = len(self._kept.lines)

    def _may_look(self) -> bool:
        self._looks_left -= 1
        return self._looks_left >= 0

    def _next_words(self, index: int, within: int) -> int | None:
        """Returns the index of the next line with words, among the next few."""
        for number in range(index, min(index + within, len(self._lines))):
            if not self._lines[number].isspace() and self._lines[number]:
                return number
        return None


def _is_forwarded(bare: str) -> bool:
    """Returns true for the line above a forwarded mail."""
    if len(bare) > 200:
        return False
    if bare[-1:] in (":", "："):
        return bare[:-1].strip(" *\u00a0").lower() in _FORWARDED
    return _FORWARDED_DRAWN.match(bare) is not None


def _is_plain(line: str, bare: str) -> bool:
    """Returns true for most lines: nothing in them is of a mailer."""
    return (
        bare[0].isalnum()
        and bare[-1] not in _ATTRIBUTIONS_END
        and ":" not in line[:_LABEL_WITHIN]
        and "：" not in line[:_LABEL_WITHIN]
    )


def _without_armour(text: str) -> str:
    """Returns the text without the lines that PGP puts around it, its signature and keys."""
    before, begins, rest = text.partition("-----BEGIN PGP SIGNED MESSAGE-----\n")
    if begins:
        words, signed, rest = rest.partition("\n\n")[2].partition("-----BEGIN PGP SIGNATURE-----")
        after = rest.partition("-----END PGP SIGNATURE-----")[2]
        if signed:
            text = before + words.replace("\n- ", "\n").removeprefix("- ") + after
    before, begins, rest = text.partition("-----BEGIN PGP PUBLIC KEY BLOCK-----")
    return before + rest.partition("-----END PGP PUBLIC KEY BLOCK-----")[2] if begins else text
