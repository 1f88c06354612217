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
})();
