// The buffer's charts: each live table of sites is a sample; an hour of them is kept for this tab.
"use strict";
(() => {
  const KEEP_S = 3600;
  const MOST = 3600;
  const KEY = `${windlass.prefix}/buffer-samples`;
  const plots = new Map();
  let samples = read();

  function read() {
    try {
      const kept = JSON.parse(sessionStorage.getItem(KEY));
      return Array.isArray(kept) ? kept : [];
    } catch { return []; }
  }

  function sample() {
    const table = document.getElementById("sites");
    const sites = table ? JSON.parse(table.dataset.sites) : [];
    if (!sites.length) return;
    const now = Math.round(Date.now() / 1000);
    const values = {};
    for (const each of sites) values[each.site] = [each.buffer_size, each.replica_lag ?? 0];
    if (samples.length && samples[samples.length - 1][0] === now) samples.pop();
    samples.push([now, values]);
    samples = samples.filter(([time]) => time > now - KEEP_S).slice(-MOST);
    try { sessionStorage.setItem(KEY, JSON.stringify(samples)); } catch { samples = samples.slice(-MOST / 2); }
    draw(sites.map((each) => each.site));
  }

  function draw(sites) {
    if (samples.length === 0) return;
    for (const [index, id] of ["chart-depth", "chart-lag"].entries()) {
      const data = [samples.map(([time]) => time), ...sites.map((site) => samples.map(([, all]) => all[site]?.[index] ?? null))];
      const key = sites.join("\n");
      const known = plots.get(id);
      if (known && known.key === key) known.plot.setData(data);
      else plot(id, sites, key, data);
    }
    const words = sites.map((site) => {
      const depths = samples.map(([, all]) => all[site]?.[0]).filter((value) => value !== undefined);
      const lags = samples.map(([, all]) => all[site]?.[1]).filter((value) => value !== undefined);
      return `${site}: at most ${Math.max(...depths)} buffered, now ${depths.at(-1)}; lag at most ${Math.max(...lags).toFixed(1)} s, now ${lags.at(-1).toFixed(1)} s`;
    });
    document.getElementById("samples-words").textContent = words.join(". ");
  }

  function plot(id, sites, key, data) {
    const place = document.getElementById(id);
    if (plots.has(id)) plots.get(id).plot.destroy();
    const style = getComputedStyle(document.documentElement);
    const colour = (name) => style.getPropertyValue(name).trim();
    const colours = ["--accent", "--good", "--warn", "--bad", "--still"].map(colour);
    const dashes = [[], [6, 3], [2, 3], [8, 3, 2, 3]];
    const axis = { stroke: colour("--faint"), grid: { stroke: colour("--line"), width: 1 }, ticks: { stroke: colour("--line"), width: 1 } };
    const series = sites.map((site, number) => ({
      label: site, stroke: colours[number % colours.length], width: 2, dash: dashes[number % dashes.length],
      value: (_, value) => value === null ? "–" : `${Math.round(value * 10) / 10}${place.dataset.unit}`,
    }));
    const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false });
    const times = { ...axis, space: 90, values: (_, ticks) => ticks.map((tick) => clock.format(new Date(tick * 1000))) };
    const options = {
      width: place.clientWidth, height: 160, legend: { show: sites.length > 1 }, cursor: { y: false },
      scales: { x: { range: (_, first, last) => [Math.min(first, last - 60), last] }, y: { range: (_, least, most) => [0, Math.max(1, most * 1.1)] } },
      axes: [times, { ...axis, size: 56 }], series: [{}, ...series],
    };
    plots.set(id, { key, plot: new uPlot(options, data, place) });
  }

  function again() {
    for (const id of [...plots.keys()]) { plots.get(id).plot.destroy(); plots.delete(id); }
    const last = samples.at(-1);
    if (last) draw(Object.keys(last[1]));
  }

  sample();
  document.addEventListener("htmx:after:swap", sample);
  document.addEventListener("theme", again);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", again);
  let width = innerWidth;
  addEventListener("resize", () => { if (innerWidth !== width) { width = innerWidth; again(); } });
})();
