// As drive_wavespeed.py, for the SDK of npm.
'use strict';

const [folder, baseUrl, file, ...actions] = process.argv.slice(2);
const { Client } = require(`${folder}/node_modules/wavespeed`);

const MODEL = 'wavespeed-ai/hunyuan-video/i2v';
const INPUT = { image: 'https://example.com/cat.jpg', prompt: 'a cat' };

async function act(action) {
  const [verb, scenario] = action.split(':');
  const options = { retryInterval: 0.01, ...(baseUrl ? { baseUrl } : {}) };
  const client = new Client(`scenario:${scenario}:${verb}`, options);
  if (verb === 'upload') return (await fetch(await client.upload(file))).text();
  const { outputs } = await client.run(MODEL, INPUT, { pollInterval: 0.01, enableSyncMode: verb === 'sync' });
  return Promise.all(outputs.map(async (url) => (await fetch(url)).headers.get('content-type')));
}

const print = console.log;
console.log = console.error = () => {};

(async () => {
  for (const action of actions) {
    try {
      print(JSON.stringify({ action, result: await act(action) }));
    } catch (error) {
      print(JSON.stringify({ action, error: `${error.name}: ${error.message}` }));
    }
  }
})();
