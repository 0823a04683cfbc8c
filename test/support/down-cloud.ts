/** Owns clouds of tests about objects on their way down: started and ended around a test, what they recorded, what a node was told. */
import { objectSyncs, type KubeObject } from '#cloud/store/kube-api.ts';
import type { BeehiveMessage } from '#wire/message.ts';
import { startTestCloud, type TestCloud } from './cloud.ts';
import { said } from './down-objects.ts';
import type { FakeEdge } from './fake-edge.ts';

export async function withCloud(
  run: (cloud: TestCloud) => Promise<void>,
  options: Parameters<typeof startTestCloud>[0] = {},
): Promise<void> {
  const cloud = await startTestCloud(options);
  try {
    await run(cloud);
  } finally {
    await cloud.close();
  }
}

export const syncsOf = async (cloud: TestCloud, node: string): Promise<KubeObject[]> =>
  (await cloud.api.list(objectSyncs)).items.filter(({ metadata }) => metadata.name.startsWith(`${node}.`));

/** Name of the object -> version that the node acknowledged. */
export async function recorded(cloud: TestCloud, node: string): Promise<Map<string, string>> {
  const items = (await syncsOf(cloud, node)).map(({ spec, status }) => {
    const { objectKind, objectName } = spec as { objectKind: string; objectName: string };
    return [
      `${objectKind}/${objectName}`,
      (status as { objectResourceVersion?: string } | undefined)?.objectResourceVersion ?? '',
    ] as const;
  });
  return new Map(items.sort(([left], [right]) => (left < right ? -1 : 1)));
}

export const told = (edge: FakeEdge, what: string, from = 0): Promise<BeehiveMessage> =>
  edge.frame(what, ({ route, header }) => `${route.operation} ${route.resource}` === what && header.parent_msg_id === undefined, from);

/** Messages about objects other than the Node itself. */
export const others = (edge: FakeEdge, from = 0): string[] => said(edge, from).filter((text) => !text.includes('/node/'));
