// Loaded by a Node child at its start: leads its TLS connections to the providers' hosts to the gateway.
// Node 24 and later reads the proxy variables itself (NODE_USE_ENV_PROXY), and nothing is changed there.
'use strict';

const tls = require('node:tls');

const [port, ...hosts] = (process.env._UNDERSTUDY_INTERCEPT || '').split(' ').filter(Boolean);
const here = new Set(hosts);
const connect = tls.connect;

if (port && Number(process.versions.node.split('.')[0]) < 24) {
  tls.connect = function (...args) {
    // The forms are (options[, done]), (port[, host][, options][, done]).
    const found = args.find((arg) => arg !== null && typeof arg === 'object');
    const options = found || {};
    const named = typeof args[1] === 'string' ? args[1] : options.host || options.hostname || options.servername;
    if (named && here.has(String(named).toLowerCase()) && !options.socket) {
      const done = typeof args[args.length - 1] === 'function' ? args[args.length - 1] : undefined;
      const redirected = { ...options, host: '127.0.0.1', port: Number(port), servername: options.servername || named };
      delete redirected.path;
      return connect.call(tls, redirected, done);
    }
    return connect.apply(tls, args);
  };
}
