// The admin API: calls, the token, and the feed of changes, which is polled and never held open.
import { clean } from "./dom.js";
import { store } from "./store.js";

const FAST = 500; // ms between polls while something moves
const SLOW = 2000;
const PIECE = 2000; // changes that one poll brings, until all are there
const SHARE = 10; // times as long as an answer took, the gateway is left in peace
const PATIENCE = 10_000; // ms that an answer may take
const TOKEN = "understudy-token";

/** Where the admin API is, and the providers' routes, below whatever prefix a proxy gives them. */
export const base = new URL("./", location.origin + location.pathname);
export const root = new URL("../", base);

/** `status` is live, lost or locked; `asked` is when `now` was known. */
export const feed = { status: "", paused: false, pace: "clock", speed: 1, run: "", next: 0, now: 0, asked: 0, busy: 0, whole: false };

/** Return the gateway's present in ms since the epoch. */
export const now = () => feed.now + (feed.pace === "manual" || feed.paused || feed.status !== "live" ? 0 : performance.now() - feed.asked);

export const keepToken = (token) => sessionStorage.setItem(TOKEN, token);

/** Keep the token of `#token=T` for this tab, and take it out of the address. Returns whether there was one. */
export function takeToken() {
	const [, token] = /^#token=(.*)$/.exec(location.hash) ?? [];
	if (!token) return false;
	keepToken(decodeURIComponent(token));
	history.replaceState(null, "", location.pathname);
	return true;
}

/** Call the admin API. Throws an Error that says what was wrong. @returns {Promise<any>} */
export async function api(path, method = "GET", body = undefined) {
	const token = sessionStorage.getItem(TOKEN);
	const answer = await fetch(new URL(path, base), {
		method,
		headers: { Accept: "application/json", ...(token && { Authorization: `Bearer ${token}` }) },
		cache: "no-store",
		body: JSON.stringify(body),
		signal: AbortSignal.timeout(PATIENCE),
	});
	const told = await answer.json();
	if (answer.ok) return told;
	if (/admin token/.test(told.error)) feed.status = "locked";
	throw new Error(clean(`${told.pointer && told.pointer + ": "}${told.error}`, 999));
}

/** Quote a text for a shell. */
export const quote = (text) => `'${text.replaceAll("'", "'\\''")}'`;

/** Return the same call as a line for a shell. */
export const curl = (path, method, body) => `curl -X ${method} ${quote(new URL(path, base).href)}`
	+ (sessionStorage.getItem(TOKEN) ? ' -H "Authorization: Bearer $TOKEN"' : "")
	+ (body ? ` -d ${quote(JSON.stringify(body))}` : "");

let timer, asking, changed;

/** Poll from now on, and call `onchange` after each answer. */
export function start(onchange) {
	changed = onchange;
	document.addEventListener("visibilitychange", ask);
	ask();
}

/** Ask now, unless an answer is awaited or nobody looks. */
export async function ask() {
	clearTimeout(timer);
	if (asking || document.hidden || feed.paused) return;
	asking = true;
	const began = performance.now();
	let wait = SLOW;
	try {
		wait = take(await api(`changes?since=${feed.next}&limit=${PIECE}`));
	} catch {
		if (feed.status !== "locked") feed.status = "lost";
	}
	if (wait) wait = Math.max(wait, Math.min(2 * SLOW, SHARE * (performance.now() - began)));
	asking = false;
	changed();
	if (feed.status !== "locked") timer = setTimeout(ask, wait);
}

/** Take an answer in, and return the ms until the next question. */
function take({ run, now, speed, pace, gone, next, restarted, changes }) {
	const other = feed.run && feed.run !== run;
	if (other || restarted) {
		store.clear();
		feed.next = 0;
		feed.whole = false;
	}
	Object.assign(feed, { run, now, speed, pace, status: "live", asked: performance.now() });
	if (other && !restarted) return 0;
	if (gone > feed.next) store.missed(gone - feed.next, "older changes are not kept by the gateway");
	const more = next - Math.max(gone, feed.next) >= PIECE;
	feed.next = next;
	for (const row of changes) store.apply(row);
	store.trim();
	if (more && !feed.whole) return 0;
	feed.whole = true;
	if (changes.length) feed.busy = performance.now() + 3 * SLOW;
	return performance.now() < feed.busy || store.moving(now) ? FAST : SLOW;
}
