/** Owns how a session with a server comes about: endpoint, certificate, channel, identity. */
import type { ClientSession, EndpointDescription, OPCUAClient, OPCUAClientOptions, UserIdentityInfo } from 'node-opcua-client';
import { HiveletError, isHiveletError } from '#beehive/errors.ts';
import type { PluginContext, Secrets } from '../contract.ts';
import { chooseEndpoint, modeOf, type ChosenEndpoint } from './endpoint.ts';
import { loadEngine, type Engine, type Opcua } from './engine.ts';
import type { KeyPairReference, OpcuaLink, Reference } from './link.ts';
import { chainOf, keyPairOf, Pki, type KeyPair } from './pki.ts';
import { callFailure } from './status.ts';
import { within } from './within.ts';

export interface DialOptions {
  readonly link: OpcuaLink;
  /** `<data-dir>/edge/pki/opcua`. */
  readonly pkiDirectory: string;
  readonly secrets: Secrets;
  readonly context: PluginContext;
}

export interface Dialled {
  readonly opcua: Opcua;
  readonly client: OPCUAClient;
  readonly session: ClientSession;
  readonly serverName: string;
  readonly bytesOf: Engine['bytesOf'];
  /** Rejects when the certificate of the server is no longer accepted; absent on a channel without security. */
  readonly recheck?: () => Promise<void>;
}

/** The server keeps session and subscriptions that long without us: a link that was away shorter loses nothing. */
const SESSION_MS = 60_000;
const KEEP_ALIVE_MS = 5000;
/** A server that restarts is found again within this and the time of a connect. */
const RETRY = { initialDelay: 500, maxDelay: 3000, randomisationFactor: 0.3 } as const;
const CHANNEL_MS = 600_000;
const FAREWELL_MS = 500;
/** What a status means while somebody wants to come in. */
const LOGIN_TEXTS: ReadonlyMap<string, string> = new Map([
  ['BadUserAccessDenied', 'the server does not let this user in: check userName and password, or the user certificate'],
]);
/** A message of a server must not take more memory than a board has. */
const LARGEST_MESSAGE = 16 * 1024 * 1024;

/** Throws DEVICE_UNREACHABLE with one sentence that names the server; PROFILE_INVALID for secrets that cannot be read. */
export async function dial(options: DialOptions): Promise<Dialled> {
  const { link, context } = options;
  const engine = await loadEngine();
  const dialler = new Dialler(engine, options);
  const chosen = await dialler.choose();
  if (chosen.isPasswordPlain) context.log.warn('opcua.password.plain', { url: link.url });
  return dialler.connect(chosen);
}

/** The endpoints of a server, asked for without security: what they say is checked by the channel that is opened then. */
export async function endpointsOf(options: DialOptions): Promise<EndpointDescription[]> {
  return new Dialler(await loadEngine(), options).endpoints();
}

class Dialler {
  readonly #engine: Engine;
  readonly #options: DialOptions;
  readonly #pki: Pki;

  constructor(engine: Engine, options: DialOptions) {
    this.#engine = engine;
    this.#options = options;
    this.#pki = new Pki(options.pkiDirectory, engine);
  }

  async choose(): Promise<ChosenEndpoint> {
    const { link } = this.#options;
    const endpoints = await this.endpoints().catch((error: unknown) => this.#withoutEndpoints(error));
    if (endpoints === undefined) return this.#blindly();
    const chosen = chooseEndpoint(this.#engine.opcua, link, endpoints);
    if (link.mode !== 'None') await this.#check(chosen.chain);
    return chosen;
  }

  async endpoints(): Promise<EndpointDescription[]> {
    const client = this.#client(await this.#pki.own(), { connectionStrategy: { ...RETRY, maxRetry: 0 } });
    const { url } = this.#options.link;
    try {
      return await this.#settled(client, async () => {
        await client.connect(url);
        return client.getEndpoints();
      });
    } finally {
      await hangUp(client);
    }
  }

