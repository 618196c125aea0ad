"""The survey as web pages: in the customer's language with English beneath, without a script.

Every page of a form posts to where it is, so that it works behind any prefix.
"""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

from producers.channels.survey import HIGHEST_CES, HIGHEST_CSAT, LONGEST_COMMENT
from producers.sources.http.html import document

__all__ = ["MORE", "question_page", "sorry_page", "thanks_page", "told_page"]

#: Where the thank-you page posts to, beside the page itself.
MORE = "more"

#: text → en, zh-Hans, zh-Hant, ja
_TEXTS: dict[str, tuple[str, str, str, str]] = {
    "title": ("How did we do?", "您对我们的服务满意吗？", "您對我們的服務滿意嗎？", "サポートはいかがでしたか？"),
    "intro": (
        "Two questions about your request {ticket}. Nothing is sent until you press the button.",
        "关于您的请求 {ticket} 的两个问题。按下按钮之前不会提交任何内容。",
        "關於您的請求 {ticket} 的兩個問題。按下按鈕之前不會送出任何內容。",
        "お問い合わせ {ticket} について 2 つお聞きします。ボタンを押すまで何も送信されません。",
    ),
    "csat": (
        "How satisfied are you with our help?",
        "您对我们的帮助满意吗？",
        "您對我們的協助滿意嗎？",
        "サポートにどのくらい満足されましたか？",
    ),
    "csat1": ("Very dissatisfied", "非常不满意", "非常不滿意", "とても不満"),
    "csat2": ("Dissatisfied", "不满意", "不滿意", "不満"),
    "csat3": ("Neither", "一般", "普通", "どちらでもない"),
    "csat4": ("Satisfied", "满意", "滿意", "満足"),
    "csat5": ("Very satisfied", "非常满意", "非常滿意", "とても満足"),
    "ces": (
        "It was easy to get my request handled.",
        "我的请求很容易就得到了处理。",
        "我的請求很容易就獲得處理。",
        "問い合わせは簡単に解決できた。",
    ),
    "ces_scale": (
        "1 = strongly disagree, 7 = strongly agree",
        "1 = 非常不同意，7 = 非常同意",
        "1 = 非常不同意，7 = 非常同意",
        "1 = まったくそう思わない、7 = とてもそう思う",
    ),
    "comment": (
        "Anything you would like to add? (optional)",
        "您还有什么想告诉我们的吗？（选填）",
        "您還有什麼想告訴我們的嗎？（選填）",
        "そのほかご意見がありましたらお書きください（任意）",
    ),
    "send": ("Send my answer", "提交我的回答", "送出我的回答", "回答を送信する"),
    "thanks": ("Thank you", "谢谢您", "謝謝您", "ありがとうございました"),
    "thanked": (
        "Your answer has been saved. A person reads it.",
        "您的回答已保存，会由专人阅读。",
        "您的回答已儲存，會由專人閱讀。",
        "ご回答を受け付けました。担当者が拝見します。",
    ),
    "again": ("Change my answer", "修改我的回答", "修改我的回答", "回答を変更する"),
    "went_wrong": (
        "We are sorry that we let you down. What went wrong?",
        "很抱歉让您失望了。哪里出了问题？",
        "很抱歉讓您失望了。哪裡出了問題？",
        "ご期待に沿えず申し訳ありません。何が問題でしたか？",
    ),
    "tell": ("Tell us", "告诉我们", "告訴我們", "送信する"),
    "told": (
        "Thank you for telling us. A person will look into it.",
        "谢谢您告诉我们，会有专人跟进。",
        "謝謝您告訴我們，會有專人跟進。",
        "お知らせいただきありがとうございます。担当者が確認いたします。",
    ),
    "look_again": ("Please look at this again:", "请再检查一下：", "請再檢查一下：", "もう一度ご確認ください："),
    "needed_csat": (
        "Please choose a number for at least one question",
        "请至少为一个问题选择一个分数",
        "請至少為一個問題選擇一個分數",
        "少なくとも 1 つの質問で数字を選んでください",
    ),
    "needed_went_wrong": (
        "Please write something first",
        "请先填写内容",
        "請先填寫內容",
        "内容をお書きください",
    ),
    "out_of_range": (
        "Please choose one of the numbers",
        "请选择其中一个分数",
        "請選擇其中一個分數",
        "いずれかの数字を選んでください",
    ),
    "too_long": (
        f"Your text is too long: at most {LONGEST_COMMENT} characters",
        f"内容太长：最多 {LONGEST_COMMENT} 个字符",
        f"內容太長：最多 {LONGEST_COMMENT} 個字元",
        f"長すぎます（{LONGEST_COMMENT} 文字まで）",
    ),
    "unavailable": (
        "We cannot save your answer right now. It is still on this page: please press the button again in a minute.",
        "暂时无法保存您的回答。您填写的内容还在本页上：请一分钟后再按一次按钮。",
        "暫時無法儲存您的回答。您填寫的內容還在本頁上：請一分鐘後再按一次按鈕。",
        "ただいま回答を保存できません。内容はこのページに残っています。1 分後にもう一度ボタンを押してください。",
    ),
}
#: Why there is no survey: reason → what it says in the four languages.
_SORRY: dict[str, tuple[str, str, str, str]] = {
    "expired_link": (
        "This survey has ended. You can always answer our e-mail instead.",
        "本次调查已结束。您仍可直接回复我们的邮件。",
        "本次調查已結束。您仍可直接回覆我們的郵件。",
        "このアンケートは終了しました。ご意見はメールへの返信でもお送りいただけます。",
    ),
    "forged_link": (
        "This link is not valid. Please open it from our message again.",
        "此链接无效。请从我们的邮件中重新打开。",
        "此連結無效。請從我們的郵件中重新開啟。",
        "このリンクは無効です。お送りしたメッセージからもう一度開いてください。",
    ),
    "garbled_link": (
        "This link is not complete. Please open it from our message again, or copy all of it.",
        "此链接不完整。请从我们的邮件中重新打开，或复制完整链接。",
        "此連結不完整。請從我們的郵件中重新開啟，或複製完整連結。",
        "リンクが途中で切れています。お送りしたメッセージからもう一度開くか、全体をコピーしてください。",
    ),
    "no_secret_configured": (
        "There is no survey here at the moment.",
        "目前这里没有调查。",
        "目前這裡沒有調查。",
        "現在、アンケートはありません。",
    ),
    "rate_limited": (
        "Too many requests came from your network. Please try again in a minute.",
        "来自您的网络的请求过多。请一分钟后再试。",
        "來自您的網路的請求過多。請一分鐘後再試。",
        "アクセスが集中しています。1 分後にもう一度お試しください。",
    ),
    "": (
        "We could not read that. Please open the link from our message again.",
        "我们无法读取您提交的内容。请从我们的邮件中重新打开链接。",
        "我們無法讀取您送出的內容。請從我們的郵件中重新開啟連結。",
        "内容を読み取れませんでした。お送りしたメッセージからリンクをもう一度開いてください。",
    ),
}
_PLACE = {"en": 0, "zh-Hans": 1, "zh-Hant": 2, "ja": 3}


