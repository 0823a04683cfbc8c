/** What the user's own kubectl shows of devices: tables, conditions, events. Cloud and edge are real, the device is a simulated Modbus boiler. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { systemClock } from '#beehive/clock.ts';
import { initCloud } from '#cloud/pki/init.ts';
import { deviceModels, devices } from '#cloud/store/kube-api.ts';
import { boilerDevice, boilerModel, startBoiler, type Boiler } from '#test/simulators/modbus-boiler.ts';
import { startTestCloud, type TestCloud } from '#test/support/cloud.ts';
import { startTestEdge, type TestEdge } from '#test/support/edge.ts';
import { createKubectl, type Kubectl } from '#test/support/kubectl.ts';
import { needing } from '#test/support/peers.ts';
import { until } from '#test/support/until.ts';

const kubectlTest = needing(test, 'kubectl');
let boiler: Boiler;
let cloud: TestCloud;
let edge: TestEdge;
let kubectl: Kubectl;

test.before(async () => {
  boiler = await startBoiler();
  cloud = await startTestCloud();
  kubectl = createKubectl(cloud.kubeconfig);
  await cloud.api.create(deviceModels, boilerModel);
  await initCloud({ dataDir: cloud.dataDir, advertise: [], clock: systemClock, nodeName: 'pi' });
  edge = await startTestEdge({ dataDir: cloud.dataDir, node: 'pi', hub: `127.0.0.1:${cloud.cloud.hubPort}` });
  await cloud.api.create(devices, boilerDevice({ port: boiler.port, desired: { setpoint: '23', limit: '80' } }));
  await until(async () => (await kubectl.run('get', 'events')).includes('write refused'), { what: 'the refused write', everyMs: 200 });
});

test.after(async () => {
  await edge.edge.stop();
  await cloud.close();
  await boiler.close();
});

/** Of one line of a table, by the heads of its columns. */
function row(table: string, name: string): Record<string, string> {
  const [head = '', ...lines] = table.split('\n');
  const starts = [...head.matchAll(/\S+(?: \S+)*/g)].map(({ index, 0: text }) => [text, index] as const);
  const line = lines.find((each) => each.startsWith(`${name} `)) ?? '';
  return Object.fromEntries(starts.map(([text, from], at) => [text, line.slice(from, starts[at + 1]?.[1]).trim()]));
}

kubectlTest('get devices tells at a glance how a device is', async () => {
  const shown = await until(
    async () => {
      const table = await kubectl.run('get', 'devices');
      return row(table, 'boiler')['LAST SEEN'] === '' || !table.includes('setpoint 23 -> 23') ? undefined : table;
    },
    { what: 'the reached setpoint', deadlineMs: 20_000, everyMs: 200 },
  );
  assert.match(shown, /^NAME +MODEL +NODE +PROTOCOL +STATE +LAST SEEN +DESIRED -> REPORTED +AGE$/m);
  const { AGE: age, 'LAST SEEN': seen, ...cells } = row(shown, 'boiler');
  assert.equal(cells, {
    NAME: 'boiler',
    MODEL: 'boiler-model',
    NODE: 'pi',
    PROTOCOL: 'modbus',
    STATE: 'online',
    'DESIRED -> REPORTED': 'limit 80 -> 90, setpoint 23 -> 23, temperature 19.5',
  });
  assert.match(seen ?? '', /^\d+s$/);
  assert.match(age ?? '', /^\d+s$/);
});

kubectlTest('get devices -o wide tells where it is and what is wrong', async () => {
  const wide = await kubectl.run('get', 'devices', '-o', 'wide');
  const { ADDRESS: address, PENDING: pending, REASON: reason } = row(wide, 'boiler');
  assert.equal([address, pending], [`127.0.0.1:${boiler.port}/1`, 'limit']);
  assert.match(reason ?? '', /^the device refused the write of limit with ILLEGAL DATA ADDRESS$/);
});

kubectlTest('a value that can never be written is a condition, an event and a reason in the wide table', async () => {
  const twins = JSON.parse(await kubectl.run('get', 'device', 'boiler', '-o', 'jsonpath={.status.twins}')) as { propertyName: string }[];
  const path = `/status/twins/${twins.findIndex(({ propertyName }) => propertyName === 'temperature')}/desired`;
  const patch = (operation: object): Promise<string> =>
    kubectl.run('patch', 'device', 'boiler', '--type', 'json', '-p', JSON.stringify([{ ...operation, path }]));
  await patch({ op: 'add', value: { value: '7' } });
  const events = (): Promise<string> => kubectl.run('events', '--for', 'device/boiler');
  await until(async () => /Warning +ProfileInvalid .*ReadOnly/.test(await events()), { what: 'the event', everyMs: 200 });
  assert.match(await kubectl.run('describe', 'device', 'boiler'), /Reason: +NotUsableAsWritten\n +Status: +True\n +Type: +ProfileInvalid/);
  assert.match(await kubectl.run('get', 'devices'), /temperature 7 -> 19\.5/);
  await patch({ op: 'remove' });
  await until(async () => !(await kubectl.run('describe', 'device', 'boiler')).includes('NotUsableAsWritten'), {
    what: 'the end of the condition',
    everyMs: 200,
  });
});

