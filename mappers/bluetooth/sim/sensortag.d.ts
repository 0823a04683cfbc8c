/**
 * @param {number} id
 * @returns {string} the 128-bit UUID of a TI service or characteristic
 */
export function tiUuid(id: number): string;
/**
 * TMP007: object then ambient temperature, 14 bit of 1/32 °C in the upper bits of 16.
 * @param {Environment} environment
 */
export function encodeIrTemperature({ objectTemperature, ambientTemperature }: Environment): Buffer<ArrayBufferLike>;
/**
 * HDC1000: temperature then relative humidity, each a fraction of 2^16.
 * @param {Environment} environment
 */
export function encodeHumidity({ ambientTemperature, humidity }: Environment): Buffer<ArrayBuffer>;
/**
 * BMP280: temperature in 1/100 °C then pressure in 1/100 hPa, 24 bit each.
 * @param {Environment} environment
 */
export function encodeBarometer({ ambientTemperature, pressure }: Environment): Buffer<ArrayBuffer>;
/**
 * OPT3001: 12 bit mantissa, 4 bit exponent, 1/100 lux.
 * @param {Environment} environment
 */
export function encodeLight({ light }: Environment): Buffer<ArrayBuffer>;
/**
 * MPU9250: gyroscope, accelerometer, magnetometer. Axes that are off read zero.
 * @param {Environment} environment
 * @param {number} config bits 0-2 gyroscope z y x, 3-5 accelerometer z y x, 6 magnetometer, 8-9 range
 */
export function encodeMovement({ gyroscope, acceleration, magneticField }: Environment, config: number): Buffer<ArrayBufferLike>;
/**
 * @typedef {object} SensorDefinition
 * @property {string} name
 * @property {number} service
 * @property {number} data
 * @property {number} config
 * @property {number} period
 * @property {number} handle of the service declaration
 * @property {number} length of the data
 * @property {number} configLength
 * @property {number} defaultPeriod ms
 * @property {number} minPeriod ms
 * @property {number} settle ms from switching on to the first value
 * @property {(environment: Environment, config: number) => Buffer} encode
 */
/** @type {readonly SensorDefinition[]} */
export const SENSORS: readonly SensorDefinition[];
/**
 * @typedef {object} SensorTagOptions
 * @property {Partial<Environment> | (() => Partial<Environment>)} [environment] values, or a function asked at each sample
 * @property {string} [name] advertised name
 * @property {number} [battery] %
 */
/** Buttons as the simple keys service reports them. */
export const KEYS: Readonly<{
    USER: 1;
    POWER: 2;
    REED: 4;
}>;
/** Event besides those of a peripheral: 'config' (sensor: string, value: number). */
export class SensorTag extends VirtualPeripheral {
    /** @param {import('./peripheral.js').PeripheralOptions & SensorTagOptions} options */
    constructor({ environment, name, battery, ...options }: import("./peripheral.js").PeripheralOptions & SensorTagOptions);
    /** @returns {Environment} */
    get environment(): Environment;
    /**
     * Changes what the sensors see from their next sample on.
     * @param {Partial<Environment>} values
     */
    setEnvironment(values: Partial<Environment>): void;
    /**
     * @param {string} name of one of SENSORS
     * @returns {{ config: number, periodMs: number, value: Buffer }}
     */
    sensor(name: string): {
        config: number;
        periodMs: number;
        value: Buffer;
    };
    /** @param {number} keys bits of KEYS that are down */
    pressKeys(keys: number): void;
    /** @param {number} percent */
    setBattery(percent: number): void;
    /** IO service: data bits red LED, green LED, buzzer; config 0 local, 1 remote, 2 test. */
    io: {
        data: number;
        config: number;
    };
    #private;
}
/**
 * Physical values around a tag.
 */
export type Environment = {
    /**
     * °C, as the infrared sensor sees it
     */
    objectTemperature: number;
    /**
     * °C
     */
    ambientTemperature: number;
    /**
     * % relative
     */
    humidity: number;
    /**
     * hPa
     */
    pressure: number;
    /**
     * lux
     */
    light: number;
    /**
     * °/s
     */
    gyroscope: [number, number, number];
    /**
     * g
     */
    acceleration: [number, number, number];
    /**
     * µT
     */
    magneticField: [number, number, number];
};
export type SensorDefinition = {
    name: string;
    service: number;
    data: number;
    config: number;
    period: number;
    /**
     * of the service declaration
     */
    handle: number;
    /**
     * of the data
     */
    length: number;
    configLength: number;
    /**
     * ms
     */
    defaultPeriod: number;
    /**
     * ms
     */
    minPeriod: number;
    /**
     * ms from switching on to the first value
     */
    settle: number;
    encode: (environment: Environment, config: number) => Buffer;
};
export type SensorTagOptions = {
    /**
     * values, or a function asked at each sample
     */
    environment?: Partial<Environment> | (() => Partial<Environment>) | undefined;
    /**
     * advertised name
     */
    name?: string | undefined;
    /**
     * %
     */
    battery?: number | undefined;
};
import { VirtualPeripheral } from './peripheral.js';
