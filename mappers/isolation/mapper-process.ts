/** Owns the life of a plugin's process: its mapper host is started on edgecore's word, and ends with the stream or with a signal. */
import { writeFileSync } from 'node:fs';
import type { Duplex } from 'node:stream';
import type { Clock } from '#beehive/clock.ts';
import { HiveletError, isHiveletError, messageOf } from '#beehive/errors.ts';
import { createLogger, formatJson } from '#beehive/log.ts';
import type { Context, Module } from '#beehive/module.ts';
import type { DeviceProfile } from '#device-models/device-profile.ts';
import type { MapperPlugin, PluginLoader, PubSub, Secrets } from '../contract.ts';
import { EdgeEnd } from './edge-end.ts';

/** The port that a mapper host is given, whatever process it runs in. */
export interface HostPorts {
  readonly definitions: {
    list(): readonly DeviceProfile[];
    onChange(listener: (change: { kind: 'set'; profile: DeviceProfile } | { kind: 'removed'; name: string }) => void): () => void;
  };
  readonly mqtt: PubSub;
  readonly plugins: ReadonlyMap<string, PluginLoader>;
  readonly heartbeatMs?: number;
}

export interface MapperProcessOptions {
  readonly plugin: string;
  readonly version: string;
  readonly stream: Duplex;
  readonly clock: Clock;
  /** Protocol name -> loader of this plugin, for its options. */
  readonly plugins: (options: object, secrets: Secrets) => ReadonlyMap<string, PluginLoader>;
  readonly createHost: (ports: HostPorts) => Module;
  /** Settles when a signal asked it to end. */
  readonly stopped: Promise<unknown>;
  /** It serves: for the watchdog of a service. */
  readonly onReady?: (healthy: () => boolean) => void;
}

/** A host that does not stop in this time is left to the end of the process. */
const STOP_MS = 3000;

/** Resolves when it was asked to end, or edgecore is gone; throws what made it impossible to serve. */
export async function runMapperProcess(options: MapperProcessOptions): Promise<void> {
  const { plugin, version, stream, clock, stopped, onReady } = options;
  const edge = new EdgeEnd({ stream, plugin, version, pid: process.pid });
  const stopping = new AbortController();
  let fail: (error: unknown) => void = () => undefined;
  const failed = new Promise<never>((_, reject) => (fail = reject));
  failed.catch(() => undefined);
  const hello = await Promise.race([edge.greeted, stopped.then(() => undefined)]);
  if (hello === undefined) return edge.close();
  if (hello.version !== version)
    throw new HiveletError('INTERNAL', `this is version ${version}, edgecore is ${hello.version}: restart both`);
  const log = createLogger({ clock, level: 'debug', write: (line) => edge.log(formatJson(line)) });
  const host = options.createHost({
    definitions: edge,
    mqtt: edge,
    plugins: told(options.plugins(hello.options, edge), edge),
    ...(hello.heartbeatMs === undefined ? {} : { heartbeatMs: hello.heartbeatMs }),
  });
  const context: Context = { clock, log, signal: stopping.signal, failed: fail };
  await host.start(context);
  onReady?.(() => host.health().ok);
  const fault = await Promise.race([edge.ended, stopped.then(() => undefined), failed]);
  stopping.abort(new HiveletError('STOPPED', 'the mapper process ends'));
  await Promise.race([host.stop(), clock.sleep(STOP_MS)]);
  await edge.close();
  if (fault instanceof Error) throw fault;
}

/** Each loader tells edgecore what came of it. */
function told(plugins: ReadonlyMap<string, PluginLoader>, edge: EdgeEnd): ReadonlyMap<string, PluginLoader> {
  const wrap =
    (load: PluginLoader): PluginLoader =>
    async () => {
      try {
        const plugin = await load();
        edge.loaded();
        return tellingOpens(plugin, edge);
      } catch (error) {
        edge.loaded(messageOf(error));
        throw error;
      }
    };
  return new Map([...plugins].map(([protocol, load]) => [protocol, wrap(load)]));
}

/** The same plugin. A driver may be missing only when it is wanted, which is with the first link: that is told as well. */
function tellingOpens(plugin: MapperPlugin, edge: EdgeEnd): MapperPlugin {
  let isMissing = false;
  const open: MapperPlugin['open'] = async (link, context) => {
    try {
      const connection = await plugin.open(link, context);
      if (isMissing) edge.loaded();
      isMissing = false;
      return connection;
    } catch (error) {
      if (isHiveletError(error, 'PLUGIN_MISSING')) {
        isMissing = true;
        edge.loaded(error.message);
      }
      throw error;
    }
  };
  // Not a copy: a plugin may be an object with a class of its own.
  return new Proxy(plugin, {
    get: (target, name) => {
      if (name === 'open') return open;
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
}

/** When memory runs out, the kernel is to end this process and not edgecore. */
export function dieFirst(): void {
  try {
    writeFileSync('/proc/self/oom_score_adj', '500');
  } catch {
    // Not everywhere it may be said.
  }
}
