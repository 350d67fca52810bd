// The live log of a task: what was written so far comes in pages, what is written from then on as a stream.
"use strict";
(() => {
  if (windlass.startLogs) return windlass.startLogs(); // this script came a second time, with a panel that was loaded
  const BUDGET_MS = 8; // of a frame, for what has come
  const AGAIN_MS = 2000;
  const KEPT = { stream: "log-stream", attempt: "log-attempt" };

  class Panel {
    constructor(root) {
      this.root = root;
      this.place = root.dataset.log;
      this.state = root.dataset.state;
      this.isOver = "final" in root.dataset;
      this.coming = [];
      this.latest = 0;
      this.loaded = false;
      this.log = new windlass.logText.Log();
      this.view = new windlass.LogView(this.log, this.find(".log-view"), () => this.tell());
      this.search = new windlass.LogSearch(this.view, () => this.tell());
      root.panel = this;
      this.restore();
      this.wire();
      this.view.following(!this.isOver);
      this.load();
    }
    find(selector) { return this.root.querySelector(selector); }
    say(words) { this.find(".log-says").textContent = words; }

    // --- what comes
    async load() {
      if (this.loading || !this.root.isConnected) return;
      this.loading = true;
      try {
        for (let page = ""; ;) {
          const answer = await fetch(`${this.place}/written?page=${encodeURIComponent(page)}`);
          if (answer.redirected) throw new Error("you are signed out: load the page again");
          if (!answer.ok) throw new Error(`the console answered ${answer.status}`);
          const got = await answer.json();
          this.take(got.chunks);
          this.latest = got.chunks.at(-1)?.[0] ?? this.latest;
          page = got.next;
          if (!page) break;
        }
      } catch (error) {
        this.say(`The log did not come (${error.message}); trying again.`);
        this.retry(() => this.begin());
        return;
      } finally {
        this.loading = false;
      }
      this.say("");
      this.loaded = true;
      this.ended();
      this.connect();
    }
    begin() { this.loaded ? this.connect() : this.load(); }
    retry(what) { clearTimeout(this.again); this.again = setTimeout(what, AGAIN_MS); }
    connect() {
      if (this.isOver || document.hidden || this.stream || !this.root.isConnected) return;
      const stream = this.stream = new EventSource(`${this.place}/stream?after=${this.latest}`);
      stream.addEventListener("output", (event) => {
        const chunk = JSON.parse(event.data);
        this.latest = Math.max(this.latest, chunk[0]);
        this.take([chunk]);
      });
      stream.addEventListener("state", (event) => { this.state = JSON.parse(event.data).state; this.tell(); });
      stream.addEventListener("end", () => { this.isOver = true; this.stop(); this.ended(); });
      stream.addEventListener("trouble", (event) => this.trouble(JSON.parse(event.data)));
      stream.onopen = () => this.say("");
      stream.onerror = () => {
        this.say("The stream broke; trying again.");
        if (stream.readyState !== EventSource.CLOSED) return; // else the browser goes on by itself, behind the last event
        this.stop();
        this.retry(() => this.connect());
      };
    }
    trouble({ words, again }) {
      this.stop();
      this.say(words);
      if (again) this.retry(() => this.connect());
    }
    stop() {
      this.stream?.close();
      this.stream = null;
    }
    take(chunks) {
      this.coming.push(...chunks);
      if (this.coming.length && !this.frame) this.frame = requestAnimationFrame(() => this.absorb());
    }
    absorb() {
      this.frame = 0;
      const began = performance.now();
      let done = 0;
      while (done < this.coming.length && performance.now() - began < BUDGET_MS) this.log.add(this.coming[done++]);
      this.coming.splice(0, done);
      this.ended();
      this.take([]);
    }
    ended() {
      if (this.isOver && this.loaded && !this.coming.length) this.log.finish();
      this.view.grow();
      this.search.more();
      this.tell();
    }

    // --- what is said
    tell() {
      const { printed, attempts } = this.log;
      this.find(".log-count").textContent = !this.loaded && !printed ? "Loading…"
        : `${printed.toLocaleString("en")} ${printed === 1 ? "line" : "lines"}${this.isOver ? "" : ", live"}`;
      this.find("[data-do=follow]").setAttribute("aria-pressed", this.view.follow);
      this.find("#log-found").textContent = this.search.summary;
      for (const name of ["previous", "next"]) this.find(`[data-do=${name}]`).disabled = !this.search.found.length;
      const empty = this.find(".log-empty");
      empty.hidden = !this.loaded || this.coming.length > 0 || printed > 0;
      empty.textContent = this.isOver ? "This task wrote no output."
        : this.state === "PENDING" ? "No output yet: the task waits. What it writes shows here once it runs."
          : "No output yet. What the task writes shows here at once.";
      const choice = this.find("#log-attempt");
      for (const attempt of attempts.slice(choice.length - 1)) choice.add(new Option(`Attempt ${attempt}`, attempt));
      if (this.asked && attempts.includes(Number(this.asked))) this.choose("attempt", this.asked);
    }

    // --- what the person does
    wire() {
      const actions = {
        previous: () => this.search.step(-1),
        next: () => this.search.step(1),
        follow: () => this.view.following(!this.view.follow),
        error: () => this.toTrouble(),
        time: () => this.toggle("time"),
        wrap: () => this.toggle("wrap"),
        copy: () => this.copy(),
      };
      this.root.addEventListener("click", (event) => actions[event.target.closest("[data-do]")?.dataset.do]?.());
      const words = this.find("#log-search");
      words.addEventListener("input", () => this.search.ask(words.value));
      words.addEventListener("keydown", (event) => {
        if (event.key === "Enter") { event.preventDefault(); this.search.step(event.shiftKey ? -1 : 1); }
        if (event.key === "Escape") { words.value = ""; this.search.ask(""); this.find(".log-view").focus(); }
      });
      for (const [name, id] of Object.entries(KEPT)) {
        const choice = this.find(`#${id}`);
        choice.addEventListener("change", () => { this.choose(name, choice.value); this.keep(name, choice.value); });
      }
    }
    choose(name, value) {
      this.find(`#${KEPT[name]}`).value = value;
      if (name === "attempt") this.asked = "";
      this.view.set({ [name]: Number(value) });
      this.search.again();
    }
    toggle(name) {
      const button = this.find(`[data-do=${name}]`);
      const on = button.getAttribute("aria-pressed") !== "true";
      button.setAttribute("aria-pressed", on);
      this.root.classList.toggle(`log-with-${name}`, on);
      this.view.measure();
      this.view.set(name === "wrap" ? { wrap: on } : {});
      this.keep(name, on ? "1" : "0");
    }
    keep(name, value) {
      const address = new URL(location.href);
      if (value === "0") address.searchParams.delete(`log-${name}`);
      else address.searchParams.set(`log-${name}`, value);
      history.replaceState(history.state, "", address);
    }
    restore() {
      const asked = new URL(location.href).searchParams;
      for (const name of ["time", "wrap"]) if (asked.get(`log-${name}`) === "1") this.toggle(name);
      if (["1", "2"].includes(asked.get("log-stream"))) this.choose("stream", asked.get("log-stream"));
      this.asked = asked.get("log-attempt") ?? "";
    }
    toTrouble() {
      const index = windlass.firstTrouble(this.view);
      if (index >= 0) this.view.go(index);
      this.say(index < 0 ? "There is no error in the output so far." : `Line ${this.log.lines[index].number}.`);
    }
    async copy() {
      const lines = this.log.lines.filter((line) => this.view.passes(line));
      const text = lines.map((line) => `${windlass.logText.plain(line.text)}\n`).join("");
      try {
        await navigator.clipboard.writeText(text);
        this.say(`Copied ${lines.length.toLocaleString("en")} lines.`);
      } catch {
        this.say("The browser does not let this page copy; download it.");
      }
    }
  }

  let panels = [];
  function start() {
    for (const panel of panels) if (!panel.root.isConnected) panel.stop();
    panels = panels.filter((panel) => panel.root.isConnected);
    for (const root of document.querySelectorAll("[data-log]")) if (!root.panel) panels.push(new Panel(root));
  }
  // A hidden page holds no stream: a browser has six for all pages of a console together.
  const stop = () => panels.forEach((panel) => panel.stop());
  const begin = () => panels.forEach((panel) => panel.begin());
  document.addEventListener("visibilitychange", () => (document.hidden ? stop() : begin()));
  document.addEventListener("silent", () => { stop(); begin(); }); // the page's own stream died without a word: so may ours
  addEventListener("pagehide", stop);
  addEventListener("pageshow", (event) => { if (event.persisted) begin(); });
  document.addEventListener("keydown", (event) => {
    const isTyping = event.target.closest("input, select, textarea, dialog, [contenteditable]");
    if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey || isTyping) return;
    const words = document.getElementById("log-search");
    if (!words) return;
    event.preventDefault();
    words.focus();
  });
  document.addEventListener("htmx:after:swap", start);
  windlass.startLogs = start;
  start();
})();
