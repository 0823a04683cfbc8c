/** Owns the systemd drop-in of a board: its memory limit and groups for hivelet-edge.service. */
import type { BoardProfile } from './board.ts';

/** A drop-in file as text; `groups` beyond those of the unit itself (see `boardNeeds`). */
export function dropInOf(board: BoardProfile, groups: readonly string[]): string {
  const more = groups.filter((group) => group !== 'dialout');
  const lines = [`# ${board.name}: written by \`hivelet board --drop-in\`.`, '[Service]', `MemoryMax=${board.memory.memoryMax}`];
  // Groups that do not exist keep a service from starting, so only those of this board are named.
  if (more.length > 0) lines.push(`SupplementaryGroups=${more.join(' ')}`);
  return `${lines.join('\n')}\n`;
}
