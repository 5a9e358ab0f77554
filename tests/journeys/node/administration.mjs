// An organisation's administration with an admin key. The operator has accepted one invitation.
import assert from "node:assert/strict";
import OpenAI from "openai";
import { client, collected, gone, tell, until } from "./calling.mjs";

const [email, real, embedder, pem] = process.argv.slice(2);
const { organization } = client.admin;
const { projects } = organization;
const ids = async (pages) => (await collected(pages)).map((one) => one.id);

// Admin keys.
const adminKeys = organization.adminAPIKeys;
const key = await adminKeys.create({ name: "node" });
assert(key.value.startsWith("sk-admin-"));
assert.equal((await adminKeys.retrieve(key.id)).name, "node");
assert((await ids(adminKeys.list({ limit: 1 }))).includes(key.id));
assert((await adminKeys.delete(key.id)).deleted);
await gone(adminKeys.retrieve(key.id));

// A project, its accounts and their keys.
const project = await projects.create({ name: "node" });
assert.equal((await projects.update(project.id, { name: "deno" })).name, "deno");
assert.equal((await projects.retrieve(project.id)).name, "deno");
assert((await ids(projects.list({ limit: 1 }))).includes(project.id));
const within = { project_id: project.id };
const accounts = projects.serviceAccounts;
const account = await accounts.create(project.id, { name: "caller" });
assert.equal((await accounts.retrieve(account.id, within)).name, "caller");
assert.deepEqual(await ids(accounts.list(project.id)), [account.id]);
const another = await accounts.apiKeys.create(account.id, { ...within, name: "another" });
assert(another.value);
const keys = projects.apiKeys;
assert.deepEqual(new Set(await ids(keys.list(project.id))), new Set([account.api_key.id, another.id]));
assert.equal((await keys.retrieve(another.id, within)).name, "another");

// What was used, and what it costs.
const user = new OpenAI({ apiKey: another.value, maxRetries: 0 });
await until(() => user.models.list().then(() => true, () => false), "the key is known");
const { usage: tokens } = await user.completions.create({ model: real, prompt: "1 2", max_tokens: 2 });
await user.embeddings.create({ model: embedder, input: "hello" });
await user.moderations.create({ input: "hello" });
const { usage } = organization;
const asked = { start_time: Math.floor(Date.now() / 1000) - 3600, project_ids: [project.id] };
const results = async (page) => (await page).data.flatMap((bucket) => bucket.results);
for (const kind of ["completions", "embeddings", "moderations"]) {
  const [counted] = await until(async () => {
    const found = await results(usage[kind](asked));
    return found.length ? found : null;
  }, `${kind} are counted`);
  assert.equal(counted.num_model_requests, 1, kind);
}
const [cost] = await results(usage.costs(asked));
assert.equal(cost.amount.value, tokens.prompt_tokens + 2 * tokens.completion_tokens);
for (const kind of [
  "audioSpeeches",
  "audioTranscriptions",
  "codeInterpreterSessions",
  "fileSearchCalls",
  "images",
  "vectorStores",
  "webSearchCalls",
])
  assert.deepEqual(await results(usage[kind](asked)), [], kind);

// Keys and accounts end.
assert((await keys.delete(another.id, within)).deleted);
await gone(keys.retrieve(another.id, within));
assert((await accounts.delete(account.id, within)).deleted);
await gone(accounts.retrieve(account.id, within));
assert.deepEqual(await ids(keys.list(project.id)), []);

// Limits and retention.
const limits = projects.rateLimits;
const [limit] = await collected(limits.listRateLimits(project.id));
await limits.updateRateLimit(limit.id, { ...within, max_requests_per_1_minute: 3 });
const found = await collected(limits.listRateLimits(project.id));
assert.equal(found.find((one) => one.id === limit.id).max_requests_per_1_minute, 3);
await projects.dataRetention.update(project.id, { retention_type: "none" });
assert.equal((await projects.dataRetention.retrieve(project.id)).type, "none");
await organization.dataRetention.update({ retention_type: "none" });
assert.equal((await organization.dataRetention.retrieve()).type, "none");

// People.
const { invites, users } = organization;
const invite = await invites.create({ email: "node@example.org", role: "reader" });
assert.equal((await invites.retrieve(invite.id)).status, "pending");
assert((await ids(invites.list())).includes(invite.id));
assert((await invites.delete(invite.id)).deleted);
await gone(invites.retrieve(invite.id));
const [person] = await collected(users.list({ emails: [email] }));
assert.equal((await users.retrieve(person.id)).email, email);
assert.equal((await users.update(person.id, { role: "owner" })).role, "owner");
const members = projects.users;
await members.create(project.id, { user_id: person.id, role: "member" });
assert.equal((await members.retrieve(person.id, within)).role, "member");
assert.equal((await members.update(person.id, { ...within, role: "owner" })).role, "owner");
assert.deepEqual(await ids(members.list(project.id)), [person.id]);
assert((await members.delete(person.id, within)).deleted);
await gone(members.retrieve(person.id, within));
assert((await users.delete(person.id)).deleted);
await gone(users.retrieve(person.id));

// Spend alerts, of the organisation and of the project.
const wanted = {
  threshold_amount: 100_000,
  currency: "USD",
  interval: "month",
  notification_channel: { type: "email", recipients: ["finance@example.org"] },
};
const changed = { ...wanted, threshold_amount: 5 };
const alert = await organization.spendAlerts.create(wanted);
assert.equal((await organization.spendAlerts.update(alert.id, changed)).threshold_amount, 5);
assert.equal((await organization.spendAlerts.retrieve(alert.id)).threshold_amount, 5);
assert.deepEqual(await ids(organization.spendAlerts.list()), [alert.id]);
assert((await organization.spendAlerts.delete(alert.id)).deleted);
assert.deepEqual(await ids(organization.spendAlerts.list()), []);
const own = await projects.spendAlerts.create(project.id, wanted);
const update = await projects.spendAlerts.update(own.id, { ...within, ...changed });
assert.equal(update.threshold_amount, 5);
assert.equal((await projects.spendAlerts.retrieve(own.id, within)).threshold_amount, 5);
assert.deepEqual(await ids(projects.spendAlerts.list(project.id)), [own.id]);
assert((await projects.spendAlerts.delete(own.id, within)).deleted);
assert.deepEqual(await ids(projects.spendAlerts.list(project.id)), []);

// Certificates. While one is active, the organisation's API keys want it of their clients.
const { certificates } = organization;
const made = await certificates.create({ certificate: pem, name: "first" });
const certificate_ids = [made.id];
const whole = await certificates.retrieve(made.id, { include: ["content"] });
assert.equal(whole.certificate_details.content, pem);
assert.equal((await certificates.update(made.id, { name: "second" })).name, "second");
assert.deepEqual(await ids(certificates.list()), certificate_ids);
for (const [act, active] of [["activate", true], ["deactivate", false]]) {
  await projects.certificates[act](project.id, { certificate_ids });
  const [listed] = await collected(projects.certificates.list(project.id));
  assert.equal(listed.active, active);
}
await certificates.activate({ certificate_ids });
await certificates.deactivate({ certificate_ids });
assert.equal((await certificates.delete(made.id)).id, made.id);
await gone(certificates.retrieve(made.id));

// What was done.
assert.equal((await projects.archive(project.id)).status, "archived");
assert(!(await ids(projects.list())).includes(project.id));
const acts = await collected(organization.auditLogs.list({ project_ids: [project.id] }));
assert.deepEqual([acts[0].type, acts.at(-1).type], ["project.archived", "project.created"]);

tell();
