/** Owns the one adapter that all devices share: keeps it open while one is wanted, looks for those that are missing, and connects them. */
import { HiveletError, isHiveletError, messageOf } from '#beehive/errors.ts';
import { backoff } from '#beehive/retry.ts';
import { Alarm } from './alarm.ts';
import { connect } from './connect.ts';
import { linkKeyOf, type BluetoothLink } from './link.ts';
import type { NoblePeripheral } from './noble.ts';
import { race } from './race.ts';
import { adapterDown, Radio, type RadioOptions } from './radio.ts';
import { Session } from './session.ts';
import { Tag } from './tag.ts';

const FIRST_START_MS = 500;
const LAST_START_MS = 30_000;
/** Most devices advertise each 0.1 to 2 s; some each 10 s. */
const SCAN_MS = 4000;
/** Pauses between scans that found nothing. While links stand they are longer: a scan takes air time from them. */
const LEAST_REST_MS = 250;
const FIRST_REST_MS = 500;
const LAST_REST_MS = 2000;
const LAST_REST_BUSY_MS = 8000;

export class Adapter {
  readonly #options: RadioOptions;
  readonly #tags = new Map<string, Tag>();
  readonly #alarm: Alarm;
  readonly #background = new Set<Promise<void>>();
  readonly #endings = new Set<Promise<void>>();
  #loop: { stop: AbortController; done: Promise<void> } | undefined;
  /** Why nothing can be reached now. */
  #fault: HiveletError | undefined;
  #scans = 0;

  constructor(options: RadioOptions) {
    this.#options = options;
    this.#alarm = new Alarm(options.clock);
  }

