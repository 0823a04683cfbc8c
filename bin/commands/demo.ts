/** Owns `hivelet demo` (`make demo`): cloud, edge and simulated devices on this machine, one traced round trip, then a live table. */
import path from 'node:path';
import type { Clock } from '#beehive/clock.ts';
import { HiveletError } from '#beehive/errors.ts';
import { silentLogger } from '#beehive/log.ts';
import { textOf } from '#device-models/fields.ts';
import { devices } from '../../cloud/store/kube-api.ts';
import { KubeClient } from '../../cloud/store/kubeconfig/client.ts';
import { readKubeconfig } from '../../cloud/store/kubeconfig/file.ts';
import { expectArgs, type Command, type Invocation } from './command.ts';
import { showLive } from './demo/live-table.ts';
import { nextSteps } from './demo/next-steps.ts';
import { applySamples, missingReport, prepareSamples, waitUntil } from './demo/objects.ts';
import { checkPorts, portFlags, readPorts, type DemoPorts } from './demo/ports.ts';
import { DEVICE, PROPERTY, RoundTrip } from './demo/round-trip.ts';
import { switchOn, TAG } from './demo/sensor-tag.ts';
import { DEMO_NODE, Stage } from './demo/stage.ts';
import { ApiTwins } from './twins/api-twins.ts';
import { MqttConversation } from './twins/mqtt-conversation.ts';
import type { TwinSource } from './twins/source.ts';

export const command: Command = {
  usage: ['demo [--once]'],
  about: [
    'Starts the cloud side, the edge and simulated devices, a Modbus thermostat, a DHT11 and a Bluetooth SensorTag, sets the thermostat through',
    'the Kubernetes API, shows the way of the value with times, switches a sensor of the tag on, then says what to try next and shows a live table.',
    '`make demo` runs it.',
  ],
  flags: { once: { type: 'boolean', help: 'exit after the round trip: 0, or 1 and the reason' }, ...portFlags },
  async run(invocation) {
    const { args, flags, io, clock } = invocation;
    expectArgs(args, { least: 0, most: 0, what: '`hivelet demo` takes flags only' });
    const startedMs = clock.monotonic();
    const ports = readPorts(invocation);
    await checkPorts(ports);
    const dataDir = flags.text('data-dir') === undefined ? path.join(import.meta.dirname, '../../.hivelet') : invocation.dataDir;
    const say = (line: string): void => io.out(`${((clock.monotonic() - startedMs) / 1000).toFixed(1).padStart(5)} s  ${line}`);
    await new Demo({ invocation, ports, dataDir, say }).run(flags.has('once'));
    return 0;
  },
};

interface DemoOptions {
  invocation: Invocation;
  ports: DemoPorts;
  dataDir: string;
  /** A line with the time since the start. */
  say: (line: string) => void;
}

const FIRST_REPORT_MS = 30_000;
const ROUND_TRIP_MS = 20_000;
/** Two setpoints in turn, so that a second demo changes something too. */
const SETPOINTS = ['23', '21'] as const;

class Demo {
  readonly #options: DemoOptions;
  readonly #clock: Clock;
  #roundTrip: RoundTrip | undefined;

  constructor(options: DemoOptions) {
    this.#options = options;
    this.#clock = options.invocation.clock;
  }

  async run(once: boolean): Promise<void> {
    const { invocation, ports, dataDir, say } = this.#options;
    const { signal, io } = invocation;
    const stage = new Stage({
      dataDir,
      ports,
      clock: this.#clock,
      signal,
      onEvent: (child, event) => this.#roundTrip?.event(child, event),
      onTrouble: (line) => io.error(line),
    });
    try {
      await stage.start((child, { fields }) => say(`${child.padEnd(10)} ready${placeOf(fields)}`));
      if (!stage.hasTag)
        say('the SensorTag is left out: the optional package @abandonware/noble is not installed (see docs/dependencies.md)');
      await this.#play(once, stage.hasTag);
    } catch (error) {
      if (error instanceof HiveletError && error.code !== 'STOPPED') {
        throw new HiveletError(error.code, `${error.message} (logs: ${stage.logs})`, { cause: error });
      }
      throw error;
    } finally {
      await stage.stop();
    }
  }