def question_page(
    locale: str,
    ticket: str,
    token: str,
    values: Mapping[str, str],
    problems: Mapping[str, str] | None = None,
    *,
    unavailable: bool = False,
) -> str:
    """The questions; `values` are chosen and typed already, `problems` maps a field to its word of `channels.survey`."""
    problems = problems or {}
    wrongs = {name: _wrong(name, word) for name, word in problems.items()}
    body = f"""<h1>{_both(locale, "title")}</h1>{_alert(locale, wrongs, unavailable)}
<p>{_both(locale, "intro", ticket=ticket)}</p>
<form method="post">
{_fieldset(locale, "csat", _csat_choices(locale, values.get("csat", "")), wrongs)}
{_fieldset(locale, "ces", _ces_choices(locale, values.get("ces", "")), wrongs)}
{_area(locale, "comment", values.get("comment", ""), wrongs)}
<input type="hidden" name="page" value="{escape(token)}">
<button>{_both(locale, "send")}</button>
</form>"""
    return _page(locale, "title", body)


def thanks_page(
    locale: str,
    token: str = "",
    values: Mapping[str, str] | None = None,
    problems: Mapping[str, str] | None = None,
    *,
    action: str = "",
    again: str = "",
    unavailable: bool = False,
) -> str:
    """After a vote; with the `token` of a low one, the question what went wrong, which posts to `action`.

    `again` is where the survey is, for who changes their mind.
    """
    wrongs = {name: _wrong(name, word) for name, word in (problems or {}).items()}
    ask = ""
    if token:
        where = f' action="{escape(action)}"' if action else ""
        ask = f"""<form method="post"{where}>
{_area(locale, "went_wrong", (values or {}).get("went_wrong", ""), wrongs, needed=True)}
<input type="hidden" name="vote" value="{escape(token)}">
<button>{_both(locale, "tell")}</button>
</form>"""
    change = f'<p><a href="{escape(again)}">{_both(locale, "again")}</a></p>' if again else ""
    body = f"""<h1>{_both(locale, "thanks")}</h1>{_alert(locale, wrongs, unavailable)}
<p>{_both(locale, "thanked")}</p>{ask}{change}"""
    return _page(locale, "thanks", body)


