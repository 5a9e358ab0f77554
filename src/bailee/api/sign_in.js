"use strict";
// The sign-in page's script. Everything goes through the API; texts are set, never parsed.
const api = "/bailee/v1/";
const at = (name) => document.getElementById(name);
const show = (name, shown) => { at(name).hidden = !shown; };

// The API speaks English; these say the same, by the error's code or the field at fault.
const korean = {
  sign_in_refused: "로그인할 수 없습니다. 입력한 내용을 확인해 주세요. 코드는 한 번만 쓸 수 있으니 다음 코드를 "
    + "기다려 주세요. 그래도 안 되면 관리자에게 새 등록을 요청해 주세요.",
  enrolment_refused: "등록 기간이 끝났거나 제시한 내용이 맞지 않습니다. 처음부터 다시 하거나 관리자에게 새 등록을 "
    + "요청해 주세요.",
  code_refused: "코드가 맞지 않거나 너무 오래되었습니다. 지금 인증 앱에 나타난 코드를 입력해 주세요. 계속 맞지 "
    + "않으면 인증 앱의 시계를 확인해 주세요.",
  session_ended: "세션이 끝났습니다. 다시 로그인해 주세요.",
  too_many_attempts: "짧은 시간에 너무 많이 시도했습니다. 잠시 기다렸다가 다시 시도해 주세요.",
  password: "비밀번호는 12자 이상 256자 이하로 정해 주세요. 낱말 몇 개를 이어 쓰면 좋습니다.",
};
const otherwise = "요청을 처리하지 못했습니다. 잠시 후 다시 시도해 주세요.";

function tell(error) {
  const said = [["en", error?.message], ["ko", korean[error?.code] ?? otherwise]];
  at("told").replaceChildren(...(error ? said : []).map(([language, words]) => {
    const line = document.createElement("span");
    line.lang = language;
    line.textContent = words;
    return line;
  }));
}

async function ask(method, path, body) {
  const answer = await fetch(api + path, {
    method,
    headers: body === undefined ? {} : { "content-type": "application/json" },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const said = await answer.json();
  if (answer.ok) return said;
  const { message, code, param } = said.error;
  throw Object.assign(new Error(message), { code: code ?? param });
}

// Whatever fails is said, and nothing else happens.
const on = (name, event, act) => at(name).addEventListener(event, async (happened) => {
  happened.preventDefault();
  tell(null);
  try { await act(); } catch (error) { tell(error); }
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

arrive().catch(tell);
