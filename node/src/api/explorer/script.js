"use strict";
// Draws what the API tells, and draws it again when an event says that something changed. Everything
// from the network is put in as text, never as markup.

const UNIT = 100000000n;
const $ = (id) => document.getElementById(id);
const get = async (path) => {
  const answer = await fetch(path, { headers: { accept: "application/json" } });
  return answer.json();
};
const short = (text) => (text.length > 20 ? `${text.slice(0, 10)}…${text.slice(-6)}` : text);
const coins = (units) => {
  const value = BigInt(units);
  const part = String(value % UNIT).padStart(8, "0").replace(/0+$/, "");
  return `${value / UNIT}${part && `.${part}`} RCHV`;
};
const age = (seconds) => {
  const past = Math.max(0, Math.floor(Date.now() / 1000) - Number(seconds));
  if (past < 60) return `${past} s`;
  if (past < 3600) return `${Math.floor(past / 60)} min`;
  return past < 86400 ? `${Math.floor(past / 3600)} h` : `${Math.floor(past / 86400)} d`;
};
function make(tag, attributes, ...children) {
  const svg = ["svg", "g", "rect", "path", "text", "title"].includes(tag);
  const node = svg ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) node.setAttribute(name, value);
  node.append(...children);
  return node;
}
const link = (kind, id, text) => make("a", { href: `#${kind}/${id}`, title: id, class: "mono" }, text || short(id));
const none = (text) => make("li", { class: "none" }, text);

function drawBlocks(blocks) {
  const known = new Set([...$("blocks").children].map((row) => row.dataset.hash));
  const rows = blocks.map((block) => {
    const row = make("tr", { "data-hash": block.hash },
      make("td", {}, link("block", block.height, block.height)),
      make("td", {}, link("block", block.hash)),
      make("td", {}, link("account", block.miner)),
      make("td", { class: "n" }, String(block.txCount)),
      make("td", { class: "n soft", "data-time": block.timestamp }, age(block.timestamp)));
    if (known.size && !known.has(block.hash)) row.classList.add("fresh");
    return row;
  });
  $("blocks").replaceChildren(...rows);
}

// The best chain on one line, newest at the right; each branch leaves it where it forks.
function drawTree(blocks, forks) {
  const best = blocks.slice(0, 14).reverse();
  if (!best.length) return;
  const first = Number(best[0].height), step = 76, top = 14;
  const near = forks.filter((fork) => fork.forkHeight !== null && Number(fork.forkHeight) >= first).slice(0, 5);
  const reach = Math.max(Number(best.at(-1).height), ...near.map((fork) => Number(fork.height)));
  const width = (reach - first + 1) * step + 10, height = 60 + near.length * 48;
  const x = (at) => (at - first) * step + 8;
  const svg = make("svg", { width, height, viewBox: `0 0 ${width} ${height}` });
  const box = (at, y, kind, hash, label) => make("g", { class: kind },
    make("title", {}, `${at}  ${hash}`),
    make("rect", { x: x(at), y, width: 54, height: 28, rx: 7 }),
    make("text", { x: x(at) + 27, y: y + 18, class: "in" }, label));
  best.forEach((block, index) => {
    const at = Number(block.height);
    if (index) svg.append(make("path", { d: `M${x(at - 1) + 54} ${top + 14}H${x(at)}` }));
    svg.append(box(at, top, "best", block.hash, block.height));
  });
  near.forEach((fork, row) => {
    const from = Number(fork.forkHeight), y = top + (row + 1) * 48;
    svg.append(make("path", { d: `M${x(from) + 27} ${top + 28}V${y + 14}H${x(from + 1)}` }));
    for (let at = from + 1; at <= Number(fork.height); at++) {
      if (at > from + 1) svg.append(make("path", { d: `M${x(at - 1) + 54} ${y + 14}H${x(at)}` }));
      svg.append(box(at, y, "side", fork.hash, String(at)));
    }
    svg.append(make("text", { x: x(Number(fork.height)) + 27, y: y + 42 }, fork.state));
  });
  $("tree").replaceChildren(svg);
  $("tree").scrollLeft = width;
}

const transfer = (tx, at) => make("li", {},
  make("span", {}, link("tx", tx.hash), " ", make("span", { class: "soft" }, `→ ${short(tx.to)}`)),
  make("span", {}, coins(tx.amount), at ? make("span", { class: "soft", "data-time": at }, ` ${age(at)}`) : ""));
const fill = (id, rows, text) => $(id).replaceChildren(...(rows.length ? rows : [none(text)]));

