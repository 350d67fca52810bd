// Output of scripts as lines: bytes in, harmless text out.  Of all control sequences only colours stay (SGR), as runs of
// text with classes.  Nothing here touches the page.
"use strict";
(() => {
  const LONGEST_SEQUENCE = 4096;
  const SEQUENCES = new RegExp([
    "\\x1b\\[[0-?]*[ -/]*[@-~]", // CSI: colours, the cursor
    "\\x1b[\\]PX^_][^\\x07\\x1b\\x9c]*(?:\\x1b\\\\|\\x07|\\x9c)", // OSC, DCS, SOS, PM, APC with their text
    "\\x1b[ -/]*[0-Z\\\\^-~]", // the short ones
    // every other control character, and those that turn the direction of text; tab and carriage return stay
    "[\\x00-\\x08\\x0b\\x0c\\x0e-\\x1f\\x7f-\\x9f\\u061c\\u200e\\u200f\\u2028-\\u202e\\u2066-\\u2069]",
  ].join("|"), "g");
  const BEGUN = /\x1b(?:\[[0-?]*[ -/]*|[\]PX^_][^\x07\x1b\x9c]*\x1b?|[ -/]*)?$/;
  const SUSPECT = /[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/;
  // No longer than any program writes: what looks for a colour in 64 kB of digits takes seconds.
  const COLOURS = /\x1b\[([0-9;:]{0,100})m/g;
  const IS_COLOURS = /^\x1b\[[0-9;:]{0,100}m$/;
  const PLAIN = Object.freeze({ fg: -1, bg: -1, bold: false, dim: false, italic: false, under: false, swap: false, strike: false });

  // --- colours: 16 names; what is of 256 or of 16 million becomes the nearest of them
  const PALETTE = [
    [0, 0, 0], [170, 0, 0], [0, 150, 0], [160, 110, 0], [0, 0, 190], [160, 0, 160], [0, 150, 160], [180, 180, 180],
    [105, 105, 105], [255, 80, 80], [80, 230, 80], [255, 235, 80], [90, 110, 255], [255, 90, 255], [80, 240, 255], [255, 255, 255],
  ];
  function nearest(red, green, blue) {
    let best = 0;
    let least = Infinity;
    PALETTE.forEach(([r, g, b], index) => {
      const distance = (r - red) ** 2 + (g - green) ** 2 + (b - blue) ** 2;
      if (distance < least) [least, best] = [distance, index];
    });
    return best;
  }
  function of256(number) {
    if (number < 16) return number;
    if (number >= 232) return nearest(...Array(3).fill(8 + (number - 232) * 10));
    const level = (part) => (part ? 55 + part * 40 : 0);
    return nearest(level(Math.floor((number - 16) / 36)), level(Math.floor((number - 16) / 6) % 6), level((number - 16) % 6));
  }
  function extended(codes) {
    // What follows 38 or 48 is taken off `codes`; -1 when it is no colour.
    const within = (value) => Math.min(255, Math.max(0, value || 0));
    const kind = codes.shift();
    if (kind === 5) return of256(within(codes.shift()));
    if (kind === 2) return nearest(...codes.splice(0, 3).map(within).concat([0, 0, 0]).slice(0, 3));
    return -1;
  }
  const SWITCHES = {
    1: { bold: true }, 2: { dim: true }, 3: { italic: true }, 4: { under: true }, 7: { swap: true }, 9: { strike: true }, 21: { under: true },
    22: { bold: false, dim: false }, 23: { italic: false }, 24: { under: false }, 27: { swap: false }, 29: { strike: false },
    39: { fg: -1 }, 49: { bg: -1 },
  };
  function after(style, words) {
    // The style behind one sequence; `words` is what stands between `[` and `m`.
    const codes = words.replace(/(\d+:)(\d+):\d*:(\d+:\d+:\d+)/g, "$1$2:$3").split(/[;:]/).map(Number);
    let now = style;
    while (codes.length) {
      const code = codes.shift();
      if (code === 0) now = PLAIN;
      else if (code in SWITCHES) now = { ...now, ...SWITCHES[code] };
      else if (code >= 30 && code <= 37) now = { ...now, fg: code - 30 };
      else if (code >= 40 && code <= 47) now = { ...now, bg: code - 40 };
      else if (code >= 90 && code <= 97) now = { ...now, fg: code - 82 };
      else if (code >= 100 && code <= 107) now = { ...now, bg: code - 92 };
      else if (code === 38) now = { ...now, fg: extended(codes) };
      else if (code === 48) now = { ...now, bg: extended(codes) };
    }
    return now;
  }
  function through(style, text) {
    if (!text.includes("\x1b")) return style;
    for (const [, words] of text.matchAll(COLOURS)) style = after(style, words);
    return style;
  }
  function classes(style) {
    if (style === PLAIN) return "";
    let { fg, bg } = style;
    if (style.swap) [fg, bg] = [bg < 0 ? "paper" : bg, fg < 0 ? "ink" : fg];
    const names = [];
    if (fg !== -1) names.push(`fg-${fg}`);
    if (bg !== -1) names.push(`bg-${bg}`);
    for (const name of ["bold", "dim", "italic", "under", "strike"]) if (style[name]) names.push(`is-${name}`);
    return names.join(" ");
  }
  function runs(text, style = PLAIN, wanted = Infinity) {
    // [[text, classes], …] of a line that begins in this style; no more of them than hold the first `wanted` characters.
    if (!text.includes("\x1b")) return [[text, classes(style)]];
    const found = [];
    let place = 0;
    for (const match of text.matchAll(COLOURS)) {
      if (match.index > place) {
        found.push([text.slice(place, match.index), classes(style)]);
        wanted -= match.index - place;
        if (wanted <= 0) return found;
      }
      style = after(style, match[1]);
      place = match.index + match[0].length;
    }
    if (place < text.length) found.push([text.slice(place), classes(style)]);
    return found;
  }
  function endOf(piece) {
    // Where its last carriage returns begin.  Not by /\r+$/, which takes seconds for 64 kB of them before a letter.
    let end = piece.length;
    while (piece[end - 1] === "\r") end -= 1;
    return end;
  }
  const plain = (text) => (text.includes("\x1b") ? text.replace(COLOURS, "") : text);

  // --- one stream of one attempt: its bytes may be cut anywhere, in a character, a sequence, a line
  class Reader {
    constructor(begin) {
      this.begin = begin; // makes a new line
      this.decoder = new TextDecoder("utf-8");
      this.held = "";
      this.line = null;
      this.style = PLAIN;
    }
    feed(bytes) {
      let text = this.held + this.decoder.decode(bytes, { stream: true });
      this.held = "";
      const from = Math.max(0, text.length - LONGEST_SEQUENCE);
      const begun = BEGUN.exec(text.slice(from));
      if (begun) [text, this.held] = [text.slice(0, from + begun.index), text.slice(from + begun.index)];
      this.read(text);
    }
    read(text) {
      if (SUSPECT.test(text)) text = text.replace(SEQUENCES, (found) => (IS_COLOURS.test(found) ? found : ""));
      const pieces = text.split("\n");
      pieces.forEach((piece, index) => {
        if (piece || index < pieces.length - 1) this.write(piece);
        if (index < pieces.length - 1) this.close();
      });
    }
    write(piece) {
      const line = this.line ??= Object.assign(this.begin(), { text: "", style: this.style, returned: false });
      line.version += 1;
      if (line.returned && piece) this.restart(line, line.text);
      const whole = piece.slice(0, endOf(piece));
      line.returned ||= whole.length < piece.length;
      const last = whole.lastIndexOf("\r");
      if (last >= 0) this.restart(line, line.text + whole.slice(0, last));
      line.text += whole.slice(last + 1);
    }
    restart(line, gone) {
      // A carriage return: what comes behind it is written over what stood there.
      Object.assign(line, { style: through(line.style, gone), text: "", returned: false });
    }
    finish() {
      // Nothing comes any more: what was cut stays so.
      const rest = this.held + this.decoder.decode();
      this.held = "";
      this.read(rest);
      this.close();
    }
    close() {
      if (this.line) this.style = through(this.line.style, this.line.text);
      this.line = null;
    }
  }

  // --- all of it: chunks in the order of their sequence, `lines` out
  class Log {
    constructor() {
      this.lines = [];
      this.attempts = [];
      this.last = 0;
      this.printed = 0;
      this.readers = {};
    }
    add([sequence, attempt, time, stream, dropped, data]) {
      if (sequence <= this.last) return;
      this.last = sequence;
      if (attempt !== this.attempts.at(-1)) this.attempt(attempt, time);
      if (dropped) {
        this.finish();
        this.say("gap", `… ${dropped.toLocaleString("en")} bytes of output left out here`, attempt, time, stream);
      }
      const begin = () => this.push({ kind: "line", number: ++this.printed, attempt, time: this.time, stream });
      this.time = time;
      (this.readers[stream] ??= new Reader(begin)).feed(Uint8Array.from(atob(data), (each) => each.charCodeAt(0)));
    }
    attempt(attempt, time) {
      this.finish();
      this.attempts.push(attempt);
      this.say("heading", `Attempt ${attempt}`, attempt, time, 0);
    }
    finish() {
      for (const reader of Object.values(this.readers)) reader.finish();
      this.readers = {};
    }
    say(kind, text, attempt, time, stream) {
      this.push({ kind, number: 0, attempt, time, stream, text, style: PLAIN });
    }
    push(line) {
      line.version = 0;
      line.index = this.lines.push(line) - 1;
      return line;
    }
    get settled() {
      // Lines below this one do not change any more.
      return Math.min(this.lines.length, ...Object.values(this.readers).map((each) => each.line?.index ?? Infinity));
    }
  }

  windlass.logText = { Log, Reader, PLAIN, runs, plain };
})();
