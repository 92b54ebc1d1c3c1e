// Real servers for the browser tests: a control plane, an agent, PostgreSQL, MariaDB and Redis, in a temporary directory on free ports of
// 127.0.0.1. Each is stopped by its own process id.
import { spawn, spawnSync } from 'node:child_process';
import {
  chmodSync,
  createWriteStream,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { MariaDb } from './parts/mariadb.mjs';
import { Redis } from './parts/redis.mjs';
import { answers, freePort } from './ports.mjs';
import { until } from './until.mjs';

const root = new URL('../../..', import.meta.url).pathname;
const bin = process.env.DATAGUARDIAN_BIN ?? join(root, 'target/debug');

export class Scene {
  processes = new Map();
  constructor(work) {
    this.work = work;
  }

  static async start() {
    const work = mkdtempSync(join(tmpdir(), 'dg-web.'));
    chmodSync(work, 0o755);
    mkdirSync(join(work, 'logs'));
    const scene = new Scene(work);
    // Whatever ends the tests, no server is left behind.
    process.once('exit', () => scene.processes.forEach(({ child, signal }) => child.kill(signal)));
    for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1));
    try {
      await Promise.all([scene.startPostgres(), scene.startMariaDb(), scene.startControlPlane()]);
    } catch (error) {
      await scene.stop();
      throw error;
    }
    return scene;
  }

  /** Starts a program whose output goes into a log of its own. */
  run(name, program, args, env = {}, cwd = undefined) {
    const log = join(this.work, 'logs', `${name}.log`);
    const child = spawn(program, args, {
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
      cwd,
    });
    const file = createWriteStream(log, { flags: 'a' });
    child.stdout.pipe(file, { end: false });
    child.stderr.pipe(file, { end: false });
    const ended = new Promise((resolve) => child.once('exit', resolve));
    // MariaDB takes no notice of SIGINT, and private-postgres ends at it in order.
    this.processes.set(name, { child, ended, signal: name.startsWith('mariadb') ? 'SIGTERM' : 'SIGINT' });
    return log;
  }

  /** Waits for a program that ends by itself. */
  async ended(name) {
    await this.processes.get(name).ended;
    this.processes.delete(name);
  }

  async end(name) {
    const running = this.processes.get(name);
    if (!running) return;
    this.processes.delete(name);
    running.child.kill(running.signal);
    const late = setTimeout(() => running.child.kill('SIGKILL'), 15_000);
    await running.ended;
    clearTimeout(late);
  }

  async startPostgres() {
    const log = this.run('postgres', join(bin, 'private-postgres'), ['15']);
    const text = await until('PostgreSQL', () => {
      const said = existsSync(log) ? readFileSync(log, 'utf8') : '';
      return said.includes('export PATH') && said;
    });
    // Values are quoted as shells want it, a quote within as '\\''.
    const value = (name) => {
      const [, quoted, plain] = new RegExp(`${name}=(?:'((?:[^']|'\\\\'')*)'|(\\S+))`).exec(text);
      return quoted === undefined ? plain : quoted.replaceAll(`'\\''`, "'");
    };
    this.postgres = {
      port: value('PGPORT'),
      user: value('PGUSER'),
      password: value('PGPASSWORD'),
      host: value('PGHOST'),
    };
    this.psqlPath = value('PATH');
    this.psql('postgres', 'CREATE DATABASE shop');
    this.psql('postgres', 'CREATE DATABASE crm');
    this.psql(
      'shop',
      `CREATE TABLE customers (id int PRIMARY KEY, name text NOT NULL);
       INSERT INTO customers SELECT n, 'customer ' || n FROM generate_series(1, 2000) n;
       CREATE TABLE orders (id int PRIMARY KEY, customer int REFERENCES customers, paid numeric, note text);
       INSERT INTO orders SELECT n, 1 + n % 2000, n * 1.1, md5(n::text) FROM generate_series(1, 40000) n;`,
    );
    this.psql(
      'crm',
      'CREATE TABLE leads AS SELECT n AS id, md5(n::text) AS note FROM generate_series(1, 5000) n',
    );
  }

  /** Runs SQL, and gives what it says. */
  psql(database, sql) {
    const { host, port, user, password } = this.postgres;
    const done = spawnSync(
      join(this.psqlPath, 'psql'),
      ['-XAtq', '-v', 'ON_ERROR_STOP=1', '-d', database, '-c', sql],
      {
        env: { ...process.env, PGHOST: host, PGPORT: port, PGUSER: user, PGPASSWORD: password },
        encoding: 'utf8',
      },
    );
    if (done.status !== 0) throw new Error(`psql: ${done.stderr}`);
    return done.stdout.trim();
  }

  /** Gives the account that backups are made with another password, behind the control plane's back. */
  changePassword(password) {
    this.psql('postgres', `ALTER USER ${this.postgres.user} PASSWORD '${password.replaceAll("'", "''")}'`);
    this.postgres.password = password;
  }

  async startMariaDb() {
    this.mariadb = await MariaDb.start(this);
  }

  /** From the control plane's next start on, its queue is in a Redis of its own. */
  async startRedis() {
    this.redis ??= new Redis(this, await freePort());
    await this.redis.start();
  }

  async startControlPlane() {
    this.apiPort ??= await freePort();
    this.agentPort ??= await freePort();
    this.data = join(this.work, 'control-plane');
    // What a proxy is called by, for the test that has one.
    this.proxyPort ??= await freePort();
    const config = join(this.work, 'control-plane.toml');
    writeFileSync(config, `[api]\npublic_urls = ["http://localhost:${this.proxyPort}"]\n`);
    const listen = [
      '--config',
      config,
      '--api-listen',
      `127.0.0.1:${this.apiPort}`,
      '--agent-listen',
      `127.0.0.1:${this.agentPort}`,
    ];
    const queue = this.redis ? { DATAGUARDIAN_REDIS_URL: this.redis.url } : {};
    this.run(
      'control-plane',
      join(bin, 'dataguardian'),
      ['serve', '--data-dir', this.data, ...listen],
      queue,
    );
    this.url = `https://127.0.0.1:${this.apiPort}`;
    await until('the control plane', () => answers(this.apiPort));
  }

  setupToken() {
    return readFileSync(join(this.data, 'setup-token'), 'utf8').trim();
  }

  /** Enrolls by the line that the page shows; without what it does to a system, which these tests leave alone. */
  enroll(line) {
    const state = join(this.work, 'agent');
    const own = line.replace(
      'sudo dataguardian-agent install',
      `'${join(bin, 'dataguardian-agent')}' enroll --state-dir '${state}'`,
    );
    const done = spawnSync('bash', ['-c', own], { encoding: 'utf8' });
    if (done.status !== 0) throw new Error(`enroll: ${done.stdout}${done.stderr}`);
  }

  startAgent() {
    const path = `${this.psqlPath}:${this.mariadb.bin}:${process.env.PATH}`;
    this.run('agent', join(bin, 'dataguardian-agent'), ['run', '--state-dir', join(this.work, 'agent')], {
      PATH: path,
    });
  }

  folder(name) {
    return join(this.work, name);
  }

  async stop() {
    await Promise.all([...this.processes.keys()].map((name) => this.end(name)));
    if (!process.env.KEEP) rmSync(this.work, { recursive: true, force: true });
  }
}
