"""Finds the customer's new words in a plain text: without quoted mail, attribution lines and signature.

One pass over the lines, always linear in their number, for English, Chinese and Japanese mailers.
Lines quoted with `>` are dropped wherever they stand, so an answer between quotes survives; a block of mail headers
(`From: ... Sent: ...`) or an "original message" line ends the reply, and what mailers put between the words and that
line goes as well. A forwarded mail is kept: it is the content.
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
    r"^\s*(?:[-_=－—]{2,}\s*(?:(?:original )?forwarded message|转发的?(?:邮件|信息)(?:信息)?"
    r"|轉寄的?(?:郵件|訊息)(?:訊息)?|轉發的?(?:郵件|訊息)|転送(?:された)?(?:メッセージ|メール))\s*[-_=－—]*|begin forwarded message:)\s*$",
    re.IGNORECASE,
)
_HEADER_LINE = re.compile(
    r"^[\s*]*(?:from|sent|to|cc|subject|date|发件人|發件人|寄件者|寄件人|差出人|送信者|发送时间|發送時間|寄件日期|发送日期"
    r"|日期|日付|送信日時|日時|收件人|收件者|宛先|抄送|副本|主[\s\u3000]*题|主題|主旨|件名)[\s*]*[:：]",
    re.IGNORECASE,
)
_HEADER_FIRST = re.compile(r"^[\s*]*(?:from|发件人|發件人|寄件者|寄件人|差出人|送信者)[\s*]*[:：]", re.IGNORECASE)
#: Lines that apps add on their own: "Sent from my phone". Their links are taken off before.
_SENT_FROM = re.compile(
    r"^\s*(?:sent from (?:my|outlook|yahoo|mail for|proton|samsung|gmail|the)\b.{0,60}|sent (?:via|with) .{0,40}"
    r"|get outlook for .{0,30}|(?:发|發|寄|传送|傳送|发送|發送)自.{0,30}|来自我的.{0,30}"
    r"|[从從](?:我的)?.{0,30}(?:发送|傳送|發送)|来自 ?.{0,10}邮箱.{0,10}|(?:获取|取得|獲取|下載).{0,20}outlook.{0,20}"
    r"|(?:.{0,20}用 ?)?outlook.{0,20}(?:を入手|を取得|をダウンロード).{0,10}|.{0,30}から送信(?:されました)?。?"
    r"|签名由.{0,20}定制)\s*$",
    re.IGNORECASE,
)
_LINK = re.compile(r"\s*[<(\[]https?://[^<>\s]{0,300}[>)\]]\s*")
#: Placeholders of pictures in plain text.
_PICTURE = re.compile(r"^\s*(?:\[(?:cid|image):[^\[\]]{0,200}\]|<image\d{1,4}\.\w{2,4}>)\s*$", re.IGNORECASE)
_DECORATION = re.compile(r"^\s*[-=_*~#+━─═＝－＿＊～・…◆◇■□☆★┏┓┗┛]{8,}\s*$")
_CONTACT = re.compile(
    r"@|＠|〒|https?:|www\.|\b(?:tel|fax|phone|mobile|e-?mail|url)\b|電話|携帯|电话|手机|手機|株式会社|公司",
    re.IGNORECASE,
)
_CARD_EDGE = re.compile(r"^\s*+\|[\s|]*+$")
_LONGEST_BLOCK = 14
_SIGNATURE = re.compile(r"^(?:--|—|－－|ーー)\s*$")
_ADDRESS = re.compile(r"[<(\[]?[^\s<>@]{1,64}@[^\s<>@]{1,255}[>)\]]?")
_QUOTE_MARKS = (">", "＞", "&gt;", "|>")


def newest_part(text: str, *, forwarded: bool = False) -> str:
    """Returns the new words of a mail, stripped, one empty line between paragraphs.

    All of it, stripped, when nothing else would be left. Of a `forwarded` mail (its subject says so) everything from
    the first block of mail headers on is kept.
    """
    readable = _without_armour(text) if "-----BEGIN PGP" in text else text
    lines = readable.split("\n")
    kept: list[str] = []
    index = 0
    while index < len(lines):
        line = lines[index]
        if not line or line.isspace():
            if kept and kept[-1]:
                kept.append("")
            index += 1
            continue
        if _is_quoted(line):
            index += 1
            continue
        if _may_mark(line):
            if _FORWARDED.match(line):
                kept.extend(lines[index:])
                break
            if _ends_reply(lines, index, kept):
                if forwarded and not _SIGNATURE.match(line):
                    kept.extend(lines[index:])
                else:
                    _drop_what_mailers_add(kept)
                break
            attribution, cuts = _attribution(lines, index)
            if cuts:
                break
            if attribution:
                index += attribution
                continue
            if _is_added_by_an_app(line):
                _drop_card(kept)
                index += 1
                continue
        kept.append(line)
        index += 1
    _drop_signature_block(kept)
    newest = "\n".join(kept).strip()
    return newest or readable.strip()


#: Characters that every mark (attribution, separator, app line) has: most lines hold none and are skipped.
_MARKS = re.compile(
    r"[-_=－—ー:：]|sent|get |outlook|自|送|发|傳|获取|取得|獲取|下載|定制|\[cid|\[image|<image|来自", re.IGNORECASE
)


def _may_mark(line: str) -> bool:
    return _MARKS.search(line[:400]) is not None or _ATTRIBUTION_START.match(line) is not None


def _is_added_by_an_app(line: str) -> bool:
    if len(line) > 400:
        return False
    if "http" in line:
        line = _LINK.sub(" ", line)
    return len(line) <= 100 and bool(_SENT_FROM.match(line) or _PICTURE.match(line))


def _drop_card(kept: list[str]) -> None:
    """Removes the table of bars that a mobile app draws around name and address, above its own line."""
    while kept and not kept[-1]:
        kept.pop()
    if not (kept and _CARD_EDGE.match(kept[-1])):
        return
    first = max(len(kept) - _LONGEST_BLOCK, 0)
    for index in range(first, len(kept)):
        if _CARD_EDGE.match(kept[index]):
            del kept[index:]
            return


def _drop_what_mailers_add(kept: list[str]) -> None:
    """Removes a ruled line, or the writer's own address, right above the quoted mail."""
    while kept and (not kept[-1] or _DECORATION.match(kept[-1])):
        kept.pop()
    if len(kept) > 2 and not kept[-2] and _ADDRESS.fullmatch(kept[-1].strip()):
        kept.pop()


