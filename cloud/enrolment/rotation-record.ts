/**
 * Owns where a change of authorities is, as a Secret that all cloudcores follow: both certificates, the phase, and the key of the new authority
 * sealed with the old one's. Moved on by compare and swap.
 */
import type { Clock } from '#beehive/clock.ts';
import { HiveletError } from '#beehive/errors.ts';
import { retryOnConflict, secrets, type KubeApi, type KubeObject } from '../store/kube-api.ts';
import { NAMESPACE, createSecret, orNone, secretOf, textIn } from './secrets.ts';

/** `overlap`: both are trusted, servers show the old one. `moved`: servers show the new one. `dropped`: the old one is no longer trusted. */
export type Phase = 'overlap' | 'moved' | 'dropped';

export interface RotationRecord {
  phase: Phase;
  /** PEM. */
  old: string;
  /** PEM. */
  next: string;
  /** Base64; '' once the old one is dropped. */
  sealed: string;
  /** Unix ms. */
  startedMs: number;
}

export const RECORD_NAME = 'hivelet-authorities';
const PHASES: readonly string[] = ['overlap', 'moved', 'dropped'] satisfies Phase[];

export class RotationRecords {
  readonly #api: KubeApi;
  readonly #clock: Clock;

  constructor({ api, clock }: { api: KubeApi; clock: Clock }) {
    this.#api = api;
    this.#clock = clock;
  }

  async read(): Promise<RotationRecord | undefined> {
    const object = await this.#get();
    return object === undefined ? undefined : readRecord(object);
  }

  /** Throws USAGE while another one is under way. */
  async begin(fields: Pick<RotationRecord, 'old' | 'next' | 'sealed'>): Promise<void> {
    await this.#change((present) => {
      if (present !== undefined && present.phase !== 'dropped') {
        throw new HiveletError('USAGE', 'the authority is being changed already: see `hivelet ca status`');
      }
      return { ...fields, phase: 'overlap', startedMs: this.#clock.now() };
    });
  }

  /** Does nothing when it is there, or further. */
  async advance(to: Phase): Promise<void> {
    await this.#change((present) => {
      if (present === undefined || PHASES.indexOf(present.phase) >= PHASES.indexOf(to)) return undefined;
      return { ...present, phase: to, ...(to === 'dropped' ? { sealed: '' } : {}) };
    });
  }

  async #change(change: (present: RotationRecord | undefined) => RotationRecord | undefined): Promise<void> {
    const attempt = async (): Promise<void> => {
      const object = await this.#get();
      const next = change(object === undefined ? undefined : readRecord(object));
      if (next === undefined) return;
      const { startedMs, ...texts } = next;
      const input = secretOf('authorities', RECORD_NAME, { ...texts, started: new Date(startedMs).toISOString() });
      const { resourceVersion } = object?.metadata ?? {};
      if (resourceVersion === undefined) await createSecret(this.#api, input);
      else await this.#api.update(secrets, { ...input, metadata: { ...input.metadata, resourceVersion } });
    };
    await retryOnConflict(attempt, { clock: this.#clock });
  }

  #get(): Promise<KubeObject | undefined> {
    return orNone(this.#api.get(secrets, { namespace: NAMESPACE, name: RECORD_NAME }));
  }
}

/** Throws CONFIG_INVALID: what cannot be read must not look like no change at all. */
export function readRecord(object: KubeObject): RotationRecord {
  const [phase, old, next] = [textIn(object, 'phase'), textIn(object, 'old'), textIn(object, 'next')];
  const startedMs = Date.parse(textIn(object, 'started'));
  if (isPhase(phase) && [old, next].every((text) => text.includes('BEGIN CERTIFICATE')) && !Number.isNaN(startedMs)) {
    return { phase, old, next, sealed: textIn(object, 'sealed'), startedMs };
  }
  throw new HiveletError(
    'CONFIG_INVALID',
    `Secret ${NAMESPACE}/${RECORD_NAME} cannot be read: restore it, or delete it and run \`hivelet ca rotate\``,
  );
}

function isPhase(text: string): text is Phase {
  return PHASES.includes(text);
}
