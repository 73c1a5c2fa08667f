// Callbacks: each delivery with its attempts; what did not arrive can be sent again.
import { button, code, count, field, h, input, lasts, options, pretty, put, row, say, select, stack, time } from "../dom.js";
import { api, base } from "../feed.js";
import { Grid } from "../grid.js";
import { models } from "../request.js";
import { isUnsent, signOf, store } from "../store.js";
import { act, go } from "../ui.js";

const grid = new Grid({
	kind: "callback", key: "id", columns: ["Due", "State", "Callback", "Receiver", "Attempts"],
	empty: [h("h2", "No callbacks yet"), h("p", "Trigger one, or submit a job with a webhook. The inbox receives them without a program of yours.")],
	items: () => [...store.deliveries.values()].sort((a, b) => a.due - b.due),
	state: (one) => one.state,
	cells: (one) => [time(one.due), signOf(one.state), [one.event, one.job], [one.url, one.status ? `HTTP ${one.status} in ${lasts(one.ms ?? 0)}` : one.error], one.attempts ?? "–"],
});
const resend = (body) => act("webhooks/redeliver", "POST", body, (answer) => `${count(answer.deliveries, "callback")} sent again.`);
const failed = button("", () => resend({}));
const paused = h("p.notice");
export const view = {
	element: stack(row(failed, button("Trigger a callback…", () => go({ open: "trigger" })), button("Inbox…", () => go({ open: "inbox:try" }))), paused, grid.element),
	update() {
		const unsent = [...store.deliveries.values()].filter(isUnsent);
		const urls = [...new Set(unsent.filter((one) => one.state === "paused").map((one) => one.url))].slice(0, 5);
		failed.disabled = !unsent.length;
		say(failed, `Redeliver all failed (${count(unsent.length)})`);
		paused.hidden = !urls.length;
		if (paused.key !== `${urls}`) put(paused, urls.map((url) => h("span", `‖ Paused after failures: ${url} `, button("Send what waits", () => resend({ state: "paused", url })))));
		paused.key = `${urls}`;
		grid.update();
	},
};

/** Return a form that sends a made-up callback. */
export function triggerPanel() {
	const model = select("model", []), end = select("end", ["COMPLETED", "FAILED", "ERROR"]), url = input("url", { type: "url", value: new URL("inbox/try", base) });
	models().then((known) => options(model, known.filter((one) => one.webhook).map((one) => [one.id, `${one.id} (${one.provider})`])));
	const send = async () => {
		const { provider } = (await models()).find((one) => one.id === model.value);
		act("webhooks/trigger", "POST", { provider, model: model.value, end: end.value, url: url.value }, (answer) => `Triggered: ${signOf(answer.state)}.`);
	};
	return {
		element: h("form.stack", send, h("h2", "Trigger a callback"), h("p.dim", "The callback of a job that never was, as the provider would post it."),
			field("Model", model), field("The job ends as", end), field("Receiver", url), row(h("button.main", "Send"))),
	};
}

/** Return what an inbox has received, and how it answers. */
export function inboxPanel(name) {
	const path = `inbox/${encodeURIComponent(name)}`;
	const list = stack();
	const answer = select("answer", [["200", "200: all is well"], ["500", "500: broken"], ["slow", "too late"], ["closes", "by closing the connection"]],
		() => act(path, "PUT", { answer: Number(answer.value) || answer.value }, `The inbox answers ${answer.value} now.`));
	let known;
	async function load() {
		const told = await api(path);
		answer.value = told.answer;
		put(list, h("p", `${count(told.received)} received, the last first.`), told.callbacks.slice(-50).reverse().map((one, index) =>
			h("details", index ? {} : { open: "" }, h("summary", `${time(one.at)} · ${count(one.size, "byte")} · ${one.job ?? ""}`), code(pretty(one.body), "body of the callback"))));
	}
	return {
		element: stack(h("h2", `Inbox ${name}`), h("p.dim", "It receives callbacks on this gateway. Give this address as the webhook:"), code(new URL(path, base).href, "address of the inbox"),
			field("It answers", answer), row(button("Clear", () => act(path, "DELETE", undefined, "The inbox is empty.").then(load))), list),
		update() {
			const received = store.inboxes.get(name)?.received ?? 0;
			if (received === known) return;
			known = received;
			load().catch((error) => put(list, h("p", error.message)));
		},
	};
}
