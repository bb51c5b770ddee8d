// The HTTP interface, as this page uses it. Errors are Error objects with the problem's detail.

const prefix = document.querySelector('meta[name="newsstand-prefix"]').content;

async function request(path, options = {}) {
  let response;
  try {
    response = await fetch(path, options);
  } catch {
    throw new Error("The newsstand does not answer.");
  }
  if (!response.ok) {
    const problem = await response.json().catch(() => ({}));
    throw new Error(problem.detail || `It answered ${response.status}.`);
  }
  return response;
}

function post(path, body) {
  const headers = { "Content-Type": "application/json" };
  return request(prefix + path, { method: "POST", headers, body: JSON.stringify(body) });
}

export async function listMessengers(before) {
  const query = new URLSearchParams({ limit: "50" });
  if (before !== undefined) query.set("before", String(before));
  const response = await request(`${prefix}/messenger/list?${query}`);
  return { total: Number(response.headers.get("X-Total-Count")), messengers: await response.json() };
}

export async function listVendors() {
  return (await request(`${prefix}/vendor/list`)).json();
}

export async function sendMessenger(messenger) {
  return (await post("/messenger/send", messenger)).json();
}

export async function addMessenger(messenger) {
  return (await post("/messenger/add", messenger)).json();
}

export async function readHealth() {
  // 503 is an answer here: it says what is wrong.
  const response = await fetch("/health/ready");
  return response.json();
}

export function openFeed(lastId) {
  // The browser sends the last id by itself only where it reconnects by itself.
  const query = lastId ? `?${new URLSearchParams({ last_event_id: lastId })}` : "";
  return new EventSource(`${prefix}/messenger/sse/add${query}`);
}
