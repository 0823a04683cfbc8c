/** Owns the named text formats of structural schemas; unknown names accept everything, as in Kubernetes. */
import { isIPv4, isIPv6 } from 'node:net';

const checks = new Map<string, (value: string) => boolean>([
  [
    'date-time',
    (value) => /^\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:?\d\d)$/.test(value) && !Number.isNaN(Date.parse(value)),
  ],
  ['date', (value) => /^\d{4}-\d\d-\d\d$/.test(value) && !Number.isNaN(Date.parse(value))],
  ['byte', (value) => /^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(value.replace(/[\r\n]/g, ''))],
  ['ipv4', isIPv4],
  ['ipv6', isIPv6],
  ['uuid', (value) => /^[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}$/i.test(value)],
]);

export function formatFits(format: string, value: string): boolean {
  return checks.get(format)?.(value) ?? true;
}
