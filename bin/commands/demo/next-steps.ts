/** Owns what the demo tells a person to try: lines to paste, with the ports and files of this run. */
import path from 'node:path';
import { fieldsAt, listOf, fieldsOf } from '#device-models/fields.ts';
import type { KubeObject } from '../../../cloud/store/kube-api.ts';
import type { DemoPorts } from './ports.ts';
import { DEVICE, PROPERTY } from './round-trip.ts';
import { TAG } from './sensor-tag.ts';

export interface StepsOptions {
  dataDir: string;
  ports: DemoPorts;
  samples: string;
  /** The thermostat as the API has it. */
  device: KubeObject;
  /** A setpoint that is not the present one. */
  value: string;
  /** Whether there is a SensorTag. */
  tag: boolean;
}

export function nextSteps({ dataDir, ports, samples, device, value, tag }: StepsOptions): string[] {
  const kubeconfig = path.join(dataDir, 'kubeconfig');
  const mosquitto = `mosquitto_sub -h 127.0.0.1 -p ${ports.mqtt} -v -t`;
  const steps: (readonly [what: string, line: string])[] = [
    ['the cluster', `export KUBECONFIG=${quoted(kubeconfig)}; kubectl get nodes,devices`],
    [
      'another setpoint, with kubectl',
      `kubectl --kubeconfig ${quoted(kubeconfig)} patch device ${DEVICE} --type json -p '${patchText(device, value)}'`,
    ],
    ['the same with our own command', `bin/hivelet set ${DEVICE} ${PROPERTY}=${value} --data-dir ${quoted(dataDir)}`],
    ...(tag
      ? [
          [
            'two more sensors of the SensorTag',
            `bin/hivelet set ${TAG} temperature-enable=ON humidity-enable=ON --data-dir ${quoted(dataDir)}`,
          ] as const,
        ]
      : []),
    ['every change at the board', `${mosquitto} '$hw/events/device/+/twin/update/document'`],
    ['the register itself (holding register 0, tenths of a degree)', `mbpoll -m tcp -p ${ports.modbus} -a 1 -0 -r 0 -c 1 -1 127.0.0.1`],
    ['applying the files again changes nothing', `kubectl --kubeconfig ${quoted(kubeconfig)} apply -f ${quoted(samples)}`],
  ];
  return ['Try in another terminal:', ...steps.flatMap(([what, line]) => [`  # ${what}`, `  ${line}`])];
}

/** A test on the twin's name, then its value: an index alone may be another twin's by the time it arrives. */
function patchText(device: KubeObject, value: string): string {
  const twins = listOf(fieldsAt(device, 'status')?.['twins']);
  const index = twins.findIndex((twin) => fieldsOf(twin)?.['propertyName'] === PROPERTY);
  const at = `/status/twins/${Math.max(0, index)}`;
  return JSON.stringify([
    { op: 'test', path: `${at}/propertyName`, value: PROPERTY },
    { op: 'replace', path: `${at}/desired/value`, value },
  ]);
}

/** As a POSIX shell wants it. */
function quoted(text: string): string {
  return /^[\w./:@%+,=-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
