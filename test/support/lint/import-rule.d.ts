/** Types of import-rule.js, which is JavaScript because ESLint loads it without help. */
import type { Rule } from 'eslint';

export function roomOf(file: string): string | undefined;
export function importFault(edge: { file: string; specifier: string; typeOnly: boolean }): string | undefined;
export const importRule: Rule.RuleModule;
