// Findings: the rules that clients have broken so far, with what to do about it.
import { counted, h, say } from "../dom.js";
import { api } from "../feed.js";
import { store } from "../store.js";
import { link, ui } from "../ui.js";

const MOST = 100; // findings shown
const EVERY = 2000; // ms between two questions
const head = h("p.lead", { role: "status" }, "Judging …"), list = h("div.stack");
let key = "", asked = -EVERY;

export const view = {
	element: h("div.page", h("h1.sr", "Findings"), head, list),
	async update() {
		const present = `${store.version} ${ui.account} ${ui.text}`;
		if (present === key || performance.now() - asked < EVERY) return;
		asked = performance.now();
		key = present;
		try {
			show(await api(`findings${ui.account && "?account=" + ui.account}`));
		} catch (error) {
			say(head, `Nothing is judged. ${error.message}`);
			list.replaceChildren();
		}
	},
};

function show({ calls, findings, judging }) {
	if (judging) key = "";
	const found = findings.filter((one) => JSON.stringify(one).toLowerCase().includes(ui.text.toLowerCase()));
	const judged = `${counted(calls, "call")} judged; `;
	say(head, !calls ? "No call to judge yet. Rules look at what a client does over several calls."
		: found.length ? `${judged}${counted(found.length, "finding")}${found.length > MOST ? `, of which ${MOST} are shown` : ""}.` : `✓ ${judged}no rule is broken.`);
	list.replaceChildren(...found.slice(0, MOST).map((one) => h("article.card", { "data-state": one.severity },
		h("h2", h("span.badge", `${one.severity === "MUST" ? "✗" : "!"} ${one.severity}`), ` ${one.rule}`),
		h("p", one.text ?? one.summary),
		one.advice && h("p", h("b", "Do: "), one.advice),
		h("p.dim", (one.calls ?? []).slice(0, 8).map((number) => [link(`#${number}`, `call:${number}`), " "]), one.job && link(one.job, `job:${one.job}`), one.source && ` · ${one.source}`))));
}
