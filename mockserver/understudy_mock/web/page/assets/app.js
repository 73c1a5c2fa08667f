// The page: one bar, six views, one panel. The feed comes in, and what is looked at is brought up to date.
import { $, count, counted, h, mark, options, say, time } from "./dom.js";
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
const page = document.documentElement, main = $("main");
const links = VIEWS.map((view) => h("a", view[0].toUpperCase() + view.slice(1)));
$("nav").append(...links);
let due = false, second = "";

takeToken();
theme(localStorage.getItem(THEME));
$("#text").addEventListener("input", (event) => go({ text: event.target.value }, true));
for (const name of ["state", "account"]) $("#" + name).addEventListener("change", (event) => go({ [name]: event.target.value }));
$("#theme").addEventListener("click", () => theme(isDark() ? "light" : "dark"));
$("#advance").addEventListener("click", ({ target }) => {
	const { to } = target.dataset;
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
	unlock();
});
addEventListener("keydown", (event) => {
	if (event.key !== "/" || /^(INPUT|TEXTAREA|SELECT)$/.test(document.activeElement?.tagName ?? "")) return;
	event.preventDefault();
	$("#text").focus();
});
addEventListener("hashchange", () => {
	const before = location.hash;
	takeToken();
	if (location.hash !== before) unlock();
});
follow(changed);
start(changed);
hello();
frame();

function unlock() {
	feed.status = "starting";
	ask();
	hello();
}

async function hello() {
	const told = await Promise.all([api("health"), api("settings")]).catch(() => null);
	if (!told) return; // the bar says that there is no answer
	say($("#version"), told[0].version);
	page.dataset.files = told[1].media_url ?? "";
}

/** Bring up to date what is looked at, once a frame. */
function changed() {
	if (!due) requestAnimationFrame(show);
	due = true;
}

function show() {
	due = false;
	const view = views[ui.view];
	if (main.firstChild !== view.element) main.replaceChildren(view.element);
	document.title = `${links[VIEWS.indexOf(ui.view)].textContent} · Understudy`;
	links.forEach((link, index) => {
		link.href = address({ view: VIEWS[index], state: "", open: "" });
		if (VIEWS[index] === ui.view) mark(link, "aria-current", "page");
		else link.removeAttribute("aria-current");
	});
	const states = STATES[ui.view];
	$("#text").hidden = !states && ui.view !== "findings";
	if (document.activeElement !== $("#text")) $("#text").value = ui.text;
	$("#state").hidden = !states;
	options($("#state"), [["", "any state"], ...(states ?? []).map((name) => [name, signOf(name)])]);
	$("#state").value = ui.state;
	options($("#account"), [["", "all accounts"], ...[...store.accounts.keys()].slice(-200).sort()]);
	$("#account").value = ui.account;
	const notes = Object.entries(store.notes).map(([what, number]) => `${count(number)} ${what}.`);
	const notice = feed.status === "lost" ? "The gateway does not answer. This page asks again every two seconds."
		: feed.paused ? "Paused: the gateway goes on, this page does not." : notes.join(" ");
	$("#notice").hidden = !notice;
	say($("#notice"), notice);
	page.dataset.status = feed.status;
	$("#lock").hidden = feed.status !== "locked";
	say($("#pace"), feed.pace === "clock" ? `${feed.speed}× speed` : `${feed.pace} pace`);
	$("#advance").hidden = feed.pace !== "manual";
	say($("#pause"), feed.paused ? "▶ Resume" : "⏸ Pause");
	counts();
	view.update();
	updatePanel();
}

function counts() {
	const moving = store.moving(now());
	const lost = [...store.deliveries.values()].filter(isUnsent).length;
	say($("#counts"), [moving && `${count(moving)} moving`, counted(store.jobs.size, "job"), counted(store.calls.size, "call"), lost && `✗ ${counted(lost, "callback")} failed`].filter(Boolean).join(" · "));
}

function frame() {
	const text = feed.now ? time(now()) : "";
	if (text !== second) {
		second = text;
		say($("#clock"), text);
		counts();
	}
	if (ui.view === "jobs") tick();
	requestAnimationFrame(frame);
}

function isDark() {
	return page.dataset.theme ? page.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
}

function theme(chosen) {
	if (chosen) {
		page.dataset.theme = chosen;
		localStorage.setItem(THEME, chosen);
	}
	mark($("#theme"), "aria-label", isDark() ? "Light theme" : "Dark theme");
	say($("#theme"), isDark() ? "☀" : "☾");
}
