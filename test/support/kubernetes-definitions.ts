/** Owns how cloud/store/embedded/definitions is made: the types of the package kubernetes-types as rows of text. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import ts from 'typescript';

const source = path.join(import.meta.dirname, '../../node_modules/kubernetes-types');

/** What the embedded API server serves or answers with; all types inside come along. */
const roots: Record<string, string[]> = {
  core: ['Binding', 'ConfigMap', 'Endpoints', 'Event', 'Namespace', 'Node', 'Pod', 'Secret', 'Service', 'ServiceAccount'],
  apps: ['ControllerRevision', 'DaemonSet', 'Deployment', 'ReplicaSet'],
  admissionregistration: ['ValidatingWebhookConfiguration'],
  authentication: ['SelfSubjectReview', 'TokenRequest'],
  authorization: ['LocalSubjectAccessReview', 'SelfSubjectAccessReview', 'SelfSubjectRulesReview', 'SubjectAccessReview'],
  autoscaling: ['Scale'],
  coordination: ['Lease'],
  discovery: ['EndpointSlice'],
  meta: ['DeleteOptions'],
  networking: ['NetworkPolicy'],
  policy: ['Eviction', 'PodDisruptionBudget'],
  rbac: ['ClusterRole', 'ClusterRoleBinding', 'Role', 'RoleBinding'],
};

/** TypeScript has one word for what OpenAPI tells apart. */
const exact = new Map([
  ['core/Secret.data', '{bytes}'],
  ['core/ConfigMap.binaryData', '{bytes}'],
  ['admissionregistration/WebhookClientConfig.caBundle', 'bytes'],
  ['meta/ManagedFieldsEntry.fieldsV1', 'free'],
]);

/** How lists and maps merge, as the API reference marks them: keys of a list, `set`, or (a map, a whole type) `atomic`. */
const merging = new Map([
  ...['ports', 'env', 'volumeMounts', 'volumeDevices'].flatMap((field): [string, string][] => {
    const keys = { ports: 'containerPort,protocol', env: 'name', volumeMounts: 'mountPath', volumeDevices: 'devicePath' }[field] ?? '';
    return [
      [`core/Container.${field}`, keys],
      [`core/EphemeralContainer.${field}`, keys],
    ];
  }),
  ...['volumes', 'initContainers', 'containers', 'ephemeralContainers', 'imagePullSecrets', 'schedulingGates', 'resourceClaims'].map(
    (field): [string, string] => [`core/PodSpec.${field}`, 'name'],
  ),
  ...['core/Namespace', 'core/Node', 'core/Pod', 'core/Service', 'apps/DaemonSet', 'apps/Deployment', 'apps/ReplicaSet'].map(
    (type): [string, string] => [`${type}Status.conditions`, 'type'],
  ),
  ['policy/PodDisruptionBudgetStatus.conditions', 'type'],
  ['core/PodSpec.hostAliases', 'ip'],
  ['core/PodSpec.topologySpreadConstraints', 'topologyKey,whenUnsatisfiable'],
  ['core/PodSpec.nodeSelector', 'atomic'],
  ['core/PodStatus.podIPs', 'ip'],
  ['core/PodStatus.resourceClaimStatuses', 'name'],
  ['core/NodeSpec.podCIDRs', 'set'],
  ['core/NodeStatus.addresses', 'type'],
  ['core/ResourceRequirements.claims', 'name'],
  ['core/ServiceAccount.secrets', 'name'],
  ['core/ServiceSpec.ports', 'port,protocol'],
  ['core/ServiceSpec.selector', 'atomic'],
  ['discovery/Endpoint.addresses', 'set'],
  ['admissionregistration/ValidatingWebhookConfiguration.webhooks', 'name'],
  ['admissionregistration/ValidatingWebhook.matchConditions', 'name'],
  ['meta/ObjectMeta.ownerReferences', 'uid'],
  ['meta/ObjectMeta.finalizers', 'set'],
  ...[
    'ConfigMapKeySelector',
    'EndpointAddress',
    'EndpointPort',
    'LocalObjectReference',
    'NodeSelector',
    'NodeSelectorTerm',
    'ObjectFieldSelector',
    'ObjectReference',
    'ResourceFieldSelector',
    'SecretKeySelector',
    'SecretReference',
    'TypedLocalObjectReference',
  ].map((type): [string, string] => [`core/${type}`, 'atomic']),
  ['discovery/EndpointPort', 'atomic'],
  ['meta/LabelSelector', 'atomic'],
  ['meta/OwnerReference', 'atomic'],
  ['networking/IPBlock', 'atomic'],
  ['rbac/RoleRef', 'atomic'],
  ['rbac/Subject', 'atomic'],
]);

