/** Owns the last words of a test file that is told to end: it names what is still open, so that a hang can be found. */

process.once('SIGTERM', () => {
  const open = new Map<string, number>();
  for (const kind of process.getActiveResourcesInfo()) open.set(kind, (open.get(kind) ?? 0) + 1);
  const list = [...open].map(([kind, count]) => `${kind} x${String(count)}`).join(', ');
  process.stderr.write(`\nstill open: ${list === '' ? 'nothing' : list}\n`);
  process.exit(143);
});
