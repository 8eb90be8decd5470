import js from '@eslint/js'
import tseslint from 'typescript-eslint'

export default tseslint.config(
  { ignores: ['**/dist/**', '**/node_modules/**', 'coverage/**', '**/runs/**', 'bench/work/**', '**/fixtures/**'] },
  js.configs.recommended,
  ...tseslint.configs.strictTypeChecked,
  {
    files: ['**/*.ts'],
    // One program of all sources and tests: the packages' own tsconfig.json leave the tests out.
    languageOptions: {
      parserOptions: {
        project: ['./tsconfig.test.json', './examples/arithmetic/tsconfig.json', './examples/paper/tsconfig.json'],
        tsconfigRootDir: import.meta.dirname,
      },
    },
    rules: {
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
      // Numbers and booleans print as they are read; what prints as [object Object], null or undefined stays an error.
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true, allowBoolean: true, allowNever: true }],
      // `() => store.close()` is how a call is handed on; a value is still not made of nothing elsewhere.
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
      // The sources index arrays inside bounds they just checked; the alternative is a cast that says less.
      '@typescript-eslint/no-non-null-assertion': 'off',
      '@typescript-eslint/no-dynamic-delete': 'off',
      // node:test reports what its promises say by itself.
      '@typescript-eslint/no-floating-promises': [
        'error',
        { allowForKnownSafeCalls: [{ from: 'package', name: ['describe', 'it', 'test'], package: 'node:test' }] },
      ],
      // `async` without `await` turns a thrown error into a rejection, which callers of an interface that returns a promise rely on;
      // promise-function-async asks for it where the rule forbids it.
      '@typescript-eslint/require-await': 'off',
      // Objects here are mostly made of closures and taken apart on purpose (`const { where, shown } = places`); the rule sees a method
      // in an interface, not whether an implementation reads `this`, and classes are called through their instance.
      '@typescript-eslint/unbound-method': 'off',
    },
  },
  {
    files: ['**/test/**/*.ts'],
    // jest's asymmetric matchers (expect.objectContaining, expect.any) and rows of test.each are typed any.
    rules: { '@typescript-eslint/no-unsafe-argument': 'off', '@typescript-eslint/no-unsafe-assignment': 'off' },
  },
  {
    files: ['**/*.mjs', '**/*.cjs', '**/*.js', '**/*.d.mts', '**/*.d.cts'],
    ...tseslint.configs.disableTypeChecked,
  },
  {
    files: ['**/*.mjs', '**/*.cjs', '**/*.js'],
    languageOptions: {
      globals: {
        process: 'readonly',
        console: 'readonly',
        require: 'readonly',
        module: 'writable',
        __dirname: 'readonly',
        Buffer: 'readonly',
        performance: 'readonly',
        setTimeout: 'readonly',
        URL: 'readonly',
      },
    },
    rules: { '@typescript-eslint/no-require-imports': 'off' },
  },
  {
    // The script of a page, which runs in a browser.
    files: ['packages/report/assets/*.js'],
    languageOptions: { sourceType: 'script', globals: { document: 'readonly', Option: 'readonly' } },
  },
)
