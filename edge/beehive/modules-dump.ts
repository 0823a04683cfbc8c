/** Owns what a program says of itself when it gets SIGUSR2: how its modules are, and the memory that it needs. */
import type { Logger } from './log.ts';

export interface ModulesDump {
  log: Logger;
  /** Of the log line. */
  event: string;
  health: () => object;
}

const MIB = 2 ** 20;
const mib = (bytes: number): number => Math.round((bytes / MIB) * 10) / 10;

/** Garbage is collected first (where the launcher gave --expose-gc): two dumps tell whether memory is lost, not when V8 swept last. */
export function dumpModulesOnSignal({ log, event, health }: ModulesDump): void {
  process.on('SIGUSR2', () => {
    (globalThis as { gc?: () => void }).gc?.();
    const { rss, heapUsed, external } = process.memoryUsage();
    log.info(event, { ...health(), memory: { rssMib: mib(rss), heapMib: mib(heapUsed), externalMib: mib(external) } });
  });
}