/** What the API got after 1.30 and up to 1.32, which is what we say that we are; and what the package lost. */
const newer = new Map<string, Record<string, [type: string, description: string]>>([
  ['core/PodSpec', { resources: ['ResourceRequirements', 'Resources of the pod as a whole.'] }],
  [
    'core/PodSecurityContext',
    {
      supplementalGroupsPolicy: ['text', 'How the supplemental groups of the first process are made: Merge or Strict.'],
      seLinuxChangePolicy: ['text', 'How volumes get their SELinux label: Recursive or MountOption.'],
    },
  ],
  ['core/Volume', { image: ['ImageVolumeSource', 'An OCI image or artifact, mounted read-only.'] }],
  [
    'core/ImageVolumeSource',
    { reference: ['text', 'Name of the image or artifact.'], pullPolicy: ['text', 'When it is pulled: Always, Never or IfNotPresent.'] },
  ],
  ['core/ResourceClaim', { request: ['text', 'The request of the claim that is meant; empty = all of them.'] }],
  [
    'core/PodResourceClaim',
    {
      resourceClaimName: ['text', 'Name of a ResourceClaim in the namespace of the pod.'],
      resourceClaimTemplateName: ['text', 'Name of a ResourceClaimTemplate in the namespace of the pod.'],
    },
  ],
  [
    'core/ContainerStatus',
    { user: ['free', 'Who runs the first process.'], allocatedResourcesStatus: ['[free]', 'Health of the allocated resources.'] },
  ],
  // Two comments of the package end too early and hide these.
  [
    'authorization/ResourceRule',
    { resources: ['[text]', 'Resources that the rule is about, * for all.'], verbs: ['[text]', 'Verbs that are allowed, * for all.'] },
  ],
  [
    'admissionregistration/RuleWithOperations',
    {
      resources: ['[text]', 'Resources and subresources such as pods/status; * for all resources, */* for all subresources too.'],
      scope: ['text', 'Cluster, Namespaced, or * for both, which is the default.'],
    },
  ],
  ['core/NodeStatus', { features: ['free', 'What the container runtime offers.'] }],
  ['core/NodeRuntimeHandlerFeatures', { userNamespaces: ['bool', 'The runtime handler offers user namespaces.'] }],
  ['core/NodeSystemInfo', { swap: ['free', 'Swap of the node.'] }],
  ['coordination/LeaseSpec', { strategy: ['text', 'How the holder is chosen.'], preferredHolder: ['text', 'Who should hold it.'] }],
  [
    'authorization/ResourceAttributes',
    { fieldSelector: ['free', 'Limits the question to these objects.'], labelSelector: ['free', 'Limits the question to these objects.'] },
  ],
]);

const plain = new Map([
  ['string', 'text'],
  ['number', 'int'],
  ['boolean', 'bool'],
  ['Time', 'time'],
  ['MicroTime', 'micro'],
  ['Quantity', 'quantity'],
  ['IntOrString', 'intstr'],
  ['RawExtension', 'free'],
]);

interface TypeRow {
  name: string;
  row: string;
  descriptions: string;
}

