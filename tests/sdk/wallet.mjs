// What the Archivas wallets do, with the libraries that their SDK uses: words to key, key to address,
// transfer to signed body; and how the SDK talks to a node.

import { ed25519 } from "@noble/curves/ed25519";
import { blake2b } from "@noble/hashes/blake2b";
import { hmac } from "@noble/hashes/hmac";
import { sha512 } from "@noble/hashes/sha512";
import { bech32 } from "bech32";
import * as bip39 from "bip39";

const text = new TextEncoder();
// The SDK signs for this domain, whatever the node's network is.
const DOMAIN = "Archivas-TxV1";

export function keyOf(words, passphrase = "") {
  const seed = bip39.mnemonicToSeedSync(words, passphrase);
  const secret = hmac(sha512, text.encode("ed25519 seed"), seed).slice(0, 32);
  return { secret, pub: ed25519.getPublicKey(secret) };
}

export function addressOf(pub) {
  const hash = blake2b(pub, { dkLen: 20 });
  return bech32.encode("arcv", bech32.toWords(hash));
}

function canonical(tx) {
  const sorted = Object.fromEntries(Object.keys(tx).sort().map((key) => [key, tx[key]]));
  return JSON.stringify(sorted);
}

export function sign(key, { to, amount, fee, nonce, memo }) {
  const tx = { type: "transfer", from: addressOf(key.pub), to, amount, fee, nonce };
  if (memo) tx.memo = memo;
  const hash = blake2b(text.encode(DOMAIN + canonical(tx)), { dkLen: 32 });
  const base64 = (bytes) => Buffer.from(bytes).toString("base64");
  return {
    tx,
    pubkey: base64(key.pub),
    sig: base64(ed25519.sign(hash, key.secret)),
    hash: Buffer.from(hash).toString("hex"),
  };
}

// As the SDK: a content type on every request, a redirect or another status than 2xx is a failure.
export async function call(url, path, body) {
  const answer = await fetch(url + path, {
    method: body ? "POST" : "GET",
    headers: { "Content-Type": "application/json" },
    body: body && JSON.stringify(body),
    redirect: "error",
  });
  if (!answer.ok) throw new Error(`${path}: HTTP ${answer.status}`);
  return answer.json();
}
