package browsertest

import (
	"fmt"
	"strings"
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
	cheat := ""
	step("add-cheat", func(t *testing.T) { cheat = testAddCheat(t, b) })
	step("fund", func(t *testing.T) { testFund(t, b) })
	step("round-arrives", func(t *testing.T) { testRoundArrives(t, b) })
	step("kill-trainer", func(t *testing.T) { testKill(t, b, p) })
	step("corrupt-blob", func(t *testing.T) { testCorrupt(t, b) })
	step("vote", func(t *testing.T) { testVote(t, b) })
	step("keyboard", func(t *testing.T) { testKeyboard(t, b) })
	step("pause", func(t *testing.T) { testPause(t, b) })
	step("cheat-caught", func(t *testing.T) { testCaught(t, b, cheat) })
	step("playground", func(t *testing.T) { testPlayground(t, b) })
	step("claim", func(t *testing.T) { testClaim(t, b) })
	step("closer", func(t *testing.T) { testCloser(t, b) })
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
	if said := p.told("a preview", `document.querySelector("#problem")?.innerText ?? (document.querySelector("h1").innerText.includes("what it would do") ? "shown" : "")`); said != "shown" {
		p.t.Fatalf("%s is refused: %s", action, said)
	}
	p.press(verb)
	if said := p.told("the result of "+action, `document.querySelector(".flash-error, #problem")?.innerText ?? (location.pathname.startsWith("/tx/") && document.readyState === "complete" ? "done" : "")`); said != "done" {
		p.t.Fatalf("%s is refused: %s", action, said)
	}
}

// pressed presses a button of the workshop and returns what it did, and where
// that can be watched.
func (p *tab) pressed(label string) (done, watch string) {
	p.t.Helper()
	p.visit("/workshop")
	p.press(label)
	said := p.told("what came of "+label, `(function () {
		var f = document.querySelector(".flash"), a = f && f.querySelector("a");
		return f ? (f.classList.contains("flash-error") ? "!" : "") + f.innerText + "\n" + (a ? a.getAttribute("href") : "") : "";
	})()`)
	if strings.HasPrefix(said, "!") {
		p.t.Fatalf("%s: %s", label, said[1:])
	}
	i := strings.LastIndexByte(said, '\n')
	return said[:i], said[i+1:]
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
	p.forgive("status of 4") // the browser notes the refusal's status as an error
	p.press("Show what it would do")
	p.until("a refusal at the form", `document.querySelector("#problem") !== null`)

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
	rung.until("two rounds in the table of the loss", "window.kept === 1 && "+rounds+" >= 2")
	had := front.told("two rounds in the table of the loss", "window.kept === 1 && "+rounds+" >= 2 ? String("+rounds+") : ''")
	const trains = `document.querySelector("main").innerText.includes("is being trained by strangers")`
	front.until("another round, unless all are over", fmt.Sprintf("window.kept === 1 && (%s > %s || !%s)", rounds, had, trains))
}

// testAddCheat has a free rider join while the raise is open, and returns its
// page once it has a seat: the test ends the raise, so that no rung is too fast
// for it.
func testAddCheat(t *testing.T, b *chromium) string {
	p := b.open(t, desktop)
	done, watch := p.pressed("Add a free rider")
	if !strings.Contains(done, "joins as a trainer and does nothing") || !strings.HasPrefix(watch, "/contributor/cresc1") {
		t.Fatalf("the button says %q and leads to %q", done, watch)
	}
	p.reloaded(watch, "its seat", `document.querySelector("main").textContent.includes("training.joined") ? "so" : ""`)
	return watch
}

// testCaught sees the free rider that a button has added lose its seat and its
// bond, with the reasons, on its own page and on those of all.
func testCaught(t *testing.T, b *chromium, cheat string) {
	front := b.open(t, desktop)
	front.visit("/")
	front.until("the free rider among the expelled", fmt.Sprintf(`[...document.querySelectorAll(".crew li.out")].some(
		(li) => li.querySelector('a[href="%s"]') && li.innerText.includes("expelled"))`, cheat))
	front.until("a burned bond in the supply", `[...document.querySelectorAll(".tiles div")].some(
		(d) => d.innerText.toLowerCase().startsWith("supply error") && / [1-9][0-9,.]* burned/.test(d.innerText) && d.querySelector("dd").innerText === "0")`)

	p := b.open(t, desktop)
	said := p.reloaded(cheat, "why the free rider was expelled", `(function () {
		var text = document.querySelector("main").textContent;
		var burned = [...document.querySelectorAll("dl.facts div")].find((d) => d.innerText.toLowerCase().startsWith("burned"));
		return text.includes("Expelled:") && text.includes("different bits") && burned && /[1-9]/.test(burned.innerText) ? text : "";
	})()`)
	for _, want := range []string{"Bond and escrow were burned", "replayed it", "crescendo audit"} {
		if !strings.Contains(said, want) {
			t.Errorf("the page of the free rider does not say %q:\n%.3000s", want, said)
		}
	}
}

