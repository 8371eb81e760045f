// The page of the sandbox. State comes as one snapshot and then as updates, each item keyed by its id: insert or
// replace. Everything that came from a message is set as text, never as markup.

const byId = (id) => document.getElementById(id);
const clone = (id) => byId(id).content.firstElementChild.cloneNode(true);

const state = { customer: null, number: null, phoneOf: null, deskOf: null, phone: new Map(), desk: new Map(), read: new Map() };

// Two more phones, so that conversations are seen side by side, and one that no carrier reaches.
const OTHER_PHONES = [["+15557654322", "+15557654322"], ["+15557654323", "+15557654323"], ["+15550030003", "+15550030003 (out of service)"]];

const TRAFFIC_KEPT = 120;
const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const clockWithSeconds = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });

const PHONE_STATES = { sending: "Sending", taken: "Sent", lost: "Not delivered", received: "" };
const DESK_STATES = { received: "", sending: "Sending", taken: "Handed over", sent: "Sent", delivered: "Delivered", failed: "Failed" };

// --- drawing -------------------------------------------------------------------------------------------------------

function time(element, at, format) {
  element.dateTime = at;
  element.textContent = format.format(new Date(at));
}

function describe(item, words, ticks) {
  const label = [words[item.state], item.note ?? item.reason, item.repeat ? "Received twice" : null].filter(Boolean).join(" · ");
  const span = document.createElement("span");
  span.className = "state";
  if (ticks && ["sent", "delivered"].includes(item.state)) span.append(clone("ticks"));
  span.append(label);
  return span;
}

function message(item, words, ticks) {
  const line = clone("bubble");
  line.dataset.id = item.id;
  line.dataset.state = item.state;
  line.classList.toggle("mine", item.mine);
  line.classList.toggle("repeat", Boolean(item.repeat));
  line.querySelector(".text").textContent = item.text;
  time(line.querySelector("time"), item.at, clock);
  line.querySelector(".state").replaceWith(describe(item, words, ticks));
  return line;
}

function empty(text) {
  const line = document.createElement("li");
  line.className = "empty";
  line.textContent = text;
  return line;
}

// Puts one message into an open thread, and keeps the end in sight unless somebody scrolled away from it.
function put(thread, line) {
  const atEnd = thread.scrollHeight - thread.scrollTop - thread.clientHeight < 80;
  const old = thread.querySelector(`[data-id="${CSS.escape(line.dataset.id)}"]`);
  if (old) {
    old.dataset.state = line.dataset.state;
    old.querySelector(".meta").replaceWith(line.querySelector(".meta"));
  } else {
    thread.querySelector(".empty")?.remove();
    line.classList.add("new");
    thread.append(line);
  }
  if (atEnd || !old) thread.scrollTop = thread.scrollHeight;
}

function redraw(thread, lines, hint) {
  thread.replaceChildren(...(lines.length ? lines : [empty(hint)]));
  thread.scrollTop = thread.scrollHeight;
}

function drawPhone() {
  const mine = [...state.phone.values()].filter((item) => item.customer === state.phoneOf);
  redraw(byId("phone-thread"), mine.map((item) => message(item, PHONE_STATES, false)),
    "Write a text. It goes through Twilio and the bridge to the agent’s desk.");
}

function drawDesk() {
  const open = state.deskOf;
  const lines = [...state.desk.values()].filter((item) => item.customer === open);
  redraw(byId("desk-thread"), lines.map((item) => message(item, DESK_STATES, true)),
    "A conversation opens when a customer’s text arrives.");
  byId("desk-customer").textContent = open ?? "No conversation yet";
  byId("desk-name").textContent = lines.find((item) => item.name && item.name !== open)?.name ?? "";
  byId("desk-text").disabled = !open;
  document.querySelector("#desk-form button").disabled = !open;
  drawConversations();
}

function drawConversations() {
  const conversations = new Map();
  for (const item of state.desk.values()) {
    const known = conversations.get(item.customer) ?? { count: 0 };
    conversations.set(item.customer, { last: item, count: known.count + (item.mine ? 0 : 1) });
  }
  const list = byId("conversations");
  const focused = list.contains(document.activeElement) ? document.activeElement.dataset.customer : null;
  if (state.deskOf) state.read.set(state.deskOf, conversations.get(state.deskOf)?.count ?? 0);
  list.replaceChildren(...[...conversations].reverse().map(([customer, { last, count }]) => {
    const line = clone("conversation");
    const button = line.querySelector("button");
    const unread = count - (state.read.get(customer) ?? 0);
    button.dataset.customer = customer;
    button.setAttribute("aria-current", String(customer === state.deskOf));
    line.querySelector("b").textContent = customer;
    line.querySelector("span").textContent = (last.mine ? "You: " : "") + last.text;
    if (unread > 0) {
      line.querySelector("em").textContent = String(unread);
      line.querySelector("em").setAttribute("aria-label", `${unread} unread`);
    }
    button.addEventListener("click", () => { state.deskOf = customer; drawDesk(); });
    return line;
  }));
  if (focused) [...list.querySelectorAll("button")].find((button) => button.dataset.customer === focused)?.focus();
}