  /** Some servers tell their endpoints to nobody without security: then the Device must say which certificate is theirs. */
  #withoutEndpoints(error: unknown): undefined {
    const { link } = this.#options;
    const status = isHiveletError(error) ? error.facts['status'] : undefined;
    if (status !== 'BadSecurityPolicyRejected' && status !== 'BadSecurityModeRejected') throw error;
    if (link.mode !== 'None' && link.remoteCertificate !== undefined) return undefined;
    throw new HiveletError(
      'DEVICE_UNREACHABLE',
      `${link.url}: the server tells its endpoints to nobody without security: write securityMode, and put its certificate in customizedValues.remoteCertificate`,
      { facts: { refused: true, standing: true }, cause: error },
    );
  }

  async #blindly(): Promise<ChosenEndpoint> {
    const { remoteCertificate, identity, host } = this.#options.link;
    const [only] = remoteCertificate === undefined ? [] : await this.#chain(remoteCertificate);
    const chain = only ?? Buffer.alloc(0);
    await this.#check(chain);
    return { chain, identity: identity.kind, isPasswordPlain: false, serverName: host };
  }

  async #chain(reference: Reference): Promise<Buffer[]> {
    const file = await this.#secret(reference);
    return readable(reference.path, () => chainOf(file));
  }

  async connect(chosen: ChosenEndpoint): Promise<Dialled> {
    const { opcua, bytesOf } = this.#engine;
    const { link } = this.#options;
    const own = link.application === undefined ? await this.#pki.own() : await this.#keyPair(link.application);
    const identity = await this.#identity(chosen, link.application === undefined ? undefined : own);
    const secured: OPCUAClientOptions =
      link.mode === 'None'
        ? {}
        : {
            securityMode: modeOf(opcua, link.mode),
            securityPolicy: opcua.coerceSecurityPolicy(link.policy),
            serverCertificate: chainOf(chosen.chain),
          };
    // Once connected it tries for ever; until then the host does, with its own pauses.
    const client = this.#client(own, { ...secured, connectionStrategy: { ...RETRY, maxRetry: 1 } });
    const session = await this.#settled(client, async () => {
      await client.connect(link.url);
      return client.createSession(identity);
    });
    const recheck = link.mode === 'None' ? {} : { recheck: () => this.#check(chosen.chain) };
    return { opcua, client, session, serverName: chosen.serverName, bytesOf, ...recheck };
  }

  #client(own: KeyPair, options: OPCUAClientOptions): OPCUAClient {
    const { opcua } = this.#engine;
    const { timeoutMs } = this.#options.link;
    return opcua.OPCUAClient.create({
      applicationName: 'Hivelet',
      applicationUri: own.applicationUri,
      clientName: 'Hivelet',
      endpointMustExist: false,
      keepSessionAlive: true,
      keepAliveInterval: KEEP_ALIVE_MS,
      requestedSessionTimeout: SESSION_MS,
      defaultSecureTokenLifetime: CHANNEL_MS,
      transportTimeout: timeoutMs,
      defaultTransactionTimeout: timeoutMs,
      transportSettings: { maxMessageSize: LARGEST_MESSAGE },
      certificateKeyPairProvider: {
        getCertificate: () => own.chain[0] ?? Buffer.alloc(0),
        getCertificateChain: () => [...own.chain],
        getPrivateKey: () => ({ hidden: own.privateKeyPem }),
      },
      clientCertificateManager: this.#store(),
      ...options,
    });
  }

  /** What the client asks when a server comes back with another certificate. */
  #store(): NonNullable<OPCUAClientOptions['clientCertificateManager']> {
    const { StatusCodes } = this.#engine.opcua;
    const judge = async (shown: Buffer | Buffer[]): Promise<boolean> => {
      try {
        await this.#check(Array.isArray(shown) ? Buffer.concat(shown) : shown);
        return true;
      } catch {
        return false;
      }
    };
    const nothing = (): Promise<void> => Promise.resolve();
    return {
      referenceCounter: 0,
      initialize: nothing,
      dispose: nothing,
      checkCertificate: async (shown: Buffer | Buffer[]) => ((await judge(shown)) ? StatusCodes.Good : StatusCodes.BadCertificateUntrusted),
      // Only ever asked about our own.
      verifyCertificate: () => Promise.resolve('Good'),
      getTrustStatus: async (shown: Buffer) => ((await judge(shown)) ? StatusCodes.Good : StatusCodes.BadCertificateUntrusted),
      trustCertificate: nothing,
      rejectCertificate: nothing,
      addIssuer: nothing,
      addRevocationList: nothing,
    };
  }

  async #check(chain: Buffer): Promise<void> {
    const { link, context } = this.#options;
    const [only] = link.remoteCertificate === undefined ? [] : await this.#chain(link.remoteCertificate);
    await this.#pki.check(chain, {
      url: link.url,
      host: link.host,
      anyHostName: link.anyHostName,
      nowMs: context.clock.now(),
      ...(only === undefined ? {} : { only }),
    });
  }

  async #identity({ identity: kind }: ChosenEndpoint, own: KeyPair | undefined): Promise<UserIdentityInfo> {
    const { UserTokenType } = this.#engine.opcua;
    const { identity } = this.#options.link;
    if (identity.kind === 'password') {
      const password = identity.password === undefined ? '' : (await this.#secret(identity.password)).toString('utf8');
      return { type: UserTokenType.UserName, userName: identity.userName, password: password.replace(/\r?\n$/, '') };
    }
    const pair = identity.kind === 'certificate' ? await this.#keyPair(identity) : kind === 'certificate' ? own : undefined;
    if (pair === undefined) return { type: UserTokenType.Anonymous };
    return { type: UserTokenType.Certificate, certificateData: pair.chain[0] ?? Buffer.alloc(0), privateKey: pair.privateKeyPem };
  }

  async #keyPair({ certificate, privateKey }: KeyPairReference): Promise<KeyPair> {
    const [shown, key] = await Promise.all([this.#secret(certificate), this.#secret(privateKey)]);
    return readable(certificate.path, () => keyPairOf(shown, key));
  }

  #secret({ reference, path }: Reference): Promise<Buffer> {
    return this.#options.secrets.resolve(reference, path);
  }

  /** Ends with the signal, and when the client hangs longer than its own time-outs allow. */
  async #settled<T>(client: OPCUAClient, job: () => Promise<T>): Promise<T> {
    const { link, context } = this.#options;
    try {
      return await within(job(), { signals: [context.signal], clock: context.clock, ms: 4 * link.timeoutMs });
    } catch (error) {
      // A server that is gone is not waited for.
      const farewell = { signals: [context.signal], clock: context.clock, ms: FAREWELL_MS };
      await within(hangUp(client), farewell).catch(() => undefined);
      context.signal.throwIfAborted();
      throw callFailure(link.url, error, LOGIN_TEXTS);
    }
  }
}

/** A client that never connected may not know how to disconnect. */
export async function hangUp(client: OPCUAClient): Promise<void> {
  await client.disconnect().catch(() => undefined);
}

function readable<T>(path: string, read: () => T): T {
  try {
    return read();
  } catch {
    // Without its cause, which may show a part of the key.
    throw new HiveletError(
      'PROFILE_INVALID',
      `${path}: holds no certificate, or one that its key does not belong to: PEM and DER are read`,
      {
        facts: { path },
      },
    );
  }
}
