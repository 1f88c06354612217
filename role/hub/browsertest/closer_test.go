package browsertest

import (
	"fmt"
	"testing"
)

// testCloser looks at part of a loss curve: by dragging over it, by a link, and
// without JavaScript by two numbers. The table follows.
func testCloser(t *testing.T, b *chromium) {
	p := b.open(t, desktop)
	p.visit("/rung/1")
	const rows = `document.querySelectorAll("#loss-table tbody tr").length`
	all := p.told("a curve of several rounds", rows+` > 4 ? String(`+rows+`) : ""`)
	value[int](p, `(function () {
		var svg = document.querySelector("svg.loss"), box = svg.getBoundingClientRect();
		var at = function (kind, part) {
			svg.dispatchEvent(new PointerEvent(kind, {bubbles: true, cancelable: true, pointerType: "mouse", button: 0,
				clientX: box.left + box.width * part, clientY: box.top + box.height / 2}));
		};
		at("pointerdown", 0.25); at("pointermove", 0.4); at("pointermove", 0.55); at("pointerup", 0.55);
		return 1;
	})()`)
	const shown = `(function () {
		var q = new URLSearchParams(location.search), from = Number(q.get("from")), to = Number(q.get("to"));
		return from >= 1 && to > from && document.readyState === "complete" && ` + rows + ` === to - from + 1
			&& document.querySelector('a[href="/rung/1/loss.csv' + location.search + '"]') ? "so" : "";
	})()`
	p.told("the rounds that were dragged over, and no others", `!(`+rows+` < `+all+`) ? "" : `+shown)
	p.once(linkNamed("all"))
	p.until("all rounds again", fmt.Sprintf(`location.search === "" && %s >= %s`, rows, all))

	plain := b.open(t, look{width: phone.width, height: phone.height, noScript: true})
	plain.visit("/rung/1")
	plain.fill("from", "2")
	plain.fill("to", "4")
	plain.press("Show")
	plain.until("three rounds, without JavaScript", `location.search === "?from=2&to=4" && document.readyState === "complete" && `+rows+` === 3`)
}
