// The nodes of one row.  Whatever a task wrote goes in as text.
"use strict";
(() => {
  function pieces(line, from, to, words) {
    // The characters from…to of a line as nodes, in its colours, with what is searched for marked.
    const made = [];
    let place = 0;
    for (const [text, names] of windlass.logText.runs(line.text, line.style, to)) {
      const part = text.slice(Math.max(0, from - place), Math.max(0, to - place));
      place += text.length;
      if (part) made.push(...(names ? [wrapped("span", names, marked(part, words))] : marked(part, words)));
      if (place >= to) break;
    }
    return made;
  }
  function marked(text, words) {
    if (!words) return [text];
    const made = [];
    const low = text.toLowerCase();
    let place = 0;
    for (let found = low.indexOf(words); found >= 0; found = low.indexOf(words, place)) {
      made.push(text.slice(place, found), wrapped("mark", "", [text.slice(found, found + words.length)]));
      place = found + words.length;
    }
    return [...made, text.slice(place)];
  }
  function element(name, names, text = "") {
    const made = document.createElement(name);
    made.className = names;
    made.textContent = text;
    return made;
  }
  function wrapped(name, names, nodes) {
    const made = element(name, names);
    made.append(...nodes);
    return made;
  }

  windlass.logRows = { element, pieces };
})();
