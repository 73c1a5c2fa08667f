// What is looked at: view, filters and selection, all in the address; and what was done last.
import { $, button, code, h, put } from "./dom.js";
import { api, ask, curl } from "./feed.js";

export const VIEWS = ["jobs", "calls", "callbacks", "stage", "findings", "try"];

/** `open` is what the panel shows: job:ID, call:N, callback:ID, trigger, inbox:NAME. */
export const ui = { view: "jobs", account: "", text: "", state: "", open: "" };

let changed, hiding;

/** Read the address, now and whenever it changes. */
export function follow(onchange) {
	changed = onchange;
	addEventListener("popstate", read);
	read();
}

function read() {
	const [view, query] = location.hash.slice(1).split("?");
	const given = new URLSearchParams(query);
	for (const name in ui) ui[name] = given.get(name) ?? "";
	ui.view = VIEWS.includes(view) ? view : "jobs";
	changed();
}

/** Return the address of what is looked at, with changes. */
export function address(changes) {
	const { view, ...rest } = { ...ui, ...changes };
	const query = new URLSearchParams(Object.entries(rest).filter(([, value]) => value));
	return `#${view}${query.size ? "?" + query : ""}`;
}

/** Look at something else. What is typed replaces the step before it. */
export function go(changes, typed = false) {
	history[typed ? "replaceState" : "pushState"](null, "", address(changes));
	read();
}

export const link = (text, open, view = ui.view) => h("a", { href: address({ open, view }) }, text);

/** Return whether a row is of the chosen account and has the text that is looked for. */
export const matches = (row) => (!ui.account || row.account === ui.account)
	&& (!ui.text || Object.values(row).join(" ").toLowerCase().includes(ui.text.toLowerCase()));

/** Do something to the gateway, say so, and show the same as curl. Returns the answer, null where it was refused. */
export async function act(path, method, body, done) {
	try {
		const answer = await api(path, method, body);
		tell(`✓ ${done.call ? done(answer) : done}`, h("details", h("summary", "the same as curl"), code(curl(path, method, body), "curl")));
		ask();
		return answer;
	} catch (error) {
		tell(`✗ Not done. ${error.message}`);
		return null;
	}
}

function tell(text, more) {
	const box = $("#toast");
	const hide = () => {
		if (box.matches(":hover, :focus-within") || $("[open]", box)) hiding = setTimeout(hide, 4000);
		else box.hidden = true;
	};
	put(box, h("p", text), button("✕", { "aria-label": "Close this message" }, () => (box.hidden = true)), more);
	box.hidden = false;
	clearTimeout(hiding);
	hiding = setTimeout(hide, 9000);
}
