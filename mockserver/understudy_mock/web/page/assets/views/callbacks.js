// Callbacks: each delivery with its attempts; what did not arrive can be sent again.
import { button, code, count, counted, field, h, lasts, options, pretty, say, select, time } from "../dom.js";
import { api, base } from "../feed.js";
import { Grid } from "../grid.js";
import { models } from "../request.js";
import { isUnsent, signOf, store } from "../store.js";
import { act, go } from "../ui.js";

const grid = new Grid({
	kind: "callback", key: "id", columns: ["Due", "State", "Callback", "Receiver", "Attempts"],
	empty: [h("h2", "No callbacks yet"), h("p", "Trigger one, or submit a job with a webhook. The inbox receives them without a program of yours.")],
	items: () => store.deliveries.values(),
	state: (one) => one.state,
	cells: (one) => [
		time(one.due, 3), signOf(one.state), [one.event, one.job],
		[one.url, one.status ? `HTTP ${one.status} in ${lasts(one.ms ?? 0)}` : one.error], one.attempts ?? "–",
	],
});
const resend = (body) => act("webhooks/redeliver", "POST", body, (answer) => `${counted(answer.deliveries, "callback")} sent again.`);
const failed = button("", () => resend({}));
const paused = h("p.notice");
export const view = {
	element: h("div.stack",
		h("div.row", failed, button("Trigger a callback…", () => go({ open: "trigger" })), button("Inbox…", () => go({ open: "inbox:try" }))),
		paused, grid.element),
	update() {
		const all = [...store.deliveries.values()];
		const unsent = all.filter(isUnsent).length;
		failed.disabled = !unsent;
		say(failed, `Redeliver all failed${unsent ? ` (${count(unsent)})` : ""}`);
		const urls = [...new Set(all.filter((one) => one.state === "paused").map((one) => one.url))].slice(0, 5);
		paused.hidden = !urls.length;
		if (paused.key !== `${urls}`) paused.replaceChildren(...urls.map((url) => h("span", `⏸ Paused after failures: ${url} `, button("Send what waits", () => resend({ state: "paused", url })))));
		paused.key = `${urls}`;
		grid.update();
	},
};

/** Return a form that sends a made-up callback. */
export function triggerPanel() {
	const model = select("model", []);
	const end = select("end", ["COMPLETED", "FAILED", "ERROR"]);
	const url = h("input", { type: "url", name: "url", value: new URL("inbox/try", base) });
	models().then((known) => options(model, known.filter((one) => one.webhook).map((one) => [one.id, `${one.id} (${one.provider})`])));
	const send = async () => {
		const { provider } = (await models()).find((one) => one.id === model.value);
		act("webhooks/trigger", "POST", { provider, model: model.value, end: end.value, url: url.value }, (answer) => `Triggered: ${signOf(answer.state)}.`);
	};
	return {
		element: h("form.stack", send, h("h2", "Trigger a callback"), h("p.dim", "The callback of a job that never was, as the provider would post it."),
			field("Model", model), field("The job ends as", end), field("Receiver", url), h("button.main", "Send")),
	};
}

/** Return what an inbox has received, and how it answers. */
export function inboxPanel(name) {
	const path = `inbox/${encodeURIComponent(name)}`;
	const list = h("div.stack");
	const answer = select("answer", [["200", "200: all is well"], ["500", "500: broken"], ["slow", "too late"], ["closes", "by closing the connection"]],
		() => act(path, "PUT", { answer: Number(answer.value) || answer.value }, `The inbox answers ${answer.value} now.`));
	let known;
	async function load() {
		const told = await api(path);
		answer.value = told.answer;
		const kept = told.callbacks.slice(-50).reverse();
		list.replaceChildren(h("p", `${count(told.received)} received; ${kept.length} shown.`), ...kept.map((one, index) => h("details", index ? {} : { open: "" },
			h("summary", `${time(one.at, 3)} · ${count(one.size)} bytes · ${one.job ?? ""}`), code(pretty(one.body), "body of the callback"))));
	}
	return {
		element: h("div.stack", h("h2", `Inbox ${name}`), h("p.dim", "It receives callbacks on this gateway. Give this address as the webhook:"),
			code(new URL(path, base).href, "address of the inbox"), field("It answers", answer),
			h("div.row", button("Clear", () => act(path, "DELETE", undefined, "The inbox is empty.").then(load))), list),
		update() {
			const received = store.inboxes.get(name)?.received;
			if (known !== undefined && received === known) return;
			known = received ?? 0;
			load().catch((error) => list.replaceChildren(h("p", error.message)));
		},
	};
}
