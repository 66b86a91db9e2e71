"use strict";
(() => {
  const $ = (id) => document.getElementById(id);
  const cases = [...document.querySelectorAll(".case")];
  const form = $("filter");

  // Theme: as the system has it, or as the reader chooses; remembered where storage is allowed.
  const themes = ["auto", "light", "dark"];
  let theme = "auto";
  try { theme = localStorage.getItem("airtight-theme") || "auto"; } catch { /* storage refused */ }
  const show = () => {
    if (theme === "auto") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
    $("theme-name").textContent = theme;
  };
  $("theme").hidden = false;
  $("theme").addEventListener("click", () => {
    theme = themes[(themes.indexOf(theme) + 1) % themes.length];
    try { localStorage.setItem("airtight-theme", theme); } catch { /* storage refused */ }
    show();
  });
  if (!themes.includes(theme)) theme = "auto";
  show();

  // Filters.
  const marks = new Map();
  for (const cell of document.querySelectorAll(".cell")) marks.set(cell.hash.slice(1), cell);
  const texts = new Map();
  const text = (entry) => {
    if (!texts.has(entry)) texts.set(entry, entry.textContent.replace(/\s+/g, " ").toLowerCase());
    return texts.get(entry);
  };
  const has = (list, value) => value === "" || list.split("\n").includes(value);
  const apply = () => {
    const words = $("f-text").value.toLowerCase().split(/\s+/).filter(Boolean);
    const standings = [...form.querySelectorAll("[name=verdict]:checked")].map((box) => box.value);
    let shown = 0;
    for (const entry of cases) {
      const data = entry.dataset;
      const fits = (standings.length === 0 || standings.includes(data.standing))
        && (!$("f-flaky").checked || "flaky" in data)
        && has(data.scenario, $("f-scenario").value)
        && has(data.layers, $("f-layer").value)
        && has(data.severity, $("f-severity").value)
        && has(data.controls, $("f-control").value)
        && words.every((word) => text(entry).includes(word));
      entry.hidden = !fits;
      shown += fits;
      marks.get(entry.querySelector(".body").id)?.classList.toggle("off", !fits);
    }
    for (const scenario of document.querySelectorAll(".scenario")) {
      scenario.hidden = !scenario.querySelector(".case:not([hidden])");
    }
    $("shown").textContent = `${shown} of ${cases.length} cases`;
    $("none").hidden = shown > 0;
  };
  form.hidden = false;
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("input", apply);
  form.addEventListener("reset", () => setTimeout(apply));
  $("f-open").addEventListener("click", () => cases.forEach((entry) => { if (!entry.hidden) entry.open = true; }));
  $("f-close").addEventListener("click", () => cases.forEach((entry) => { entry.open = false; }));
  document.addEventListener("keydown", (event) => {
    const typing = /^(input|select|textarea)$/i.test(event.target.tagName);
    if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) {
      event.preventDefault();
      $("f-text").focus();
      form.scrollIntoView({ block: "nearest" });
    }
    if (event.key === "Escape" && event.target === $("f-text")) {
      $("f-text").value = "";
      apply();
    }
  });

  // A link to a case opens it, and a filter that hides it gives way.
  const reveal = () => {
    const target = $(decodeURIComponent(location.hash.slice(1)));
    const entry = target?.closest(".case");
    if (!entry) return;
    if (entry.hidden) form.reset();
    entry.hidden = false;
    entry.closest(".scenario").hidden = false;
    entry.open = true;
    entry.scrollIntoView({ block: "start" });
    entry.querySelector("summary").focus({ preventScroll: true });
  };
  addEventListener("hashchange", reveal);
  reveal();

  // Paper has no disclosure triangles.
  let closed = [];
  addEventListener("beforeprint", () => {
    closed = [...document.querySelectorAll("details:not([open])")];
    closed.forEach((entry) => { entry.open = true; });
  });
  addEventListener("afterprint", () => closed.forEach((entry) => { entry.open = false; }));
})();
