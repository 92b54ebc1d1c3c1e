// Where the downloaded parts are, by the same rule as tests/parts/install.sh has.
import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

function cache() {
  const { DATAGUARDIAN_CACHE, XDG_CACHE_HOME } = process.env;
  if (DATAGUARDIAN_CACHE) return DATAGUARDIAN_CACHE;
  if (XDG_CACHE_HOME) return join(XDG_CACHE_HOME, 'dataguardian');
  return process.getuid() === 0 ? '/var/cache/dataguardian' : join(homedir(), '.cache/dataguardian');
}

/** The folder of a part. */
export function part(name) {
  const folder = join(cache(), 'parts', name);
  if (!existsSync(folder)) throw new Error(`${name} is missing: bash tests/parts/install.sh ${name}`);
  return folder;
}
