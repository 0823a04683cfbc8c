/** Owns how a profile meets its plugin: the link and the points of one device, and what of it cannot be used. Pure. */
import { isHiveletError, messageOf } from '#beehive/errors.ts';
import type { DeviceProfile, PropertyProfile } from '#device-models/device-profile.ts';
import { checkSecretNamespaces } from '#device-models/secret-reference.ts';
import type { MapperPlugin, Point } from '../contract.ts';
import { readScale } from './convert.ts';
import type { Decimal } from './decimal.ts';
import { samplingOf } from './report-policy.ts';

export interface BoundPoint {
  readonly property: PropertyProfile;
  readonly point: Point;
  readonly scale: Decimal;
  /** The property's, but not below what the plugin allows. */
  readonly collectCycleMs: number;
}

export interface Binding {
  readonly link: unknown;
  readonly points: ReadonlyMap<string, BoundPoint>;
  /** What of the profile cannot be used, by property or field: name -> why. */
  readonly faults: ReadonlyMap<string, string>;
}

/** Throws PROFILE_INVALID when the protocol block cannot be used; a bad visitor costs its property only. */
export function bindDevice(profile: DeviceProfile, plugin: MapperPlugin): Binding {
  checkSecretNamespaces(profile.protocolConfig, { namespace: profile.namespace, at: 'spec.protocol' });
  const link = plugin.link(profile.protocolConfig, 'spec.protocol');
  const points = new Map<string, BoundPoint>();
  const faults = new Map<string, string>();
  for (const property of profile.properties) {
    const { name, visitor } = property;
    if (visitor === undefined || visitor.protocol.toLowerCase() !== profile.protocol.toLowerCase()) continue;
    try {
      checkSecretNamespaces(visitor.config, { namespace: profile.namespace, at: `visitor of ${name}` });
      points.set(name, bindPoint(property, visitor.config, plugin));
    } catch (error) {
      if (!isHiveletError(error, 'PROFILE_INVALID')) throw error;
      faults.set(name, messageOf(error));
    }
  }
  if (profile.data !== undefined && !isTopic(profile.data.topic))
    faults.set('spec.data.dataTopic', `${JSON.stringify(profile.data.topic)} is no topic to publish on`);
  return { link, points, faults };
}

/** Wildcards are for subscribers. */
export function isTopic(topic: string): boolean {
  return topic !== '' && !/[+#\0]/.test(topic);
}

function bindPoint(property: PropertyProfile, config: Record<string, unknown>, plugin: MapperPlugin): BoundPoint {
  const { name, type, minimum } = property;
  const path = `visitor of ${name}`;
  const access = plugin.access(config, path, { name, type, ...(minimum === undefined ? {} : { minimum }) });
  const scale = readScale(config, path, plugin.defaultScale);
  const collectCycleMs = Math.max(property.collectCycleMs, plugin.minimumCycleMs ?? 0);
  const sampling = samplingOf(property, { everyMs: collectCycleMs, scale });
  return { property, point: { name, type, access, sampling }, scale, collectCycleMs };
}
