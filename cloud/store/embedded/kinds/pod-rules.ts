/** Owns defaults and checks of pods and of the pod templates of workloads. */
import type { KubeObject, StatusCause } from '../../kube-api.ts';
import { copy, deepEqual, isRecord, listAt, own, textAt } from '../json-value.ts';
import type { JsonRecord } from '../json-value.ts';
import { forbiddenField, invalidValue, required } from '../status.ts';
import {
  PROTOCOLS,
  checkNotNegative,
  checkOneOf,
  checkPartName,
  checkPort,
  checkPortOrName,
  checkQuantities,
  quantityOf,
  duplicate,
  ensureRecord,
  fill,
  recordsAt,
  tidyQuantities,
} from './checks.ts';

const CONTAINERS = ['containers', 'initContainers', 'ephemeralContainers'] as const;
const PROBES = ['livenessProbe', 'readinessProbe', 'startupProbe'];
/** 0644, as JSON has no octal numbers. */
const FILE_MODE = 0o644;
const TOKEN_SECONDS = 3600;

/** A new pod has no status but its phase; its node reports the rest. */
export function preparePod(object: KubeObject, previous: KubeObject | undefined): void {
  const spec = ensureRecord(object, 'spec');
  preparePodSpec(spec);
  if (previous === undefined) for (const list of CONTAINERS) for (const container of recordsAt(spec, list)) requestLimits(container);
  if (previous === undefined) object['status'] = { phase: 'Pending', qosClass: qosClass(spec) };
  else ensureRecord(object, 'status')['phase'] ??= 'Pending';
}

/** What is limited and not requested is requested as far as its limit. */
function requestLimits(container: JsonRecord): void {
  const resources = own(container, 'resources');
  const limits = own(resources, 'limits');
  if (isRecord(resources) && isRecord(limits)) fill(ensureRecord(resources, 'requests'), limits);
}

/** Also for `spec.template.spec`. */
export function preparePodSpec(spec: JsonRecord): void {
  fill(spec, {
    restartPolicy: 'Always',
    dnsPolicy: 'ClusterFirst',
    terminationGracePeriodSeconds: 30,
    schedulerName: 'default-scheduler',
    enableServiceLinks: true,
    securityContext: {},
  });
  if (typeof spec['serviceAccountName'] === 'string') spec['serviceAccount'] ??= spec['serviceAccountName'];
  for (const list of CONTAINERS) {
    for (const container of recordsAt(spec, list)) {
      prepareContainer(container);
      if (spec['hostNetwork'] !== true) continue;
      for (const port of recordsAt(container, 'ports')) fill(port, { hostPort: port['containerPort'] });
    }
  }
  for (const volume of recordsAt(spec, 'volumes')) prepareVolume(volume);
}

function prepareContainer(container: JsonRecord): void {
  const image = textAt(container, 'image');
  const tag = /:([^:/@]+)$/.exec(image.split('@')[0] ?? '')?.[1];
  const moves = !image.includes('@') && (tag === undefined || tag === 'latest');
  fill(container, {
    imagePullPolicy: moves ? 'Always' : 'IfNotPresent',
    terminationMessagePath: '/dev/termination-log',
    terminationMessagePolicy: 'File',
    resources: {},
  });
  for (const part of ['limits', 'requests']) tidyQuantities(own(own(container, 'resources'), part));
  for (const port of recordsAt(container, 'ports')) fill(port, { protocol: 'TCP' });
  for (const variable of recordsAt(container, 'env')) {
    const reference = own(own(variable, 'valueFrom'), 'fieldRef');
    if (isRecord(reference)) fill(reference, { apiVersion: 'v1' });
  }
  for (const name of PROBES) {
    const probe = own(container, name);
    if (!isRecord(probe)) continue;
    fill(probe, { timeoutSeconds: 1, periodSeconds: 10, successThreshold: 1, failureThreshold: 3 });
    prepareHandler(probe);
    const grpc = own(probe, 'grpc');
    if (isRecord(grpc)) fill(grpc, { service: '' });
  }
  for (const hook of ['postStart', 'preStop']) prepareHandler(own(own(container, 'lifecycle'), hook));
}

