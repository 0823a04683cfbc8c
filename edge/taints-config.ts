/** Owns how taints of the Node are written in the configuration: as kubectl does, or as KubeEdge does. Pure. */
import { isRecord } from '#wire/message.ts';

export interface Taint {
  key: string;
  value?: string;
  effect: string;
}

const KEY = /^(?:[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?\/)?[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$/;
const VALUE = /^(?:[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?)?$/;
const EFFECT = /^(?:NoSchedule|PreferNoSchedule|NoExecute)$/;

/** `KEY=VALUE:EFFECT` of what is written so, or as a map; undefined for what the API would refuse. */
export const taintItem = {
  form: 'KEY=VALUE:EFFECT or KEY:EFFECT (or maps of key, value and effect), where EFFECT is NoSchedule, PreferNoSchedule or NoExecute',
  read: (written: unknown): string | undefined => {
    const taint = typeof written === 'string' ? parseTaint(written) : fromMap(written);
    if (taint === undefined || !KEY.test(taint.key) || !VALUE.test(taint.value ?? '') || !EFFECT.test(taint.effect)) return undefined;
    return `${taint.key}${taint.value === undefined ? '' : `=${taint.value}`}:${taint.effect}`;
  },
};

/** Of a text in the form above. */
export function parseTaint(text: string): Taint | undefined {
  const match = /^([^=:]*)(?:=([^:]*))?:([^:]*)$/.exec(text);
  if (match === null) return undefined;
  const [, key = '', value = '', effect = ''] = match;
  return { key, ...(value === '' ? {} : { value }), effect };
}

/** KubeEdge's files may have `timeAdded` too, which is the cluster's to say. */
function fromMap(written: unknown): Taint | undefined {
  if (!isRecord(written)) return undefined;
  const { key, value = '', effect } = written;
  const texts = typeof key === 'string' && typeof effect === 'string' && (typeof value === 'string' || value === null);
  return texts ? { key, ...(value === null || value === '' ? {} : { value }), effect } : undefined;
}