/** The two texts, a line for each type. */
function definitionTexts(): { types: string; descriptions: string } {
  const found = new Map<string, TypeRow>();
  const wanted = Object.entries(roots).flatMap(([group, names]) => names.map((name) => `${group}/${name}`));
  for (let next = wanted.shift(); next !== undefined; next = wanted.shift()) {
    if (found.has(next)) continue;
    const { row, uses } = describe(next);
    found.set(next, row);
    wanted.push(...uses);
  }
  const rows = [...found.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  return { types: rows.map(({ row }) => row).join('\n'), descriptions: rows.map(({ descriptions }) => descriptions).join('\n') };
}

function describe(name: string): { row: TypeRow; uses: string[] } {
  const [group = '', type = ''] = name.split('/');
  const { declared, imports, file } = readGroup(group);
  const uses: string[] = [];
  const nameOf = (reference: string): string => {
    const known = plain.get(reference);
    if (known !== undefined) return known;
    const home = imports.get(reference) ?? group;
    uses.push(`${home}/${reference}`);
    return home === group ? reference : `${home}/${reference}`;
  };
  const fields: string[] = [];
  const texts = [`${name}: ${describedBy(declared.get(type), file)}`];
  for (const member of declared.get(type)?.members ?? []) {
    if (!ts.isPropertySignature(member) || member.type === undefined) continue;
    const field = member.name.getText(file).replace(/"/g, '');
    const shape = exact.get(`${name}.${field}`) ?? shapeOf(member.type, { file, nameOf });
    fields.push(`${field}${member.questionToken === undefined ? '!' : ''}=${shape}${mark(`${name}.${field}`)}`);
    texts.push(`${field}: ${describedBy(member, file)}`);
  }
  for (const [field, [shape, text]] of Object.entries(newer.get(name) ?? {})) {
    if (fields.some((known) => known.startsWith(`${field}=`) || known.startsWith(`${field}!=`))) continue;
    fields.push(`${field}=${shape}`);
    texts.push(`${field}: ${text}`);
    if (newer.has(`${group}/${shape}`)) uses.push(`${group}/${shape}`);
  }
  return { row: { name, row: `${name}${mark(name)}: ${fields.join(' ')}`, descriptions: texts.join(' | ') }, uses };
}

function mark(place: string): string {
  const how = merging.get(place);
  return how === undefined ? '' : `~${how}`;
}

interface Names {
  file: ts.SourceFile;
  nameOf: (reference: string) => string;
}

function shapeOf(type: ts.TypeNode, { file, nameOf }: Names): string {
  if (ts.isLiteralTypeNode(type)) return 'text';
  if (ts.isUnionTypeNode(type)) return 'intstr';
  if (ts.isTypeLiteralNode(type)) {
    const [index] = type.members;
    if (index === undefined || !ts.isIndexSignatureDeclaration(index)) return 'free';
    return `{${shapeOf(index.type, { file, nameOf })}}`;
  }
  if (ts.isTypeReferenceNode(type)) {
    const reference = type.typeName.getText(file);
    const [argument] = type.typeArguments ?? [];
    return reference === 'Array' && argument !== undefined ? `[${shapeOf(argument, { file, nameOf })}]` : nameOf(reference);
  }
  if (ts.isArrayTypeNode(type)) return `[${shapeOf(type.elementType, { file, nameOf })}]`;
  return nameOf(type.getText(file));
}

/** The first sentences, as many as stay short. */
function describedBy(node: ts.Node | undefined, file: ts.SourceFile): string {
  if (node === undefined) return '';
  const [comment] = ts.getJSDocCommentsAndTags(node);
  const text = comment?.getText(file) ?? '';
  const paragraph = text
    .replace(/^\/\*\*|\*\/$/g, '')
    .split('\n')
    .map((line) => line.replace(/^\s*\* ?/, '').trim())
    .join('\n')
    .trim()
    .split('\n\n')[0];
  const words = (paragraph ?? '')
    .replace(/\s+/g, ' ')
    .replace(/`/g, "'")
    .replace(/ \| /g, ' or ')
    .replace(/\\/g, '')
    .replace(/\$\{/g, '$ {');
  const sentences = words.split(/(?<=\.) (?=[A-Z"'])/);
  let kept = sentences[0] ?? '';
  for (const sentence of sentences.slice(1)) {
    if (kept.length + sentence.length > 220) break;
    kept += ` ${sentence}`;
  }
  return kept;
}

interface GroupFile {
  file: ts.SourceFile;
  declared: Map<string, ts.InterfaceDeclaration>;
  /** Group of each imported name. */
  imports: Map<string, string>;
}

const groups = new Map<string, GroupFile>();

function readGroup(group: string): GroupFile {
  const known = groups.get(group);
  if (known !== undefined) return known;
  const name = path.join(source, group, 'v1.d.ts');
  const file = ts.createSourceFile(name, readFileSync(name, 'utf8'), ts.ScriptTarget.Latest, true);
  const made: GroupFile = { file, declared: new Map(), imports: new Map() };
  for (const statement of file.statements) {
    if (ts.isInterfaceDeclaration(statement)) made.declared.set(statement.name.text, statement);
    if (!ts.isImportDeclaration(statement) || !ts.isStringLiteral(statement.moduleSpecifier)) continue;
    const from = /\.\.\/(\w+)\/v1$/.exec(statement.moduleSpecifier.text)?.[1];
    const bindings = statement.importClause?.namedBindings;
    if (from === undefined || bindings === undefined || !ts.isNamedImports(bindings)) continue;
    for (const element of bindings.elements) made.imports.set(element.name.text, from);
  }
  groups.set(group, made);
  return made;
}

const digest = (text: string): string => createHash('sha256').update(text).digest('hex').slice(0, 16);

/** The files of cloud/store/embedded/definitions that are made, by name. */
export function definitionFiles(): Map<string, string> {
  const { types, descriptions } = definitionTexts();
  const origin =
    'Made from kubernetes-types 1.30.0 (Apache-2.0) by `UPDATE=1 node --import tsx test/unit/cloud/store/definitions.test.ts`.';
  return new Map([
    [
      'type-rows.ts',
      `/** Owns the types of the built-in kinds, a row each; the form is told in definitions.ts. ${origin} */\n\n` +
        `/** Changes with the descriptions. */\nexport const descriptionsDigest = '${digest(descriptions)}';\n\n` +
        `export const typeRows = \`\n${types}\n\`;\n`,
    ],
    [
      'descriptions.ts',
      `/** Owns what \`kubectl explain\` says, a row for each type: the type, then its fields. ${origin} */\n\n` +
        `export const descriptionRows = \`\n${descriptions}\n\`;\n`,
    ],
  ]);
}
