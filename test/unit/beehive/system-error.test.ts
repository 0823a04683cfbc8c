/** Proves that what the system refused is told in words, with the code, and that other errors keep their own. */
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { reasonOf } from '#beehive/system-error.ts';

test('a file that is not there, and one that is a folder', () => {
  const words = (file: string): string => {
    try {
      return readFileSync(file, 'utf8');
    } catch (error) {
      return reasonOf(error);
    }
  };
  assert.is(words('/no/such/file'), 'there is no such file (ENOENT)');
  assert.is(words('/'), 'it is a folder (EISDIR)');
});

test('a port where nothing listens, also under a name with several addresses', async () => {
  const refused = (host: string): Promise<string> =>
    new Promise((resolve) => connect({ host, port: 1 }).on('error', (error) => resolve(reasonOf(error))));
  assert.is(await refused('127.0.0.1'), 'nothing listens there (ECONNREFUSED)');
  assert.is(await refused('localhost'), 'nothing listens there (ECONNREFUSED)');
});

test('what has no code, or one that says nothing to a person, keeps its message', () => {
  assert.is(reasonOf(new Error('no')), 'no');
  assert.is(reasonOf(Object.assign(new Error('odd'), { code: 'EWHATEVER' })), 'odd');
  assert.is(reasonOf('text'), 'text');
});

test.run();
