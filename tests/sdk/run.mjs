// node run.mjs FOR URL: `same` when the node's network has the SDK's domain, `other` when not.
// Prints nothing and exits 0 when everything is as the SDK needs it.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { addressOf, call, keyOf, sign } from "./wallet.mjs";

const [which, url] = process.argv.slice(2);
const file = new URL("../../node/core/tests/vectors/wallet.json", import.meta.url);
const vectors = JSON.parse(readFileSync(file, "utf8"));

for (const known of vectors.derivations) {
  const key = keyOf(known.mnemonic, known.passphrase);
  assert.equal(addressOf(key.pub), known.address);
}

// The published test key 0 of development networks.
const seed = new TextEncoder().encode("archivas dev key 0 (public seed)");
const { ed25519 } = await import("@noble/curves/ed25519");
const rich = { secret: seed, pub: ed25519.getPublicKey(seed) };
const [mine] = vectors.derivations;
const fresh = keyOf(mine.mnemonic);

const empty = await call(url, `/account/${addressOf(fresh.pub)}`);
assert.deepEqual([empty.balance, empty.nonce], ["0", "0"], "an unknown account is an empty one");

const { nonce } = await call(url, `/account/${addressOf(rich.pub)}`);
const payment = { to: mine.address, amount: 123_456_789, fee: 1_000, nonce: Number(nonce) };
const signed = sign(rich, { ...payment, memo: 'for "tea" – ü' });
const taken = await call(url, "/submit", signed);

if (which === "other") {
  assert.deepEqual([taken.ok, taken.code], [false, "wrong_network"]);
  process.exit(0);
}
assert.deepEqual(taken, { ok: true, hash: signed.hash });
let found;
for (const begun = Date.now(); !found?.confirmed; ) {
  assert.ok(Date.now() - begun < 15_000, "the transfer is in no block");
  found = await call(url, `/tx/${signed.hash}`);
}
assert.equal(found.tx.amount, payment.amount);
assert.equal(found.tx.memo, signed.tx.memo);
const account = await call(url, `/account/${mine.address}`);
assert.deepEqual([account.balance, account.nonce], ["123456789", "0"]);
const { fee } = await call(url, "/estimateFee?bytes=256");
assert.match(fee, /^[0-9]+$/);
const { blocks } = await call(url, "/blocks/recent?limit=5");
assert.ok(blocks[0].height === String(found.height) || blocks.length > 1);

// What the first wallet received it can spend with its own words.
const back = sign(fresh, { to: addressOf(rich.pub), amount: 1_000, fee: 1_000, nonce: 0 });
assert.deepEqual(await call(url, "/submit", back), { ok: true, hash: back.hash });

// A browser asks first, because of the content type.
const asked = await fetch(`${url}/chainTip`, { method: "OPTIONS" });
assert.equal(asked.status, 204);
assert.equal(asked.headers.get("access-control-allow-origin"), "*");
assert.match(asked.headers.get("access-control-allow-headers"), /content-type/i);