function prepareHandler(handler: unknown): void {
  const http = own(handler, 'httpGet');
  if (isRecord(http)) fill(http, { path: '/', scheme: 'HTTP' });
}

function prepareVolume(volume: JsonRecord): void {
  if (Object.keys(volume).every((key) => key === 'name')) volume['emptyDir'] = {};
  for (const key of ['configMap', 'secret', 'projected', 'downwardAPI']) {
    const source = own(volume, key);
    if (!isRecord(source)) continue;
    fill(source, { defaultMode: FILE_MODE });
    for (const part of recordsAt(source, 'sources')) {
      const token = own(part, 'serviceAccountToken');
      if (isRecord(token)) fill(token, { expirationSeconds: TOKEN_SECONDS });
    }
  }
  const path = own(volume, 'hostPath');
  if (isRecord(path)) fill(path, { type: '' });
  const disk = own(volume, 'azureDisk');
  // kubectl describe takes these for granted.
  if (isRecord(disk)) fill(disk, { cachingMode: 'ReadWrite', fsType: 'ext4', readOnly: false, kind: 'Shared' });
}

/** Guaranteed: limits everywhere and nothing requested below them. */
function qosClass(spec: JsonRecord): string {
  const resources = recordsAt(spec, 'containers').map((container) => own(container, 'resources'));
  const amounts = (part: string): JsonRecord[] => resources.map((each) => own(each, part)).map((each) => (isRecord(each) ? each : {}));
  const limits = amounts('limits');
  const requests = amounts('requests');
  if ([...limits, ...requests].every((each) => Object.keys(each).length === 0)) return 'BestEffort';
  const guaranteed = limits.every((limit, index) => {
    const request = { ...limit, ...requests[index] };
    return ['cpu', 'memory'].every((name) => limit[name] !== undefined && limit[name] === request[name]);
  });
  return guaranteed ? 'Guaranteed' : 'Burstable';
}

export function checkPod(object: KubeObject, previous: KubeObject | undefined): StatusCause[] {
  const causes = checkPodSpec(own(object, 'spec'), 'spec');
  return causes.length > 0 || previous === undefined ? causes : checkPodUnchanged(object, previous);
}

const MAY_CHANGE =
  'pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,' +
  '`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` ' +
  '(allow it to be set to 1 if it was previously negative)';

/** What a pod is does not change while it lives. */
function checkPodUnchanged(object: KubeObject, previous: KubeObject): StatusCause[] {
  const fixed = (pod: KubeObject): unknown => {
    const spec = copy(own(pod, 'spec'));
    if (!isRecord(spec)) return spec;
    for (const list of ['containers', 'initContainers']) for (const container of recordsAt(spec, list)) delete container['image'];
    for (const list of ['containers', 'initContainers']) for (const container of recordsAt(spec, list)) delete container['imagePullPolicy'];
    for (const key of ['activeDeadlineSeconds', 'tolerations', 'schedulingGates', 'ephemeralContainers']) delete spec[key];
    return spec;
  };
  const kept = listAt(previous, 'spec', 'tolerations').every((old) =>
    listAt(object, 'spec', 'tolerations').some((toleration) => deepEqual(old, toleration)),
  );
  return kept && deepEqual(fixed(object), fixed(previous)) ? [] : [forbiddenField('spec', MAY_CHANGE)];
}

/** `at` is the path of the spec. */
export function checkPodSpec(spec: unknown, at: string): StatusCause[] {
  if (!isRecord(spec)) return [required(at)];
  const containers = recordsAt(spec, 'containers');
  if (containers.length === 0) return [required(`${at}.containers`)];
  const names = new Set<string>();
  const volumes = new Set<string>();
  const causes = recordsAt(spec, 'volumes').flatMap((volume, index) => checkPartName(volume, `${at}.volumes[${index}]`, volumes));
  for (const list of CONTAINERS) {
    for (const [index, container] of recordsAt(spec, list).entries()) {
      causes.push(...checkContainer(container, `${at}.${list}[${index}]`, { names, volumes }));
    }
  }
  causes.push(
    ...checkOneOf(spec['restartPolicy'], `${at}.restartPolicy`, ['Always', 'Never', 'OnFailure']),
    ...checkOneOf(spec['dnsPolicy'], `${at}.dnsPolicy`, ['ClusterFirst', 'ClusterFirstWithHostNet', 'Default', 'None']),
    ...checkNotNegative(spec['terminationGracePeriodSeconds'], `${at}.terminationGracePeriodSeconds`),
  );
  return causes;
}

