/**
 * Proxies that stand alone, in clear text, in the client's pod: nginx for HTTP/1, nghttpx for HTTP/2 (neither forwards
 * the other without translating it), and a splice of bytes. haproxy's single hop is part of its pair.
 */
import type { ChildProcess } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { PROXY_UID } from '../../api/vocabulary.ts'
import { runProgram } from '../../injector/rules/run.ts'
import type { Bed } from '../bed.ts'
import { ALL_ORIGINS, ORIGINS } from '../origin-ports.ts'
import { DIRECT_OFFSET, NGHTTPX_OFFSET, NGINX_OFFSET, RUN_FOLDER, SPLICE_OFFSET, VIP } from '../pods.ts'
import { stillRunning } from './haproxy.ts'

export interface Hop {
  readonly name: string
  readonly process: ChildProcess
}

/** All on the first core, with one thread or worker. */
const PINNED = { core: 0, asProxy: true } as const

export async function startNginx(bed: Bed): Promise<Hop> {
  const folder = join(RUN_FOLDER, 'nginx')
  mkdirSync(folder, { recursive: true })
  await runProgram('chown', ['-R', `${PROXY_UID}:${PROXY_UID}`, folder])
  const file = join(RUN_FOLDER, 'nginx.conf')
  writeFileSync(file, nginxConfig(folder, bed.server.ip))
  const child = bed.spawn(bed.client, ['nginx', '-e', 'stderr', '-p', folder, '-c', file], PINNED)
  await stillRunning('nginx', child)
  return { name: await nameOf('nginx', ['-v'], /nginx\/([\d.]+)/), process: child }
}

/** @param folder for everything that nginx would write */
export function nginxConfig(folder: string, serverIp: string): string {
  const origins = ALL_ORIGINS.filter(({ kind }) => kind === 'h1')
  const paths = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (name) => `  ${name}_temp_path ${folder}/${name};`,
  )
  return [
    'daemon off;',
    // The one process is the worker, so its CPU is all there is.
    'master_process off;',
    `pid ${folder}/pid;`,
    'error_log stderr error;',
    'events { worker_connections 4096; }',
    'http {',
    ...paths,
    '  access_log off;',
    '  keepalive_requests 1000000000;',
    ...origins.flatMap(({ port }) => [
      `  upstream app${port} { server ${serverIp}:${port + DIRECT_OFFSET}; keepalive 256; keepalive_requests 1000000000; }`,
      `  server { listen 127.0.0.1:${port + NGINX_OFFSET}; location / {`,
      `    proxy_pass http://app${port}; proxy_http_version 1.1;`,
      '    proxy_set_header connection ""; proxy_set_header host $host;',
      '  } }',
    ]),
    '}',
    '',
  ].join('\n')
}

export async function startNghttpx(bed: Bed): Promise<Hop> {
  // nghttpx chooses backends by authority and path, not by port: it stands before one application.
  const { port } = ORIGINS.h2
  const child = bed.spawn(
    bed.client,
    [
      ...['nghttpx', '--conf=/dev/null', '--single-process', '--workers=1', '--errorlog-file=/dev/stderr'],
      ...['--accesslog-file=/dev/null', `--frontend=127.0.0.1,${port + NGHTTPX_OFFSET};no-tls`],
      `--backend=${bed.server.ip},${port + DIRECT_OFFSET};;proto=h2`,
      ...['--frontend-http2-max-concurrent-streams=1000', '--no-via', '--log-level=ERROR'],
    ],
    PINNED,
  )
  await stillRunning('nghttpx', child)
  return { name: await nameOf('nghttpx', ['--version'], /nghttp2\/([\d.]+)/), process: child }
}

export async function startSplice(bed: Bed): Promise<Hop> {
  const script = join(import.meta.dirname, 'splice.ts')
  // Not as the proxies' user, who may not be able to read this checkout; its connections go out by an address that the
  // sidecar's redirect leaves alone.
  const child = bed.spawn(bed.client, [process.execPath, script, String(SPLICE_OFFSET), VIP.direct], { core: 0 })
  await stillRunning('splice', child)
  return { name: `splice, Node ${process.versions.node}`, process: child }
}

async function nameOf(program: string, args: readonly string[], version: RegExp): Promise<string> {
  const { stdout, stderr } = await runProgram(program, args)
  return `${program} ${version.exec(stdout + stderr)?.[1] ?? 'of unknown version'}`
}
