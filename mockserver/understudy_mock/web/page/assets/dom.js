// Elements and texts. Every text passes through `clean` and becomes text, never markup.

/** @returns {any} */
export const $ = (selector, root = document) => root.querySelector(selector);

const HIDDEN = /[\0-\x08\x0b-\x1f\x7f-\x9f\u200b\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]/g;
const MAIN = { form: "submit", select: "change", details: "toggle" };

/** Return a text without what is invisible or turns the reading direction, cut to `most` characters. */
export function clean(value, most = 300) {
	const text = String(value ?? "");
	const short = text.length > most ? `${text.slice(0, most)} … (${count(text.length)} characters)` : text;
	return short.replace(HIDDEN, (c) => c < " " ? String.fromCharCode(0x2400 + c.charCodeAt(0)) : `⟨U+${c.charCodeAt(0).toString(16)}⟩`);
}

/**
 * Make an element: h("p.dim", {title: "…"}, "text", child). A function listens to what is mostly done with it.
 * @param {string} spec @param {...any} kids @returns {any}
 */
export function h(spec, ...kids) {
	const [tag, ...classes] = spec.split(".");
	const made = document.createElement(tag);
	if (classes.length) made.className = classes.join(" ");
	for (const kid of kids.flat(4)) {
		if (kid instanceof Node) made.append(kid);
		else if (kid?.call) made.addEventListener(MAIN[tag] ?? "click", (event) => {
			if (tag === "form") event.preventDefault();
			kid(event);
		});
		else if (kid && typeof kid === "object") for (const name in kid) made.setAttribute(name, kid[name]);
		else if (kid || kid === 0) made.append(clean(kid, 1e5));
	}
	return made;
}

/** Show other things in an element. */
export const put = (box, ...kids) => box.replaceChildren(...h("p", kids).childNodes);
export const button = (text, ...more) => h("button", { type: "button" }, text, more);
export const field = (name, control) => h("label.field", h("span", name), control);
export const stack = (...kids) => h("div.stack", kids);
export const row = (...kids) => h("div.row", kids);

/** Set a text, or an attribute, where it differs. */
export function say(element, text) {
	if (element.textContent !== text) element.textContent = text;
}
export function mark(element, name, value) {
	if (element.getAttribute(name) !== String(value)) element.setAttribute(name, value);
}

export const count = (number, word = "") => number.toLocaleString("en") + (word && ` ${word}${number === 1 ? "" : "s"}`);
export const usd = (price) => price && `$${price.toFixed(2)}`;

/** Return the local time of day of an instant, with `digits` of its second's fraction. */
export const time = (ms, digits = 3) => new Date(ms).toTimeString().slice(0, 8) + (digits ? "." + new Date(ms).toISOString().slice(20, 20 + digits) : "");
export const lasts = (ms) => ms < 1000 ? `${+ms.toFixed(ms < 10 ? 1 : 0)} ms` : ms < 60_000 ? `${(ms / 1000).toFixed(1)} s` : `${(ms / 60_000).toFixed(1)} min`;

/** Return JSON laid out for reading, or the text as it is. */
export function pretty(text) {
	try {
		return JSON.stringify(text.big ? JSON.parse(text) : text, null, 2);
	} catch {
		return text;
	}
}

/** Return code with a button that copies it. */
export function code(text, label) {
	const copy = button("Copy", { "aria-label": `Copy ${label}` }, () => navigator.clipboard.writeText(text).then(() => say(copy, "Copied"), () => say(copy, "Select it")));
	return h("div.code", h("pre", { tabindex: 0, role: "region", "aria-label": label }, clean(text, 7e4)), copy);
}

/** Return texts, one shown at a time. */
export function tabs(texts) {
	const box = h("div");
	const show = (chosen) => put(box, row(h("b", "The same as"), Object.keys(texts).map((one) => button(one, { "aria-pressed": one === chosen }, () => show(one)))), code(texts[chosen], chosen));
	show(Object.keys(texts)[0]);
	return box;
}

/** Return terms and what they are, without the empty ones. */
export const facts = (pairs) => h("dl", Object.entries(pairs).map(([name, value]) => value && h("div", h("dt", name), h("dd", value))));

/** Fill a select with [value, text] or texts; what was chosen stays chosen. */
export function options(select, wanted) {
	const key = JSON.stringify(wanted), before = select.value;
	if (select.key === key) return;
	select.key = key;
	put(select, wanted.map((one) => [one].flat()).map(([value, text = value]) => h("option", { value }, text)));
	select.value = before;
	if (select.selectedIndex < 0 && !select.multiple) select.selectedIndex = 0;
}

export function select(name, wanted, ...more) {
	const made = h("select", { name }, more);
	options(made, wanted);
	return made;
}
export const input = (name, more = {}) => h("input", { name, autocomplete: "off", ...more });
export const named = (known) => known.map((one) => [one.name, one.summary ? `${one.name}: ${one.summary}` : one.name]);
