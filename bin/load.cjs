// load.cjs: the bundle of a program, or a word on how to make it.
const { existsSync } = require('node:fs');
const { join } = require('node:path');
const root = join(__dirname, '..');

module.exports = (name) => {
  const missing = ['native-shm/index.cjs', `dist/${name}.cjs`].find((path) => !existsSync(join(root, path)));
  if (missing === undefined) return require(join(root, 'dist', `${name}.cjs`));
  process.stderr.write(`nodegres: ${missing} is missing: run "npm install" (or "npm run build") in ${root}\n`);
  return process.exit(1);
};
