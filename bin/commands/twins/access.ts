/** Owns the choice of get, set and watch: the API when there is a kubeconfig, else MQTT at the board. */
import { existsSync } from 'node:fs';
import path from 'node:path';
import { HiveletError } from '#beehive/errors.ts';
import { createLogger } from '#beehive/log.ts';
import { KubeClient } from '../../../cloud/store/kubeconfig/client.ts';
import { readKubeconfig } from '../../../cloud/store/kubeconfig/file.ts';
import type { FlagSpecs, Invocation } from '../command.ts';
import { edgeSettings } from '../edge-settings.ts';
import { ApiTwins } from './api-twins.ts';
import { hubOf } from './cloud-uploads.ts';
import { MqttConversation } from './mqtt-conversation.ts';
import { MqttTwins } from './mqtt-twins.ts';
import type { TwinSource } from './source.ts';

export const accessFlags: FlagSpecs = {
  via: { type: 'string', value: 'api|mqtt', help: 'api when there is a kubeconfig, else mqtt' },
  kubeconfig: {
    type: 'string',
    value: 'FILE',
    help: 'default: <data-dir>/kubeconfig when --data-dir is given, else $KUBECONFIG, then that of the default data directory',
  },
  namespace: { type: 'string', short: 'n', value: 'NAME', help: 'of devices named without one (default: that of the kubeconfig)' },
  mqtt: { type: 'string', value: 'URL', help: "broker of the board (default: the edge's configuration, tcp://127.0.0.1:1883)" },
  'mqtt-user': { type: 'string', value: 'NAME', help: 'user at the broker; its password is taken from $HIVELET_MQTT_PASSWORD' },
};

export type Via = 'api' | 'mqtt';

export interface Access {
  via: Via;
  source: TwinSource;
}

/** Throws USAGE or CONFIG_INVALID when neither way is open. The caller closes the source. */
export async function openTwins(invocation: Invocation): Promise<Access> {
  const { flags } = invocation;
  const via = flags.text('via');
  if (via !== undefined && via !== 'api' && via !== 'mqtt') throw new HiveletError('USAGE', `--via ${via}: write api or mqtt`);
  const kubeconfig = kubeconfigFile(invocation);
  const named = flags.text('mqtt') !== undefined;
  if (via === 'mqtt' || (via === undefined && (named || kubeconfig === undefined)))
    return { via: 'mqtt', source: await openMqtt(invocation) };
  if (kubeconfig === undefined) {
    const place = path.join(invocation.dataDir, 'kubeconfig');
    throw new HiveletError(
      'CONFIG_INVALID',
      `there is no kubeconfig at ${place}: name one with --kubeconfig, or start \`hivelet up\` with the same --data-dir`,
    );
  }
  return { via: 'api', source: openApi(invocation, kubeconfig) };
}

/** The file that is to be used; undefined when nobody names one and none is in the data directory. */
export function kubeconfigFile({ flags, env, dataDir }: Pick<Invocation, 'flags' | 'env' | 'dataDir'>): string | undefined {
  const named = flags.text('kubeconfig');
  if (named !== undefined) return named;
  const place = path.join(dataDir, 'kubeconfig');
  const own = existsSync(place) ? place : undefined;
  const exported = env['KUBECONFIG']?.split(path.delimiter).find((file) => file !== '');
  // Who names a data directory means the cluster in it, whatever the shell has exported for others.
  return flags.text('data-dir') === undefined ? (exported ?? own) : (own ?? exported);
}

function openApi(invocation: Invocation, file: string): ApiTwins {
  const { flags, clock, signal, io } = invocation;
  const access = readKubeconfig(file);
  const api = new KubeClient({ access, clock, userAgent: 'hivelet-cli' });
  const log = createLogger({
    clock,
    level: 'warn',
    write: ({ event, fields }) => io.error(`hivelet: ${event} ${JSON.stringify(fields, messages)}`),
  });
  const uploads = { access, hub: flags.text('hub') ?? hubOf(access.server, invocation.dataDir), last: Number(flags.text('last') ?? 10) };
  return new ApiTwins({ api, where: access.server, namespace: flags.text('namespace') ?? access.namespace, uploads, clock, log, signal });
}

function messages(_key: string, value: unknown): unknown {
  return value instanceof Error ? value.message : value;
}

async function openMqtt(invocation: Invocation): Promise<MqttTwins> {
  const { flags, env, clock, signal } = invocation;
  const username = flags.text('mqtt-user');
  const password = env['HIVELET_MQTT_PASSWORD'];
  const address = {
    url: flags.text('mqtt') ?? brokerAddress(invocation),
    ...(username === undefined ? {} : { username }),
    ...(username === undefined || password === undefined ? {} : { password }),
  };
  return new MqttTwins(await MqttConversation.connect(address, { clock, signal }), clock);
}

/** From the edge's own configuration: the file of --config, or the one in the data directory, with --set over it. */
function brokerAddress(invocation: Invocation): string {
  const config = edgeSettings(invocation);
  const mode = config.get('modules.eventBus.mqttMode');
  if (mode === 2) return config.get('modules.eventBus.mqttServerExternal');
  const moved = mode === 1 && !config.isSet('modules.eventBus.mqttServerInternal');
  return moved ? 'tcp://127.0.0.1:1884' : config.get('modules.eventBus.mqttServerInternal');
}
