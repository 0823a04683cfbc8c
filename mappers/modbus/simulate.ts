/** Owns the thermostat to play with: a Modbus TCP device with a little physics. `hivelet simulate modbus` runs it. */
import type { Clock, Timer } from '#beehive/clock.ts';
import { ModbusUnit, startModbusServer } from './server.ts';

/**
 * Its registers, zero based:
 *
 * | table | address | meaning |
 * |---|---|---|
 * | holding | 0 | setpoint × 10, written by the master; 50 to 350, other values are refused with ILLEGAL DATA VALUE |
 * | input, holding | input 0, 1 and holding 1 | temperature × 10 |
 * | holding | 2, 3 | energy in Wh, unsigned 32 bit, high word first |
 * | input | 4, 5 | heating power in W, 32-bit float |
 * | holding | 10 to 17 | serial number, 16 characters |
 * | coil | 0 | on or off; off lets the room cool down |
 * | discrete | 0 | the heater is burning |
 */
export const THERMOSTAT = { setpoint: 0, temperature: 1, energy: 2, power: 4, serial: 10, on: 0, burning: 0 } as const;

export interface ThermostatOptions {
  clock: Clock;
  host?: string;
  /** 0 takes a free one. */
  port?: number;
  /** Unit ids that answer; default all. */
  units?: readonly number[];
  /** Degrees Celsius at the start. */
  setpoint?: number;
  temperature?: number;
  /** Time constant of the room, ms: after it 63 % of the way to the setpoint is done. */
  lagMs?: number;
  /** Half width of the noise, degrees. */
  noise?: number;
  /** Told of each write of a master. */
  onWrite?: (write: { unit: number; table: string; address: number; values: readonly number[] }) => void;
}

export interface ThermostatState {
  setpoint: number;
  temperature: number;
  on: boolean;
  burning: boolean;
}

export interface Thermostat {
  readonly host: string;
  readonly port: number;
  state(): ThermostatState;
  /** Somebody turns the knob at the device. */
  turn(setpoint: number): void;
  /** Nobody is answered until it is called with false. */
  silence(on: boolean): void;
  close(): Promise<void>;
}

const STEP_MS = 200;
/** Where the temperature goes when it is off. */
const OUTSIDE = 12;
const FULL_POWER_W = 1500;
const LOWEST = 50;
const HIGHEST = 350;

class ThermostatUnit extends ModbusUnit {
  override answer(pdu: Buffer): Buffer {
    const writesSetpoint = pdu[0] === 6 && pdu.length >= 5 && pdu.readUInt16BE(1) === THERMOSTAT.setpoint;
    const value = writesSetpoint ? pdu.readUInt16BE(3) : LOWEST;
    return value < LOWEST || value > HIGHEST ? Buffer.from([6 | 0x80, 3]) : super.answer(pdu);
  }
}

/** One step of the physics: first-order lag towards the target. Pure. */
export function nextTemperature(temperature: number, { target, stepMs, lagMs }: { target: number; stepMs: number; lagMs: number }): number {
  return target + (temperature - target) * Math.exp(-stepMs / lagMs);
}

/** Resolves when it listens. Throws PORT_IN_USE. */
export async function startThermostat(options: ThermostatOptions): Promise<Thermostat> {
  const { clock, units, setpoint = 20, lagMs = 8000, noise = 0.05 } = options;
  const unit = new ThermostatUnit();
  let temperature = options.temperature ?? 18;
  let energyWh = 0;
  unit.set('holding', THERMOSTAT.setpoint, Math.round(setpoint * 10), 0, 0, 0).set('input', 0, 0, 0, 0, 0, 0, 0);
  unit
    .set('holding', THERMOSTAT.serial, ...registersOf('HIVELET-THERMO-1'))
    .set('coil', THERMOSTAT.on, 1)
    .set('discrete', THERMOSTAT.burning, 0);
  unit.onWrite = (table, address, values) => options.onWrite?.({ unit: units?.[0] ?? 1, table, address, values });

  const wanted = (): number => (unit.get('holding', THERMOSTAT.setpoint) ?? 0) / 10;
  const isOn = (): boolean => unit.get('coil', THERMOSTAT.on) === 1;
  const step = (stepMs: number): void => {
    const target = isOn() ? wanted() : OUTSIDE;
    temperature = nextTemperature(temperature, { target, stepMs, lagMs });
    const power = isOn() ? Math.min(1, Math.max(0, (target - temperature) / 2 + (target - OUTSIDE) / 40)) * FULL_POWER_W : 0;
    energyWh += (power * stepMs) / 3_600_000;
    const shown = Math.max(0, Math.round((temperature + (clock.random() * 2 - 1) * noise) * 10));
    unit.set('holding', THERMOSTAT.temperature, shown, (energyWh / 65_536) | 0, energyWh & 0xffff).set('input', 0, shown, shown);
    const float = Buffer.alloc(4);
    float.writeFloatBE(power, 0);
    unit
      .set('input', THERMOSTAT.power, float.readUInt16BE(0), float.readUInt16BE(2))
      .set('discrete', THERMOSTAT.burning, power > 0 ? 1 : 0);
  };
  step(0);
  let silent = false;
  const server = await startModbusServer({
    ...listenOn(options),
    unit: (id) => (!silent && (units === undefined || units.includes(id)) ? unit : undefined),
  });
  let timer: Timer;
  const tick = (): void => {
    step(STEP_MS);
    timer = clock.timer(STEP_MS, tick);
  };
  timer = clock.timer(STEP_MS, tick);
  return {
    host: server.host,
    port: server.port,
    state: () => ({ setpoint: wanted(), temperature, on: isOn(), burning: unit.get('discrete', THERMOSTAT.burning) === 1 }),
    silence: (on) => void (silent = on),
    turn: (to) => void unit.set('holding', THERMOSTAT.setpoint, Math.round(to * 10)),
    close: () => {
      timer.cancel();
      return server.close();
    },
  };
}

function listenOn({ host, port }: ThermostatOptions): { host?: string; port?: number } {
  return { ...(host === undefined ? {} : { host }), ...(port === undefined ? {} : { port }) };
}

function registersOf(text: string): number[] {
  const bytes = Buffer.alloc(16);
  bytes.write(text, 'latin1');
  return Array.from({ length: 8 }, (_, index) => bytes.readUInt16BE(index * 2));
}
