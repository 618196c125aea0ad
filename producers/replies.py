"""What the customer wrote now: quoted mail, attribution lines and signature taken off a plain text.

One pass over the lines, linear in their number whatever they hold, for English, Chinese and Japanese mailers.
Lines quoted with `>` are dropped wherever they stand, so an answer between quotes survives; a block of mail headers
(`From: ... Sent: ...`) or an "original message" line ends the reply. A forwarded mail is kept: it is the content.
"""

from __future__ import annotations

import re

__all__ = ["newest_part"]

_MAX_ATTRIBUTION_LINES = 4

#: The end of an attribution: "... wrote:".
_WROTE = re.compile(
    r"(?:wrote|writes|写道|寫道|写到|寫到|のメール|さんのメッセージ|さんは書きました|は書きました|escribió|a écrit|schrieb)"
    r"\s*[:：]\s*$|"
    r"^.{0,200}(?:<[^<>@\s]+@[^<>\s]+>|\[[^\[\]@\s]+@[^\[\]\s]+\])\s*[:：]\s*$",
    re.IGNORECASE,
)
#: Its beginning: "On Mon, 2 Mar 2026", "2026年3月2日", "在 2026-03-02", "Am 02.03.2026 um".
_ATTRIBUTION_START = re.compile(
    r"^\s*(?:On\s.{0,60}\d|At\s+\d|(?:在|于|於)\s*\d{4}|\d{4}\s*[年/.-]\s*\d{1,2}|\d{1,2}/\d{1,2}/\d{2,4}|(?:El|Le|Am)\s.{0,40}\d)",
    re.IGNORECASE,
)
#: "客服 <support@...> 於 2026年3月2日 寫道：": the name stands first.
_CHINESE_ATTRIBUTION = re.compile(r"(?:\d{4}|@).{0,120}(?:写道|寫道|写到|寫到)\s*[:：]\s*$")
_SEPARATOR = re.compile(
    r"^\s*(?:[-_=－—]{2,}\s*(?:original message|原始邮件|原始郵件|原邮件|原郵件|邮件原件|元のメッセージ|オリジナルメッセージ"
    r"|original appointment)\s*[-_=－—]{2,}|[_]{30,})\s*$",
    re.IGNORECASE,
)
_FORWARDED = re.compile(
    r"^\s*(?:[-_=－—]{2,}\s*(?:forwarded message|转发的?(?:邮件|信息)|轉寄的?(?:郵件|訊息)|轉發的?郵件"
    r"|転送(?:された)?メッセージ)\s*[-_=－—]*|begin forwarded message:)\s*$",
    re.IGNORECASE,
)
_HEADER_LINE = re.compile(
    r"^[\s*]*(?:from|sent|to|cc|subject|date|发件人|發件人|寄件者|寄件人|差出人|送信者|发送时间|發送時間|寄件日期|发送日期"
    r"|日期|送信日時|日時|收件人|收件者|宛先|抄送|副本|主题|主題|主旨|件名)[\s*]*[:：]",
    re.IGNORECASE,
)
_HEADER_FIRST = re.compile(r"^[\s*]*(?:from|发件人|發件人|寄件者|寄件人|差出人|送信者)[\s*]*[:：]", re.IGNORECASE)
_SENT_FROM = re.compile(
    r"^\s*(?:sent from (?:my|outlook|yahoo|mail for|proton|samsung)\b.{0,60}|sent via .{0,40}|get outlook for .{0,30}"
    r"|发自我的.{0,30}|發自我的.{0,30}|從我的.{0,30}傳送|从我的.{0,30}发送|来自我的.{0,30}|.{0,20}iPhoneから送信|.{0,30}から送信"
    r"|發送自.{0,30}|发送自.{0,30})\s*$",
    re.IGNORECASE,
)
_SIGNATURE = re.compile(r"^(?:--|—|－－|ーー)\s*$")
_ADDRESS = re.compile(r"[<(\[]?[^\s<>@]{1,64}@[^\s<>@]{1,255}[>)\]]?")
_QUOTE_MARKS = (">", "＞", "&gt;", "|>")


def newest_part(text: str) -> str:
    """The new words of a mail, stripped; all of it, stripped, when nothing else would be left."""
    lines = text.split("\n")
    kept: list[str] = []
    index = 0
    while index < len(lines):
        line = lines[index]
        if not line or line.isspace():
            kept.append("")
            index += 1
            continue
        if _is_quoted(line):
            index += 1
            continue
        if _FORWARDED.match(line):
            kept.extend(lines[index:])
            break
        if _ends_reply(lines, index, kept):
            break
        attribution, cuts = _attribution(lines, index)
        if cuts:
            break
        if attribution:
            index += attribution
            continue
        if not _SENT_FROM.match(line) or len(line) > 100:
            kept.append(line)
        index += 1
    newest = "\n".join(kept).strip()
    return newest or text.strip()


def _is_quoted(line: str) -> bool:
    return line.lstrip()[:4].startswith(_QUOTE_MARKS) if line else False


def _ends_reply(lines: list[str], index: int, kept: list[str]) -> bool:
    line = lines[index]
    if len(line) > 400:
        return False
    if _SIGNATURE.match(line) or _SEPARATOR.match(line):
        return any(kept[-20:])
    if _HEADER_FIRST.match(line):
        following = [later for later in lines[index + 1 : index + 8] if later.strip()][:4]
        return sum(bool(_HEADER_LINE.match(later[:200])) for later in following) >= 2
    return False


def _attribution(lines: list[str], index: int) -> tuple[int, bool]:
    """How many lines from `index` on say who wrote what follows (0: none do), and whether that ends the reply.

    A quote must follow, or nothing at all: otherwise "On Monday she wrote:" is the customer's own sentence. Only with
    an address in it is it believed without, because some mailers quote without marks.
    """
    if not _starts_attribution(lines[index]):
        return 0, False
    for count in range(1, _MAX_ATTRIBUTION_LINES + 1):
        position = index + count - 1
        if position >= len(lines) or not lines[position].strip() or len(lines[position]) > 300:
            return 0, False
        if lines[position].rstrip()[-1:] in (":", "：") and _WROTE.search(lines[position][-220:]):
            if _quote_follows(lines, position + 1):
                return count, False
            return 0, any(_ADDRESS.search(line) for line in lines[index : position + 1])
    return 0, False


def _starts_attribution(line: str) -> bool:
    if len(line) > 300:
        return False
    if line[-1] in ":：" and ("写" in line or "寫" in line):
        return bool(_CHINESE_ATTRIBUTION.search(line) or _ATTRIBUTION_START.match(line))
    return bool(_ATTRIBUTION_START.match(line))


def _quote_follows(lines: list[str], index: int) -> bool:
    for line in lines[index : index + 4]:
        if line.strip():
            return _is_quoted(line)
    return index >= len(lines) - 4
