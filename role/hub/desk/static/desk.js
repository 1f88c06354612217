// What the desk cannot do with plain forms: passkeys, wallets in the browser,
// and answers that appear word by word. Everything else works without it.
"use strict";

(() => {
  const bytes = (s) => Uint8Array.from(atob(s), (c) => c.charCodeAt(0));
  const base64 = (b) => btoa(String.fromCharCode(...new Uint8Array(b)));
  const fromURL = (s) => bytes(s.replace(/-/g, "+").replace(/_/g, "/").padEnd(Math.ceil(s.length / 4) * 4, "="));
  const toURL = (b) => base64(b).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");

  async function post(path, csrf, body, type = "application/json") {
    const r = await fetch(path, {
      method: "POST",
      headers: { "Content-Type": type, Accept: "application/json", "X-CSRF-Token": csrf },
      body: typeof body === "string" || body instanceof URLSearchParams ? body : JSON.stringify(body),
    });
    let said = {};
    try {
      said = await r.json();
    } catch {
      said = { error: `the hub answered ${r.status}` };
    }
    if (!r.ok) throw new Error(said.error + (said.hint ? `: ${said.hint}` : ""));
    return said;
  }

  function act(box, name, work) {
    const button = box.querySelector(`[data-do=${name}]`);
    const said = box.querySelector(".desk-said");
    if (!button) return;
    button.addEventListener("click", async () => {
      button.disabled = true;
      said.textContent = "Waiting for you …";
      try {
        const next = (await work()).next;
        if (next) location.assign(next);
      } catch (e) {
        said.textContent = e.message || String(e);
        button.disabled = false;
      }
    });
  }

  // Passkeys.
  for (const box of document.querySelectorAll("[data-passkey]")) {
    const csrf = box.dataset.csrf;
    act(box, "register", async () => {
      const o = (await post("/login/passkey/register", csrf, {})).publicKey;
      o.challenge = fromURL(o.challenge);
      o.user.id = fromURL(o.user.id);
      for (const c of o.excludeCredentials || []) c.id = fromURL(c.id);
      const c = await navigator.credentials.create({ publicKey: o });
      return post("/login/passkey/registered", csrf, {
        id: c.id, rawId: toURL(c.rawId), type: c.type,
        response: { clientDataJSON: toURL(c.response.clientDataJSON), attestationObject: toURL(c.response.attestationObject) },
      });
    });
    act(box, "ask", async () => {
      const o = (await post("/login/passkey/ask", csrf, {})).publicKey;
      o.challenge = fromURL(o.challenge);
      for (const c of o.allowCredentials || []) c.id = fromURL(c.id);
      const c = await navigator.credentials.get({ publicKey: o });
      return post("/login/passkey/answer", csrf, {
        id: c.id, rawId: toURL(c.rawId), type: c.type,
        response: {
          clientDataJSON: toURL(c.response.clientDataJSON), authenticatorData: toURL(c.response.authenticatorData),
          signature: toURL(c.response.signature), userHandle: toURL(c.response.userHandle),
        },
      });
    });
  }

  // Keplr and wallets that imitate it.
  function keplr() {
    if (!window.keplr) throw new Error("No wallet was found in this browser: install Keplr, or use another login.");
    return window.keplr;
  }

  function chainInfo(d) {
    const coin = { coinDenom: d.denom.replace(/^u/, "").toUpperCase(), coinMinimalDenom: d.denom, coinDecimals: 6 };
    const stake = { coinDenom: "STAKE", coinMinimalDenom: "stake", coinDecimals: 6 };
    const prefix = "cresc";
    return {
      chainId: d.chain, chainName: d.chain, rpc: d.rpc, rest: d.rest || d.rpc, bip44: { coinType: 118 },
      bech32Config: {
        bech32PrefixAccAddr: prefix, bech32PrefixAccPub: prefix + "pub", bech32PrefixValAddr: prefix + "valoper",
        bech32PrefixValPub: prefix + "valoperpub", bech32PrefixConsAddr: prefix + "valcons", bech32PrefixConsPub: prefix + "valconspub",
      },
      currencies: [coin], stakeCurrency: stake,
      feeCurrencies: [{ ...coin, gasPriceStep: { low: 0, average: 0, high: 0 } }],
    };
  }

  for (const box of document.querySelectorAll("[data-keplr]")) {
    act(box, "keplr", async () => {
      const wallet = keplr();
      const d = box.dataset;
      await wallet.experimentalSuggestChain(chainInfo(d));
      await wallet.enable(d.chain);
      const key = await wallet.getKey(d.chain);
      const { challenge } = await post("/login/keplr", d.csrf, {});
      const signed = await wallet.signArbitrary(d.chain, key.bech32Address, challenge);
      return post("/login/keplr", d.csrf, { public_key: base64(key.pubKey), signature: signed.signature });
    });
  }

  for (const box of document.querySelectorAll("[data-sign]")) {
    act(box, "sign", async () => {
      const wallet = keplr();
      const { sign, nonce, csrf } = box.dataset;
      const form = new URLSearchParams({ nonce });
      const doc = await post(`/desk/${sign}/sign`, csrf, form, "application/x-www-form-urlencoded");
      const signed = await wallet.signDirect(doc.chainId, doc.signer, {
        bodyBytes: bytes(doc.bodyBytes), authInfoBytes: bytes(doc.authInfoBytes), chainId: doc.chainId, accountNumber: BigInt(doc.accountNumber),
      }, { preferNoSetFee: true, preferNoSetMemo: true });
      return post(`/desk/${sign}/signature`, csrf, { nonce: doc.nonce, signature: signed.signature.signature });
    });
  }

  // The playground.
  function* events(text) {
    for (const block of text.split("\n\n")) {
      const event = { kind: "", data: "" };
      for (const line of block.split("\n")) {
        if (line.startsWith("event: ")) event.kind = line.slice(7);
        if (line.startsWith("data: ")) event.data += line.slice(6);
      }
      if (event.data) yield event;
    }
  }

  function facts(list, lines) {
    list.replaceChildren(...Object.entries(lines).map(([name, value]) => {
      const row = document.createElement("div");
      const dt = document.createElement("dt");
      const dd = document.createElement("dd");
      dt.textContent = name;
      dd.textContent = value;
      row.append(dt, dd);
      return row;
    }));
  }

  async function stream(form, answer) {
    const said = answer.querySelector(".desk-said");
    const text = answer.querySelector(".desk-text");
    const csrf = form.elements.csrf.value;
    const r = await fetch("/playground/stream", {
      method: "POST", headers: { Accept: "text/event-stream", "X-CSRF-Token": csrf }, body: new URLSearchParams(new FormData(form)),
    });
    if (!r.ok) {
      const why = await r.json();
      throw new Error(why.error + (why.hint ? `: ${why.hint}` : ""));
    }
    const reader = r.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      rest += value;
      const end = rest.lastIndexOf("\n\n");
      if (end < 0) continue;
      for (const e of events(rest.slice(0, end))) {
        const data = JSON.parse(e.data);
        if (e.kind === "text") text.append(data.text);
        if (e.kind === "error") throw new Error(`${data.error}: ${data.hint}`);
        if (e.kind === "done") {
          facts(answer.querySelector("dl"), data);
          said.textContent = "Answered.";
        }
      }
      rest = rest.slice(end + 2);
    }
  }

  for (const form of document.querySelectorAll("[data-play]")) {
    const answer = document.querySelector("[data-answer]");
    const button = form.querySelector("button");
    form.addEventListener("submit", async (e) => {
      e.preventDefault();
      const said = answer.querySelector(".desk-said");
      answer.hidden = false;
      answer.querySelector(".desk-prompt").textContent = form.elements.prompt.value;
      answer.querySelector(".desk-text").textContent = "";
      answer.querySelector("dl").replaceChildren();
      said.textContent = "Opening a session, sealing the prompt …";
      button.disabled = true;
      try {
        await stream(form, answer);
      } catch (why) {
        said.textContent = why.message || String(why);
      }
      button.disabled = false;
    });
  }
})();
