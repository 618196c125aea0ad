"""What the contact form says, in the languages that we answer in: en, zh-Hans, zh-Hant, ja."""

from __future__ import annotations

__all__ = ["FIELD_NAMES", "LANGUAGES", "say"]

_PLACE = {"en": 0, "zh-Hans": 1, "zh-Hant": 2, "ja": 3}
#: What each language calls itself.
LANGUAGES = {"en": "English", "zh-Hans": "简体中文", "zh-Hant": "繁體中文", "ja": "日本語"}
#: What each field is called.
FIELD_NAMES: dict[str, tuple[str, str, str, str]] = {
    "name": ("Your name", "您的姓名", "您的姓名", "お名前"),
    "email": ("Your e-mail address", "您的电子邮箱", "您的電子郵件", "メールアドレス"),
    "subject": ("Subject", "主题", "主旨", "件名"),
    "order_number": ("Order number", "订单号", "訂單編號", "ご注文番号"),
    "message": ("Your message", "您的留言", "您的訊息", "お問い合わせ内容"),
    "time_zone": ("Time zone", "时区", "時區", "タイムゾーン"),
    "form": ("Your message", "您的留言", "您的訊息", "お問い合わせ"),
}
_TEXTS: dict[str, tuple[str, str, str, str]] = {
    "title": ("Contact us", "联系我们", "聯絡我們", "お問い合わせ"),
    "heading": ("How can we help?", "有什么可以帮您？", "有什麼可以幫您？", "どのようなご用件でしょうか？"),
    "needed_mark": ("(needed)", "（必填）", "（必填）", "（必須）"),
    "leave_empty": ("Leave this empty", "请留空", "請留空", "入力しないでください"),
    "languages": ("In another language", "其他语言", "其他語言", "ほかの言語"),
    "send": ("Send", "发送", "送出", "送信する"),
    "look_again": ("Please look at this again:", "请再检查一下：", "請再檢查一下：", "もう一度ご確認ください："),
    "needed": ("is needed", "为必填项", "為必填欄位", "を入力してください"),
    "address": (
        "is not an e-mail address such as ann@example.org",
        "不是有效的邮箱地址，例如 ann@example.org",
        "不是有效的電子郵件地址，例如 ann@example.org",
        "が正しい形式ではありません（例：ann@example.org）",
    ),
    "too_long": ("is too long", "太长", "太長", "が長すぎます"),
    "time_zone": ("is not known", "无法识别", "無法辨識", "が不明です"),
    "not_text": ("must be text", "必须是文字", "必須是文字", "は文字で入力してください"),
    "unavailable": (
        "We cannot store your message right now. It is still on this page: please send it again in a minute.",
        "暂时无法保存您的留言。内容还在本页上：请一分钟后再次发送。",
        "暫時無法儲存您的訊息。內容還在本頁上：請一分鐘後再次送出。",
        "ただいまお問い合わせを受け付けられません。内容はこのページに残っています。1 分後にもう一度送信してください。",
    ),
    "thanks": ("Thank you", "谢谢您", "謝謝您", "ありがとうございます"),
    "have_it": (
        "Thank you, we have your message",
        "谢谢您，我们已收到您的留言",
        "謝謝您，我們已收到您的訊息",
        "お問い合わせを受け付けました",
    ),
    "mailed": (
        "You will find an acknowledgement in your mailbox within a minute.",
        "一分钟内您会在邮箱中收到确认邮件。",
        "一分鐘內您會在信箱中收到確認信。",
        "1 分以内に確認メールをお送りします。",
    ),
    "number": ("Your ticket number starts with", "您的工单号开头为", "您的案件編號開頭為", "受付番号の先頭："),
    "another": ("Write another message", "再写一条留言", "再寫一則訊息", "別のお問い合わせをする"),
}


def say(locale: str, name: str) -> str:
    """The text of that name, or the name of a field, in one of our locales."""
    return (_TEXTS.get(name) or FIELD_NAMES[name])[_PLACE[locale]]
