// The panel at the side: a job, a call, a callback, the inbox, or a callback to trigger.
import { $, button, facts, field, h, input, lasts, put, row, select, stack, time, usd } from "./dom.js";
import { api, now, root } from "./feed.js";
import { exchange, models, requestOf, snippets } from "./request.js";
import { isFinal, planOf, signOf, stateOf, store } from "./store.js";
import { act, go, link, ui } from "./ui.js";
import { inboxPanel, triggerPanel } from "./views/callbacks.js";
import { answerOf, kindOf, whyOf } from "./views/calls.js";
import { again } from "./views/try.js";

const panel = $("#panel"), inside = $("#inside"), close = $("#close");
const KINDS = { job: jobPanel, call: callPanel, callback: callbackPanel, trigger: triggerPanel, inbox: inboxPanel };
let open = "", shown, from;

close.addEventListener("click", () => go({ open: "" }));
addEventListener("keydown", (event) => event.key === "Escape" && open && go({ open: "" }));

/** Show what the address says is open; what is open already is brought up to date. */
export function update() {
	if (ui.open !== open) {
		const inner = panel.contains(document.activeElement);
		if (!open) from = document.activeElement;
		open = ui.open;
		panel.hidden = !open;
		document.body.classList.toggle("paneled", open !== "");
		const [kind, ...id] = open.split(":");
		shown = KINDS[kind]?.(id.join(":"));
		put(inside, shown?.element);
		inside.scrollTop = 0;
		if (open) close.focus();
		else if (inner) from?.focus();
	}
	shown?.update?.();
}

const lost = (error) => h("p.dim", error.message);
const state = (name, ...texts) => h("p.state", { "data-state": name }, texts);

