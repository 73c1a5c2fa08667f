// Stage: what the provider does next, to everybody or to one key.
import { button, field, h, input, named, options, put, row, select, tabs } from "../dom.js";
import { api, curl } from "../feed.js";
import { models } from "../request.js";
import { store, wentWrong } from "../store.js";
import { act, link, ui } from "../ui.js";

const CONDITIONS = "429 rate_limited,402 insufficient_balance,403 quota_exceeded,401 invalid_key,403 forbidden,400 invalid_request,404 model_not_found,404 not_found,500 internal_error,502 bad_gateway,503 unavailable,504 timeout".split(",");
const FAULTS = { reset: "a broken connection", hang: "no answer", slow: "a slow body", truncate: "half of the body", malformed: "broken JSON", empty: "no body", html: "a proxy's page" };
const WHAT = [...CONDITIONS.map((one) => [`condition ${one.slice(4)}`, one.replaceAll("_", " ")]), ...Object.entries(FAULTS).map(([name, text]) => [`fault ${name}`, text])];
const WHERE = { submit: "next submit", poll: "first poll of each new job", media: "first download of each new job" };

const server = select("server", []), who = select("who", []), where = select("where", Object.entries(WHERE)), what = select("what", WHAT), retry = input("retry", { placeholder: "1, http-date or none" });
const account = select("account", [], showKey), fresh = input("newkey", { type: "password", placeholder: "a key that has not called yet" }), scenario = select("scenario", []);
const balance = input("balance", { type: "number", min: 0, step: "any", placeholder: "no wallet" }), limit = input("limit", { placeholder: "none, or 10/60" });
const disabled = h("select", { multiple: "", size: 5 }), quirks = h("select", { multiple: "", size: 5 });
const list = h("ul"), same = h("div", h("p.dim", "Set or arm something: its YAML, curl and pytest line appear here."));
let scenarios, shown, armed = [];
const known = (name) => scenarios?.find((one) => one.name === name);
const card = (title, ...kids) => h("form.card.stack", h("h2", title), kids);

