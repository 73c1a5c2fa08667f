// A Node child loads this at its start, for connections that do not go through the proxy.
// Node 20 and 22 do not read proxy variables. Later ones do (NODE_USE_ENV_PROXY), but a program's own agents and
// sockets do not. A connection to a provider's host is redirected to the gateway. A connection that leaves this
// machine is noted in a file, for the summary. With --offline it is refused and reported to the proxy. Hosts in
// NO_PROXY are left alone.
//
// fetch, http, https, http2 and tls all open their connections by net.Socket.prototype.connect. The name that the
// certificate must have was taken from the options before.
'use strict';

const { errorMonitor } = require('node:events');
const fs = require('node:fs');
const net = require('node:net');

const PATIENCE_MS = 5000;
const MOST_NOTED = 1 << 20; // bytes

const settings = Object.fromEntries(
  (process.env._UNDERSTUDY_INTERCEPT || '').split(' ').filter(Boolean).map((part) => part.split('=')),
);
const providers = new Set((settings.hosts || '').split(',').filter(Boolean));
const offline = settings.offline === '1';
const notes = process.env._UNDERSTUDY_NOTES;
const exceptions = (process.env.no_proxy || process.env.NO_PROXY || '')
  .toLowerCase()
  .split(',')
  .map((entry) => entry.trim())
  .filter(Boolean);

const connect = net.Socket.prototype.connect;

function connectHere(...args) {
  const [options, done] = parsed(args);
  if (!options || options.path || options.port === undefined) return connect.apply(this, args);
  const host = String(options.host || 'localhost').replace(/^\[(.*)\]$/, '$1').split('%')[0].replace(/\.$/, '').toLowerCase();
  const port = Number(options.port);
  if (providers.has(host)) {
    return connect.call(this, redirected(options, { host: '127.0.0.1', port: Number(port === 80 ? settings.plain : settings.tls) }), done);
  }
  if (isHere(host)) return connect.apply(this, args);
  const where = net.isIPv6(host) ? `[${host}]:${port}` : `${host}:${port}`;
  if (!offline || isExcepted(host, port)) {
    noteEnd(this, where);
    return connect.apply(this, args);
  }
  const error = Object.assign(new Error(`connect ECONNREFUSED: understudy run --offline refuses ${where}`), {
    code: 'ECONNREFUSED',
    errno: -require('node:os').constants.errno.ECONNREFUSED,
    syscall: 'connect',
    address: host,
    port,
  });
  // Node itself gives a connection up by a failed lookup: later, and with the error of the lookup.
  const lookup = (name, wanted, callback) => report(where, () => callback(error));
  return connect.call(this, redirected(options, { host: 'refused.invalid', lookup }), done);
}

// The forms are (options[, done]), (path[, done]), (port[, host][, done]), and Node's own ([options, done]).
function parsed(args) {
  if (Array.isArray(args[0])) return args[0];
  const last = args[args.length - 1];
  const done = typeof last === 'function' ? last : undefined;
  if (args[0] !== null && typeof args[0] === 'object') return [args[0], done];
  const port = typeof args[0] === 'number' || /^\d+$/.test(args[0]) ? args[0] : undefined;
  return [{ port, host: typeof args[1] === 'string' ? args[1] : undefined }, done];
}

function redirected(options, goal) {
  const { lookup, family, localAddress, ...rest } = options;
  return { ...rest, ...goal };
}

// Asks the proxy for a place, which it refuses and counts.
function report(where, then) {
  const line = new net.Socket();
  line.setTimeout(PATIENCE_MS, () => line.destroy());
  line.on('error', () => line.destroy()); // the proxy ended before the program, so there is no summary
  line.on('data', () => line.destroy());
  line.on('close', then);
  connect.call(line, { host: '127.0.0.1', port: Number(settings.proxy) }, () => {
    line.write(`CONNECT ${where} HTTP/1.1\r\nHost: ${where}\r\n\r\n`);
  });
}

// Notes a connection when it is open, or why it failed. The program gets the same events as before.
function noteEnd(socket, where) {
  const stands = () => end();
  const fails = (error) => end(error);
  function end(error) {
    socket.off('connect', stands).off(errorMonitor, fails);
    note(error ? `${where} ${error.code || error.message}` : where);
  }
  socket.once('connect', stands).once(errorMonitor, fails);
}

// The file outlives this process.
function note(text) {
  if (!notes) return;
  let file;
  try {
    file = fs.openSync(notes, fs.constants.O_WRONLY | fs.constants.O_APPEND);
    if (fs.fstatSync(file).size < MOST_NOTED) fs.writeSync(file, `${text}\n`);
  } catch {
    // the run ended before the program, and removed the file
  } finally {
    if (file !== undefined) fs.closeSync(file);
  }
}

function isExcepted(host, port) {
  return exceptions.some((entry) => covers(entry, host, port));
}

function isHere(host) {
  if (net.isIP(host)) return /^(127\.|::ffff:127\.)/.test(host) || ['0.0.0.0', '::', '::1'].includes(host);
  return host === 'localhost' || host.endsWith('.localhost') || isHereByHostsFile(host);
}

function covers(entry, host, port) {
  if (entry === '*') return true;
  if (entry.includes('/')) return isWithin(host, entry);
  const [named, only] = entry.split(':').length > 2 ? [entry] : entry.split(':');
  const name = named.replace(/^\*\./, '').replace(/^\.+/, '');
  if (!name || (only && Number(only) !== port)) return false;
  return host === name || host.endsWith(`.${name}`);
}

function isWithin(host, entry) {
  const [network, bits] = entry.split('/');
  const kind = net.isIPv6(network) ? 'ipv6' : 'ipv4';
  if (!net.isIP(network) || !net.isIP(host) || !/^\d{1,3}$/.test(bits)) return false;
  if (Number(bits) > (kind === 'ipv6' ? 128 : 32)) return false;
  const list = new net.BlockList();
  list.addSubnet(network, Number(bits), kind);
  return list.check(host, net.isIPv6(host) ? 'ipv6' : 'ipv4');
}

function isHereByHostsFile(host) {
  let text = '';
  try {
    text = fs.readFileSync('/etc/hosts', 'utf8');
  } catch {
    return false; // there is none
  }
  const lines = text.split('\n').map((line) => line.split('#')[0].trim().toLowerCase().split(/\s+/));
  const found = lines.filter(([, ...names]) => names.includes(host));
  return found.length > 0 && found.every(([address]) => address.startsWith('127.') || address === '::1');
}

if (settings.tls) net.Socket.prototype.connect = connectHere;
