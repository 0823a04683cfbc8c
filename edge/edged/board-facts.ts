/** Owns what this board tells of itself as a Node: capacity, addresses, system, and pressure on memory, disk and processes. */
import { readFileSync, statfsSync } from 'node:fs';
import { arch, cpus, networkInterfaces, release, totalmem, version as kernelVersion } from 'node:os';

export interface NodeCondition {
  type: string;
  status: 'True' | 'False';
  reason: string;
  message: string;
}

/** Free space of a file system; sizes in bytes. */
export interface DiskFacts {
  totalBytes: number;
  freeBytes: number;
  totalInodes: number;
  freeInodes: number;
}

export interface Pressure {
  /** undefined: the system does not tell. */
  availableMemoryBytes: number | undefined;
  disk: DiskFacts | undefined;
  processes: { running: number; limit: number } | undefined;
}

/** From where a kubelet, too, speaks of pressure (its default thresholds for eviction). */
const MEMORY_FLOOR_BYTES = 100 * 1024 * 1024;
const DISK_FLOOR = 0.1;
const INODE_FLOOR = 0.05;
const PROCESS_CEILING = 0.9;
const KIB = 1024;

export function readPressure(dataDir: string): Pressure {
  const available = /^MemAvailable:\s+(\d+) kB$/m.exec(readText('/proc/meminfo'))?.[1];
  const running = /\d+\/(\d+)/.exec(readText('/proc/loadavg'))?.[1];
  const limit = Number(readText('/proc/sys/kernel/pid_max'));
  return {
    availableMemoryBytes: available === undefined ? undefined : Number(available) * KIB,
    disk: diskOf(dataDir),
    processes: running === undefined || !(limit > 0) ? undefined : { running: Number(running), limit },
  };
}

/** Only conditions that the system lets us judge; the times are the cloud's to add. Pure. */
export function pressureConditions({ availableMemoryBytes, disk, processes }: Pressure): NodeCondition[] {
  const found: NodeCondition[] = [];
  const judge = (type: string, pressed: boolean, words: { yes: [string, string]; no: [string, string] }): void => {
    const [reason, message] = pressed ? words.yes : words.no;
    found.push({ type, status: pressed ? 'True' : 'False', reason, message });
  };
  if (availableMemoryBytes !== undefined) {
    judge('MemoryPressure', availableMemoryBytes < MEMORY_FLOOR_BYTES, {
      yes: ['EdgeHasInsufficientMemory', 'less than 100 MiB of memory are available'],
      no: ['EdgeHasSufficientMemory', 'the board has enough memory available'],
    });
  }
  if (disk !== undefined) {
    const low = disk.freeBytes < disk.totalBytes * DISK_FLOOR || disk.freeInodes < disk.totalInodes * INODE_FLOOR;
    judge('DiskPressure', low, {
      yes: ['EdgeHasDiskPressure', 'less than 10 % of the space or 5 % of the inodes of the data directory are free'],
      no: ['EdgeHasNoDiskPressure', 'the disk of the data directory has enough room'],
    });
  }
  if (processes !== undefined) {
    judge('PIDPressure', processes.running > processes.limit * PROCESS_CEILING, {
      yes: ['EdgeHasInsufficientPID', 'more than 90 % of the process ids are taken'],
      no: ['EdgeHasSufficientPID', 'the board has enough process ids'],
    });
  }
  return found;
}

/** As Kubernetes writes quantities. This edge runs no containers, so there is room for no pod. */
export function boardCapacity(dataDir: string): Record<string, string> {
  const disk = diskOf(dataDir);
  return {
    cpu: String(cpus().length),
    memory: `${String(Math.floor(totalmem() / KIB))}Ki`,
    ...(disk === undefined ? {} : { 'ephemeral-storage': `${String(Math.floor(disk.totalBytes / KIB))}Ki` }),
    pods: '0',
  };
}

/** The first address that is not loopback; `given` wins. */
export function boardAddress(given: string): string {
  if (given !== '') return given;
  const outside = Object.values(networkInterfaces())
    .flatMap((list) => list ?? [])
    .find((entry) => !entry.internal && entry.family === 'IPv4');
  return outside?.address ?? '127.0.0.1';
}

export function systemInfo(version: string): Record<string, string> {
  return {
    machineID: readText('/etc/machine-id'),
    systemUUID: '',
    bootID: readText('/proc/sys/kernel/random/boot_id'),
    kernelVersion: release(),
    osImage: /^PRETTY_NAME="?([^"\n]*)"?$/m.exec(readText('/etc/os-release'))?.[1] ?? kernelVersion(),
    containerRuntimeVersion: 'none://0',
    kubeletVersion: version,
    kubeProxyVersion: '',
    operatingSystem: 'linux',
    architecture: goArch(),
  };
}

export function goArch(): string {
  const names: Record<string, string> = { x64: 'amd64', arm64: 'arm64', arm: 'arm' };
  return names[arch()] ?? arch();
}

function diskOf(dataDir: string): DiskFacts | undefined {
  try {
    const { bsize, blocks, bavail, files, ffree } = statfsSync(dataDir);
    return { totalBytes: blocks * bsize, freeBytes: bavail * bsize, totalInodes: files, freeInodes: ffree };
  } catch {
    return undefined;
  }
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return '';
  }
}
