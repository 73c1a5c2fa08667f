// One submit as it is sent from here, and as lines of curl, Python and JavaScript. The key is never in these.
import { code, count, h, pretty, tabs } from "./dom.js";
import { api, quote, root } from "./feed.js";

let asked;

/** Return the models that the gateway knows, asked for once. @returns {Promise<any[]>} */
export const models = () => asked ??= api("models").then((answer) => answer.models, (error) => {
	asked = undefined;
	throw error;
});

/** Return a submit. `key` stands where the provider wants the key. */
export function requestOf(model, body, key, webhook = "", scenario = "") {
	const url = new URL(model.path.slice(1), root);
	const headers = { "Content-Type": "application/json" };
	const add = ({ place, name }, value) => place === "query" ? url.searchParams.set(name, value) : (headers[name] = place === "bearer" ? `Bearer ${value}` : value);
	add(model.keys[0], key);
	if (webhook) add(model.webhook, webhook);
	if (scenario) headers.Prefer = `scenario=${scenario}`;
	return { method: model.method, url: url.href, headers, body };
}

/** Return the same request in three languages, with KEY from the environment. */
export function snippets({ method, url, headers, body }) {
	const given = JSON.stringify(headers, null, 2).replace("$KEY", '" + KEY + "').replace('"" + ', "").replace(' + ""', "");
	const text = JSON.stringify(body);
	return tabs({
		curl: [`curl -i -X ${method} ${quote(url)}`, ...Object.entries(headers).map(([name, value]) => `-H "${name}: ${value}"`), `-d ${quote(body)}`].join(" \\\n  "),
		Python: `import os\nimport httpx\n\nKEY = os.environ["KEY"]\nanswer = httpx.request("${method}", "${url}", content=${text}, headers=${given})\nprint(answer.status_code, answer.text)`,
		JavaScript: `const { KEY } = process.env;\nconst answer = await fetch("${url}", {method: "${method}", body: ${text}, headers: ${given}});\nconsole.log(answer.status, await answer.text());`,
	});
}

/** Return both sides of an exchange of the journal. */
export const exchange = ({ request, response }) => [["Request", request, request.postData?.text], ["Answer", response, response.content?.text]].map(([name, { headers }, text]) => h("section", h("h3", name),
	headers.length > 0 && h("details", h("summary", count(headers.length, "header")), code(headers.map((one) => `${one.name}: ${one.value}`).join("\n"), `${name} headers`)),
	text ? code(pretty(text), `${name} body`) : h("p.dim", "no body")));
