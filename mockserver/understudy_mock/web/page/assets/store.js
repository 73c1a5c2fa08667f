// What the page knows, from the feed alone. It is bounded, and counts what it lets go.

/** @typedef {import("./types").Job} Job */

const MOST = 20_000; // jobs, calls and callbacks kept, of each
const MOST_MARKS = 100; // calls that one bar shows

/** The sign and word of each state: colour is never alone. */
const SIGNS = {
	QUEUED: "◷ Queued", PROCESSING: "▶ Processing", COMPLETED: "✓ Completed", FAILED: "✗ Failed", ERROR: "⚠ Error", CANCELED: "⊘ Canceled",
	planned: "◷ Planned", retrying: "↻ Retrying", delivered: "✓ Delivered", given_up: "✗ Given up", paused: "‖ Paused", refused: "⊘ Refused",
};
export const signOf = (state) => SIGNS[state] ?? `? ${state}`;
export const isFinal = (state) => ["COMPLETED", "FAILED", "ERROR", "CANCELED"].includes(state);
export const isUnsent = (one) => ["given_up", "paused", "refused"].includes(one.state);
export const wentWrong = (call) => call.fault || !call.status || call.status >= 400;

/** Return how far into its life a job is, in ms, and its state then, from the plan alone. */
export const ageOf = (job, at) => job.by === "polls" ? job.at ?? 0 : at - job.created;
export const stateOf = (/** @type {Job} */ job, at) => (job.steps.findLast(([ms]) => ms <= ageOf(job, at)) ?? job.steps[0])[1];
export const planOf = (job) => job.steps.map(([ms, name]) => `${signOf(name).slice(2)} at ${(ms / 1000).toFixed(1)} s`).join(", ");

class Store {
	/** @type {Map<string, Job>} */
	jobs = new Map();
	/** @type {Map<number, import("./types").Call>} */
	calls = new Map();
	/** @type {Map<string, import("./types").Delivery>} */
	deliveries = new Map();
	accounts = new Map();
	inboxes = new Map();
	/** @type {Map<string, import("./types").Marks>} */
	marks = new Map(); // what happened to a job
	open = new Set(); // jobs that may not have ended
	notes = {}; // what was dropped, and how many of it
	version = 0;

	/** Forget everything, or what one account has done. */
	clear(account = "") {
		for (const name of ["jobs", "calls", "deliveries", "accounts"]) {
			/** @type {Map<any, any>} */
			const map = this[name];
			for (const [id, one] of map) if (!account || one.account === account) map.delete(id);
		}
		if (account) return;
		for (const map of [this.inboxes, this.marks, this.open]) map.clear();
		this.notes = {};
	}

	missed(number, what) {
		this.notes[what] = (this.notes[what] ?? 0) + number;
	}

	/** Take one row in. */
	apply(row) {
		this.version++;
		const { kind, id, job, account } = row;
		if (kind === "reset") return this.clear(account);
		if (account && (kind === "account" || !this.accounts.has(account))) this.accounts.set(account, kind === "account" ? row : { account });
		if (kind === "job" && row.gone) {
			if (this.jobs.delete(id)) this.missed(1, "jobs were forgotten by the gateway (--keep-jobs)");
			this.marks.delete(id);
		} else if (kind === "job") {
			const known = Object.assign(this.jobs.get(id) ?? {}, row);
			this.jobs.set(id, known);
			this.open.add(known);
		} else if (kind === "call") {
			this.calls.set(row.call, row);
			if (job) this.marksOf(job).calls.push(row);
		} else if (kind === "delivery") {
			this.deliveries.set(id, row);
			if (job) this.marksOf(job).deliveries.set(id, row);
		} else if (kind === "inbox") this.inboxes.set(row.name, row);
	}

	/** @returns {import("./types").Marks} */
	marksOf(id) {
		const marks = this.marks.get(id) ?? { calls: [], deliveries: new Map() };
		if (marks.calls.length > MOST_MARKS) marks.calls.splice(1, 1);
		this.marks.set(id, marks);
		return marks;
	}

	/** Let go of the oldest rows beyond the bounds. */
	trim() {
		for (const name of ["jobs", "calls", "deliveries", "marks"]) {
			const over = this[name].size - MOST;
			if (over <= 0) continue;
			for (const key of [...this[name].keys()].slice(0, over)) this[name].delete(key);
			if (name !== "marks") this.missed(over, `older ${name} have left this page`);
		}
	}

	/** Return how many jobs have not ended. */
	moving(at) {
		for (const job of this.open) if (isFinal(stateOf(job, at)) || !this.jobs.has(job.id)) this.open.delete(job);
		return this.open.size;
	}
}

export const store = new Store();