  async #play(once: boolean, tag: boolean): Promise<void> {
    const { invocation, ports, dataDir, say } = this.#options;
    const { signal, io } = invocation;
    const clock = this.#clock;
    const access = readKubeconfig(path.join(dataDir, 'kubeconfig'));
    const api = new KubeClient({ access, clock, userAgent: 'hivelet-demo' });
    const uploads = { access, hub: `https://127.0.0.1:${ports.https}`, last: 0 };
    const source = new ApiTwins({ api, where: access.server, namespace: 'default', uploads, clock, log: silentLogger(), signal });
    const mqtt = await MqttConversation.connect({ url: `tcp://127.0.0.1:${ports.mqtt}` }, { clock, signal });
    try {
      const samples = path.join(dataDir, 'samples');
      await applySamples(api, prepareSamples(samples, { modbusPort: ports.modbus, tag }), signal);
      const shown = [DEVICE, 'dht11', ...(tag ? [TAG] : [])];
      await this.#untilReported(source, shown);
      const value = await this.#newSetpoint(source);
      say(`the cloud now wants ${DEVICE} ${PROPERTY} = ${value}:`);
      this.#roundTrip = new RoundTrip({ api, source, mqtt, clock, signal, withinMs: ROUND_TRIP_MS });
      for (const line of await this.#roundTrip.run(value)) io.out(line);
      say('the value went down to the register and came back: all of it works');
      if (tag) await switchOn({ api, source, clock, signal, withinMs: ROUND_TRIP_MS, say });
      const device = await api.get(devices, { namespace: 'default', name: DEVICE }, { signal });
      const other = SETPOINTS.find((each) => each !== value) ?? value;
      for (const line of ['', ...nextSteps({ dataDir, ports, samples, device, value: other, tag }), '']) io.out(line);
      if (once) return;
      io.out('Ctrl-C ends it.\n');
      await showLive({ source, devices: shown, io, clock, signal });
    } finally {
      await mqtt.close();
      await source.close();
    }
  }

  async #untilReported(source: TwinSource, names: readonly string[]): Promise<void> {
    const { invocation, say } = this.#options;
    const wait = { source, clock: this.#clock, signal: invocation.signal, withinMs: FIRST_REPORT_MS };
    await waitUntil(async () => {
      const node = (await source.nodes()).find(({ name }) => name === DEMO_NODE);
      return node?.ready === 'Ready' ? undefined : `node ${DEMO_NODE} is ${node?.ready ?? 'not registered'}`;
    }, wait);
    say(`node ${DEMO_NODE} is Ready in the cloud`);
    for (const name of names) {
      await waitUntil(() => missingReport(source, name), wait);
      const { twins } = await source.twins(name);
      say(`${name} reports ${twins.map(({ property, reported = '' }) => `${property} ${reported}`).join(', ')}`);
    }
  }

  /** One that is neither wanted nor reported now. */
  async #newSetpoint(source: TwinSource): Promise<string> {
    const twin = (await source.twins(DEVICE)).twins.find(({ property }) => property === PROPERTY);
    const now = [twin?.desired, twin?.reported].map(Number);
    return SETPOINTS.find((value) => !now.includes(Number(value))) ?? '22';
  }
}

function placeOf(fields: Readonly<Record<string, unknown>>): string {
  const places = ['api', 'mqtt', 'port', 'root'].flatMap((name) => {
    const texts = [fields[name]].flat().flatMap((place) => textOf(place) ?? []);
    return texts.length === 0 ? [] : [`${name} ${texts.join(' ')}`];
  });
  return places.length === 0 ? '' : `: ${places.join(', ')}`;
}
