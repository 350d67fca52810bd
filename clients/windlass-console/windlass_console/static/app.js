// What all pages share: the live stream, times in the viewer's zone, the theme, dialogs.
"use strict";
(() => {
  const prefix = document.querySelector('meta[name="prefix"]').content;

  // --- times: the element keeps the exact one, people see theirs
  const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false });
  const day = new Intl.DateTimeFormat(undefined, { year: "numeric", month: "short", day: "numeric" });
  const whole = new Intl.DateTimeFormat(undefined, { year: "numeric", month: "numeric", day: "numeric",
    hour: "numeric", minute: "numeric", second: "numeric", timeZoneName: "long" });
  function localise(root) {
    for (const time of root.querySelectorAll("time[datetime]")) {
      const moment = new Date(time.dateTime);
      if (isNaN(moment)) continue;
      const today = moment.toDateString() === new Date().toDateString();
      const words = time.dataset.show === "day" ? day.format(moment)
        : today || time.dataset.show === "clock" ? clock.format(moment) : `${day.format(moment)}, ${clock.format(moment)}`;
      if (time.textContent !== words) time.textContent = words;
      const exact = `${whole.format(moment)}\n${time.dateTime}`;
      if (time.title !== exact) time.title = exact;
    }
  }
  window.windlass = { prefix, localise };
  localise(document);
  for (const name of ["htmx:after:swap", "htmx:after:settle"]) document.addEventListener(name, () => localise(document));

  // --- the zone: what the server groups by day, it groups by the viewer's days
  document.cookie = `windlass_zone=${Intl.DateTimeFormat().resolvedOptions().timeZone}; path=${prefix || "/"}; samesite=strict; max-age=31536000`;

  // --- the theme
  document.getElementById("theme").addEventListener("click", () => {
    const dark = getComputedStyle(document.documentElement).colorScheme.startsWith("dark");
    document.documentElement.dataset.theme = dark ? "light" : "dark";
    localStorage.setItem("theme", document.documentElement.dataset.theme);
    document.dispatchEvent(new Event("theme"));
  });

  // --- dialogs: what is loaded into #dialog opens; a [data-close] in it closes it again
  const dialog = document.getElementById("dialog");
  let isShutting = false; // "close" comes later than the closing: a swap in between must not open it again
  document.addEventListener("htmx:after:swap", () => {
    if (dialog.children.length && !dialog.open && !isShutting) {
      trail = ways(document.activeElement);
      dialog.showModal();
    }
    keepFocus();
  });
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog || event.target.closest("[data-close]")) shut();
  });
  function shut() {
    if (!dialog.open) return;
    isShutting = true;
    dialog.close();
  }
  dialog.addEventListener("cancel", () => { isShutting = true; });
  dialog.addEventListener("close", () => {
    isShutting = false;
    if (!dialog.open) dialog.replaceChildren();
    keepFocus();
  });
  document.body.addEventListener("close-dialog", shut);

  // The browser gives the focus back to what opened the dialog. When that goes with its line of the list, the box
  // around it takes the focus: who works by keyboard would have to begin at the top of the page.
  let trail = [];
  function ways(opener) {
    const found = [];
    for (let each = opener; each && each !== document.body; each = each.parentElement)
      if (each === opener || each.tabIndex >= 0 || each.hasAttribute("tabindex")) found.push(each);
    return found;
  }
  function keepFocus() {
    if (dialog.open || !trail.length || trail[0].isConnected || document.activeElement !== document.body) return;
    const next = trail.find((each) => each.isConnected);
    trail = [];
    if (next) next.focus();
  }
  document.addEventListener("focusin", (event) => { if (!dialog.open && event.target !== trail[0]) trail = []; });
  document.addEventListener("pointerdown", () => { if (!dialog.open) trail = []; });

  // --- live: one stream for the page; `live:queue`, `live:overview`, `live:history` on body, for hx-trigger="live:queue from:body"
  if (!("live" in document.body.dataset)) return;
  const pending = new Set();
  let timer = 0;
  let stream = null;
  let heardAt = 0;
  const SILENT_MS = 40_000; // the console says something every 15 s
  function flush() {
    timer = 0;
    for (const topic of pending) document.body.dispatchEvent(new CustomEvent(`live:${topic}`));
    pending.clear();
  }
  function hint(topics) {
    for (const topic of topics) pending.add(topic);
    if (!timer && !document.hidden) timer = setTimeout(flush, 50 + 100 * Math.random());
  }
  const everything = ["overview", "queue", "history"];
  let known = document.body.dataset.live;
  function link(state) {
    const shown = document.getElementById("link");
    const since = state.since && !state.reachable ? `since ${new Date(state.since).toLocaleTimeString()}: ` : "";
    shown.dataset.state = state.reachable ? "on" : "off";
    shown.lastElementChild.textContent = state.words || (state.reachable ? "live" : "kernel unreachable");
    shown.title = state.trouble ? since + state.trouble : "";
  }
  // What the page shows may be older than the stream: the versions tell.  After a break everything may be.
  function linked(state) {
    link(state);
    if (known !== String(state.version)) hint(everything);
    known = String(state.version);
  }
  function heard() { heardAt = performance.now(); }
  // A connection can die without a word (a sleeping laptop, a proxy): the browser would wait for it for ever.
  setInterval(() => {
    if (!stream || performance.now() - heardAt < SILENT_MS) return;
    link({ reachable: false, words: "console unreachable", trouble: "the console went silent; trying again" });
    known = "";
    connect();
    document.dispatchEvent(new Event("silent"));
  }, 5000);
  function connect() {
    if (stream) stream.close();
    stream = null;
    if (document.hidden) return;
    const mine = stream = new EventSource(`${prefix}/live`);
    let isFirst = true;
    heard();
    for (const name of ["open", "ping", "link", "hint"]) mine.addEventListener(name, heard);
    mine.addEventListener("link", (event) => {
      const state = JSON.parse(event.data);
      if (isFirst) linked(state); else link(state);
      isFirst = false;
    });
    mine.addEventListener("hint", (event) => hint(JSON.parse(event.data)));
    mine.onerror = () => {
      if (mine !== stream) return;
      isFirst = true;
      known = "";
      if (mine.readyState === EventSource.CLOSED) refused();
      else link({ reachable: false, words: "console unreachable", trouble: "the console does not answer; trying again" });
    };
  }
  // The console answered, with something that is no stream: most of the time because it knows this session no more.
  async function refused() {
    let words = "console unreachable", trouble = "the console does not answer; trying again";
    try {
      const answer = await fetch(`${prefix}/healthz`, { cache: "no-store" });
      if (answer.ok) { words = "signed out"; trouble = "load the page again to sign in"; }
    } catch { /* it does not answer */ }
    link({ reachable: false, words, trouble });
    setTimeout(() => { if (!stream || stream.readyState === EventSource.CLOSED) connect(); }, 2000 + 2000 * Math.random());
  }
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) { if (stream) stream.close(); stream = null; return; }
    known = "";
    connect();
  });
  addEventListener("pageshow", (event) => { if (event.persisted) { known = ""; connect(); } });
  addEventListener("pagehide", () => stream && stream.close());
  connect();
})();
