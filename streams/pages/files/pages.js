// Charts, the part of a claim that is read from the log, and the keys of the queue. Without it all else works.
"use strict";
const library = document.currentScript.dataset.charts;
let loading = null;

function charting() {
  loading ??= new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = library;
    script.onload = () => resolve(window.Plotly);
    script.onerror = reject;
    document.head.append(script);
  });
  return loading;
}

// Names of colours, as the style sheet has them now, become colours.
function coloured(value, style) {
  if (typeof value === "string") return value.startsWith("--") ? style.getPropertyValue(value).trim() : value;
  if (Array.isArray(value)) return value.map((each) => coloured(each, style));
  if (value && typeof value === "object") {
    return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, coloured(each, style)]));
  }
  return value;
}

async function draw(figure) {
  const Plotly = await charting();
  const style = getComputedStyle(document.documentElement);
  const { data, layout } = JSON.parse(figure.querySelector("script").textContent);
  const axis = { gridcolor: "--line", linecolor: "--line", tickcolor: "--line", automargin: true, fixedrange: false };
  const themed = {
    ...layout,
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    font: { color: "--ink", family: "system-ui, sans-serif", size: 13 },
    margin: { l: 8, r: 8, t: 8, b: 8 },
    legend: { orientation: "h", x: 0, xanchor: "left", y: 1.02, yanchor: "bottom" },
    hoverlabel: { bgcolor: "--card", bordercolor: "--line", font: { color: "--ink" }, align: "left" },
    xaxis: { ...axis, tickangle: 0, nticks: figure.clientWidth < 600 ? 4 : 0, ...layout.xaxis },
    yaxis: { ...axis, fixedrange: true, ...layout.yaxis },
  };
  figure.classList.add("drawn");
  const options = { responsive: true, displayModeBar: false, scrollZoom: false };
  await Plotly.react(figure.querySelector(".canvas"), coloured(data, style), coloured(themed, style), options);
}

const drawAll = (within) => Promise.all([...within.querySelectorAll(".chart")].map(draw));

async function load(section) {
  try {
    const answer = await fetch(section.dataset.load);
    if (!answer.ok) return;
    const read = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("voices");
    section.querySelector("[data-waiting]").replaceWith(document.adoptNode(read));
    await drawAll(section);
  } catch {
    // The link that stands there leads to the same.
  }
}

function keys(queue) {
  const flags = [...queue.querySelectorAll("[data-flag]")];
  const help = document.getElementById("help");
  const place = "place " + location.pathname;
  let at = -1;
  const go = (to) => {
    if (!flags.length) return;
    at = Math.max(0, Math.min(flags.length - 1, to));
    sessionStorage.setItem(place, at);
    flags[at].focus();
    flags[at].scrollIntoView({ block: "nearest" });
  };
  const press = (decision) => flags[at]?.querySelector(`[data-decision=${decision}] button`)?.click();
  for (const [i, flag] of flags.entries()) flag.addEventListener("focusin", () => (at = i));
  document.querySelector(".keys").hidden = false;
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, select, textarea, dialog")) return;
    const does = {
      j: () => go(at + 1),
      k: () => go(at - 1),
      c: () => press("confirmed"),
      d: () => press("dismissed"),
      "?": () => help.showModal(),
      Enter: () => event.target === flags[at] && flags[at].querySelector("h2 a, h3 a").click(),
    }[event.key];
    if (!does) return;
    if (event.key !== "Enter" || event.target === flags[at]) event.preventDefault();
    does();
  });
  // After a decision the page comes again: go on where that was.
  const before = sessionStorage.getItem(place);
  if (before !== null && document.referrer.includes(location.pathname)) go(Number(before));
}

document.addEventListener("DOMContentLoaded", () => {
  drawAll(document);
  document.querySelectorAll("[data-load]").forEach(load);
  document.querySelectorAll("[data-queue]").forEach(keys);
  // A filter that says nothing is no part of the address.
  document.querySelector("[data-filters]")?.addEventListener("submit", (event) => {
    for (const field of event.target.elements) field.disabled ||= field.value === "" || field.value === "0";
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => drawAll(document));
});