  /** The device is wanted, and looked for, until `signal` aborts. Throws DEVICE_UNREACHABLE while it cannot be reached. */
  async session(link: BluetoothLink, signal: AbortSignal): Promise<{ session: Session; tag: Tag }> {
    signal.throwIfAborted();
    const known = this.#tags.get(linkKeyOf(link));
    const tag = known ?? new Tag(link, this.#options.clock);
    this.#tags.set(tag.key, tag);
    tag.want(signal, () => this.#unwanted(tag));
    this.#start();
    // One that is looked for already does not cut the pause between two scans short.
    if (known === undefined) this.#alarm.ring();
    return { session: await tag.wait(signal, this.#fault), tag };
  }

  #unwanted(tag: Tag): void {
    if (this.#tags.get(tag.key) === tag) this.#tags.delete(tag.key);
    if (tag.session !== undefined) this.#end(tag.session, `${tag.address} is no longer used`);
    if (this.#tags.size > 0 || this.#loop === undefined) return;
    this.#loop.stop.abort(new HiveletError('STOPPED', 'no Bluetooth device is used any more'));
    this.#loop = undefined;
  }

  #start(): void {
    if (this.#loop !== undefined) return;
    const stop = new AbortController();
    // What an earlier time left behind ends first: an adapter is opened once.
    const before = [...this.#background];
    this.#fault = undefined;
    const done = Promise.allSettled(before).then(() => this.#serve(stop.signal));
    this.#loop = { stop, done };
    this.#run(done);
  }

  /** Never rejects. */
  async #serve(signal: AbortSignal): Promise<void> {
    const { clock, log, hci } = this.#options;
    const newPauses = (): Generator<number, never> => backoff(FIRST_START_MS, LAST_START_MS, () => clock.random());
    let pauses = newPauses();
    while (!signal.aborted) {
      let radio: Radio | undefined;
      try {
        radio = await Radio.start(this.#options, { signal, off: () => this.#refuse(adapterDown(hci)) });
        this.#fault = undefined;
        pauses = newPauses();
        log.info('bluetooth.adapter.on');
        await this.#supply(radio, signal);
      } catch (error) {
        if (signal.aborted) break;
        const fault = isHiveletError(error) ? error : new HiveletError('DEVICE_UNREACHABLE', messageOf(error), { cause: error });
        if (this.#fault?.message !== fault.message) log.warn('bluetooth.adapter.off', { reason: fault.message });
        this.#refuse(fault);
      } finally {
        for (const { session } of this.#tags.values())
          if (session !== undefined) this.#end(session, 'no Bluetooth device is used any more');
        await Promise.allSettled(this.#endings);
        radio?.close('the Bluetooth adapter is no longer used');
      }
      await clock.sleep(pauses.next().value, signal).catch(() => undefined);
    }
  }

  /** Until the radio ends, which it throws, or the signal aborts: connects what is missing. */
  async #supply(radio: Radio, signal: AbortSignal): Promise<void> {
    const stop = new AbortController();
    const end = (): void => stop.abort(radio.ended.aborted ? radio.ended.reason : signal.reason);
    for (const each of [radio.ended, signal]) each.addEventListener('abort', end, { once: true });
    if (radio.ended.aborted || signal.aborted) end();
    try {
      let rests = this.#newRests();
      while (!stop.signal.aborted) {
        const missing = [...this.#tags.values()].filter((tag) => tag.session === undefined && !tag.connecting);
        const due = missing.filter(({ notBefore }) => notBefore <= this.#options.clock.monotonic());
        if (due.length === 0) {
          const next = Math.min(...missing.map(({ notBefore }) => notBefore));
          await this.#alarm.wait(next - this.#options.clock.monotonic(), stop.signal);
          rests = this.#newRests();
          continue;
        }
        const heard = await this.#listen(radio, due, stop.signal);
        for (const [tag, peripheral] of heard) await this.#link(radio, { tag, peripheral }, stop.signal);
        if (heard.size > 0) continue;
        await this.#options.clock.sleep(LEAST_REST_MS, stop.signal).catch(() => undefined);
        await this.#alarm.wait(rests.next().value - LEAST_REST_MS, stop.signal);
      }
      throw stop.signal.reason as Error;
    } finally {
      for (const each of [radio.ended, signal]) each.removeEventListener('abort', end);
    }
  }

  /** One scan: ends with the first device that is looked for, or without one. */
  async #listen(radio: Radio, due: readonly Tag[], signal: AbortSignal): Promise<Map<Tag, NoblePeripheral>> {
    const heard = new Map<Tag, NoblePeripheral>();
    const scan = race<void>({
      clock: this.#options.clock,
      ms: SCAN_MS,
      late: () => new HiveletError('BUS_TIMEOUT', 'nothing was heard'),
      signals: [signal],
      begin: ({ resolve }) => {
        radio.heard = (peripheral) => {
          const tag = this.#meant(peripheral);
          if (tag === undefined || !due.includes(tag) || !peripheral.connectable) return;
          tag.take(peripheral.address);
          heard.set(tag, peripheral);
          resolve();
        };
        // A lost scan response must not hide a device for ever: each second scan takes all reports.
        radio.startScan(this.#scans++ % 2 === 1);
        return () => undefined;
      },
    });
    await scan.catch(() => undefined);
    await radio.stopScan();
    radio.heard = () => undefined;
    radio.forgetOthers(new Set([...this.#tags.values()].map(({ id }) => id)));
    if (heard.size === 0) for (const tag of due) tag.unheard();
    return heard;
  }

  /** Who is wanted by its address is nobody else's, whatever it calls itself. */
  #meant(peripheral: NoblePeripheral): Tag | undefined {
    const meant = [...this.#tags.values()].filter((tag) => tag.isMeant(peripheral));
    return meant.find(({ address }) => address !== '') ?? meant[0];
  }

  /** Never rejects. What the device has is learnt in the background, so that another can be connected meanwhile. */
  async #link(radio: Radio, { tag, peripheral }: { tag: Tag; peripheral: NoblePeripheral }, signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#options;
    if (signal.aborted || !tag.wanted) return;
    tag.connecting = true;
    try {
      await connect(peripheral, { radio, clock, signal });
    } catch (error) {
      tag.connecting = false;
      if (!signal.aborted) this.#failed(tag, error);
      return;
    }
    const session = new Session({ radio, peripheral, clock, timeoutMs: tag.timeoutMs, barred: tag.barred });
    const learn = async (): Promise<void> => {
      try {
        await session.discover();
        log.debug('bluetooth.device.connected', { address: tag.address, characteristics: session.characteristics.length });
        if (tag.wanted) tag.up(session);
        else await session.close(`${tag.address} is no longer used`);
      } catch (error) {
        await session.close(messageOf(error));
        if (!signal.aborted) this.#failed(tag, error);
      } finally {
        tag.connecting = false;
        session.ended.addEventListener('abort', () => this.#alarm.ring(), { once: true });
        this.#alarm.ring();
      }
    };
    this.#run(learn());
  }

  #failed(tag: Tag, error: unknown): void {
    this.#options.log.debug('bluetooth.device.failed', { address: tag.address, error });
    tag.failed(isHiveletError(error) ? error : new HiveletError('DEVICE_UNREACHABLE', messageOf(error), { cause: error }));
    this.#alarm.ring();
  }

  #refuse(fault: HiveletError): void {
    this.#fault = fault;
    for (const tag of this.#tags.values()) tag.refuse(fault);
  }

  #end(session: Session, reason: string): void {
    const ending = session.close(reason).finally(() => this.#endings.delete(ending));
    this.#endings.add(ending);
  }

  #newRests(): Generator<number, never> {
    const busy = [...this.#tags.values()].some(({ session }) => session !== undefined);
    return pausesUpTo(busy ? LAST_REST_BUSY_MS : LAST_REST_MS);
  }

  /** The job must deal with its own failures. */
  #run(job: Promise<void>): void {
    const done = job.finally(() => this.#background.delete(done));
    this.#background.add(done);
  }
}

function* pausesUpTo(mostMs: number): Generator<number, never> {
  for (let ms = FIRST_REST_MS; ; ms = Math.min(2 * ms, mostMs)) yield ms;
}
