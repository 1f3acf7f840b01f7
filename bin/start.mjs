// start.mjs: `npm start`. Makes ./pgdata (or $PGDATA) if need be and runs its server in the foreground.
import { createRequire } from 'node:module';

createRequire(import.meta.url)('./load.cjs')('nodegres').main(['start', '--foreground', ...process.argv.slice(2)]);
