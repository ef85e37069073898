// session/node against the codec that Baileys clients run: the same bytes for the same stanza, and
// the same stanza for the same bytes.
//
// WAB_BIN_DIR names the folder of codec_peer; `baileys` must be resolvable from here. WAB_CASES
// (1000) sets the number of stanzas, WAB_SEED (1) what they are made of.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import path from 'node:path';
import readline from 'node:readline';
import { after, before, test } from 'node:test';
import { decodeBinaryNode, encodeBinaryNode } from 'baileys';
import { DOUBLE_BYTE_TOKENS, SINGLE_BYTE_TOKENS } from 'baileys/lib/WABinary/constants.js';

const cases = Number(process.env.WAB_CASES ?? 1000);
const seed = Number(process.env.WAB_SEED ?? 1);

// ---- our side -----------------------------------------------------------------------------------

let child;
const waiting = [];

before(() => {
  child = spawn(path.join(process.env.WAB_BIN_DIR ?? '.', 'codec_peer'), {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  readline.createInterface({ input: child.stdout }).on('line', (line) => {
    const one = waiting.shift();
    if (line.startsWith('error ')) one.reject(new Error(line));
    else one.resolve(line);
  });
  child.on('exit', (code) => {
    for (const one of waiting.splice(0)) one.reject(new Error(`codec_peer ended: ${code}`));
  });
});
after(() => child.stdin.end());

function ask(request) {
  return new Promise((resolve, reject) => {
    waiting.push({ resolve, reject });
    child.stdin.write(request + '\n');
  });
}

// ---- stanzas ------------------------------------------------------------------------------------

// A small generator with a seed (xorshift32), so that a failure can be repeated.
function generator(start) {
  let x = (start * 2654435761) >>> 0 || 1;
  return (n) => {
    x ^= x << 13;
    x >>>= 0;
    x ^= x >>> 17;
    x ^= x << 5;
    x >>>= 0;
    return x % n;
  };
}

const single = SINGLE_BYTE_TOKENS.filter((token) => token);
const double = DOUBLE_BYTE_TOKENS.flat();

function maker(below) {
  const of = (alphabet, longest) =>
    Array.from({ length: 1 + below(longest) }, () => alphabet[below(alphabet.length)]).join('');
  const digits = () => String(1 + below(9)) + of('0123456789', 14);

  function string() {
    switch (below(7)) {
      case 0: return single[below(single.length)];
      case 1: return double[below(double.length)];
      case 2: return of('0123456789-.', 140);
      case 3: return of('0123456789ABCDEF', 140);
      case 4: return of('abcXYZ-_ 0', 300);
      case 5: return 'é' + of('xyz', 5) + '😀';
      default: return digits();
    }
  }

  // The server itself is "s.whatsapp.net" here and "@s.whatsapp.net" there.
  function jid() {
    const device = below(2) ? ':' + (1 + below(255)) : '';
    switch (below(8)) {
      case 0: return 's.whatsapp.net';
      case 1: return `${digits()}${device}@lid`;
      case 2: return `${digits()}@g.us`;
      case 3: return 'status@broadcast';
      case 4: return `${digits()}${device}@hosted`;
      case 5: return `${digits()}${device}@hosted.lid`;
      case 6: return `${digits()}@newsletter`;
      default: return `${digits()}${device}@s.whatsapp.net`;
    }
  }

  return function node(depth) {
    const attrs = {};
    // A letter in front: objects sort keys that look like numbers.
    for (let i = below(below(20) ? 6 : 40); i > 0; --i) {
      const key = below(2) ? single[below(single.length)] : 'k' + string();
      if (/^\d+$/.test(key)) continue;
      attrs[key] = below(3) ? string() : { jid: jid() };
    }
    let content = null;
    const kind = below(5);
    if (kind === 1) {
      content = string();
    } else if (kind === 2) {
      const length = below(100) ? below(60) : below(70000);
      content = { hex: Buffer.from(Array.from({ length }, () => below(256))).toString('hex') };
    } else if (kind > 2 && depth > 0) {
      const wide = !below(100);
      content = Array.from({ length: 1 + below(wide ? 300 : 4) }, () => node(wide ? 0 : depth - 1));
    }
    return { tag: string(), attrs, content };
  };
}

const theirAddress = (text) => (text.includes('@') ? text : '@' + text);

function toBaileys({ tag, attrs, content }) {
  const out = { tag, attrs: {} };
  for (const [key, value] of Object.entries(attrs)) {
    out.attrs[key] = typeof value === 'string' ? value : theirAddress(value.jid);
  }
  if (Array.isArray(content)) out.content = content.map(toBaileys);
  else if (typeof content === 'string') out.content = content;
  else if (content) out.content = Buffer.from(content.hex, 'hex');
  return out;
}

// What a stanza says, whoever decoded it: addresses as text, content of any coding as hex.
function said({ tag, attrs, content }) {
  const out = { tag, attrs: {}, content: null };
  for (const [key, value] of Object.entries(attrs)) {
    out.attrs[key] = (typeof value === 'string' ? value : value.jid).replace(/^@/, '');
  }
  if (Array.isArray(content)) out.content = content.map(said);
  else if (typeof content === 'string') out.content = Buffer.from(content).toString('hex');
  else if (Buffer.isBuffer(content)) out.content = content.toString('hex');
  else if (content) out.content = content.hex;
  return out;
}

// ---- tests --------------------------------------------------------------------------------------

test('both write the same bytes and read each other', async () => {
  const make = maker(generator(seed));
  for (let i = 0; i < cases; ++i) {
    const node = make(3);
    const theirs = encodeBinaryNode(toBaileys(node)).toString('hex');
    const ours = await ask('encode ' + JSON.stringify(node));
    assert.equal(ours, theirs, `stanza ${i}`);
    assert.deepEqual(said(JSON.parse(await ask('decode ' + theirs))), said(node), `stanza ${i}`);
    assert.deepEqual(said(await decodeBinaryNode(Buffer.from(ours, 'hex'))), said(node),
                     `stanza ${i}`);
  }
});
