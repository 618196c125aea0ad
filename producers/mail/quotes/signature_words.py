"""Holds the words that tell a signature from an order sheet, a form or a request, by language, as data."""

from __future__ import annotations

__all__ = ["ASKS", "CLOSINGS", "CONTACT_LABELS", "GIVES", "INTRODUCES", "OWN", "PARTICLES", "REQUESTS"]

#: Labels in signatures: ways to reach somebody, and what companies must state.
CONTACT_LABELS = """
t|tel|tél|telef|tlf|tfno|télép|telephone|phone|ph|p|mobile|mob|m|cell|c|fax|f|e|e-mail|email|mail|w|web|website|url|internet|homepage|skype
whatsapp|wechat|line|line id|linkedin|twitter|x|facebook|instagram|xing|telegram|signal|office|direct|direct line|d|o|a|address
addr|adr|telefon|handy|mobil|büro|durchwahl|adresse|anschrift|geschäftsführer|geschäftsführung|geschäftsführerin|amtsgericht
registergericht|handelsregister|sitz|sitz der gesellschaft|ust-idnr|ust-id|ust-id-nr|ustid|steuernummer|vorstand
aufsichtsratsvorsitzender|hrb|iban|bic|téléphone|portable|télécopie|courriel|site|siret|siren|rcs|tva
dirección|teléfono|móvil|correo|correo electrónico|cif|nif|endereço|telefone|telemóvel|celular|cnpj|nipc
indirizzo|telefono|cellulare|pec|p.iva|p. iva|partita iva|adres|telefoon|mobiel|kvk|btw|tel. kom|kom|komórka|nip|regon|krs
тел|телефон|моб|факс|почта|эл. почта|сайт|адрес|инн|огрн|mobiltelefon|växel|org.nr|org nr|orgnr|cvr|hjemmeside|mobilnr
puhelin|puh|gsm|y-tunnus|osoite|sähköposti|ič|ičo|dič|adresa|cep|cep tel|faks|e-posta|vergi no
전화|전화번호|휴대폰|휴대전화|핸드폰|팩스|이메일|메일|주소|홈페이지
電話|電話番号|携帯|携帯電話|住所|所在地|内線|直通|メール|ホームページ|サイト
电话|电话号码|手机|手机号|手機|傳真|传真|地址|邮箱|郵箱|電子郵件|信箱|网址|網址|微信|qq|邮编|行動電話
"""

#: What announces data below, whatever else the line says.
INTRODUCES = """
address|addresses|following|follows|below|here is|here are|participants|my details|contact details|as listed|details are
adresse|anschrift|kontaktdaten|folgende|folgenden|folgendes|unten|teilnehmer|verteiler
coordonnées|suivant|suivante|suivants|ci-dessous|participants|dirección|siguiente|siguientes|abajo|participantes
endereço|morada|seguinte|seguintes|abaixo|indirizzo|seguente|seguenti|sotto|partecipanti|adres|volgende|onderstaande|deelnemers
następujący|następujące|poniżej|uczestnicy|адрес|следующий|следующие|ниже|участники|adress|följande|nedan|deltagare|følgende|nedenfor|deltagere
osoite|seuraava|seuraavat|alla|osallistujat|adresa|adresu|následující|níže|účastníci|adresi|aşağıda|aşağıdaki|katılımcılar
주소|배송지|연락처|아래|다음|住所|宛先|送り先|届け先|お届け|配送先|連絡先|下記|以下|次の|参加者
地址|联系方式|聯絡方式|收货|收貨|如下|以下|下面|下列|名单|名單
"""

#: What may announce data, in a line that is no finished sentence.
GIVES = """
deliver|delivery|ship|shipping|send|contact|data|details|form|order|list|change|new|update|correct
liefern|lieferung|schicken|senden|daten|formular|bestell|neue|ändern|liste
livrer|livraison|envoyer|formulaire|commande|nouvelle|enviar|envíen|entregar|datos|formulario|pedido|nueva
entrega|dados|encomenda|spedire|inviare|dati|modulo|ordine|leveren|bezorgen|gegevens|formulier|bestelling
dostawa|dane|formularz|zamówienie|доставк|данные|заказ|leverans|uppgifter|beställ|levering|oplysninger
toimitus|tiedot|tilaus|doručení|údaje|objednávk|teslimat|bilgi|sipariş|주문|注文|新しい|情報|変更|信息|資料|资料|订单|訂單|新的
"""

#: Words of requests and sentences, which no name has.
REQUESTS = """
please|pls|bitte|s'il|favor|alstublieft|graag|proszę|пожалуйста|snälla|vänligen|venligst|vennligst|ystävällisesti|prosím|lütfen
i|we|you|ich|wir|je|nous|yo|ik|wij|jag|jeg|minä|nie|not|nicht|pas|niet|ikke|inte|is|are|was|ist|sind|est|sont|cancel|refund
"""

#: Words of who asks to be reached: such a line is a request though a number stands in it.
ASKS = """
me|my|call|refund|please|mir|mich|mein|meine|rückruf|anrufen|bitte|moi|appelez|rappelez|llámeme|llamen|llamar|ligar|liguem|chiamatemi
chiamare|mij|bellen|zadzwonić|позвоните|перезвоните|мне|ringa|mig|meg|soittakaa|zavolejte|arayın
"""

#: Words of who speaks of themselves, which no disclaimer has.
OWN = "my|mine|ich|mein|meine|meinen|meiner|mon|ma|mes|je|mijn|moje|moja|mój|мой|моя|моё"

#: How a mail ends.
CLOSINGS = """
regards|sincerely|best|thanks|thank you|cheers|yours|faithfully|greetings|wishes
grüße|grüßen|gruß|grüsse|gruss|mfg|danke|vielen dank|hochachtungsvoll|cordialement|salutations|merci|bien à vous
saludos|atentamente|gracias|cumprimentos|obrigado|obrigada|atenciosamente|saluti|cordiali|grazie|groet|groeten|bedankt
pozdrawiam|pozdrowienia|dziękuję|уважением|спасибо|hälsningar|tack|hilsen|tak|takk|terveisin|kiitos|pozdravem|děkuji
saygılarımla|teşekkürler|감사합니다|드림|올림|よろしく|宜しく|お願い|ありがとう|敬具|以上|草々|谢谢|謝謝|此致|敬礼|敬禮|祝好|順頌
"""

#: Small words within names, offices and addresses.
PARTICLES = """
von|van|der|den|de|da|di|do|dos|du|la|le|el|und|and|et|e|y|i|of|für|for|the|at|im|am|zu|zur|och|og|ja|a|bei|per|c/o|www|tel|fax|ul|ул|наб|пр|г|д|оф
"""
