/** Owns what a plugin that is built apart from Hivelet imports as `hivelet/mapper`: the contract, its errors, and readers of YAML fields. */
export type * from './contract.ts';
export type { Clock, Timer } from '#beehive/clock.ts';
export { HiveletError, isHiveletError, messageOf, type ErrorCode } from '#beehive/errors.ts';
export type { Logger } from '#beehive/log.ts';
export { field, fieldsOf, flagOf, listOf, nameOf, numberOf, textOf, type Fields } from '#device-models/fields.ts';
export type { ValueType } from '#device-models/values.ts';