def _drop_signature_block(kept: list[str]) -> None:
    """Removes a block at the end below a ruled line with contact data in it, as Japanese mail has it."""
    while kept and not kept[-1]:
        kept.pop()
    if len(kept) < 3:
        return
    framed = _DECORATION.match(kept[-1]) is not None
    last = len(kept) - 1 if framed else len(kept)
    for index in range(last - 1, max(last - _LONGEST_BLOCK, 0), -1):
        if _DECORATION.match(kept[index]):
            contacts = sum(_CONTACT.search(line[:200]) is not None for line in kept[index + 1 : last])
            if contacts >= (1 if framed else 2):
                del kept[index:]
            return


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


def _is_quoted(line: str) -> bool:
    return line.lstrip()[:4].startswith(_QUOTE_MARKS) if line else False


def _ends_reply(lines: list[str], index: int, kept: list[str]) -> bool:
    line = lines[index]
    if len(line) > 400:
        return False
    if "&nbsp;" in line:  # a mailer's own mistake: markup in its plain text
        line = line.replace("&nbsp;", " ")
    if _SIGNATURE.match(line) or _SEPARATOR.match(line):
        return any(kept[-20:])
    if _HEADER_FIRST.match(line):
        following = [later for later in lines[index + 1 : index + 8] if later.strip()][:4]
        return sum(bool(_HEADER_LINE.match(later[:200])) for later in following) >= 2
    return False


def _attribution(lines: list[str], index: int) -> tuple[int, bool]:
    """Returns the number of lines of an attribution at `index` (0: there is none), and if it ends the reply.

    A quote or the end must follow: otherwise "On Monday she wrote:" is the customer's own sentence. An attribution with
    an address needs none, because some mailers quote without marks.
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
    if ("写" in line or "寫" in line) and line.rstrip()[-1] in ":：":
        return bool(_CHINESE_ATTRIBUTION.search(line) or _ATTRIBUTION_START.match(line))
    return bool(_ATTRIBUTION_START.match(line))


def _quote_follows(lines: list[str], index: int) -> bool:
    for line in lines[index : index + 4]:
        if line.strip():
            return _is_quoted(line)
    return index >= len(lines) - 4
