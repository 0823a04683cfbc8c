/** Owns the ways to MQTT clients as the configuration wants them: the embedded broker's port, the external broker's client. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Config } from '#beehive/config.ts';
import { HiveletError, messageOf } from '#beehive/errors.ts';
import { accountFile } from './broker/account-file.ts';
import type { BrokerOptions } from './broker/broker-options.ts';
import type { ListenerOptions } from './broker/listener.ts';
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

/** What the embedded broker is told; what is missing in it, `makeBroker` adds. */
export function brokerSettings(
  config: Config<typeof settings>,
  dataDir: string,
): Pick<BrokerOptions, 'listeners' | 'allowInsecure' | 'requireAccounts' | 'tls' | 'accounts' | 'websocketOrigins' | 'limits' | 'store'> {
  const pki = (name: string): string => join(dataDir, 'edge', 'pki', name);
  return {
    listeners: brokerListeners(config),
    allowInsecure: config.get('modules.eventBus.allowInsecure'),
    requireAccounts: config.get('modules.eventBus.requireAccounts'),
    accounts: accountFile(dataDir),
    tls: {
      certFile: config.get('modules.eventBus.listenerTLS.tlsCertFile') || pki('mqtt.crt'),
      keyFile: config.get('modules.eventBus.listenerTLS.tlsPrivateKeyFile') || pki('mqtt.key'),
      clientCaFile: config.get('modules.eventBus.listenerTLS.tlsClientCaFile'),
      minVersion: config.get('modules.eventBus.listenerTLS.minVersion') === 'TLSv1.2' ? 'TLSv1.2' : 'TLSv1.3',
    },
    websocketOrigins: config.get('modules.eventBus.websocketOrigins'),
    limits: {
      queueMessages: config.get('modules.eventBus.mqttSessionQueueSize'),
      connections: config.get('modules.eventBus.limits.connections'),
      connectionsPerAccount: config.get('modules.eventBus.limits.connectionsPerAccount'),
      packetBytes: config.get('modules.eventBus.limits.packetBytes'),
      publishRate: config.get('modules.eventBus.limits.publishRate'),
      subscriptions: config.get('modules.eventBus.limits.subscriptions'),
      inFlight: config.get('modules.eventBus.limits.inFlight'),
    },
    store: join(dataDir, 'edge', 'mqtt.db'),
  };
}

function brokerListeners(config: Config<typeof settings>): ListenerOptions[] {
  if (!config.get('modules.eventBus.enable') || config.get('modules.eventBus.mqttMode') === 2) return [];
  const internal = internalAddress(config);
  const more = config.get('modules.eventBus.listeners');
  return [
    ...(internal === '' ? [] : [{ address: internal }]),
    ...more.map((address, index) => ({ address, configKey: `modules.eventBus.listeners[${String(index)}]` })),
  ];
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
