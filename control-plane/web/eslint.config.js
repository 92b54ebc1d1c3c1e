// What a reader should not have to look for.
import js from '@eslint/js';
import hooks from 'eslint-plugin-react-hooks';
import ts from 'typescript-eslint';

// What scripts and tests find in Node, and what tests find in the page that they look into.
const names = [
  'console',
  'process',
  'URL',
  'Buffer',
  'setTimeout',
  'clearTimeout',
  'document',
  'window',
  'localStorage',
  'sessionStorage',
];

export default ts.config(
  { ignores: ['dist', 'src/api/gen'] },
  js.configs.recommended,
  ...ts.configs.recommended,
  hooks.configs.flat.recommended,
  {
    rules: {
      eqeqeq: 'error',
      '@typescript-eslint/no-unused-vars': ['error', { varsIgnorePattern: '^_', argsIgnorePattern: '^_' }],
      'no-console': 'error',
      'max-lines': ['error', 400],
      '@typescript-eslint/no-explicit-any': 'error',
    },
  },
  {
    files: ['scripts/**', 'tests/**'],
    languageOptions: { globals: Object.fromEntries(names.map((name) => [name, 'readonly'])) },
    rules: { 'no-console': 'off' },
  },
);