export const view = {
	element: h("div.page", h("h1.sr", "Stage"), h("div.cards",
		h("div.stack", card("Arm once", arm, row(field("The", where), field("of", who)), row(field("gets", what), field("Retry-After", retry)), row(h("button.main", "Arm")), list),
			card("The server", setServer, field("Every call plays", server), row(h("button", "Set"))), h("section.card.stack", h("h2", "As text"), same)),
		card("One key", setKey, row(field("Account", account), field("or add", fresh)), field("Plays", scenario), row(field("Balance in USD", balance), field("Submits / seconds", limit)),
			field("Disabled models", disabled), field("Quirks", quirks), row(h("button", "Set"))))),
	update() {
		if (!scenarios) load();
		const names = [...store.accounts.keys()].sort();
		options(who, [["", "any key"], ...names]);
		options(account, names.length ? names : [["", "no key has called yet"]]);
		if (!shown && names.includes(ui.account)) who.value = account.value = ui.account;
		if (account.value !== shown) showKey();
		showArmed();
	},
};
fresh.addEventListener("change", async () => {
	// Named by its hash from here on: the key itself stays nowhere.
	const told = await act(`accounts/${encodeURIComponent(fresh.value)}`, "PUT", {}, (answer) => `It is ${answer.account}.`);
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

/** Set something, and show the scenario as a file, as the call that sets it, and as a line of a test. */
async function set(path, body, scenario, done) {
	const answer = await act(path, "PUT", body, done);
	if (answer) put(same, tabs({
		curl: curl(path, "PUT", body),
		...(scenario && { YAML: yaml(scenario), pytest: known(scenario.name) ? `@pytest.mark.scenario("${scenario.name}")` : `understudy.play(${python(scenario)})` }),
	}));
	return answer;
}

function setServer() {
	set("scenario", { name: server.value || null }, known(server.value), `Every call plays ${server.value || "nothing"} now.`);
}

/**
 * Arm one call: a scenario of its own name, so that its count begins now, on top of what is played. What was
 * armed before at the same place gives way: it would be met again.
 */
async function arm() {
	const [kind, value] = what.value.split(" ");
	const path = who.value ? `accounts/${who.value}` : "scenario";
	const own = store.accounts.get(who.value)?.scenario;
	const played = known(own) ?? await api("scenario");
	const earlier = armed.find((one) => one.name === (own ?? played.name));
	const { summary, advice, ...present } = earlier?.base ?? played;
	const none = earlier?.path === path ? earlier.none : who.value ? { scenario: known(own)?.name ?? null } : { name: played.name ?? null };
	const entry = { [kind]: value, ...(retry.value && kind === "condition" && { retry_after: Number(retry.value) || retry.value }) };
	const name = `next-${where.value}-${value}-${Date.now().toString(36)}`;
	const made = { ...present, name, [where.value]: [entry, ...present[where.value] ?? []] };
	const text = `the ${WHERE[where.value]} of ${who.value || "any key"} gets ${what.selectedOptions[0].textContent}`;
	if (await set(path, who.value ? { scenario: made } : made, made, `Armed: ${text}.`)) armed = [{ name, text, path, none, base: present }, ...armed.filter((one) => one.path !== path)];
	showArmed();
}

function showArmed() {
	const rows = armed.map((one) => ({ ...one, met: [...store.calls.values()].find((call) => call.scenario === one.name && wentWrong(call))?.call }));
	if (list.key === JSON.stringify(rows)) return;
	list.key = JSON.stringify(rows);
	put(list, rows.map(({ met, text, path, none }, index) => h("li", met ? ["✓ met by ", link(`call #${met}`, `call:${met}`)] : "◷ waits", `: ${text} `,
		button("Disarm", { "aria-label": `Disarm: ${text}` }, async () => {
			if (await act(path, "PUT", none, "Disarmed.")) armed.splice(index, 1);
			showArmed();
		}))));
}

async function showKey() {
	const name = shown = account.value;
	const told = name && await api(`accounts/${name}`).catch(() => null);
	if (!told || shown !== name) return;
	options(scenario, [["", "what the server plays"], ...(known(told.scenario) ? [] : [[told.scenario ?? "", told.scenario ?? "what the server plays"]].filter(([value]) => value)), ...named(scenarios ?? [])]);
	scenario.value = told.scenario ?? "";
	balance.value = told.balance_usd ?? "";
	limit.value = told.rate_limit ?? "";
	for (const one of quirks.options) one.selected = told.quirks.includes(one.value);
	for (const one of disabled.options) one.selected = told.disabled_models.includes(one.value);
}

function setKey() {
	const values = (control) => [...control.selectedOptions].map((one) => one.value);
	const body = { balance_usd: balance.value ? Number(balance.value) : null, rate_limit: limit.value || null, disabled_models: values(disabled), quirks: values(quirks) };
	if (!scenario.value || known(scenario.value)) body.scenario = scenario.value || null;
	set(`accounts/${account.value}`, body, known(scenario.value), `${account.value} is set.`);
}

/** Write a scenario as YAML: blocks at the top, all else in one line each. */
function yaml(scenario) {
	const flow = (value) => Array.isArray(value) ? `[${value.map(flow).join(", ")}]` : value?.constructor === Object ? `{${Object.entries(value).map(([name, one]) => `${name}: ${flow(one)}`).join(", ")}}`
		: /^(?!(true|false|null|yes|no|on|off)$)[a-z_][\w.-]*$/i.test(value) ? value : JSON.stringify(value);
	return Object.entries(scenario).map(([name, value]) => `${name}:${value[0]?.constructor === Object ? value.map((one) => `\n  - ${flow(one)}`).join("") : ` ${flow(value)}`}`).join("\n");
}

/** Write a value as Python: JSON, but for three words. */
const python = (value) => JSON.stringify(value).replace(/"(?:\\.|[^"\\])*"|true|false|null/g, (word) => ({ true: "True", false: "False", null: "None" })[word] ?? word);