function jobPanel(id) {
	const path = `jobs/${encodeURIComponent(id)}`;
	const head = h("div"), files = h("div"), talk = h("ol.talk"), backs = h("div"), same = stack();
	const end = select("end", ["FAILED", "ERROR", "COMPLETED"]), error = input("error", { placeholder: "ended by hand" });
	const ending = h("form.row", field("End it now as", end), field("Error", error), h("button", "End it"), () =>
		act(`${path}/end`, "POST", { status: end.value, ...(error.value && end.value !== "COMPLETED" && { error: error.value }) }, `The job ended as ${end.value}.`));
	let key = "";

	function update() {
		const job = store.jobs.get(id);
		const { calls, deliveries } = store.marks.get(id) ?? { calls: [], deliveries: new Map() };
		const name = job && stateOf(job, now());
		const sent = [...deliveries.values()].slice(-20);
		const present = JSON.stringify([name, job, calls.at(-1), sent]);
		if (present === key) return;
		key = present;
		ending.hidden = !job || isFinal(name);
		put(head, h("h2", job?.model ?? id), !job ? h("p", "This job is not known, or not kept any more.") : [
			state(name, signOf(name), job.error && isFinal(name) && `: ${job.error}`),
			facts({
				Id: h("code", id), Provider: job.provider, Account: job.account, Scenario: job.scenario, Price: job.price && usd(job.price) + (name === "ERROR" ? ", given back" : ""),
				Submitted: time(job.created), Planned: planOf(job) + (job.by === "polls" ? "; polls move it" : ""),
			})]);
		put(backs, sent.map((one) => h("p", link(`${signOf(one.state)} · ${one.event}`, `callback:${one.id}`), ` at ${time(one.due)}`)), !sent.length && h("p.dim", "None."));
		converse(calls);
		const submit = calls.find((call) => call.method !== "GET");
		if (submit && job && !same.firstChild) offer(submit.call, job.model);
		if (name === "COMPLETED" && !files.firstChild) showFiles();
	}

	async function converse(calls) {
		const { exchanges, problem } = await api(`${path}/conversation`).catch((error) => ({
			exchanges: calls.map((call) => ({ ...call, text: `${call.operation} ${answerOf(call)} ${whyOf(call)}` })), problem: error.message,
		}));
		put(talk, exchanges.map((one) => h("li", h("time", time(one.at)), link(`#${one.call}`, `call:${one.call}`), h("pre", one.text.replace(/^ *(\+\S+s +#\d+ )? */gm, "")),
			one.findings?.map((broken) => h("p.broke", { "data-state": broken.severity }, `✗ ${broken.severity} ${broken.rule}: ${broken.text}`)))), problem && h("li.dim", problem));
	}

	async function showFiles() {
		const { files: urls = [] } = await api(path).catch(() => ({}));
		// A person asks for it: fetching it is a download, which the journal and a scenario count.
		put(files, urls.map((url, index) => {
			const place = row(button(`Show file ${index + 1}`, () => put(place, play(here(url)))), h("code", new URL(url).pathname));
			return place;
		}));
	}

	async function offer(number, name) {
		const [entry, known] = await Promise.all([api(`journal/${number}`), models()]).catch(() => []);
		const model = known?.find((one) => one.id === name);
		if (!model) return;
		const body = entry.request.postData?.text ?? "";
		put(same, row(button("Submit again, edited…", () => {
			go({ view: "try", open: "" });
			again(name, body);
		})), snippets(requestOf(model, body, "$KEY")));
	}

	return { update, element: stack(head, files, ending, h("section", h("h3", "Conversation"), talk), h("section", h("h3", "Callbacks"), backs), same) };
}

/** Return a file's address as this page may load it: at the files' origin, or the same path here. */
function here(url) {
	const { files } = document.documentElement.dataset;
	return files && url.startsWith(files) ? url : new URL(new URL(url).pathname.slice(1), root).href;
}

function play(src) {
	const tag = /\.mp4$/.test(src) ? "video" : /\.(png|jpe?g|webp)$/.test(src) ? "img" : "";
	if (!tag) return h("a", { href: src, download: "" }, "Download");
	const file = h(tag, { src, alt: "Output of the job", controls: "", autoplay: "", loop: "" });
	file.muted = true;
	file.addEventListener("error", () => file.replaceWith(h("p", "✗ The file did not come. A scenario can ask for that.")));
	return file;
}

function callPanel(id) {
	const element = stack(h("h2", `Call #${id}`));
	api(`journal/${id}`).then((entry) => {
		/** @type {any} */
		const call = store.calls.get(Number(id)) ?? {};
		put(element, h("h2", `#${id} ${call.operation ?? ""}`), call.call && state(kindOf(call), `${answerOf(call)} ${whyOf(call)}`),
			facts({ Request: `${entry.request.method} ${entry.request.url}`, At: time(entry.startedDateTime), Took: call.ms && lasts(call.ms), Provider: call.provider, Account: call.account, Job: call.job && link(call.job, `job:${call.job}`) }),
			exchange(entry));
	}).catch((error) => element.append(lost(error)));
	return { element };
}

function callbackPanel(id) {
	const element = stack();
	let key;
	async function update() {
		const one = store.deliveries.get(id);
		if (key === JSON.stringify(one ?? "")) return;
		key = JSON.stringify(one ?? "");
		if (!one) return put(element, h("p", "This callback is not known, or not kept any more."));
		const list = stack();
		put(element, h("h2", one.event), state(one.state, signOf(one.state), one.error && `: ${one.error}`), facts({ To: one.url, Job: one.job && link(one.job, `job:${one.job}`), Due: time(one.due), Account: one.account }),
			row(button("Send it again", () => act(`webhooks/${encodeURIComponent(id)}/redeliver`, "POST", undefined, (told) => `Sent again: ${signOf(told.state)}.`))), h("h3", "Attempts"), list);
		const { deliveries } = await api(`webhooks?job=${encodeURIComponent(one.job)}`).catch(() => ({ deliveries: [] }));
		const attempts = deliveries.find((other) => other.id === id)?.attempts ?? [];
		put(list, attempts.map((attempt, index) => {
			const body = h("div");
			const details = h("details", index === attempts.length - 1 && { open: "" }, h("summary", `${index + 1}. ${time(attempt.at)} · ${attempt.status ? `HTTP ${attempt.status}` : attempt.error} · ${lasts(attempt.latency_ms)}`), body,
				() => details.open && !body.firstChild && api(`journal/${attempt.call}`).then(exchange, lost).then((made) => put(body, made)));
			return details;
		}), !attempts.length && h("p.dim", "Not sent yet."));
	}
	return { element, update };
}
