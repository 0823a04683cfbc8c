/** Owns the checks of API users whose removal the tests must notice: where each is, what it is without, which tests see it. */

import type { Mutation } from './mutation.ts';

const ACCESS = 'cloud/store/embedded/access';
const USERS = 'test/integration/api-users.test.ts';
const RIGHTS = 'test/integration/api-rights.test.ts';
const ESCALATION = 'test/integration/api-escalation.test.ts';
const AUDIT = 'test/integration/api-audit.test.ts';
const TOKENS = 'test/unit/cloud/store/access/tokens.test.ts';

export const apiUserMutations: readonly Mutation[] = [
  {
    check: 'a request needs a right',
    file: 'cloud/store/embedded/server.ts',
    from: '      rbac.demand(user, attempt);\n',
    to: '',
    tests: [RIGHTS],
  },
  {
    check: 'a watch is looked at again',
    file: 'cloud/store/embedded/open-streams.ts',
    from: 'if (!allowed()) end();',
    to: 'void [end, allowed];',
    tests: [RIGHTS],
  },
  {
    check: 'a bad token is 401',
    file: `${ACCESS}/authentication.ts`,
    from: 'return this.#tokenUser(token);',
    to: 'return this.#tokenUser(token) ?? ANONYMOUS;',
    tests: [USERS],
  },
  { check: 'a certificate is verified', file: `${ACCESS}/authentication.ts`, from: '!socket.authorized || ', to: '', tests: [USERS] },
  {
    check: 'a certificate ends',
    file: `${ACCESS}/authentication.ts`,
    from: ' && this.#clock.now() < certified.endsMs',
    to: '',
    tests: [USERS],
  },
  { check: 'a token ends', file: `${ACCESS}/account-tokens.ts`, from: ' || known.endsMs <= this.#clock.now()', to: '', tests: [USERS] },
  {
    check: 'a token ends with its account',
    file: `${ACCESS}/account-tokens.ts`,
    from: 'if (!this.#isThere({ resource: ACCOUNTS, ...account })) return undefined;',
    to: '',
    tests: [USERS],
  },
  {
    check: 'an account of the same name is another',
    file: `${ACCESS}/account-tokens.ts`,
    from: ' && stored.uid === uid',
    to: '',
    tests: [USERS],
  },
  {
    check: 'a token ends with what it is bound to',
    file: `${ACCESS}/account-tokens.ts`,
    from: 'bound.every((object) => this.#isThere(object)) ? user : undefined',
    to: 'user',
    tests: [USERS],
  },
  {
    check: 'a token is for its audience',
    file: `${ACCESS}/account-tokens.ts`,
    from: " || !listAt(claims, 'aud').includes(ISSUER)",
    to: '',
    tests: [USERS],
  },
  {
    check: 'a token is of its issuer',
    file: `${ACCESS}/account-tokens.ts`,
    from: " || own(claims, 'iss') !== ISSUER",
    to: '',
    tests: [TOKENS],
  },
  { check: 'a token is signed', file: `${ACCESS}/jwt.ts`, from: 'if (!valid) return undefined;', to: 'void valid;', tests: [USERS] },
  {
    check: 'nobody gets no more, whatever is bound to them',
    file: `${ACCESS}/rbac.ts`,
    from: "if (isAnonymous(user)) return { allowed: false, reason: '' };",
    to: '',
    tests: [USERS],
  },
  {
    check: 'a binding that goes takes its rights',
    file: `${ACCESS}/rbac.ts`,
    from: '      this.#known.clear();\n',
    to: '',
    tests: [RIGHTS],
  },
  {
    check: 'a role holds in its namespace',
    file: `${ACCESS}/rbac.ts`,
    from: "const scopes = namespace === '' ? [''] : ['', namespace];",
    to: "const scopes = ['', namespace, 'hall'];",
    tests: [RIGHTS],
  },
  {
    check: 'names limit a rule',
    file: `${ACCESS}/rules.ts`,
    from: '(rule.resourceNames.length === 0 || rule.resourceNames.includes(attempt.name))',
    to: 'true',
    tests: [RIGHTS],
  },
  {
    check: 'a subresource is not its resource',
    file: `${ACCESS}/rules.ts`,
    from: "if (subresource === '') return allowed === resource;",
    to: 'if (allowed === resource) return true;',
    tests: ['test/unit/cloud/store/access/rules.test.ts'],
  },
  {
    check: 'verbs limit a rule',
    file: `${ACCESS}/rules.ts`,
    from: 'if (!has(rule.verbs, attempt.verb)) return false;',
    to: '',
    tests: [RIGHTS],
  },
  {
    check: 'groups of the API limit a rule',
    file: `${ACCESS}/rules.ts`,
    from: '    has(rule.apiGroups, attempt.group) &&\n',
    to: '',
    tests: ['test/unit/cloud/store/access/rules.test.ts'],
  },
  {
    check: 'who may update may not create by it',
    file: 'cloud/store/embedded/verbs/write.ts',
    from: "if (request.method !== 'POST') engine.rbac.demand(",
    to: "if (request.method === '') engine.rbac.demand(",
    tests: [RIGHTS],
  },
  {
    check: 'new roles and bindings are compared',
    file: 'cloud/store/embedded/verbs/write.ts',
    from: '  checkGranting(engine.rbac, { kind, object, previous: undefined, user: request.user });\n',
    to: '',
    tests: [ESCALATION],
  },
  {
    check: 'changed roles and bindings are compared',
    file: 'cloud/store/embedded/verbs/write.ts',
    from: '  checkGranting(engine.rbac, { kind, object, previous, user: request.user });\n',
    to: '',
    tests: [ESCALATION],
  },
  {
    check: 'too much to compare is refused',
    file: `${ACCESS}/escalation.ts`,
    from: 'if (missing?.length === 0) return;',
    to: 'if (missing === undefined || missing.length === 0) return;',
    tests: [ESCALATION],
  },
  {
    check: 'acting as another needs the right to it',
    file: `${ACCESS}/impersonation.ts`,
    from: '  rbac.demand(user, account === undefined',
    to: '  void (account === undefined',
    tests: [ESCALATION],
  },
  {
    check: 'acting in a group needs the right to it',
    file: `${ACCESS}/impersonation.ts`,
    from: "for (const group of groups) rbac.demand(user, attempt('groups', group));",
    to: '',
    tests: [ESCALATION],
  },
  {
    check: 'only cloudcore is left out of the audit log',
    file: 'cloud/store/embedded/audit/audit-log.ts',
    from: " && userAgent.startsWith('cloudcore/') && isController(user)",
    to: '',
    tests: [AUDIT],
  },
  {
    check: 'refusals are recorded',
    file: 'cloud/store/embedded/server.ts',
    from: 'if (audited !== undefined) this.#audit?.refused(audited, status);',
    to: '',
    tests: [AUDIT],
  },
  {
    check: 'the audit log is bounded',
    file: 'cloud/store/embedded/audit/audit-file.ts',
    from: 'await rm(names.at(-1) ?? file, { force: true });',
    to: 'names.push(`${file}.${String(this.#clock.now())}`);',
    tests: [AUDIT],
  },
];
