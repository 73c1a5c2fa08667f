// Calls: every call with its answer, and why it was refused.
import { h, time } from "../dom.js";
import { Grid } from "../grid.js";
import { store, wentWrong } from "../store.js";

export const kindOf = (call) => !call.status || call.fault ? "broken" : wentWrong(call) ? "refused" : "ok";
export const answerOf = (call) => `${{ ok: "✓", refused: "✗", broken: "⚠" }[kindOf(call)]} ${call.status || "none"}`;

/** Return what was wrong with a call, "" where nothing was. */
export const whyOf = (call) => [call.fault && `fault: ${call.fault}`, call.why ?? call.error, wentWrong(call) && call.scenario && `scenario ${call.scenario}`, ...call.warnings ?? []]
	.filter(Boolean).join(" · ");

export const view = new Grid({
	kind: "call", key: "call", columns: ["Time", "Answer", "Call", "Why", "ms"],
	empty: [h("h2", "No calls yet"), h("p", "Each call to a provider's route appears here.")],
	items: () => store.calls.values(),
	state: kindOf,
	cells: (call) => [time(call.at), answerOf(call), [`#${call.call} ${call.operation ?? "unknown call"}`, `${call.method} ${call.path}`], ["", whyOf(call)], call.ms?.toFixed(1)],
});
