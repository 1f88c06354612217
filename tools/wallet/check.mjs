// Uses a running ledger and its hub as a wallet does: with CosmJS, the library
// behind Keplr and most Cosmos wallets and explorers. `make wallet-test` runs it.
//
// Arguments: run.json, a key file with money, the rung whose raise is open.
// Prints one line for each thing that holds; the first that does not ends it.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const require = createRequire(process.env.CRESCENDO_COSMJS + "/");
const load = async (name) => {
  const m = await import(pathToFileURL(require.resolve(name)).href);
  return { ...m.default, ...m };
};
const { GasPrice, SigningStargateClient, StargateClient, defaultRegistryTypes } = await load("@cosmjs/stargate");
const { DirectSecp256k1Wallet, Registry, makeSignBytes } = await load("@cosmjs/proto-signing");
const { Secp256k1Wallet, makeSignDoc } = await load("@cosmjs/amino");
const { Random } = await load("@cosmjs/crypto");
const { BinaryReader, BinaryWriter } = await load("cosmjs-types/binary");

const [runFile, keyFile, rungText] = process.argv.slice(2);
const run = JSON.parse(readFileSync(runFile, "utf8"));
const rung = Number(rungText);
const hub = run.processes.find((p) => p.role === "hub").address;
const rpc = run.ledger_rpc;
const rest = run.ledger_rest;
const prefix = "cresc";
const denom = "udemo";
const free = { amount: [], gas: "300000" };

function holds(what, ok, found = "") {
  if (!ok) throw new Error(`does not hold: ${what}${found === "" ? "" : `; found ${JSON.stringify(found)}`}`);
  console.log("ok:", what);
}

async function get(path) {
  const r = await fetch(rest + path);
  if (!r.ok) throw new Error(`GET ${rest}${path}: ${r.status} ${await r.text()}`);
  return r.json();
}

// transaction waits until the node has indexed it, which it does a moment after
// the block.
async function transaction(hash) {
  for (let tries = 0; ; tries++) {
    const r = await fetch(`${rest}/cosmos/tx/v1beta1/txs/${hash}`);
    if (r.ok) return r.json();
    if (tries === 100) throw new Error(`transaction ${hash}: ${r.status} ${await r.text()}`);
    await new Promise((done) => setTimeout(done, 100));
  }
}

// MsgContribute as proto/crescendo/funding/v1/tx.proto has it.
const MsgContribute = {
  encode(m, w = BinaryWriter.create()) {
    w.uint32(10).string(m.sender);
    w.uint32(16).uint32(m.rung);
    w.uint32(24).uint64(BigInt(m.amount));
    return w;
  },
  decode(input, length) {
    const r = input instanceof BinaryReader ? input : new BinaryReader(input);
    const end = length === undefined ? r.len : r.pos + length;
    const m = { sender: "", rung: 0, amount: 0n };
    while (r.pos < end) {
      const tag = r.uint32();
      if (tag === 10) m.sender = r.string();
      else if (tag === 16) m.rung = r.uint32();
      else if (tag === 24) m.amount = r.uint64();
      else r.skipType(tag & 7);
    }
    return m;
  },
  fromPartial: (m) => m,
};
const contribute = (sender, amount) => ({ typeUrl: "/crescendo.funding.v1.MsgContribute", value: { sender, rung, amount } });

const secret = Uint8Array.from(Buffer.from(readFileSync(keyFile, "utf8").trim().split(" ")[1], "hex"));
const rich = await DirectSecp256k1Wallet.fromKey(secret, prefix);
const richAddress = (await rich.getAccounts())[0].address;

// Reading: RPC and REST say the same.
const reader = await StargateClient.connect(rpc);
holds("the RPC names the chain", (await reader.getChainId()) === run.chain_id);
const info = await get("/cosmos/base/tendermint/v1beta1/node_info");
holds("REST names the same chain", info.default_node_info.network === run.chain_id, info.default_node_info.network);
const before = await reader.getBalance(richAddress, denom);
const balances = await get(`/cosmos/bank/v1beta1/balances/${richAddress}`);
holds("balance by RPC and by REST", balances.balances.find((c) => c.denom === denom)?.amount === before.amount, balances);
const block = await get("/cosmos/base/tendermint/v1beta1/blocks/1");
holds("blocks by REST", block.block.header.chain_id === run.chain_id);

// A wallet of its own, with a fresh key: what a newcomer's Keplr is.
const ownSecret = Random.getBytes(32);
const own = await DirectSecp256k1Wallet.fromKey(ownSecret, prefix);
const ownAccount = (await own.getAccounts())[0];
const registry = new Registry([...defaultRegistryTypes, ["/crescendo.funding.v1.MsgContribute", MsgContribute]]);
const signing = await SigningStargateClient.connectWithSigner(rpc, rich, { registry, gasPrice: GasPrice.fromString(`0${denom}`) });
const sent = await signing.sendTokens(richAddress, ownAccount.address, [{ denom, amount: "5000" }], free, "from CosmJS");
holds("a transfer is carried out", sent.code === 0, sent);
holds("the newcomer has it", (await reader.getBalance(ownAccount.address, denom)).amount === "5000");
const account = await get(`/cosmos/auth/v1beta1/accounts/${ownAccount.address}`);
holds("REST knows the new account", account.account.address === ownAccount.address, account);

