// Stage: what the provider does next, to everybody or to one key.
import { $, button, clean, field, h, named, options, say, select, tabs } from "../dom.js";
import { api, curl } from "../feed.js";
import { models } from "../request.js";
import { store, wentWrong } from "../store.js";
import { act, link, ui } from "../ui.js";

const WHAT = {
	"condition:rate_limited": "429 too many requests", "condition:quota_exceeded": "quota exceeded", "condition:insufficient_balance": "too little money",
	"condition:invalid_key": "invalid key", "condition:forbidden": "forbidden", "condition:invalid_request": "invalid request",
	"condition:model_not_found": "model not found", "condition:not_found": "not found", "condition:internal_error": "500 internal error",
	"condition:bad_gateway": "502 bad gateway", "condition:unavailable": "503 unavailable", "condition:timeout": "504 timeout",
	"fault:reset": "a broken connection", "fault:hang": "no answer at all", "fault:slow": "an answer that dribbles in",
	"fault:truncate": "half of the body", "fault:malformed": "JSON that does not parse", "fault:empty": "no body", "fault:html": "a proxy's page",
};
const WHERE = { submit: "next submit", poll: "first poll of each new job", media: "first download of each new job" };

const server = select("server", []), who = select("who", []), where = select("where", Object.entries(WHERE)), what = select("what", Object.entries(WHAT));
const retry = h("input", { name: "retry", placeholder: "1, http-date or none" });
const account = select("account", [], showKey), scenario = select("scenario", []);
const balance = h("input", { name: "balance", type: "number", min: 0, step: "any", placeholder: "no wallet" });
const limit = h("input", { name: "limit", placeholder: "none, or 10/60" });
const disabled = h("select", { name: "disabled", multiple: "", size: 5 }), quirks = h("select", { name: "quirks", multiple: "", size: 5 });
const fresh = h("input", { name: "newkey", type: "password", autocomplete: "off", placeholder: "a key that has not called yet" });
const armedList = h("ul"), same = h("div", h("p.dim", "Set or arm something: its YAML, curl and pytest line appear here."));
const card = (title, ...kids) => h("form.card.stack", h("h2", title), kids);

export const view = {
	element: h("div.page", h("h1.sr", "Stage"), h("div.cards",
		card("Arm once", arm, h("div.row", field("The", where), field("of", who), field("gets", what), field("Retry-After", retry)), h("div.row", h("button.main", "Arm")), armedList),
		card("The server", setServer, field("Every call plays", server), h("div.row", h("button", "Set"))),
		card("One key", setKey, h("div.row", field("Account", account), field("or add", fresh)), field("Plays", scenario),
			h("div.row", field("Balance in USD", balance), field("Submits per seconds", limit)), field("Disabled models", disabled), field("Quirks", quirks),
			h("div.row", h("button", "Set"))),
		h("section.card.stack", h("h2", "As text"), same))),
	update() {
		if (!scenarios) load();
		const names = [...store.accounts.keys()].sort();
		options(who, [["", "any key"], ...names]);
		options(account, names.length ? names : [["", "no key has called yet"]]);
		if (ui.account && names.includes(ui.account) && shown === undefined) who.value = account.value = ui.account;
		if (account.value !== shown) showKey();
		showArmed();
	},
};
let scenarios, shown;
const known = (name) => scenarios?.find((one) => one.name === name);
fresh.addEventListener("change", async () => {
	// Named by its hash from here on: the key itself stays nowhere.
	const told = await api(`accounts/${encodeURIComponent(fresh.value)}`, "PUT", {}).catch(() => null);
	fresh.value = "";
	if (!told) return;
	store.accounts.set(told.account, told);
	view.update();
	account.value = told.account;
	showKey();
});

async function load() {
	scenarios = [];
	try {
		const [told, playing, odd, offered] = await Promise.all([api("scenarios"), api("scenario"), api("quirks"), models()]);
		scenarios = told.scenarios;
		options(server, [["", "nothing: all goes well"], ...named(scenarios)]);
		options(quirks, named(odd.quirks));
		options(disabled, offered.map((one) => one.id));
		server.value = playing.name ?? "";
		showKey();
	} catch {
		scenarios = undefined;
	}
}

/** Show a scenario as a file, as the call that sets it, and as a line of a test. */
function showSame(scenario, path, body) {
	same.replaceChildren(tabs({
		...(scenario && { YAML: yaml(scenario) }),
		curl: curl(path, "PUT", body),
		...(scenario && { pytest: known(scenario.name) ? `@pytest.mark.scenario("${scenario.name}")` : `understudy.play(${python(scenario)})` }),
	}));
}

