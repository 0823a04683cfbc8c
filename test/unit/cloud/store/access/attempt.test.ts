/** What a request tries, as access rules see it. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { attemptOf, type Attempt } from '#cloud/store/embedded/access/attempt.ts';

function attempt(line: string): Attempt {
  const [method = '', url = ''] = line.split(' ');
  const [path = '', query = ''] = url.split('?');
  return attemptOf({ method, segments: path.split('/').filter((part) => part !== ''), query: new URLSearchParams(query) });
}

/** `verb group resource/subresource namespace name`, `-` for what is empty. */
const cases: [string, string][] = [
  ['GET /api/v1/nodes', 'list - nodes - -'],
  ['HEAD /api/v1/nodes/n', 'get - nodes - n'],
  ['GET /api/v1/namespaces/x/pods', 'list - pods x -'],
  ['GET /api/v1/namespaces/x/pods?watch=true', 'watch - pods x -'],
  ['GET /api/v1/namespaces/x/pods?watch=0', 'list - pods x -'],
  ['GET /api/v1/namespaces/x/pods?watch=0&watch=1', 'list - pods x -'],
  ['GET /api/v1/namespaces/x/pods/p?watch=true', 'get - pods x p'],
  ['GET /api/v1/pods?fieldSelector=metadata.name=p', 'list - pods - p'],
  ['GET /api/v1/pods?watch=1&fieldSelector=spec.nodeName=n,metadata.name==p', 'watch - pods - p'],
  ['GET /api/v1/pods?fieldSelector=metadata.name!=p', 'list - pods - -'],
  ['GET /api/v1/pods?fieldSelector=garbage', 'list - pods - -'],
  ['DELETE /api/v1/pods?fieldSelector=metadata.name=p', 'deletecollection - pods - -'],
  ['GET /api/v1/watch/namespaces/x/pods/p', 'watch - pods x p'],
  ['DELETE /api/v1/watch/pods', 'watch - pods - -'],
  ['POST /api/v1/namespaces/x/pods/p/eviction', 'create - pods/eviction x p'],
  ['PUT /api/v1/nodes/n/status', 'update - nodes/status - n'],
  ['PATCH /apis/apps/v1/namespaces/x/deployments/d/scale', 'patch apps deployments/scale x d'],
  ['GET /api/v1/namespaces', 'list - namespaces - -'],
  ['GET /api/v1/namespaces/x', 'get - namespaces x x'],
  ['PUT /api/v1/namespaces/x/finalize', 'update - namespaces/finalize x x'],
  ['GET /api/v1/namespaces/x/status', 'get - namespaces/status x x'],
  ['GET /api/v1//namespaces//x//pods/', 'list - pods x -'],
  ['OPTIONS /api/v1/nodes', '- - nodes - -'],
  ['GET /apis/a.b/v1', 'get /apis/a.b/v1'],
  ['GET /api/v1', 'get /api/v1'],
  ['GET /', 'get /'],
  ['POST /metrics/x', 'post /metrics/x'],
];

for (const [line, wanted] of cases) {
  test(`${line} is ${wanted}`, () => {
    const found = attempt(line);
    const or = (text: string): string => (text === '' ? '-' : text);
    if ('path' in found) return assert.is(`${found.verb} ${found.path}`, wanted);
    const { verb, group, resource, subresource, namespace, name } = found;
    const what = subresource === '' ? resource : `${resource}/${subresource}`;
    assert.is([or(verb), or(group), what, or(namespace), or(name)].join(' '), wanted);
  });
}

test.run();
