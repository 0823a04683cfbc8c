/** Owns defaults and checks of services and endpoints. No cluster IP is allocated: there is no proxy that would serve it. */
import { isIP } from 'node:net';
import type { KubeObject, StatusCause } from '../../kube-api.ts';
import { own, textAt } from '../json-value.ts';
import type { JsonRecord } from '../json-value.ts';
import { invalidValue, required } from '../status.ts';
import { PROTOCOLS, checkOneOf, checkPort, checkPortOrName, duplicate, ensureRecord, fill, recordsAt } from './checks.ts';

const TYPES = ['ClusterIP', 'ExternalName', 'LoadBalancer', 'NodePort'];

export function prepareService(object: KubeObject, previous: KubeObject | undefined): void {
  const spec = ensureRecord(object, 'spec');
  fill(spec, { type: 'ClusterIP', sessionAffinity: 'None' });
  if (spec['type'] !== 'ExternalName')
    fill(spec, { internalTrafficPolicy: 'Cluster', ipFamilies: ['IPv4'], ipFamilyPolicy: 'SingleStack' });
  if (spec['type'] === 'NodePort' || spec['type'] === 'LoadBalancer') fill(spec, { externalTrafficPolicy: 'Cluster' });
  if (textAt(spec, 'clusterIP') !== '') fill(spec, { clusterIPs: [spec['clusterIP']] });
  for (const port of recordsAt(spec, 'ports')) {
    fill(port, { protocol: 'TCP' });
    if (port['targetPort'] === undefined || port['targetPort'] === 0 || port['targetPort'] === '') port['targetPort'] = port['port'];
  }
  if (previous === undefined) object['status'] = { loadBalancer: {} };
}

export function checkService(object: KubeObject, previous: KubeObject | undefined): StatusCause[] {
  const spec = own(object, 'spec');
  const type = textAt(spec, 'type');
  const ports = recordsAt(spec, 'ports');
  const causes = [
    ...checkOneOf(type, 'spec.type', TYPES),
    ...checkOneOf(own(spec, 'sessionAffinity'), 'spec.sessionAffinity', ['ClientIP', 'None']),
  ];
  if (type === 'ExternalName' && textAt(spec, 'externalName') === '') causes.push(required('spec.externalName'));
  if (ports.length === 0 && type !== 'ExternalName' && textAt(spec, 'clusterIP') !== 'None') causes.push(required('spec.ports'));
  const names = new Set<string>();
  const numbers = new Set<string>();
  for (const [index, port] of ports.entries()) {
    const at = `spec.ports[${index}]`;
    const name = textAt(port, 'name');
    if (name === '' && ports.length > 1) causes.push(required(`${at}.name`));
    if (name !== '' && names.has(name)) causes.push(duplicate(`${at}.name`, name));
    names.add(name);
    causes.push(...checkPort(port['port'], `${at}.port`, true), ...checkOneOf(port['protocol'], `${at}.protocol`, PROTOCOLS));
    if (port['targetPort'] !== undefined) causes.push(...checkPortOrName(port['targetPort'], `${at}.targetPort`));
    const number = `${String(port['port'])}/${String(port['protocol'])}`;
    if (numbers.has(number)) causes.push(duplicate(at, number));
    numbers.add(number);
  }
  const address = textAt(spec, 'clusterIP');
  if (address !== '' && address !== 'None' && isIP(address) === 0) {
    causes.push(invalidValue('spec.clusterIPs[0]', address, "must be empty, 'None', or a valid IP address"));
  }
  const before = textAt(previous, 'spec', 'clusterIP');
  if (before !== '' && before !== textAt(spec, 'clusterIP') && type !== 'ExternalName') {
    causes.push(invalidValue('spec.clusterIPs[0]', textAt(spec, 'clusterIP'), 'may not change once set'));
  }
  return causes;
}

export function prepareEndpoints(object: KubeObject): void {
  for (const subset of recordsAt(object, 'subsets')) for (const port of recordsAt(subset, 'ports')) fill(port, { protocol: 'TCP' });
}

function checkAddresses(addresses: readonly JsonRecord[], at: string): StatusCause[] {
  return addresses.flatMap((address, index) => {
    const ip = textAt(address, 'ip');
    const why = isIP(ip) === 0 ? NO_ADDRESS : SPECIAL.find(([pattern]) => pattern.test(ip))?.[1];
    return why === undefined ? [] : [invalidValue(`${at}[${index}].ip`, ip, why)];
  });
}

const NO_ADDRESS = 'must be a valid IP address, (e.g. 10.9.8.7)';
/** Addresses that lead nowhere. A real server refuses those of its own machine too, where alone here a webhook's service may be. */
const SPECIAL: readonly (readonly [RegExp, string])[] = [
  [/^(0\.0\.0\.0|::)$/, 'may not be unspecified (0.0.0.0 or ::)'],
  [/^169\.254\.|^fe[89ab]/i, 'may not be in the link-local range (169.254.0.0/16, fe80::/10)'],
  [/^224\.0\.0\.|^ff02:/i, 'may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)'],
];

export function checkEndpoints(object: KubeObject): StatusCause[] {
  return recordsAt(object, 'subsets').flatMap((subset, index) => {
    const at = `subsets[${index}]`;
    const addresses = [...recordsAt(subset, 'addresses'), ...recordsAt(subset, 'notReadyAddresses')];
    return [
      ...(addresses.length === 0 ? [required(at, 'must specify `addresses` or `notReadyAddresses`')] : []),
      ...checkAddresses(recordsAt(subset, 'addresses'), `${at}.addresses`),
      ...checkAddresses(recordsAt(subset, 'notReadyAddresses'), `${at}.notReadyAddresses`),
      ...recordsAt(subset, 'ports').flatMap((port, number) => checkPort(port['port'], `${at}.ports[${number}].port`, true)),
    ];
  });
}
