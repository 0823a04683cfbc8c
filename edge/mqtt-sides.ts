/** Owns the ways to MQTT clients as the configuration wants them: the embedded broker's port, the external broker's client. */
import { readFileSync } from 'node:fs';
import type { Config } from '#beehive/config.ts';
import { HiveletError, messageOf } from '#beehive/errors.ts';
import type { BrokerPort } from './broker/port.ts';
import type { settings } from './config.ts';
import type { EdgeOptions } from './edgecore.ts';
import type { Incoming, MqttSide } from './eventbus/eventbus.ts';
import { ExternalMqtt } from './eventbus/external-client.ts';

/** 1883 is the external broker's in modes 1 and 2, so ours moves to 1884 unless told otherwise. */
export function internalAddress(config: Config<typeof settings>): string {
  const moved = config.get('modules.eventBus.mqttMode') !== 0 && !config.isSet('modules.eventBus.mqttServerInternal');
  return moved ? 'tcp://127.0.0.1:1884' : config.get('modules.eventBus.mqttServerInternal');
}

export function createExternal(
  { config, clock, log, node }: EdgeOptions & { node: string },
  handler: (message: Incoming) => Promise<void>,
): ExternalMqtt {
  const tls = config.get('modules.eventBus.eventBusTLS.enable');
  const username = config.get('modules.eventBus.mqttUsername');
  return new ExternalMqtt({
    clock,
    log: log.child({ module: 'external-mqtt' }),
    node,
    address: {
      url: config.get('modules.eventBus.mqttServerExternal'),
      ...(username === '' ? {} : { username, password: config.get('modules.eventBus.mqttPassword') }),
      ...(tls ? { tls: externalTls(config) } : {}),
    },
    handler,
  });
}

function externalTls(config: Config<typeof settings>): { ca: Buffer; cert: Buffer; key: Buffer } {
  const file = (key: 'tlsMqttCAFile' | 'tlsMqttCertFile' | 'tlsMqttPrivateKeyFile'): Buffer => {
    const path = config.get(`modules.eventBus.eventBusTLS.${key}`);
    try {
      return readFileSync(path);
    } catch (error) {
      throw new HiveletError(
        'CONFIG_INVALID',
        `modules.eventBus.eventBusTLS.${key}: cannot read ${JSON.stringify(path)}: ${messageOf(error)}`,
        { cause: error },
      );
    }
  };
  return { ca: file('tlsMqttCAFile'), cert: file('tlsMqttCertFile'), key: file('tlsMqttPrivateKeyFile') };
}

type QosSetting = 0 | 1 | 2;

export function embeddedSide(port: BrokerPort, config: Config<typeof settings>): MqttSide {
  const qos = config.get('modules.eventBus.mqttQOS') as QosSetting;
  const retainAll = config.get('modules.eventBus.mqttRetain');
  return {
    publish: ({ topic, payload, retain }) => port.publish(topic, payload, { qos, retain: retain === true || retainAll }),
    // A retained message is for those who come later.
    wanted: (topic) => retainAll || port.wanted(topic),
    // The embedded broker shows its ingest every publish.
    subscribe: () => undefined,
    unsubscribe: () => undefined,
  };
}

export function externalSide(external: ExternalMqtt, config: Config<typeof settings>): MqttSide {
  // KubeEdge publishes with QoS 1 there whatever is configured; a value that is set is honoured (defect M7).
  const qos = config.isSet('modules.eventBus.mqttQOS') ? (config.get('modules.eventBus.mqttQOS') as QosSetting) : 1;
  const retainAll = config.get('modules.eventBus.mqttRetain');
  return {
    publish: ({ topic, payload, retain }) => external.publish(topic, payload, { qos, retain: retain === true || retainAll }),
    wanted: () => true,
    subscribe: (filter) => external.subscribe(filter),
    unsubscribe: (filter) => external.unsubscribe(filter),
  };
}
