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

  // Details are unpacked once, and drawn when a case is opened: most of them never are.
  let bodies = [];
  let unpacked = "This browser cannot unpack the details; run.json has them.";
  const draw = (entry) => {
    const body = entry.querySelector(".body");
    if (body.firstChild || unpacked === "") return;
    const details = bodies[cases.indexOf(entry)];
    if (details === undefined) body.textContent = unpacked;
    else body.innerHTML = details;
  };
  const unpack = async () => {
    const bytes = Uint8Array.from(atob($("details").content.textContent), (character) => character.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
    bodies = await new Response(stream).json();
  };
  // A list of many cases names their places on the page.
  const fill = (list) => {
    if (list.childElementCount > 1) return;
    for (const row of list.dataset.cases.split(" ").filter(Boolean)) {
      const [first, last = first] = row.split("-").map(Number);
      for (const entry of cases.slice(first, last + 1)) {
        const link = document.createElement("a");
        link.href = `#${entry.querySelector(".body").id}`;
        link.className = "id";
        link.textContent = entry.dataset.id;
        list.append(" ", link);
      }
    }
  };
  document.addEventListener("toggle", (event) => {
    if (!event.target.open) return;
    if (event.target.matches(".case")) draw(event.target);
    if (event.target.matches(".more")) fill(event.target);
  }, true);
  const pending = unpacked;
  unpacked = "";
  unpack().catch(() => {}).then(() => {
    unpacked = pending;
    cases.filter((entry) => entry.open).forEach(draw);
    texts.clear();
    if ($("f-text").value) apply();
  });

  // Filters.
  const marks = new Map();
  for (const cell of document.querySelectorAll(".cell")) marks.set(cell.hash.slice(1), cell);
  const texts = new Map();
  const text = (entry) => {
    if (!texts.has(entry)) {
      const inert = document.createElement("template");
      inert.innerHTML = bodies[cases.indexOf(entry)] ?? "";
      const all = `${entry.querySelector("summary").textContent} ${inert.content.textContent}`;
      texts.set(entry, all.replace(/\s+/g, " ").toLowerCase());
    }
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

  // The filter stays in sight on wide screens; what a link leads to must not hide behind it.
  const measure = () => {
    const sticky = getComputedStyle(form).position === "sticky";
    document.documentElement.style.setProperty("--filter", sticky ? `${form.offsetHeight}px` : "0px");
  };
  addEventListener("resize", measure);
  measure();

  // The matrix is one stop for the Tab key; arrows lead from mark to mark.
  const cells = [...marks.values()];
  const place = (cell) => ({ row: cell.closest("tr").rowIndex, column: Number(cell.closest("td").dataset.column) });
  const next = (cell, key) => {
    const index = cells.indexOf(cell);
    if (key === "ArrowRight") return cells[index + 1];
    if (key === "ArrowLeft") return cells[index - 1];
    const down = key === "ArrowDown";
    const { row, column } = place(cell);
    const ahead = (down ? cells : [...cells].reverse()).map((other) => ({ other, ...place(other) }))
      .filter((entry) => (down ? entry.row > row : entry.row < row));
    const nearest = ahead.filter((entry) => entry.row === ahead[0].row)
      .sort((a, b) => Math.abs(a.column - column) - Math.abs(b.column - column));
    return nearest[0]?.other;
  };
  cells.forEach((cell, index) => { cell.tabIndex = index === 0 ? 0 : -1; });
  document.querySelector(".grid").addEventListener("keydown", (event) => {
    if (!event.key.startsWith("Arrow") || !event.target.matches(".cell")) return;
    const to = next(event.target, event.key);
    event.preventDefault();
    if (!to) return;
    event.target.tabIndex = -1;
    to.tabIndex = 0;
    to.focus();
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

  // Paper has no disclosure triangles: what failed is printed whole, the rest as counts.
  let closed = [];
  addEventListener("beforeprint", () => {
    closed = cases.filter((entry) => entry.matches(".failed") && !entry.open);
    closed.forEach((entry) => { draw(entry); entry.open = true; });
  });
  addEventListener("afterprint", () => closed.forEach((entry) => { entry.open = false; }));
})();