async function drawChain() {
  const [tip, recent, forks, txs] = await Promise.all(
    ["/chainTip", "/blocks/recent?limit=20", "/forks", "/tx/recent?limit=8"].map(get));
  $("height").textContent = tip.height;
  $("hash").textContent = tip.hash;
  $("difficulty").textContent = tip.difficulty;
  $("age").dataset.time = recent.blocks[0].timestamp;
  drawBlocks(recent.blocks);
  drawTree(recent.blocks, forks.forks);
  fill("txs", txs.txs.map((tx) => transfer(tx, tx.timestamp)), "none yet");
  drawAges();
}
async function drawNode() {
  const [sync, peers, pool, health] = await Promise.all(
    ["/sync/status", "/peers?verbose=1", "/mempool?verbose=1", "/readyz"].map(get));
  const state = sync.reorganizing ? "reorganizing" : sync.synced ? "synced" : `${sync.behind} behind`;
  $("sync").textContent = state;
  $("sync").className = sync.synced && !sync.reorganizing ? "good" : "bad";
  $("peers").textContent = peers.connected.length;
  $("waiting").textContent = pool.length;
  fill("mempool", pool.slice(0, 8).map((tx) => transfer(tx)), "nothing waits");
  fill("peerlist", peers.connected.slice(0, 12).map((peer) => make("li", {},
    make("span", { class: "mono" }, peer.address),
    make("span", { class: "soft" }, `${peer.direction} · ${peer.agent}`))), "no peer is connected");
  $("alarm").hidden = health.ok;
  $("alarm").textContent = (health.failing || []).map((one) => one.why).join(" · ");
}
function drawAges() {
  for (const node of document.querySelectorAll("[data-time]")) node.textContent = age(node.dataset.time);
}

// What the address behind the # names: a block, a transfer or an account.
async function drawFound() {
  const [kind, id] = decodeURIComponent(location.hash.slice(1)).split("/");
  const paths = { block: "/block/", tx: "/tx/", account: "/account/" };
  $("found").hidden = !paths[kind];
  if (!paths[kind]) return;
  const found = await get(paths[kind] + encodeURIComponent(id));
  const rows = [];
  const row = (name, value) => rows.push(make("dt", {}, name), make("dd", {}, value));
  if (found.error) row("", found.error);
  else if (kind === "block") {
    for (const key of ["height", "hash", "prevHash", "difficulty", "work", "txCount"]) row(key, String(found[key]));
    row("time", new Date(Number(found.timestamp) * 1000).toISOString());
    row("miner", link("account", found.miner, found.miner));
    for (const tx of found.txs.slice(0, 100)) row("transfer", make("span", {}, link("tx", tx.hash), ` ${coins(tx.amount)}`));
  } else if (kind === "tx") {
    row("state", found.confirmed ? `confirmed in block ${found.height}` : "waits for a block");
    row("hash", found.hash);
    row("from", link("account", found.tx.from, found.tx.from));
    row("to", link("account", found.tx.to, found.tx.to));
    row("amount", coins(found.tx.amount));
    row("fee", coins(found.tx.fee));
    row("nonce", String(found.tx.nonce));
    if (found.tx.memo) row("memo", found.tx.memo);
  } else {
    row("address", found.address);
    row("balance", coins(found.balance));
    row("nonce", found.nonce);
    const history = await get(`/account/${encodeURIComponent(id)}/txs?limit=20`);
    for (const tx of history.txs || []) {
      const sent = tx.from === found.address;
      row(`block ${tx.height}`, make("span", {}, link("tx", tx.hash), ` ${sent ? "−" : "+"}${coins(tx.amount)}`));
    }
  }
  $("found").replaceChildren(make("h2", {}, { block: "Block", tx: "Transfer", account: "Account" }[kind]), make("dl", {}, ...rows));
  $("found").scrollIntoView({ block: "start" });
}

$("search").addEventListener("submit", async (event) => {
  event.preventDefault();
  const found = await get(`/search?q=${encodeURIComponent(new FormData(event.target).get("q"))}`);
  if (found.result) location.hash = found.result.redirect.slice(1);
  else {
    $("found").hidden = false;
    $("found").replaceChildren(make("h2", {}, found.error));
  }
});
addEventListener("hashchange", drawFound);

// Events come in swarms: a few draws a second at most.
function soon(draw) {
  let timer;
  return () => (timer ||= setTimeout(() => { timer = undefined; draw().catch(() => live(false)); }, 200));
}
const live = (yes) => { $("live").className = yes ? "good" : "bad"; };
const chain = soon(() => Promise.all([drawChain(), drawFound()])), node = soon(drawNode);
function listen() {
  const events = new EventSource("/events");
  events.onopen = () => { live(true); chain(); node(); };
  events.onerror = () => live(false);
  for (const [name, draws] of [["block", [chain, node]], ["reorg", [chain]], ["tx", [node]], ["peer", [node]], ["alarm", [node]]])
    events.addEventListener(name, () => draws.forEach((draw) => draw()));
}
get("/version").then((told) => { $("version").textContent = `archivas ${told.version} · ${told.commit.slice(0, 8)}`; });
chain(); node(); listen();
setInterval(drawAges, 1000);
setInterval(node, 15000);
