// Findings: the rules that clients have broken so far, with what to do about it.
import { count, h, put, say, stack } from "../dom.js";
import { api } from "../feed.js";
import { store } from "../store.js";
import { link, matches, ui } from "../ui.js";

const MOST = 100; // findings shown
const EVERY = 2000; // ms between two questions
const head = h("p.lead", { role: "status" }, "Judging …"), list = stack();
let key = "", asked = -EVERY;

export const view = {
	element: h("div.page", h("h1.sr", "Findings"), head, list),
	async update() {
		const present = `${store.version} ${ui.account} ${ui.text}`;
		if (present === key || performance.now() - asked < EVERY) return;
		asked = performance.now();
		key = present;
		try {
			const { calls, findings, judging } = await api(`findings${ui.account && "?account=" + ui.account}`);
			if (judging) key = "";
			const found = findings.filter(matches);
			say(head, !calls ? "No call to judge yet. Rules look at what a client does over several calls."
				: `${count(calls, "call")} judged; ${found.length ? count(found.length, "finding") : "✓ no rule is broken"}.${found.length > MOST ? ` The first ${MOST} are shown.` : ""}`);
			put(list, found.slice(0, MOST).map(card));
		} catch (error) {
			say(head, `Nothing is judged. ${error.message}`);
			put(list);
		}
	},
};

const card = (one) => h("article.card", { "data-state": one.severity }, h("h2", h("span.badge", `${one.severity === "MUST" ? "✗" : "!"} ${one.severity}`), ` ${one.rule}`),
	h("p", one.summary), one.text !== one.summary && h("p.dim", one.text), one.advice && h("p", h("b", "Do: "), one.advice),
	h("p.dim", one.calls?.slice(0, 8).map((number) => [link(`#${number}`, `call:${number}`), " "]), one.job && link(one.job, `job:${one.job}`), one.source && ` · ${one.source}`));
