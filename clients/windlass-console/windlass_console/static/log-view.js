// Rows of a log of any length: only those that are seen are in the page.
"use strict";
(() => {
  const { plain } = windlass.logText;
  const { element, pieces } = windlass.logRows;
  const TALLEST = 8_000_000; // px: what browsers can lay out; a longer log is scrolled through faster
  const LONGEST = 2000; // characters of a line that are shown before "show all"
  const AROUND = 12; // rows above and below what is seen
  const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false });

  class View {
    constructor(log, box, changed) {
      Object.assign(this, { log, box, changed, rows: box.firstElementChild, follow: false, stream: 0, attempt: 0, wrap: false });
      Object.assign(this, { current: -1, words: "", shown: new Map(), stamp: 0, seeks: false });
      this.measure();
      this.rebuild();
      box.addEventListener("scroll", () => this.scrolled(), { passive: true });
      box.addEventListener("click", (event) => this.open(event.target.closest("[data-open]")));
      new ResizeObserver(() => this.resized()).observe(box);
    }

    // --- which lines make which rows
    rebuild() {
      Object.assign(this, { lineOf: [], partOf: [], rowOf: [], taken: 0, widest: 0 });
      this.stamp += 1;
      this.grow();
    }
    grow() {
      // Rows for the lines that are new.  With wrapping the unsettled ones are made anew, for they may have grown.
      const { lines } = this.log;
      while (this.wrap && this.taken > this.unsettled) {
        this.taken -= 1;
        while (this.lineOf.at(-1) === this.taken) { this.lineOf.pop(); this.partOf.pop(); }
      }
      for (; this.taken < lines.length; this.taken += 1) {
        const line = lines[this.taken];
        this.rowOf[this.taken] = this.lineOf.length;
        if (!this.passes(line)) continue;
        this.widest = Math.max(this.widest, this.length(line));
        for (let part = 0, parts = this.parts(line); part < parts; part += 1) {
          this.lineOf.push(this.taken);
          this.partOf.push(part);
        }
      }
      this.unsettled = this.log.settled;
      this.draw();
    }
    passes(line) {
      return (!this.attempt || line.attempt === this.attempt)
        && (!this.stream || line.kind === "heading" || line.stream === this.stream);
    }
    parts(line) {
      return this.wrap ? Math.max(1, Math.ceil(this.length(line) / this.columns)) : 1;
    }
    length(line) {
      const length = plain(line.text).length;
      return line.open ? length : Math.min(length, LONGEST);
    }

    // --- where rows stand
    measure() {
      const style = getComputedStyle(this.box);
      this.height = parseFloat(style.lineHeight);
      const probe = element("div", "log-row log-probe");
      const text = element("span", "log-text", "0".repeat(100));
      probe.append(...["log-number", "log-time", "log-sign"].map((name) => element("span", name)), text);
      this.box.append(probe);
      this.character = text.getBoundingClientRect().width / 100 || 8;
      this.margin = text.offsetLeft + 2 * this.character; // beside the text, px
      probe.remove();
      this.columns = Math.max(20, Math.floor((this.box.clientWidth - this.margin) / this.character));
    }
    resized() {
      const before = this.columns;
      this.measure();
      if (this.wrap && this.columns !== before) this.rebuild();
      else this.draw();
    }
    get whole() { return this.lineOf.length * this.height; }
    get tall() { return Math.min(this.whole, TALLEST); }
    get faster() {
      const seen = this.box.clientHeight;
      return this.tall > seen ? (this.whole - seen) / (this.tall - seen) : 1;
    }
    get isAtEnd() { return this.box.scrollTop >= this.box.scrollHeight - this.box.clientHeight - 2; }

    // --- drawing, once for each frame
    draw() {
      if (this.waits) return;
      this.waits = true;
      requestAnimationFrame(() => { this.waits = false; this.paint(); });
    }
    paint() {
      this.rows.style.height = `${this.tall}px`;
      if (this.follow) this.box.scrollTop = this.box.scrollHeight;
      this.before = this.box.scrollTop;
      const top = this.before * this.faster;
      const first = Math.max(0, Math.floor(top / this.height) - AROUND);
      const last = Math.min(this.lineOf.length, Math.ceil((top + this.box.clientHeight) / this.height) + AROUND);
      const kept = new Map();
      for (let row = first; row < last; row += 1) {
        const element = this.row(row);
        element.style.top = `${this.before + row * this.height - top}px`;
        kept.set(row, element);
        const place = this.rows.children[row - first];
        if (place !== element) this.rows.insertBefore(element, place ?? null);
      }
      while (this.rows.children.length > kept.size) this.rows.lastElementChild.remove();
      this.shown = kept;
      this.rows.style.width = this.wrap ? "" : `max(100%, ${Math.ceil(this.widest * this.character + this.margin)}px)`;
      if (this.seeks) this.seek();
    }
    row(row) {
      const line = this.log.lines[this.lineOf[row]];
      const stamp = `${this.stamp} ${line.version} ${line.index === this.current}`;
      const known = this.shown.get(row);
      return known?.dataset.stamp === stamp ? known : this.make(line, this.partOf[row], stamp);
    }
    make(line, part, stamp) {
      const made = element("div", `log-row log-${line.kind}${line.stream === 2 ? " log-err" : ""}`);
      made.dataset.stamp = stamp;
      if (line.index === this.current) made.classList.add("log-current");
      made.append(element("span", "log-number", line.number && !part ? String(line.number) : ""));
      const time = element("span", "log-time", part ? "" : clock.format(line.time));
      time.title = new Date(line.time).toISOString();
      const sign = element("span", "log-sign", line.stream === 2 && line.kind === "line" && !part ? "err" : "");
      made.append(time, sign, this.text(line, part));
      return made;
    }
    text(line, part) {
      const made = element("span", "log-text");
      const length = this.length(line);
      this.widest = Math.max(this.widest, length);
      const [from, to] = this.wrap ? [part * this.columns, Math.min(length, (part + 1) * this.columns)] : [0, length];
      made.append(...pieces(line, from, to, this.words));
      const more = plain(line.text).length - length;
      if (more > 0 && to === length) {
        const button = element("button", "log-more", `show all (${more.toLocaleString("en")} more characters)`);
        button.type = "button";
        button.dataset.open = line.index;
        made.append(button);
      }
      return made;
    }
    open(button) {
      if (!button) return;
      this.uncut(Number(button.dataset.open));
      this.box.focus();
    }
    uncut(index) {
      this.log.lines[index].open = true;
      this.rebuild();
    }

    // --- moving
    scrolled() {
      const moved = this.box.scrollTop - this.before;
      if (moved < -1) this.following(false);
      else if (moved > 1 && this.isAtEnd) this.following(true);
      this.draw();
    }
    following(on) {
      if (this.follow === on) return;
      this.follow = on;
      this.changed();
      this.draw();
    }
    go(index) {
      // To a line, which stands out from then on.
      this.following(false);
      this.current = index;
      const middle = this.rowOf[index] * this.height - this.box.clientHeight / 3;
      this.rows.style.height = `${this.tall}px`;
      this.box.scrollTop = Math.max(0, middle / this.faster);
      this.box.scrollLeft = 0;
      this.before = this.box.scrollTop;
      this.seeks = true;
      this.box.scrollIntoView({ block: "nearest" });
      this.draw();
    }
    seek() {
      // Sideways, to what was found in the line, which may be far to the right.
      this.seeks = false;
      const mark = this.rows.querySelector(".log-current mark");
      const right = mark ? mark.getBoundingClientRect().right - this.box.getBoundingClientRect().left : 0;
      if (right > this.box.clientWidth) this.box.scrollLeft = right - this.box.clientWidth / 2;
    }
    set(facts) {
      const row = Math.floor((this.box.scrollTop * this.faster) / this.height);
      const line = this.lineOf[row] ?? 0;
      Object.assign(this, facts);
      this.rebuild();
      if (this.follow) return;
      this.rows.style.height = `${this.tall}px`;
      this.box.scrollTop = ((this.rowOf[line] ?? 0) * this.height) / this.faster;
      this.before = this.box.scrollTop;
    }
  }

  windlass.LogView = Object.assign(View, { LONGEST });
})();
