/** Owns where each plugin runs: as it declares, or as the configuration says. Pure. */
import { HiveletError } from '#beehive/errors.ts';
import type { Placement } from './contract.ts';

/** `service`: a unit of systemd of its own, for what needs rights that edgecore must not have. */
export type Place = Placement | 'service';

const PLACES: readonly string[] = ['inside', 'child', 'service'] satisfies Place[];

interface Row {
  readonly plugin: string;
  readonly placement: Placement;
  readonly hasFiles?: true;
}

/**
 * Plugin -> place. `wanted`: the setting modules.mapperHost.placement, a protocol name in any case -> place.
 * Throws CONFIG_INVALID for a name or a place that there is not, and for a service that could not reach its files.
 */
export function placesOf(table: ReadonlyMap<string, Row>, wanted: Readonly<Record<string, string>>): ReadonlyMap<string, Place> {
  const places = new Map<string, Place>([...table.values()].map(({ plugin, placement }) => [plugin, placement]));
  for (const [protocol, place] of Object.entries(wanted)) {
    const row = table.get(protocol.toLowerCase());
    if (row === undefined) throw refused(protocol, `is no protocol that a plugin serves; use ${[...table.keys()].join(', ')}`);
    if (!isPlace(place)) throw refused(protocol, `is ${JSON.stringify(place)}; use ${PLACES.join(', ')}`);
    if (place === 'service' && row.hasFiles === true)
      throw refused(protocol, `cannot be service: the plugin ${row.plugin} has files in the data directory; use child`);
    places.set(row.plugin, place);
  }
  return places;
}

function isPlace(text: string): text is Place {
  return PLACES.includes(text);
}

function refused(protocol: string, what: string): HiveletError {
  return new HiveletError('CONFIG_INVALID', `modules.mapperHost.placement.${protocol} ${what}`);
}
