// The charts of the last hour.  Rows come whole once, then the newest with each panel; what is drawn is only ever these.
"use strict";
(() => {
  const { prefix } = window.windlass;
  const HOUR = 3600, LEAST = 300, HOLE = 12.5, HEIGHT = 130;
  // The columns of a row: 0 is the time in seconds; no value is a gap.
  const CHARTS = {
    backlog: { whole: true, series: [["waiting", 1, "--busy", []], ["running", 2, "--good", [5, 3]]] },
    throughput: { series: [["enqueued", 4, "--busy", []], ["started", 5, "--good", [5, 3]]] },
    outcomes: { series: [["succeeded", 6, "--good", []], ["retried", 7, "--warn", [5, 3]], ["failed", 8, "--bad", []],
      ["canceled", 9, "--still", [2, 3]], ["lost", 10, "--bad", [2, 3]]] },
    pickup: { seconds: true, least: 0.05, series: [["average", 11, "--good", [5, 3]], ["longest now", 3, "--busy", []]] },
  };
  const compact = new Intl.NumberFormat(undefined, { notation: "compact", maximumSignificantDigits: 3 });
  const minute = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", hour12: false });
  const second = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false });
  const INCREMENTS = [1, 2, 5].map((step) => [0, 1, 2, 3, 4, 5, 6].map((power) => step * 10 ** power)).flat().sort((a, b) => a - b);
  const drawn = new Map();
  let rows = [], cameAt = 0, loading = false;

  function words(value, chart) {
    if (value === null || value === undefined) return "–";
    if (!chart.seconds) return compact.format(value);
    return value < 1 ? `${Math.round(value * 1000)} ms` : value < 60 ? `${compact.format(value)} s` : value < HOUR ? `${Math.floor(value / 60)} min ${Math.round(value % 60)} s`
      : `${Math.floor(value / HOUR)} h ${Math.round((value % HOUR) / 60)} min`;
  }

  // --- the rows
  function last() { return rows.length ? rows[rows.length - 1][0] : 0; }
  function keep(more) {
    rows = rows.concat(more.filter((row) => row[0] > last())).slice(-HOUR / 5);
    cameAt = performance.now();
  }
  async function load() {
    if (loading) return;
    loading = true;
    try {
      const answer = await fetch(`${prefix}/overview/series`);
      if (answer.ok) { rows = []; keep(await answer.json()); show(); }
    } catch { /* the link in the header says so; the next panel tries again */ } finally { loading = false; }
  }
  function take() {
    const newest = document.getElementById("newest");
    const more = newest ? JSON.parse(newest.dataset.samples) : [];
    if (!more.length || !document.getElementById("charts")) return;
    if (!rows.length || more[0][0] > last() + HOLE) { load(); return; }
    if (more[more.length - 1][0] > last()) { keep(more); show(); }
  }

  // --- the drawing
  function range() {
    const end = last() + (performance.now() - cameAt) / 1000;
    return [end - Math.min(HOUR, Math.max(LEAST, rows.length ? end - rows[0][0] : 0)), end];
  }
  function columns(chart) {
    return [0, ...chart.series.map((one) => one[1])].map((column) => rows.map((row) => row[column]));
  }
  function options(chart, width, legend) {
    const style = getComputedStyle(document.documentElement);
    const colour = (name) => style.getPropertyValue(name).trim();
    const axis = { stroke: colour("--faint"), font: "11px system-ui, sans-serif", grid: { stroke: colour("--line"), width: 1 }, ticks: { show: false } };
    return {
      width, height: HEIGHT, legend: { show: false }, padding: [8, 18, 0, 0],
      cursor: { y: false, drag: { x: false, y: false }, sync: { key: "hour" }, points: { size: 5 } },
      scales: { x: { time: true, range }, y: { range: (_, __, most) => [0, Math.max((most || 0) * 1.1, chart.least ?? 1)] } },
      axes: [
        { ...axis, size: 24, space: 60, values: (_, times) => times.map((time) => minute.format(time * 1000)) },
        { ...axis, size: 52, space: 28, ...(chart.whole ? { incrs: INCREMENTS } : {}), values: (_, values) => values.map((value) => words(value, chart)) },
      ],
      series: [{}, ...chart.series.map(([label, , name, dash]) => ({ label, stroke: colour(name), width: 1.5, dash, points: { show: false } }))],
      hooks: { setCursor: [(plot) => tell(chart, legend, plot.cursor.idx)] },
    };
  }
  // The legend is the chart in words: what is now, or under the pointer, and the most there was.
  function tell(chart, legend, at) {
    const row = rows[at ?? rows.length - 1];
    chart.series.forEach(([label, column], number) => {
      const seen = rows.filter((each) => each[column] !== null).map((each) => each[column]);
      const [, now, most] = legend.children[number].children;
      say(now, `${label} ${words(row?.[column], chart)}`);
      say(most, seen.length ? `, at most ${words(Math.max(...seen), chart)}` : ", nothing seen yet");
    });
    say(legend.nextElementSibling, at === null || at === undefined ? "" : second.format(row[0] * 1000));
  }
  function say(element, text) {
    if (element.textContent !== text) element.textContent = text;
  }
  function explain(chart, legend) {
    legend.replaceChildren(...chart.series.map(([, , name, dash]) => {
      const item = document.createElement("li");
      const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
      const line = document.createElementNS("http://www.w3.org/2000/svg", "line");
      for (const [key, value] of Object.entries({ width: 20, height: 8, viewBox: "0 0 20 8", "aria-hidden": "true" })) svg.setAttribute(key, value);
      for (const [key, value] of Object.entries({ x1: 0, x2: 20, y1: 4, y2: 4, class: name.slice(2), "stroke-dasharray": dash.join(" ") })) line.setAttribute(key, value);
      svg.append(line);
      const most = document.createElement("span");
      most.className = "hidden-label";
      item.append(svg, document.createElement("span"), most);
      return item;
    }));
  }
  function mount(figure) {
    const chart = CHARTS[figure.dataset.chart], place = figure.querySelector(".plot"), legend = figure.querySelector(".legend");
    explain(chart, legend);
    const plot = new uPlot(options(chart, place.clientWidth, legend), columns(chart), place);
    drawn.set(figure, { plot, chart, legend, place });
    sizes.observe(place);
  }
  function show() {
    for (const figure of document.querySelectorAll("figure[data-chart]")) if (!drawn.has(figure)) mount(figure);
    for (const [figure, { plot, chart, legend }] of drawn) {
      if (!figure.isConnected) { drop(figure); continue; }
      plot.setData(columns(chart));
      tell(chart, legend, plot.cursor.idx);
    }
  }
  function drop(figure) {
    const { plot, place } = drawn.get(figure);
    plot.destroy();
    sizes.unobserve(place);
    drawn.delete(figure);
  }
  function again() {
    for (const figure of [...drawn.keys()]) drop(figure);
    show();
  }
  const sizes = new ResizeObserver((entries) => {
    for (const { plot, place } of drawn.values())
      if (entries.some((entry) => entry.target === place) && place.clientWidth) plot.setSize({ width: place.clientWidth, height: HEIGHT });
  });

  document.addEventListener("theme", again);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", again);
  document.addEventListener("htmx:after:swap", take);
  // Time goes on while nothing changes: the drawing moves, and nothing is asked.
  setInterval(() => { if (!document.hidden && rows.length) show(); }, 5000);
  if (document.getElementById("charts")) load();
})();
