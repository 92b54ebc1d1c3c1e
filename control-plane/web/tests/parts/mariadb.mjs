// A private MariaDB with a database of a shop.
import { spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';

import { answers, freePort } from '../ports.mjs';
import { until } from '../until.mjs';
import { part } from './part.mjs';

export class MariaDb {
  user = 'backup';
  password = 'mariadb password of the tests';

  static async start(scene) {
    const own = new MariaDb();
    const tree = part('mariadb-11.8');
    own.bin = join(tree, 'bin');
    own.port = await freePort();
    const folder = join(scene.work, 'mariadb');
    mkdirSync(folder);
    own.socket = join(folder, 'mysqld.sock');
    // MariaDB serves root only when told to.
    const account = process.getuid() === 0 ? ['--user=root'] : [];
    const base = ['--no-defaults', `--basedir=${tree}`, `--datadir=${join(folder, 'data')}`];
    const installing = [...base, '--auth-root-authentication-method=normal', '--skip-test-db', '--force'];
    scene.run(
      'mariadb-install',
      join(own.bin, 'mariadb-install-db'),
      [...installing, ...account],
      {},
      folder,
    );
    await scene.ended('mariadb-install');
    scene.run(
      'mariadb',
      join(tree, 'sbin/mariadbd'),
      [
        ...base,
        ...account,
        `--tmpdir=${folder}`,
        `--socket=${own.socket}`,
        `--pid-file=${join(folder, 'pid')}`,
        `--port=${own.port}`,
        '--bind-address=127.0.0.1',
        '--skip-name-resolve',
        '--innodb-buffer-pool-size=32M',
        '--innodb-flush-log-at-trx-commit=0',
      ],
      {},
      folder,
    );
    await until('MariaDB', () => answers(own.port));
    own.sql(
      `CREATE USER '${own.user}'@'127.0.0.1' IDENTIFIED BY '${own.password}';
       GRANT ALL PRIVILEGES ON *.* TO '${own.user}'@'127.0.0.1' WITH GRANT OPTION;
       CREATE DATABASE store;
       USE store;
       CREATE TABLE store.items (id int PRIMARY KEY, name varchar(60) NOT NULL);
       INSERT INTO store.items SELECT seq, concat('item ', seq) FROM seq_1_to_3000;`,
    );
    return own;
  }

  /** Runs SQL as root, and gives what it says. */
  sql(text) {
    const args = [
      '--no-defaults',
      '--user=root',
      `--socket=${this.socket}`,
      '--batch',
      '--skip-column-names',
    ];
    const done = spawnSync(join(this.bin, 'mariadb'), [...args, '--execute', text], { encoding: 'utf8' });
    if (done.status !== 0) throw new Error(`mariadb: ${done.stderr}`);
    return done.stdout.trim();
  }
}
