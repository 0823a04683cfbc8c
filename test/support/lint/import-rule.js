/**
 * Owns the import rule of the house: a folder imports from itself and from the three leaves (#beehive, #wire, #device-models); only the
 * programs' main.ts, bin/ and test/ know several rooms.
 */
import path from 'node:path';

/** What an alias of package.json stands for. */
const ALIASES = {
  '#beehive/': 'edge/beehive/',
  '#wire/': 'edge/wire/',
  '#device-models/': 'device-models/',
  '#edge/': 'edge/',
  '#mappers/': 'mappers/',
  '#cloud/': 'cloud/',
  '#test/': 'test/',
};

const LEAVES = { 'edge/beehive': '#beehive', 'edge/wire': '#wire', 'device-models': '#device-models' };
const HOUSES = new Set(['edge', 'mappers', 'cloud', 'boards', 'conf', 'device-models']);
/** The programs, and the register from which a mapper plugin is loaded on first use. */
const MAINS = new Set([
  'edge/main.ts',
  'edge/edgecore.ts',
  'edge/compose.ts',
  'edge/mqtt-sides.ts',
  'edge/service-modules.ts',
  'cloud/main.ts',
  'cloud/cloudcore.ts',
  'cloud/compose.ts',
  'cloud/joining.ts',
  'cloud/kube-access.ts',
  'mappers/index.ts',
  'mappers/main.ts',
  'mappers/mappers.ts',
]);

/** The port to the Kubernetes API, and the client that serves it, are what the rooms of the cloud meet on. */
const CLOUD_PORT = /^cloud\/store\/(?:kube-api|(?:.+\/)?(?:[a-z-]*client|reflector|event-recorder))\.ts$/;

/**
 * The room a file belongs to: `edge/store` for `edge/store/x/y.ts`, `edge` for `edge/config.ts`; undefined where the rule does not reach.
 * @param {string} file relative to the repository, with forward slashes
 */
export function roomOf(file) {
  const parts = file.split('/');
  const house = parts[0] ?? '';
  if (!HOUSES.has(house) || MAINS.has(file)) return undefined;
  if (house !== 'edge' && house !== 'mappers' && house !== 'cloud') return house;
  return parts.length > 2 ? `${house}/${parts[1]}` : house;
}

/**
 * Why `file` may not import `specifier`, or undefined when it may.
 * @param {{ file: string, specifier: string, typeOnly: boolean }} edge
 */
export function importFault({ file, specifier, typeOnly }) {
  const from = roomOf(file);
  const target = targetOf(file, specifier);
  if (from === undefined || target === undefined) return undefined;
  const to = MAINS.has(target) ? target : (roomOf(target) ?? target);
  if (to === from) return undefined;
  const leaf = LEAVES[to];
  if (leaf !== undefined) return specifier.startsWith('.') ? `import ${to} as ${leaf}/…` : undefined;
  if (from.startsWith('mappers') && target === 'mappers/contract.ts') return undefined;
  // The example is what a stranger writes.
  if (file.startsWith('mappers/contract-test/example/') && target === 'mappers/kit.ts') return undefined;
  if (from.startsWith('cloud/') && CLOUD_PORT.test(target)) return undefined;
  if (from.startsWith('edge/') && to === 'edge/store') {
    return typeOnly ? undefined : 'edge/store is imported by type only; main.ts hands its ports over';
  }
  return `${from} may not import from ${to}: meet on the bus or on a port that main.ts hands over`;
}

/** The imported file relative to the repository; undefined for a package. */
function targetOf(file, specifier) {
  if (specifier.startsWith('.')) return path.posix.normalize(path.posix.join(path.posix.dirname(file), specifier));
  const alias = Object.keys(ALIASES).find((each) => specifier.startsWith(each));
  return alias === undefined ? undefined : ALIASES[alias] + specifier.slice(alias.length);
}

/** The rule as ESLint runs it. Its one option is the root of the repository (default: the working directory). */
export const importRule = {
  meta: { type: 'problem', schema: [{ type: 'string' }], messages: { fault: '{{fault}}' } },
  create(context) {
    const root = context.options[0] ?? context.cwd;
    const file = path.relative(root, context.filename).split(path.sep).join('/');
    const check = (source, typeOnly) => {
      if (typeof source?.value !== 'string') return;
      const fault = importFault({ file, specifier: source.value, typeOnly });
      if (fault !== undefined) context.report({ node: source, messageId: 'fault', data: { fault } });
    };
    return {
      ImportDeclaration: (node) => check(node.source, node.importKind === 'type' || allTypes(node.specifiers, 'importKind')),
      ExportNamedDeclaration: (node) => check(node.source, node.exportKind === 'type' || allTypes(node.specifiers, 'exportKind')),
      ExportAllDeclaration: (node) => check(node.source, node.exportKind === 'type'),
      ImportExpression: (node) => check(node.source, false),
      TSImportType: (node) => check(node.source ?? node.argument?.literal, true),
    };
  },
};

/** `import { type A, type B }` is by type only as well. */
function allTypes(specifiers, key) {
  return specifiers.length > 0 && specifiers.every((specifier) => specifier[key] === 'type');
}