kubectlTest('get devicemodels tells what they have', async () => {
  const table = await kubectl.run('get', 'devicemodels');
  assert.match(table, /^NAME +COUNT +PROPERTIES +AGE$/m);
  assert.match(table, /^boiler-model +3 +setpoint,limit,temperature +\d+s$/m);
});

kubectlTest('describe device shows its conditions and events', async () => {
  const text = await kubectl.run('describe', 'device', 'boiler');
  const condition = /Conditions:\n([\s\S]*?)\n {2}(?:Last Online Time|State|Summary):/.exec(text)?.[1] ?? '';
  assert.match(condition, /Last Transition Time: +\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ\n/);
  assert.match(condition, /Message: +the device answers\n +Reason: +DeviceOnline\n +Status: +True\n +Type: +Ready/);
  assert.match(text, /^ +Normal +DesiredWritten +\d+s +devicecontroller +setpoint: desired 23 written, observed 23 in \d+ ms$/m);
  assert.match(text, /^ +Warning +WriteRefused +\d+s +devicecontroller +limit: write refused: ILLEGAL DATA ADDRESS$/m);
});

kubectlTest('events --for a device and get events show the same', async () => {
  for (const name of ['device/boiler', 'devices.devices.kubeedge.io/boiler']) {
    const events = await kubectl.run('events', '--for', name);
    assert.match(events, /Normal +DesiredWritten +Device\/boiler +setpoint: desired 23 written, observed 23 in \d+ ms/);
    assert.match(events, /Warning +WriteRefused +Device\/boiler +limit: write refused: ILLEGAL DATA ADDRESS/);
  }
  assert.match(
    await kubectl.run('get', 'events', '--field-selector', 'type=Warning'),
    /WriteRefused +device\/boiler +limit: write refused/,
  );
});

kubectlTest('the time of a condition moves only when it changes', async () => {
  const since = (): Promise<string> =>
    kubectl.run('get', 'device', 'boiler', '-o', 'jsonpath={.status.conditions[?(@.type=="Ready")].lastTransitionTime}');
  const before = await since();
  const { metadata } = await cloud.api.get(devices, { namespace: 'default', name: 'boiler' });
  boiler.unit.set('holding', 1, 333);
  await until(async () => (await kubectl.run('get', 'devices')).includes('temperature 33.3'), {
    what: 'another reading',
    deadlineMs: 20_000,
  });
  assert.is.not(
    (await cloud.api.get(devices, { namespace: 'default', name: 'boiler' })).metadata.resourceVersion,
    metadata.resourceVersion,
  );
  assert.is(await since(), before);
});

kubectlTest('a device that stops answering is offline with the reason, its values are stale, and good again when it is back', async () => {
  const described = (): Promise<string> => kubectl.run('describe', 'device', 'boiler');
  const qualities = async (): Promise<string[]> => {
    const path = 'jsonpath={range .status.twins[*]}{.reported.metadata.quality}:{.reported.metadata.reason}{"\\n"}{end}';
    const lines = await kubectl.run('get', 'device', 'boiler', '-o', path);
    return [...new Set(lines.trim().split('\n'))];
  };
  assert.equal(await qualities(), ['good:']);
  boiler.mute = true;
  const shown = await until(
    async () => {
      const text = await described();
      return /State: +offline/.test(text) && (await qualities()).every((quality) => quality.startsWith('stale')) ? text : undefined;
    },
    { what: 'the offline device', deadlineMs: 20_000, everyMs: 200 },
  );
  assert.match(
    shown,
    /Message: +the node says that the device is offline: .*did not answer.*\n +Reason: +DeviceNotOnline\n +Status: +False\n +Type: +Ready/,
  );
  assert.match((await qualities())[0] ?? '', /^stale:.*did not answer/);
  assert.match(await kubectl.run('events', '--for', 'device/boiler'), /Warning +StateChanged .*online -> offline/);
  boiler.mute = false;
  await until(async () => /State: +online/.test(await described()) && (await qualities()).join() === 'good:', {
    what: 'the device to be online again',
    deadlineMs: 20_000,
    everyMs: 200,
  });
});

test.run();
