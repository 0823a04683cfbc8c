/** Owns what tests of OPC UA share: servers in processes of their own, connections of the plugin to them, and what is pushed. */
import path from 'node:path';
import * as assert from 'uvu/assert';
import { systemClock } from '#beehive/clock.ts';
import { silentLogger } from '#beehive/log.ts';
import type { Connection, Point, Reading, Sampling } from '#mappers/contract.ts';
import type { OpcuaAccess } from '#mappers/opcua/access.ts';
import type { OpcuaLink } from '#mappers/opcua/link.ts';
import { createOpcuaPlugin } from '#mappers/opcua/plugin.ts';
import { tempDir } from '#test/support/temp-dir.ts';
import { startOpcuaField, type FieldOptions, type OpcuaField } from './opcua-field.ts';

type OpcuaConnection = Connection<OpcuaLink, OpcuaAccess>;

const directory = tempDir();
const plain: FieldOptions = { pkiDirectory: path.join(directory, 'server'), modes: ['None'], policies: ['None'] };
const connections = new Set<OpcuaConnection>();
const fields = new Set<OpcuaField>();

export const plugin = createOpcuaPlugin({ pkiDirectory: path.join(directory, 'client') });
export const stop = new AbortController();

export async function serve(options: Partial<FieldOptions> = {}): Promise<OpcuaField> {
  const field = await startOpcuaField({ ...plain, ...options });
  fields.add(field);
  return field;
}

export async function connect(url: string, timeout = 2000): Promise<{ connection: OpcuaConnection; link: OpcuaLink }> {
  const link = plugin.link({ url, timeout }, 'spec.protocol');
  const connection = await plugin.open(link, { clock: systemClock, log: silentLogger(), signal: stop.signal });
  connections.add(connection);
  return { connection, link };
}

export function point(
  name: string,
  sampling: Sampling = { everyMs: 100 },
  visitor: object = { nodeID: `ns=2;s=${name}` },
): Point<OpcuaAccess> {
  return { name, type: 'double', access: plugin.access({ ...visitor }, 'visitor', { name, type: 'double' }), sampling };
}

/** What was pushed: the latest of each name, and how many in all. */
export class Pushed {
  readonly latest = new Map<string, Reading>();
  readonly times = new Map<string, number>();

  readonly emit = (readings: readonly Reading[]): void => {
    for (const reading of readings) {
      this.latest.set(reading.name, reading);
      this.times.set(reading.name, (this.times.get(reading.name) ?? 0) + 1);
    }
  };

  value(name: string): unknown {
    const reading = this.latest.get(name);
    return reading !== undefined && 'value' in reading ? reading.value : undefined;
  }
}

export async function subscribe(
  connection: OpcuaConnection,
  link: OpcuaLink,
  points: readonly Point<OpcuaAccess>[],
): Promise<[Pushed, ReadonlySet<string>]> {
  const pushed = new Pushed();
  assert.ok(connection.subscribe);
  return [pushed, await connection.subscribe(link, points, pushed.emit, stop.signal)];
}

/** Of the test's end. */
export async function closeAll(): Promise<void> {
  for (const connection of connections) await connection.close();
  for (const field of fields) await field.stop();
}
