/** Owns what devices need from the board: which lines, groups and ports to enable, and what is enabled already. */
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import type { DeviceProfile } from '#device-models/device-profile.ts';
import { field, nameOf } from '#device-models/fields.ts';
import type { Attachment, BoardProfile } from './board.ts';

export interface Need {
  attachment: Attachment;
  /** Devices that need it; empty when all attachments were asked for. */
  devices: string[];
  /** Lines of the board's configFile. */
  lines: { text: string; present: boolean }[];
  note: string;
}

export interface BoardNeeds {
  needs: Need[];
  /** Serial ports that the devices name. */
  ports: { path: string; device: string; present: boolean }[];
  /** Devices that need nothing from the board: they are reached over the network. */
  network: string[];
  groups: string[];
}

/** `devices` undefined = tell about every attachment. `root` is where the board's files are looked for. */
export function boardNeeds(board: BoardProfile, devices: readonly DeviceProfile[] | undefined, root = '/'): BoardNeeds {
  const byAttachment = new Map<Attachment, string[]>();
  for (const device of devices ?? []) {
    for (const attachment of attachmentsOf(device)) byAttachment.set(attachment, [...(byAttachment.get(attachment) ?? []), device.name]);
  }
  if (devices === undefined) for (const attachment of ['dht11', 'uart', 'rs485', 'bluetooth'] as const) byAttachment.set(attachment, []);
  const present = presentLines(path.join(root, board.configFile === '' ? 'dev/null' : board.configFile));
  const needs = [...byAttachment].map(([attachment, names]): Need => {
    const lines = (board.overlays[attachment] ?? []).map((text) => ({ text, present: present.has(text) }));
    return { attachment, devices: names, lines, note: board.notes[attachment] ?? '' };
  });
  const ports = (devices ?? []).flatMap((device) => portOf(device) ?? []);
  return {
    needs,
    ports: ports.map((port) => ({ ...port, present: existsSync(path.join(root, port.path)) })),
    network: (devices ?? []).filter((device) => attachmentsOf(device).length === 0 && portOf(device) === undefined).map(({ name }) => name),
    groups: board.groups.filter((group) => group !== 'dialout' || ports.length > 0 || devices === undefined),
  };
}

function attachmentsOf(device: DeviceProfile): Attachment[] {
  const protocol = device.protocol.toLowerCase();
  if (protocol === 'bluetooth') return ['bluetooth'];
  if (protocol === 'iio') return isDht11(device) ? ['dht11'] : [];
  const port = portOf(device);
  if (port === undefined || /^\/dev\/(?:ttyUSB|ttyACM|serial\/by-)/.test(port.path)) return [];
  return nameOf(field(device.protocolConfig, 'serialType'))?.toUpperCase() === 'RS485' ? ['rs485'] : ['uart'];
}

/** The kernel's driver of that name serves DHT11, DHT21 and DHT22. */
function isDht11(device: DeviceProfile): boolean {
  const name = nameOf(field(device.protocolConfig, 'name')) ?? nameOf(field(device.protocolConfig, 'path')) ?? '';
  return /dht|am23/i.test(`${name} ${device.name} ${device.model}`);
}

function portOf(device: DeviceProfile): { path: string; device: string } | undefined {
  const port = nameOf(field(device.protocolConfig, 'serialPort')) ?? nameOf(field(device.protocolConfig, 'serialName'));
  return port === undefined ? undefined : { path: port, device: device.name };
}

/** The board's start-up lines that are not commented out. */
function presentLines(file: string): Set<string> {
  try {
    return new Set(
      readFileSync(file, 'utf8')
        .split('\n')
        .map((line) => line.trim()),
    );
  } catch {
    // The file is not there on another kind of machine; then nothing is enabled.
    return new Set();
  }
}