// Sign by hand against RPC: a message of ours, simulated, then carried out.
const mine = await SigningStargateClient.connectWithSigner(rpc, own, { registry });
const gas = await mine.simulate(ownAccount.address, [contribute(ownAccount.address, 7)], "");
holds("gas of a contribution is estimated", gas > 10000, gas);
const bought = await mine.signAndBroadcast(ownAccount.address, [contribute(ownAccount.address, 7)], free, "");
holds("a contribution is carried out", bought.code === 0, bought);
const kept = await transaction(bought.transactionHash);
holds("explorers find it, with our message in it", kept.tx.body.messages[0].sender === ownAccount.address && kept.tx.body.messages[0].amount === "7", kept.tx.body);
holds("and with its events", kept.tx_response.events.some((e) => e.type.startsWith("crescendo.") || e.type.startsWith("funding.")), kept.tx_response.events.map((e) => e.type));
const refused = await mine.signAndBroadcast(ownAccount.address, [contribute(ownAccount.address, 9000)], free, "").catch((e) => ({ code: -1, rawLog: String(e) }));
holds("more than the account has is refused, with a reason", refused.code !== 0 && /funds|insufficient|has/.test(refused.rawLog), refused.rawLog);

// The hub: log in by signing a text, then sign what a form proposes.
const amino = await Secp256k1Wallet.fromKey(ownSecret, prefix);
let cookie = "";
async function ask(path, options = {}) {
  const r = await fetch(hub + path, { redirect: "manual", ...options, headers: { ...options.headers, Cookie: cookie, Origin: hub, "Sec-Fetch-Site": "same-origin" } });
  for (const c of r.headers.getSetCookie()) cookie = c.split(";")[0];
  return r;
}
async function post(path, csrf, body, type = "application/json") {
  const r = await ask(path, { method: "POST", headers: { "Content-Type": type, Accept: "application/json", "X-CSRF-Token": csrf }, body });
  const said = await r.json();
  if (!r.ok) throw new Error(`POST ${path}: ${r.status} ${JSON.stringify(said)}`);
  return said;
}
const attribute = (html, name) => html.match(new RegExp(`${name}="([^"]*)"`))?.[1] ?? "";

const login = await (await ask("/login")).text();
holds("the hub tells wallets of RPC and REST", attribute(login, "data-rpc") === rpc && attribute(login, "data-rest") === rest);
const { challenge } = await post("/login/keplr", attribute(login, "data-csrf"), "{}");
const text = { type: "sign/MsgSignData", value: { signer: ownAccount.address, data: Buffer.from(challenge).toString("base64") } };
const signed = await amino.signAmino(ownAccount.address, makeSignDoc([text], { gas: "0", amount: [] }, "", "", 0, 0));
await post("/login/keplr", attribute(login, "data-csrf"), JSON.stringify({
  public_key: Buffer.from(ownAccount.pubkey).toString("base64"), signature: signed.signature.signature,
}));
const page = await (await ask("/account")).text();
holds("the account page is the wallet's", page.includes(ownAccount.address));

const form = await (await ask(`/desk/fund?rung=${rung}`)).text();
const csrf = attribute(form, 'name="csrf" value') || attribute(form, "data-csrf");
const draft = await ask("/desk/fund", {
  method: "POST", headers: { "Content-Type": "application/x-www-form-urlencoded" },
  body: new URLSearchParams({ csrf, rung: String(rung), amount: "11" }),
});
const preview = await draft.text();
const nonce = attribute(preview, "data-nonce");
holds("the hub previews a contribution", draft.status === 200 && nonce !== "", { status: draft.status, said: preview.match(/id="problem"[^]{0,300}/)?.[0] ?? "" });
const doc = await post("/desk/fund/sign", attribute(preview, "data-csrf"), new URLSearchParams({ nonce }), "application/x-www-form-urlencoded");
const bytes = (s) => Uint8Array.from(Buffer.from(s, "base64"));
const signDoc = { bodyBytes: bytes(doc.bodyBytes), authInfoBytes: bytes(doc.authInfoBytes), chainId: doc.chainId, accountNumber: BigInt(doc.accountNumber) };
const direct = await own.signDirect(doc.signer, signDoc);
holds("CosmJS signs what the hub proposes", makeSignBytes(signDoc).length > 0 && direct.signature.signature !== "");
const done = await post("/desk/fund/signature", attribute(preview, "data-csrf"), JSON.stringify({ nonce: doc.nonce, signature: direct.signature.signature }));
holds("the hub passes it on, and it is in a block", done.next?.startsWith("/tx/"), done);
const last = await transaction(done.next.slice(4));
holds("explorers find that, too", last.tx.body.messages[0].amount === "11", last.tx.body);
holds("what is left is right", (await reader.getBalance(ownAccount.address, denom)).amount === String(5000 - 7 - 11));
process.exit(0); // the clients keep their sockets
