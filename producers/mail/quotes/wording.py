"""Holds the words that mailers put around quoted mail, by language, as data.

Every table is a text of words apart by `|`, one line per language, which `any_of` makes part of a regular expression. A
language is added by adding its words. Blanks in them stand for any space.
"""

from __future__ import annotations

import re

__all__ = [
    "FORWARDED", "FORWARD_PREFIXES", "GREETINGS", "LABELS", "ORIGINAL", "QUOTING", "REPLY_PREFIXES", "STARTS", "TOLD", "WROTE",
    "any_of", "any_word_of", "entries", "single_words", "words_without_blanks",
]  # fmt: skip

_CJK = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
_ALPHABETIC = r"[^\W\d_]"


def any_of(table: str) -> str:
    """Returns a group that matches any word of a table, the longest first."""
    return "(?:" + "|".join(map(_escaped, _words(table))) + ")"


def any_word_of(table: str, *, stems: bool = False) -> str:
    """Returns a group that matches any word of a table where a word stands; `stems` may go on.

    Chinese, Japanese and Korean put no blanks around them.
    """
    end = "" if stems else f"(?!{_ALPHABETIC})"
    apart = "|".join(_escaped(word) for word in _words(table) if not _CJK.search(word))
    joined = "|".join(_escaped(word) for word in _words(table) if _CJK.search(word))
    return f"(?:(?<!{_ALPHABETIC})(?:{apart}){end}" + (f"|{joined})" if joined else ")")


def entries(table: str) -> frozenset[str]:
    """Returns the entries of a table."""
    return frozenset(_words(table))


def single_words(table: str) -> frozenset[str]:
    """Returns the last word of each entry, in small letters."""
    return frozenset(word.casefold().split()[-1] for word in _words(table) if not _CJK.search(word))


def words_without_blanks(table: str) -> list[str]:
    """Returns the entries in Chinese, Japanese and Korean."""
    return [word for word in _words(table) if _CJK.search(word)]


def _words(table: str) -> list[str]:
    words = {word.strip() for line in table.split("\n") for word in line.split("|") if word.strip()}
    return sorted(words, key=lambda word: (-len(word), word))


def _escaped(word: str) -> str:
    return re.escape(word).replace(r"\ ", r"\s{1,3}")


#: "wrote": in, or at the end of, the line above a quote.
WROTE = """
wrote|writes
schrieb|geschrieben|schreibt|schrieben sie
a écrit|écrit
escribió|escribio|ha escrito
escreveu
ha scritto|scrisse|scrive
schreef|geschreven
napisał(a)|napisał|napisała|pisze|napisana|napisana przez
написал(а)|написал|написала|написав|пишет|писал
skrev|skriver
kirjoitti
napsal(a)|napsal|napsala|napísal|píše
yazdı|yazmış
작성|쓴 글|썼습니다|님이 쓴
さんは書きました|は書きました|のメール|のメッセージ|さんのメッセージ
写道|写到|寫道|寫到
đã viết|ha escrit|a scris|írta|ezt írta|έγραψε|написа|je napisao|כתב|كتب
"""

#: "Quoting Ann <ann@example.org>:"
QUOTING = """
quoting|zitat von|citando|citando a|citat från|citat fra|citerar|citazione di|citat|cytowanie|quotant|en réponse à
цитирую|lainaus|cituji|citeer|citeren van|인용
"""

#: Words that people use when they tell who wrote, and mailers do not.
TOLD = """
your|my|our|his|her|their|you|he|she|they|that|which|colleague|agent|driver|ihr|ihre|ihren|ihrer|ihrem|mein|meine|meinem|unser
unsere|kollege|kollegin|dass
votre|vos|notre|mes|nuestro|nuestra|que|seu|sua|meu|vostro|vostra|mio|nostro|che|uw|mijn|onze|dat|wasz|twój|mój|pana|ваш|ваша|мой
наш|который|что
ditt|min|vår|vores|deres|att|teidän|minun|váš|vaše|můj|sizin|benim
卖家|賣家|你们|您们|我的|あなた|貴社|御社|당신|귀사
"""

