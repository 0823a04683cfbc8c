/** Owns what a user of the API does with the devices of a plant: creates them, sets desired values, looks at what is reported. */
import { deviceModels, devices, type KubeObject } from '#cloud/store/kube-api.ts';
import type { KubeClient } from '#cloud/store/kubeconfig/client.ts';
import type { Plant, PlantDevice } from '#test/simulators/plants/plant.ts';
import { until } from '../until.ts';

interface Twin {
  propertyName: string;
  desired?: { value?: string };
  reported?: { value?: string };
}

export async function createObjects(api: KubeClient, plant: Plant): Promise<void> {
  await api.create(deviceModels, plant.model);
  for (const object of plant.objects) await api.create(devices, object);
}

export function twinOf(object: KubeObject, property: string): Twin | undefined {
  return twinsOf(object).find(({ propertyName }) => propertyName === property);
}

export function stateOf(object: KubeObject): string | undefined {
  return (object['status'] as { state?: string } | undefined)?.state;
}

function twinsOf(object: KubeObject): Twin[] {
  return (object['status'] as { twins?: Twin[] } | undefined)?.twins ?? [];
}

const named = ({ name }: PlantDevice): { namespace: string; name: string } => ({ namespace: 'default', name });

/** One attempt. */
export async function setDesired(api: KubeClient, device: PlantDevice, text: string): Promise<void> {
  const index = twinsOf(await api.get(devices, named(device))).findIndex(({ propertyName }) => propertyName === device.property);
  const path = `/status/twins/${index}`;
  const desired = { value: text, metadata: {} };
  await api.patch(devices, named(device), {
    type: 'json',
    operations:
      index < 0
        ? [{ op: 'add', path: '/status/twins', value: [{ propertyName: device.property, desired }] }]
        : [
            { op: 'test', path: `${path}/propertyName`, value: device.property },
            { op: 'add', path: `${path}/desired`, value: desired },
          ],
  });
}

/** Until the API shows a report of each. */
export async function firstReports(api: KubeClient, plant: Plant, deadlineMs: number): Promise<void> {
  for (const device of plant.devices) {
    const reported = async (): Promise<boolean> => twinOf(await api.get(devices, named(device)), device.property)?.reported !== undefined;
    await until(reported, { what: `the first report of ${device.name}`, deadlineMs, everyMs: 200 });
  }
}

export function readDevice(api: KubeClient, device: PlantDevice): Promise<KubeObject> {
  return api.get(devices, named(device));
}
