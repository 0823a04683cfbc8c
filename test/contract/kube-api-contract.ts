/** Owns the contract of `KubeApi`: what every engine behind it must do, as steps in order; each group starts on a clean state. */
import { test } from 'uvu';
import type { KubeApi } from '#cloud/store/kube-api.ts';
import { configMapSteps } from './config-maps.ts';
import { customSteps } from './custom-resources.ts';
import { nodeSteps } from './nodes.ts';
import { watchSteps } from './watches.ts';

/** The files of the recording, and with it the states that steps suppose. */
export type Group = 'configmaps' | 'watch' | 'nodes' | 'crds';

export interface Engine {
  readonly api: KubeApi;
  /** The steps work in it, and may leave things behind. */
  readonly namespace: string;
  close(): Promise<void>;
}

/** What later steps of a group need of earlier ones. */
export class Memory {
  readonly #values = new Map<string, string>();

  keep(name: string, value: string | undefined): string {
    this.#values.set(name, value ?? '');
    return value ?? '';
  }

  recall(name: string): string {
    const value = this.#values.get(name);
    if (value === undefined) throw new Error(`an earlier step did not get so far as to keep ${name}`);
    return value;
  }
}

export interface World extends Engine {
  memory: Memory;
}

export interface Step {
  name: string;
  run(world: World): Promise<void>;
}

export interface Runner {
  /** Of the engine, for the names of the tests. */
  title: string;
  open(group: Group): Promise<Engine>;
  /** Steps or whole groups that cannot be asked of this engine, each with the reason. A name that is no step is a failure. */
  notApplicable?: ReadonlyMap<string, string>;
}

export const groups: Readonly<Record<Group, readonly Step[]>> = {
  configmaps: configMapSteps,
  watch: watchSteps,
  nodes: nodeSteps,
  crds: customSteps,
};

/** Registers a test for each step; the caller runs them. */
export function kubeApiContract({ title, open, notApplicable = new Map() }: Runner): void {
  const unknown = new Set(notApplicable.keys());
  for (const [group, steps] of Object.entries(groups) as [Group, readonly Step[]][]) {
    unknown.delete(group);
    let world: World | undefined;
    const asked = steps.filter(({ name }) => {
      unknown.delete(name);
      const reason = notApplicable.get(name) ?? notApplicable.get(group);
      if (reason !== undefined) process.stdout.write(`not applicable to ${title}: ${name}: ${reason}\n`);
      return reason === undefined;
    });
    for (const [index, step] of asked.entries()) {
      test(`${title}: ${step.name}`, async () => {
        if (index === 0) world = { ...(await open(group)), memory: new Memory() };
        if (world === undefined) throw new Error('the engine did not open');
        try {
          await step.run(world);
        } finally {
          if (index === asked.length - 1) await world.close();
        }
      });
    }
  }
  test(`${title}: what is said not to apply is part of the contract`, () => {
    if (unknown.size > 0) throw new Error(`no such step or group: ${[...unknown].join(', ')}`);
  });
}
