/** Owns defaults and checks of deployments, replica sets and daemon sets: stored objects, nothing here makes pods of them. */
import type { KubeObject, StatusCause } from '../../kube-api.ts';
import { deepEqual, dig, isRecord, own, textAt } from '../json-value.ts';
import type { JsonRecord } from '../json-value.ts';
import { invalidValue, required, unsupportedValue } from '../status.ts';
import { checkNotNegative, checkOneOf, ensureRecord, fill, recordsAt } from './checks.ts';
import { checkPodSpec, preparePodSpec } from './pod-rules.ts';

const ROLLING = 'RollingUpdate';

export function prepareDeployment(object: KubeObject, previous: KubeObject | undefined): void {
  const spec = prepareWorkload(object, previous);
  fill(spec, { replicas: 1, revisionHistoryLimit: 10, progressDeadlineSeconds: 600 });
  prepareStrategy(ensureRecord(spec, 'strategy'), { maxUnavailable: '25%', maxSurge: '25%' });
}

export function prepareReplicaSet(object: KubeObject, previous: KubeObject | undefined): void {
  fill(prepareWorkload(object, previous), { replicas: 1 });
  ensureRecord(object, 'status')['replicas'] ??= 0;
}

export function prepareDaemonSet(object: KubeObject, previous: KubeObject | undefined): void {
  const spec = prepareWorkload(object, previous);
  fill(spec, { revisionHistoryLimit: 10 });
  prepareStrategy(ensureRecord(spec, 'updateStrategy'), { maxUnavailable: 1, maxSurge: 0 });
  fill(ensureRecord(object, 'status'), {
    currentNumberScheduled: 0,
    numberMisscheduled: 0,
    desiredNumberScheduled: 0,
    numberReady: 0,
  });
}

function prepareWorkload(object: KubeObject, previous: KubeObject | undefined): JsonRecord {
  const spec = ensureRecord(object, 'spec');
  const template = own(spec, 'template');
  if (isRecord(template)) preparePodSpec(ensureRecord(template, 'spec'));
  if (previous === undefined) object['status'] = {};
  return spec;
}

function prepareStrategy(strategy: JsonRecord, rolling: JsonRecord): void {
  fill(strategy, { type: ROLLING });
  if (strategy['type'] === ROLLING) fill(ensureRecord(strategy, 'rollingUpdate'), rolling);
}

export function checkDeployment(object: KubeObject, previous: KubeObject | undefined): StatusCause[] {
  return [
    ...checkWorkload(object, previous),
    ...checkOneOf(dig(object, 'spec', 'strategy', 'type'), 'spec.strategy.type', ['Recreate', ROLLING]),
  ];
}

export function checkDaemonSet(object: KubeObject, previous: KubeObject | undefined): StatusCause[] {
  return [
    ...checkWorkload(object, previous),
    ...checkOneOf(dig(object, 'spec', 'updateStrategy', 'type'), 'spec.updateStrategy.type', ['OnDelete', ROLLING]),
  ];
}

export function checkWorkload(object: KubeObject, previous: KubeObject | undefined): StatusCause[] {
  const spec = own(object, 'spec');
  const template = own(spec, 'template');
  const podSpec = own(template, 'spec');
  const causes = [
    ...checkNotNegative(own(spec, 'replicas'), 'spec.replicas'),
    ...checkNotNegative(own(spec, 'minReadySeconds'), 'spec.minReadySeconds'),
    ...checkNotNegative(own(spec, 'revisionHistoryLimit'), 'spec.revisionHistoryLimit'),
    ...checkSelector(spec, template),
    ...checkPodSpec(podSpec, 'spec.template.spec'),
  ];
  if (textAt(podSpec, 'restartPolicy') !== 'Always' && isRecord(podSpec)) {
    causes.push(unsupportedValue('spec.template.spec.restartPolicy', podSpec['restartPolicy'], ['Always']));
  }
  if (previous !== undefined && !deepEqual(dig(previous, 'spec', 'selector'), own(spec, 'selector'))) {
    causes.push(invalidValue('spec.selector', JSON.stringify(own(spec, 'selector')), 'field is immutable'));
  }
  return causes;
}

function checkSelector(spec: unknown, template: unknown): StatusCause[] {
  const selector = own(spec, 'selector');
  if (!isRecord(selector)) return [required('spec.selector')];
  const labels = own(selector, 'matchLabels');
  const expressions = recordsAt(selector, 'matchExpressions');
  if (expressions.length === 0 && (!isRecord(labels) || Object.keys(labels).length === 0)) {
    return [invalidValue('spec.selector', '{}', 'empty selector is invalid for deployment')];
  }
  const has = dig(template, 'metadata', 'labels');
  const shown = isRecord(has) ? has : {};
  const matches = Object.entries(isRecord(labels) ? labels : {}).every(([key, value]) => own(shown, key) === value);
  if (matches) return [];
  const field = 'spec.template.metadata.labels';
  return [invalidValue(field, JSON.stringify(shown), '`selector` does not match template `labels`')];
}
