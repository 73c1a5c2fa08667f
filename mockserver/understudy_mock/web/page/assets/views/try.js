// Try: submit something by hand. The key is in its field and nowhere else.
import { code, field, h, input, named, options, pretty, put, row, say, select } from "../dom.js";
import { api, ask, base } from "../feed.js";
import { models, requestOf, snippets } from "../request.js";
import { link } from "../ui.js";

const model = select("model", [], choose), scenario = select("scenario", []), hook = input("hook", { type: "checkbox" });
const about = h("p.dim"), result = h("div", { "aria-live": "polite" }), same = h("div");
const body = h("textarea", { name: "body", rows: 12, spellcheck: "false" }), key = input("key", { type: "password", placeholder: "any-key" });
let ready;

export const view = {
	element: h("div.page", h("h1.sr", "Try"), h("div.cards",
		h("form.card.stack", send, h("h2", "Submit"), field("Model", model), about, field("Body", body), row(field("Key", key), field("Scenario of this call", scenario)),
			h("label.row", hook, "Callback to the inbox “try”"), row(h("button.main", "Send"))),
		h("section.card.stack", h("h2", "The answer"), result, same))),
	update() {
		ready ??= load().catch(() => (ready = undefined));
	},
};
view.element.addEventListener("input", (event) => event.target !== key && showSame());

async function load() {
	options(model, (await models()).map((one) => [one.id, `${one.id} (${one.provider})`]));
	options(scenario, [["", "as on the stage"], ...named((await api("scenarios")).scenarios)]);
	await choose();
}

const chosen = async () => (await models()).find((one) => one.id === model.value);

async function choose(event, text) {
	const { example, summary, price_usd, seconds, webhook } = await chosen();
	body.value = pretty(text ?? example);
	say(about, `${summary ?? ""} $${price_usd} a job, ${seconds[0] + seconds[1]} provider seconds.`);
	hook.disabled = !webhook;
	showSame();
}

/** Fill the form with the request of a job, to be edited and sent. */
export async function again(id, text) {
	view.update();
	await ready;
	model.value = id;
	await choose(null, text);
	body.focus();
}

const requested = async (shown) => requestOf(await chosen(), body.value, shown, hook.checked && !hook.disabled ? new URL("inbox/try", base).href : "", scenario.value);
const showSame = async () => put(same, snippets(await requested("$KEY")));

async function send() {
	const { url, ...request } = await requested(key.value || key.placeholder);
	put(result, h("p.dim", "Sent; the answer is awaited …"));
	try {
		const answer = await fetch(url, { ...request, cache: "no-store" });
		const text = await answer.text();
		const [, id] = /"(?:request_id|id)"\s*:\s*"([^"]+)"/.exec(text) ?? [];
		put(result, h("h3", `${answer.ok ? "✓" : "✗"} ${answer.status}`), answer.ok && id && link("See the job", `job:${id}`, "jobs"), code(pretty(text), "the answer"));
	} catch {
		put(result, h("h3", "⚠ No answer"), h("p", "The connection ended first. A scenario can ask for that."));
	}
	ask();
}
