// A list of any length on a few recycled rows. Newest first; what is under the pointer stays there.
import { clean, count, h, mark, say } from "./dom.js";
import { go, matches, ui } from "./ui.js";

const SPARE = 3; // rows above and below what is visible

export class Grid {
	items = [];
	pool = [];
	current = "";
	height = 1;
	fresh = 0;
	pointed = false;

	/**
	 * @param {{kind: string, columns: string[], key: string, empty: any[], items: () => Iterable<any>, state: (item: any) => string,
	 *   cells: (item: any) => any[], before?: () => void, fill?: (row: any, item: any) => void}} how
	 * A cell is a text, or a text and a smaller one; one that is null is filled by `fill`.
	 */
	constructor(how) {
		this.how = how;
		this.head = h("div", { role: "row", "aria-rowindex": 1 }, how.columns.map((name) => h("span", { role: "columnheader" }, name)));
		this.body = h("div.body", { role: "rowgroup" });
		this.grid = h(`div.grid.${how.kind}`, { role: "grid", tabindex: 0, "aria-label": `${how.kind}s` }, h("div.head", { role: "rowgroup" }, this.head), this.body);
		this.more = h("button.more", { type: "button" }, () => this.grid.scrollTo(0, 0));
		this.empty = h("div.empty", how.empty);
		this.element = h("div.list", this.grid, this.empty, this.more);
		this.grid.addEventListener("scroll", () => this.render());
		this.grid.addEventListener("keydown", (event) => this.key(event));
		this.body.addEventListener("pointerenter", () => (this.pointed = true));
		this.body.addEventListener("pointerleave", () => (this.pointed = false));
		this.body.addEventListener("click", (event) => {
			const { item } = event.target.closest("[role=row]") ?? {};
			if (item && !String(getSelection())) this.open(item);
		});
		new ResizeObserver(() => this.resize()).observe(this.grid);
	}

	id = (item) => String(item[this.how.key]);

	/** The index of the first item that can be seen. */
	get top() {
		return Math.floor(this.grid.scrollTop / this.height);
	}

	/** Show what there is now. */
	update() {
		const items = [];
		for (const item of this.how.items()) if (matches(item) && (!ui.state || this.how.state(item) === ui.state)) items.push(item);
		const { top, grid } = this;
		const anchor = this.items[top];
		const near = this.pointed || (document.activeElement === grid && this.current);
		const held = anchor && (top > 0 || (near && document.hasFocus()));
		this.items = items.reverse();
		this.empty.hidden = items.length > 0;
		this.stretch();
		const moved = held ? items.findIndex((item) => this.id(item) === this.id(anchor)) - top : 0;
		if (moved > 0) {
			this.fresh += moved;
			grid.scrollTop += moved * this.height;
		}
		this.render();
	}

	stretch() {
		this.body.style.height = `${this.items.length * this.height}px`;
		mark(this.grid, "aria-rowcount", this.items.length + 1);
	}

	/** The items that can be seen. */
	get visible() {
		return this.items.slice(this.top, this.top + Math.ceil(this.grid.clientHeight / this.height));
	}

	resize() {
		this.height = parseFloat(getComputedStyle(this.grid).getPropertyValue("--row"));
		const wanted = Math.ceil(this.grid.clientHeight / this.height) + 2 * SPARE;
		for (const row of this.pool.splice(wanted)) row.remove();
		while (this.pool.length < wanted) {
			const row = h("div.item", { role: "row", id: `${this.how.kind}-${this.pool.length}` }, this.how.columns.map(() => h("span", { role: "gridcell" })));
			this.pool.push(row);
			this.body.append(row);
		}
		this.stretch();
		this.render();
	}

	render() {
		const size = this.pool.length;
		if (!this.grid.scrollTop) this.fresh = 0;
		this.how.before?.();
		const from = Math.max(0, this.top - SPARE);
		let active = "";
		for (let index = from; index < from + size; index++) {
			const row = this.pool[index % size];
			const item = row.item = this.items[index];
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
				if (cell === null) return;
				const place = row.children[column];
				if (!place.firstChild) place.append(h("b"), h("small"));
				[cell].flat().forEach((text, line) => say(place.children[line], clean(text)));
			});
			this.how.fill?.(row, item);
		}
		mark(this.grid, "aria-activedescendant", active);
		this.more.hidden = !this.fresh;
		say(this.more, `↑ ${count(this.fresh)} new`);
	}

	open(item) {
		this.current = this.id(item);
		go({ open: `${this.how.kind}:${this.current}` });
	}

	key(event) {
		const { grid, height, items, top } = this;
		const at = items.findIndex((item) => this.id(item) === this.current);
		const room = grid.clientHeight - this.head.offsetHeight - height;
		const page = Math.ceil(room / height);
		const step = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -1e9, End: 1e9 }[event.key];
		if (event.key === "Enter" && at >= 0) this.open(items[at]);
		else if (step && items.length) {
			const to = Math.min(Math.max(at < 0 ? top : at + step, 0), items.length - 1);
			this.current = this.id(items[to]);
			grid.scrollTop = Math.max(Math.min(grid.scrollTop, to * height), to * height - room);
			this.render();
		} else return;
		event.preventDefault();
	}
}
