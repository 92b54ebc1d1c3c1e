// Builds the interface into dist/, from where the control plane's build takes it in.
import react from '@vitejs/plugin-react';
import { defineConfig } from 'vitest/config';

/** Where `npm run dev` finds a control plane. */
const server = process.env.DATAGUARDIAN_SERVER ?? 'https://127.0.0.1:8443';

export default defineConfig({
  // Every address is relative: a proxy may put any path before ours.
  base: './',
  plugins: [react()],
  build: {
    target: 'es2022',
    emptyOutDir: false,
    // Nothing is put into the code as data: addresses, so that the policy need not allow them for fonts and scripts.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 400,
  },
  server: { proxy: { '/dataguardian.v1.': { target: server, secure: false } } },
  test: { include: ['src/**/*.test.ts'], environment: 'node' },
});
