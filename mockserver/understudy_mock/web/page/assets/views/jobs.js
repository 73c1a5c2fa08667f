// Jobs: a row a job, its planned life as a bar on one time axis, and on top of it what really happened.
import { makeAxis } from "../axis.js";
import { $, clean, counted, h, lasts, mark, say, time } from "../dom.js";
import { feed, now } from "../feed.js";
import { Grid } from "../grid.js";
import { ageOf, isFinal, isUnsent, signOf, stateOf, store, wentWrong } from "../store.js";

const still = matchMedia("(prefers-reduced-motion: reduce)");
const NOTHING = { calls: [], deliveries: new Map() };
let axis = makeAxis([], 1), drawn = 0, fitted = "";

export const view = new Grid({
	kind: "job", key: "id", columns: ["State", "Job", "", "Scenario", "Price"], lane: 2,
	empty: [h("h2", "No jobs yet"), h("p", "Submit one from your program, with curl, or under ", h("a", { href: "#try" }, "Try"), ".")],
	items: () => store.jobs.values(),
	state: (job) => stateOf(job, now()),
	cells: (job) => [signOf(stateOf(job, now())), [job.model, `${shortId(job)} · ${job.account}`], "", job.scenario, job.price && `$${job.price.toFixed(2)}`],
	before: fit, fill,
});
const ruler = view.head.children[2];
ruler.className = "ruler";
const line = h("i.now");
const lines = h("div.lines", { "aria-hidden": "true" }, line);
view.head.parentElement.append(lines);

/** Move the present along: bars grow by their plan, without traffic. */
export function tick() {
	const at = now();
	if (store.moving(at) && at - drawn > (still.matches ? 500 : 200)) view.render();
	if (!still.matches) place(at);
}

function place(at) {
	const x = axis.place(at);
	line.hidden = at > axis.to || at < axis.from;
	line.style.transform = `translateX(${x}px)`;
	view.body.style.setProperty("--now", `${x}px`);
}

const lastOf = (job) => job.steps.at(-1);
const endOf = (job, at) => isFinal(lastOf(job)[1]) ? job.created + lastOf(job)[0] : Math.max(at, job.created + lastOf(job)[0]) + 1000;

/** Fit the axis to what is visible. */
function fit() {
	const at = drawn = now();
	const width = ruler.clientWidth || 1;
	const spans = view.visible.map((job) => {
		const last = Math.max(endOf(job, at), ...(store.marks.get(job.id) ?? NOTHING).calls.map((call) => call.at));
		return [job.created, last + (last - job.created) * 0.04 + 40];
	});
	const key = `${width} ${view.grid.clientHeight} ${spans}`;
	if (key !== fitted) {
		fitted = key;
		axis = makeAxis(spans, width);
		const put = (spec, x, ...more) => {
			const made = h(spec, more);
			made.style.left = `${x}px`;
			return made;
		};
		ruler.replaceChildren(h("span.sr", "Planned life"), ...axis.labels.map((one) => put("i", one.x, time(one.at, axis.step < 1000 ? 1 : 0))));
		lines.style.left = `${ruler.offsetLeft}px`;
		lines.style.width = `${width}px`;
		lines.style.height = `${view.grid.clientHeight - view.head.offsetHeight}px`;
		lines.replaceChildren(...axis.labels.map((one) => put("i", one.x)), ...axis.gaps.map((gap) => {
			const band = put("i.gap", gap.x, { title: `${lasts(gap.ms)} left out` });
			band.style.width = `${gap.width}px`;
			return band;
		}), line);
	}
	place(at);
}

function fill(row, job) {
	const lane = row.cells[2];
	if (!lane.firstChild) lane.append($("#lane").content.cloneNode(true));
	const [told, plan, past, end, marks] = lane.children;
	const at = now();
	const state = stateOf(job, at);
	const [last, final] = lastOf(job);
	const ends = [...job.steps.map(([ms]) => axis.place(job.created + ms)), axis.place(endOf(job, at))];
	const pieces = job.steps.filter(([, name]) => !isFinal(name));
	for (const bar of [plan, past]) {
		[...bar.children].forEach((piece, index) => {
			piece.hidden = !pieces[index];
			if (piece.hidden) return;
			mark(piece, "data-state", pieces[index][1]);
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

	const paths = ["", "", "", "", ""]; // polls, what went wrong, callbacks: arrived, planned, lost
	const counts = [0, 0, 0, 0, 0];
	const add = (index, path) => {
		paths[index] += path;
		counts[index]++;
	};
	const { calls, deliveries } = store.marks.get(job.id) ?? NOTHING;
	for (const call of calls) {
		const x = axis.place(call.at).toFixed(1);
		if (wentWrong(call)) add(1, `M${x} 28l4.5 8h-9z`);
		else if (call.method === "GET") add(0, `M${x} 29v6`);
	}
	for (const one of deliveries.values()) {
		const x = (axis.place(one.due) - 3).toFixed(1);
		if (isUnsent(one)) add(4, `M${x} 3l6 6m0-6l-6 6`);
		else add(one.state === "delivered" ? 2 : 3, `M${x} 6a3 3 0 1 0 6 0a3 3 0 1 0-6 0`);
	}
	paths.forEach((path, index) => mark(marks.children[index], "d", path));
	// Said anew only when something happened: a text that changes all the time is noise.
	const key = [job.id, state, counts].join();
	if (row.key === key) return;
	row.key = key;
	const happened = ["poll", "call that went wrong", "callback that arrived", "callback to come", "callback that did not arrive"];
	say(told, [
		`Planned: ${job.steps.map(([ms, name]) => `${signOf(name).slice(2)} at ${lasts(ms)}`).join(", ")}`,
		...counts.map((number, index) => number && counted(number, happened[index])).filter(Boolean),
	].join("; "));
	mark(lane, "title", told.textContent);
}

/** Return the part of a job's id that tells it from others of its model. */
function shortId(job) {
	const rest = job.id.startsWith(job.model + "_") ? job.id.slice(job.model.length + 1) : job.id;
	return rest.length > 14 ? `…${rest.slice(-12)}` : rest;
}
