/** Owns the join token for any node in Secret `tokensecret`, which keadm hands out: kept only where the configuration wants it, renewed before it ends. */
import type { Timer } from '#beehive/clock.ts';
import type { Context, Health, Module } from '#beehive/module.ts';
import { retryOnConflict, secrets, type KubeApi } from '../store/kube-api.ts';
import { splitToken } from './join-token.ts';
import { NAMESPACE, orNone, textIn } from './secrets.ts';
import type { TokenStore } from './token-store.ts';

export interface SharedTokenOptions {
  api: KubeApi;
  tokens: TokenStore;
  /** SHA-256 of the DER form of the authority's certificate, hex. */
  authority: () => Promise<string>;
  leads: () => boolean;
}

/** As KubeEdge: a token lives for a day and is replaced after half of it. */
const LIFE_MS = 24 * 60 * 60 * 1000;
const LOOK_MS = 5000;
const NAME = 'tokensecret';
const KEY = 'tokendata';

export class SharedToken implements Module {
  readonly name = 'keadmtoken';
  readonly #options: SharedTokenOptions;
  #timer: Timer | undefined;
  /** Monotonic; no look at the Secret is needed before. */
  #goodUntilMs = -Infinity;
  #fault = '';

  constructor(options: SharedTokenOptions) {
    this.#options = options;
  }

  start(context: Context): Promise<void> {
    this.#goodUntilMs = -Infinity;
    this.#look(context);
    return Promise.resolve();
  }

  stop(): Promise<void> {
    this.#timer?.cancel();
    return Promise.resolve();
  }

  health(): Health {
    return this.#fault === '' ? { ok: true } : { ok: false, detail: this.#fault };
  }

  #look(context: Context): void {
    const { clock, log, signal } = context;
    if (signal.aborted) return;
    const again = (): void => {
      if (!signal.aborted) this.#timer = clock.timer(LOOK_MS, () => this.#look(context));
    };
    if (!this.#options.leads() || clock.monotonic() < this.#goodUntilMs) return again();
    this.#bring(context).then(
      () => {
        this.#fault = '';
        again();
      },
      (error: unknown) => {
        this.#fault = `Secret ${NAMESPACE}/${NAME} could not be written`;
        log.warn('keadmtoken.failed', { error });
        again();
      },
    );
  }

  async #bring({ clock, log }: Context): Promise<void> {
    const { api, tokens } = this.#options;
    const authority = await this.#options.authority();
    const name = { namespace: NAMESPACE, name: NAME };
    const present = await orNone(api.get(secrets, name));
    const parts = present === undefined ? undefined : splitToken(textIn(present, KEY));
    const known = parts === undefined || parts.authority !== authority ? 'there is none' : await tokens.find(parts.bearer);
    const leftMs = typeof known === 'string' ? 0 : known.expiresMs - clock.now();
    if (leftMs > LIFE_MS / 2) {
      this.#goodUntilMs = clock.monotonic() + Math.min(leftMs - LIFE_MS / 2, 60_000);
      return;
    }
    const { text } = await tokens.create({ authority, ttlMs: LIFE_MS });
    const data = { [KEY]: Buffer.from(text).toString('base64') };
    await retryOnConflict(
      async () => {
        const object = await orNone(api.get(secrets, name));
        if (object === undefined) await api.create(secrets, { metadata: name, type: 'Opaque', data });
        else await api.update(secrets, { ...object, data });
      },
      { clock },
    );
    log.info('keadmtoken.renewed', { secret: `${NAMESPACE}/${NAME}` });
  }
}
