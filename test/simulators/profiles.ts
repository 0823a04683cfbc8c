/** Owns short forms of device profiles for tests. */
import type { DeviceProfile, PropertyProfile } from '#device-models/device-profile.ts';

export type PropertyOptions = Partial<Omit<PropertyProfile, 'visitor'>> & { config?: Record<string, unknown> };

/** A property with a visitor of `protocol`; by default a float read each second. */
export function property(protocol: string, name: string, { config = { key: name }, ...rest }: PropertyOptions = {}): PropertyProfile {
  return {
    name,
    type: 'float',
    accessMode: 'ReadWrite',
    collectCycleMs: 1000,
    reportCycleMs: 0,
    tolerance: 0,
    visitor: { protocol, config },
    ...rest,
  };
}

export function profile(
  name: string,
  {
    protocol,
    config,
    properties,
    data,
  }: { protocol: string; config: Record<string, unknown>; properties: PropertyProfile[]; data?: DeviceProfile['data'] },
): DeviceProfile {
  return {
    uid: `uid-${name}`,
    namespace: 'default',
    name,
    model: 'model',
    protocol,
    protocolConfig: config,
    properties,
    ...(data === undefined ? {} : { data }),
  };
}
