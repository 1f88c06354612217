// What pages do beyond reading: keep open what a reader has opened while live
// fragments are replaced, and say when live updates have stopped. Everything
// works without this file.
(function () {
  "use strict";

  var open = {};
  document.addEventListener("htmx:sseBeforeMessage", function (event) {
    var target = event.target;
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
