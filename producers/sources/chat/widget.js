/*
 * Deskstream chat: <script src="https://chat.example/widget.js" async></script>
 *
 * No dependencies; everything lives in a shadow root, so page and widget do not see each other's styles. Attributes of
 * the script tag: data-lang (en, zh-Hans, zh-Hant, ja; default: the page's language), data-scheme (light, dark; default:
 * what the visitor prefers), data-server (default: where the script comes from), data-name and data-email of a user who is
 * signed in with you, data-user-hash (your signature of that address). A line stays in `pending`, which survives a reload, until the server acknowledged it, and is sent
 * again with the same id until then. A page whose address ends with #deskstream-question=... opens with that question typed:
 * so the help pages lead here. The protocol is described at /asyncapi.json.
 */
(() => {
  "use strict";

  const script = document.currentScript;
  if (!script || window.deskstreamChat) return;

  // -- words ----------------------------------------------------------------------------------------------------------

  const WORDS = {
    en: {
      open: "Chat with us", title: "Chat", close: "Close chat", unread: "{n} new", loading: "Connecting…",
      intro: "Tell us what it is about. A person will answer you here.",
      away: "We are not in the chat right now. Leave us a message, and we will answer by e-mail.",
      opens: "The chat opens {time}.", name: "Your name", email: "E-mail", order: "Order number",
      optional: "(optional)", message: "How can we help?", start: "Start chat", leave: "Send message",
      left: "Thank you. We have your message and will answer by e-mail.", another: "Write another message",
      line: "Your message", send: "Send", end: "End chat", reallyEnd: "End this chat?", yes: "End it", no: "Go on",
      queued: "Someone will be with you shortly.", position: "You are number {n} in the queue.",
      answered: "You are connected.", typing: "Writing…", you: "You", us: "Support", automatic: "Automatic message",
      sending: "sending…", notSent: "not sent: {why}", offline: "Connection lost. Connecting again…",
      back: "Connected again.", elsewhere: "This chat was opened in another window.", here: "Continue here",
      ended: "The chat has ended.", lost: "That chat ended a while ago.", fresh: "Start another chat",
      rate: "How was it?", stars: "{n} of 5", comment: "Anything you would like to tell us?", rateSend: "Send rating",
      thanks: "Thank you for your rating.", transcript: "Send me this chat by e-mail",
      transcriptLater: "You will get this chat by e-mail when it ends.", transcriptSent: "The chat is on its way to you.",
      wait: "Please wait a moment; we will keep trying.", check: "Please check the marked fields.",
      hours: "Our hours: {hours}", usually: "Most people are answered within {time}.",
      fields: { text: "Please write a few words.", email: "Please enter an e-mail address such as ann@example.org.",
        name: "Please shorten the name.", order_number: "Please shorten the order number." },
    },
    "zh-Hans": {
      open: "在线咨询", title: "在线咨询", close: "关闭", unread: "{n} 条新消息", loading: "正在连接…",
      intro: "请告诉我们您的问题，客服会在这里回复您。",
      away: "目前没有客服在线。请给我们留言，我们会通过邮件回复您。",
      opens: "在线咨询将于 {time} 开放。", name: "您的姓名", email: "电子邮箱", order: "订单号",
      optional: "（选填）", message: "请问有什么可以帮您？", start: "开始咨询", leave: "提交留言",
      left: "谢谢！我们已收到您的留言，会通过邮件回复您。", another: "再写一条留言",
      line: "输入消息", send: "发送", end: "结束咨询", reallyEnd: "要结束本次咨询吗？", yes: "结束", no: "继续",
      queued: "客服马上就来。", position: "您目前排在第 {n} 位。",
      answered: "客服已接入。", typing: "对方正在输入…", you: "您", us: "客服", automatic: "自动消息",
      sending: "发送中…", notSent: "未发送：{why}", offline: "连接已断开，正在重新连接…",
      back: "已重新连接。", elsewhere: "本次咨询已在另一个窗口打开。", here: "在此继续",
      ended: "本次咨询已结束。", lost: "该咨询早已结束。", fresh: "重新开始咨询",
      rate: "您对这次服务满意吗？", stars: "{n} 分（满分 5 分）", comment: "还有什么想告诉我们的吗？", rateSend: "提交评价",
      thanks: "感谢您的评价。", transcript: "把聊天记录发到我的邮箱",
      transcriptLater: "咨询结束后，聊天记录会发到您的邮箱。", transcriptSent: "聊天记录已发出。",
      wait: "请稍候，我们会继续尝试。", check: "请检查标出的内容。",
      hours: "服务时间：{hours}", usually: "大多数咨询会在{time}内得到回复。",
      fields: { text: "请写几句话。", email: "请输入电子邮箱，例如 ann@example.org。",
        name: "姓名太长了。", order_number: "订单号太长了。" },
    },
    "zh-Hant": {
      open: "線上諮詢", title: "線上諮詢", close: "關閉", unread: "{n} 則新訊息", loading: "連線中…",
      intro: "請告訴我們您的問題，客服人員會在這裡回覆您。",
      away: "目前沒有客服人員在線上。請留言給我們，我們會以電子郵件回覆您。",
      opens: "線上諮詢將於 {time} 開放。", name: "您的姓名", email: "電子郵件", order: "訂單編號",
      optional: "（選填）", message: "請問有什麼可以為您服務？", start: "開始諮詢", leave: "送出留言",
      left: "謝謝！我們已收到您的留言，會以電子郵件回覆您。", another: "再寫一則留言",
      line: "輸入訊息", send: "傳送", end: "結束諮詢", reallyEnd: "要結束這次諮詢嗎？", yes: "結束", no: "繼續",
      queued: "客服人員馬上就來。", position: "您目前排在第 {n} 位。",
      answered: "客服人員已加入。", typing: "對方正在輸入…", you: "您", us: "客服", automatic: "自動訊息",
      sending: "傳送中…", notSent: "未送出：{why}", offline: "連線中斷，正在重新連線…",
      back: "已重新連線。", elsewhere: "這次諮詢已在另一個視窗開啟。", here: "在此繼續",
      ended: "這次諮詢已結束。", lost: "該次諮詢早已結束。", fresh: "重新開始諮詢",
      rate: "您對這次服務滿意嗎？", stars: "{n} 分（滿分 5 分）", comment: "還有什麼想告訴我們的嗎？", rateSend: "送出評分",
      thanks: "感謝您的評分。", transcript: "將對話紀錄寄到我的信箱",
      transcriptLater: "諮詢結束後，對話紀錄會寄到您的信箱。", transcriptSent: "對話紀錄已寄出。",
      wait: "請稍候，我們會繼續嘗試。", check: "請檢查標示的欄位。",
      hours: "服務時間：{hours}", usually: "大多數諮詢會在{time}內得到回覆。",
      fields: { text: "請寫幾句話。", email: "請輸入電子郵件，例如 ann@example.org。",
        name: "姓名太長了。", order_number: "訂單編號太長了。" },
    },
    ja: {
      open: "チャットで相談", title: "チャット", close: "チャットを閉じる", unread: "新着 {n} 件", loading: "接続しています…",
      intro: "ご用件をお書きください。担当者がこちらでお答えします。",
      away: "ただいまチャットの担当者がおりません。メッセージをお残しいただければ、メールでお返事します。",
      opens: "チャットの受付は {time} からです。", name: "お名前", email: "メールアドレス", order: "注文番号",
      optional: "（任意）", message: "どのようなご用件でしょうか。", start: "チャットを始める", leave: "メッセージを送る",
      left: "ありがとうございます。メッセージを承りました。メールでお返事します。", another: "もう一通書く",
      line: "メッセージを入力", send: "送信", end: "チャットを終了", reallyEnd: "チャットを終了しますか。", yes: "終了する", no: "続ける",
      queued: "まもなく担当者が参ります。", position: "順番待ちは {n} 番目です。",
      answered: "担当者につながりました。", typing: "入力しています…", you: "お客様", us: "サポート", automatic: "自動メッセージ",
      sending: "送信中…", notSent: "送信できませんでした：{why}", offline: "接続が切れました。再接続しています…",
      back: "再接続しました。", elsewhere: "このチャットは別のウィンドウで開かれました。", here: "ここで続ける",
      ended: "チャットは終了しました。", lost: "そのチャットはすでに終了しています。", fresh: "新しいチャットを始める",
      rate: "対応はいかがでしたか。", stars: "5 点中 {n} 点", comment: "ご意見がございましたらお書きください。", rateSend: "評価を送る",
      thanks: "評価をありがとうございました。", transcript: "このチャットをメールで受け取る",
      transcriptLater: "終了後に、このチャットをメールでお送りします。", transcriptSent: "チャットの記録をお送りしました。",
      wait: "少々お待ちください。引き続き送信を試みます。", check: "印の付いた項目をご確認ください。",
      hours: "受付時間：{hours}", usually: "ほとんどのお問い合わせに{time}以内にお答えしています。",
      fields: { text: "ご用件をお書きください。", email: "ann@example.org のようなメールアドレスを入力してください。",
        name: "お名前が長すぎます。", order_number: "注文番号が長すぎます。" },
    },
  };

  function language() {
    const asked = new URLSearchParams(location.search).get("lang");
    const named = script.dataset.lang || asked || document.documentElement.lang || navigator.language || "en";
    const tag = named.toLowerCase().replace("_", "-");
    if (tag.startsWith("ja")) return "ja";
    if (tag.startsWith("zh") || tag.startsWith("yue")) return /hant|tw|hk|mo|yue/.test(tag) ? "zh-Hant" : "zh-Hans";
    return "en";
  }

  const lang = language();
  const words = WORDS[lang];
  const say = (word, values = {}) => word.replace(/\{(\w+)\}/g, (_, name) => values[name]);

  // -- what is remembered ---------------------------------------------------------------------------------------------

  const server = new URL(script.dataset.server || script.src, location.href);
  const KEY = `deskstream-chat:${server.host}`;

  function stored(storage, key, otherwise) {
    try {
      return JSON.parse(storage.getItem(key)) || otherwise;
    } catch {
      return otherwise; // storage may be forbidden: then a reload is a new visitor
    }
  }

  function store(storage, key, value) {
    try {
      storage.setItem(key, JSON.stringify(value));
    } catch {
      /* as above */
    }
  }

  function random() {
    return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
  }

  const nothing = () => ({ phase: "form", start: null, token: "", after: 0, lines: [], pending: [], open: false });
  const visitor = stored(localStorage, `${KEY}:visitor`, "") || random();
  store(localStorage, `${KEY}:visitor`, visitor);
  let memory = { ...nothing(), ...stored(sessionStorage, KEY, {}) };
  const remember = (changes) => {
    memory = { ...memory, ...changes };
    store(sessionStorage, KEY, memory);
  };

  // -- the connection -------------------------------------------------------------------------------------------------

  const FIRST_WAIT = 500, LONGEST_WAIT = 30000, PING_EVERY = 25000, SILENT_FOR = 60000;
  let socket = null, wait = FIRST_WAIT, heard = 0, wasLost = false, offer = null, stopped = false, retry = 0;

  function connect() {
    if (socket || stopped) return;
    clearTimeout(retry);
    const address = new URL("/chat", server);
    address.protocol = server.protocol === "https:" ? "wss:" : "ws:";
    const own = (socket = new WebSocket(address));
    heard = Date.now();
    own.onmessage = (event) => {
      if (own !== socket) return;
      heard = Date.now();
      const frame = JSON.parse(event.data);
      (handlers[frame.type] || (() => {}))(frame);
    };
    own.onclose = (event) => own === socket && lost(event.code);
  }

  function lost(code) {
    socket = null;
    offer = null;
    if (code === 4001 || code === 1008) {
      stopped = true;
      show();
      return announce(words.elsewhere);
    }
    if (!needed()) return;
    wasLost = true;
    status(words.offline);
    retry = setTimeout(connect, wait * (0.5 + Math.random() / 2));
    wait = Math.min(wait * 2, LONGEST_WAIT);
  }

  /** Whether there is something to be connected for. */
  const needed = () => memory.open || memory.phase !== "form" || memory.start !== null;

  function send(frame) {
    if (socket && socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify(frame));
  }

  setInterval(() => {
    if (!socket) return;
    if (Date.now() - heard > SILENT_FOR) {
      const dead = socket;
      lost(1006);
      dead.close();
    } else if (Date.now() - heard > PING_EVERY) send({ type: "ping" });
  }, 5000);
  addEventListener("online", () => !socket && needed() && connect());

  // -- what the server says -------------------------------------------------------------------------------------------

  const handlers = {
    offer(frame) {
      offer = frame;
      wait = FIRST_WAIT;
      dress(frame);
      if (memory.start) send(memory.start); // until its line is acknowledged: it resumes as well
      else if (memory.token) send({ type: "resume", token: memory.token, after: memory.after });
      show();
    },
    welcome(frame) {
      const begun = memory.start && { who: "you", line: memory.start.line, text: memory.start.text, sent: false };
      const lines = memory.lines.length || !begun ? memory.lines : [begun];
      const phase = memory.phase === "form" ? "queued" : memory.phase;
      remember({ token: frame.token, phase, lines });
      if (wasLost) announce(words.back);
      wasLost = false;
      show();
      memory.pending.forEach(({ line, text }) => send({ type: "line", line, text }));
    },
    ack(frame) {
      const lines = memory.lines.map((line) => (line.line === frame.line ? { ...line, sent: true, at: frame.at } : line));
      const start = memory.start && memory.start.line === frame.line ? null : memory.start;
      remember({ lines, start, pending: memory.pending.filter(({ line }) => line !== frame.line) });
      drawLines();
    },
    said(frame) {
      if (frame.number <= memory.after) return;
      typing(false);
      const who = frame.author === "agent" ? "us" : "automatic";
      remember({ after: frame.number, lines: [...memory.lines, { who, text: frame.text, at: frame.at, sent: true }] });
      drawLines();
      if (!memory.open) {
        unread += 1;
        drawLauncher();
      }
    },
    state(frame) {
      const before = memory.phase;
      remember({ phase: frame.phase, position: frame.position || 0, transcript: Boolean(frame.transcript) });
      if (before !== frame.phase) show();
      if (frame.phase === "queued") status(frame.position ? say(words.position, { n: frame.position }) : words.queued);
      if (frame.phase === "answered" && before !== "answered") status(words.answered);
    },
    typing(frame) {
      typing(frame.on !== false);
    },
    ended(frame) {
      remember({ phase: "ended", canMail: Boolean(frame.transcript) });
      show();
      announce(words.ended);
    },
    done(frame) {
      if (frame.what === "leave") {
        remember({ left: true, leaving: null });
        show();
        announce(words.left);
      } else if (frame.what === "survey") {
        remember({ rated: true });
        show();
        announce(words.thanks);
      } else {
        remember({ canMail: false, mailed: true });
        show();
        announce(words.transcriptSent);
      }
    },
    problem(frame) {
      if (frame.reason === "unknown_conversation" || frame.reason === "bad_token") {
        remember({ ...nothing(), open: memory.open, draft: memory.pending.map(({ text }) => text).join("\n") });
        show();
        return announce(words.lost);
      }
      if (frame.fields) return wrongFields(frame.fields);
      if (frame.reason === "not_offered") {
        remember({ start: null, draft: memory.start ? memory.start.text : "" });
        return show();
      }
      if (frame.retry_after) {
        status(words.wait);
        return void setTimeout(again, frame.retry_after * 1000, frame.line);
      }
      if (frame.line) {
        const lines = memory.lines.map((line) => (line.line === frame.line ? { ...line, why: frame.detail } : line));
        remember({ lines, pending: memory.pending.filter(({ line }) => line !== frame.line) });
        drawLines();
      }
      status(frame.detail || frame.reason);
    },
  };

  /** What was not taken a moment ago: the same frame, with the same id. */
  function again(id) {
    if (memory.leaving) return send(memory.leaving);
    if (memory.start) return send(memory.start);
    const line = memory.pending.find((each) => each.line === id);
    if (line) send({ type: "line", line: line.line, text: line.text });
    else if (memory.token && !id) send({ type: "resume", token: memory.token, after: memory.after });
  }

  // -- drawing --------------------------------------------------------------------------------------------------------

  const STYLE = `
    :host { all: initial; }
    * { box-sizing: border-box; font: inherit; }
    .root { font: 16px/1.5 system-ui, "Hiragino Sans", "Noto Sans CJK SC", "Microsoft YaHei", sans-serif; color: var(--ink);
      --page: #fff; --ink: #1b1f24; --soft: #57606a; --line: #57606a; --faint: #d0d7de; --theirs: #eef3f8; --yours: #d7e9fb;
      --blue: #0b5cad; --on-blue: #fff; --red: #b3261e; --focus: #ffb000; color-scheme: light; }
    .root:lang(zh-Hant) { font-family: system-ui, "PingFang TC", "Noto Sans CJK TC", "Microsoft JhengHei", sans-serif; }
    .root:lang(ja) { font-family: system-ui, "Hiragino Sans", "Noto Sans CJK JP", "Yu Gothic", sans-serif; }
    .dark { --page: #181c22; --ink: #e8ebee; --soft: #a5aeb8; --line: #767f8a;
      --faint: #343b44; --theirs: #262c34; --yours: #1d3a58; --blue: #7ab7f5; --on-blue: #08213c; --red: #f5aba5; color-scheme: dark; }
    [hidden] { display: none !important; }
    .launcher { position: fixed; right: 20px; bottom: 20px; z-index: 2147483000; min-height: 48px; padding: 0 20px;
      border: 2px solid var(--page); border-radius: 24px; background: var(--blue); color: var(--on-blue); cursor: pointer; font-weight: 600; }
    .panel { position: fixed; right: 20px; bottom: 20px; z-index: 2147483001; width: min(380px, calc(100vw - 16px));
      height: min(620px, calc(100vh - 32px)); display: flex; flex-direction: column; background: var(--page); overflow: hidden;
      border: 1px solid var(--line); border-radius: 12px; box-shadow: 0 8px 32px rgb(0 0 0 / 25%); }
    header { display: flex; align-items: center; gap: 8px; padding: 8px 8px 8px 16px; background: var(--blue); color: var(--on-blue); }
    h2 { flex: 1; margin: 0; font-size: 1.1em; font-weight: 600; }
    button { min-height: 44px; min-width: 44px; padding: 0 16px; border: 1px solid var(--blue); border-radius: 8px;
      background: var(--page); color: var(--blue); cursor: pointer; }
    button.main { background: var(--blue); color: var(--on-blue); font-weight: 600; }
    header button { border-color: transparent; background: transparent; color: var(--on-blue); }
    button:focus-visible, input:focus-visible, textarea:focus-visible, [tabindex]:focus-visible {
      outline: 3px solid var(--focus); outline-offset: 2px; }
    .body { flex: 1; overflow-y: auto; padding: 16px; }
    .status { margin: 0; padding: 6px 16px; min-height: 36px; background: var(--theirs); font-size: 0.9em; }
    .status:empty { min-height: 0; padding: 0; }
    label, legend { display: block; margin: 12px 0 4px; font-weight: 600; }
    .hint { font-weight: 400; color: var(--soft); }
    input, textarea { width: 100%; padding: 8px; border: 1px solid var(--line); border-radius: 8px; background: var(--page); color: inherit; }
    [aria-invalid="true"] { border: 2px solid var(--red); }
    .error { margin: 4px 0 0; color: var(--red); font-size: 0.9em; }
    form > button, .body > button { margin-top: 16px; }
    ol { list-style: none; margin: 0; padding: 0; }
    li { margin: 0 0 12px; max-width: 85%; width: fit-content; padding: 8px 12px; border-radius: 12px; background: var(--theirs);
      white-space: pre-wrap; overflow-wrap: anywhere; }
    li.you { margin-left: auto; background: var(--yours); }
    li small { display: block; font-size: 0.8em; color: var(--soft); }
    .composer { display: flex; gap: 8px; align-items: flex-end; padding: 8px; border-top: 1px solid var(--faint); }
    .composer div { flex: 1; }
    .composer label { margin: 0 0 2px; font-size: 0.85em; }
    .actions { display: flex; flex-wrap: wrap; gap: 8px; padding: 0 8px 8px; }
    fieldset { border: 0; margin: 0; padding: 0; }
    .stars { display: flex; gap: 4px; }
    .stars label { display: flex; flex-direction: column; align-items: center; justify-content: center; min-width: 52px;
      min-height: 52px; margin: 0; border: 1px solid var(--line); border-radius: 8px; cursor: pointer; font-weight: 400; }
    .stars input { width: 20px; height: 20px; }
    .sr { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
    @media (max-width: 480px) { .panel { right: 0; bottom: 0; width: 100vw; height: 100%; border-radius: 0; } }
  `;

  function element(tag, attributes = {}, ...children) {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
      else if (value === true) made.setAttribute(name, "");
      else if (value !== false && value !== null) made.setAttribute(name, value);
    }
    made.append(...children.filter((child) => child !== null));
    return made;
  }

  const host = element("div", { "data-deskstream-chat": true });
  const shadow = host.attachShadow({ mode: "open" });
  const launcher = element("button", { class: "launcher", type: "button", "aria-haspopup": "dialog", onclick: open });
  const live = element("p", { class: "sr", role: "status", "aria-live": "polite" });
  const state = element("p", { class: "status", role: "status", "aria-live": "polite" });
  const body = element("div", { class: "body" });
  const foot = element("div");
  const closer = element("button", { type: "button", "aria-label": words.close, onclick: close }, "✕");
  const heading = element("h2", { id: "title" }, words.title);
  const panel = element(
    "section",
    { class: "panel", role: "dialog", "aria-modal": "true", "aria-labelledby": "title", hidden: true, onkeydown: keys },
    element("header", {}, heading, closer),
    state,
    body,
    foot,
  );
  const scheme = script.dataset.scheme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
  try { // not an element: a page may forbid inline styles, as ours do
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(STYLE);
    shadow.adoptedStyleSheets = [sheet];
  } catch {
    shadow.append(element("style", {}, STYLE));
  }
  const root = element("div", { class: `root ${scheme}`, lang }, launcher, panel, live);
  shadow.append(root);
  let unread = 0, log = null, view = "", greeting = "";

  const announce = (text) => (live.textContent = text);
  const status = (text) => state.textContent !== text && (state.textContent = text);
  const typing = (on) => memory.phase === "answered" && status(on ? words.typing : words.answered);

  function dress({ brand, colours = {}, titles = {}, greetings = {} }) { // in the look of the brand whose page this is
    heading.textContent = titles[lang] || titles.en || brand || words.title;
    if (colours.colour) root.style.setProperty("--blue", colours.colour);
    if (colours.text_colour) root.style.setProperty("--on-blue", colours.text_colour);
    greeting = greetings[lang] || greetings.en || "";
  }

  function drawLauncher() {
    const more = unread ? ` · ${say(words.unread, { n: unread })}` : "";
    launcher.textContent = words.open + more;
    launcher.setAttribute("aria-expanded", String(memory.open));
    if (more) announce(say(words.unread, { n: unread }));
  }

  function open() {
    unread = 0;
    remember({ open: true });
    panel.hidden = false;
    launcher.hidden = true;
    drawLauncher();
    connect();
    show();
    focusFirst();
  }

  function close() {
    remember({ open: false });
    panel.hidden = true;
    launcher.hidden = false;
    drawLauncher();
    launcher.focus();
  }

  /** Escape closes; Tab stays inside. */
  function keys(event) {
    if (event.key === "Escape" && !event.isComposing) {
      event.preventDefault();
      return close();
    }
    if (event.key !== "Tab") return;
    const all = [...panel.querySelectorAll("button, input, textarea, [tabindex='0']")].filter(
      (each) => !each.disabled && each.getClientRects().length,
    );
    const first = all[0], last = all[all.length - 1], now = shadow.activeElement;
    if (event.shiftKey && now === first) {
      event.preventDefault();
      last.focus();
    } else if (!event.shiftKey && now === last) {
      event.preventDefault();
      first.focus();
    }
  }

  function focusFirst() {
    const wanted = panel.querySelector("[data-first]") || closer;
    wanted.focus();
  }

  /** What to expect of us: how soon others were answered, and our hours. */
  function expected() {
    const told = (offer && offer.reply_times && offer.reply_times[lang]) || "";
    const hours = (offer && offer.hours && offer.hours[lang]) || "";
    return [told && say(words.usually, { time: told }), hours && say(words.hours, { hours })]
      .filter(Boolean)
      .map((each) => element("p", {}, each));
  }

  /** Draw what the conversation is at; a view that is drawn already keeps what is typed in it. */
  function show() {
    if (!memory.open) return;
    let wanted = memory.phase === "ended" ? "ended" : memory.phase !== "form" ? "chat" : "form";
    if (stopped) wanted = "stopped";
    else if (wanted === "form") {
      if (memory.left) wanted = "left";
      else if (!offer) wanted = view === "form" || view === "leave" ? view : "loading";
      else if (!offer.available && !memory.start) wanted = "leave";
    }
    const again = wanted === view && wanted !== "ended";
    const inside = panel.contains(shadow.activeElement) && shadow.activeElement !== closer;
    if (!again) {
      view = wanted;
      log = null;
      body.replaceChildren();
      foot.replaceChildren();
      views[wanted]();
      if (inside || wanted === "form" || wanted === "leave") focusFirst();
    }
    drawLines();
  }

  const views = {
    loading() {
      status(words.loading);
    },
    form() {
      status(words.intro);
      if (greeting) body.append(element("p", {}, greeting));
      body.append(...expected(), form("start", words.start, start));
    },
    leave() {
      const opens = offer && offer.opens_at ? new Date(offer.opens_at) : null;
      const time = opens && opens.toLocaleString(lang, { weekday: "long", hour: "2-digit", minute: "2-digit" });
      status(opens ? say(words.opens, { time }) : "");
      body.append(element("p", {}, words.away), ...expected(), form("leave", words.leave, leave));
    },
    left() {
      status("");
      body.append(
        element("p", {}, words.left),
        button(words.another, () => { remember({ left: false }); show(); }, { "data-first": true }),
      );
    },
    stopped() {
      status("");
      body.append(
        element("p", {}, words.elsewhere),
        button(words.here, () => { stopped = false; view = ""; connect(); show(); }, { class: "main", "data-first": true }),
      );
    },
    chat() {
      drawLog();
      const input = element("textarea", {
        id: "line", rows: "2", maxlength: "4000", dir: "auto", "data-first": true, oninput: isWriting,
        onkeydown: (event) => {
          if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
          event.preventDefault();
          write(input);
        },
      });
      const submit = (event) => { event.preventDefault(); write(input); };
      const actions = element("div", { class: "actions" });
      const draw = () => actions.replaceChildren(
        button(words.end, () => ask()),
        ...(memory.withEmail && !memory.transcript ? [button(words.transcript, (event) => {
          send({ type: "transcript" });
          event.target.remove();
          input.focus();
          announce(words.transcriptLater);
        })] : []),
      );
      const ask = () => {
        const yes = button(words.yes, () => send({ type: "end" }), { class: "main" });
        actions.replaceChildren(element("span", { role: "alert" }, words.reallyEnd), yes, button(words.no, () => { draw(); input.focus(); }));
        yes.focus();
      };
      draw();
      foot.append(
        element("form", { class: "composer", onsubmit: submit },
          element("div", {}, element("label", { for: "line" }, words.line), input),
          element("button", { class: "main", type: "submit" }, words.send)),
        actions,
      );
      if (memory.phase === "answered") status(words.answered);
      else status(memory.position ? say(words.position, { n: memory.position }) : words.queued);
    },
    ended() {
      drawLog();
      status(words.ended);
      if (!memory.rated) body.append(survey());
      else body.append(element("p", {}, words.thanks));
      if (memory.canMail) body.append(button(words.transcript, () => send({ type: "transcript" })));
      if (memory.mailed) body.append(element("p", {}, words.transcriptSent));
      body.append(button(words.fresh, () => {
        remember({ ...nothing(), open: true, draft: unsent() });
        view = "";
        if (socket) { const old = socket; socket = null; old.close(); }
        connect();
        show();
      }));
    },
  };

  const unsent = () => memory.lines.filter((line) => line.who === "you" && !line.sent).map((line) => line.text).join("\n");

  function button(text, onclick, attributes = {}) {
    return element("button", { type: "button", onclick, ...attributes }, text);
  }

  function field(id, label, attributes = {}, tag = "input") {
    const optional = attributes.required ? null : element("span", { class: "hint" }, ` ${words.optional}`);
    return element("div", {},
      element("label", { for: id }, label, optional),
      element(tag, { id, name: id, dir: "auto", "aria-describedby": `${id}-error`, ...attributes }),
      element("p", { class: "error", id: `${id}-error`, hidden: true }));
  }

  function form(kind, caption, onsend) {
    const made = element("form", { novalidate: true, "data-kind": kind, onsubmit: (event) => { event.preventDefault(); onsend(made); } },
      field("name", words.name, { autocomplete: "name", maxlength: "200", "data-first": true }),
      field("email", words.email, { type: "email", autocomplete: "email", maxlength: "254", required: kind === "leave" }),
      field("order_number", words.order, { autocomplete: "off", maxlength: "64" }),
      field("text", words.message, { rows: "4", maxlength: "4000", required: true }, "textarea"),
      element("button", { class: "main", type: "submit" }, caption));
    made.elements.text.value = memory.draft || "";
    const known = { name: script.dataset.name, email: script.dataset.email };
    for (const name of ["name", "email", "order_number"]) made.elements[name].value = (memory.typed || {})[name] || known[name] || "";
    return made;
  }

  function filled(made) {
    const values = {};
    for (const name of ["name", "email", "order_number", "text"]) values[name] = made.elements[name].value.trim();
    wrongFields({});
    remember({ typed: values, draft: values.text });
    const zone = Intl.DateTimeFormat().resolvedOptions().timeZone || "";
    const signed = script.dataset.userHash && values.email === script.dataset.email;
    return { ...values, ...(signed ? { user_hash: script.dataset.userHash } : {}), locale: lang, time_zone: zone };
  }

  function start(made) {
    const values = filled(made);
    if (!values.text) return wrongFields({ text: "" });
    const page_url = location.href.split(/[?#]/)[0];
    const frame = { type: "start", visitor, conversation: random(), line: random(), ...values, page_url };
    remember({ start: frame, withEmail: Boolean(values.email) });
    status(words.loading);
    if (socket) send(frame);
    else connect();
  }

  function leave(made) {
    const values = filled(made);
    const missing = {};
    if (!values.text) missing.text = "";
    if (!values.email) missing.email = "";
    if (Object.keys(missing).length) return wrongFields(missing);
    remember({ leaving: { type: "leave", message: random(), ...values } });
    send(memory.leaving);
  }

  /** Mark the fields that the server, or we, did not take, and go to the first. */
  function wrongFields(problems) {
    if (memory.start && !memory.token && Object.keys(problems).length) remember({ start: null });
    let first = null;
    for (const input of body.querySelectorAll("input[name], textarea[name]")) {
      const wrong = input.name in problems;
      const note = shadow.getElementById(`${input.name}-error`);
      if (!note) continue;
      input.setAttribute("aria-invalid", String(wrong));
      note.hidden = !wrong;
      note.textContent = wrong ? words.fields[input.name] || problems[input.name] : "";
      if (wrong && !first) first = input;
    }
    if (first) {
      first.focus();
      status(words.check);
    }
  }

  function drawLog() {
    log = element("ol", { role: "log", "aria-live": "polite", "aria-label": words.title, tabindex: "0" });
    body.append(log);
  }

  function drawLines() {
    if (!log) return;
    memory.lines.forEach((line, index) => {
      const shown = log.children[index];
      const note = line.why ? say(words.notSent, { why: line.why }) : line.sent ? clock(line.at) : words.sending;
      const text = `${words[line.who]} · ${note}`;
      if (shown) {
        if (shown.firstChild.textContent !== text) shown.firstChild.textContent = text;
      } else log.append(element("li", { class: line.who }, element("small", {}, text), element("div", { dir: "auto" }, line.text)));
    });
    body.scrollTop = body.scrollHeight;
  }

  const clock = (at) => (at ? new Date(at).toLocaleTimeString(lang, { hour: "2-digit", minute: "2-digit" }) : "");

  let lastTyping = 0, typingTimer = 0;
  function isWriting() {
    if (Date.now() - lastTyping > 3000) {
      lastTyping = Date.now();
      send({ type: "typing", on: true });
    }
    clearTimeout(typingTimer);
    typingTimer = setTimeout(stopWriting, 4000);
  }

  function stopWriting() {
    clearTimeout(typingTimer);
    if (lastTyping) send({ type: "typing", on: false });
    lastTyping = 0;
  }

  function write(input) {
    const text = input.value.trim();
    if (!text) return;
    const line = { line: random(), text };
    stopWriting();
    remember({ pending: [...memory.pending, line], lines: [...memory.lines, { who: "you", ...line, sent: false }] });
    input.value = "";
    drawLines();
    if (memory.token) send({ type: "line", ...line });
  }

  function survey() {
    const choices = [1, 2, 3, 4, 5].map((n) => element("label", {},
      element("input", { type: "radio", name: "csat", value: String(n), "aria-label": say(words.stars, { n }), "data-first": n === 1 }), String(n)));
    const comment = element("textarea", { id: "comment", rows: "3", maxlength: "2000", dir: "auto" });
    const made = element("form", { onsubmit: (event) => {
      event.preventDefault();
      const chosen = made.querySelector("input[name=csat]:checked");
      if (!chosen) return made.querySelector("input[name=csat]").focus();
      send({ type: "survey", csat: Number(chosen.value), comment: comment.value.trim() });
    } },
      element("fieldset", {}, element("legend", {}, words.rate), element("div", { class: "stars" }, ...choices)),
      element("label", { for: "comment" }, words.comment, element("span", { class: "hint" }, ` ${words.optional}`)),
      comment,
      element("button", { class: "main", type: "submit" }, words.rateSend));
    return made;
  }

  // -- begin ----------------------------------------------------------------------------------------------------------

  /** The question of who comes from the help pages; nothing when a conversation is under way. */
  function takeQuestion() {
    const asked = new URLSearchParams(location.hash.slice(1)).get("deskstream-question");
    if (asked === null) return;
    history.replaceState(null, "", location.pathname + location.search);
    const idle = memory.phase === "form" && !memory.start;
    remember({ open: true, ...(idle && !memory.draft ? { draft: asked.slice(0, 4000) } : {}) });
  }

  function begin() {
    document.body.append(host);
    takeQuestion();
    drawLauncher();
    if (memory.open) open();
    else if (needed()) connect();
  }

  window.deskstreamChat = { open, close };
  if (document.body) begin();
  else addEventListener("DOMContentLoaded", begin);
})();
