// The adapter of npm wavespeed 0.3.2:
// NODE_PATH=FOLDER/node_modules understudy check client --provider wavespeed -- node contracts/understudy_contracts/adapters/wavespeed_node.cjs
'use strict';

const { Client } = require('wavespeed');

const KINDS = { 400: 'validation', 401: 'auth', 402: 'insufficient_balance', 403: 'auth', 404: 'not_found', 429: 'rate_limited' };
const POLL = 0.2;
const say = (line) => process.stdout.write(JSON.stringify(line) + '\n');
console.log = console.error = () => {};

async function run(message) {
  const client = new Client(message.api_key, { baseUrl: message.base_url });
  const options = { pollInterval: POLL, timeout: (message.budget_ms / 1000) * 0.75, enableSyncMode: message.mode === 'sync' };
  try {
    const { outputs, detail } = await client.runNoThrow(message.model, message.input, options);
    const job = detail && detail.taskId !== 'unknown' ? { job_id: detail.taskId } : {};
    if (outputs) return { ...job, outcome: 'completed', media: outputs.map((url) => ({ url })) };
    return { ...failure(String(detail && detail.error)), ...job };
  } catch (error) {
    return failure(`${error.name}: ${error.message}`);
  }
}

// An outcome out of an error text: the SDK tells it nowhere else.
function failure(text) {
  const found = /HTTP (\d{3})/.exec(text);
  const status = found ? Number(found[1]) : null;
  if (/Prediction (failed|cancelled|timeout|deleted)/.test(text)) {
    return { outcome: 'failed', error: { kind: 'job_failed', message: text } };
  }
  if (/timed out after/.test(text)) return { outcome: 'timeout', error: { kind: null, message: text } };
  const kind = status ? KINDS[status] || 'server' : 'network';
  return { outcome: /submi(t|ssion)/.test(text) && status ? 'rejected' : 'failed', error: { kind, http_status: status, message: text } };
}

const answers = {
  hello: async () => ({ client: { name: 'wavespeed (npm)', version: '0.3.2' }, providers: ['wavespeed'], capabilities: ['sync'], timing: { min_poll_ms: POLL * 1000 } }),
  run,
  release: async () => ({}),
};
const types = { hello: 'hello', run: 'result', release: 'released' };

require('readline').createInterface({ input: process.stdin }).on('line', async (line) => {
  const message = JSON.parse(line);
  say({ id: message.id, type: types[message.type], ...(await answers[message.type](message)) });
});
