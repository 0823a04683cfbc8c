/** Owns the checks of what boards say and what Devices name whose removal test/security must notice. */
import type { Mutation } from './mutation.ts';

const ROUTES = 'test/security/routes.test.ts';
const BOARD = 'test/security/board.test.ts';
const SECRETS = 'test/security/secret-references.test.ts';
const PLACES = 'test/security/device-paths.test.ts';

const TABLE = 'cloud/cloudhub/routes.ts';
const REFERENCES = 'edge/secret-references.ts';

/** What a board may touch. Each is seen twice: by the table's own test, and at a cloud. */
const boards: readonly Mutation[] = [
  {
    check: 'a board speaks for its own node',
    file: TABLE,
    from: "names.get('node') === node ? { message }",
    to: "names.get('node') !== '' ? { message }",
    tests: [ROUTES],
  },
  {
    check: 'a board speaks for its own node (at a cloud)',
    file: TABLE,
    from: "names.get('node') === node ? { message }",
    to: "names.get('node') !== '' ? { message }",
    tests: [BOARD],
  },
  {
    check: 'reports are of bound devices',
    file: TABLE,
    from: 'return owns.device(node, id) ? { message }',
    to: 'return id ? { message }',
    tests: [ROUTES],
  },
  { check: 'ages are of bound devices', file: TABLE, from: '.filter(([id]) => owns.device(node, id))', to: '', tests: [ROUTES] },
  {
    check: 'a pod is of the node',
    file: TABLE,
    from: 'return owns.podElsewhere(node, pod) ? ',
    to: "return node === '' ? ",
    tests: [ROUTES],
  },
  {
    check: 'each of many pods is of the node',
    file: TABLE,
    from: 'if (foreign !== undefined) return',
    to: "if (node === '') return",
    tests: [ROUTES],
  },
  {
    check: 'objects are used by the node',
    file: TABLE,
    from: 'if (owns.object(node, message.route.resource)) return',
    to: 'if (node) return',
    tests: [ROUTES],
  },
  {
    check: 'objects are used by the node (at a cloud)',
    file: TABLE,
    from: 'if (owns.object(node, message.route.resource)) return',
    to: 'if (node) return',
    tests: [BOARD],
  },
  { check: 'nobody speaks as the cloud', file: TABLE, from: 'cloudModules.has(speaker) || ', to: '', tests: [ROUTES] },
  {
    check: 'a name is one segment',
    file: TABLE,
    from: 'else if (SEGMENT.test(segment)) names',
    to: 'else if (segment) names',
    tests: [ROUTES],
  },
  {
    check: 'an upload is filed under its sender',
    file: 'cloud/compose.ts',
    from: 'uploadOf(link.node, message',
    to: "uploadOf(message.route.resource.split('/')[1] ?? '', message",
    tests: [BOARD],
  },
  {
    check: 'a link is named by its certificate',
    file: 'cloud/cloudhub/identity.ts',
    from: '!allowUnbound && request',
    to: 'allowUnbound && request',
    tests: [BOARD],
  },
  {
    check: 'refusals do not fill the log',
    file: 'cloud/cloudhub/drop-log.ts',
    from: 'known !== undefined && nowMs - known.loggedMs < QUIET_MS',
    to: 'known !== undefined && nowMs < 0',
    tests: [BOARD],
  },
  {
    check: 'a board has no discovery',
    file: 'cloud/store/embedded/access/user.ts',
    from: 'organisations.includes(NODES) ? [...organisations] : ',
    to: '',
    tests: [BOARD],
  },
  {
    check: 'uploads are for the admin',
    file: 'cloud/cloudhub/https-service.ts',
    from: 'return this.#mayRead(request)\n',
    to: 'return this.#mayRead(request) || true\n',
    tests: [BOARD],
  },
];

const authors: readonly Mutation[] = [
  {
    check: 'a named Secret goes down only when it is meant for devices',
    file: 'cloud/edgecontroller/downstream/downstream.ts',
    from: 'if (!this.#parts.location.namedOnly(node, key)) return true;',
    to: 'if (name.name) return true;',
    tests: ['test/security/named-secrets.test.ts'],
  },
  {
    check: 'a named Secret is of the namespace of its Device',
    file: 'cloud/devicecontroller/devicecontroller.ts',
    from: 'namespace === view.namespace',
    to: 'namespace !== view.key',
    tests: ['test/security/named-secrets.test.ts'],
  },
  {
    check: 'no .. in a reference',
    file: REFERENCES,
    from: " || written.split('/').includes('..') || steps.includes('..')",
    to: '',
    tests: [SECRETS],
  },
  { check: 'no link is followed', file: REFERENCES, from: 'const ASIDE = constants.O_NOFOLLOW | ', to: 'const ASIDE = ', tests: [SECRETS] },
  {
    check: 'a reference is a plain file',
    file: REFERENCES,
    from: 'if ((mode & constants.S_IFMT) !== constants.S_IFREG)',
    to: 'if (mode < 0)',
    tests: [SECRETS],
  },
  { check: 'nothing waits for a pipe', file: REFERENCES, from: ' | constants.O_NONBLOCK', to: '', tests: [SECRETS] },
  {
    check: 'a secret is not open to others',
    file: REFERENCES,
    from: 'if (isOpenToOthers && (mode & OTHERS_READ) !== 0)',
    to: 'if (mode < 0)',
    tests: [SECRETS],
  },
  {
    check: 'a secret is not written by others',
    file: REFERENCES,
    from: 'if ((mode & OTHERS_WRITE) !== 0)',
    to: 'if (mode < 0)',
    tests: [SECRETS],
  },
  {
    check: 'a Secret is meant for devices',
    file: REFERENCES,
    from: 'if (fieldsAt(object',
    to: 'if (key === undefined && fieldsAt(object',
    tests: [SECRETS],
  },
  {
    check: 'a Secret is of the own namespace',
    file: 'device-models/secret-reference.ts',
    from: 'secret.namespace !== namespace',
    to: 'secret.namespace === undefined',
    tests: [SECRETS],
  },
  {
    check: 'the binding looks at the namespace',
    file: 'mappers/host/binding.ts',
    from: "  checkSecretNamespaces(profile.protocolConfig, { namespace: profile.namespace, at: 'spec.protocol' });\n",
    to: '',
    tests: [SECRETS],
  },
  {
    check: 'a serial port is allowed',
    file: 'mappers/modbus/link.ts',
    from: 'if (!isAllowed(file, options.allowedSerialPorts))',
    to: "if (file === '')",
    tests: [PLACES],
  },
  {
    check: 'a serial port is written plainly',
    file: 'mappers/modbus/link.ts',
    from: ' || path.normalize(file) !== file',
    to: '',
    tests: [PLACES],
  },
  {
    check: 'a sensor lies below the root',
    file: 'mappers/iio/sysfs.ts',
    from: "if (inside === '' || inside.startsWith('..') || path.isAbsolute(inside))",
    to: 'if (path.isAbsolute(inside))',
    tests: [PLACES],
  },
];

export const boundaryMutations: readonly Mutation[] = [...boards, ...authors];