def told_page(locale: str) -> str:
    """After what went wrong was said."""
    return _page(locale, "thanks", f"<h1>{_both(locale, 'thanks')}</h1><p>{_both(locale, 'told')}</p>")


def sorry_page(locale: str, reason: str) -> str:
    """Why there is no survey to answer."""
    text = _in(locale, _SORRY.get(reason, _SORRY[""]))
    return _page(locale, "title", f'<h1>{_both(locale, "title")}</h1><p role="alert">{text}</p>')


def _page(locale: str, title: str, body: str) -> str:
    return document(_TEXTS[title][_PLACE[locale]], body, locale=locale)


def _both(locale: str, name: str, **values: str) -> str:
    return _in(locale, tuple(text.format(**values) if values else text for text in _TEXTS[name]))


def _in(locale: str, texts: tuple[str, ...]) -> str:
    """HTML: the customer's language, and English beneath."""
    english = escape(texts[0])
    if locale == "en":
        return english
    return f'{escape(texts[_PLACE[locale]])} <span class="en" lang="en">{english}</span>'


def _wrong(name: str, word: str) -> str:
    """The name of the text that says it."""
    return f"{word}_{name}" if word == "needed" else word


def _alert(locale: str, wrongs: Mapping[str, str], unavailable: bool) -> str:
    if unavailable:
        return f'<div role="alert" class="wrong"><p>{_both(locale, "unavailable")}</p></div>'
    if not wrongs:
        return ""
    items = "".join(f'<li><a href="#{_first(name)}">{_both(locale, text)}</a></li>' for name, text in wrongs.items())
    return f'<div role="alert" class="wrong"><p>{_both(locale, "look_again")}</p><ul>{items}</ul></div>'


def _first(name: str) -> str:
    """The id of the first control of a field: where the keyboard should be."""
    return f"{name}-1" if name in ("csat", "ces") else name


def _csat_choices(locale: str, chosen: str) -> str:
    return "".join(
        _choice("csat", str(score), chosen, f"{score} – {_both(locale, f'csat{score}')}")
        for score in range(1, HIGHEST_CSAT + 1)
    )


def _ces_choices(locale: str, chosen: str) -> str:
    choices = "".join(_choice("ces", str(score), chosen, str(score)) for score in range(1, HIGHEST_CES + 1))
    return f'{choices}<p id="ces-scale"><small>{_both(locale, "ces_scale")}</small></p>'


def _choice(name: str, score: str, chosen: str, label: str) -> str:
    checked = " checked" if score == chosen else ""
    field = f'<input type="radio" id="{name}-{score}" name="{name}" value="{score}"{checked}>'
    return f'<label for="{name}-{score}">{field}{label}</label>'


def _fieldset(locale: str, name: str, choices: str, wrongs: Mapping[str, str]) -> str:
    told = [f"{name}-scale"] if name == "ces" else []
    told += [f"{name}-wrong"] if name in wrongs else []
    about = f' aria-describedby="{" ".join(told)}"' if told else ""
    row = ' class="row"' if name == "ces" else ""
    wrong = _wrong_note(locale, name, wrongs)
    return f"<fieldset{row}{about}><legend>{_both(locale, name)}</legend>{wrong}{choices}</fieldset>"


def _area(locale: str, name: str, value: str, wrongs: Mapping[str, str], *, needed: bool = False) -> str:
    told = f' aria-invalid="true" aria-describedby="{name}-wrong"' if name in wrongs else ""
    return (
        f'<label for="{name}">{_both(locale, name)}</label>{_wrong_note(locale, name, wrongs)}'
        f'<textarea id="{name}" name="{name}" rows="5" dir="auto" maxlength="{LONGEST_COMMENT}"{" required" if needed else ""}'
        f"{told}>\n{escape(value)}</textarea>"
    )


def _wrong_note(locale: str, name: str, wrongs: Mapping[str, str]) -> str:
    return f'<span id="{name}-wrong" class="wrong">{_both(locale, wrongs[name])}</span>' if name in wrongs else ""
