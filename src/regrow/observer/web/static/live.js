// What makes the pages live. A page asks its own address for server-sent events, and each event is the page anew:
// idiomorph exchanges what has changed, so focus, selection and what is folded stay. Without this script all works
// but the updates.
"use strict";
(() => {
  const page = document.getElementById("page");
  const button = document.getElementById("live");
  const news = document.getElementById("news");
  if (!page || !page.hasAttribute("data-live") || !window.EventSource || !window.Idiomorph) return;

  let stream = null;
  let paused = false;

  function show(state) {
    const text = { live: "Live", paused: "Paused", lost: "No connection", connecting: "Connecting" }[state];
    if (button.textContent !== text) button.textContent = text;
    button.className = state;
    button.setAttribute("aria-label", paused ? "Live updates are paused. Go on" : "Live updates: " + text + ". Pause");
  }

  function open() {
    if (stream || paused || document.hidden) return;
    show("connecting");
    stream = new EventSource(location.href.split("#")[0]);
    stream.addEventListener("page", (event) => { show("live"); exchange(event.data); });
    stream.onopen = () => show("live");
    stream.onerror = () => {
      show("lost");
      if (stream && stream.readyState === EventSource.CLOSED) { close(); setTimeout(open, 3000); }
    };
  }

  function close() {
    if (stream) stream.close();
    stream = null;
  }

  button.hidden = false;
  button.addEventListener("click", () => {
    paused = !paused;
    if (paused) { close(); show("paused"); } else open();
  });
  document.addEventListener("visibilitychange", () => { if (document.hidden) close(); else open(); });
  window.addEventListener("pagehide", close);
  window.addEventListener("pageshow", open);

  // --- the exchange ------------------------------------------------------------------------------------------------

  const kept = (node) => node.nodeType === 1 && node.hasAttribute("data-keep");
  const folds = (node, name) => node.nodeName === "DETAILS" && name === "open";

  function exchange(html) {
    const before = flashes(), crash = latest();
    Idiomorph.morph(page, html, {
      morphStyle: "innerHTML",
      ignoreActiveValue: true,
      callbacks: {
        beforeNodeMorphed: (old) => !kept(old),
        beforeAttributeUpdated: (name, node) => !folds(node, name) && !(name === "class" && node.classList.contains("flash")),
      },
    });
    const now = latest();
    const crashed = now.id > crash.id && crash.id >= 0;
    for (const [id, count] of flashes()) {
      // A node that was not here before has come in the place of one that crashed, or has only moved into view.
      if (before.has(id) ? count > before.get(id) : crashed && count > 0) flash(document.getElementById(id));
    }
    if (crashed) {
      news.textContent = now.text;
      flash(document.getElementById("crash-" + now.id));
      flash(page.querySelector(`[data-pid="${now.parent}"]`));
    }
    point();
  }

  function latest() {
    const found = document.getElementById("latest");
    if (!found) return { id: -1, text: "", parent: "" };
    return { id: Number(found.dataset.crash), text: found.dataset.text, parent: found.dataset.parent };
  }

  // What is restarted flashes, and the supervisor of what has crashed; if it is folded away, what it is folded into.
  function flashes() {
    return new Map([...page.querySelectorAll("[data-flash]")].map((node) => [node.id, Number(node.dataset.flash)]));
  }

  function flash(node) {
    if (!node) return;
    let target = node;
    for (let above = node.parentElement; above && above !== page; above = above.parentElement) {
      if (above.nodeName === "DETAILS" && !above.open) target = above;
    }
    const line = target.querySelector(":scope > details > summary, :scope > summary, :scope > .row") || target;
    line.classList.remove("flash");
    void line.offsetWidth; // begin again
    line.classList.add("flash");
    setTimeout(() => line.classList.remove("flash"), 2500);
  }

  // --- what a chart says where one points ----------------------------------------------------------------------------

  let at = null; // the plot, and where in it: 0 is its left edge and 1 its right

  const texts = {
    count: (value) => Math.round(value).toLocaleString("en"),
    rate: (value) => (value >= 100 ? Math.round(value).toLocaleString("en") : Number(value.toPrecision(3))) + "/s",
    seconds: (value) => (value < 1 ? Number((value * 1000).toPrecision(3)) + " ms" : Number(value.toPrecision(3)) + " s"),
  };

  function point() {
    for (const each of page.querySelectorAll(".pointer, .says")) {
      if (!at || each.parentElement !== at.plot) each.remove();
    }
    if (!at || !at.plot.isConnected) return;
    const data = at.plot.dataset;
    const values = data.values === "" ? [] : data.values.split(",");
    const capacity = Number(data.capacity);
    const place = Math.round(at.x * (capacity - 1));
    const value = values[place - (capacity - values.length)];
    const known = value !== undefined && value !== "";
    const line = part("pointer"), says = part("says");
    line.hidden = says.hidden = !known;
    if (!known) return;
    const x = (100 * place) / (capacity - 1);
    line.style.left = x + "%";
    says.style.left = x + "%";
    says.classList.toggle("left", x > 60);
    const ago = Math.round((capacity - 1 - place) * Number(data.interval));
    says.textContent = texts[data.unit](Number(value)) + (ago ? ", " + ago + " s ago" : ", now");
  }

  function part(name) {
    let found = at.plot.querySelector("." + name);
    if (!found) {
      found = document.createElement("span");
      found.className = name;
      found.setAttribute("aria-hidden", "true");
      at.plot.append(found);
    }
    return found;
  }

  page.addEventListener("pointermove", (event) => {
    const plot = event.target.closest(".plot");
    if (!plot && !at) return;
    const box = plot && plot.getBoundingClientRect();
    at = plot ? { plot, x: Math.min(Math.max((event.clientX - box.left) / box.width, 0), 1) } : null;
    point();
  });
  page.addEventListener("pointerleave", () => { at = null; point(); });

  open();
})();