// testCorrupt flips a bit of a delta and sees the hub notice, and notice when
// it is right again.
func testCorrupt(t *testing.T, b *chromium) {
	p := b.open(t, desktop)
	const row = `[...document.querySelectorAll("#checks tr")].find((r) => r.innerText.includes("Blobs are what their names say"))?.innerText ?? ""`
	// The damage lasts half a minute. A machine so busy that the hub does not
	// look meanwhile gets another chance.
	for end := time.Now().Add(patience); ; {
		done, watch := p.pressed("Corrupt a blob")
		if !strings.Contains(done, "has been flipped") || strings.Contains(done, "this is a bug") || watch != "/network" {
			t.Fatalf("the button says %q and leads to %q", done, watch)
		}
		p.visit(watch)
		if p.within(time.Minute, `/failed|warning/.test(`+row+`) && /cannot be had|could not be had/.test(`+row+`)`) {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("no check fails for a damaged blob; the page says:\n%.3000s", p.text())
		}
	}
	p.until("the blob right again", `/warning/.test(`+row+`) && /could not be had for/.test(`+row+`)`)
	p.until("times of the services and processes of this machine", `(function () {
		var services = document.querySelector("#services").innerText, processes = document.querySelector("#processes").innerText;
		return ["archive", "ledger", "relay"].every((s) => new RegExp(s + "\\s+answers\\s+[0-9.]+ ms").test(services)) && /CometBFT/.test(services)
			&& /trainer-[0-9]/.test(processes) && /build [0-9a-f]{8}, go1/.test(processes);
	})()`)
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
	done, watch := p.pressed("Kill a trainer")
	if !strings.Contains(done, "has been killed") || watch != "/network" {
		t.Fatalf("the button says %q and leads to %q", done, watch)
	}
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
	const askable = `document.querySelector("[data-play] select option") && !document.querySelector("[data-play] button").disabled ? "so" : ""`
	said := p.asked("func main() {", "8", askable, `document.querySelector(".desk-answer .desk-said").innerText === "Answered."`,
		`!document.querySelector(".desk-answer").hidden && !document.querySelector("[data-play] button").disabled`)
	for _, want := range []string{"Enclave", "simulated: the operator can read everything", "Price", "Receipt"} {
		if !strings.Contains(said, want) {
			t.Errorf("the answer does not say %q: %s", want, said)
		}
	}

	plain := b.open(t, look{width: desktop.width, height: desktop.height, noScript: true})
	plain.asked("package main", "4", askable, `document.querySelectorAll(".desk-answer:not([hidden]) dl dt").length >= 4`,
		`document.querySelector("#problem") !== null`)
}

// asked asks in the playground until there is an answer, and returns what it
// says. A vault that is still opening the model, or restarts, refuses; so does a
// ledger that is too busy.
func (p *tab) asked(prompt, tokens, askable, answered, refused string) string {
	p.t.Helper()
	p.forgive("status of 5")
	for end := time.Now().Add(patience); ; {
		p.reloaded("/playground", "a model that can be asked", askable)
		p.fill("prompt", prompt)
		p.fill("tokens", tokens)
		p.press("Go on")
		said := p.told("an answer or a refusal", fmt.Sprintf(`(%s) ? document.querySelector(".desk-answer").textContent : (%s) ? "refused" : ""`, answered, refused))
		if said != "refused" {
			return said
		}
		p.t.Logf("refused: %.600s", p.text())
		if time.Now().After(end) {
			p.t.Fatalf("nobody answers for %v", patience)
		}
	}
}

// testClaim takes what the demo client's questions have earned.
func testClaim(t *testing.T, b *chromium) {
	p := b.open(t, desktop)
	p.reloaded("/account", "something that is due to the wallet", `document.querySelector('a[href="/desk/claim?rung=1"]') ? "so" : ""`)
	p.fillIn("claim", "Take it", "rung", "1")
	href := p.reloaded("/account", "the wallet's account", `"/statement/" + document.querySelector(".desk-lead code").innerText`)
	p.reloaded(href, "what the wallet has bought", `document.querySelector("main").innerText.includes("2,000") ? "so" : ""`)
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

// testPause stops a page from changing by itself, and lets it go on.
func testPause(t *testing.T, b *chromium) {
	p := b.open(t, desktop)
	p.visit("/")
	const block = `document.querySelector(".tick").innerText`
	p.press("Pause updates")
	was := p.told("the button's other name", `document.querySelector("[data-pause]").innerText === "Resume updates" ? `+block+` : ""`)
	other := b.open(t, desktop)
	other.visit("/")
	other.until("two blocks more, on a page that goes on", fmt.Sprintf(`%s !== %q && (window.more = (window.more || new Set()).add(%s)).size > 2`, block, was, block))
	if now := value[string](p, block); now != was {
		t.Errorf("a page that was told to stand still went from %q to %q", was, now)
	}
	p.press("Resume updates")
	p.until("a newer block", fmt.Sprintf(`document.querySelector("[data-pause]").innerText === "Pause updates" && %s !== %q`, block, was))
}
