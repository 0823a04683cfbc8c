/** Owns the lint rules: type-aware TypeScript, one source of time and chance, small files and functions, and the import rule. */
import js from '@eslint/js';
import { defineConfig } from 'eslint/config';
import tseslint from 'typescript-eslint';
import { importRule } from './test/support/lint/import-rule.js';

const CLOCK = 'take time and chance from the Clock that is passed in (edge/beehive/clock.ts)';
const timers = ['setTimeout', 'setInterval'];

/** Time and chance come from the Clock: only its own file, and tests, may touch these. */
const clockOnly = {
  'no-restricted-globals': ['error', ...timers.map((name) => ({ name, message: CLOCK }))],
  'no-restricted-properties': [
    'error',
    { object: 'Date', property: 'now', message: CLOCK },
    { object: 'performance', property: 'now', message: CLOCK },
    { object: 'Math', property: 'random', message: CLOCK },
    { object: 'process', property: 'hrtime', message: CLOCK },
    ...['globalThis', 'global'].flatMap((object) => timers.map((property) => ({ object, property, message: CLOCK }))),
  ],
  'no-restricted-syntax': [
    'error',
    {
      selector: "NewExpression[callee.name='Date'][arguments.length=0]",
      message: `new Date() without an argument reads the clock: ${CLOCK}`,
    },
    { selector: "CallExpression[callee.name='Date']", message: `Date() reads the clock: ${CLOCK}` },
  ],
  'no-restricted-imports': [
    'error',
    {
      paths: ['timers', 'node:timers', 'timers/promises', 'node:timers/promises', 'perf_hooks', 'node:perf_hooks'].map((name) => ({
        name,
        message: CLOCK,
      })),
    },
  ],
};

const size = {
  'max-lines': ['error', { max: 300, skipBlankLines: true, skipComments: true }],
  'max-lines-per-function': ['error', { max: 50, skipBlankLines: true, skipComments: true }],
  'max-params': ['error', 3],
};

/** On top of strict-type-checked. What is switched off there is noise in code that checks what comes from outside. */
const typescript = {
  '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
  '@typescript-eslint/consistent-type-imports': ['error', { fixStyle: 'inline-type-imports', disallowTypeAnnotations: false }],
  '@typescript-eslint/no-floating-promises': ['error', { ignoreVoid: true }],
  '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true, allowBoolean: true }],
  '@typescript-eslint/no-confusing-void-expression': 'off',
  '@typescript-eslint/no-unnecessary-condition': 'off',
  '@typescript-eslint/no-invalid-void-type': 'off',
  '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_', caughtErrors: 'none' }],
  // A method that an interface wants asynchronous may have nothing to wait for.
  '@typescript-eslint/require-await': 'off',
  '@typescript-eslint/no-unnecessary-type-parameters': 'off',
  '@typescript-eslint/return-await': 'off',
  '@typescript-eslint/no-dynamic-delete': 'off',
  '@typescript-eslint/no-meaningless-void-operator': 'off',
  eqeqeq: 'error',
  'no-var': 'error',
  'prefer-const': 'error',
};

export default defineConfig([
  { ignores: ['test/bench/twin-load.mjs', 'node_modules/', 'dist/', '.hivelet/'] },
  { linterOptions: { noInlineConfig: true, reportUnusedDisableDirectives: 'error' } },
  js.configs.recommended,
  {
    files: ['**/*.{js,mjs}'],
    languageOptions: { globals: { process: 'readonly', console: 'readonly', URL: 'readonly' } },
    rules: { 'max-lines': size['max-lines'] },
  },
  {
    // Simulated Bluetooth, taken over as it is: it stands for a radio, so that real time is its own.
    files: ['mappers/bluetooth/sim/*.js'],
    languageOptions: {
      globals: Object.fromEntries(
        ['Buffer', 'performance', 'setImmediate', 'clearTimeout', 'clearInterval', 'Atomics', 'SharedArrayBuffer', ...timers].map(
          (name) => [name, 'readonly'],
        ),
      ),
    },
    rules: { 'max-lines': 'off', 'no-unused-vars': 'off' },
  },
  {
    files: ['**/*.ts'],
    ignores: ['mappers/bluetooth/sim/*.d.ts'],
    extends: [tseslint.configs.strictTypeChecked],
    plugins: { house: { rules: { imports: importRule } } },
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: { ...typescript, ...size, ...clockOnly, 'house/imports': ['error', import.meta.dirname] },
  },
  {
    files: ['edge/beehive/clock.ts'],
    rules: { 'no-restricted-globals': 'off', 'no-restricted-properties': 'off' },
  },
  {
    files: ['test/**/*.ts'],
    rules: {
      'max-lines-per-function': 'off',
      'no-restricted-globals': 'off',
      'no-restricted-properties': 'off',
      'no-restricted-syntax': 'off',
      'no-restricted-imports': 'off',
      '@typescript-eslint/no-non-null-assertion': 'off',
      '@typescript-eslint/no-empty-function': 'off',
      '@typescript-eslint/no-base-to-string': 'off',
      '@typescript-eslint/unbound-method': 'off',
      '@typescript-eslint/use-unknown-in-catch-callback-variable': 'off',
    },
  },
]);
