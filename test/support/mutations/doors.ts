/** Owns the checks at the doors of cloud and broker whose removal test/security must notice. */
import type { Mutation } from './mutation.ts';

const OUTSIDER = 'test/security/outsider.test.ts';
const DEVICE = 'test/security/device.test.ts';

const outsiders: readonly Mutation[] = [
  {
    check: 'the hub wants a certificate',
    file: 'cloud/cloudhub/cloudhub.ts',
    from: 'rejectUnauthorized: true',
    to: 'rejectUnauthorized: false',
    tests: [OUTSIDER],
  },
  {
    check: 'TLS 1.3 on the API',
    file: 'cloud/store/embedded/listener.ts',
    from: "minVersion: 'TLSv1.3'",
    to: "minVersion: 'TLSv1.2'",
    tests: [OUTSIDER],
  },
  {
    check: 'a token ends',
    file: 'cloud/enrolment/token-store.ts',
    from: 'return this.#clock.now() >= expiresMs;',
    to: 'return this.#clock.now() < 0 && expiresMs > 0;',
    tests: [OUTSIDER],
  },
  {
    check: 'a token is compared',
    file: 'cloud/enrolment/token-store.ts',
    from: ' || !isSame(record.hash, hashOf(bearer))',
    to: '',
    tests: [OUTSIDER],
  },
  {
    check: 'a token is used up',
    file: 'cloud/enrolment/token-store.ts',
    from: 'used.length >= uses',
    to: 'used.length < 0 && uses',
    tests: [OUTSIDER],
  },
  {
    check: 'handshakes end',
    file: 'cloud/cloudhub/cloudhub.ts',
    from: 'handshakeTimeout: HANDSHAKE_MS',
    to: 'handshakeTimeout: 600_000',
    tests: [OUTSIDER],
  },
  {
    check: 'slow requests end',
    file: 'cloud/cloudhub/https-service.ts',
    from: 'connectionsCheckingInterval: LOOK_MS',
    to: 'connectionsCheckingInterval: 600_000',
    tests: [OUTSIDER],
  },
];

const devices: readonly Mutation[] = [
  {
    check: 'publishing needs a right',
    file: 'edge/broker/guard.ts',
    from: 'if (this.#rights(client).mayPublish(topic)) return true;',
    to: 'if (client) return true;',
    tests: [DEVICE],
  },
  {
    check: 'subscribing needs a right',
    file: 'edge/broker/guard.ts',
    from: 'if (!this.#rights(client).maySubscribe(filter)) return',
    to: "if (filter === '') return",
    tests: [DEVICE],
  },
  {
    check: 'wills need a right when the client dies',
    file: 'edge/broker/guard.ts',
    from: 'if (this.#gatekeeper.rightsNow(clientId).mayPublish(topic)) return undefined;',
    to: 'if (clientId) return undefined;',
    tests: [DEVICE],
  },
  {
    check: 'a session is read with the rules of now',
    file: 'edge/broker/guard.ts',
    from: 'return this.#rights(client).mayRead(topic);',
    to: 'return this.#rights(client) !== undefined && topic !== undefined;',
    tests: [DEVICE],
  },
  {
    check: 'wildcards are judged by all that they match',
    file: 'edge/broker/rights.ts',
    from: "if (wanted === undefined || wanted === '#') return false;",
    to: 'if (wanted === undefined) return false;',
    tests: [DEVICE, 'test/unit/edge/broker/rights.test.ts'],
  },
  {
    check: 'answers are the edge alone to give',
    file: 'edge/broker/rights.ts',
    from: 'publish: [...requests, ...uploads], subscribe',
    to: 'publish: [`$hw/events/device/${id}/#`, ...uploads], subscribe',
    tests: [DEVICE],
  },
  {
    check: 'a password is checked',
    file: 'edge/broker/gatekeeper.ts',
    from: "if (!(await this.#check.right(attempt))) throw new Refusal(WRONG_PASSWORD, 'the password is wrong');",
    to: 'void attempt;',
    tests: [DEVICE],
  },
  {
    check: 'client ids belong to their account',
    file: 'edge/broker/gatekeeper.ts',
    from: '${account.name}${SEPARATOR}${id',
    to: '${id',
    tests: [DEVICE],
  },
  {
    check: 'an account has so many connections',
    file: 'edge/broker/gatekeeper.ts',
    from: '!clients.has(clientId) && clients.size >= most',
    to: 'clients.size < 0',
    tests: [DEVICE],
  },
  {
    check: 'who floods is closed',
    file: 'edge/broker/guard.ts',
    from: 'pace?.take() !== false',
    to: 'pace?.take() !== undefined',
    tests: [DEVICE],
  },
];

export const doorMutations: readonly Mutation[] = [...outsiders, ...devices];
