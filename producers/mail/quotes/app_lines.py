"""Recognises the line that a phone or a mailer adds below the words: "Sent from my iPhone", "Get Outlook for iOS"."""

from __future__ import annotations

import re

from producers.mail.quotes.wording import any_of

__all__ = ["drop_card", "is_app_line", "is_picture"]

_DEVICES = any_of("""
ios|iphone|ipad|ipod|macbook|apple watch|apple mail|android|galaxy|samsung|huawei|honor|xiaomi|redmi|mi phone|poco|oppo|vivo|oneplus
realme
nokia|lumia|xperia|htc|motorola|moto|pixel|blackberry|windows phone|fairphone|zenfone|smartphone|smart phone|mobile|cell phone
cellphone|phone|tablet
handy|mobilgerät|mobiltelefon|android-mobiltelefon|téléphone|telephone|mobile orange|móvil|celular|teléfono|telemóvel|telefone
telefono|cellulare
telefoon|mobiel|telefon|telefonu|telefonem|komórki|телефон|телефона|смартфона|смартфон|мобильного|мобильной|mobil|matkapuhelin
puhelin|puhelimesta
outlook|yahoo mail|yahoo|iphon|gmail|mail for windows|windows|proton mail|protonmail|proton|tutanota|tuta|spark|bluemail|k-9 mail
fairemail|mail.ru|yandex
яндекс|почты|zoho mail|zoho|gmx|web.de|t-online|freenet|aol|thunderbird|em client|mailbird|airmail|edison|mymail|typeapp|libero mail
mail orange|wp poczta|e-mail app|mail app|mail-app|mobile mail|superhuman|fastmail|icloud mail|application mail
手机|手機|携帯|スマートフォン|スマホ|アプリ|邮箱|郵箱|邮件|郵件|飞书|钉钉|企业微信|华为|小米|苹果|盖乐世|三星|平板|휴대폰|스마트폰|아이폰|갤럭시
삼성|네이버|태블릿
""")
#: The line begins with it. A word like "from" belongs to it: "Sent the iPhone back" is a sentence.
_BEGINS = r"""
sent (?:from|via|using|with)|this (?:e-?mail|message) was sent (?:from|via|with|using)
|(?:diese (?:nachricht|e-?mail|mail) wurde )?(?:gesendet|geschickt|versendet|verschickt) (?:von|vom|mit|aus|über)
|(?:envoyé|envoyée|envoyé|envoyés) (?:de|depuis|à partir|avec|via|par|du)
|enviad[oa] (?:desde|do|da|de|con|com|a partir|pelo|pela|por|via|mediante|através)
|inviat[oa] (?:da|dal|dalla|dall|con|tramite|via)
|(?:verstuurd|verzonden|gestuurd) (?:vanaf|vanuit|met|via|door|van)
|wysłan[eoay] (?:z|ze|za pomocą|przez|w)
|отправлен[оа]? (?:с|из|через|при помощи|с помощью)
|skickat (?:från|via|med)|sendt (?:fra|via|med|med)
|lähetetty
|odesláno (?:z|ze|pomocí|přes|prostřednictvím)|odoslané (?:z|zo)
"""
#: The whole of it, around the device.
_DEVICE = rf"\W?{_DEVICES}"
_AROUND = r"[^.?!,;:。？！，；：\n]"
_TAIL = (
    r"(?:\s?[^\s.?!,;:。？！，；：]{1,15}){0,3}(?:,\san?\s[\w&\s-]{1,30}(?:phone|device|tablet)"
    r"|[\s,.–-]{1,4}(?:please\s)?(?:excuse|forgive)\s[\w\s,]{1,50})?"
)
_BEGINS_SENT = re.compile(
    rf"\W{{0,3}}(?:{_BEGINS.replace(chr(10), '').replace(' ', chr(92) + 's')})\b{_AROUND}{{0,40}}?{_DEVICE}{_TAIL}\W{{0,3}}$",
    re.IGNORECASE,
)
_GERMAN_TAIL = r"(?:\s?(?:(?-i:[A-ZÄÖÜ0-9])[\w.-]{0,20}|mit|der|dem|app|aus))"
#: "Sent" stands last: "Von meinem iPhone gesendet", "iPhoneから送信", "iPhone'umdan gönderildi".
_ENDS_SENT = re.compile(
    r"\W{0,3}(?:"
    rf"[从從](?:我的)?\s?{_DEVICE}{_AROUND}{{0,20}}(?:发送|傳送|發送|寄出|发出)"
    rf"|(?:发|發|寄|发送|發送|傳送|传送)自(?:我的)?{_AROUND}{{0,12}}?{_DEVICE}{_AROUND}{{0,20}}"
    rf"|来自(?:我的)?{_AROUND}{{0,12}}?{_DEVICE}{_AROUND}{{0,15}}|來自(?:我的)?{_AROUND}{{0,12}}?{_DEVICE}{_AROUND}{{0,15}}"
    r"|(?:von\smein\w{1,3}(?:/\w{1,9})?|mit\smein\w{1,3}|von|vom|diese\s(?:nachricht|e-?mail|mail)\swurde\s(?:von|mit))"
    rf"\s[^?!,;:\n]{{0,50}}?{_DEVICE}(?:-?{_GERMAN_TAIL}){{0,4}}\s(?:gesendet|geschickt|versendet|verschickt)"
    rf"|(?:私の)?[\w!\s・]{{0,10}}?{_DEVICE}{_AROUND}{{0,25}}から(?:送信|送信されました|送信しました)"
    rf"|(?:나의\s|내\s|제\s)?{_DEVICE}{_AROUND}{{0,25}}에서\s?(?:보냄|보냈습니다|보낸\s메일입니다|발송됨|전송됨)"
    rf"|{_DEVICE}{_AROUND}{{0,30}}\s?(?:gönderildi|gönderilmiştir|yollandı)"
    r"|provenance\s?:\scourrier\spour\swindows(?:\s\d{1,2})?"
    r"|签名由.{0,20}定制"
    r")\W{0,3}$",
    re.IGNORECASE,
)
_OUTLOOK = r"outlook(?:\smobile)?(?:\s?\w{0,12}\s?(?:ios|android|windows|mac)(?:\s?版)?)?"
_GET_OUTLOOK = re.compile(
    rf"\W{{0,3}}(?:(?:get|download|holen\ssie\ssich|télécharger|obtenez|obtenir|obtener|descargar|obtenga|obter|obtenha|baixar|scarica|ottieni|pobierz|pobierz\s(?:aplikację|program)"
    rf"|скачать|загрузить|получить|hämta|hent|skaff|skaff\sdeg|hanki|lataa|získat|získejte|stáhnout|stiahnuť|获取|下载|取得|下載)\s?(?:o\s|het\s|de\s)?(?:(?:ios|android)\s?版\s?)?outlook(?:\s[^\s.?!,;:。？！]{{1,15}}){{0,3}}"
    rf"|{_OUTLOOK}\s?(?:を入手|を取得|をダウンロード|downloaden(?:\svoor\s\w{2, 8})?|다운로드|받기|beziehen|indirin|edinin)(?:する|します)?"
    r"|(?:ios|android|windows)(?:용|\siçin)\soutlook\W{0,2}\w{0,3}\s(?:다운로드|받기|edinin|indirin|alın))\W{0,3}$",
    re.IGNORECASE,
)
#: What one of these lines has, so that most others need no further look.
_HINT = re.compile(
    r"^\W{0,3}(?:sent|this|prove|ios|diese|gesend|geschi|versen|versch|von|vom|mit|envoy|envia|invia|vers|verz|gestu|wysł|отпр|skick|sendt|lähe|odes|odos|get|down|holen|télé|obte|desc|obte|baix|scar|otti|pobi|скач|загр|полу"
    r"|hämt|hent|skaf|hank|lata|získ|stáh|stia)|送|发|發|寄|自|入手|取得|获取|下|定制|보|발송|전송|다운|받|gönder|yolla|indir|edin|alın|downloaden|beziehen",
    re.IGNORECASE,
)
_LINK = re.compile(r"\s*[<(\[]https?://[^<>\s]{0,300}[>)\]]\s*")
#: Placeholders of pictures in plain text.
_PICTURE = re.compile(r"^\s*(?:\[(?:cid|image):[^\[\]]{0,200}\]|<image\d{1,4}\.\w{2,4}>)\s*$", re.IGNORECASE)
_CARD_EDGE = re.compile(r"^\s*+\|[\s|]*+$")
_LONGEST, _LONGEST_CARD = 100, 14
#: Words of a sentence that no app writes.
_TOLD = frozenset(("but", "it", "is", "not", "was", "when", "aber", "ist", "nicht", "mais", "est", "pero"))


def is_app_line(line: str) -> bool:
    """Returns true for a line that an app adds, as a whole."""
    if len(line) > 400:
        return False
    if "http" in line:
        line = _LINK.sub(" ", line)
    line = line.strip().strip("*_")
    if not 5 <= len(line) <= _LONGEST:
        return False
    return (
        _HINT.search(line) is not None
        and bool(_BEGINS_SENT.match(line) or _ENDS_SENT.match(line) or _GET_OUTLOOK.match(line))
        and _TOLD.isdisjoint(line.lower().split())
    )


def is_picture(line: str) -> bool:
    """Returns true for the placeholder of a picture."""
    return len(line) <= 250 and _PICTURE.match(line) is not None


def drop_card(kept: list[str]) -> None:
    """Removes the table of bars that a mobile app draws around name and address, above its own line."""
    while kept and not kept[-1]:
        kept.pop()
    if not (kept and _CARD_EDGE.match(kept[-1])):
        return
    for index in range(max(len(kept) - _LONGEST_CARD, 0), len(kept)):
        if _CARD_EDGE.match(kept[index]):
            del kept[index:]
            return
