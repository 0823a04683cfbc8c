/** Owns a real mosquitto in tests: the external broker of mqttMode 1 and 2. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { peerPath } from './peers.ts';
import { spawnProcess, type TestProcess } from './processes.ts';
import { tempDir } from './temp-dir.ts';

/** Listens on the port of 127.0.0.1, lets everybody in, keeps nothing when it ends; `lines` are added to its configuration. */
export async function startMosquitto(port: number, lines: readonly string[] = []): Promise<TestProcess> {
  const file = join(tempDir(), 'mosquitto.conf');
  const config = [`listener ${String(port)} 127.0.0.1`, 'allow_anonymous true', 'max_queued_messages 0', 'user root', ...lines];
  writeFileSync(file, `${config.join('\n')}\n`);
  const broker = spawnProcess({ command: peerPath('mosquitto'), args: ['-c', file, '-v'] });
  await broker.line('running');
  return broker;
}
