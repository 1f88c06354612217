// What pages do beyond reading: keep open what a reader has opened while live
// fragments are replaced, and say when live updates have stopped. Everything
// works without this file.
(function () {
  "use strict";

  // A page that changes by itself can be told not to.
  var paused = false;
  try { paused = sessionStorage.getItem("paused") === "1"; } catch (e) { /* then for this page only */ }
  document.querySelectorAll("[data-pause]").forEach(function (button) {
    var name = function () { button.textContent = paused ? "Resume updates" : "Pause updates"; };
    name();
    button.hidden = false;
    button.addEventListener("click", function () {
      paused = !paused;
      try { sessionStorage.setItem("paused", paused ? "1" : "0"); } catch (e) { /* as above */ }
      name();
      if (!paused) { location.reload(); }
    });
  });

  var open = {};
  document.addEventListener("htmx:sseBeforeMessage", function (event) {
    var target = event.target;
    if (paused) {
      event.preventDefault();
      return;
    }
    if (drag && target && target.contains && target.contains(drag.svg)) {
      event.preventDefault();
      return;
    }
    if (target && target.contains && target.contains(document.activeElement) && document.activeElement !== document.body) {
      // Somebody is using the keyboard in here: take the next update instead.
      event.preventDefault();
      return;
    }
    if (target && target.querySelectorAll) {
      target.querySelectorAll("details[id]").forEach(function (d) { open[d.id] = d.open; });
    }
  });
  document.addEventListener("htmx:sseMessage", function (event) {
    if (event.target && event.target.querySelectorAll) {
      event.target.querySelectorAll("details[id]").forEach(function (d) { if (open[d.id]) { d.open = true; } });
    }
    document.documentElement.classList.remove("stale");
  });
  document.addEventListener("htmx:sseError", function () { document.documentElement.classList.add("stale"); });

  // Dragging over a loss curve shows the rounds that were dragged over. The
  // links and the form below the picture do the same without a mouse.
  var left = 44, right = 628; // edges of the curve in the picture's own units
  var drag = null;
  function place(svg, event) {
    var box = svg.getBoundingClientRect();
    return Math.min(right, Math.max(left, (event.clientX - box.left) / box.width * svg.viewBox.baseVal.width));
  }
  document.addEventListener("pointerdown", function (event) {
    var svg = event.target.closest && event.target.closest("svg.loss[data-rung]");
    if (!svg || event.pointerType !== "mouse" || event.button !== 0) { return; }
    event.preventDefault();
    drag = { svg: svg, start: place(svg, event), mark: document.createElementNS("http://www.w3.org/2000/svg", "rect") };
    drag.end = drag.start;
    drag.mark.setAttribute("class", "chosen");
    drag.mark.setAttribute("y", "14");
    drag.mark.setAttribute("height", "216");
    svg.append(drag.mark);
  });
  document.addEventListener("pointermove", function (event) {
    if (!drag) { return; }
    drag.end = place(drag.svg, event);
    drag.mark.setAttribute("x", Math.min(drag.start, drag.end));
    drag.mark.setAttribute("width", Math.abs(drag.end - drag.start));
  });
  document.addEventListener("pointerup", function () {
    if (!drag) { return; }
    var d = drag, set = d.svg.dataset, from = Number(set.from), to = Number(set.to), newest = Number(set.newest);
    drag = null;
    d.mark.remove();
    if (Math.abs(d.end - d.start) < 8) { return; }
    var round = function (x) { return Math.min(newest, Math.max(1, Math.round(from + (x - left) / (right - left) * (to - from)))); };
    var first = round(Math.min(d.start, d.end)), last = round(Math.max(d.start, d.end));
    location.assign("/rung/" + set.rung + "?from=" + first + "&to=" + last + "#loss-title");
  });
  document.addEventListener("keydown", function (event) {
    if (drag && event.key === "Escape") { drag.mark.remove(); drag = null; }
  });

  // A page that could not be made just now is asked for again until it can be;
  // nothing changes on the screen before that.
  document.querySelectorAll("[data-again]").forEach(function (box) {
    var wait = Number(box.dataset.again);
    box.append(" It is tried again by itself.");
    setTimeout(function again() {
      fetch(location.href, { headers: { Accept: "text/html" } }).then(function (r) {
        if (r.status === 503 || r.status === 429) { throw new Error("busy"); }
        location.reload();
      }).catch(function () { setTimeout(again, wait); });
    }, wait);
  });
})();
