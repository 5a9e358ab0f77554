"use strict";
// The sign-in page's script. Everything goes through the API; texts are set, never parsed.
const api = "/bailee/v1/";
const at = (name) => document.getElementById(name);
const show = (name, shown) => { at(name).hidden = !shown; };
const tell = (text) => { at("told").textContent = text; };

async function ask(method, path, body) {
  const answer = await fetch(api + path, {
    method,
    headers: body === undefined ? {} : { "content-type": "application/json" },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const document = await answer.json();
  if (!answer.ok) throw new Error(document.error.message);
  return document;
}

// Whatever fails is said, and nothing else happens.
const on = (name, event, act) => at(name).addEventListener(event, async (happened) => {
  happened.preventDefault();
  tell("");
  try { await act(); } catch (error) { tell(error.message); }
});

const bytes = (text) => Uint8Array.from(
  atob(text.replaceAll("-", "+").replaceAll("_", "/")), (letter) => letter.charCodeAt(0));
const text = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer)))
  .replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");

function answered(credential) {
  const response = {};
  for (const name of ["clientDataJSON", "attestationObject", "authenticatorData", "signature",
    "userHandle"]) {
    if (credential.response[name]) response[name] = text(credential.response[name]);
  }
  return { id: credential.id, rawId: text(credential.rawId), type: credential.type, response };
}

async function current() {
  const answer = await fetch(api + "sessions/current");
  return answer.ok ? answer.json() : null;
}

async function arrive() {
  const token = location.hash.slice(1);
  if (token.startsWith("enrol-")) {
    const found = await ask("POST", "sign_in/enrolment", { token });
    at("who").textContent = `${found.name} · ${found.organization_name}`;
    show("sign-in", false);
    show("enrol", true);
    return;
  }
  const session = await current();
  show("sign-in", session === null);
  show("signed-in", session !== null);
  show("enrol", false);
  if (session !== null) {
    const roles = session.roles.join(", ");
    at("me").textContent = `${session.name} · ${session.organization_name} · ${roles}`;
  }
}

on("password", "submit", async () => {
  await ask("POST", "sign_in/password", {
    email: at("email").value, password: at("secret").value, code: at("code").value, cookie: true,
  });
  at("password").reset();
  await arrive();
});

on("passkey", "click", async () => {
  const { attempt, options } = await ask("POST", "sign_in/passkey/begin");
  options.challenge = bytes(options.challenge);
  delete options.allowCredentials;
  const credential = answered(await navigator.credentials.get({ publicKey: options }));
  await ask("POST", "sign_in/passkey", { attempt, credential, cookie: true });
  await arrive();
});

if (at("openid")) {
  on("openid", "click", async () => {
    location.assign((await ask("POST", "sign_in/openid")).address);
  });
}

on("sign-out", "click", async () => {
  await ask("DELETE", "sessions/current");
  await arrive();
});

on("enrol-passkey", "click", async () => {
  const token = location.hash.slice(1);
  const { attempt, options } = await ask("POST", "sign_in/enrolment/passkey/begin", { token });
  options.challenge = bytes(options.challenge);
  options.user.id = bytes(options.user.id);
  const credential = answered(await navigator.credentials.create({ publicKey: options }));
  await ask("POST", "sign_in/enrolment/passkey", { token, attempt, credential });
  history.replaceState(null, "", location.pathname);
  await arrive();
});

let begun = null;
on("enrol-password", "click", async () => {
  const token = location.hash.slice(1);
  begun = await ask("POST", "sign_in/enrolment/password/begin", { token });
  at("image").src = begun.image;
  at("shown").textContent = `${begun.secret}\n${begun.address}`;
  show("set", true);
});

on("set", "submit", async () => {
  const token = location.hash.slice(1);
  const { codes } = await ask("POST", "sign_in/enrolment/password", {
    token, attempt: begun.attempt, password: at("new").value, code: at("first").value,
  });
  at("image").removeAttribute("src");
  at("shown").textContent = "";
  at("codes").textContent = codes.join("\n");
  show("set", false);
  show("recovery", true);
  history.replaceState(null, "", location.pathname);
});

arrive().catch((error) => tell(error.message));
