/** Owns Modbus devices of others for tests: pymodbus, libmodbus, and a serial line made of two pseudo terminals. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import path from 'node:path';
import { peerPath } from '#test/support/peers.ts';
import { spawnProcess, type TestProcess } from '#test/support/processes.ts';
import { tempDir } from '#test/support/temp-dir.ts';
import { until } from '#test/support/until.ts';

const here = path.dirname(fileURLToPath(import.meta.url));

/** Resolves when it answers. `where`: `tcp PORT` or `rtu DEVICE BAUD`. */
export async function startPymodbus(...where: readonly string[]): Promise<TestProcess> {
  const server = spawnProcess({ command: peerPath('pymodbus'), args: [path.join(here, 'pymodbus-server.py'), ...where] });
  await server.line('ready');
  return server;
}

/** Why libmodbus cannot be used here; undefined when it can. */
export function libmodbusMissing(): string | undefined {
  const probe = spawnSync('cc', ['-E', '-x', 'c', '-include', 'modbus.h', '-I/usr/include/modbus', '/dev/null'], { stdio: 'ignore' });
  if (probe.error !== undefined) return 'there is no C compiler (cc): apt-get install gcc';
  return probe.status === 0 ? undefined : 'modbus.h is missing: apt-get install libmodbus-dev';
}

/** Compiles and starts it. `where`: `tcp PORT` or `rtu DEVICE BAUD PARITY UNIT`. */
export async function startLibmodbus(...where: readonly string[]): Promise<TestProcess> {
  const program = path.join(tempDir(), 'libmodbus-server');
  const source = path.join(here, 'libmodbus-server.c');
  const compiled = spawnSync('cc', ['-O1', '-Wall', '-I/usr/include/modbus', '-o', program, source, '-lmodbus'], { encoding: 'utf8' });
  if (compiled.status !== 0) throw new Error(`cc failed: ${compiled.stderr}`);
  const server = spawnProcess({ command: program, args: where });
  await server.line('ready');
  return server;
}

export interface Frame {
  /** From the first end, which is the master's. */
  fromMaster: boolean;
  bytes: number[];
}

export interface SerialLine {
  /** Device files of its two ends. */
  master: string;
  slave: string;
  /** What went over it; socat writes a block per transfer, so a frame may come in several. */
  traffic(): Frame[];
  stop(): Promise<void>;
}

/** A cable between two pseudo terminals. `link`: a name for the master's end while the cable is there, as udev makes them. */
export async function startSerialLine({ link }: { link?: string } = {}): Promise<SerialLine> {
  const end = 'pty,raw,echo=0';
  const named = link === undefined ? end : `${end},link=${link}`;
  const socat = spawnProcess({ command: peerPath('socat'), args: ['-d', '-d', '-x', named, end] });
  const found = await until(
    () => {
      const files = [...socat.output.matchAll(/PTY is (\/dev\/pts\/\d+)/g)].map((match) => match[1] ?? '');
      return files.length === 2 && files;
    },
    { what: 'two pseudo terminals' },
  );
  const [master = '', slave = ''] = found;
  return {
    master,
    slave,
    traffic: () => parseTraffic(socat.output),
    stop: async () => {
      await socat.stop();
    },
  };
}

/** `> 2026/01/01 … length=8 from=0 to=7` and a line of bytes in hexadecimal. */
function parseTraffic(output: string): Frame[] {
  return [...output.matchAll(/^([<>]) \d{4}\/.*length=\d+.*\n((?: [0-9a-f]{2})+)/gm)].map(([, direction, bytes = '']) => ({
    fromMaster: direction === '>',
    bytes: bytes
      .trim()
      .split(' ')
      .map((byte) => parseInt(byte, 16)),
  }));
}
