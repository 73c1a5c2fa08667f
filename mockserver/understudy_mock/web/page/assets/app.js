// The page: one bar, six views, one panel. The feed comes in, and what is looked at is brought up to date.
import { $, count, h, mark, options, say, time } from "./dom.js";
import { api, ask, feed, keepToken, now, start, takeToken } from "./feed.js";
import { update as updatePanel } from "./panel.js";
import { isUnsent, signOf, store } from "./store.js";
import { VIEWS, act, address, follow, go, ui } from "./ui.js";
import { view as callbacks } from "./views/callbacks.js";
import { view as calls } from "./views/calls.js";
import { view as findings } from "./views/findings.js";
import { view as jobs, tick } from "./views/jobs.js";
import { view as stage } from "./views/stage.js";
import { view as attempt } from "./views/try.js";

const views = { jobs, calls, callbacks, stage, findings, try: attempt };
const STATES = {
	jobs: ["QUEUED", "PROCESSING", "COMPLETED", "FAILED", "ERROR"],
	calls: ["ok", "refused", "broken"],
	callbacks: ["planned", "retrying", "delivered", "given_up", "paused", "refused"],
};
const THEME = "understudy-theme";
const page = document.documentElement, main = $("main"), text = $("#text"), state = $("#state"), account = $("#account"), notice = $("#notice");
const links = VIEWS.map((view) => h("a", view[0].toUpperCase() + view.slice(1)));
let due = false, second = "", next = "";

$("nav").append(...links);
takeToken();
theme(localStorage.getItem(THEME));
text.addEventListener("input", () => go({ text: text.value }, true));
state.addEventListener("change", () => go({ state: state.value }));
account.addEventListener("change", () => go({ account: account.value }));
$("#theme").addEventListener("click", () => theme(next));
$("#advance").addEventListener("click", ({ target: { dataset: { to } } }) => {
	if (to) act("clock/advance", "POST", to === "next" ? { to } : { seconds: Number(to) }, (told) => `The clock says ${told.now}.`);
});
$("#pause").addEventListener("click", () => {
	Object.assign(feed, { now: now(), asked: performance.now(), paused: !feed.paused });
	ask();
	changed();
});
$("#lock").addEventListener("submit", (event) => {
	event.preventDefault();
	keepToken($("#token").value);
	$("#token").value = "";
	open();
});
addEventListener("keydown", (event) => {
	if (event.key !== "/" || /INPUT|TEXTAREA|SELECT/.test(document.activeElement?.tagName ?? "")) return;
	event.preventDefault();
	text.focus();
});
addEventListener("hashchange", () => takeToken() && open());
follow(changed);
start(changed);
open();
frame();

/** Begin to ask, with the token if there is one. */
async function open() {
	feed.status = "";
	ask();
	const [health, settings] = await Promise.all([api("health"), api("settings")]).catch(() => []);
	say($("#version"), health?.version ?? "");
	page.dataset.files = settings?.media_url ?? "";
}

/** Bring up to date what is looked at, once a frame. */
function changed() {
	if (!due) requestAnimationFrame(show);
	due = true;
}

function show() {
	due = false;
	const view = views[ui.view], states = STATES[ui.view];
	if (main.firstChild !== view.element) main.replaceChildren(view.element);
	links.forEach((link, index) => {
		link.href = address({ view: VIEWS[index], state: "", open: "" });
		mark(link, "aria-current", VIEWS[index] === ui.view ? "page" : "false");
	});
	document.title = `${ui.view} · Understudy`;
	text.hidden = !states && ui.view !== "findings";
	if (document.activeElement !== text) text.value = ui.text;
	state.hidden = !states;
	options(state, [["", "any state"], ...(states ?? []).map((name) => [name, ui.view === "calls" ? name : signOf(name)])]);
	state.value = ui.state;
	options(account, [["", "all accounts"], ...[...store.accounts.keys()].slice(-200).sort()]);
	account.value = ui.account;
	say(notice, feed.status === "lost" ? "The gateway does not answer. This page asks again every two seconds." : feed.paused ? "Paused: the gateway goes on, this page does not."
		: Object.entries(store.notes).map(([what, number]) => `${count(number)} ${what}.`).join(" "));
	notice.hidden = !notice.textContent;
	page.dataset.status = feed.status;
	$("#lock").hidden = feed.status !== "locked";
	$("#advance").hidden = feed.pace !== "manual";
	say($("#pace"), feed.pace === "clock" ? `${feed.speed}× speed` : `${feed.pace} pace`);
	say($("#pause"), feed.paused ? "▶ Resume" : "‖ Pause");
	counts();
	view.update();
	updatePanel();
}

function counts() {
	const moving = store.moving(now()), lost = [...store.deliveries.values()].filter(isUnsent).length;
	say($("#counts"), [moving && `${count(moving)} moving`, count(store.jobs.size, "job"), count(store.calls.size, "call"), lost && `✗ ${count(lost, "callback")} failed`].filter(Boolean).join(" · "));
}

function frame() {
	const clock = feed.now ? time(now(), 0) : "";
	if (clock !== second) {
		second = clock;
		say($("#clock"), clock);
		counts();
	}
	if (ui.view === "jobs") tick();
	requestAnimationFrame(frame);
}

/** Show the theme that was chosen, else the system's. */
function theme(chosen) {
	if (chosen) localStorage.setItem(THEME, page.dataset.theme = chosen);
	const isDark = (chosen ?? (matchMedia("(prefers-color-scheme: dark)").matches && "dark")) === "dark";
	next = isDark ? "light" : "dark";
	mark($("#theme"), "aria-label", `${next} theme`);
	say($("#theme"), isDark ? "☀" : "☾");
}
