"""Why customers write, and how, in four languages.

Slots: `{order}` an order number, `{product}` what they bought in their language, `{date}` a date near the order.
`long` suits e-mail and forms, `short` suits chat, SMS, social posts and voice messages.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Wording:
    """One situation in one language."""

    subject: str
    long: tuple[str, ...]
    short: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Scenario:
    """`weight` is its share among all contacts; `mood` how likely the writer is angry, 0 to 1."""

    name: str
    weight: float
    mood: float
    wordings: dict[str, Wording]


#: The incident of the day uses this one.
INCIDENT = "carrier_delay"

SCENARIOS: tuple[Scenario, ...] = (
    Scenario(
        "order_status",
        14,
        0.05,
        {
            "en": Wording(
                "Where is my order {order}?",
                (
                    "I ordered {product} on {date} and have not heard anything since. Where is my order {order}? "
                    "The tracking page only says that the label was created.",
                    "Could you tell me when order {order} will arrive? It is {product}, and I would like to be at home "
                    "when it comes.",
                ),
                ("Hi, where is my order {order}?", "when will {product} get here? order number {order}"),
            ),
            "zh-Hans": Wording(
                "订单 {order} 到哪了",
                (
                    "我在{date}下单买了{product}，订单号 {order}，到现在物流没有更新。请问订单到哪了？",
                    "麻烦查一下订单号 {order} 的物流信息，我买的是{product}，想知道什么时候能送到。",
                ),
                ("你好，订单 {order} 到哪了？", "我的{product}什么时候到？订单号 {order}"),
            ),
            "zh-Hant": Wording(
                "訂單 {order} 的物流進度",
                (
                    "我在{date}訂了{product}，訂單編號 {order}，想請問物流進度，大概多久會到？",
                    "請問訂單 {order} 何時會到？我買的是{product}，希望在家的時候收件。",
                ),
                ("請問訂單 {order} 多久會到？", "{product}出貨了嗎？可以給我追蹤號碼嗎，訂單 {order}"),
            ),
            "ja": Wording(
                "注文 {order} の配送状況について",
                (
                    "{date}に{product}を注文しました。注文番号は {order} です。いつ届きますか。追跡ページの情報が更新されていません。",
                    "注文番号 {order} の{product}はいつ頃届くでしょうか。受け取れる日を知りたいです。",
                ),
                ("注文番号 {order} はいつ届きますか？", "{product}はいつ届く予定ですか。注文番号 {order} です"),
            ),
        },
    ),
    Scenario(
        "carrier_delay",
        9,
        0.3,
        {
            "en": Wording(
                "Order {order} is late",
                (
                    "My order {order} is late. {product} should have been here on {date}, and the carrier has not "
                    "moved it for days. What is going on?",
                    "The parcel with {product} is three days late now. Tracking says delayed at the depot. "
                    "The order number is {order}. Please find out what is happening.",
                ),
                (
                    "my parcel is late!! order {order}",
                    "Package {order} still late, the carrier says delayed. Any news?",
                ),
            ),
            "zh-Hans": Wording(
                "订单 {order} 还没收到",
                (
                    "订单号 {order} 的{product}原定{date}送达，到今天还没到，物流一直停在中转站。请帮忙催一下。",
                    "包裹已经晚了三天，还没收到{product}。订单号 {order}，请告诉我怎么回事。",
                ),
                ("订单 {order} 怎么还没到？", "快递停了好几天，{product}还没收到，订单号 {order}"),
            ),
            "zh-Hant": Wording(
                "訂單 {order} 還沒送到",
                (
                    "訂單 {order} 的{product}原本{date}要到，今天還沒送到，物流停在轉運站好幾天了，麻煩幫我查一下。",
                    "包裹晚了三天都沒收到，裡面是{product}，訂單編號 {order}，請問是怎麼回事？",
                ),
                ("訂單 {order} 還沒送到耶", "{product}都沒收到，訂單 {order}，物流卡住了"),
            ),
            "ja": Wording(
                "注文 {order} がまだ届きません",
                (
                    "{date}に届くはずの{product}がまだ届きません。注文番号は {order} です。配送状況が数日前から止まっています。",
                    "注文番号 {order} の荷物が予定より三日遅れています。{product}がまだ届いていないので、調べていただけますか。",
                ),
                ("注文番号 {order}、まだ届きません", "{product}がまだ届かないのですが。注文番号 {order}"),
            ),
        },
    ),
    Scenario(
        "marked_delivered",
        5,
        0.4,
        {
            "en": Wording(
                "Says delivered, but nothing came ({order})",
                (
                    "Tracking says delivered, but I was at home all day and nobody came. Order {order}, {product}. "
                    "The neighbours do not have it either.",
                ),
                ("tracking says it was delivered but i have nothing. order {order}",),
            ),
            "zh-Hans": Wording(
                "显示已签收但没有收到 {order}",
                ("订单号 {order} 显示已签收，可是我根本没有拿到{product}，问了门卫和邻居都没有。请核实。",),
                ("显示已签收，但我没收到{product}，订单号 {order}",),
            ),
            "zh-Hant": Wording(
                "顯示已配達但沒有收到 {order}",
                ("訂單 {order} 顯示已配達，但我一整天都在家，沒有人來，{product}也不在管理室。",),
                ("顯示已配達，可是我沒有拿到，訂單 {order}",),
            ),
            "ja": Wording(
                "配達完了となっていますが届いていません（{order}）",
                ("注文番号 {order} が配達完了になっていますが、{product}を受け取っていません。一日中家にいました。",),
                ("配達完了と出ていますが届いていません。注文番号 {order}",),
            ),
        },
    ),
    Scenario(
        "damaged_on_arrival",
        7,
        0.35,
        {
            "en": Wording(
                "{product} arrived broken",
                (
                    "The parcel came today and {product} arrived broken. The box was crushed on one side. "
                    "Order {order}. I can send photos.",
                    "I opened order {order} this morning: {product} arrived damaged. I need it to work, "
                    "can you send another one?",
                ),
                ("{product} arrived broken :( order {order}", "just opened order {order} and it came damaged"),
            ),
            "zh-Hans": Wording(
                "{product}收到就坏了",
                (
                    "今天收到订单号 {order}，{product}收到就坏了，包装也破了，可以发照片给你们。",
                    "订单号 {order} 的{product}碎了，外箱被压扁，请问怎么处理？",
                ),
                ("{product}收到就坏了，订单号 {order}", "打开一看{product}碎了，订单 {order}"),
            ),
            "zh-Hant": Wording(
                "收到的{product}有破損",
                ("今天收到訂單 {order}，{product}收到就破了，紙箱也被撞壞，可以提供照片。",),
                ("{product}收到就破了，訂單 {order}",),
            ),
            "ja": Wording(
                "{product}が破損していました",
                (
                    "本日、注文番号 {order} を受け取りましたが、{product}が割れていました。箱も潰れています。写真をお送りできます。",
                    "届いた{product}が破損していました。注文番号は {order} です。交換していただけますか。",
                ),
                ("{product}が割れて届きました。注文番号 {order}",),
            ),
        },
    ),
    Scenario(
        "defective",
        6,
        0.3,
        {
            "en": Wording(
                "{product} stopped working",
                (
                    "{product} from order {order} stopped working after two days. I charged it, reset it and read the "
                    "booklet. It is simply dead.",
                ),
                ("{product} doesn't work, won't even switch on. order {order}",),
            ),
            "zh-Hans": Wording(
                "{product}用了两天就坏了",
                ("订单号 {order} 的{product}才用两天就坏了，充电也没反应，开不了机，请帮忙处理。",),
                ("{product}开不了机，订单号 {order}",),
            ),
            "zh-Hant": Wording(
                "{product}故障",
                ("訂單 {order} 的{product}用兩天就故障了，無法充電，重開也沒用。",),
                ("{product}故障了，訂單 {order}",),
            ),
            "ja": Wording(
                "{product}が動きません",
                ("注文番号 {order} の{product}が二日で動かなくなりました。充電もリセットも試しました。",),
                ("{product}が動きません。注文番号 {order}",),
            ),
        },
    ),
    Scenario(
        "wrong_item",
        5,
        0.25,
        {
            "en": Wording(
                "Wrong item in order {order}",
                ("I ordered {product}, but you sent me the wrong item. The packing slip says {order}.",),
                ("you sent me the wrong item, order {order}",),
            ),
            "zh-Hans": Wording(
                "发错货 {order}",
                ("我买的是{product}，你们发错货了，订单号 {order}。请尽快换成对的。",),
                ("发错货了，订单号 {order}，我要的是{product}",),
            ),
            "zh-Hant": Wording(
                "寄錯商品 {order}",
                ("我訂的是{product}，但你們寄錯商品了，訂單編號 {order}，請問怎麼換？",),
                ("寄錯商品了，訂單 {order}",),
            ),
            "ja": Wording(
                "違う商品が届きました（{order}）",
                ("{product}を注文したのに、違う商品が届きました。注文番号は {order} です。",),
                ("違う商品が届いています。注文番号 {order}",),
            ),
        },
    ),
    Scenario(
        "refund_late",
        6,
        0.4,
        {
            "en": Wording(
                "Where is my refund for {order}?",
                (
                    "I sent {product} back on {date} and you confirmed it. Where is my refund? The order is {order}, "
                    "and my bank has seen nothing.",
                ),
                ("where is my refund for {order}",),
            ),
            "zh-Hans": Wording(
                "退款还没到账 {order}",
                ("{date}退回了{product}，订单号 {order}，你们说已处理，可是退款到现在没到账。",),
                ("退款怎么还没收到，订单号 {order}",),
            ),
            "zh-Hant": Wording(
                "退款何時入帳 {order}",
                ("{date}已經把{product}寄回，訂單 {order}，請問退款何時會入帳？",),
                ("退款何時會入帳，訂單 {order}",),
            ),
            "ja": Wording(
                "返金について（{order}）",
                ("{date}に{product}を返品しましたが、返金がまだされていません。注文番号は {order} です。",),
                ("注文番号 {order} の返金がまだです",),
            ),
        },
    ),
    Scenario(
        "how_to_return",
        7,
        0.02,
        {
            "en": Wording(
                "How do I return {product}?",
                ("{product} is fine, I just do not need it. How do I return it? Order {order}, unopened.",),
                ("how do i return {product}? order {order}",),
            ),
            "zh-Hans": Wording(
                "怎么退货",
                ("{product}没有拆封，我不需要了，请问怎么退货？订单号 {order}。",),
                ("请问怎么退货？订单号 {order}",),
            ),
            "zh-Hant": Wording(
                "請問如何辦理退貨",
                ("{product}還沒拆封，還在鑑賞期內，請問怎麼退？訂單 {order}。",),
                ("{product}可以退嗎，訂單 {order}",),
            ),
            "ja": Wording(
                "返品方法について",
                ("{product}が不要になったため、返品したいです。未開封です。注文番号は {order} です。",),
                ("返品方法を教えてください。注文番号 {order}",),
            ),
        },
    ),
    Scenario(
        "card_declined",
        6,
        0.15,
        {
            "en": Wording(
                "Card declined at the till",
                (
                    "I tried three times to buy {product}, and each time my card was declined. "
                    "The bank says that there is nothing wrong with it.",
                ),
                ("my card was declined twice, can i pay some other way?",),
            ),
            "zh-Hans": Wording(
                "付款失败",
                ("想买{product}，试了三次都提示付款失败，银行说卡没有问题，怎么办？",),
                ("一直付款失败，怎么回事？",),
            ),
            "zh-Hant": Wording(
                "刷卡一直失敗",
                ("想買{product}，刷卡一直失敗，銀行說卡片沒問題。",),
                ("刷卡沒過，怎麼辦？",),
            ),
            "ja": Wording(
                "カードが使えません",
                (
                    "{product}を購入しようとしましたが、三回ともカードが使えませんでした。カード会社では問題ないと言われました。",
                ),
                ("カードが使えません。どうすればいいですか",),
            ),
        },
    ),
    Scenario(
        "charged_twice",
        4,
        0.5,
        {
            "en": Wording(
                "Charged twice for order {order}",
                ("You charged me twice for order {order} ({product}). Both payments are on my statement of {date}.",),
                ("i was charged twice for order {order}",),
            ),
            "zh-Hans": Wording(
                "订单 {order} 扣了两次钱",
                ("订单号 {order} 的{product}扣了两次款，银行账单{date}有两笔，请退回一笔。",),
                ("扣了我两次钱，订单号 {order}",),
            ),
            "zh-Hant": Wording(
                "訂單 {order} 重複扣款",
                ("訂單 {order} 被刷了兩次，帳單上{date}有兩筆，請退還其中一筆。",),
                ("重複刷卡了，訂單 {order}",),
            ),
            "ja": Wording(
                "二重請求について（{order}）",
                ("注文番号 {order} の{product}が二重に請求されています。{date}の明細に二件あります。",),
                ("二重請求されています。注文番号 {order}",),
            ),
        },
    ),
    Scenario(
        "invoice",
        5,
        0.02,
        {
            "en": Wording(
                "Invoice for order {order}",
                ("Please send me an invoice for order {order} made out to my company. It is for {product}.",),
                ("could i get an invoice for order {order}?",),
            ),
            "zh-Hans": Wording(
                "申请开发票 {order}",
                ("请给订单号 {order} 开一张发票，买的是{product}，抬头是公司名称。",),
                ("订单 {order} 可以开发票吗？",),
            ),
            "zh-Hant": Wording(
                "發票需要打統編 {order}",
                ("訂單 {order} 買的是{product}，發票想補打統一編號，請問怎麼辦理？",),
                ("訂單 {order} 的發票可以打統編嗎？",),
            ),
            "ja": Wording(
                "領収書の発行について（{order}）",
                ("注文番号 {order}（{product}）の領収書を会社名で発行していただけますか。",),
                ("注文番号 {order} の領収書をください",),
            ),
        },
    ),
    Scenario(
        "cancel_order",
        5,
        0.05,
        {
            "en": Wording(
                "Please cancel my order {order}",
                ("I ordered {product} by mistake. Please cancel my order {order} before it ships.",),
                ("can you cancel my order {order} please",),
            ),
            "zh-Hans": Wording(
                "取消订单 {order}",
                ("不小心多买了{product}，想取消订单，订单号 {order}，还没发货。",),
                ("我要取消订单 {order}",),
            ),
            "zh-Hant": Wording(
                "想取消訂單 {order}",
                ("不小心訂錯了{product}，想取消訂單 {order}，應該還沒出貨。",),
                ("想取消訂單 {order}",),
            ),
            "ja": Wording(
                "注文 {order} のキャンセル",
                ("間違えて{product}を注文してしまいました。発送前に注文 {order} をキャンセルしたいです。",),
                ("注文をキャンセルしたいです。注文番号 {order}",),
            ),
        },
    ),
    Scenario(
        "change_address",
        4,
        0.02,
        {
            "en": Wording(
                "Change the address of order {order}",
                ("I have moved. Could you change the delivery address of order {order}? It is {product}.",),
                ("need to change my address for order {order}",),
            ),
            "zh-Hans": Wording(
                "修改收货地址 {order}",
                ("我搬家了，订单号 {order} 能不能改一下地址？买的是{product}。",),
                ("订单 {order} 想改收货地址",),
            ),
            "zh-Hant": Wording(
                "更改收件地址 {order}",
                ("我搬家了，想更改收件地址，訂單 {order}，買的是{product}。",),
                ("訂單 {order} 地址打錯了，可以改嗎",),
            ),
            "ja": Wording(
                "注文 {order} のお届け先変更",
                ("引っ越したため、注文番号 {order}（{product}）の住所を変更していただけますか。",),
                ("注文番号 {order} の住所変更をお願いします",),
            ),
        },
    ),
    Scenario(
        "cannot_log_in",
        5,
        0.15,
        {
            "en": Wording(
                "I can't log in",
                (
                    "I can't log in to my account any more. The page says that my details are wrong, which they are not.",
                ),
                ("cant log in to my account",),
            ),
            "zh-Hans": Wording(
                "账号登录不上",
                ("我的账号登录不上，一直提示信息错误，可是密码没有改过。",),
                ("登录不上了，怎么办？",),
            ),
            "zh-Hant": Wording(
                "帳號無法登入",
                ("我的帳號無法登入，一直顯示資料錯誤，但我沒有改過密碼。",),
                ("無法登入，請幫我看一下",),
            ),
            "ja": Wording(
                "ログインできません",
                ("アカウントにログインできません。情報が違うと表示されますが、変更していません。",),
                ("ログインできません",),
            ),
        },
    ),
    Scenario(
        "verification_code",
        3,
        0.1,
        {
            "en": Wording(
                "No verification code",
                ("I never get the verification code. I have tried four times and looked in the junk folder.",),
                ("the verification code never comes",),
            ),
            "zh-Hans": Wording(
                "收不到验证码",
                ("试了四次都收不到验证码，垃圾箱里也没有。",),
                ("收不到验证码",),
            ),
            "zh-Hant": Wording(
                "收不到認證碼",
                ("試了四次都收不到認證碼，垃圾信件匣也沒有。",),
                ("一直收不到簡訊驗證的認證碼",),
            ),
            "ja": Wording(
                "認証コードが届きません",
                ("四回試しましたが、認証コードが届きません。迷惑メールにもありません。",),
                ("認証コードが届きません",),
            ),
        },
    ),
    Scenario(
        "code_fails",
        5,
        0.15,
        {
            "en": Wording(
                "Discount code does not work",
                ("The discount code from your newsletter does not work. I wanted {product} and it says invalid.",),
                ("promo code doesn't work at checkout",),
            ),
            "zh-Hans": Wording(
                "优惠券用不了",
                ("邮件里的优惠券用不了，结账买{product}时提示无效。",),
                ("优惠券不能用，怎么回事",),
            ),
            "zh-Hant": Wording(
                "折扣碼失效",
                ("電子信裡的折扣碼結帳時顯示失效，想買的是{product}。",),
                ("折價券不能用耶",),
            ),
            "ja": Wording(
                "クーポンが使えません",
                ("メールのクーポンが使えません。{product}を買おうとすると無効と表示されます。",),
                ("クーポンが使えません",),
            ),
        },
    ),
    Scenario(
        "sizing",
        4,
        0.0,
        {
            "en": Wording(
                "Which size?",
                ("I am between two sizes for {product}. Which size would you take? Is there a size chart?",),
                ("what size should i take in {product}? i am 178 cm",),
            ),
            "zh-Hans": Wording(
                "请问穿什么尺码",
                ("想买{product}，身高一米七八，请问哪个尺码合适？有尺码表吗？",),
                ("{product}什么尺码合适？",),
            ),
            "zh-Hant": Wording(
                "尺寸建議",
                ("想買{product}，身高一七八，請問穿什麼尺寸？有尺寸表嗎？",),
                ("{product}哪個尺寸適合？",),
            ),
            "ja": Wording(
                "サイズ選びについて",
                ("{product}のサイズ選びで迷っています。身長178センチですが、どのサイズがよいでしょうか。",),
                ("{product}はどのサイズがいいですか",),
            ),
        },
    ),
    Scenario(
        "back_in_stock",
        4,
        0.0,
        {
            "en": Wording(
                "When is {product} back in stock?",
                ("When will {product} be back in stock? I have been looking at the page for two weeks.",),
                ("when is {product} back in stock?",),
            ),
            "zh-Hans": Wording(
                "什么时候有货",
                ("{product}一直缺货，请问什么时候补货？",),
                ("{product}什么时候有货？",),
            ),
            "zh-Hant": Wording(
                "請問什麼時候補貨",
                ("{product}一直顯示售完，請問什麼時候補？",),
                ("{product}還有庫存嗎？",),
            ),
            "ja": Wording(
                "再入荷について",
                ("{product}の再入荷の予定はありますか。二週間ほど待っています。",),
                ("{product}の再入荷はいつですか",),
            ),
        },
    ),
    Scenario(
        "international",
        3,
        0.0,
        {
            "en": Wording(
                "Shipping abroad",
                (
                    "Do you ship to my sister in New Zealand? I would like to send her {product}. What is the shipping cost?",
                ),
                ("do you ship to new zealand?",),
            ),
            "zh-Hans": Wording(
                "能寄到国外吗",
                ("想给国外的家人买{product}，能寄到新西兰吗？运费多少？",),
                ("可以寄到国外吗？",),
            ),
            "zh-Hant": Wording(
                "可以寄海外嗎",
                ("想買{product}給國外的家人，可以寄到海外嗎？運費多少？",),
                ("可以寄海外嗎？運費怎麼算",),
            ),
            "ja": Wording(
                "海外発送について",
                ("{product}を海外の家族に送りたいのですが、海外発送はできますか。送料も教えてください。",),
                ("海外発送はできますか",),
            ),
        },
    ),
    Scenario(
        "praise",
        3,
        0.0,
        {
            "en": Wording(
                "Great service",
                ("I wanted to say that {product} is lovely and that it came in a day. Great service, thank you!",),
                ("{product} is perfect, great service!",),
            ),
            "zh-Hans": Wording(
                "很满意",
                ("{product}很好用，物流也快，非常满意，谢谢你们。",),
                ("{product}很好，很满意！",),
            ),
            "zh-Hant": Wording(
                "服務超好",
                ("{product}很好用，隔天就到，服務超好，謝謝你們。",),
                ("{product}超喜歡，謝謝！",),
            ),
            "ja": Wording(
                "大満足です",
                ("{product}が翌日に届き、とても満足しています。素晴らしい対応をありがとうございました。",),
                ("{product}、大満足です。ありがとうございます",),
            ),
        },
    ),
)

#: What an angry writer adds.
ANGER: dict[str, tuple[str, ...]] = {
    "en": (
        "This is unacceptable.",
        "I am really disappointed in you.",
        "This is ridiculous, it is the worst service I have had.",
    ),
    "zh-Hans": ("真的太差了！", "非常失望，我要投诉。", "太离谱了，再也不会买了。"),
    "zh-Hant": ("真的很誇張。", "服務超爛，我要客訴。", "等到火大。"),
    "ja": ("対応がひどいです。", "とてもがっかりしました。", "あり得ないです。"),
}

#: A second message about the same thing, some hours later, when nothing has changed for the customer.
CHASERS: dict[str, tuple[str, ...]] = {
    "en": (
        "Still nothing. How many times do I have to ask?",
        "I am fed up with waiting. Nobody replied and I still need an answer today.",
        "Any news? This is the second time that I write.",
    ),
    "zh-Hans": ("还是没有消息，到底要等多久？太差了。", "没人回复吗？我很生气。", "请问有进展吗？这是我第二次问了。"),
    "zh-Hant": ("還是沒有消息，到底要等多久？很誇張。", "都沒人回嗎？火大。", "請問有進度嗎？這是第二次問了。"),
    "ja": (
        "まだ連絡がありません。いつまで待てばいいのですか。",
        "返事がありません。がっかりしています。",
        "その後いかがでしょうか。二度目の連絡です。",
    ),
}

#: What occurs to a writer minutes after the first message.
DETAILS: dict[str, tuple[str, ...]] = {
    "en": (
        "Sorry, I forgot: I am at home after six.",
        "One more thing: you can also reach me by phone.",
        "Photo follows.",
    ),
    "zh-Hans": ("补充一下，我晚上六点以后在家。", "也可以打电话联系我。", "照片稍后发。"),
    "zh-Hant": ("補充一下，我晚上六點後在家。", "也可以打電話給我。", "照片等一下補上。"),
    "ja": ("追記です。夕方六時以降は在宅しています。", "電話でも連絡可能です。", "写真は後ほど送ります。"),
}

#: What a customer answers to an agent's question.
ANSWERS: dict[str, tuple[str, ...]] = {
    "en": (
        "Yes, that is the right address. Please go ahead.",
        "The name on the order is mine, and I paid by card.",
        "I tried what you said, and it is still the same.",
    ),
    "zh-Hans": ("是的，地址没错，请处理吧。", "订单是我本人的，用银行卡付的。", "按您说的试过了，还是一样。"),
    "zh-Hant": ("是的，地址沒錯，請處理。", "訂單是我本人的，用信用卡付款。", "照您說的試過了，還是一樣。"),
    "ja": (
        "はい、住所は合っています。お願いします。",
        "注文者は私本人で、カードで払いました。",
        "試してみましたが、変わりません。",
    ),
}

#: Thanks alone: it must not reopen anything.
THANKS: dict[str, tuple[str, ...]] = {
    "en": ("Thank you so much!", "Great, thanks for your help.", "Perfect, thank you."),
    "zh-Hans": ("谢谢您！", "好的，非常感谢。", "收到，谢谢。"),
    "zh-Hant": ("謝謝您！", "好的，非常感謝。", "收到，謝謝。"),
    "ja": ("ありがとうございました。", "助かりました。", "承知しました。ありがとうございます。"),
}

#: What agents write first, then after an answer, then when they are done.
REPLIES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "en": (
        (
            "Thank you for telling us. I have looked into it and found what happened. Could you confirm your address?",
            "I am on it. I have asked the warehouse, and you will have news from me today.",
            "I can see it here. I have put it right, and you will get a confirmation by e-mail.",
        ),
        ("Thank you, that was what I needed. It is done.", "All set: the change is in our system now."),
    ),
    "zh-Hans": (
        (
            "感谢您告诉我们，我已经查到原因。请确认一下收货地址好吗？",
            "我来处理，已联系仓库，今天会给您答复。",
            "已经看到了，我帮您改好了，稍后会收到确认邮件。",
        ),
        ("谢谢您的信息，已经处理好了。", "都办好了，系统里已更新。"),
    ),
    "zh-Hant": (
        (
            "感謝您告訴我們，我已經查到原因。可以請您確認收件地址嗎？",
            "我來處理，已聯絡倉庫，今天會回覆您。",
            "我看到了，已經幫您改好，稍後會收到確認信。",
        ),
        ("謝謝您的資訊，已經處理好了。", "都辦好了，系統已更新。"),
    ),
    "ja": (
        (
            "お知らせいただきありがとうございます。原因がわかりました。ご住所を確認させていただけますか。",
            "担当いたします。倉庫に確認しており、本日中にご連絡します。",
            "確認いたしました。こちらで手続きをしましたので、確認メールが届きます。",
        ),
        ("ありがとうございます。手続きが完了しました。", "完了しました。システムに反映されています。"),
    ),
}

#: Comments in surveys: of people who are content, and of people who are not.
COMMENTS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "en": (("Quick and kind.", "Solved at once."), ("It took far too long.", "I had to ask twice.")),
    "zh-Hans": (("回复很快，态度好。", "一次就解决了。"), ("等太久了。", "问了两次才有人理。")),
    "zh-Hant": (("回覆很快，很親切。", "一次就解決了。"), ("等太久了。", "問了兩次才有人理。")),
    "ja": (("早くて親切でした。", "すぐに解決しました。"), ("時間がかかりすぎました。", "二度も問い合わせました。")),
}

GREETINGS: dict[str, tuple[str, ...]] = {
    "en": ("Hello,", "Hi there,", "Good morning,", "Dear team,"),
    "zh-Hans": ("你好，", "您好，", "客服您好："),
    "zh-Hant": ("您好，", "你好，", "客服您好："),
    "ja": ("お世話になっております。", "こんにちは。", "担当者様"),
}

CLOSINGS: dict[str, tuple[str, ...]] = {
    "en": ("Kind regards,", "Best wishes,", "Yours,"),
    "zh-Hans": ("祝好", "此致", "麻烦了"),
    "zh-Hant": ("祝好", "麻煩您了", "順頌商祺"),
    "ja": ("よろしくお願いいたします。", "どうぞよろしくお願いします。"),
}
