// Jobs: a row a job, its planned life as a bar on one time axis, and on top of it what really happened.
import { makeAxis } from "../axis.js";
import { $, count, h, mark, put, say, time, usd } from "../dom.js";
import { now } from "../feed.js";
import { Grid } from "../grid.js";
import { ageOf, isFinal, isUnsent, planOf, signOf, stateOf, store, wentWrong } from "../store.js";

const still = matchMedia("(prefers-reduced-motion: reduce)");
const HAPPENED = ["poll", "call that went wrong", "callback that arrived", "callback to come", "callback that did not arrive"];
let axis = makeAxis([], 1), drawn = 0, fitted = "";

export const view = new Grid({
	kind: "job", key: "id", columns: ["State", "Job", "Planned life", "Scenario", "Price"],
	empty: [h("h2", "No jobs yet"), h("p", "Submit one from your program, with curl, or under ", h("a", { href: "#try" }, "Try"), ".")],
	items: () => [...store.jobs.values()].sort((a, b) => a.created - b.created),
	state: (job) => stateOf(job, now()),
	cells: (job) => [signOf(stateOf(job, now())), [job.model, `…${job.id.slice(-12)} · ${job.account}`], null, job.scenario, usd(job.price)],
	before: fit, fill,
});
const ruler = view.head.children[2];
ruler.className = "ruler";
const line = h("i.now");
const lines = h("div.lines", line);
view.grid.insertBefore(lines, view.body);

/** Move the present along: bars grow by their plan, without traffic. */
export function tick() {
	const at = now();
	if (store.moving(at) && at - drawn > (still.matches ? 500 : 200)) view.render();
	if (!still.matches) place(at);
}

function place(at) {
	const x = axis.place(at);
	line.hidden = !(at >= axis.from && at <= axis.to);
	line.style.transform = `translateX(${x}px)`;
	view.body.style.setProperty("--now", `${x}px`);
}

/** Return when a job ends; one that never does lasts a little longer than until now. */
function endOf(job, at) {
	const [ms, name] = job.steps.at(-1);
	return isFinal(name) ? job.created + ms : Math.max(at, job.created + ms) + 1000;
}

/** Fit the axis to what is visible. */
function fit() {
	const at = drawn = now();
	const width = Math.max(1, ruler.clientWidth - 24); // beyond it is room for the last sign
	const spans = view.visible.map((job) => {
		const last = Math.max(endOf(job, at), ...store.marksOf(job.id).calls.map((call) => call.at));
		return [job.created, last + (last - job.created) * 0.04 + 40];
	});
	const key = `${width} ${view.grid.clientHeight} ${spans}`;
	if (key !== fitted) {
		fitted = key;
		axis = makeAxis(spans, width);
		const set = (spec, style, ...text) => {
			const made = h(spec, text);
			for (const name in style) made.style[name] = `${style[name]}px`;
			return made;
		};
		put(ruler, h("span.sr", "Planned life"), axis.labels.map((one) => set("i", { left: one.x }, time(one.at, axis.step < 1000 ? 1 : 0))));
		lines.style.left = `${ruler.offsetLeft}px`;
		put(lines, axis.labels.map((one) => set("i", { left: one.x })), axis.gaps.map((gap) => set("i.gap", { left: gap.x, width: gap.width })), line);
		lines.style.setProperty("--tall", `${view.grid.clientHeight}px`);
	}
	place(at);
}

function fill(row, job) {
	const lane = row.children[2];
	if (!lane.firstChild) lane.append($("#lane").content.cloneNode(true));
	const [told, plan, past, end, svg] = lane.children;
	const at = now();
	const state = stateOf(job, at);
	const final = job.steps.at(-1)[1];
	const ends = [...job.steps.map(([ms]) => axis.place(job.created + ms)), axis.place(endOf(job, at))];
	for (const bar of [plan, past]) {
		[...bar.children].forEach((piece, index) => {
			const name = job.steps[index]?.[1];
			piece.hidden = !name || isFinal(name);
			mark(piece, "data-state", name);
			piece.style.left = `${ends[index]}px`;
			piece.style.width = `${Math.max(2, ends[index + 1] - ends[index])}px`;
		});
	}
	past.style.width = job.by === "polls" ? `${axis.place(job.created + ageOf(job, at))}px` : "";
	end.hidden = !isFinal(final);
	say(end, signOf(final)[0]);
	mark(end, "data-state", final);
	end.classList.toggle("ahead", !isFinal(state));
	end.style.transform = `translateX(${ends[job.steps.length - 1]}px)`;

	const paths = ["", "", "", "", ""], counts = [0, 0, 0, 0, 0]; // in the order of HAPPENED
	const add = (index, path) => {
		paths[index] += path;
		counts[index]++;
	};
	const { calls, deliveries } = store.marksOf(job.id);
	for (const call of calls) {
		const x = axis.place(call.at);
		if (wentWrong(call)) add(1, `M${x} 28l4.5 8h-9z`);
		else if (call.method === "GET") add(0, `M${x} 29v6`);
	}
	for (const one of deliveries.values()) {
		const x = axis.place(one.due) - 3;
		if (isUnsent(one)) add(4, `M${x} 3l6 6m0-6l-6 6`);
		else add(one.state === "delivered" ? 2 : 3, `M${x} 6a3 3 0 1 0 6 0a3 3 0 1 0-6 0`);
	}
	paths.forEach((path, index) => mark(svg.children[index], "d", path));
	// Nothing in it changes all the time: that would be noise.
	say(told, [`Planned: ${planOf(job)}`, ...HAPPENED.map((what, index) => counts[index] && count(counts[index], what)).filter(Boolean)].join("; "));
}