#: What a line above a quote begins with, before its date.
STARTS = """
on|at|in a message dated
am|in einer email vom|in einer e-mail vom
le|dans un e-mail daté du|dans un email daté du
el|en|en un mensaje con fecha
em|no dia|na|às|a|à
il|il giorno
op
w dniu|dnia|dniu
в
den
dne
vào|a les|pe|στις|u
在|于|於
"""

#: The labels of header blocks. "sent" are those of Outlook and its kin; "date" may be anybody's.
LABELS = {
    "from": """
from|von|de|da|van|od|nadawca|от|отправитель|från|avsändare|fra|afsender|avsender|lähettäjä|odesílatel|kimden|gönderen
보낸 사람|보낸사람|보낸이|발신|差出人|送信者|送信元|发件人|發件人|寄件者|寄件人
feladó|expéditeur|remitente|remetente|mittente|afzender|từ|ביצוע
""",
    "sent": """
sent|gesendet|envoyé|envoyé le|enviado|enviado el|enviada em|enviado em|enviada|inviato|verzonden|wysłano|wysłane|data wysłania
отправлено|дата отправки|skickat|sendt|lähetetty|odesláno|gönderildi|gönderim tarihi|gönderilme tarihi|보낸 날짜|보낸날짜
送信日時|发送时间|發送時間|寄件日期|发件时间|傳送時間|傳送日期|发送日期|發送日期|elküldve|trimis|đã gửi
""",
    "date": """
date|datum|fecha|data|дата|dato|päiväys|päivämäärä|pvm|päivä|tarih|날짜|日期|时间|時間|日付|日時|dátum|ngày
""",
    "to": """
to|an|à|a|para|aan|do|кому|получатель|till|til|vastaanottaja|komu|kime|alıcı|받는 사람|받는사람|받는이|수신|宛先|收件人|收件者|címzett
către|đến
""",
    "subject": """
subject|betreff|objet|asunto|assunto|oggetto|onderwerp|temat|тема|ämne|emne|aihe|předmět|predmet|konu|제목|件名|主题|主 题|主　题
主題|主 題|主旨|tárgy|subiect|chủ đề
""",
    "other": """
cc|bcc|cco|kopie|kopie an|copie|copie à|копия|kopia|kopi|kopio|kopija|do wiadomości|dw|bilgi|참조|抄送|抄送人|副本|密件抄送
importance|priority|priorität|wichtigkeit|priorité|prioridad|prioridade|importanza|belang|ważność|важность|prioritet|tärkeys
reply to|reply-to|antwort an|répondre à|responder a|attachments|anlagen|pièces jointes|allegati|bijlagen|附件|添付ファイル
""",
}

#: "Original message", which stands between dashes.
ORIGINAL = """
original message|original appointment|original email|original mail|originalnachricht|reply message|replied message|reply
ursprüngliche nachricht|ursprüngl. nachricht|original-nachricht|originale nachricht
message d'origine|message d’origine|message original|message initial|courriel original
mensaje original|mensagem original|mensagem de origem|messaggio originale|messaggio originario
oorspronkelijk bericht|oorspronkelijke bericht|origineel bericht
oryginalna wiadomość|wiadomość oryginalna|wiadomość pierwotna|исходное сообщение|оригинальное сообщение|исходное письмо
ursprungligt meddelande|originalmeddelande|ursprungligt brev
oprindelig meddelelse|original besked|oprindelig besked|den oprindelige meddelelse
opprinnelig melding|original melding|alkuperäinen viesti|původní zpráva|původní e-mail|původní mail|původní email|pôvodná správa
özgün ileti|orijinal ileti|orijinal mesaj|özgün mesaj|원본 메시지|원본 메일|원본메시지|원본 이메일|[ 받은 메일 내용 ]|받은 메일 내용
元のメッセージ|オリジナルメッセージ|元のメール|原始邮件|原始郵件|原邮件|原郵件|邮件原件|原始信件|回复的原邮件|回覆的原郵件|回复邮件
原始信息
eredeti üzenet|mesaj original|αρχικό μήνυμα|оригінальне повідомлення|tin nhắn gốc
"""

