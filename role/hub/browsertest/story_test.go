package browsertest

import (
	"fmt"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// TestHub plays a programme and uses its hub from the first raise to the first
// claim, in one browser, as a person on this machine would. It takes minutes;
// CRESCENDO_SEED changes the programme's seed.
func TestHub(t *testing.T) {
	p := play(t)
	b := startChromium(t, p.hub)
	step := func(name string, test func(*testing.T)) {
		if t.Failed() {
			return // what comes next builds on it
		}
		t.Run(name, test)
	}
	step("login", func(t *testing.T) { testLogin(t, b) })
	step("recipe", func(t *testing.T) { testRecipe(t, b) })
	step("fund", func(t *testing.T) { testFund(t, b) })
	step("round-arrives", func(t *testing.T) { testRoundArrives(t, b) })
	step("vote", func(t *testing.T) { testVote(t, b) })
	step("keyboard", func(t *testing.T) { testKeyboard(t, b) })
	step("kill-trainer", func(t *testing.T) { testKill(t, b, p) })
	step("playground", func(t *testing.T) { testPlayground(t, b) })
	step("claim", func(t *testing.T) { testClaim(t, b) })
	step("screenshots", func(t *testing.T) { shoot(t, b) })
	step("load", func(t *testing.T) { testLoad(t, p) })
	step("pages", func(t *testing.T) {
		testPages(t, b, "/account", "/desk/fund", "/desk/enter", "/desk/vote", "/workshop", "/playground")
	})
	step("rebuilt", func(t *testing.T) { testRebuilt(t, p) })
}

// testLogin takes the demo wallet with one click.
func testLogin(t *testing.T, b *chromium) {
	p := b.open(t, desktop)
	p.visit("/account")
	p.until("the login page", `location.pathname === "/login"`)
	p.press("Use the demo wallet")
	p.until("the account page", `location.pathname === "/account" && document.querySelector(".who").innerText.includes("demo wallet")`)
}

// fillIn goes through a form of the desk: preview, confirmation, transaction.
func (p *tab) fillIn(action, verb string, fields ...string) {
	p.t.Helper()
	p.visit("/desk/" + action)
	for i := 0; i+1 < len(fields); i += 2 {
		p.fill(fields[i], fields[i+1])
	}
	p.press("Show what it would do")
	p.until("a preview", `document.querySelector("h1").innerText.includes("what it would do") || document.querySelector("#problem") !== null`)
	if said := value[string](p, `document.querySelector("#problem")?.innerText ?? ""`); said != "" {
		p.t.Fatalf("%s is refused: %s", action, said)
	}
	p.press(verb)
	p.until("the result of "+action, `location.pathname.startsWith("/tx/") || document.querySelector(".flash, #problem") !== null`)
	if said := value[string](p, `document.querySelector(".flash-error, #problem")?.innerText ?? ""`); said != "" {
		p.t.Fatalf("%s is refused: %s", action, said)
	}
}

// testRecipe enters a recipe while the raise is open.
func testRecipe(t *testing.T, b *chromium) {
	p := b.open(t, desktop)
	p.fillIn("enter", "Enter it", "rung", "1", "name", "from a browser", "optimizer", "adamw", "lr", "4000")
	p.visit("/research")
	p.until("the entry among those of the competition", `/sealed|entr/i.test(document.querySelector("main").innerText)`)
}

// testFund asks for more than there is, is refused at the form, and then buys
// what the demo funders have left: the raise ends, and the page says so to
// whoever has it open.
func testFund(t *testing.T, b *chromium) {
	watching := b.open(t, desktop)
	watching.visit("/rung/1")
	watching.until("nine tenths of the raise", `document.querySelector("main").innerText.includes("18,000")`)
	value[int](watching, "window.kept = 1")

	p := b.open(t, desktop)
	p.visit("/desk/fund")
	p.fill("rung", "1")
	p.fill("amount", "999000000000000")
	p.press("Show what it would do")
	p.until("a refusal at the form", `document.querySelector("#problem") !== null`)
	p.take() // the browser notes the refusal's status as an error

	p.fillIn("fund", "Buy shares", "rung", "1", "amount", "2000000000")
	watching.until("the end of the raise, without loading the page again", `window.kept === 1 && document.querySelector("main").innerText.includes("20,000")`)
}

// testRoundArrives sees two rounds come in on pages nobody loads again.
func testRoundArrives(t *testing.T, b *chromium) {
	front, rung := b.open(t, desktop), b.open(t, phone)
	front.visit("/")
	rung.visit("/rung/1")
	for _, p := range []*tab{front, rung} {
		value[int](p, "window.kept = 1")
	}
	const rounds = `document.querySelectorAll("#loss-table tbody tr, [id$=loss-table] tbody tr").length`
	for _, p := range []*tab{front, rung} {
		p.until("two rounds in the table of the loss", "window.kept === 1 && "+rounds+" >= 2")
	}
	had := value[int](front, rounds)
	front.until("another round", fmt.Sprintf("window.kept === 1 && %s > %d", rounds, had))
}

// testVote puts a statement to the holders and votes for it.
func testVote(t *testing.T, b *chromium) {
	p := b.open(t, desktop)
	p.fillIn("propose", "Put it to the holders", "rung", "1", "kind", "statement", "text", "We have read the browser test.")
	p.fillIn("vote", "Vote", "proposal", "1", "say", "yes")
	p.visit("/governance")
	p.reading("We have read the browser test.")
	p.reading("2,000")
}

// testKill kills a trainer and sees the supervisor bring it back.
func testKill(t *testing.T, b *chromium, run *programme) {
	before := map[string]int{}
	for _, e := range run.processes() {
		if e.Role == "trainer" {
			before[e.Name] = e.PID
		}
	}
	p := b.open(t, desktop)
	p.visit("/workshop")
	p.press("Kill a trainer")
	p.reading("has been killed")
	p.once(chromedp.Click(chromedp.CSS(`.flash a`)))
	p.until("the page where it shows", `location.pathname === "/network"`)
	run.until("a trainer with another process", func() bool {
		for name, old := range before {
			if now := run.pid(name); now != 0 && now != old {
				return true
			}
		}
		return false
	})
}

// testPlayground asks the sealed model, with JavaScript and without.
func testPlayground(t *testing.T, b *chromium) {
	p := b.open(t, desktop)
	for limit := time.Now().Add(patience); ; time.Sleep(time.Second) {
		p.visit("/playground")
		if value[bool](p, `document.querySelector("[data-play] select option") !== null && !document.querySelector("[data-play] button").disabled`) {
			break
		}
		if time.Now().After(limit) {
			t.Fatalf("nothing can be asked:\n%s", p.text())
		}
		p.take() // a ledger that is too busy to answer is worth another try
	}
	p.fill("prompt", "func main() {")
	p.fill("tokens", "8")
	p.press("Go on")
	p.until("an answer", `document.querySelector(".desk-answer .desk-said").innerText === "Answered."`)
	if said := value[string](p, `document.querySelector(".desk-answer").innerText`); value[int](p, `document.querySelectorAll(".desk-answer dl dt").length`) < 4 {
		t.Errorf("the answer says too little of who answered, for how much: %s", said)
	}
	p.reading("simulated")

	plain := b.open(t, look{width: desktop.width, height: desktop.height, noScript: true})
	plain.visit("/playground")
	plain.fill("prompt", "package main")
	plain.fill("tokens", "4")
	plain.press("Go on")
	plain.until("an answer without JavaScript", `document.querySelectorAll(".desk-answer:not([hidden]) dl dt").length >= 4`)
}

// testClaim takes what the demo client's questions have earned.
func testClaim(t *testing.T, b *chromium) {
	p := b.open(t, desktop)
	for limit := time.Now().Add(patience); ; time.Sleep(time.Second) {
		p.visit("/account")
		if value[bool](p, `document.querySelector('a[href="/desk/claim?rung=1"]') !== null`) {
			break
		}
		if time.Now().After(limit) {
			t.Fatalf("nothing is due to the wallet:\n%s", p.text())
		}
		p.take()
	}
	p.fillIn("claim", "Take it", "rung", "1")
	p.visit("/account")
	href := value[string](p, `"/statement/" + document.querySelector(".desk-lead code").innerText`)
	p.visit(href)
	p.reading("2,000")
}

// testKeyboard gets from a new page to a sent form without a mouse, and sees
// where the focus is all the way.
func testKeyboard(t *testing.T, b *chromium) {
	p := b.open(t, desktop)
	p.visit("/desk/vote")
	p.run(chromedp.KeyEvent(kb.Tab))
	if first := value[string](p, "document.activeElement.className"); first != "skip" {
		t.Errorf("the first stop of the tab key is %q, not the link to the content", first)
	}
	p.run(chromedp.KeyEvent(kb.Enter))
	p.until("the focus in the content", `document.activeElement.id === "main" || location.hash === "#main"`)
	for range 40 {
		p.run(chromedp.KeyEvent(kb.Tab))
		if hidden := value[string](p, focusShown); hidden != "" {
			t.Errorf("nothing shows that the focus is on %s", hidden)
		}
		if value[bool](p, `document.activeElement.name === "proposal"`) {
			break
		}
	}
	p.run(chromedp.KeyEvent("1"), chromedp.KeyEvent(kb.Tab), chromedp.KeyEvent("n")) // the vote changes to no
	p.run(chromedp.KeyEvent(kb.Tab), chromedp.KeyEvent(kb.Enter))
	p.until("the preview of the vote", `document.querySelector("h1").innerText.includes("what it would do")`)
}

// focusShown is empty if the element with the focus looks different for it.
const focusShown = `(function () {
	var e = document.activeElement, s = getComputedStyle(e);
	if (e === document.body || s.outlineStyle !== "none" && parseFloat(s.outlineWidth) > 0 || s.boxShadow !== "none") { return ""; }
	return e.tagName + " " + e.className + " " + e.innerText.slice(0, 40);
})()`
