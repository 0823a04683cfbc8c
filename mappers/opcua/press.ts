/** Owns the press to play with: what device-models/samples/opcua-press.yaml says, without the file. */
import type { DeviceProfile, PropertyProfile } from '#device-models/device-profile.ts';

type Said = Pick<PropertyProfile, 'name' | 'description' | 'type' | 'accessMode' | 'collectCycleMs'> &
  Partial<Pick<PropertyProfile, 'minimum' | 'maximum' | 'unit'>>;

function property(said: Said, config: Record<string, unknown>): PropertyProfile {
  return { ...said, visitor: { protocol: 'opcua', config }, reportCycleMs: 0, tolerance: 0 };
}

export const PRESS_URL = 'opc.tcp://127.0.0.1:4840';

export const PRESS: DeviceProfile = {
  uid: '',
  namespace: 'default',
  name: 'press',
  description: 'hydraulic-press',
  node: 'demo-board',
  model: 'opcua-press-model',
  protocol: 'opcua',
  protocolConfig: { url: PRESS_URL },
  properties: [
    property(
      {
        name: 'pressure',
        description: 'oil pressure',
        type: 'double',
        accessMode: 'ReadOnly',
        minimum: '0',
        maximum: '250',
        unit: 'bar',
        collectCycleMs: 500,
      },
      { nodeID: 'ns=2;s=Press.Pressure' },
    ),
    property(
      {
        name: 'speed',
        description: 'wanted strokes per minute',
        type: 'int',
        accessMode: 'ReadWrite',
        minimum: '0',
        maximum: '60',
        unit: 'strokes per minute',
        collectCycleMs: 500,
      },
      { nodeID: 'ns=2;s=Press.Speed' },
    ),
    property(
      { name: 'motor', description: 'whether the main motor is to run', type: 'boolean', accessMode: 'ReadWrite', collectCycleMs: 500 },
      { nodeID: 'ns=2;s=Press.Motor' },
    ),
    property(
      {
        name: 'strokes',
        description: 'strokes since the last service',
        type: 'int',
        accessMode: 'ReadOnly',
        minimum: '0',
        maximum: '100000',
        collectCycleMs: 1000,
      },
      { browseName: '2:Press/2:Strokes' },
    ),
  ],
};