#: "Forwarded message", between dashes or at the beginning of a line with a colon.
FORWARDED = """
forwarded message|original forwarded message|begin forwarded message|forwarded by|forwarded mail
weitergeleitete nachricht|anfang der weitergeleiteten nachricht|weitergeleitete e-mail
message transféré|début du message transféré|début du message réexpédié|message transmis|courriel transféré
mensaje reenviado|inicio del mensaje reenviado|mensagem encaminhada|mensagem reencaminhada|início da mensagem encaminhada
início da mensagem reencaminhada|messaggio inoltrato|inizio messaggio inoltrato
doorgestuurd bericht|begin doorgestuurd bericht|doorgezonden bericht
wiadomość przekazana dalej|przekazana wiadomość|wiadomość przekazana|początek przekazywanej wiadomości|przesłana wiadomość
пересылаемое сообщение|перенаправленное сообщение|пересланное сообщение|начало переадресованного сообщения
начало переадресованного письма
конец пересылаемого сообщения
vidarebefordrat meddelande|vidarebefordrat brev|vidarebefordrat mejl|videresendt meddelelse|videresendt besked|videresendt mail
start på videresendt besked|videresendt melding|videresendt e-post|start på videresendt melding
välitetty viesti|välitetty viesti alkaa|alkaa välitetty viesti|edelleenlähetetty viesti
přeposlaná zpráva|začátek přeposílané zprávy|začátek přeposlané zprávy|přeposlaný e-mail|preposlaná správa
yönlendirilmiş ileti|iletilen ileti başlangıcı|iletilen ileti|yönlendirilen ileti|iletilmiş ileti
전달된 메일|전달된 메시지|전달된 메시지 시작|전달 메일|전달된 이메일
転送メッセージ|転送されたメッセージ|転送されたメール|転送メール|転送されたメッセージの開始
转发的邮件|转发邮件|转发邮件信息|转发信息|转发的信息|开始转发的邮件|转发的邮件信息|被转发的邮件|以下是转发的邮件
轉寄的郵件|轉寄郵件|轉寄的訊息|轉寄訊息|轉發的郵件|轉發郵件|開始轉寄郵件|轉寄郵件開始|已轉寄的郵件
"""

#: What subjects of forwarded mails begin with. `vs` answers in Finnish and forwards in Norwegian and Danish: it is kept.
FORWARD_PREFIXES = """
fw|fwd|forward|wg|weitergeleitet|tr|tra|rv|reenv|enc|i|in|doorst|pd|pdl|пер|пересл|fs|vb|vs|vl|videres|přeposlat|přepos|ilt|i̇lt|ynl
전달|転送|转发|轉寄|轉發
"""
REPLY_PREFIXES = """
re|aw|antw|antwort|réf|rép|rep|res|resp|r|rif|odp|на|отв|sv|vs|vá|ynt|yan|cevap|회신|답장|返信|返|回复|回覆|答复|答覆|回|odpověď
odp
"""

#: How a mail begins. Only for lines that say nothing else.
GREETINGS = """
hi|hello|hey|dear|good morning|good afternoon|good evening|good day|greetings|to whom it may concern
hallo|guten tag|guten morgen|guten abend|sehr geehrte|sehr geehrter|liebe|lieber|liebes|moin|servus|grüezi|grüß gott
bonjour|bonsoir|salut|cher|chère|chers|madame|monsieur
hola|buenos días|buenas tardes|buenas noches|buenas|estimado|estimada|estimados|querido|querida
olá|ola|oi|bom dia|boa tarde|boa noite|prezado|prezada|prezados|caro|cara|exmo|exma
ciao|buongiorno|buonasera|salve|gentile|gentili|egregio|spettabile|spett
beste|geachte|goedemorgen|goedemiddag|goedenavond|dag|hoi
dzień dobry|witam|cześć|szanowni|szanowna|szanowny|drogi|droga
здравствуйте|добрый день|доброе утро|добрый вечер|привет|уважаемый|уважаемая|уважаемые
hej|hejsan|god dag|god morgon|bästa|hei|kjære|kære|god morgen|goddag|hyvä|hyvää päivää|moi|terve
dobrý den|ahoj|vážený|vážená|vážení|dobrý večer|dobré ráno
merhaba|sayın|değerli|selam|iyi günler|günaydın
안녕하세요|안녕하십니까
お世話になっております|お世話になります|いつもお世話になっております|こんにちは|はじめまして|拝啓|ご担当者様|担当者様
おはようございます
您好|你好|尊敬的|亲爱的|親愛的|敬启者|敬啟者|早上好|下午好|客服您好|客服你好
"""
