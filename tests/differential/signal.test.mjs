// session/signal against the implementation that Baileys clients run: npm's libsignal for
// conversations and signatures, Baileys' group classes for sender keys.
//
// WAB_BIN_DIR names the folder of signal_peer; `libsignal` and `baileys` must be resolvable from
// here. WAB_CASES (1000) sets the number of cases per test, WAB_SEED (1) what they are made of.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import path from 'node:path';
import readline from 'node:readline';
import { after, before, test } from 'node:test';
import libsignal from 'libsignal';
import { BufferJSON } from 'baileys';
import * as group from 'baileys/lib/Signal/Group/index.js';

const cases = Number(process.env.WAB_CASES ?? 1000);
const firstSeed = Number(process.env.WAB_SEED ?? 1);

// The library reports every refused message on the console.
for (const level of ['error', 'info', 'warn', 'log']) console[level] = () => {};

// ---- our side -----------------------------------------------------------------------------------

let child;
const waiting = [];

before(() => {
  child = spawn(path.join(process.env.WAB_BIN_DIR ?? '.', 'signal_peer'), {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  readline.createInterface({ input: child.stdout }).on('line', (line) => {
    waiting.shift().resolve(JSON.parse(line));
  });
  child.on('exit', (code) => {
    for (const one of waiting.splice(0)) one.reject(new Error(`signal_peer ended: ${code}`));
  });
});
after(() => child.stdin.end());

function ask(op, fields = {}) {
  return new Promise((resolve, reject) => {
    waiting.push({ resolve, reject });
    child.stdin.write(JSON.stringify({ op, ...fields }) + '\n');
  });
}

async function askWell(op, fields) {
  const answer = await ask(op, fields);
  assert.equal(answer.error, undefined, `${op}: ${answer.error}`);
  return answer;
}

const hex = (bytes) => Buffer.from(bytes).toString('hex');
const unhex = (text) => Buffer.from(text, 'hex');

// ---- choices ------------------------------------------------------------------------------------

// mulberry32
function choices(seed) {
  let state = seed >>> 0;
  const unit = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
  const below = (bound) => Math.floor(unit() * bound);
  return {
    below,
    flip: () => below(2) === 1,
    bytes: (size) => Buffer.from(Array.from({ length: size }, () => below(256))),
    shuffle(list) {
      for (let i = list.length - 1; i > 0; --i) {
        const j = below(i + 1);
        [list[i], list[j]] = [list[j], list[i]];
      }
      return list;
    },
  };
}

// ---- their side ---------------------------------------------------------------------------------

// When a message belongs to an older session, the library first tries the newest one, and a failed
// try leaves that one with a wrong ratchet. Conversations that both sides started would break on
// its side now and then, which says nothing about ours: here a failed try changes nothing.
const tryOne = libsignal.SessionCipher.prototype.doDecryptWhisperMessage;
libsignal.SessionCipher.prototype.doDecryptWhisperMessage = async function (bytes, session) {
  const before = session.constructor.deserialize(JSON.parse(JSON.stringify(session.serialize())));
  try {
    return await tryOne.call(this, bytes, session);
  } catch (error) {
    Object.assign(session, before);
    throw error;
  }
};

const address = new libsignal.ProtocolAddress('peer', 1);

class Theirs {
  constructor(registration) {
    this.registration = registration;
    this.identity = libsignal.curve.generateKeyPair();
    this.signed = libsignal.curve.generateKeyPair();
    this.oneTime = new Map();
    this.stored = undefined;
    this.storage = {
      loadSession: async () =>
        this.stored && libsignal.SessionRecord.deserialize(JSON.parse(this.stored)),
      storeSession: async (_, record) => {
        this.stored = JSON.stringify(record.serialize());
      },
      isTrustedIdentity: async () => true,
      loadPreKey: async (id) => this.oneTime.get(id),
      removePreKey: async (id) => this.oneTime.delete(id),
      loadSignedPreKey: async (id) => (id === 9 ? this.signed : undefined),
      getOurRegistrationId: async () => this.registration,
      getOurIdentity: async () => this.identity,
    };
    this.cipher = new libsignal.SessionCipher(this.storage, address);
  }

  bundle(oneTimeId) {
    const out = {
      registration: this.registration,
      identity: hex(this.identity.pubKey),
      signed_id: 9,
      signed: hex(this.signed.pubKey),
      signature: hex(libsignal.curve.calculateSignature(this.identity.privKey, this.signed.pubKey)),
    };
    if (oneTimeId !== undefined) {
      const pair = libsignal.curve.generateKeyPair();
      this.oneTime.set(oneTimeId, pair);
      out.one_time_id = oneTimeId;
      out.one_time = hex(pair.pubKey);
    }
    return out;
  }

  start(bundle) {
    const device = {
      registrationId: bundle.registration,
      identityKey: unhex(bundle.identity),
      signedPreKey: {
        keyId: bundle.signed_id,
        publicKey: unhex(bundle.signed),
        signature: unhex(bundle.signature),
      },
    };
    if (bundle.one_time) {
      device.preKey = { keyId: bundle.one_time_id, publicKey: unhex(bundle.one_time) };
    }
    return new libsignal.SessionBuilder(this.storage, address).initOutgoing(device);
  }

  hasSession() {
    return this.cipher.hasOpenSession();
  }

  async encrypt(data) {
    const sent = await this.cipher.encrypt(data);
    return { type: sent.type === 3 ? 'pkmsg' : 'msg', data: hex(sent.body) };
  }

  decrypt(message) {
    const bytes = unhex(message.data);
    return message.type === 'pkmsg'
      ? this.cipher.decryptPreKeyWhisperMessage(bytes)
      : this.cipher.decryptWhisperMessage(bytes);
  }
}

// ---- conversations ------------------------------------------------------------------------------

async function startTheirs(theirs, pick) {
  const bundle = await askWell('bundle', {
    name: 'ours',
    ...(pick.flip() ? { one_time_id: 1 + pick.below(1 << 24) } : {}),
  });
  assert.equal(
    libsignal.curve.verifySignature(unhex(bundle.identity), unhex(bundle.signed),
                                    unhex(bundle.signature)),
    true);
  await theirs.start(bundle);
}

async function startOurs(theirs, pick) {
  const bundle = theirs.bundle(pick.flip() ? 1 + pick.below(1 << 24) : undefined);
  await askWell('start', { name: 'ours', peer: 'peer', ...bundle });
}

// Rounds of bursts in a random direction; each burst arrives shuffled, some of it much later, some
// twice. A message later than four turns of its sender may be refused: its chain is gone.
async function converse(seed, { oursFirst, both }) {
  const pick = choices(seed);
  await askWell('seed', { value: seed });
  await askWell('device', { name: 'ours', registration: 1 + pick.below(16380) });
  const theirs = new Theirs(1 + pick.below(16380));
  const has = { ours: false, theirs: false };
  if (oursFirst || both) {
    await startOurs(theirs, pick);
    has.ours = true;
  }
  if (!oursFirst || both) {
    await startTheirs(theirs, pick);
    has.theirs = true;
  }
  const late = [];
  const rounds = { ours: 0, theirs: 0 };
  const counts = { delivered: 0, repeated: 0, late: 0, lost: 0 };

  async function send(from) {
    const body = pick.bytes(1 + pick.below(80));
    const message = from === 'ours'
      ? await askWell('encrypt', { name: 'ours', peer: 'peer', data: hex(body) })
      : await theirs.encrypt(body);
    return { from, message, body, round: rounds[from] };
  }
  async function receive(one) {
    if (one.from === 'theirs') {
      const got = await askWell('decrypt', { name: 'ours', peer: 'peer', ...one.message });
      has.ours = true;
      return got.data;
    }
    const got = await theirs.decrypt(one.message);
    has.theirs = true;
    return hex(got);
  }
  async function deliver(one) {
    assert.equal(await receive(one), hex(one.body));
    ++counts.delivered;
    if (pick.below(8) === 0) {
      await assert.rejects(receive(one), 'decrypted twice');
      ++counts.repeated;
    }
  }

  for (let round = 0; round < 10; ++round) {
    const from = has.ours && (!has.theirs || pick.flip()) ? 'ours' : has.theirs ? 'theirs' : 'ours';
    ++rounds[from];
    const burst = [];
    for (let i = 1 + pick.below(4); i > 0; --i) burst.push(await send(from));
    pick.shuffle(burst);
    if (burst.length > 1 && pick.flip()) late.push(burst.pop());
    if (pick.below(12) === 0) {
      counts.lost += burst.length;
      continue;
    }
    for (const one of burst) await deliver(one);
    while (late.length > 0 && pick.below(3) === 0) {
      const one = late.splice(pick.below(late.length), 1)[0];
      ++counts.late;
      if (rounds[one.from] - one.round > 4) await receive(one).catch(() => {});
      else await deliver(one);
    }
  }
  // However it went, fresh messages arrive.
  for (const from of ['ours', 'theirs', 'ours', 'theirs']) {
    if (has[from]) await deliver(await send(from));
  }
  return counts;
}

for (const [name, options] of [
  ['conversations that we start', { oursFirst: true }],
  ['conversations that they start', { oursFirst: false }],
  ['conversations that both start at once', { both: true }],
]) {
  test(name, async () => {
    const sum = {};
    for (let i = 0; i < cases; ++i) {
      const seed = firstSeed + i;
      try {
        const counts = await converse(seed, options);
        for (const [key, value] of Object.entries(counts)) sum[key] = (sum[key] ?? 0) + value;
      } catch (error) {
        error.message = `seed ${seed}: ${error.message}`;
        throw error;
      }
    }
    assert.ok(sum.delivered > cases * 10, JSON.stringify(sum));
    assert.ok(sum.repeated > cases && sum.late > cases, JSON.stringify(sum));
  });
}

test('changed messages are refused by both', async () => {
  await askWell('seed', { value: firstSeed });
  await askWell('device', { name: 'ours', registration: 5 });
  const pick = choices(firstSeed);
  const theirs = new Theirs(6);
  await startOurs(theirs, pick);
  const first = await askWell('encrypt', { name: 'ours', peer: 'peer', data: '0102' });
  await theirs.decrypt(first);
  const answer = await theirs.encrypt(Buffer.from('aabb', 'hex'));
  for (let i = 0; i < answer.data.length / 2; ++i) {
    const bytes = unhex(answer.data);
    bytes[i] ^= 1 << pick.below(8);
    const got = await ask('decrypt', { name: 'ours', peer: 'peer', type: 'msg', data: hex(bytes) });
    assert.match(got.error ?? '', /^signal\./, `byte ${i}`);
  }
  assert.equal((await askWell('decrypt', { name: 'ours', peer: 'peer', ...answer })).data, 'aabb');
  const second = await askWell('encrypt', { name: 'ours', peer: 'peer', data: 'ccdd' });
  const bytes = unhex(second.data);
  bytes[bytes.length - 1] ^= 1;
  await assert.rejects(theirs.decrypt({ type: 'msg', data: hex(bytes) }));
  assert.equal(hex(await theirs.decrypt(second)), 'ccdd');
});

// ---- sender keys --------------------------------------------------------------------------------

class TheirGroup {
  constructor() {
    this.name = new group.SenderKeyName('120363@g.us', { id: 'peer', deviceId: 1, toString: () => 'peer.1' });
    let stored = JSON.stringify([]);
    const store = {
      loadSenderKey: async () => group.SenderKeyRecord.deserialize(Buffer.from(stored)),
      storeSenderKey: async (_, record) => {
        stored = JSON.stringify(record.serialize(), BufferJSON.replacer);
      },
    };
    this.builder = new group.GroupSessionBuilder(store);
    this.cipher = new group.GroupCipher(store, this.name);
  }
  async distribution() {
    return hex((await this.builder.create(this.name)).serialize());
  }
  process(data) {
    const message = new group.SenderKeyDistributionMessage(null, null, null, null, unhex(data));
    return this.builder.process(this.name, message);
  }
  async encrypt(data) {
    return hex(await this.cipher.encrypt(data));
  }
  async decrypt(data) {
    return hex(await this.cipher.decrypt(unhex(data)));
  }
}

async function groupCase(seed, oursSends) {
  const pick = choices(seed);
  await askWell('seed', { value: seed });
  const theirs = new TheirGroup();
  const distribute = async () => {
    if (oursSends) await theirs.process((await askWell('group_distribution', { name: 'own' })).data);
    else await askWell('group_process', { name: 'member', data: await theirs.distribution() });
  };
  const receive = async (data) =>
    oursSends ? theirs.decrypt(data)
              : (await askWell('group_decrypt', { name: 'member', data })).data;
  await distribute();
  const sent = [];
  for (let i = 2 + pick.below(6); i > 0; --i) {
    const body = pick.bytes(1 + pick.below(60));
    const data = oursSends
      ? (await askWell('group_encrypt', { name: 'own', data: hex(body) })).data
      : await theirs.encrypt(body);
    sent.push({ body: hex(body), data });
  }
  pick.shuffle(sent);
  const lost = sent.splice(0, pick.below(2));
  for (const one of sent) assert.equal(await receive(one.data), one.body);
  await assert.rejects(receive(sent[0].data), 'decrypted twice');
  const changed = unhex(sent[0].data);
  changed[pick.below(changed.length)] ^= 1 << pick.below(8);
  await assert.rejects(receive(hex(changed)));
  for (const one of lost) assert.equal(await receive(one.data), one.body);
  if (oursSends && pick.flip()) {
    await askWell('group_reset', { name: 'own' });
    await distribute();
    const { data } = await askWell('group_encrypt', { name: 'own', data: '00ff' });
    assert.equal(await receive(data), '00ff');
  }
}

for (const oursSends of [true, false]) {
  test(`sender keys that ${oursSends ? 'we' : 'they'} send with`, async () => {
    for (let i = 0; i < cases; ++i) {
      const seed = firstSeed + i;
      await groupCase(seed, oursSends).catch((error) => {
        error.message = `seed ${seed}: ${error.message}`;
        throw error;
      });
    }
  });
}

// ---- curve --------------------------------------------------------------------------------------

test('signatures and agreements', async () => {
  const pick = choices(firstSeed);
  await askWell('seed', { value: firstSeed });
  for (let i = 0; i < cases; ++i) {
    const pair = libsignal.curve.generateKeyPair();
    const message = pick.bytes(pick.below(200) + 1);
    const ours = await askWell('sign', { private: hex(pair.privKey), message: hex(message) });
    assert.equal(ours.public, hex(pair.pubKey));
    assert.equal(libsignal.curve.verifySignature(pair.pubKey, message, unhex(ours.signature)), true);

    const theirs = Buffer.from(libsignal.curve.calculateSignature(pair.privKey, message));
    const verify = (signature) =>
      askWell('verify', { public: hex(pair.pubKey), message: hex(message), signature: hex(signature) });
    assert.equal((await verify(theirs)).ok, true);
    theirs[pick.below(64)] ^= 1 << pick.below(8);
    assert.equal((await verify(theirs)).ok, false);

    const other = libsignal.curve.generateKeyPair();
    const shared = await askWell('agree', { private: hex(pair.privKey), public: hex(other.pubKey) });
    assert.equal(shared.shared,
                 hex(libsignal.curve.calculateAgreement(pair.pubKey, other.privKey)));
  }
});
