// Search in a log, in slices, so that typing never waits for 100,000 lines.
"use strict";
(() => {
  const SLICE_MS = 6;
  const TROUBLE = /error|exception|traceback|fatal/i;

  class Search {
    constructor(view, told) {
      Object.assign(this, { view, told, words: "", found: [], searched: 0, place: -1, timer: 0 });
    }
    ask(words) {
      words = words.toLowerCase();
      if (words === this.words) return;
      this.words = words;
      this.again();
    }
    again() {
      // From the first line on: other words, or other lines are shown.
      Object.assign(this, { found: [], searched: 0, place: -1 });
      Object.assign(this.view, { words: this.words, current: -1, stamp: this.view.stamp + 1 });
      this.view.draw();
      this.more();
      this.told();
    }
    more() {
      // Goes on where it stopped: there are new lines, or the slice was full.
      if (!this.words || this.timer) return;
      const began = performance.now();
      const end = this.view.log.settled;
      while (this.searched < end && performance.now() - began < SLICE_MS) {
        for (const stop = Math.min(end, this.searched + 500); this.searched < stop; this.searched += 1) this.look(this.searched);
      }
      if (this.searched < end) this.timer = setTimeout(() => { this.timer = 0; this.more(); });
      this.told();
    }
    look(index) {
      const line = this.view.log.lines[index];
      if (line.kind !== "line" || !this.view.passes(line)) return;
      if (windlass.logText.plain(line.text).toLowerCase().includes(this.words)) this.found.push(index);
    }
    step(by) {
      if (!this.found.length) return;
      this.place = this.place < 0 && by < 0 ? this.found.length - 1 : (this.place + by + this.found.length) % this.found.length;
      const line = this.view.log.lines[this.found[this.place]];
      const at = windlass.logText.plain(line.text).toLowerCase().indexOf(this.words);
      if (!line.open && at + this.words.length > windlass.LogView.LONGEST) this.view.uncut(line.index);
      this.view.go(line.index);
      this.told();
    }
    get summary() {
      if (!this.words) return "";
      if (!this.found.length) return this.timer ? "searching…" : "no match";
      const count = this.found.length.toLocaleString("en");
      return this.place < 0 ? `${count} ${this.found.length === 1 ? "line" : "lines"}` : `${(this.place + 1).toLocaleString("en")} of ${count}`;
    }
  }

  function firstTrouble(view) {
    // The first line of stderr, or that has a word of trouble in it; -1 when there is none.
    return view.log.lines.findIndex((line) => line.kind === "line" && view.passes(line)
      && (line.stream === 2 || TROUBLE.test(windlass.logText.plain(line.text))));
  }

  windlass.LogSearch = Search;
  windlass.firstTrouble = firstTrouble;
})();
