// Time as a place: the instants of what is visible side by side, with the idle time between them left out.

const IDLE = 2000; // ms without anything that are always shown
const GAP = 26; // px that idle time takes
const LABEL = 96; // px between two labels
const STEPS = [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600, 7200, 21_600, 86_400, 604_800];

/** Make the axis of spans [from, to] in ms, over `width` px. @param {number[][]} spans */
export function makeAxis(spans, width) {
	spans.sort((a, b) => a[0] - b[0]);
	const parts = merge(spans, Math.max(IDLE, total(merge(spans, IDLE)) / 5));
	const gap = Math.min(GAP, (width * 0.3) / parts.length);
	const scale = (width - gap * (parts.length - 1)) / Math.max(1, total(parts));
	let x = 0;
	const placed = parts.map(([from, to]) => {
		const part = { from, to, x, end: x + (to - from) * scale };
		x = part.end + gap;
		return part;
	});
	const last = placed.at(-1);

	/** Return where an instant is, in px. */
	function place(at) {
		const part = placed.findLast((one) => one.from <= at);
		if (!part) return 0;
		return at <= part.to ? part.x + (at - part.from) * scale : part.end + (part === last ? 0 : gap / 2);
	}

	const step = 1000 * (STEPS.find((s) => s * 1000 * scale >= LABEL) ?? 1e6);
	const labels = [];
	for (const { from, to } of placed) {
		for (let at = Math.ceil(from / step) * step; at <= to && labels.length < 16; at += step) {
			const x = place(at);
			if (x - (labels.at(-1)?.x ?? -LABEL) > LABEL * 0.7 && x < width - 40) labels.push({ at, x });
		}
	}
	const gaps = placed.slice(1).map((part, index) => ({ x: placed[index].end, width: gap }));
	return { place, labels, gaps, step, from: placed[0]?.from, to: last?.to };
}

function merge(spans, idle) {
	const merged = [];
	for (const [from, to] of spans) {
		const last = merged.at(-1);
		if (last && from - last[1] <= idle) last[1] = Math.max(last[1], to);
		else merged.push([from, to]);
	}
	return merged;
}

const total = (spans) => spans.reduce((sum, [from, to]) => sum + to - from, 0);
