import { brotliCompressSync, constants, gzipSync } from 'node:zlib'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { join, resolve } from 'node:path'
import react from '@vitejs/plugin-react'
import tailwind from '@tailwindcss/vite'
import { defineConfig, type Plugin } from 'vitest/config'

const here = fileURLToPath(new URL('.', import.meta.url))

/** Writes .gz and .br beside every text that is worth it, so that the server never compresses. */
function precompress(): Plugin {
  let out = ''
  return {
    name: 'precompress',
    apply: 'build',
    configResolved(config) {
      out = resolve(config.root, config.build.outDir)
    },
    closeBundle() {
      for (const entry of readdirSync(out, { recursive: true, withFileTypes: true })) {
        const name = join(entry.parentPath, entry.name)
        if (!entry.isFile() || !/\.(js|css|html|json|svg|webmanifest)$/.test(name)) continue
        const text = readFileSync(name)
        if (text.length < 1024) continue
        writeFileSync(`${name}.gz`, gzipSync(text, { level: 9 }))
        const quality = { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: text.length }
        writeFileSync(`${name}.br`, brotliCompressSync(text, { params: quality }))
      }
    },
  }
}

const server = process.env['EVENKEEL_API'] ?? 'http://127.0.0.1:8080'

export default defineConfig({
  root: here,
  plugins: [react(), tailwind(), precompress()],
  resolve: {
    alias: {
      '@': join(here, 'src'),
      // Radix's dialogs lock scrolling with a <style> element, which our Content-Security-Policy forbids.
      'react-style-singleton': join(here, 'src/lib/style-singleton.ts'),
    },
  },
  build: {
    target: 'es2022',
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    chunkSizeWarningLimit: 600,
    // What every page needs comes in two files, and what every page behind the login needs in a third, not in one for each
    // set of pages that share something. A part of ui/ is nothing until it is drawn: who imports one gets no other.
    rolldownOptions: {
      treeshake: { moduleSideEffects: [{ test: /web[\\/]src[\\/]ui[\\/]/, sideEffects: false }] },
      output: { codeSplitting: { groups: [
        { name: 'vendor', test: /node_modules[\\/](react|react-dom|scheduler|i18next|react-i18next|wouter|@tanstack[\\/](query-core|react-query)|use-sync-external-store)[\\/]/, priority: 3 },
        { name: 'base', test: /web[\\/]src[\\/](api[\\/]|i18n[\\/]index|lib[\\/]|live[\\/]|main|shell[\\/](App|Appearance|Alone|Locked|inside)\.|ui[\\/](Button|Field|Icon|Segments|States|Toast)\.)|web[\\/]src[\\/]areas[\\/](area|[^\\/]+[\\/]index)\.ts$/, priority: 2 },
        { name: 'inside', test: /web[\\/]src[\\/](shell|ui)[\\/]|web[\\/]src[\\/]areas[\\/]blotter[\\/](data|follow)\.ts$/, priority: 1 },
      ] } },
    },
  },
  server: {
    proxy: Object.fromEntries(
      ['/api', '/v2', '/v3', '/udf', '/readyz', '/healthz'].map((path) => [path, { target: server, ws: true }]),
    ),
  },
  test: {
    environment: 'happy-dom',
    include: ['src/**/*.test.{ts,tsx}'],
    restoreMocks: true,
  },
})
