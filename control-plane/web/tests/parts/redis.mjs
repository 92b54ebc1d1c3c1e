// A Redis that keeps nothing: stopped and started again where it was.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { answers } from '../ports.mjs';
import { until } from '../until.mjs';
import { part } from './part.mjs';

const password = 'redis-password-that-nobody-sees';

export class Redis {
  constructor(scene, port) {
    this.scene = scene;
    this.port = port;
    this.url = `redis://:${password}@127.0.0.1:${port}`;
    this.folder = join(scene.work, 'redis');
    mkdirSync(this.folder, { recursive: true });
    writeFileSync(
      join(this.folder, 'redis.conf'),
      `bind 127.0.0.1\nport ${port}\nrequirepass ${password}\nsave ""\nappendonly no\ndaemonize no\n`,
    );
  }

  async start() {
    const program = join(part('redis-7'), 'bin/redis-server');
    this.scene.run('redis', program, [join(this.folder, 'redis.conf')], {}, this.folder);
    await until('Redis', () => answers(this.port));
  }

  async stop() {
    await this.scene.end('redis');
  }
}