interface Known {
  names: Set<string>;
  volumes: ReadonlySet<string>;
}

function checkContainer(container: JsonRecord, at: string, { names, volumes }: Known): StatusCause[] {
  const causes = checkPartName(container, at, names);
  const image = textAt(container, 'image');
  if (image === '') causes.push(required(`${at}.image`));
  else if (image.trim() !== image) causes.push(invalidValue(`${at}.image`, image, 'must not have leading or trailing whitespace'));
  causes.push(...checkOneOf(container['imagePullPolicy'], `${at}.imagePullPolicy`, ['Always', 'IfNotPresent', 'Never']));
  for (const [index, port] of recordsAt(container, 'ports').entries()) {
    const field = `${at}.ports[${index}]`;
    causes.push(...checkPort(port['containerPort'], `${field}.containerPort`, true));
    causes.push(
      ...checkPort(port['hostPort'], `${field}.hostPort`, false),
      ...checkOneOf(port['protocol'], `${field}.protocol`, PROTOCOLS),
    );
  }
  for (const [index, variable] of recordsAt(container, 'env').entries()) {
    if (textAt(variable, 'name') === '') causes.push(required(`${at}.env[${index}].name`));
  }
  const limits = own(own(container, 'resources'), 'limits');
  const requests = own(own(container, 'resources'), 'requests');
  // Requests that were filled in from the limits are told once.
  const given = isRecord(requests) ? Object.entries(requests).filter(([name, amount]) => amount !== own(limits, name)) : [];
  causes.push(...checkQuantities(limits, `${at}.resources.limits`));
  causes.push(...checkQuantities(Object.fromEntries(given), `${at}.resources.requests`));
  for (const [name, amount] of given) {
    if (quantityOf(amount) > quantityOf(own(limits, name) ?? Number.POSITIVE_INFINITY))
      causes.push(invalidValue(`${at}.resources.requests`, String(amount), `must be less than or equal to ${name} limit`));
  }
  for (const name of PROBES) causes.push(...checkProbe(own(container, name), `${at}.${name}`));
  return [...causes, ...checkMounts(container, at, volumes)];
}

function checkProbe(probe: unknown, at: string): StatusCause[] {
  if (!isRecord(probe)) return [];
  const handlers = ['exec', 'httpGet', 'tcpSocket', 'grpc'].filter((key) => isRecord(own(probe, key)));
  if (handlers.length === 0) return [required(at, 'must specify a handler type')];
  if (handlers.length > 1) return [forbiddenField(`${at}.${handlers[1] ?? ''}`, 'may not specify more than 1 handler type')];
  const [handler = ''] = handlers;
  return handler === 'exec' ? [] : checkPortOrName(own(own(probe, handler), 'port'), `${at}.${handler}.port`);
}

function checkMounts(container: JsonRecord, at: string, volumes: ReadonlySet<string>): StatusCause[] {
  const paths = new Set<string>();
  return recordsAt(container, 'volumeMounts').flatMap((mount, index) => {
    const field = `${at}.volumeMounts[${index}]`;
    const name = textAt(mount, 'name');
    const path = textAt(mount, 'mountPath');
    const causes: StatusCause[] = [];
    if (name === '') causes.push(required(`${field}.name`));
    else if (!volumes.has(name)) {
      causes.push({ reason: 'FieldValueNotFound', message: `Not found: ${JSON.stringify(name)}`, field: `${field}.name` });
    }
    if (path === '') causes.push(required(`${field}.mountPath`));
    else if (paths.has(path)) causes.push(duplicate(`${field}.mountPath`, path));
    paths.add(path);
    return causes;
  });
}
