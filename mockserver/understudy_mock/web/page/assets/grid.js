// A list of any length on a few recycled rows. Newest first; what is under the pointer stays there.
import { $, clean, count, h, mark, say } from "./dom.js";
import { go, matches, ui } from "./ui.js";

const SPARE = 3; // rows above and below what is visible

export class Grid {
	/**
	 * @param {{kind: string, columns: string[], key: string, empty: any[], items: () => Iterable<any>, state: (item: any) => string,
	 *   cells: (item: any) => any[], lane?: number, before?: () => void, fill?: (row: any, item: any) => void}} how
	 * A cell is a text, or a text and a smaller one. Column number `lane` is filled by `fill`.
	 */
	constructor(how) {
		this.how = how;
		this.items = [];
		this.pool = [];
		this.current = "";
		this.height = this.fresh = 0;
		this.head = h("div", { role: "row", "aria-rowindex": 1 }, how.columns.map((name) => h("span", { role: "columnheader" }, name)));
		this.body = h("div.body", { role: "rowgroup" });
		this.grid = h(`div.grid.${how.kind}`, { role: "grid", tabindex: 0, "aria-label": `${how.kind}s`, "aria-colcount": how.columns.length }, h("div.head", { role: "rowgroup" }, this.head), this.body);
		this.more = h("button.more", { type: "button" }, () => {
			this.grid.scrollTop = 0;
			this.grid.focus();
		});
		this.empty = h("div.empty", how.empty);
		this.element = h("div.list", this.grid, this.empty, this.more);
		this.grid.addEventListener("scroll", () => this.render(), { passive: true });
		this.grid.addEventListener("keydown", (event) => this.key(event));
		this.body.addEventListener("pointerenter", () => (this.pointed = true));
		this.body.addEventListener("pointerleave", () => (this.pointed = false));
		this.body.addEventListener("click", (event) => {
			const { item } = event.target.closest("[role=row]") ?? {};
			if (item && !String(getSelection())) this.open(item);
		});
		new ResizeObserver(() => this.resize()).observe(this.grid);
	}

	id(item) {
		return String(item[this.how.key]);
	}

	/** Show what there is now. */
	update() {
		const items = [];
		for (const item of this.how.items()) if (matches(item) && (!ui.state || this.how.state(item) === ui.state)) items.push(item);
		items.reverse();
		const top = Math.floor(this.grid.scrollTop / (this.height || 1));
		const anchor = this.items[top];
		const near = this.pointed || (document.activeElement === this.grid && this.current);
		const held = this.grid.scrollTop > 0 || (near && document.hasFocus());
		this.items = items;
		this.empty.hidden = items.length > 0;
		this.stretch();
		const at = held && anchor ? items.findIndex((item) => this.id(item) === this.id(anchor)) : 0;
		if (at > top) {
			this.fresh += at - top;
			this.grid.scrollTop += (at - top) * this.height;
		}
		this.render();
	}

	stretch() {
		this.body.style.height = `${this.items.length * this.height}px`;
		mark(this.grid, "aria-rowcount", this.items.length + 1);
	}

	/** The items that can be seen. */
	get visible() {
		const from = Math.floor(this.grid.scrollTop / (this.height || 1));
		return this.items.slice(from, from + Math.ceil(this.grid.clientHeight / (this.height || 1)));
	}

	resize() {
		this.height = parseFloat(getComputedStyle(this.grid).getPropertyValue("--row"));
		const wanted = Math.ceil(this.grid.clientHeight / this.height) + 2 * SPARE;
		while (this.pool.length < wanted) {
			const row = h("div.item", { role: "row", id: `${this.how.kind}-${this.pool.length}` });
			row.cells = this.how.columns.map((_, index) => {
				const cell = h("span", { role: "gridcell" }, ...(index === this.how.lane ? [] : [h("b"), h("small")]));
				row.append(cell);
				return cell;
			});
			this.pool.push(row);
			this.body.append(row);
		}
		for (const row of this.pool.splice(wanted)) row.remove();
		this.stretch();
		this.render();
	}

	render() {
		const size = this.pool.length;
		if (!size) return;
		if (!this.grid.scrollTop) this.fresh = 0;
		this.how.before?.();
		const from = Math.max(0, Math.floor(this.grid.scrollTop / this.height) - SPARE);
		let active = "";
		for (let index = from; index < from + size; index++) {
			const row = this.pool[index % size];
			const item = this.items[index];
			row.item = item;
			row.hidden = !item;
			if (!item) continue;
			const id = this.id(item);
			row.style.transform = `translateY(${index * this.height}px)`;
			mark(row, "aria-rowindex", index + 2);
			mark(row, "aria-selected", ui.open === `${this.how.kind}:${id}`);
			mark(row, "data-state", this.how.state(item));
			row.classList.toggle("current", id === this.current);
			if (id === this.current) active = row.id;
			this.how.cells(item).forEach((cell, column) => {
				if (column === this.how.lane) return;
				const [text, small] = [cell].flat();
				say(row.cells[column].firstChild, clean(text));
				say(row.cells[column].lastChild, clean(small));
			});
			this.how.fill?.(row, item);
		}
		if (active) mark(this.grid, "aria-activedescendant", active);
		else this.grid.removeAttribute("aria-activedescendant");
		this.more.hidden = !this.fresh;
		say(this.more, `↑ ${count(this.fresh)} new`);
	}

	open(item) {
		this.current = this.id(item);
		go({ open: `${this.how.kind}:${this.current}` });
	}

	key(event) {
		const at = this.items.findIndex((item) => this.id(item) === this.current);
		const page = Math.max(1, Math.floor(this.grid.clientHeight / this.height) - 2);
		const step = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -1e9, End: 1e9 }[event.key];
		if (event.key === "Enter" && at >= 0) this.open(this.items[at]);
		else if (step && this.items.length) {
			const to = Math.min(Math.max(at < 0 ? Math.floor(this.grid.scrollTop / this.height) : at + step, 0), this.items.length - 1);
			const room = this.grid.clientHeight - this.head.offsetHeight - this.height;
			this.current = this.id(this.items[to]);
			this.grid.scrollTop = Math.max(Math.min(this.grid.scrollTop, to * this.height), to * this.height - room);
			this.render();
		} else return;
		event.preventDefault();
	}
}
