/** Owns where each plugin runs: as it declares, or as the configuration says. Pure. */
import { HiveletError } from '#beehive/errors.ts';
import { nearestName } from '#device-models/nearest-name.ts';
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
 * Plugin -> place. `wanted`: the setting modules.mapperHost.placement, a protocol name in any case -> place. A name without a plugin may be
 * that of one which is installed later: an edge must start without it. Throws CONFIG_INVALID for a place that there is not, for a name that
 * is one of ours but for a typing error, and for a service that could not reach its files.
 */
export function placesOf(table: ReadonlyMap<string, Row>, wanted: Readonly<Record<string, string>>): ReadonlyMap<string, Place> {
  const places = new Map<string, Place>([...table.values()].map(({ plugin, placement }) => [plugin, placement]));
  for (const [protocol, place] of Object.entries(wanted)) {
    const row = table.get(protocol.toLowerCase());
    const near = row === undefined ? nearestName(protocol, table.keys()) : undefined;
    if (near !== undefined) throw refused(protocol, `is no protocol that a plugin serves; did you mean ${near}?`);
    if (!isPlace(place)) throw refused(protocol, `is ${JSON.stringify(place)}; use ${PLACES.join(', ')}`);
    // Those that may come later are of others, who have their files there as well.
    if (place === 'service' && (row === undefined || row.hasFiles === true))
      throw refused(protocol, `cannot be service: the plugin ${row?.plugin ?? protocol} has files in the data directory; use child`);
    if (row !== undefined) places.set(row.plugin, place);
  }
  return places;
}

/** Names of the setting that no plugin of the table has. */
export function placedInVain(table: ReadonlyMap<string, Row>, wanted: Readonly<Record<string, string>>): string[] {
  return Object.keys(wanted).filter((protocol) => !table.has(protocol.toLowerCase()));
}

function isPlace(text: string): text is Place {
  return PLACES.includes(text);
}

function refused(protocol: string, what: string): HiveletError {
  return new HiveletError('CONFIG_INVALID', `modules.mapperHost.placement.${protocol} ${what}`);
}