async function setServer() {
	const body = { name: server.value || null };
	if (await act("scenario", "PUT", body, `Every call plays ${body.name ?? "nothing"} now.`)) showSame(known(body.name), "scenario", body);
}

const armed = [];

/** Arm one call: a scenario of its own name, so that its count begins now, on top of what is played. */
async function arm() {
	const [kind, value] = what.value.split(":");
	const path = who.value ? `accounts/${who.value}` : "scenario";
	const present = known(store.accounts.get(who.value)?.scenario) ?? await api("scenario");
	const entry = { [kind]: value };
	if (retry.value && kind === "condition") entry.retry_after = /^\d+$/.test(retry.value) ? Number(retry.value) : retry.value;
	const { summary, advice, ...rest } = present.name ? present : {};
	const made = { ...rest, name: `next-${where.value}-${value}-${Date.now().toString(36).slice(-5)}`, [where.value]: [entry, ...(rest[where.value] ?? [])] };
	const body = who.value ? { scenario: made } : made;
	const text = `${WHERE[where.value]} of ${who.value || "any key"}: ${WHAT[what.value]}`;
	if (!await act(path, "PUT", body, `Armed: the ${text}.`)) return;
	armed.unshift({ name: made.name, text, path, before: who.value ? { scenario: present.name && known(present.name) && store.accounts.get(who.value)?.scenario || null } : { name: known(present.name)?.name ?? null } });
	showSame(made, path, body);
	showArmed();
}

function showArmed() {
	const met = armed.map((one) => [...store.calls.values()].findLast((call) => call.scenario === one.name && wentWrong(call))?.call);
	const key = armed.map((one, index) => one.name + met[index]).join();
	if (armedList.key === key) return;
	armedList.key = key;
	armedList.replaceChildren(...armed.map((one, index) => h("li", met[index] ? ["✓ met by ", link(`call #${met[index]}`, `call:${met[index]}`)] : "◷ waits", ` · ${one.text} `,
		button("Disarm", { "aria-label": `Disarm ${one.text}` }, async () => {
			if (await act(one.path, "PUT", one.before, "Disarmed.")) armed.splice(armed.indexOf(one), 1);
			showArmed();
		}))));
}

async function showKey() {
	const name = shown = account.value;
	const told = name && await api(`accounts/${name}`).catch(() => null);
	if (!told || shown !== name) return;
	options(scenario, [["", "what the server plays"], ...(told.scenario && !known(told.scenario) ? [[told.scenario, `${told.scenario} (made here)`]] : []), ...named(scenarios ?? [])]);
	scenario.value = told.scenario ?? "";
	balance.value = told.balance_usd ?? "";
	limit.value = told.rate_limit ?? "";
	for (const one of quirks.options) one.selected = told.quirks.includes(one.value);
	for (const one of disabled.options) one.selected = told.disabled_models.includes(one.value);
}

async function setKey() {
	const values = (control) => [...control.selectedOptions].map((one) => one.value);
	const body = { balance_usd: balance.value ? Number(balance.value) : null, rate_limit: limit.value || null, disabled_models: values(disabled), quirks: values(quirks) };
	if (!scenario.value || known(scenario.value)) body.scenario = scenario.value || null;
	const path = `accounts/${account.value}`;
	if (await act(path, "PUT", body, `${account.value} is set.`)) showSame(known(scenario.value), path, body);
}

/** Write a scenario as YAML: blocks at the top, all else in one line each. */
function yaml(scenario) {
	const flow = (value) => Array.isArray(value) ? `[${value.map(flow).join(", ")}]`
		: value && typeof value === "object" ? `{${Object.entries(value).map(([name, one]) => `${name}: ${flow(one)}`).join(", ")}}`
			: /^(?!(true|false|null|yes|no|on|off)$)[a-z_][\w.-]*$/i.test(value) ? value : JSON.stringify(value);
	return Object.entries(scenario).map(([name, value]) => `${name}:${value[0]?.constructor === Object ? value.map((one) => `\n  - ${flow(one)}`).join("") : ` ${flow(value)}`}`).join("\n");
}

/** Write a value as Python: JSON, but for three words. */
const python = (value) => JSON.stringify(value).replace(/"(?:\\.|[^"\\])*"|true|false|null/g, (word) => ({ true: "True", false: "False", null: "None" })[word] ?? word);
