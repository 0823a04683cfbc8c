// timeout: 120s
/** Proves that the same host code serves the same devices in a process of its own: all tests of the thermostat, with its mapper in a child. */
process.env['THERMOSTAT_PLACE'] = 'child';
await import('./modbus-thermostat.test.ts');
