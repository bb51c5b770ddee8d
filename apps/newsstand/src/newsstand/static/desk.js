// The desk: what the page shows, and when it changes. Texts from outside are only ever textContent.

import { addMessenger, listMessengers, listVendors, openFeed, readHealth, sendMessenger } from "./api.js";

const HEALTH_EVERY_MS = 5000;
const SHOWN_LIVE = 50;
const REOPEN_MS = 1000;

const at = (id) => document.getElementById(id);
const vendors = new Map();
const shown = new Set();
let total = 0;
let arrived = 0;
let oldest;
let nextLook;
let lastId;

const money = new Intl.NumberFormat("en", { minimumFractionDigits: 2, maximumFractionDigits: 2 });
const nameOf = (m) => [m.firstname, m.lastname].filter(Boolean).join(" ") || "no name";
const vendorOf = (m) => vendors.get(m.vendor_id) ?? `vendor ${m.vendor_id ?? "?"}`;

function element(tag, text, className) {
  const made = document.createElement(tag);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  return made;
}

function setBadge(id, text, kind) {
  const badge = at(id);
  if (badge.textContent !== text) badge.textContent = text;
  badge.className = `badge ${kind}`;
}

// -- the list ---------------------------------------------------------------------------------

function row(m) {
  const made = element("tr");
  const works = m.status === 1;
  made.append(
    element("td", m.id, "number id"),
    element("td", nameOf(m), "name"),
    element("td", vendorOf(m), "vendor"),
    element("td", m.salary === null ? "" : money.format(m.salary), "number salary"),
    element("td", m.date_employed ?? "", "since"),
    element("td", works ? "delivers" : "does not deliver", works ? "status works" : "status idle"),
  );
  return made;
}

function showTotal() {
  at("total").textContent = total.toLocaleString("en");
  at("more").hidden = shown.size >= total;
}

async function loadList() {
  const page = await listMessengers();
  shown.clear();
  oldest = undefined;
  at("rows").replaceChildren();
  appendPage(page);
}

function appendPage(page) {
  total = page.total;
  for (const m of page.messengers) {
    if (!shown.has(m.id)) at("rows").append(row(m));
    shown.add(m.id);
    oldest = oldest === undefined ? m.id : Math.min(oldest, m.id);
  }
  showTotal();
}

at("more").addEventListener("click", async (event) => {
  event.target.disabled = true;
  try {
    appendPage(await listMessengers(oldest));
  } finally {
    event.target.disabled = false;
  }
});

// -- live arrivals ----------------------------------------------------------------------------

function showArrival({ messenger: m, came_by: cameBy }) {
  arrived += 1;
  at("arrived").textContent = String(arrived);
  at("live-empty").hidden = true;
  const entry = element("li", undefined, "new");
  entry.append(
    element("span", nameOf(m), "who"),
    element("span", `${vendorOf(m)}, ${cameBy === "send" ? "sent" : "added"}`, "where"),
    element("time", new Date().toLocaleTimeString("en-GB"), "when"),
  );
  at("live").prepend(entry);
  while (at("live").children.length > SHOWN_LIVE) at("live").lastElementChild.remove();
  if (shown.has(m.id)) return;
  shown.add(m.id);
  total += 1;
  const added = row(m);
  added.classList.add("new");
  at("rows").prepend(added);
  showTotal();
}

function watch() {
  const feed = openFeed(lastId);
  let isReopening = false;

  function seen(event) {
    if (event.lastEventId) lastId = event.lastEventId;
  }

  function reopen(text) {
    // Ours alone: the browser would wait for its own delay, and give up after some answers.
    if (isReopening) return;
    isReopening = true;
    feed.close();
    setBadge("feed-state", text, "bad");
    setTimeout(watch, REOPEN_MS + Math.random() * REOPEN_MS);
  }

  feed.addEventListener("hello", async (event) => {
    seen(event);
    setBadge("feed-state", "live", "good");
    showHealth(); // a server that is back is not "unknown" until the next look
    try {
      await loadList(); // what came while we were away
    } catch {
      reopen("no list");
    }
  });
  feed.addEventListener("messenger", (event) => {
    seen(event);
    showArrival(JSON.parse(event.data));
  });
  feed.addEventListener("lagged", () => reopen("too slow, catching up"));
  feed.addEventListener("bye", () => reopen("server stops"));
  feed.addEventListener("error", () => reopen("lost, trying again"));
}

// -- adding and sending -----------------------------------------------------------------------

function answer(text, isBad) {
  const place = at("form-answer");
  place.hidden = false;
  place.className = isBad ? "notice bad" : "notice";
  place.textContent = text;
}

async function submit(form, how) {
  const fields = Object.fromEntries(new FormData(form));
  delete fields.how;
  const messenger = { ...fields, vendor_id: Number(fields.vendor_id), status: Number(fields.status) };
  if (how === "add") {
    const made = await addMessenger(messenger);
    return `${nameOf(made)} was added as number ${made.id}.`;
  }
  const sent = await sendMessenger(messenger);
  return `${nameOf(messenger)} was sent as message ${sent.message_id}.`;
}

at("new-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const form = event.target;
  const buttons = [...form.querySelectorAll("button")];
  const pressed = event.submitter;
  for (const button of buttons) button.disabled = true;
  try {
    answer(await submit(form, pressed?.value ?? "send"), false);
    form.elements.firstname.value = form.elements.lastname.value = "";
    form.elements.firstname.focus();
  } catch (error) {
    answer(error.message, true);
    pressed?.focus();
  } finally {
    for (const button of buttons) button.disabled = false;
  }
});

// -- condition --------------------------------------------------------------------------------

const kindOf = (status) => ({ up: "good", down: "bad" })[status] ?? "";

async function showHealth() {
  try {
    const health = await readHealth();
    setBadge("messaging-state", health.messaging.status, kindOf(health.messaging.status));
    setBadge("database-state", health.database, kindOf(health.database));
    at("messaging-url").textContent = health.messaging.url;
    at("watchers").textContent = String(health.watchers);
  } catch {
    setBadge("messaging-state", "unknown", "");
    setBadge("database-state", "unknown", "");
  }
  clearTimeout(nextLook);
  nextLook = setTimeout(showHealth, HEALTH_EVERY_MS);
}

async function loadVendors() {
  const select = at("new-form").elements.vendor_id;
  for (const vendor of await listVendors()) {
    vendors.set(vendor.id, vendor.account_name ?? `vendor ${vendor.id}`);
    const option = element("option", vendors.get(vendor.id));
    option.value = vendor.id;
    select.append(option);
  }
}

at("new-form").elements.date_employed.value = new Date().toISOString().slice(0, 10);
try {
  await loadVendors();
} catch (error) {
  answer(error.message, true);
}
showHealth();
watch();