function drawSwitches(switches) {
  for (const list of document.querySelectorAll("[data-platform]")) {
    for (const item of switches.filter((item) => item.platform === list.dataset.platform)) {
      let button = list.querySelector(`[data-testid="fault-${item.name}"]`);
      if (!button) {
        const line = clone("switch");
        button = line.querySelector("button");
        button.dataset.testid = `fault-${item.name}`;
        line.querySelector("b").id = `label-${item.name}`;
        line.querySelector("b").textContent = item.label;
        line.querySelector("small").id = `help-${item.name}`;
        line.querySelector("small").textContent = item.help;
        button.setAttribute("aria-labelledby", `label-${item.name}`);
        button.setAttribute("aria-describedby", `help-${item.name}`);
        button.addEventListener("click", () => {
          const on = button.getAttribute("aria-checked") !== "true";
          ask("PUT", `/sandbox/faults/${item.name}`, { on });
        });
        list.append(line);
      }
      button.setAttribute("aria-checked", String(item.on));
    }
  }
  for (const node of document.querySelectorAll("[data-node]")) {
    node.classList.toggle("faulty", switches.some((item) => item.on && item.platform === node.dataset.node));
  }
  const on = switches.filter((item) => item.on).length;
  byId("faults-on").textContent = on ? `${on} on` : "None";
  byId("faults-on").classList.toggle("any", on > 0);
}

function row(item) {
  const line = clone("row");
  const platform = item.platform === "twilio" ? "Twilio" : "Genesys Cloud";
  time(line.querySelector("time"), item.at, clockWithSeconds);
  line.querySelector(".way-of").textContent = item.to_bridge ? `${platform} → bridge` : `bridge → ${platform}`;
  line.querySelector("b").textContent = item.what;
  line.querySelector(".of").textContent = item.customer ?? "";
  line.querySelector("code").textContent = item.status ?? "—";
  line.querySelector("small").textContent = item.note ?? "";
  line.classList.toggle("bad", !item.ok);
  return line;
}

function drawTraffic(items) {
  const lines = items.slice(-TRAFFIC_KEPT).reverse().map(row);
  byId("traffic").replaceChildren(...(lines.length ? lines : [empty("Every request between the platforms and the bridge appears here.")]));
}

function addTraffic(item) {
  const list = byId("traffic");
  const line = row(item);
  line.classList.add("new");
  list.querySelector(".empty")?.remove();
  list.prepend(line);
  if (list.children.length > TRAFFIC_KEPT) list.lastElementChild.remove();
}

function drawPhones() {
  const known = new Map([[state.customer, state.customer], ...OTHER_PHONES]);
  for (const item of state.phone.values()) if (!known.has(item.customer)) known.set(item.customer, item.customer);
  const select = byId("phone-of");
  if (select.options.length === known.size) return;
  select.replaceChildren(...[...known].map(([value, label]) => new Option(label, value)));
  select.value = state.phoneOf;
}

// --- what arrives --------------------------------------------------------------------------------------------------

function snapshot(all) {
  Object.assign(state, { customer: all.customer, number: all.number });
  state.phoneOf ??= all.customer;
  state.phone = new Map(all.phone.map((item) => [item.id, item]));
  state.desk = new Map(all.desk.map((item) => [item.id, item]));
  const customers = [...state.desk.values()].map((item) => item.customer);
  if (!customers.includes(state.deskOf)) state.deskOf = customers.at(-1) ?? null;
  byId("number").textContent = all.number;
  byId("integration").textContent = all.integration;
  drawPhones();
  drawPhone();
  drawDesk();
  drawSwitches(all.switches);
  drawTraffic(all.traffic);
}

const updates = {
  phone(item) {
    state.phone.set(item.id, item);
    drawPhones();
    if (item.customer === state.phoneOf) put(byId("phone-thread"), message(item, PHONE_STATES, false));
  },
  desk(item) {
    state.desk.set(item.id, item);
    if (!state.deskOf) {
      state.deskOf = item.customer;
      drawDesk();
      return;
    }
    if (item.customer === state.deskOf) put(byId("desk-thread"), message(item, DESK_STATES, true));
    drawConversations();
  },
  traffic: addTraffic,
  switches: drawSwitches,
  reset() {
    state.phone.clear();
    state.desk.clear();
    state.read.clear();
    state.deskOf = null;
    drawPhone();
    drawDesk();
    drawTraffic([]);
  },
};

function live(kind, words) {
  byId("live").className = `live ${kind}`;
  byId("live").querySelector("span").textContent = words;
}

function listen() {
  const events = new EventSource("/sandbox/events");
  events.addEventListener("snapshot", (event) => { live("on", "Live"); snapshot(JSON.parse(event.data)); });
  events.addEventListener("update", (event) => {
    const { kind, item } = JSON.parse(event.data);
    updates[kind](item);
  });
  events.addEventListener("error", () => live("off", "Sandbox not reachable, trying again"));
}

// --- what people do ------------------------------------------------------------------------------------------------

async function ask(method, path, body) {
  const answer = await fetch(path, { method, headers: { "content-type": "application/json" }, body: JSON.stringify(body ?? {}) });
  if (!answer.ok) throw new Error((await answer.text()) || `status ${answer.status}`);
}

function composer(form, field, problem, send) {
  const submit = async () => {
    const text = field.value.trim();
    if (!text) return;
    try {
      await send(text);
      field.value = "";
      problem.textContent = "";
    } catch (error) {
      problem.textContent = `Not sent: ${error.message}`;
    }
    field.focus();
  };
  form.addEventListener("submit", (event) => { event.preventDefault(); submit(); });
  field.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      submit();
    }
  });
}

composer(byId("phone-form"), byId("phone-text"), byId("phone-problem"),
  (text) => ask("POST", "/sandbox/customer/messages", { from: state.phoneOf, text }));
composer(byId("desk-form"), byId("desk-text"), byId("desk-problem"),
  (text) => ask("POST", "/sandbox/agent/messages", { to: state.deskOf, text }));
byId("phone-of").addEventListener("change", (event) => { state.phoneOf = event.target.value; drawPhone(); });
byId("reset").addEventListener("click", () => ask("POST", "/sandbox/reset"));
listen();
