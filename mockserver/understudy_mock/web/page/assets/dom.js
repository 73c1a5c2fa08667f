// Elements and texts. Every text passes through `clean` and becomes text, never markup.

/** @type {(selector: string, root?: ParentNode) => any} */
export const $ = (selector, root = document) => root.querySelector(selector);

const HIDDEN = /[\0-\x08\x0b-\x1f\x7f-\x9f\u200b\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]/g;

/** Return a text without what is invisible or turns the reading direction, cut to `most` characters. */
export function clean(value, most = 300) {
	const text = String(value ?? "");
	const short = text.length > most ? `${text.slice(0, most)} … (${count(text.length)} characters)` : text;
	return short.replace(HIDDEN, (c) => c < " " ? String.fromCharCode(0x2400 + c.charCodeAt(0)) : `⟨U+${c.charCodeAt(0).toString(16).toUpperCase()}⟩`);
}

const MAIN = { form: "submit", select: "change", details: "toggle" };

/**
 * Make an element: h("p.dim", {title: "…"}, "text", child). A function listens to what is mostly done with it.
 * @param {string} spec @param {...any} kids @returns {any}
 */
export function h(spec, ...kids) {
	const [tag, ...classes] = spec.split(".");
	const made = document.createElement(tag);
	made.className = classes.join(" ");
	for (const kid of kids.flat(3)) {
		if (kid instanceof Node) made.append(kid);
		else if (typeof kid === "function") made.addEventListener(MAIN[tag] ?? "click", (event) => {
			if (tag === "form") event.preventDefault();
			kid(event);
		});
		else if (kid && typeof kid === "object") {
			for (const [name, value] of Object.entries(kid)) if (value != null && value !== false) made.setAttribute(name, value);
		} else if (kid || kid === 0) made.append(clean(kid, 1e5));
	}
	return made;
}

export const button = (text, ...more) => h("button", { type: "button" }, text, more);
export const field = (name, control) => h("label.field", h("span", name), control);

/** Set a text, or an attribute, where it differs. */
export function say(element, text) {
	if (element.textContent !== text) element.textContent = text;
}
export function mark(element, name, value) {
	if (element.getAttribute(name) !== String(value)) element.setAttribute(name, value);
}

export const count = (number) => number.toLocaleString("en");
export const counted = (number, word) => `${count(number)} ${word}${number === 1 ? "" : "s"}`;

/** Return the local time of day of an instant, with `digits` of its second's fraction. */
export function time(ms, digits = 0) {
	const at = new Date(ms);
	const fraction = String(at.getMilliseconds()).padStart(3, "0").slice(0, digits);
	return at.toTimeString().slice(0, 8) + (digits ? "." + fraction : "");
}

export function lasts(ms) {
	if (ms < 1000) return `${Math.round(ms)} ms`;
	return ms < 60_000 ? `${(ms / 1000).toFixed(1)} s` : `${(ms / 60_000).toFixed(1)} min`;
}

/** Return JSON laid out for reading, or the text as it is. */
export function pretty(text) {
	try {
		return JSON.stringify(typeof text === "string" ? JSON.parse(text) : text, null, 2);
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
	const box = h("div.tabs");
	const show = (chosen) => box.replaceChildren(
		h("div.row", h("b", "The same as"), Object.keys(texts).map((one) => button(one, { "aria-pressed": one === chosen }, () => show(one)))),
		code(texts[chosen], chosen),
	);
	show(Object.keys(texts)[0]);
	return box;
}

/** Return terms and what they are, without the empty ones. */
export const facts = (pairs) => h("dl", Object.entries(pairs).map(([name, value]) => value && h("div", h("dt", name), h("dd", value))));

/** Fill a select with [value, text] or texts; what was chosen stays chosen. */
export function options(select, wanted) {
	const key = JSON.stringify(wanted);
	if (select.key === key) return;
	const before = select.value;
	select.key = key;
	select.replaceChildren(...wanted.map((one) => [one].flat()).map(([value, text]) => h("option", { value }, text ?? value)));
	if (before) select.value = before;
	if (select.selectedIndex < 0 && !select.multiple) select.selectedIndex = 0;
}

export const select = (name, wanted, ...more) => {
	const made = h("select", { name }, more);
	options(made, wanted);
	return made;
};
export const named = (known) => known.map((one) => [one.name, one.summary ? `${one.name}: ${one.summary}` : one.name]);
