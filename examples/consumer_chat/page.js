"use strict";
// The conversation lives in this page alone; Bailee keeps the exchanges until they are deleted.
const words = JSON.parse(document.body.dataset.words);
const language = document.documentElement.lang;
const tongue = language === "ko" ? "korean" : "english";
const [log, form, message, forget, told, policy] = [
  "log", "form", "message", "forget", "told", "policy",
].map((id) => document.getElementById(id));
const [send] = form.getElementsByTagName("button");
let turns = [];
let stored = [];
let shown = "";

function made(name, text, kind = "") {
  const element = document.createElement(name);
  element.textContent = text;
  element.className = kind;
  return element;
}

function turn(role, text) {
  const element = made("div", "", `turn ${role}`);
  const words_of = document.createTextNode(text);
  element.append(made("b", role === "user" ? words.you : words.bot), words_of);
  log.append(element);
  return { element, words_of };
}

function post(path, body) {
  const headers = { "content-type": "application/json" };
  return fetch(path, { method: "POST", headers, body: JSON.stringify(body) });
}

// `bailee-handling`: purposes, each with the instant (seconds) until which content is held.
function held(handling) {
  const list = document.createElement("ul");
  for (const [, purpose, until] of handling.matchAll(/(\w+)=\([^)]*\);until=(@\d+|on-delete)/g)) {
    const instant = new Date(1000 * Number(until.slice(1)));
    const when = until === "on-delete"
      ? words.on_delete
      : `${words.until} ${instant.toLocaleString(language, { dateStyle: "long", timeStyle: "short" })}`;
    list.append(made("li", `${words[purpose] ?? purpose}: ${when}`));
  }
  return list.childElementCount ? list : made("p", words.nothing);
}

async function govern({ policy: version, handling }) {
  if (!version || version + handling === shown) return;
  shown = version + handling;
  const name = made("p", `${words.version} `);
  name.append(made("code", version));
  policy.replaceChildren(name, held(handling ?? ""));
  const answer = await fetch(`/policy?version=${encodeURIComponent(version)}`);
  if (!answer.ok) return;
  const said = await answer.json();
  name.after(made("p", said.summary[tongue]));
  for (const clause of said.clauses) {
    const details = document.createElement("details");
    const text = made("p", clause.text[tongue]);
    details.append(made("summary", `${clause.id} ${clause.title[tongue]}`), text);
    policy.append(details);
  }
}

async function* pieces(answer) {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const bytes of answer.body) {
    const lines = (rest + decoder.decode(bytes, { stream: true })).split("\n");
    rest = lines.pop();
    yield* lines.map((line) => JSON.parse(line));
  }
}

async function say(text) {
  turns.push({ role: "user", content: text });
  turn("user", text);
  const { element, words_of } = turn("assistant", "");
  let refused = null;
  try {
    const answer = await post("/say", { messages: turns });
    if (!answer.ok) throw new Error(answer.statusText);
    for await (const piece of pieces(answer)) {
      if (piece.policy) govern(piece).catch(() => {});
      if (piece.id && !stored.includes(piece.id)) stored.push(piece.id);
      if (piece.text) words_of.data += piece.text;
      if ("refused" in piece) refused = piece.refused ? `${words.refused} ${piece.refused}` : words.away;
    }
  } catch {
    refused = words.away;
  }
  if (refused !== null) {
    turns.pop();
    element.classList.add("refused");
    words_of.data = refused;
  } else {
    turns.push({ role: "assistant", content: words_of.data });
  }
  forget.hidden = stored.length === 0;
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const text = message.value.trim();
  if (!text || send.disabled) return;
  message.value = told.textContent = "";
  send.disabled = forget.disabled = true;
  await say(text);
  send.disabled = forget.disabled = false;
  message.focus();
});

message.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
    event.preventDefault();
    form.requestSubmit();
  }
});

forget.addEventListener("click", async () => {
  forget.disabled = true;
  try {
    const { gone } = await (await post("/forget", { stored })).json();
    stored = stored.filter((one) => !gone.includes(one));
  } catch { /* they are still in `stored` */ }
  forget.disabled = false;
  forget.hidden = stored.length === 0;
  told.textContent = stored.length ? words.not_forgotten : words.forgotten;
  if (stored.length === 0) {
    turns = [];
    log.replaceChildren();
  }
});
